"""A question: whether it asks of pictures, of speech or of texts, and so which capability answers it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.agents.perception.coco import COCO_90
from murakkab_jupyter.agents.text.capabilities import TEXTUAL
from murakkab_jupyter.agents.text.sentences import bare_stem
from murakkab_jupyter.workflow.decompose.clauses import VERBS
from murakkab_jupyter.workflow.decompose.cues import HEARD_OF, SEEN_IN, TEXT_BEARING, Task
from murakkab_jupyter.workflow.decompose.match import found
from murakkab_jupyter.workflow.decompose.say import named_list

if TYPE_CHECKING:
    from murakkab_jupyter.agents.text.vectors import Encoder

__all__ = ["Scene", "asked_of", "reads_pictures", "to_be_read", "visual"]

MENTIONED = re.compile(
    r"^(?:who|which \w+|what \w+|where)\b.{0,20}\b(?:named|mentioned|come up|comes up)\b", re.IGNORECASE
)
PASSAGES = re.compile(
    r"^(?:which|what) (?:passages?|parts?|sections?|places?|spots?|paragraphs?|excerpts?|bits?|quotes?)\b",
    re.IGNORECASE,
)
PRODUCED = re.compile(
    r"\b(?:detections?|objects found|what (?:was|were) found|summar\w+|transcripts?|short version|descriptions?|captions?|translations?|slides)\b",
    re.IGNORECASE,
)
PICTURED = re.compile(
    r"\b(?:pictures?|photos?|images?|stills?|frames?|look(?:ing)?|pics?|see|seen|visible|camera)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Scene:
    """What every clause is heard with."""

    description: str
    inputs: Mapping[str, str]
    tasks: Mapping[str, Task]
    question: str
    encoder: Encoder | None

    @property
    def kinds(self) -> set[str]:
        """Kinds of the inputs."""
        return set(self.inputs.values())


def reads_pictures(kinds: set[str]) -> bool:
    """Whether there are pictures, or a video to take them from."""
    return bool({"image", "video"} & kinds)


def to_be_read(inputs: Mapping[str, str], description: str) -> bool:
    """Whether pictures are of things to be read: receipts, forms, signs."""
    names = [
        bare_stem(part)
        for name, kind in inputs.items()
        if kind == "image"
        for part in name.lower().split("_")
    ]
    said = [bare_stem(word) for word in re.findall(r"[a-z-]+", description.lower())]
    stems = {bare_stem(word) for word in TEXT_BEARING}
    return any(name in stems for name in names) or any(
        word in stems
        and word not in VERBS
        and any(
            near in {"photograph", "scan", "photo", "pic", "picture", "image"}
            for near in said[max(0, n - 3) : n + 4]
        )
        for n, word in enumerate(said)
    )


def fields_of_question(asked: str) -> str:
    """Fields that a question names: "what are flight number, airport and date?"."""
    rest = re.sub(r"^(?:what|which)(?:'s| is| are| was| were)\s+", "", asked).rstrip("? ")
    return named_list(rest) if rest != asked.rstrip("? ") else ""


def count(task: Task, words: Sequence[str]) -> int:
    return sum(found(cue, words) is not None for cue in task.cues)


THINGS = Task(tuple(COCO_90.values()))
"""What is usually seen and seldom spoken of."""


def visual(words: Sequence[str], description: str, encoder: Any) -> bool:
    """Whether a question to a video asks for what is seen in it, not for what is said."""
    seen, said = count(SEEN_IN, words) + count(THINGS, words), count(HEARD_OF, words)
    if seen != said:
        return seen > said
    if encoder is None:
        return True
    rows = (*SEEN_IN.examples, *HEARD_OF.examples)
    vectors = encoder.encode([description, *rows])
    scores = vectors[1:] @ vectors[0]
    return float(scores[: len(SEEN_IN.examples)].max()) >= float(scores[len(SEEN_IN.examples) :].max())


def asked_of(
    asked: str, labels: str, direct: set[str], words: Sequence[str], scene: Scene, before: Mapping[str, Any]
) -> list[str]:
    """The capabilities that answer a question.

    Parameters
    ----------
    asked
        The question, or "" where a variable holds it.
    labels
        Alternatives that it names ("happy, mixed or cross?").
    direct
        What it asks for outright: what is said, printed, shown, or where things are.
    words
        Stems of its clause.
    scene
        Inputs, tasks and description.
    before
        What has been heard already.
    """
    kinds = scene.kinds
    bare = asked.strip().lower()
    outright = direct & {"speech-to-text", "ocr", "visual-description"}
    if len(outright) > 1 and re.search(r"\band (?:what|how)\b", bare):
        return sorted(outright, reverse=True)
    if "speech-to-text" in direct and re.match(
        r"(?:what|whatever)\b[^?]*\b(?:said|say|says|saying|spoken|sung|sings)\b(?!\s+(?:about|of|on|that|to)\b)",
        bare,
    ):
        return ["speech-to-text"]
    if (
        "ocr" in direct
        and re.match(
            r"(?:what|whatever)\b[^?]*\b(?:printed|written|says?|stands?|reads?|typed|handwritten|text|words?|subtitles|titles?|captions?|credits|sign)\b",
            bare,
        )
        and "speech-to-text" not in before
    ):
        return ["ocr"]
    if (
        re.match(r"(?:what|which)(?:'s| is| are| was| were)?\b", bare)
        and ", " in fields_of_question(bare)
        and not labels
    ):
        return ["extraction"]
    if reads_pictures(kinds) and re.match(r"what(?:'s|s| is| stands?) on\b", bare):
        return ["ocr" if to_be_read(scene.inputs, scene.description) else "visual-description"]
    if PASSAGES.match(bare) and "image" not in kinds and "retrieval" in scene.tasks:
        return ["retrieval"]
    if MENTIONED.match(bare) and "extraction" in direct:
        return ["extraction", *(direct & {"ocr", "object-detection"})]
    if "summarisation" in direct and re.match(r"what\b.*\babout\b", bare) and not labels:
        return ["summarisation"]
    if labels and (TEXTUAL & kinds or "audio" in kinds or before):
        return ["classification"]
    if (
        "classification" in direct
        and TEXTUAL & kinds
        and (
            len(re.findall(r"\bwhich\b", bare)) > 1
            or re.match(
                r"(?:which|what) (?:\w+ )?(?:category|class|group|label|pile|type|kind|department|topic|genre|mood)\b",
                bare,
            )
        )
    ):
        return ["classification"]
    if "classification" in direct and re.match(r"(?:whether|if)\b", bare) and kinds <= {"text"}:
        return ["classification"]
    if "image" in kinds or "video" in kinds:
        if (
            PRODUCED.search(scene.description)
            and set(before)
            & {"object-detection", "speech-to-text", "summarisation", "ocr", "visual-description"}
            and PRODUCED.search(" ".join(words))
        ):
            return ["question-answering"]
        if "visual-description" in direct and re.match(r"(?:what|how)\b", bare) and not scene.question:
            return ["visual-description"]
        if "object-detection" in direct and re.match(r"where\b", bare):
            return ["object-detection"]
        if re.match(r"how many\b", bare) and "object-detection" in before:
            return []
        if of_pictures(asked, words, scene, before):
            return ["visual-question-answering"]
        if "image" in kinds and not kinds & {"audio", "video", *TEXTUAL} and "ocr" not in before:
            return ["ocr", "question-answering"]
    return ["question-answering"]


def of_pictures(asked: str, words: Sequence[str], scene: Scene, before: Mapping[str, Any]) -> bool:
    """Whether pictures answer a question."""
    kinds = scene.kinds
    made = set(before)
    if "image" in kinds:
        if "ocr" in made or "object-detection" in made:
            return False
        others = kinds - {"image"}
        if others:
            return bool(PICTURED.search(scene.description))
        return not to_be_read(scene.inputs, scene.description)
    if "frame-extraction" in made:
        return not made & {"ocr", "object-detection", "speech-to-text"}
    if made & {"speech-to-text", "ocr", "object-detection", "retrieval"}:
        return False
    return visual(words, asked or scene.description, scene.encoder)
