"""From capabilities to steps: each takes what its kinds allow, and what is missing in between is put in.

Pictures of a video are taken before anything looks at them, speech is written down before anything reads
it, long texts are cut into passages before anything is searched in them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.agents.text.capabilities import TEXTUAL
from murakkab_jupyter.workflow.decompose.hear import TEXT_GOALS, Heard
from murakkab_jupyter.workflow.decompose.question import fields_of_question, to_be_read
from murakkab_jupyter.workflow.decompose.refer import originals, referred, together
from murakkab_jupyter.workflow.decompose.say import (
    asks,
    count_in,
    fields_in,
    labels_in,
    language_in,
    quoted,
    target_language,
    written_out,
)
from murakkab_jupyter.workflow.language.chain import STEP_NAMES, in_words

__all__ = ["Planned", "Wiring", "wire"]

COMPARES = re.compile(r"\bcompar(?:e|es|ing|ison)\b|\bdifferences? between\b", re.IGNORECASE)
IT = re.compile(r"\b(?:it|that|the result)\b", re.IGNORECASE)
"""What means the latest result, not what all results are made of."""
PERCEIVED = ("speech-to-text", "ocr", "object-detection", "visual-description")
FRESH: Mapping[str, tuple[str, ...]] = {
    "translation": (
        "retrieval",
        "summarisation",
        "text-generation",
        "question-answering",
        "visual-question-answering",
    ),
    "summarisation": ("retrieval", "translation", "text-generation"),
    "classification": ("translation", "summarisation"),
    "extraction": ("retrieval", "translation", "summarisation"),
    "question-answering": ("retrieval", "translation", "summarisation", "extraction"),
    "text-generation": (
        "retrieval",
        "translation",
        "summarisation",
        "classification",
        "extraction",
        "question-answering",
        "visual-question-answering",
    ),
}
"""Results of other text steps that a step reads in place of its source, where they come before it."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A step to be written: its sentence with references in braces, what each port takes, and its level."""

    name: str
    capability: str
    sentence: str
    ports: tuple[tuple[str, str], ...]
    options: Mapping[str, object] = field(default_factory=dict)
    per: str = ""


@dataclass
class Wiring:
    """Steps so far, and where values of each sort can be had."""

    capabilities: Mapping[str, Capability]
    media: Mapping[str, str]
    """Inputs that are worked on, with their kinds."""
    question: str = ""
    """The input that holds a question, if there is one."""
    description: str = ""
    answers: str = "question-answering"
    """What answers the question, where nothing in the description says so."""
    settled: bool = False
    """Whether the capabilities are all there: nothing is put in that was not chosen."""
    steps: list[Planned] = field(default_factory=list)
    made: dict[str, str] = field(default_factory=dict)
    """The step of each capability."""
    used: set[str] = field(default_factory=set)
    numbers: dict[str, int] = field(default_factory=dict)
    """The clause in which each capability was heard."""
    wants: dict[str, str] = field(default_factory=dict)
    """Variables that the steps refer to and nobody has given, with what they should hold."""

    def add(
        self,
        capability: str,
        sentence: str,
        ports: Sequence[tuple[str, str]],
        options: Mapping[str, object] | None = None,
        per: str = "",
    ) -> str:
        """Add a step and return its name; a capability that is there already is not added again."""
        if capability in self.made:
            return self.made[capability]
        taken = {*self.media, *self.made.values(), *self.wants, self.question}
        base = STEP_NAMES.get(capability, re.sub(r"\W", "_", capability))
        name = next(n for k in range(1, 99) if (n := base if k == 1 else f"{base}_{k}") not in taken)
        self.steps.append(Planned(name, capability, sentence, tuple(ports), dict(options or {}), per))
        self.made[capability] = name
        self.used.update(source for _, source in ports)
        return name

    # --- where things come from -----------------------------------------------------------------------------------

    def of_kind(self, *kinds: str) -> str | None:
        """The first input of some kinds."""
        return next((name for name, kind in self.media.items() if kind in kinds), None)

    def scenes(self) -> str | None:
        """Scenes, where they were asked for, else the video."""
        return self.made.get("scene-detection") or self.of_kind("video")

    def frames(self) -> str | None:
        """What shows pictures: images, or frames that are taken now."""
        image = self.of_kind("image")
        if image:
            return image
        source = self.scenes()
        if source is None:
            return None
        many = count_in(self.description)
        said, options = ("frames", {}) if many is None else (f"{many} frames", {"count": many})
        return self.add("frame-extraction", f"take {said} from {{{source}}}", [("scene", source)], options)

    def perceive(self, capability: str, clause: str = "") -> str | None:
        """The step that hears, sees or reads."""
        if capability == "speech-to-text":
            source = self.scenes() or self.of_kind("audio")
            if source is None:
                return None
            return self.add(capability, f"transcribe the speech in {{{source}}}", [("speech", source)])
        picture = self.frames()
        if picture is None:
            return None
        if capability == "visual-description":
            number = self.numbers.get(capability, -1)
            same = {name for name in self.made if self.numbers.get(name, -1) == number >= 0}
            beside = [one for one in referred(clause, self.made, capability, same) if one != picture]
            ports = [("pictures", picture), *(("context", one) for one in beside)]
            given = f" given {in_words(beside)}" if beside else ""
            return self.add(
                capability,
                f"describe {{{picture}}}{given}",
                ports,
                per=self.level([picture, *beside]) if beside else "",
            )
        said = "read the text in" if capability == "ocr" else "detect the objects in"
        return self.add(capability, f"{said} {{{picture}}}", [("picture", picture)])

    def perceived(self) -> list[str]:
        """Steps that made words of media, in the order of their making."""
        return [step.name for step in self.steps if step.capability in PERCEIVED]

    def words(self) -> list[str]:
        """What there is to read: of media what was perceived, and the texts themselves."""
        texts = [name for name, kind in self.media.items() if kind in TEXTUAL]
        return self.perceived() + texts

    def passages(self) -> str | None:
        """Passages of what there is to read."""
        if "chunking" in self.made:
            return self.made["chunking"]
        source = self.of_kind("document") or next(iter(self.words()), None)
        if source is None:
            return None
        return self.add("chunking", f"split {{{source}}} into passages", [("document", source)])

    def source_of(self, one: Heard, order: Sequence[str]) -> list[str]:
        """What a text step reads: what its clause names, else the latest that suits it."""
        capability, clause = one.capability, one.clause
        readable = {*TEXT_GOALS, *PERCEIVED, "retrieval"} - {"embedding"}
        results = {name: step for name, step in self.made.items() if name in readable}
        same = {name for name in results if self.numbers.get(name, -1) == one.number >= 0}
        if originals(clause):
            return self.words()
        beside = [self.made[name] for name in order if name in same and name in FRESH[capability]]
        if capability == "translation" and beside:
            return beside[-1:]
        named = referred(clause, results, capability, same)
        unread = [step for step in results.values() if step not in self.used]
        both = together(clause, unread if len(unread) > 1 else list(results.values()))
        if len(both) > 1:
            return list(dict.fromkeys([*both, *named]))
        if named:
            return named[-1:] if capability == "translation" else named
        skipped = (
            {"summarisation"}
            if capability in {"classification", "extraction"} and not IT.search(clause)
            else set()
        )
        fresh = [
            self.made[name]
            for name in order
            if name in FRESH[capability] and name in self.made and name not in skipped
        ]
        if capability == "text-generation":
            left = [name for name in fresh if name not in self.used] or fresh[-1:]
            unread = [name for name in self.perceived() if name not in self.used]
            if "classification" in order and not {"extraction", "summarisation"} & set(order):
                # A label alone is nothing to write from: a reply needs what it replies to.
                unread = [name for name in self.words() if name not in left]
            return [*unread, *left] or self.words()
        if fresh and capability == "question-answering" and "retrieval" in order:
            # What was perceived beside the passages belongs to the answer too.
            return [*fresh[-1:], *(name for name in self.perceived() if name not in self.used)]
        return fresh[-1:] or self.words()

    # --- levels ---------------------------------------------------------------------------------------------------

    def roots(self, name: str) -> set[str]:
        """The inputs that a value is made of."""
        if name in self.media:
            return {name}
        step = next((one for one in self.steps if one.name == name), None)
        if step is None or step.per == "all":
            return set()
        return set().union(*(self.roots(source) for _, source in step.ports))

    def level(self, sources: Sequence[str]) -> str:
        """`per` of a step that reads what lies deep: once for each scene, or for each file."""
        by_name = {step.name: step for step in self.steps}

        def deep(name: str) -> bool:
            step = by_name.get(name)
            if step is None:
                return False
            if step.capability in {"frame-extraction", "retrieval", "chunking"}:
                return True
            return not step.per and any(deep(source) for _, source in step.ports)

        if len(set().union(*(self.roots(name) for name in sources))) > 1:
            # Inputs that have nothing in common meet once for all.
            return "all"
        if not any(deep(name) for name in sources):
            return ""
        if "retrieval" in self.made and self.made["retrieval"] in sources:
            return "all"
        return self.made.get("scene-detection") or next(iter(self.media), "")

    def want(self, name: str, what: str) -> str:
        """A variable for the user to set."""
        free = name if name not in self.media and name not in self.made.values() else f"{name}_wanted"
        self.wants[free] = what
        return free

    def asked(self) -> str:
        """The variable that holds the question."""
        return self.question or self.want("question", asks(self.description) or "What do you want to know?")

    # --- text steps -----------------------------------------------------------------------------------------------

    def text_step(self, one: Heard, order: Sequence[str]) -> None:
        """Add a step that reads words."""
        name = one.capability
        if name == "embedding":
            source = self.made.get("chunking") or next(iter(self.words()), None)
            if source:
                self.add(name, f"embed {{{source}}}", [("text", source)])
            return
        if name == "retrieval":
            passages = self.passages()
            if passages:
                question = self.asked()
                ports = [("passages", passages), ("question", question)]
                self.add(name, f"find in {{{passages}}} what answers {{{question}}}", ports, per="all")
            return
        if name == "visual-question-answering":
            self.look(one)
            return
        sources = self.source_of(one, order)
        if not sources:
            return
        per = self.level(sources)
        listed = in_words(sources)
        text = [("text", source) for source in sources]
        match name:
            case "summarisation":
                words = re.search(r"\b(\d+) words?\b", one.clause)
                length = f" in {words[1]} words" if words else ""
                ports = [("material", source) for source in sources]
                self.add(
                    name, f"summarise {listed}{length}", ports, {"words": int(words[1])} if words else {}, per
                )
            case "text-generation":
                ports = [("material", source) for source in sources]
                # One input alone has nothing beside it to compare with: its files have.
                together = len(sources) == 1 and COMPARES.search(one.clause)
                self.add(
                    name, f"{written_out(one.clause)} from {listed}", ports, {}, "all" if together else per
                )
            case "question-answering":
                question = self.asked()
                ports = [("question", question), *(("context", source) for source in sources)]
                self.add(name, f"answer {{{question}}} from {listed}", ports, {}, per or "all")
            case "classification":
                labels = labels_in(one.clause) or labels_in(self.description)
                if labels:
                    self.add(name, f"classify {listed} into {quoted(labels)}", text, {"labels": labels}, per)
                else:
                    variable = self.want("labels", "first, second")
                    self.add(
                        name, f"classify {listed} into {{{variable}}}", [*text, ("labels", variable)], {}, per
                    )
            case "extraction":
                fields = fields_in(one.clause) or fields_of_question(one.clause.lower())
                if fields:
                    self.add(name, f"extract {quoted(fields)} from {listed}", text, {"fields": fields}, per)
                else:
                    variable = self.want("fields", "name, date: date")
                    self.add(
                        name, f"extract {{{variable}}} from {listed}", [*text, ("fields", variable)], {}, per
                    )
            case "translation":
                language = target_language(one.clause, self.description) or target_language(self.description)
                language = language or language_in(one.clause) or language_in(self.description) or "English"
                for source in sources[:1]:
                    options = {"language": language}
                    self.add(name, f"translate {{{source}}} into {language}", [("text", source)], options)

    def look(self, one: Heard) -> None:
        """Add the step that answers a question from pictures."""
        picture = self.frames()
        if picture is None:
            return
        question = self.asked()
        results = {name: step for name, step in self.made.items() if name in {*TEXT_GOALS, *PERCEIVED}}
        beside = referred(one.clause, results, one.capability) or referred(
            self.description, results, one.capability
        )
        beside = [step for step in beside if step not in {picture, question}]
        ports = [("question", question), ("pictures", picture), *(("context", step) for step in beside)]
        given = f" given {in_words(beside)}" if beside else ""
        per = self.level([picture, *beside]) if "frame-extraction" in self.made or beside else ""
        self.add(one.capability, f"answer {{{question}}} from {{{picture}}}{given}", ports, {}, per)

    def other(self, capability: Capability) -> None:
        """A capability of another package, or of the session: each port takes the latest value of its kind."""
        from murakkab_jupyter.workflow.language.pattern import example

        kinds = {**self.media, **({self.question: "text"} if self.question else {})}
        kinds |= {step.name: self.capabilities[step.capability].output for step in self.steps}
        ports: list[tuple[str, str]] = []
        for port in capability.ports:
            fitting = [
                name
                for name, kind in kinds.items()
                if port.accepts(kind) and name not in dict(ports).values()
            ]
            if fitting:
                ports.append((port.name, fitting[-1]))
        said = next((example(pattern) for pattern in capability.patterns), capability.name.replace("-", " "))
        for port_name, source in ports:
            said = said.replace(f"{{{port_name}}}", f"{{{source}}}")
        if "{" not in said:
            said += f" {in_words([source for _, source in ports])}" if ports else ""
        self.add(capability.name, said, ports)


def wire(heard: Sequence[Heard], wiring: Wiring) -> Wiring:
    """Add the steps that were heard, and those between them."""
    names = [one.capability for one in heard]
    wiring.numbers.update({one.capability: one.number for one in heard})
    clause_of = {one.capability: one.clause for one in heard}
    goals = [one for one in heard if one.capability in TEXT_GOALS or one.capability == "retrieval"]
    goals = with_question(goals, heard, wiring)
    if "scene-detection" in names and (video := wiring.of_kind("video")):
        wiring.add("scene-detection", f"split {{{video}}} into scenes", [("video", video)])
    if "frame-extraction" in names:
        wiring.frames()
    for name in to_perceive(names, goals, wiring):
        wiring.perceive(name, clause_of.get(name, ""))
    if "chunking" in names:
        wiring.passages()
    order = [one.capability for one in goals]
    for one in goals:
        wiring.text_step(one, order[: order.index(one.capability)])
    for name in names:
        ours = name in TEXT_GOALS or name in PERCEIVED or name in STEP_NAMES
        if not ours and name in wiring.capabilities:
            wiring.other(wiring.capabilities[name])
    return wiring


def with_question(goals: Sequence[Heard], heard: Sequence[Heard], wiring: Wiring) -> list[Heard]:
    """Goals with the search and the answer that a question needs."""
    names = [one.capability for one in goals]
    made = list(goals)
    clause = wiring.description
    takes_hits = {"summarisation", "text-generation", "extraction", "translation", "classification"} & set(
        names
    )
    just_find = re.search(r"\bfind\b[^.]*\b(?:that|which|what)\b", clause, re.IGNORECASE)
    if (
        wiring.question
        and not wiring.settled
        and not ({"question-answering", "visual-question-answering", "retrieval"} & set(names))
    ):
        made.append(Heard(wiring.answers, float("inf"), clause))
    if (
        "retrieval" in names
        and "question-answering" not in names
        and wiring.question
        and not wiring.settled
        and not takes_hits
        and not just_find
    ):
        made.append(Heard("question-answering", float("inf"), clause))
    names = [one.capability for one in made]
    made.sort(key=lambda one: one.at)
    names = [one.capability for one in made]
    shorter = {"summarisation", "translation", "extraction"}
    ahead = names[: names.index("question-answering")] if "question-answering" in names else names
    long = wiring.of_kind("document") is not None and not shorter & set(ahead)
    if "question-answering" in names and "retrieval" not in names and long and not wiring.settled:
        at = names.index("question-answering")
        made.insert(at, Heard("retrieval", made[at].at, clause))
    if "retrieval" in names and "question-answering" in names:
        # What is found is answered from, wherever the search stands in the sentence.
        answer = next(one for one in made if one.capability == "question-answering")
        search = next(one for one in made if one.capability == "retrieval")
        made.remove(search)
        made.insert(made.index(answer), search)
    return made


def to_perceive(names: Sequence[str], goals: Sequence[Heard], wiring: Wiring) -> list[str]:
    """What has to be heard, seen or read: what was named, and what the inputs give to steps that read words."""
    said = [name for name in names if name in PERCEIVED]
    said.sort(
        key=lambda name: (
            (name != "speech-to-text", names.index(name))
            if "visual-description" in names
            else PERCEIVED.index(name)
        )
    )
    reading = [one for one in goals if one.capability != "visual-question-answering"]
    if wiring.settled or said or not (reading or "chunking" in names) or wiring.of_kind(*TEXTUAL):
        return said
    if wiring.of_kind("audio"):
        return ["speech-to-text"]
    wanted = {one.capability for one in reading}
    if "visual-question-answering" in {one.capability for one in goals} and wanted <= {
        "text-generation",
        "translation",
        "summarisation",
    }:
        # They read the answer.
        return []
    if wiring.of_kind("video"):
        return ["speech-to-text"] if "frame-extraction" not in names else ["visual-description"]
    if wiring.of_kind("image") is None:
        return []
    read = to_be_read(wiring.media, wiring.description) or {"extraction", "translation"} & wanted
    return ["ocr"] if read else ["visual-description"]
