"""Measure agents here: each in an instance's own process, as in a real run, over its levers, cores, items and work.

Inputs are made by the agents themselves, from a few videos, so that later steps see what earlier ones really make.
Every case (agent, levers, cores) is handed on as soon as it is done, so that whoever stops it keeps what it has.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.agents.agent import AgentSpec, Failed, Inputs
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.cluster.instances.wire import Loaded
from murakkab_jupyter.cluster.measuring.loaded import CAPABILITIES, Instance, able, reason_against
from murakkab_jupyter.cluster.measuring.samples import Samples
from murakkab_jupyter.core.errors import AgentError, UsageError
from murakkab_jupyter.core.events import Usage
from murakkab_jupyter.core.kinds import Video
from murakkab_jupyter.planner.modes import ladder
from murakkab_jupyter.profiles.book import ProfileBook
from murakkab_jupyter.profiles.hardware import host_cores
from murakkab_jupyter.profiles.profile import options_key
from murakkab_jupyter.profiles.store import today
from murakkab_jupyter.runtime.observe import work_of, worked

__all__ = [
    "Case",
    "Measurement",
    "Progress",
    "Tempo",
    "cases",
    "chosen",
    "measure",
    "measure_into",
    "others_busy",
]

SIZES = (1, 4, 16, 64)
"""Items of the calls that are timed."""


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


def batches(
    size_of: Callable[[Inputs], float], items: Sequence[Inputs], most: int, *, neighbours: bool = False
) -> list[list[Inputs]]:
    """The calls to time: single items from the least work to the most, then batches of ordinary and of much work.

    The spread of work is what tells a call's overhead from its rate. A batch holds neighbours, as in a run: whoever hears scenes
    that follow each other hears them as one. With `neighbours` all of them are of one parent, as it is with agents that say so.
    Of one family, work grows as items do, and a curve may take the one for the other: the single item of most work (of speech,
    `samples.prolonged` makes a long one) tells them apart. Least work goes first, so that how long the next call takes is known from one nearly as large.
    """
    # A scene without sound takes a transcriber no time: it tells nothing, as long as there are others.
    some = [item for item in items if size_of(item) > 0] or list(items)
    made: list[list[Inputs]] = []
    families = Counter(item.ancestry[:-1] for item in some) if neighbours else Counter()
    # A whole family, as a run has them.
    for size in sorted({*SIZES, *(count for _, count in families.most_common(1))}):
        if size > 1 and size > min(most, len(some)):
            break
        rows = [some[start : start + size] for start in range(len(some) - size + 1)]
        if neighbours and size > 1:
            rows = [row for row in rows if len({item.ancestry[:-1] for item in row}) == 1]
            if not rows:
                break
        rows.sort(key=lambda row: sum(map(size_of, row)))
        last = len(rows) - 1
        places = {0, len(rows) // 2, last} if size == 1 else {last // 2, last}
        made += [rows[place] for place in sorted(places)]
    return sorted(made, key=lambda row: sum(map(size_of, row)))


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
    calls = batches(work, items, case.spec.max_batch, neighbours=case.spec.neighbours)
    with Instance(library, case.spec, case.options, case.cores) as instance:

        def call(batch: Sequence[Inputs], *, least_s: float = 0.0) -> float:
            """Time one call, and keep it if it took so long and nothing failed; the seconds it took."""
            values, used = instance.call(batch)
            if used.seconds >= least_s and not any(isinstance(value, Failed) for value in values):
                done = sum(
                    worked(capability, item, case.options, value)
                    for item, value in zip(batch, values, strict=True)
                )
                found.append(seen(case, instance.loaded, len(batch), done, used))
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
    found[0]["start_s"] = round(instance.loaded.start_s, 4)  # one process was started
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
