"""The second regime: very many items, each step a stage, and what matters is how many items pass the slowest one a second.

The makespan is then `fill + items / rate of the slowest stage`: a straight line in the number of items. So a plan is
replayed on two samples of the items, one twice the other, and the line through both is continued to all of them. What
does not grow with the items (loading, a first call, a step that gathers nothing) is the line's start and stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.figure import Figure, weakest
from murakkab_jupyter.core.hosts import Share
from murakkab_jupyter.core.kinds import measure
from murakkab_jupyter.core.transfer import Transfer
from murakkab_jupyter.planner.estimate import Estimator
from murakkab_jupyter.planner.evaluate import Evaluation, Evaluator
from murakkab_jupyter.planner.expect import expect
from murakkab_jupyter.planner.plan import Configuration, Regime
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["MANY", "SAMPLE", "Replay", "Stage", "longest", "regime_of", "sampled", "stages"]

MANY = 2_000
"""Items over all steps from which a replay of all of them takes too long to be asked for dozens of times."""

SAMPLE = 256
"""Items of the smaller sample, at least."""

ROUNDS = 4
"""Each stage has so many rounds of full batches on all its instances in the smaller sample, at least."""

Roots = Mapping[str, Sequence[Any]]


class Replay(Protocol):
    """Replays configurations on some root items and a share of the cluster.

    With `arrive_s` the values of the list arrive at these times (s, ascending), on instances that are loaded already.
    """

    def __call__(
        self,
        roots: Roots,
        configurations: Mapping[str, Configuration],
        reserve: Share,
        arrive_s: Sequence[float] = (),
        /,
    ) -> Evaluation:
        """What they do."""
        ...


def regime_of(workflow: Workflow, roots: Roots, items: float) -> Regime:
    """`pipeline` where more than `MANY` items are expected in all and a list is long enough to be sampled, else `schedule`.

    Parameters
    ----------
    workflow, roots
        What is planned, and for what values.
    items
        Expected items over all steps.
    """
    return "pipeline" if items > MANY and longest(workflow, roots) >= 4 * SAMPLE else "schedule"


def longest(workflow: Workflow, roots: Roots) -> int:
    """Length of the longest list among the variables."""
    return max((len(roots.get(one.name, ())) for one in workflow.variables if one.level), default=0)


def sampled(workflow: Workflow, roots: Roots, library: Library, replay: Replay) -> Evaluator:
    """An evaluator that replays all items in the schedule regime, and two samples of them in the pipeline regime."""
    items = sum(one.items for one in expect(workflow, roots, library).steps.values())
    if regime_of(workflow, roots, items) == "schedule":
        return lambda configurations, reserve: replay(roots, configurations, reserve)
    count = longest(workflow, roots)
    thinned: dict[int, Roots] = {}

    def thin(size: int) -> Roots:
        if size not in thinned:
            thinned[size] = {
                name: spread(values, round(len(values) * size / count))
                if len(values) >= 4 * SAMPLE
                else values
                for name, values in roots.items()
            }
        return thinned[size]

    def evaluate(configurations: Mapping[str, Configuration], reserve: Share) -> Evaluation:
        size = size_for(configurations)
        if 4 * size > count:
            return replay(roots, configurations, reserve)
        few, more = (replay(thin(n), configurations, reserve) for n in (size, 2 * size))
        note = f"replayed on {size} and {2 * size} of {count} items, and continued in a straight line"
        return continued(few, more, (count - 2 * size) / size, note)

    return evaluate


def size_for(configurations: Mapping[str, Configuration]) -> int:
    """Items of the smaller sample: a power of two, as batches are, and some rounds on all instances of every stage."""
    abreast = max(
        (one.instances * (1 if one.whole else one.batch) for one in configurations.values()), default=1
    )
    size = SAMPLE
    while size < ROUNDS * abreast:
        size *= 2
    return size


def spread(values: Sequence[Any], size: int) -> list[Any]:
    """So many values, in their order, as large on average as all of them.

    Sorted by size they are cut into equal parts, and of each the value is taken that is closest to the part's mean: few
    very long ones count for what they are.
    """
    weights = [sum(amount for unit, amount in measure(value).items() if unit != "count") for value in values]
    order = sorted(range(len(values)), key=lambda n: (weights[n], n))
    chosen: set[int] = set()
    for n in range(size):
        part = order[n * len(values) // size : (n + 1) * len(values) // size]
        mean = math.fsum(weights[one] for one in part) / len(part)
        chosen.add(min(part, key=lambda one: abs(weights[one] - mean)))
    return [value for n, value in enumerate(values) if n in chosen]


def continued(few: Evaluation, more: Evaluation, steps: float, note: str) -> Evaluation:
    """The line through two evaluations, `steps` times their distance further on."""

    def line(one: Figure, other: Figure) -> Figure:
        if one.value is None or other.value is None:
            return other

        def end(a: float | None, b: float | None) -> float | None:
            return None if a is None or b is None else max(0.0, b + (b - a) * steps)

        value = max(0.0, other.value + (other.value - one.value) * steps)
        low, high = end(one.low, other.low), end(one.high, other.high)
        return replace(
            other,
            value=value,
            low=None if low is None else min(low, value),
            high=None if high is None else max(high, value),
            source=weakest((one.source, other.source)),
        )

    def lines(some: Mapping[str, Figure], others: Mapping[str, Figure]) -> dict[str, Figure]:
        # Quality does not grow with the items.
        return {
            name: other if name == "quality" or name not in some else line(some[name], other)
            for name, other in others.items()
        }

    totals = lines(few.totals, more.totals)
    latency = totals.get("latency")
    if latency is not None:
        totals["latency"] = replace(latency, note="; ".join(filter(None, (latency.note, note))))
    return Evaluation(
        {name: lines(few.steps[name], one) for name, one in more.steps.items()},
        totals,
        brought(few.transfer, more.transfer, steps, line),
    )


def brought(
    few: Transfer | None, more: Transfer | None, steps: float, line: Callable[[Figure, Figure], Figure]
) -> Transfer | None:
    """The line through what two samples bring to other hosts."""
    if more is None:
        return None
    few = few or Transfer(0, 0, replace(more.seconds, value=0.0, low=0.0, high=0.0))

    def count(one: int, other: int) -> int:
        return max(0, round(other + (other - one) * steps))

    return Transfer(
        count(few.files, more.files), count(few.bytes, more.bytes), line(few.seconds, more.seconds)
    )


@dataclass(frozen=True, slots=True)
class Stage:
    """A step in the steady state.

    Attributes
    ----------
    step
        Its name.
    per_s
        Items of the longest list that pass it a second, with all its instances at work; None where it does nothing.
    cores
        Cores it then keeps busy.
    """

    step: str
    per_s: float | None
    cores: int


def stages(estimator: Estimator, picks: tuple[int, ...], count: int) -> list[Stage]:
    """The stages of a plan, the slowest first.

    In the steady state all stages work at once on different items. Each passes `instances x batch / seconds of a call`
    items; the slowest one's rate is the workflow's, unless all cores together are: then they are shared.

    Parameters
    ----------
    estimator, picks
        What is planned, and the modes.
    count
        Length of the longest list.
    """
    expectation = estimator.expectation(picks)
    found = []
    for name, pick in zip(estimator.names, picks, strict=False):
        load = estimator.load(name, pick, expectation)
        one = estimator.modes[name][pick].configuration
        busy_s = load.wall_s - (load.first_s - load.call_s)
        found.append(Stage(name, count / busy_s if busy_s > 0 else None, one.held_cores * one.instances))
    return sorted(found, key=lambda stage: float("inf") if stage.per_s is None else stage.per_s)
