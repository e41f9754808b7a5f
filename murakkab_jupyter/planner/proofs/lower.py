"""Lower the richer problem to the exact one of `problem`, in two ways.

`relaxation` keeps only what holds for every run of the loop: least times, least core-seconds, which step waits for
which. Whatever a plan reaches, some solution of the relaxation reaches too, so its optimum is a proven bound.
`candidate` has each step hold its cores from start to end: its solution is a plan to try.

All work must fit under the cores that are held (`area`). What a step holds of them is its core-seconds; a step beside
which no other can run (all others end before it or start after it) takes all of them for as long as it runs.

Totals that depend on the makespan (idle energy, rent, core-seconds that there are) are expressed by one more activity,
`rest`, after all others and up to a fixed horizon. Each of its modes is a window of makespans and what is held of the
cluster: its length makes everything before it end by the window's later edge, and it consumes what is burnt until its earlier one.

Two things hold only under some modes: how many GPUs are held, and when a server can answer first. A mode consumes what it needs of
the former (of the latter, its place among the few values that there are), and `rest` (or an activity that lasts until the server
answers) what its own has less than the most: so under a common budget the latter's is no lower.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from murakkab_jupyter.planner.exact.problem import Activity, Mode, Problem
from murakkab_jupyter.planner.proofs.rich import Flow, Host, RichMode, RichProblem, RichStep

__all__ = ["COST", "ENERGY", "LOGLOSS", "REST", "SECONDS", "Window", "candidate", "relaxation"]

SECONDS, ENERGY, COST, LOGLOSS = "seconds", "energy", "cost", "-log quality"
"""What is consumed: the makespan itself, joules, dollars, -log of quality; core-seconds have a name for each number of cores."""

REST = "rest"

MOST_PAIRS = 3
"""Pairs of steps of which it is counted what their engines hold together."""

DIGITS = 6
"""Figures are rounded down to so many digits of the largest: whole numbers that a solver finds easy, and still a bound."""

NO_QUALITY = 50.0
"""-log of a quality of 0, large enough to fail any floor."""


@dataclass(frozen=True, slots=True)
class Window:
    """Makespans from `earlier_s` to `later_s` (None: any later), with one of the holdings."""

    earlier_s: float
    later_s: float | None
    held: Host


@dataclass(frozen=True, slots=True)
class Grain:
    """A quantum of ten's power for a quantity whose largest value is known."""

    size: float

    @classmethod
    def of(cls, most: float) -> Grain:
        return cls(10.0 ** (math.ceil(math.log10(most)) - DIGITS) if most > 0 else 1.0)

    def down(self, value: float) -> float:
        """The largest multiple that is not above."""
        return self.times(math.floor(value / self.size * (1 + 1e-12)))

    def up(self, value: float) -> float:
        """The smallest multiple that is not below."""
        return self.times(math.ceil(value / self.size * (1 - 1e-12)))

    def times(self, count: int) -> float:
        # Written as the decimal that it is: the exact problem reads numbers as they are written.
        return float(f"{count * self.size:.{max(0, -round(math.log10(self.size)))}f}")


def relaxation(rich: RichProblem, windows: Sequence[Window]) -> Problem:
    """What no plan of this problem can do better than, among makespans within the windows.

    Parameters
    ----------
    rich
        The problem.
    windows
        Together they must cover every makespan that is of interest, for each of the holdings.

    Returns
    -------
    Problem
        Of each step an activity named after it, with its modes in order. Minimise `SECONDS`, `ENERGY`, `COST` or `LOGLOSS`.
    """
    return lowered(rich, windows, hold=False)


def candidate(rich: RichProblem, windows: Sequence[Window]) -> Problem:
    """The same with steps that hold `cores x instances` for as long as they take: capacity at every instant."""
    return lowered(rich, windows, hold=True)


def lowered(rich: RichProblem, windows: Sequence[Window], *, hold: bool) -> Problem:
    """A rich problem in these windows as the exact problem has it; with `hold`, steps hold their cores for as long as they take."""
    scale = Scale.of(rich, windows)
    made: list[Activity] = []
    last: dict[str, tuple[str, ...]] = {}
    """For each step, the activities after which all of it is done."""
    for step in rich.steps:
        before: list[str] = []
        for flow in step.flows:
            if flow.whole or flow.starts is not None:
                before += last[flow.source] if flow.whole else (lag_name(flow),)
        if step.release_s > 0:
            before.append(f"release {step.name}")
            made.append(Activity(f"release {step.name}", [Mode(scale.time.down(step.release_s))]))
        before = list(dict.fromkeys(before))
        starts = scale.starts.get(step.name, ())
        if starts:
            before.append(server(step.name))
            top = len(starts) - 1
            made.append(
                Activity(
                    server(step.name),
                    [
                        Mode(
                            scale.time.down(start_s), {}, scale.down({server(step.name): float(top - place)})
                        )
                        for place, start_s in enumerate(starts)
                    ],
                )
            )
        made += [
            Activity(name, [Mode(scale.time.down(lag_s))], before)
            for name, lag_s in lags_after(rich, step).items()
        ]
        alone = step.name in scale.alone
        modes = [lowered_mode(rich, step.name, mode, scale, alone=alone, hold=hold) for mode in step.modes]
        made.append(Activity(step.name, modes, before))
        last[step.name] = (step.name,)
        ends = [flow.source for flow in step.flows if flow.ends and not flow.whole]
        after = list(dict.fromkeys(name for source in ends for name in last[source]))
        if step.complete_s > 0:
            after.append(f"complete {step.name}")
            made.append(Activity(f"complete {step.name}", [Mode(scale.time.down(step.complete_s))]))
        if after:
            tail = Mode(scale.time.down(min(mode.one_call() for mode in step.modes)))
            made.append(Activity(f"tail {step.name}", [tail], after))
            last[step.name] = (step.name, f"tail {step.name}")
    rest = [rest_mode(window, rich, scale) for window in windows]
    made.append(Activity(REST, rest, [name for some in last.values() for name in some]))
    capacity = {"cores": min(w.held.cores for w in windows)} if hold else {}
    return Problem(made, capacity, budgets(rich, scale), deadline_s=scale.horizon)


def lag_name(flow: Flow) -> str:
    return f"{flow.starts} of {flow.source}"


def lags_after(rich: RichProblem, step: RichStep) -> dict[str, float]:
    """Start-start lags that others wait for: the least time to the first `n` items of a step."""
    found: dict[str, float] = {}
    for other in rich.steps:
        for flow in other.flows:
            if flow.source == step.name and flow.starts is not None and not flow.whole:
                found[lag_name(flow)] = min(mode.elapsed(flow.starts) for mode in step.modes)
    return found


def area(number: int) -> str:
    return f"core-seconds of holding {number}"


def cards(rich: RichProblem) -> dict[str, dict[str, frozenset[str] | None]]:
    """Sums of GPUs that are held at least, by name: for each step in it, of which engines (None: whichever it is).

    A step's engine holds its GPUs, and two steps' engines do together where they are two. That they are is no sum; but any two
    names differ in some bit of their places in a list, so for each bit one step counts the engines with it, the other those without.
    """
    users = {
        step.name: sorted({mode.engine or "" for mode in step.modes if mode.gpus})
        for step in rich.steps
        if any(mode.gpus for mode in step.modes)
    }
    found: dict[str, dict[str, frozenset[str] | None]] = {f"GPUs of {step}": {step: None} for step in users}
    for one, other in list(itertools.combinations(users, 2))[:MOST_PAIRS]:
        engines = sorted({*users[one], *users[other]})
        for bit in range((len(engines) - 1).bit_length()):
            having = frozenset(name for place, name in enumerate(engines) if place >> bit & 1)
            lacking = frozenset(engines) - having
            for a, b in ((having, lacking), (lacking, having)):
                found[f"GPUs of {one} and {other} {bit}{'ab'[a is having]}"] = {one: a, other: b}
    return found


def server(step: str) -> str:
    return f"server of {step}"


def place_of(scale: Sequence[float], value: float) -> int:
    """The place of the first of some ascending values that is no less; one beyond the last if none is."""
    return next((n for n, one in enumerate(scale) if one >= value), len(scale))


def lowered_mode(
    rich: RichProblem, step: str, mode: RichMode, scale: Scale, *, alone: bool, hold: bool
) -> Mode:
    """A mode of a step with what it consumes (J, USD, log of quality lost, core-seconds, GPUs), rounded down."""
    spent = active_j(mode) + mode.total(mode.gpu_j)
    consumes = {
        ENERGY: spent,
        COST: spent * rich.usd_per_j,
        LOGLOSS: NO_QUALITY if mode.quality <= 0 else max(0.0, -math.log(mode.quality)),
    }
    for number, held in enumerate(scale.holdings):
        consumes[area(number)] = max(mode.core_s(held), held.cores * mode.wall_s if alone else 0.0)
    if mode.engine in rich.engines:
        consumes[engine(mode.engine or "")] = mode.total(mode.seconds)
    for name, steps in scale.cards.items():
        if step in steps and ((engines := steps[step]) is None or mode.engine in engines):
            consumes[name] = float(mode.gpus)
    if server(step) in scale.counts:
        consumes[server(step)] = float(place_of(scale.starts[step], mode.start_s))
    demand = min(*(held.cores for held in scale.holdings), mode.cores * mode.instances) if hold else 0
    return Mode(scale.time.down(mode.wall_s), {"cores": demand} if demand else {}, scale.down(consumes))


def engine(name: str) -> str:
    return f"engine {name}"


def rest_mode(window: Window, rich: RichProblem, scale: Scale) -> Mode:
    """From the makespan to the horizon: what was burnt until then, and the core-seconds that there were not."""
    earlier, held = window.earlier_s, window.held
    idle = held.idle_w * earlier
    consumes = {SECONDS: earlier, ENERGY: idle, COST: held.usd_per_s * earlier + idle * rich.usd_per_j}
    later = scale.horizon
    consumes |= dict.fromkeys(scale.cards, scale.most_gpus - held.gpus)
    if window.later_s is not None and window.later_s < scale.horizon:
        later = scale.time.up(window.later_s)
        mine = area(scale.holdings.index(held))
        consumes[mine] = max(0.0, scale.amounts[mine] - held.cores * later)
        for name, slots in rich.engines.items():
            answers_s = max(0.0, later - rich.engine_start_s.get(name, 0.0))
            consumes[engine(name)] = max(0.0, scale.amounts[engine(name)] - slots * answers_s)
    return Mode(scale.time.down(scale.horizon - later), {}, scale.down(consumes))


def budgets(rich: RichProblem, scale: Scale) -> dict[str, float]:
    found = {name: most for name, most in scale.amounts.items() if name not in (SECONDS, ENERGY, COST)}
    limits = rich.limits
    if limits.energy_j is not None:
        found[ENERGY] = limits.energy_j
    if limits.cost_usd is not None:
        found[COST] = limits.cost_usd
    if limits.quality:
        found[LOGLOSS] = -math.log(min(1.0, limits.quality)) + 1e-9
    return {name: scale.grain(name).up(most) for name, most in found.items()}


@dataclass(frozen=True)
class Scale:
    """The horizon, and the largest amounts there can be: what figures are rounded against."""

    horizon: float
    time: Grain
    holdings: tuple[Host, ...]
    alone: frozenset[str]
    amounts: dict[str, float]
    most_gpus: float
    """GPUs that any of the holdings allows."""
    cards: dict[str, dict[str, frozenset[str] | None]]
    starts: dict[str, tuple[float, ...]]
    """Of each step whose server may have to be started, when it answers under each of its modes, ascending."""
    counts: frozenset[str]
    """What is consumed in whole numbers: GPUs, and places among `starts`."""

    @classmethod
    def of(cls, rich: RichProblem, windows: Sequence[Window]) -> Scale:
        """Units as fine as the longest schedule, and the largest amount of each kind that any plan could have, allow."""
        longest = math.fsum(
            max(mode.wall_s for mode in step.modes)
            + step.release_s
            + step.complete_s
            + math.fsum(lags_after(rich, step).values())
            + min(mode.one_call() for mode in step.modes)
            + max(mode.start_s for mode in step.modes)
            for step in rich.steps
        )
        first = max(w.earlier_s for w in windows)
        horizon = max(longest, first, *(w.later_s or 0.0 for w in windows))
        if rich.limits.deadline_s is not None:
            horizon = max(first, min(horizon, rich.limits.deadline_s * (1 + 1e-9)))
        time = Grain.of(horizon)
        horizon = time.up(horizon)
        holdings: list[Host] = []
        for window in windows:
            if window.held not in holdings:
                holdings.append(window.held)
        active = math.fsum(
            max(active_j(mode) + mode.total(mode.gpu_j) for mode in step.modes) for step in rich.steps
        )
        idle = max(w.held.idle_w * w.earlier_s for w in windows)
        rent = max(w.held.usd_per_s * w.earlier_s for w in windows)
        amounts = {
            SECONDS: horizon,
            ENERGY: max(active + idle, rich.limits.energy_j or 0.0),
            COST: max((active + idle) * rich.usd_per_j + rent, rich.limits.cost_usd or 0.0),
        }
        for number, held in enumerate(holdings):
            work = math.fsum(max(mode.core_s(held) for mode in step.modes) for step in rich.steps)
            amounts[area(number)] = held.cores * horizon * len(rich.steps) * 1.001 + work
        for name, slots in rich.engines.items():
            calls = math.fsum(max(m.total(m.seconds) for m in step.modes) for step in rich.steps)
            amounts[engine(name)] = max(slots * horizon, calls) * 1.001
        most_gpus = float(max(held.gpus for held in holdings))
        sums = cards(rich)
        starts = {
            step.name: tuple(sorted({mode.start_s for mode in step.modes}))
            for step in rich.steps
            if any(mode.start_s for mode in step.modes)
        }
        counts = {server(name): float(len(some) - 1) for name, some in starts.items()}
        counts |= dict.fromkeys(sums, most_gpus)
        return cls(
            horizon,
            time,
            tuple(holdings),
            serial(rich),
            amounts | counts,
            most_gpus,
            sums,
            starts,
            frozenset(counts),
        )

    def grain(self, name: str) -> Grain:
        """The quantum of something that is consumed."""
        if name in self.counts:
            return Grain(1.0)
        return (
            self.time if name == SECONDS else Grain(1e-5) if name == LOGLOSS else Grain.of(self.amounts[name])
        )

    def down(self, consumes: dict[str, float]) -> dict[str, float]:
        """The amounts rounded down; nothing of what is not consumed."""
        return {name: self.grain(name).down(value) for name, value in consumes.items() if value > 0}


def active_j(mode: RichMode) -> float:
    """At least so many joules are added to idle hosts by a mode's CPU-seconds."""
    return mode.total(mode.cpu_j) + (mode.load_j if mode.calls and not mode.warm else 0.0)


def serial(rich: RichProblem) -> frozenset[str]:
    """Steps beside which no other can run: each other one ends before it starts, or starts after it ends."""
    ends: dict[str, set[str]] = {}
    """For each step, those that end no later than it does, itself among them."""
    before: dict[str, set[str]] = {}
    """For each step, those that end before it starts."""
    for step in rich.steps:
        ends[step.name] = {step.name}
        before[step.name] = set()
        for flow in step.flows:
            if flow.whole:
                before[step.name] |= ends[flow.source]
            if flow.whole or flow.starts is not None:
                before[step.name] |= before[flow.source]
            if flow.whole or flow.ends:
                ends[step.name] |= ends[flow.source]
        ends[step.name] |= before[step.name]
    names = [step.name for step in rich.steps]
    return frozenset(
        one
        for one in names
        if all(other == one or other in before[one] or one in before[other] for other in names)
    )
