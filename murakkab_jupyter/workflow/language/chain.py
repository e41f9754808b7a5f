"""Bare sentences -> a cell: each is given its references by the nouns in it and by kinds, or it is an error.

How a reference is found, always the same way:

1. a noun of the sentence ("each video", "the extracted frames") means the variable or step of that name,
   plural folded; else what makes that kind, the most refined of one line of descent (scenes of videos
   before videos);
2. a noun for a kind that nothing makes yet ("all scenes") puts the built-in step before it that opens
   such a level;
3. a port that the sentence is silent about takes the most refined value of its kind, and one that takes
   several takes every result that no step has used yet.

Where two values of one kind do not descend from each other, it is an error that says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import LanguageError, UsageError
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.language.bind import declare
from murakkab_jupyter.workflow.language.levels import fold
from murakkab_jupyter.workflow.language.meaning import PYTHON, WORDLESS, meaning_of, overlap
from murakkab_jupyter.workflow.language.options import goal_words
from murakkab_jupyter.workflow.language.parse import is_step_line, parse
from murakkab_jupyter.workflow.language.pattern import Match, Token, example, match, well_formed, words_of
from murakkab_jupyter.workflow.language.pins import literal
from murakkab_jupyter.workflow.language.sorts import Sort, as_listed, sort_of
from murakkab_jupyter.workflow.language.suggest import listed
from murakkab_jupyter.workflow.language.syntax import Place, Ref

__all__ = ["chain", "input_values"]

KIND_WORDS: Mapping[str, tuple[str, ...]] = {
    "video": ("video", "clip", "film", "movie", "recording", "footage"),
    "audio": ("audio", "recording", "podcast", "sound", "track"),
    "image": ("image", "picture", "photo", "photograph"),
    "document": ("document", "file", "page"),
    "scene": ("scene", "shot", "chapter"),
    "frame": ("frame", "still", "picture", "image"),
    "transcript": ("transcript", "transcription", "speech"),
    "boxes": ("object", "detection"),
    "answer": ("answer",),
    "passage": ("passage",),
    "vector": ("vector", "embedding"),
    "text": ("text", "question"),
}
"""Nouns (in the singular) that mean a kind."""

INPUT_NAMES = {"video": "videos", "audio": "recordings", "image": "images", "document": "documents"}

STEP_NAMES = {
    "scene-detection": "scenes",
    "frame-extraction": "frames",
    "speech-to-text": "transcript",
    "object-detection": "objects",
    "ocr": "writing",
    "embedding": "vectors",
    "chunking": "passages",
    "retrieval": "hits",
    "question-answering": "answer",
    "summarisation": "summary",
    "text-generation": "text",
    "classification": "label",
    "extraction": "record",
    "translation": "translation",
}

TAIL = re.compile(r"\s+(\([^()]*\)|\[[^\[\]]*\]|\w+)(?:\s+\[(?:each|all|every)[^\[\]]*\])?\s+\{\w+\}\Z")
"""The end of a pattern that a bare sentence may leave out: ` (in|on) [each|all] {picture}`."""


def input_values(inputs: object) -> dict[str, object]:
    """Inputs by name: a mapping as it is; media under `videos`, `recordings`, `images` or `documents`; else `texts`.

    Raises
    ------
    UsageError
        For no inputs at all.
    """
    if isinstance(inputs, Mapping):
        return dict(inputs)
    listed = as_listed(inputs)
    values: list[Any] = list(listed) if isinstance(listed, list | tuple) else [inputs]
    if not values or inputs is None:
        msg = "There are no inputs."
        raise UsageError(msg, hint='Give files, folders or texts: inputs=["a.mp4", "b.mp4"].')
    named: dict[str, list[Any]] = {}
    for value in values:
        sort = sort_of(value)
        kind = next((kind for kind in sort.likely if kind in INPUT_NAMES), None)
        named.setdefault(INPUT_NAMES.get(kind or "", "texts"), []).append(value)
    return dict(named.items())


def chain(
    tasks: Sequence[str],
    *,
    library: Library,
    values: Mapping[str, object] | None = None,
    inputs: object = None,
    description: str = "",
    name: str | None = None,
    goal: Goal | None = None,
) -> str:
    """Make a cell of bare sentences.

    Parameters
    ----------
    tasks
        One sentence a step; one may also have references, or be a whole `name <- sentence`.
    library
        Where capabilities are looked up; only built-in ones and those of this session are chosen.
    values, inputs
        What the workflow works on: variables by name, or a bare list (see `input_values`).
    description, name, goal
        Of the workflow.

    Returns
    -------
    str
        Cell text, which parses and binds with these values.

    Raises
    ------
    LanguageError
        When a task means nothing, or its references are ambiguous; its line counts the tasks.
    """
    given = dict(values or {}) | (input_values(inputs) if inputs is not None else {})
    links = Chain(library, given)
    if isinstance(tasks, str):
        tasks = [line for line in tasks.splitlines() if line.strip()]
    for number, task in enumerate(tasks, 1):
        links.add(task.strip(), number)
    if not links.lines:
        msg = "There are no tasks."
        raise UsageError(msg, hint='Give sentences: tasks=["Extract frames from each video", …].')
    if any(is_step_line(line) for line in description.splitlines()):
        msg = "A line of the description looks like a step."
        raise UsageError(msg, hint="Put steps among the tasks, or write the description without `<-`.")
    head = " ".join(["%%murakkab", *([name] if name else []), *(goal_words(goal) if goal else [])])
    lines = [head] if " " in head else []
    lines += [*description.strip().splitlines(), ""] if description.strip() else []
    text = "\n".join([*lines, *links.lines]) + "\n"
    declare(text, library=library, values=given)
    return text


@dataclass
class Chain:
    """Steps so far: what each is called, what it makes and what it was made from."""

    library: Library
    values: Mapping[str, object]
    lines: list[str] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    origins: dict[str, set[str]] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for name, value in self.values.items():
            if value is None or callable(value) or not name.isidentifier():
                continue
            self.kinds[name] = variable_kind(sort_of(value))
            self.origins[name] = set()

    def capabilities(self) -> list[Capability]:
        """Built-in ones, then those of this session."""
        known = [c for c in self.library.capabilities() if c.name != PYTHON]
        builtin = [c for c in known if self.library.is_builtin(c.name)]
        return builtin + [c for c in known if self.library.package_of(c.name) == "session"]

    def add(self, task: str, number: int) -> None:
        """Add the step that a task means."""
        task = " ".join(task.split())
        place = Place(number, 1, max(1, len(task)), task)
        if not task:
            msg = "This task is empty."
            raise place.error(msg, "Say what it should do.")
        written = task if is_step_line(task) else f"step <- {task}"
        try:
            node = parse(written).steps[0]
        except LanguageError as error:
            raise place.error(error.message, error.hint) from None
        if is_step_line(task) or node.all_refs():
            self.add_written(task, written, place)
            return
        capability, fit, tail = self.understood(task, place)
        self.complete(task, capability, fit, tail, place)

    def add_written(self, task: str, written: str, place: Place) -> None:
        """A task that says its references: kept as it is, named after what it makes."""
        node = parse(written).steps[0]
        for ref in node.all_refs():
            if ref.name not in self.kinds:
                msg = f"{{{ref.name}}} is no earlier task and no input."
                raise place.error(msg, f"There are: {listed(self.kinds)}.")
        pinned = None
        if node.pin and not node.pin.function:
            agents = {a.name: a.capability for a in self.library.agents()}
            pinned = self.library.capability(agents.get(node.pin.target, node.pin.target))
        elif node.pin:
            pinned = self.library.capability(PYTHON)
        capability = meaning_of(node, self.sorts(), self.library, pinned).capability
        name = node.name if is_step_line(task) else self.fresh(capability)
        sentence = task.split("<-", 1)[1].strip() if is_step_line(task) else task
        self.record(name, sentence, capability, [ref.name for ref in node.all_refs()])

    def understood(self, task: str, place: Place) -> tuple[Capability, Match, str]:
        """The capability whose pattern fits a bare sentence most exactly, and the tail that it left out."""
        tokens = self.nouns(task)
        unresolved: LanguageError | None = None
        found: dict[str, tuple[tuple[int, int, int], Capability, Match, str]] = {}
        for capability in self.capabilities():
            for pattern in capability.patterns:
                for form, tail in shortened(pattern) if well_formed(capability, pattern) else []:
                    fit = match(capability, form, tokens, bare=True)
                    if fit is None:
                        continue
                    try:
                        self.check_nouns(capability, fit, place)
                    except LanguageError as error:
                        unresolved = unresolved or error
                        continue
                    score = (fit.literals, -fit.wild, 0 if tail else 1)
                    if capability.name not in found or score > found[capability.name][0]:
                        found[capability.name] = (score, capability, fit, tail)
        if not found:
            raise unresolved or self.meaningless(task, place)
        top = max(score for score, *_ in found.values())
        best = [entry for entry in found.values() if entry[0] == top]
        if len(best) > 1:
            names = " or ".join(entry[1].name for entry in best)
            msg = f"This task could mean {names}."
            raise place.error(msg, f"Pin one: {task} @{best[0][1].name}")
        return best[0][1:]

    def nouns(self, task: str) -> list[Token]:
        """Tokens of a bare sentence; one that names a step, a variable or a kind is a reference too."""
        words = {fold(name) for name in self.kinds}
        for known in KIND_WORDS.values():
            words.update(known)
        tokens = []
        for token in words_of(task):
            if fold(token.word) in words:
                where = Place(1, token.start, len(token.text))
                token = Token(token.word, token.text, Ref(token.word, where), token.start)  # noqa: PLW2901 - the same word, read as a name
            tokens.append(token)
        while tokens and tokens[-1].word in {".", "!", "?"}:
            tokens.pop()
        return tokens

    def meaningless(self, task: str, place: Place) -> LanguageError:
        words = {token.word for token in words_of(task)}
        ranked = sorted(self.capabilities(), key=lambda c: -overlap(words, c))
        examples = [f"  {example(c.patterns[0])}" for c in ranked if c.patterns][:4]
        return place.error(
            "No capability is known by this sentence.", "Say it like one of these:\n" + "\n".join(examples)
        )

    def complete(self, task: str, capability: Capability, fit: Match, tail: str, place: Place) -> None:
        """Put references in the place of nouns, and add those that the sentence is silent about."""
        swaps: list[tuple[int, int, str]] = []
        ports: list[tuple[str, str]] = []
        bound: list[str] = []
        filled: set[str] = set()
        for port_name, noun in fit.bound:
            port = capability.port(port_name)
            if port is None:
                continue
            name = self.named(noun.name, port, capability, place)
            swaps.append((noun.place.column, noun.place.width, name))
            bound.append(name)
            ports.append((port_name, name))
            filled.add(port_name)
        ends: list[str] = []
        per = ""
        for port in capability.ports:
            if port.name in filled:
                continue
            if port.several and not tail:
                mentioned = self.mentions(task, bound, port)
                words = [(token, name) for token, name in mentioned if self.kinds[name] not in WORDLESS]
                if words:
                    swaps += [(token.start, len(token.text), name) for token, name in words]
                    bound += [name for _, name in words]
                    ports += [(port.name, name) for _, name in words]
                    continue
                # "Summarise each scene": a scene is no words, so it says at which level.
                per = f", per {mentioned[-1][1]}" if mentioned else ""
            names = self.by_kind(port, capability, bound, place)
            if names:
                ends.append(f"{tail or 'from'} {in_words(names)}")
                bound += names
                ports += [(port.name, name) for name in names]
        if not bound:
            self.check_silent(task, capability, place)
        sentence = task.rstrip(".!? ") if ends or swaps else task
        for start, width, name in sorted(swaps, reverse=True):
            sentence = f"{sentence[:start]}{{{name}}}{sentence[start + width :]}"
        sentence = " ".join([sentence, *ends])
        pin = self.pin(sentence, capability, ports, fit)
        self.record(self.fresh(capability), f"{sentence}{per}{pin}", capability, bound)

    def check_silent(self, task: str, capability: Capability, place: Place) -> None:
        """A task that speaks of what is here, but takes nothing of it, would be made up."""
        for token in self.nouns(task):
            meant = [kind for kind, words in KIND_WORDS.items() if fold(token.word) in words]
            here = [n for n, k in self.kinds.items() if k in meant or fold(n) == fold(token.word)]
            if token.ref is not None and here:
                msg = f"{capability.name} reads words, and nothing here makes words of {here[0]} yet."
                raise place.error(
                    msg,
                    "Add a task before it, such as: Transcribe the speech, or Detect objects in the frames.",
                )

    def pin(self, sentence: str, capability: Capability, ports: Sequence[tuple[str, str]], fit: Match) -> str:
        """A pin, where the sentence with its references does not mean the same by itself."""
        node = parse(f"step <- {sentence}").steps[0]
        try:
            meaning = meaning_of(node, self.sorts(), self.library, None)
        except LanguageError:
            pass
        else:
            if meaning.capability == capability and set(meaning.bound) == set(ports):
                return ""
        keys = "".join(f" {port}={{{name}}}" for port, name in ports)
        keys += "".join(f" {slot}={literal(value)}" for slot, value in fit.slots)
        return f" @{capability.name}{keys}"

    def sorts(self) -> dict[str, Sort]:
        return {name: Sort((kind,), ("text",)) for name, kind in self.kinds.items()}

    def mentions(self, task: str, bound: Sequence[str], port: Port) -> list[tuple[Token, str]]:
        """Steps and variables that the sentence mentions by their own name, for a port that takes any run of words."""
        folded = {fold(name): name for name in self.kinds}
        found: dict[str, Token] = {}
        for token in words_of(task):
            name = folded.get(fold(token.word))
            if name and name not in bound and port.accepts(self.kinds[name]):
                found.setdefault(name, token)
        return [(token, name) for name, token in found.items()]

    def check_nouns(self, capability: Capability, fit: Match, place: Place) -> None:
        """Raise where a noun of the sentence means nothing here that its port takes."""
        for port_name, noun in fit.bound:
            port = capability.port(port_name)
            if port is not None:
                self.look_up(noun.name, port, capability, place)

    def named(self, noun: str, port: Port, capability: Capability, place: Place) -> str:
        """What a noun refers to; the step that opens its level is put in where it is missing."""
        found = self.look_up(noun, port, capability, place)
        return found if isinstance(found, str) else self.insert(found, place)

    def look_up(self, noun: str, port: Port, capability: Capability, place: Place) -> str | Capability:
        word = fold(noun)
        for name, kind in self.kinds.items():
            if fold(name) == word and port.accepts(kind):
                return name
        meant = [kind for kind, words in KIND_WORDS.items() if word in words]
        fitting = [name for name, kind in self.kinds.items() if kind in meant and port.accepts(kind)]
        if fitting:
            return self.most_refined(fitting, port, place)
        for kind in meant:
            opener = self.opener_of(kind) if port.accepts(kind) else None
            if opener is not None:
                return opener
        takes = " or ".join(sorted(port.kinds))
        msg = f"Nothing here is a {noun} that {capability.name} can take ({takes})."
        raise place.error(
            msg,
            f"There are: {listed(f'{name} ({kind})' for name, kind in self.kinds.items())}.",
        )

    def opener_of(self, kind: str) -> Capability | None:
        """The built-in capability with one port that opens a level of a kind, from what is here."""
        for capability in self.capabilities():
            if not (
                capability.opens and capability.output == kind and self.library.is_builtin(capability.name)
            ):
                continue
            port = capability.ports[0]
            if len(capability.ports) == 1 and any(port.accepts(k) for k in self.kinds.values()):
                return capability
        return None

    def insert(self, capability: Capability, place: Place) -> str:
        """Add the step that opens a level which a task names."""
        port = capability.ports[0]
        fitting = [name for name, kind in self.kinds.items() if kind in port.kinds]
        source = self.most_refined(fitting, port, place)
        said = next(p for p in (example(p) for p in capability.patterns) if "3" not in p.split())
        name = self.fresh(capability)
        self.record(name, said.replace(f"{{{port.name}}}", f"{{{source}}}"), capability, [source])
        return name

    def most_refined(self, names: Sequence[str], port: Port, place: Place) -> str:
        """The one that descends from all the others."""
        for name in names:
            if all(other == name or other in self.origins[name] for other in names):
                return name
        msg = f"It is not clear which this task means: {' or '.join(names)}."
        raise place.error(
            msg,
            f"Write the reference: {{{names[0]}}}",
        )

    def by_kind(self, port: Port, capability: Capability, bound: Sequence[str], place: Place) -> list[str]:
        """What a port takes when the sentence says nothing about it."""
        fitting = [name for name, kind in self.kinds.items() if port.accepts(kind) and name not in bound]
        if "any" in port.kinds:
            fitting = [name for name in fitting if self.kinds[name] not in WORDLESS] or fitting
        if port.several:
            fresh = [name for name in fitting if name in self.steps and name not in self.used]
            if fresh or port.optional:
                return fresh
            return [name for name in fitting if name not in self.steps] or fitting[-1:]
        same = [name for name in fitting if fold(name) == fold(port.name)]
        if same:
            return same[:1]
        strict = [name for name in fitting if self.kinds[name] in port.kinds]
        if strict:
            return [self.most_refined(strict, port, place)]
        if port.optional:
            return []
        takes = " or ".join(sorted(port.kinds))
        makers = [c for c in self.capabilities() if c.output in port.kinds and c.patterns]
        add = f' Add a task before it, for example: "{example(makers[0].patterns[-1])}"' if makers else ""
        msg = f"{capability.name} needs {takes}, and nothing here is."
        raise place.error(msg, f"Nothing makes it yet.{add}")

    def fresh(self, capability: Capability) -> str:
        base = STEP_NAMES.get(capability.name, re.sub(r"\W", "_", capability.name))
        taken = {*self.kinds, *self.values}
        return next(
            name for n in range(1, len(taken) + 2) if (name := base if n == 1 else f"{base}_{n}") not in taken
        )

    def record(self, name: str, sentence: str, capability: Capability, sources: Sequence[str]) -> None:
        self.lines.append(f"{name} <- {sentence}")
        self.kinds[name] = capability.output
        self.steps.append(name)
        self.used.update(sources)
        self.origins[name] = set(sources).union(*(self.origins.get(s, set()) for s in sources))


def variable_kind(sort: Sort) -> str:
    """A variable's kind where no port decides: a path with a suffix is its media."""
    return next((kind for kind in sort.likely if kind in INPUT_NAMES), sort.likely[0])


def shortened(pattern: str) -> list[tuple[str, str]]:
    """A pattern whole, and without its tail; with the word that the tail begins with."""
    found = TAIL.search(pattern)
    if found is None:
        return [(pattern, "")]
    lead = re.split(r"\|", found[1].strip("()[]"))[0]
    return [(pattern, ""), (pattern[: found.start()], lead)]


def in_words(names: Sequence[str]) -> str:
    """`{a}`, `{a} and {b}`, `{a}, {b} and {c}`."""
    refs = [f"{{{name}}}" for name in names]
    return refs[0] if len(refs) == 1 else f"{', '.join(refs[:-1])} and {refs[-1]}"
