"""A language model's steps as steps to be written: inputs by port and kind, sentences in the words of the language."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.workflow.decompose.draft import Given, MisfitError
from murakkab_jupyter.workflow.decompose.form import implied, reachable, read_by
from murakkab_jupyter.workflow.decompose.say import (
    count_in,
    fields_in,
    labels_in,
    language_in,
    quoted,
    written_out,
)
from murakkab_jupyter.workflow.decompose.wire import Planned, Wiring
from murakkab_jupyter.workflow.language.chain import in_words
from murakkab_jupyter.workflow.language.pattern import example
from murakkab_jupyter.workflow.language.suggest import listed

__all__ = ["EXAMPLE_LANGUAGE", "planned"]

FRAMES = re.compile(r"\W*([1-9]\d?)(?:\s+(?:frames|stills|pictures|images))?\W*")
EXAMPLE_LANGUAGE = "French"
"""Of the example that a model is shown: a small one repeats it."""


def planned(
    stated: Sequence[Any],
    description: str,
    capabilities: Mapping[str, Capability],
    inputs: Given,
    wants: dict[str, str],
    notes: list[str],
) -> list[Planned]:
    """The steps that a reply names, and those that these imply, each with what its ports take.

    Raises `MisfitError` for what cannot be.
    """
    kinds = {**inputs.media, **({inputs.question: "text"} if inputs.question else {})}
    steps: list[Planned] = []
    said: dict[tuple[str, tuple[str, ...], str], str] = {}
    again: dict[str, str] = {}
    wiring = Wiring(capabilities, inputs.media, inputs.question, description, steps=steps)
    put_in = implied(stated, reachable(capabilities, inputs), inputs)
    notes += [f"{one['name']} was put in, since {reader} reads it." for one, reader in put_in]
    for number, one in in_order([*stated, *(one for one, _ in put_in)], kinds):
        wanted = str(one.get("capability") or "") if isinstance(one, Mapping) else ""
        if not isinstance(one, Mapping) or wanted not in capabilities:
            msg = f"Step {number} names a capability that nobody offers: {wanted[:40] or 'none at all'}."
            hint = f"There are: {listed(capabilities, 30)}."
            raise MisfitError(msg, hint=hint, absent=re.sub(r"[^a-z0-9]+", "-", wanted.lower())[:40])
        capability = capabilities[wanted]
        name = fresh(str(one.get("name", "")), capability, kinds)
        sources = list(dict.fromkeys(again.get(source, source) for source in read_by(one)))
        absent = next((source for source in sources if source not in kinds), None)
        if absent is not None:
            msg = f"Step {number} ({name}) takes {absent!r}, which is no input and no earlier step."
            raise MisfitError(msg, hint=f"There are: {listed(kinds)}.")
        same = (capability.name, tuple(sources), " ".join(str(one.get("say", "")).lower().split()))
        if same in said:
            # A small model says the same step again and again: once is enough.
            again[str(one.get("name", ""))] = said[same]
            continue
        said[same] = name
        ports = assigned(number, name, capability, sources, kinds, inputs, wants)
        say = str(one.get("say", ""))
        say = "" if say.strip() in {str(one.get("name", "")), capability.name} else say
        step = sentence(name, capability, ports, say, description, wants)
        text_ports = [source for port, source in step.ports if port not in {"labels", "fields", "question"}]
        per = wiring.level(text_ports) if capability.name not in {"frame-extraction", "chunking"} else ""
        if capability.name in {"retrieval", "question-answering"}:
            per = per or "all"
        if capability.name in {"object-detection", "ocr", "embedding", "speech-to-text", "translation"}:
            per = ""
        if capability.name == "visual-description" and len(text_ports) == 1:
            per = ""  # each picture by itself, as without a model
        steps.append(Planned(step.name, step.capability, step.sentence, step.ports, step.options, per))
        wiring.made.setdefault(capability.name, name)
        kinds[name] = capability.output
    return steps


def in_order(stated: Sequence[Any], there: Mapping[str, str]) -> list[tuple[int, Any]]:
    """Steps with their numbers, each after those that it reads: a reply may name them in any order."""
    waiting = list(enumerate(stated, 1))
    known = set(there)
    made: list[tuple[int, Any]] = []
    while waiting:
        ready = next((one for one in waiting if known.issuperset(read_by(one[1]))), waiting[0])
        waiting.remove(ready)
        made.append(ready)
        if isinstance(ready[1], Mapping):
            known.add(str(ready[1].get("name", "")))
    return made


def fresh(stated: str, capability: Capability, taken: Mapping[str, str]) -> str:
    base = re.sub(r"\W+", "_", stated).strip("_").lower()
    if not base.isidentifier() or base == "all":
        base = capability.name.replace("-", "_")
    return next(name for n in range(1, 99) if (name := base if n == 1 else f"{base}_{n}") not in taken)


def assigned(
    number: int,
    name: str,
    capability: Capability,
    sources: Sequence[str],
    kinds: Mapping[str, str],
    inputs: Given,
    wants: dict[str, str],
) -> list[tuple[str, str]]:
    """Which port takes which source: the first port of its kind that is free, or takes several."""
    ports: list[tuple[str, str]] = []
    for source in sources:
        free = [
            port
            for port in capability.ports
            if port.accepts(kinds[source])
            and (port.several or port.name not in dict(ports))
            and (port.name != "question" or source == inputs.question or len(sources) > 1)
            and not port.stated
        ]
        question = [port for port in free if port.name == "question"]
        fitting = (
            question
            if source == inputs.question and question
            else [p for p in free if p.name != "question"] or free
        )
        if not fitting:
            takes = "; ".join(f"{port.name}: {' or '.join(sorted(port.kinds))}" for port in capability.ports)
            msg = f"Step {number} ({name}): {capability.name} cannot take {source}, which is {kinds[source]}."
            raise MisfitError(msg, hint=f"{capability.name} takes {takes}.")
        ports.append((fitting[0].name, source))
    for port in capability.ports:
        if port.optional or port.name in dict(ports) or port.stated:
            continue
        if port.name == "question":
            variable = inputs.question or "question"
            if not inputs.question:
                wants.setdefault(variable, "What do you want to know?")
            ports.append((port.name, variable))
            continue
        msg = f"Step {number} ({name}): {capability.name} needs {' or '.join(sorted(port.kinds))}, and takes none."
        raise MisfitError(msg, hint="Give it an input of that kind, or put a step before it that makes one.")
    return ports


def sentence(
    name: str,
    capability: Capability,
    ports: Sequence[tuple[str, str]],
    say: str,
    description: str,
    wants: dict[str, str],
) -> Planned:
    """A step in the words of the language; what it must be told is taken from the model's words, else from the description."""
    options: dict[str, object] = {}
    made = list(ports)
    refs = in_words([source for port, source in ports if port != "question"]) if ports else ""
    said = f"{say}. {description}"
    match capability.name:
        case "text-generation":
            told = (
                f"{written_out(say or description)} from {refs}" if refs else written_out(say or description)
            )
        case "summarisation":
            told = f"summarise {refs}"
        case "translation":
            said_so = language_in(f"into {say}")
            # Another one than the example's is meant: a description may name what the inputs are in alone.
            if said_so == EXAMPLE_LANGUAGE and said_so.lower() not in description.lower():
                said_so = language_in(description) or said_so
            options = {"language": said_so or language_in(description) or "English"}
            told = f"translate {refs} into {options['language']}"
        case "classification":
            labels = labels_in(f"as {say}") or labels_in(description)
            if labels:
                options = {"labels": labels}
            else:
                wants.setdefault("labels", "first, second")
                made.append(("labels", "labels"))
            told = f"classify {refs} into {quoted(labels) if labels else '{labels}'}"
        case "extraction":
            fields = fields_in(f"extract {say}") or fields_in(said)
            if fields:
                options = {"fields": fields}
            else:
                wants.setdefault("fields", "name, date: date")
                made.append(("fields", "fields"))
            told = f"extract {quoted(fields) if fields else '{fields}'} from {refs}"
        case "frame-extraction" if many := frames_in(say) or count_in(description):
            options = {"count": many}
            told = f"take {many} frames from {refs}"
        case "question-answering":
            question = dict(ports)["question"]
            told = f"answer {{{question}}} from {refs}"
        case _:
            patterns = [example(p) for p in capability.patterns]
            told = next((p for p in patterns if "3" not in p.split()), capability.name.replace("-", " "))
            for port, source in ports:
                told = told.replace(f"{{{port}}}", f"{{{source}}}")
            if "{" not in told and refs:
                told = f"{told} {refs}"
    return Planned(name, capability.name, told, tuple(made), options)


def frames_in(say: str) -> int | None:
    """How many frames a model says are taken, where it says nothing else."""
    hit = FRAMES.fullmatch(say)
    return int(hit[1]) if hit else None
