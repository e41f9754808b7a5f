"""Inputs to measure agents on, made from a few videos by the agents themselves."""

from __future__ import annotations

import tempfile
import wave
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.media.files import probe
from murakkab_jupyter.agents.media.pictures import read_frame
from murakkab_jupyter.agents.media.sound import RATE, has_sound, read_audio
from murakkab_jupyter.cluster.measuring.loaded import NEEDS, Instance, able
from murakkab_jupyter.core.ancestry import Ancestry, child
from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.core.kinds import Audio, Image, Scene, Video, origin_of

__all__ = ["LONG_S", "Samples", "cut"]

Made = list[tuple[Ancestry, Any]]

SOURCES: Mapping[str, str] = {"speech-to-text": "moonshine-tiny", "summarisation": "extractive-summary"}
"""Which agent makes inputs for others, where the first one at hand would take long."""

MOST_ASKED = 8
LABELS = "speech, nature, sport, news"
FIELDS = "name, date: date, place, amount: number"

PARTS_S = (1.0, 2.0, 1.5, 3.0, 6.0)
"""Lengths of the parts that scenes are cut into."""

LONG_S = 45.0
"""Most sound that is heard as one item."""


class Samples:
    """Inputs for each capability, made when first asked for by the agents of those before it."""

    def __init__(
        self, library: Library, videos: Sequence[Video], question: str, *, told: Callable[[str], None]
    ) -> None:
        self.library = library
        self.question = question
        self.told = told
        self.folder = tempfile.TemporaryDirectory(prefix="murakkab-samples-")
        self.made: dict[str, Made] = {"videos": [((("videos", n),), video) for n, video in enumerate(videos)]}

    def inputs(self, capability: str) -> list[Inputs]:
        """The items of a step of this capability."""
        for name in NEEDS[capability]:
            if name not in self.made:
                self.made[name] = self.make(name)
        items = inputs_of(capability, self.made, self.question)
        if capability == "ocr":
            pictures = enlarged([frame for _, frame in self.made["frame-extraction"]], Path(self.folder.name))
            items += [
                Inputs((("large", n),), {"picture": one}, sentence=capability)
                for n, one in enumerate(pictures)
            ]
        if capability == "speech-to-text":
            scenes = [scene for _, scene in self.made["scene-detection"]]
            items += [
                Inputs((("prolonged", n),), {"speech": one}, {"speech": origin_of(one)}, sentence=capability)
                for n, one in enumerate(prolonged(scenes, Path(self.folder.name)))
            ]
        return items

    def make(self, capability: str) -> Made:
        """What a capability makes of its own inputs."""
        items = self.inputs(capability)
        agents = able(self.library, capability)
        if not agents:
            msg = f"No agent of {capability} can be used here, and it makes the inputs of what is measured."
            raise UsageError(msg, hint='`pip install "murakkab-jupyter[demo]"` brings the built-in agents.')
        spec = next((one for one in agents if one.name == SOURCES.get(capability)), agents[0])
        self.told(f"inputs by {spec.name}")
        opens = self.library.capability(capability).opens
        made: Made = []
        with Instance(self.library, spec, spec.settings({}), 1) as instance:
            for start in range(0, len(items), spec.max_batch):
                batch = items[start : start + spec.max_batch]
                for item, value in zip(batch, instance.call(batch)[0], strict=True):
                    if isinstance(value, Failed):
                        continue
                    if opens:
                        made += [(child(item.ancestry, capability, n), part) for n, part in enumerate(value)]
                    else:
                        made.append((item.ancestry, value))
        if not made:
            msg = f"{spec.name} made nothing of these videos, so what comes after it cannot be measured."
            raise UsageError(msg, hint="Give longer videos: --input videos=clip.mp4")
        return made


def inputs_of(capability: str, made: Mapping[str, Made], question: str) -> list[Inputs]:
    """What a capability's items are, from what the capabilities before it made."""

    def one(ancestry: Ancestry, values: dict[str, Any]) -> Inputs:
        return Inputs(
            ancestry, values, {port: origin_of(value) for port, value in values.items()}, sentence=capability
        )

    def below(name: str, ancestry: Ancestry) -> list[Any]:
        return [value for key, value in made[name] if key[: len(ancestry)] == ancestry]

    match capability:
        case "scene-detection":
            return [one(key, {"video": video}) for key, video in made["videos"]]
        case "frame-extraction":
            return [one(key, {"scene": scene}) for key, scene in made["scene-detection"]]
        case "speech-to-text":
            return [one(key, {"speech": part}) for key, part in cut(made["scene-detection"])]
        case "object-detection" | "ocr":
            return [one(key, {"picture": frame}) for key, frame in made["frame-extraction"]]
        case "summarisation" | "text-generation":
            items = [
                one(
                    key,
                    {"material": [("objects", below("object-detection", key)), ("transcript", transcript)]},
                )
                for key, transcript in made["speech-to-text"]
            ]
            if capability == "summarisation":
                items += [
                    one((("long", n),), {"material": [("text", text)]}) for n, text in enumerate(long_texts())
                ]
            return items
        case "embedding":
            return [one(key, {"text": text}) for key, text in made["summarisation"]]
        case "retrieval":
            passages = [text for _, text in made["summarisation"]]
            return [
                one((("asked", n),), {"passages": passages[: n + 1], "question": question})
                for n in range(len(passages))
            ]
        case "question-answering":
            texts = [text for _, text in made["summarisation"]]
            return [
                one((("asked", n),), {"question": question, "context": [("summary", texts[: n + 1])]})
                for n in range(min(MOST_ASKED, len(texts)))
            ]
        case "chunking":
            texts = [str(text) for _, text in made["summarisation"]]
            texts = ["\n".join(texts[: n + 1]) for n in range(len(texts))]
            return [one((("cut", n),), {"document": text}) for n, text in enumerate([*texts, *long_texts()])]
        case "classification":
            return [
                one(key, {"text": [("summary", text)], "labels": LABELS})
                for key, text in made["summarisation"]
            ]
        case "extraction":
            return [
                one(key, {"text": [("summary", text)], "fields": FIELDS})
                for key, text in made["summarisation"]
            ]
        case "translation":
            return [one(key, {"text": text}) for key, text in made["summarisation"]]
    msg = f"No sample inputs are known for {capability}."
    raise UsageError(msg)


def long_texts() -> list[str]:
    """Texts of two to ten thousand words: chapters of the language reference that comes with Python.

    Clips say little; what shortens or cuts a text costs most where the text is long.
    """
    from pydoc_data.topics import topics

    return [str(topics[name]) for name in ("formatstrings", "types", "specialnames")]


SIDES = (1280, 2000)
"""Longer sides of the pictures that frames are enlarged to (pixels)."""


def enlarged(frames: Sequence[Any], folder: Path) -> list[Image]:
    """Larger pictures of what a few frames show, as files: clips are small, and how long reading takes grows with the picture."""
    from PIL import Image as PictureFile

    made: list[Image] = []
    for n, side in enumerate(SIDES):
        frame = frames[n * (len(frames) - 1) // max(1, len(SIDES) - 1)]
        file = folder / f"{n}-{side}.png"
        if not file.is_file():
            picture = PictureFile.fromarray(read_frame(frame))
            factor = side / max(picture.size)
            picture.resize((round(picture.width * factor), round(picture.height * factor))).save(file)
        image = probe(file, "image")
        if isinstance(image, Image):
            made.append(image)
    return made


def cut(scenes: Made) -> Made:
    """Scenes and parts of them: whoever transcribes one long scene would not show how time grows with its length."""
    made = list(scenes)
    for key, scene in scenes:
        if not isinstance(scene, Scene):
            continue
        start = scene.start_s
        for n, length_s in enumerate(PARTS_S):
            if start + length_s >= scene.end_s:
                break
            made.append((child(key, "part", n), replace(scene, start_s=start, end_s=start + length_s)))
            start += length_s
    return made


def prolonged(scenes: Sequence[Any], folder: Path) -> list[Scene]:
    """The sound of all sources after each other, `LONG_S` of it at most, as a file and one scene; none where a scene is as long.

    It tells items from seconds of sound: recognisers hear windows of up to 30 s, and scenes of a few seconds take or share one, so
    that from these alone an hour of sound in one item may seem to take as long as a second of it. Nothing is repeated: whisper
    takes repeated words for a fault of its own, and tries again.
    """
    some = [one for one in scenes if isinstance(one, Scene) and has_sound(one.media)]
    file = folder / "long.wav"
    if some and not file.is_file():
        pieces: list[Any] = []
        for source in dict.fromkeys(one.media for one in some):
            left_s = LONG_S - sum(piece.size for piece in pieces) / RATE
            pieces.append(read_audio(source, 0.0, left_s))
        levels = (np.clip(np.concatenate(pieces), -1.0, 1.0) * 32767).astype("<i2")
        if levels.size <= RATE * max(one.end_s - one.start_s for one in some):
            return []
        with wave.open(str(file), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(RATE)
            sound.writeframes(levels.tobytes())
    audio = probe(file, "audio") if some else None
    return [Scene(audio, 0.0, audio.duration_s)] if isinstance(audio, Audio) else []
