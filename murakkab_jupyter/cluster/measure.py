"""Measure agents here: each in an instance's own process, as in a real run, over its levers, cores, items and work.

Inputs are made by the agents themselves, from a few videos, so that later steps see what earlier ones really make.
Every case (agent, levers, cores) is handed on as soon as it is done, so that whoever stops it keeps what it has.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cloudpickle

from murakkab_jupyter.agents.agent import AgentSpec, Failed, Inputs
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.weights.resolver import state
from murakkab_jupyter.cluster.process import InstanceProcess, LostError
from murakkab_jupyter.cluster.wire import Load, Loaded, Returned
from murakkab_jupyter.core.ancestry import Ancestry, child
from murakkab_jupyter.core.errors import AgentError, UsageError
from murakkab_jupyter.core.events import Usage
from murakkab_jupyter.core.kinds import Scene, Video, origin_of
from murakkab_jupyter.planner.modes import lacking, ladder
from murakkab_jupyter.profiles.book import ProfileBook
from murakkab_jupyter.profiles.hardware import host_cores
from murakkab_jupyter.profiles.profile import options_key
from murakkab_jupyter.profiles.store import today
from murakkab_jupyter.runtime.observe import work_of

__all__ = [
    "CAPABILITIES",
    "Case",
    "Instance",
    "Measurement",
    "Progress",
    "Samples",
    "Tempo",
    "able",
    "cases",
    "chosen",
    "measure",
    "measure_into",
    "others_busy",
]

Made = list[tuple[Ancestry, Any]]

SIZES = (1, 4, 16, 64)
"""Items of the calls that are timed."""

NEEDS: Mapping[str, tuple[str, ...]] = {
    "scene-detection": (),
    "frame-extraction": ("scene-detection",),
    "speech-to-text": ("scene-detection",),
    "object-detection": ("frame-extraction",),
    "ocr": ("frame-extraction",),
    "summarisation": ("speech-to-text", "object-detection"),
    "text-generation": ("speech-to-text", "object-detection"),
    "embedding": ("summarisation",),
    "retrieval": ("summarisation",),
    "question-answering": ("summarisation",),
    "chunking": ("summarisation",),
    "classification": ("summarisation",),
    "extraction": ("summarisation",),
    "translation": ("summarisation",),
}
"""For each capability, those that make its inputs."""

CAPABILITIES = tuple(NEEDS)
"""Capabilities for which inputs are known, in an order in which each comes after what it needs."""

SOURCES: Mapping[str, str] = {"speech-to-text": "moonshine-tiny", "summarisation": "extractive-summary"}
"""Which agent makes inputs for others, where the first one at hand would take long."""

MOST_ASKED = 8
LABELS = "speech, nature, sport, news"
FIELDS = "name, date: date, place, amount: number"

PARTS_S = (1.0, 2.0, 1.5, 3.0, 6.0)
"""Lengths of the parts that scenes are cut into."""


@dataclass(frozen=True, slots=True)
class Tempo:
    """How much time measuring may take.

    Attributes
    ----------
    call_s
        Calls that are expected to take longer than this are left out, save the first of a case.
    case_s
        Calls are repeated until a case has taken this long.
    most_s
        No call of a case begins later than this, as long as there was one.
    rounds
        Most times that a call is made.
    """

    call_s: float = 12.0
    case_s: float = 3.0
    most_s: float = 25.0
    rounds: int = 3


@dataclass(frozen=True, slots=True)
class Case:
    """One agent with its levers set, on some cores."""

    spec: AgentSpec
    options: Mapping[str, Any]
    cores: int

    def __str__(self) -> str:
        levers = [f"{one.name}={self.options[one.name]}" for one in self.spec.options if one.lever]
        return " ".join(
            [self.spec.name, *levers, f"on {self.cores} {'core' if self.cores == 1 else 'cores'}"]
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far measuring is: cases done of all, and what is being done."""

    done: int
    total: int
    doing: str


class Instance:
    """One agent, loaded in a process of its own; raises `AgentError` when it does not load."""

    def __init__(self, library: Library, spec: AgentSpec, options: Mapping[str, Any], cores: int) -> None:
        self.spec = spec
        self.folder = tempfile.TemporaryDirectory(prefix="murakkab-measure-")
        self.process = InstanceProcess(spec.name, cores=cores, gpus=(), log=Path(self.folder.name) / "log")
        try:
            capability = library.capability(spec.capability)
            order = Load(
                spec.name, cloudpickle.dumps(spec), dict(options), cores, capability.output, capability.opens
            )
            loaded = self.process.load(order, lambda _: None)
            if not isinstance(loaded, Loaded):
                raise AgentError(loaded.error)
        except LostError as error:
            self.close()
            msg = f"{spec.name} does not load: {error.args[0]}"
            raise AgentError(msg) from error
        except BaseException:
            self.close()
            raise
        self.loaded = loaded

    def call(self, batch: Sequence[Inputs]) -> tuple[list[Any], Usage]:
        """The values of a batch, and what it used."""
        try:
            answer = self.process.call(cloudpickle.dumps(tuple(batch)), lambda _: None)
        except LostError as error:
            msg = f"{self.spec.name} died while it was measured: {error.args[0]}"
            raise AgentError(msg) from error
        if not isinstance(answer, Returned):
            msg = f"{self.spec.name} failed while it was measured: {answer.error}"
            raise AgentError(msg)
        return list(cloudpickle.loads(answer.values)), answer.usage

    def close(self) -> None:
        """End the process."""
        self.process.close()
        self.folder.cleanup()

    def __enter__(self) -> Instance:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def able(library: Library, capability: str) -> list[AgentSpec]:
    """Agents of a capability that can be measured here: neither served elsewhere nor lacking anything."""
    return [
        spec
        for spec in library.agents(capability)
        if not spec.fixture and not reason_against(spec, library) and isinstance(spec.factory, str)
    ]


def reason_against(spec: AgentSpec, library: Library) -> str | None:
    """Why an agent cannot be measured here; None where it can."""
    if spec.remote:
        return "its work is done by a server: runs observe it"
    if spec.needs.gpus:
        return "it needs a GPU: runs on one observe it"
    if spec.capability not in NEEDS:
        return f"no sample inputs are known for {spec.capability}: runs observe it"
    missing = lacking(spec, library)
    if missing:
        return f"it lacks {'; '.join(missing)}"
    absent = [name for name in spec.needs.weights if not (state(name).here or state(name).where == "index")]
    return f"weights are not here: {', '.join(absent)}" if absent else None


def chosen(library: Library, names: Sequence[str]) -> list[AgentSpec]:
    """The agents of some names (of agents or capabilities), all that can be measured when there are none.

    Raises
    ------
    UsageError
        A name is unknown, or its agent cannot be measured here, and why.
    """
    if not names:
        return [spec for capability in CAPABILITIES for spec in able(library, capability)]
    found: dict[str, AgentSpec] = {}
    known = {one.name for one in library.capabilities()}
    for name in names:
        if name in known:
            some = able(library, name)
            if not some:
                msg = f"No agent of {name} can be measured here."
                raise UsageError(msg, hint="See what they lack: murakkab agents.")
            found |= {spec.name: spec for spec in some}
            continue
        spec = library.agent(name)
        why = reason_against(spec, library)
        if why is not None:
            msg = f"{name} cannot be measured here: {why}."
            raise UsageError(msg, hint="See all agents: murakkab agents.")
        found[name] = spec
    order = {name: place for place, name in enumerate(CAPABILITIES)}
    return sorted(found.values(), key=lambda spec: order[spec.capability])


def cases(specs: Sequence[AgentSpec], most_cores: int) -> list[Case]:
    """Every set of levers of every agent, on 1, 2, 4, ... cores as far as it gains and there are."""
    made: list[Case] = []
    for spec in specs:
        levers = [one for one in spec.options if one.lever and one.choices]
        for values in itertools.product(*(one.choices for one in levers)):
            options = spec.settings({one.name: v for one, v in zip(levers, values, strict=True)})
            made += [Case(spec, options, cores) for cores in ladder(min(spec.max_cores, most_cores))]
    return made


class Samples:
    """Inputs for each capability, made when first asked for by the agents of those before it."""

    def __init__(
        self, library: Library, videos: Sequence[Video], question: str, *, told: Callable[[str], None]
    ) -> None:
        self.library = library
        self.question = question
        self.told = told
        self.made: dict[str, Made] = {"videos": [((("videos", n),), video) for n, video in enumerate(videos)]}

    def inputs(self, capability: str) -> list[Inputs]:
        """The items of a step of this capability."""
        for name in NEEDS[capability]:
            if name not in self.made:
                self.made[name] = self.make(name)
        return inputs_of(capability, self.made, self.question)

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


def batches(size_of: Callable[[Inputs], float], items: Sequence[Inputs], most: int) -> list[list[Inputs]]:
    """The calls to time: single items from the least work to the most, then batches of ordinary and of much work.

    The spread of work is what tells a call's overhead from its rate.
    """
    ordered = sorted(items, key=size_of)
    # A silent scene takes a transcriber no time: it tells nothing, as long as there are others.
    ordered = [item for item in ordered if size_of(item) > 0] or ordered
    made: list[list[Inputs]] = []
    for size in SIZES:
        if size > 1 and size > min(most, len(ordered)):
            break
        last = len(ordered) - size
        starts = (0, len(ordered) // 2, last) if size == 1 else (last // 2, last)
        made += [ordered[start : start + size] for start in sorted(set(starts))]
    return made


def measure(
    library: Library,
    todo: Sequence[Case],
    samples: Samples,
    *,
    tempo: Tempo,
    progress: Callable[[Progress], None],
) -> Iterator[tuple[Case, list[dict[str, Any]] | AgentError]]:
    """Time each case; its observations come as soon as it is done, or why there are none.

    One agent that fails does not cost the others.
    """
    for done, case in enumerate(todo):

        def told(what: str, done: int = done) -> None:
            progress(Progress(done, len(todo), what))

        samples.told = told
        told(str(case))
        try:
            items = samples.inputs(case.spec.capability)
            told(str(case))
            yield case, timed(library, case, items, tempo)
        except AgentError as error:
            yield case, error
    progress(Progress(len(todo), len(todo), ""))


def timed(library: Library, case: Case, items: Sequence[Inputs], tempo: Tempo) -> list[dict[str, Any]]:
    """The observations of one case."""
    capability = library.capability(case.spec.capability)

    def work(item: Inputs) -> float:
        return work_of(capability, item, case.options)

    found: list[dict[str, Any]] = []
    calls = batches(work, items, case.spec.max_batch)
    with Instance(library, case.spec, case.options, case.cores) as instance:

        def call(batch: Sequence[Inputs], *, least_s: float = 0.0) -> float:
            """Time one call, and keep it if it took so long and nothing failed; the seconds it took."""
            values, used = instance.call(batch)
            if used.seconds >= least_s and not any(isinstance(value, Failed) for value in values):
                found.append(seen(case, instance.loaded, len(batch), sum(map(work, batch)), used))
            return float(used.seconds)

        began = time.monotonic()
        # The first call warms up what loading did not; where it takes long, that is the smaller part of it.
        rate = pace(call(calls[0], least_s=tempo.case_s), sum(map(work, calls[0])))
        for turn in range(tempo.rounds):
            for batch in calls:
                took, total = time.monotonic() - began, sum(map(work, batch))
                if found and (
                    took > tempo.most_s or rate * total > tempo.call_s or (turn and took > tempo.case_s)
                ):
                    continue
                rate = pace(call(batch), total) or rate
    if not found:
        msg = f"{case.spec.name} failed on every sample: it cannot be measured with these inputs."
        raise AgentError(msg, hint="Give other videos: --input videos=clip.mp4")
    return found


def pace(seconds: float, work: float) -> float:
    """Seconds for a unit of work; 0 where there is none."""
    return seconds / work if work > 0 else 0.0


def seen(case: Case, loaded: Loaded, items: int, work: float, used: Usage) -> dict[str, Any]:
    """One call as an observation."""
    return {
        "agent": case.spec.name,
        "options": dict(case.options),
        "cores": case.cores,
        "items": items,
        "work": round(work, 4),
        "seconds": max(1e-6, round(used.seconds, 6)),
        "cpu_s": round(used.cpu_s, 6),
        "load_s": round(loaded.load_s, 4),
        "load_cpu_s": round(loaded.load_cpu_s, 4),
        "memory_bytes": int(used.memory_bytes),
    }


@dataclass(frozen=True, slots=True)
class Measurement:
    """What measuring did.

    Attributes
    ----------
    cases, calls
        Cases measured now, and the calls that were timed.
    kept
        Cases that had been measured today already.
    agents
        Every agent that was asked for.
    failed
        Cases that could not be measured, and why.
    seconds
        How long it took.
    busy
        How many others the machine worked for meanwhile, as its load average says; None where it is idle.
    """

    cases: int
    calls: int
    kept: int
    agents: tuple[str, ...]
    failed: Mapping[str, str]
    seconds: float
    busy: float | None = None


def measure_into(
    book: ProfileBook,
    library: Library,
    names: Sequence[str],
    videos: Sequence[Video],
    question: str,
    *,
    cores: int,
    tempo: Tempo | None = None,
    again: bool = False,
    progress: Callable[[Progress], None],
) -> Measurement:
    """Measure agents here and keep each case's observations as soon as it is done.

    Parameters
    ----------
    book, library
        Where observations go, and what there is.
    names
        Agents or capabilities; all that can be measured when there are none.
    videos, question
        What inputs are made of.
    cores
        Most cores of an instance.
    again
        Whether cases that were measured today already are measured once more.
    progress
        Told before each case, and at the end.

    Raises
    ------
    UsageError
        A name is unknown, or its agent cannot be measured here.
    AgentError
        Nothing could be measured at all.
    """
    began = time.monotonic()
    specs = chosen(library, names)
    todo = cases(specs, cores)
    samples = Samples(library, videos, question, told=lambda _: None)
    wanted = [case for case in todo if again or not book.store.marked(mark(book, case))]
    busy = others_busy()
    failed: dict[str, str] = {}
    calls = count = 0
    for case, found in measure(library, wanted, samples, tempo=tempo or Tempo(), progress=progress):
        if isinstance(found, AgentError):
            failed[str(case)] = found.message
            continue
        book.observe_all(found)
        book.store.mark(mark(book, case))
        calls += len(found)
        count += 1
    kept = len(todo) - len(wanted)
    if failed and not count and not kept:
        raise AgentError("; ".join(dict.fromkeys(failed.values())), hint="Nothing was measured.")
    return Measurement(
        count, calls, kept, tuple(spec.name for spec in specs), failed, time.monotonic() - began, busy
    )


def mark(book: ProfileBook, case: Case) -> str:
    """What says that a case was measured on this host today."""
    spec = case.spec
    return " | ".join(
        [today(), book.host, spec.name, spec.version, options_key(case.options), f"{case.cores} cores"]
    )


def others_busy() -> float | None:
    """The load average, where the machine is busy with something else."""
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):  # not on every system
        return None
    return load if load > 0.5 * host_cores() else None
