"""A draft: steps as the text of a cell, bound once so that its ports and kinds are known to be right."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.text.vectors import Encoder, WordLlamaStatic
from murakkab_jupyter.core.errors import AgentError, LanguageError, UsageError
from murakkab_jupyter.workflow.decompose.say import languages_asked
from murakkab_jupyter.workflow.decompose.wire import Planned
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.language.bind import declare
from murakkab_jupyter.workflow.language.chain import variable_kind
from murakkab_jupyter.workflow.language.levels import fold
from murakkab_jupyter.workflow.language.options import goal_words
from murakkab_jupyter.workflow.language.pins import literal
from murakkab_jupyter.workflow.language.sorts import sort_of

__all__ = [
    "Draft",
    "Given",
    "MisfitError",
    "given",
    "guessed_inputs",
    "nearest_encoder",
    "nouns_in",
    "written",
]

NOUNS: Mapping[str, tuple[str, ...]] = {
    "video": ("video", "clip", "footage", "film", "movie", "broadcast", "camera", "webcam"),
    "audio": ("recording", "audio", "podcast", "episode", "call", "interview", "talk", "speech", "song", "voicemail", "meeting", "lecture"),
    "image": ("image", "photo", "picture", "photograph", "scan", "receipt", "screenshot", "poster"),
    "document": (
        "document", "paper", "contract", "file", "article", "report", "pdf", "book", "manual", "page", "letter", "thesis", "agreement",
        "lease", "judgment", "ruling", "handbook", "invoice",
    ),
    "text": ("ticket", "email", "message", "review", "comment", "complaint", "post", "note", "text", "description", "abstract", "chat"),
}  # fmt: skip
"""What inputs are called, by kind; only used where no value says it."""

SAMPLES = {"video": "sample.mp4", "audio": "sample.wav", "image": "sample.png", "document": "sample.md"}
WHAT = {
    "video": "video files: a path, a folder, a glob or a list of these",
    "audio": "audio files: a path, a folder, a glob or a list of these",
    "image": "image files: a path, a folder, a glob or a list of these",
    "document": "documents (text, HTML, PDF): a path, a folder, a glob or a list of these",
    "text": "a list of texts",
}


class MisfitError(UsageError):
    """Proposed steps that cannot be: an unknown name, a kind that a port does not take.

    `absent` names the capability that nobody offers, where that is what is wrong.
    """

    def __init__(self, message: str, *, hint: str | None = None, absent: str = "") -> None:
        super().__init__(message, hint=hint)
        self.absent = absent


@dataclass(frozen=True, slots=True)
class Draft:
    """A cell that was made of a description, to read, edit and run.

    Attributes
    ----------
    text
        The cell; with values for `wants`, it parses and binds.
    wants
        Variables that it refers to and that have no value yet, with what each should hold.
    notes
        What was assumed, a sentence each.
    """

    text: str
    wants: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Given:
    """What a description works on: media and texts with their kinds, the question among them, and values to bind with."""

    media: Mapping[str, str]
    question: str
    values: Mapping[str, Any]
    wants: Mapping[str, str]


def guessed_inputs(description: str) -> dict[str, str]:
    """Inputs that a description names ("the videos"), with their kinds; the first noun of all, or `texts`."""
    return dict([next(iter(nouns_in(description).items()), ("texts", "text"))])


def nouns_in(description: str) -> dict[str, str]:
    """What inputs are called in a description, with their kinds, in order."""
    known = {noun: kind for kind, nouns in NOUNS.items() for noun in nouns}
    words = re.findall(r"[^\W\d_]+", description.lower())
    return {word: kind for word in words if (kind := known.get(fold(word))) is not None}


def given(
    description: str, values: Mapping[str, Any] | None, guess: Mapping[str, str] | None = None
) -> Given:
    """What a description works on: the values, or where there are none a guess, by default what its nouns say."""
    media: dict[str, str] = {}
    texts: dict[str, str] = {}
    for name, value in (values or {}).items():
        if value is None or callable(value) or not name.isidentifier():
            continue
        sort = sort_of(value)
        kind = variable_kind(sort)
        (texts if kind == "text" and not sort.many else media)[name] = kind
    bound = dict(values or {})
    wants: dict[str, str] = {}
    if not media:
        # Texts are all there is: what asks is asked of the others.
        media = {name: kind for name, kind in texts.items() if not asking(name, bound[name])}
        # A text that ends with a question mark is still what is worked on, where there is no other.
        media = media or {name: kind for name, kind in texts.items() if not asking(name, "")}
        texts = {name: kind for name, kind in texts.items() if name not in media}
    if not media:
        media = dict(guess or guessed_inputs(description))
        for name, kind in media.items():
            bound[name] = SAMPLES.get(kind, ["Some words."])
            wants[name] = WHAT[kind]
    question = next((n for n in texts if re.search(r"quer|question|\bq\b", n)), next(iter(texts), ""))
    return Given(media, question, bound, wants)


def asking(name: str, value: object) -> bool:
    """Whether a text looks like a question, by its name or its end."""
    return bool(re.search(r"quer|question|topic|issue|\bq\b", name)) or str(value).rstrip().endswith("?")


def nearest_encoder() -> Encoder | None:
    """The encoder for likeness of meaning, or None where it is not installed."""
    try:
        return WordLlamaStatic()
    except AgentError:
        return None


def written(
    steps: Sequence[Planned],
    *,
    description: str,
    library: Library,
    given: Given,
    wants: Mapping[str, str],
    name: str | None = None,
    goal: Goal | None = None,
    notes: Sequence[str] = (),
    english: bool = True,
) -> Draft:
    """Steps as a cell. A step is pinned only where its sentence does not mean the same by itself.

    Of a description that is not `english` no note says which languages it names.

    Raises
    ------
    LanguageError
        When a step cannot be bound as planned: a port or a kind is wrong.
    """
    values = {**given.values, **{one: sample(one, what) for one, what in wants.items()}}
    lines: list[str] = []
    for step in steps:
        level = f", per {step.per}" if step.per else ""
        bare = f"{step.name} <- {step.sentence}{level}"
        keys = "".join(f" {port}={{{source}}}" for port, source in step.ports)
        keys += "".join(f" {key}={literal(value)}" for key, value in step.options.items())
        pinned = f"{bare} @{step.capability}{keys}"
        lines.append(bare if means(step, [*lines, bare], library, values) else pinned)
    head = " ".join(["%%murakkab", *([name] if name else []), *(goal_words(goal) if goal else [])])
    text = "\n".join([*([head] if " " in head else []), *described(description), *lines]) + "\n"
    declare(text, library=library, values=values)
    notes = [*notes, *(unnamed(steps, description) if english else ())]
    return Draft(text, {**given.wants, **wants}, tuple(notes))


def unnamed(steps: Sequence[Planned], description: str) -> list[str]:
    """A note on each language that something is put into and that the description does not ask for."""
    asked = languages_asked(description)
    put = [(step.name, str(step.options["language"])) for step in steps if "language" in step.options]
    return [
        f"The description does not {'ask for' if language.lower() in description.lower() else 'name'} {language}: "
        f"{name} is into it, change it where another is meant."
        for name, language in put
        if language not in asked
    ]


def described(description: str) -> list[str]:
    """The description as a cell holds it, with the blank line after it."""
    kept = description.strip().splitlines()
    return [*kept, ""] if kept else []


def sample(name: str, what: str) -> str:
    return what or name


def means(step: Planned, lines: Sequence[str], library: Library, values: Mapping[str, Any]) -> bool:
    """Whether the last of some lines means a step without a pin."""
    try:
        made = declare("\n".join(lines), library=library, values=values).steps
    except LanguageError:
        return False
    found = next(one for one in made if one.name == step.name)
    ports = {(one.port, one.source) for one in found.inputs}
    return (
        found.capability == step.capability
        and ports == set(step.ports)
        and dict(found.options) == dict(step.options)
    )
