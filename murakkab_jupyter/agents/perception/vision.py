"""Vision: what a picture shows, and what is written on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Failed, Inputs, Needs, Option
from murakkab_jupyter.agents.capability import Capability, Port, Yield
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.media.pictures import READING, Pixels, read_frame
from murakkab_jupyter.agents.perception.coco import COCO_90
from murakkab_jupyter.agents.perception.ocr import RAPIDOCR, TESSERACT
from murakkab_jupyter.agents.perception.onnx import session
from murakkab_jupyter.agents.perception.ssd import decode
from murakkab_jupyter.agents.weights.resolver import resolve
from murakkab_jupyter.core.errors import AgentError, MurakkabError
from murakkab_jupyter.core.kinds import Box, Boxes, Measure

__all__ = [
    "OBJECT_DETECTION",
    "OCR",
    "SSD_MOBILENET_V2",
    "SSD_MOBILENET_V2_SMALL",
    "SmallSsdDetector",
    "SsdDetector",
    "register",
]

DECODE = 0.025
"""Decoding a megapixel of a video, in pictures looked at: 1.7-2.6 ms of H.264 here, where the detectors that ship take 42 and 92 ms."""


def pictures(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> float:
    """Pictures to look at, and the decoding that it takes to reach them: of a large video, that is most of the work."""
    return 1.0 + DECODE * inputs.get("picture", {}).get("decoded_megapixels", 0.0)


def read_megapixels(inputs: Mapping[str, Measure], options: Mapping[str, Any]) -> float:
    """Megapixels that are read, by one that reduces large pictures (its option says so) no more than those; nobody asks for a shape here: 4:3."""
    size = inputs.get("picture", {}).get("megapixels", 0.0)
    longest = options.get("longest_side")
    return min(size, float(longest) ** 2 * 3 / 4 / 1e6) if longest else size


MIDDLE = 127.5
"""What is subtracted from a colour of 0 to 255."""
HALF = 1 / 127.5
"""And what is left is multiplied with: from -1 to 1, as the network was trained."""

PICTURE = Port("picture", frozenset({"frame", "image"}))

OBJECT_DETECTION = Capability(
    name="object-detection",
    summary="Find the objects in a picture: label, score, box.",
    ports=(PICTURE,),
    output="boxes",
    patterns=(
        "(detect|find|list|name|recognise|recognize) [all] (objects|things) [shown|seen|visible] (in|on) [each|all] {picture}",
        "(detect|find|list|name|recognise|recognize) [all] (objects|things) you [can] see (in|on) [each|all] {picture}",
        "(detect|find|list|name|recognise|recognize) what is [shown|seen|visible] (in|on) [each|all] {picture}",
        "what is [shown|seen|visible] (in|on) [each|all] {picture}",
        "run object detection on [each|all] {picture}",
    ),
    unit="pictures",
    work=pictures,
    yields=lambda inputs, options: Yield(1.0, {"boxes": 3.0, "tokens": 6.0, "count": 1.0}),
)

OCR = Capability(
    name="ocr",
    summary="Read the text written in a picture.",
    ports=(PICTURE,),
    output="text",
    patterns=(
        "read [all] [text|words|what is written] [in|on|from] [each|all] {picture}",
        "[run] (ocr|text recognition) [on] [each|all] {picture}",
    ),
    unit="megapixels",
    work=read_megapixels,
    yields=lambda inputs, options: Yield(1.0, {"tokens": 8.0, "count": 1.0}),
)


class SsdDetector(Agent):
    """SSD-MobileNet-v2 through ONNX Runtime; OpenCV makes the pictures smaller."""

    size = 300

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Load the network with as many threads as there are cores."""
        try:
            import cv2
        except ImportError as error:
            msg = f"OpenCV cannot be loaded: {error}."
            raise AgentError(msg, hint="pip install opencv-python-headless") from error
        cv2.setNumThreads(1)  # what it does here is over before threads would be awake
        self._cv2 = cv2
        self._network = session(resolve("ssd-mobilenet-v2"), cores)
        self._least = float(options["least_score"])

    def call(self, batch: Sequence[Inputs]) -> Sequence[Any]:
        """The objects in each picture, the surest first."""
        results: list[Any] = []
        for item in batch:
            try:
                pixels = read_frame(item.values["picture"])
            except MurakkabError as error:
                results.append(Failed(" ".join(error.lines())))
                continue
            results.append(Boxes(tuple(self.find(pixels))))
        return results

    def find(self, pixels: Pixels) -> list[Box]:
        """The objects in one picture."""
        side = (self.size, self.size)
        picture = self._cv2.dnn.blobFromImage(pixels, HALF, side, (MIDDLE, MIDDLE, MIDDLE))
        offsets, scores = self._network.run(["boxes", "scores"], {"picture": picture})
        found = []
        for number, score, *edges in decode(offsets[0], scores[0], self.size, self._least):
            label = COCO_90.get(number)
            x1, y1, x2, y2 = (min(1.0, max(0.0, edge)) for edge in edges)
            if label is not None and x2 > x1 and y2 > y1:
                found.append(Box(label, min(1.0, score), x1, y1, x2, y2))
        return found


class SmallSsdDetector(SsdDetector):
    """The same network on a picture of 192 x 192: half the work, and more things seen that are not there."""

    size = 192


LEAST_SCORE = Option("least_score", float, 0.45, help="objects surer than this are kept")
SSD_NEEDS = Needs(
    modules=("cv2", "onnxruntime", "av", "PIL"), weights=("ssd-mobilenet-v2",), memory_bytes=280_000_000
)

SSD_MOBILENET_V2 = AgentSpec(
    name="ssd-mobilenet-v2",
    version=f"2+0.4.4+{READING}",
    capability="object-detection",
    summary="SSD-MobileNet-v2 on 300 x 300 pixels: 80 everyday classes (COCO).",
    factory="murakkab_jupyter.agents.perception.vision:SsdDetector",
    options=(LEAST_SCORE,),
    needs=SSD_NEEDS,
    max_cores=4,
    max_batch=32,
)

SSD_MOBILENET_V2_SMALL = AgentSpec(
    name="ssd-mobilenet-v2-192",
    version=f"2+0.4.4+{READING}",
    capability="object-detection",
    summary="SSD-MobileNet-v2 on 192 x 192 pixels: half the work; more things are mistaken, and counted wrongly in crowds.",
    factory="murakkab_jupyter.agents.perception.vision:SmallSsdDetector",
    options=(LEAST_SCORE,),
    needs=SSD_NEEDS,
    max_cores=4,
    max_batch=32,
)


def register(library: Library) -> None:
    """Register the capabilities and agents of this module."""
    library.add_capability(OBJECT_DETECTION)
    library.add_capability(OCR)
    for agent in (SSD_MOBILENET_V2, SSD_MOBILENET_V2_SMALL, RAPIDOCR, TESSERACT):
        library.add_agent(agent)
