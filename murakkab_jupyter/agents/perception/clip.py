"""CLIP: which of some labels a picture shows, without having been trained on them; from the hub, with consent.

A picture and the prompt of each label become vectors; their cosines, times the scale that the model was trained
with, go through a softmax over all labels. So the scores of a picture add up to 1: they say which label fits best,
not that several are there. A tag is of the whole picture, and so is its box.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Failed, Inputs, Needs, Option
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.media.pictures import READING, Pixels, pillow, read_frame
from murakkab_jupyter.agents.perception.coco import COCO_90
from murakkab_jupyter.agents.perception.onnx import session
from murakkab_jupyter.agents.weights.resolver import resolve
from murakkab_jupyter.core.errors import AgentError, MurakkabError
from murakkab_jupyter.core.kinds import Box, Boxes

__all__ = ["CLIP_VIT_B32", "ClipTagger", "Preprocessing", "register"]

WEIGHTS = "clip-vit-base-patch32"
VISION, TEXT = "vision_model_quantized.onnx", "text_model_quantized.onnx"

SLOT = "<label>"

CONTEXT_TOKENS = 77
"""Longest prompt the model was trained with (Radford et al., arXiv 2103.00020, section 2.4: 76 and one more)."""

LOGIT_SCALE = 100.0
"""Scale of the cosines. It was learned and clipped at 100 (arXiv 2103.00020, section 2.5). The files of the two encoders
do not hold it, so that it ended at its clip is taken from the literature, not read from the model."""

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture becomes what the model sees, as its `preprocessor_config.json` states it.

    Attributes
    ----------
    short
        Pixels of the shorter side after resizing, or None where the picture is forced to `crop`.
    crop
        Height and width (pixels) of the part in the middle that is kept.
    resample
        Pillow's number of the filter (3: bicubic).
    scale
        What pixels 0..255 are multiplied with.
    mean, std
        For red, green and blue, of scaled pixels.
    """

    short: int | None
    crop: tuple[int, int]
    resample: int
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def read(cls, path: Path) -> Preprocessing:
        """What a file states; a size (pixels) may be a number or a mapping, as both are in use. Raises `AgentError` where it states none."""
        try:
            stated = json.loads(path.read_text())
            size = stated["size"]
            short = size if isinstance(size, int) else size.get("shortest_edge")
            if not stated.get("do_center_crop", True):
                if short is not None:
                    msg = "a picture that keeps its shape and is not cropped has no one size"
                    raise ValueError(msg)
                crop = size
            else:
                crop = stated["crop_size"]
            height, width = (crop, crop) if isinstance(crop, int) else (crop["height"], crop["width"])
            red, green, blue = (float(one) for one in stated["image_mean"])
            red_std, green_std, blue_std = (float(one) for one in stated["image_std"])
            return cls(
                None if short is None else int(short),
                (int(height), int(width)),
                int(stated.get("resample", 3)),
                float(stated.get("rescale_factor", 1 / 255)),
                (red, green, blue),
                (red_std, green_std, blue_std),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"{path} does not say how pictures are prepared: {error}."
            raise AgentError(msg, hint="Remove the folder, so that the weights are fetched again.") from error

    def apply(self, pixels: Pixels) -> Vectors:
        """A picture (height x width x 3, RGB) as 3 x height x width floats."""
        image = pillow().fromarray(pixels).convert("RGB")
        height, width = self.crop
        if self.short is None:
            image = image.resize((width, height), self.resample)
        else:
            short, long = min(image.size), max(image.size)
            grown = int(self.short * long / short)  # cut, not rounded, as the model's own code does
            wide = image.width >= image.height
            image = image.resize((grown, self.short) if wide else (self.short, grown), resample=self.resample)
            left, top = (image.width - width) // 2, (image.height - height) // 2
            image = image.crop((left, top, left + width, top + height))  # what lies outside is black
        values: Vectors = np.asarray(image, np.float32) * np.float32(self.scale)
        normed = (values - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return np.ascontiguousarray(normed.transpose(2, 0, 1), np.float32)


def unit(vectors: Any) -> Vectors:
    """Vectors of length 1."""
    made = np.asarray(vectors, np.float32)
    normed: Vectors = made / np.maximum(np.linalg.norm(made, axis=-1, keepdims=True), 1e-12)
    return normed


def softmax(values: Vectors) -> Vectors:
    grown = np.exp(values - values.max())
    shares: Vectors = grown / grown.sum()
    return shares


def labels_of(text: str) -> tuple[str, ...]:
    """Labels of an option, each once; the 80 classes of COCO where it is empty."""
    stated = tuple(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))
    return stated or tuple(COCO_90.values())


class ClipTagger(Agent):
    """A pair of encoders through ONNX Runtime."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Load both encoders and turn the labels into vectors, once."""
        folder = resolve(WEIGHTS)
        self._vision, text = (session(found(folder, name), cores) for name in (VISION, TEXT))
        try:
            from tokenizers import Tokenizer

            tokenizer = Tokenizer.from_file(str(found(folder, "tokenizer.json")))
        except ImportError as error:
            msg = f"CLIP cannot be loaded: {error}."
            raise AgentError(msg, hint="pip install tokenizers") from error
        except MurakkabError:
            raise
        except Exception as error:  # the tokenizer's errors have no class of their own
            msg = f"CLIP cannot read its tokenizer in {folder}: {str(error).splitlines()[0]}"
            raise AgentError(msg, hint="Remove the folder, so that the weights are fetched again.") from error
        self._prepare = Preprocessing.read(found(folder, "preprocessor_config.json"))
        self._least = float(options["least_score"])
        self._labels = labels_of(str(options["labels"]))
        tokenizer.no_padding()
        tokenizer.enable_truncation(CONTEXT_TOKENS)
        template = str(options["template"])
        self._wanted = unit(
            [encode(text, tokenizer.encode(template.replace(SLOT, label))) for label in self._labels]
        )

    def call(self, batch: Sequence[Inputs]) -> Sequence[Any]:
        """The labels that fit each picture, the surest first, each with a box around the whole picture."""
        results: list[Any] = []
        for item in batch:
            try:
                results.append(Boxes(tuple(self.tags(read_frame(item.values["picture"])))))
            except MurakkabError as error:
                results.append(Failed(" ".join(error.lines())))
        return results

    def tags(self, pixels: Pixels) -> list[Box]:
        """Labels at least as sure as asked for."""
        # One picture at a time: the encoder's integers are scaled by all that is in a call, so a picture's vector
        # would depend on its neighbours.
        (vector,) = unit(
            self._vision.run(["image_embeds"], {"pixel_values": self._prepare.apply(pixels)[None]})[0]
        )
        scores = softmax(np.float32(LOGIT_SCALE) * (self._wanted @ vector))
        ranked = sorted(zip(self._labels, scores.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
        return [
            Box(label, min(1.0, score), 0.0, 0.0, 1.0, 1.0) for label, score in ranked if score >= self._least
        ]


def encode(session: Any, prompt: Any) -> Vectors:
    """The vector of one prompt, alone in its call for the same reason as pictures are."""
    feed = {"input_ids": np.asarray([prompt.ids], np.int64)}
    if any(one.name == "attention_mask" for one in session.get_inputs()):
        feed["attention_mask"] = np.asarray([prompt.attention_mask], np.int64)
    vector: Vectors = session.run(["text_embeds"], feed)[0][0]
    return vector


def found(folder: Path, name: str) -> Path:
    """A file of the weights: in `onnx/`, as the hub has it, or beside the others, as one's own copy may have it; else `AgentError`."""
    for place in (folder / "onnx" / name, folder / name):
        if place.is_file():
            return place
    msg = f"The weights {WEIGHTS} in {folder} lack {name}."
    raise AgentError(msg, hint="Remove the folder, so that they are fetched again, or add the file.")


def checked_template(value: Any) -> str:
    return "" if SLOT in str(value) else f"A prompt says where the label goes, with {SLOT}."


CLIP_VIT_B32 = AgentSpec(
    name="clip-vit-b32",
    version=f"1+d15189d+{READING}",
    capability="object-detection",
    summary="CLIP ViT-B/32: tags whole pictures with the best fitting of any labels you name; from the hub.",
    factory="murakkab_jupyter.agents.perception.clip:ClipTagger",
    options=(
        Option(
            "labels",
            str,
            "",
            help="labels to choose from, e.g. 'dog, street at night'; empty: COCO's 80 classes",
        ),
        Option("least_score", float, 0.1, help="labels with at least this share of the softmax are kept"),
        Option(
            "template",
            str,
            f"a photo of a {SLOT}.",
            help=f"the prompt of a label, {SLOT} for the label",
            check=checked_template,
        ),
    ),
    # Memory: the two files and as much again to compute in; computed, not measured.
    needs=Needs(
        modules=("onnxruntime", "tokenizers", "av", "PIL"), weights=(WEIGHTS,), memory_bytes=400_000_000
    ),
    max_cores=4,
    max_batch=32,
)


def register(library: Library) -> None:
    """Register the tagger; it is withheld until the user allows the hub."""
    library.add_agent(CLIP_VIT_B32)
