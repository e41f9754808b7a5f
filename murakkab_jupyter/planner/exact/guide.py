"""Plans from the linear relaxation: its shares rounded to modes, limits repaired at its prices, then scheduled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from murakkab_jupyter.planner.exact.branch import Limits
from murakkab_jupyter.planner.exact.relax import Relaxed, relaxed
from murakkab_jupyter.planner.exact.start import Draft, draft
from murakkab_jupyter.planner.exact.table import Picks, Table

__all__ = ["guided", "repaired"]

ROUNDS = 6
"""Deadlines that are tried: a schedule ends later than spread work would, so the relaxation is given less time."""


def guided(
    table: Table, limits: Limits, wanted: Sequence[int], best: Draft | None, *, over: Callable[[], bool]
) -> Draft:
    """The better of a plan at hand and those that the relaxation leads to."""
    latency = limits.latency
    within = latency
    for turn in range(ROUNDS):
        if turn and over():
            break
        found = relaxed(
            table, Limits(within, limits.meters), wanted[0], timed=latency is not None or wanted[0] < 0
        )
        if found is None:
            break
        now = draft(table, limits, wanted, repaired(table, limits, found))
        if now.before(best):
            best = now
        last = max(
            s + some[k].duration for s, some, k in zip(now.starts, table.choices, now.picks, strict=True)
        )
        if latency is None or within is None or last <= latency:
            break
        within = min(within - 1, round(within * max(0.8, latency / last)))
    if best is None:
        best = draft(table, limits, wanted, tuple(0 for _ in table.choices))
    return best


def repaired(table: Table, limits: Limits, found: Relaxed) -> Picks:
    """The largest shares; then, while a limit is broken, the change that mends most for what it costs."""
    costs = found.costs
    picks = [
        min(range(len(some)), key=lambda k, some=some, cost=cost: (-round(some[k], 6), cost[k], k))  # type: ignore[misc]
        for some, cost in zip(found.shares, costs, strict=True)
    ]
    tops = [(m, most) for m, most in enumerate(limits.meters) if most is not None]
    sums = {m: table.amount(m, tuple(picks)) for m, _ in tops}

    def missed(values: dict[int, int]) -> float:
        return sum(max(0, values[m] - most) / max(1, most) for m, most in tops)

    for _ in range(4 * len(picks)):
        now = missed(sums)
        if not now:
            break
        best: tuple[float, int, int] | None = None
        for i, some in enumerate(table.choices):
            for k, choice in enumerate(some):
                there = {m: sums[m] - some[picks[i]].amounts[m] + choice.amounts[m] for m, _ in tops}
                gain = now - missed(there)
                if gain > 0:
                    price = max(1e-12, costs[i][k] - costs[i][picks[i]]) / gain
                    if best is None or (price, i, k) < best:
                        best = price, i, k
        if best is None:
            break
        _, i, k = best
        for m, _ in tops:
            sums[m] += table.choices[i][k].amounts[m] - table.choices[i][picks[i]].amounts[m]
        picks[i] = k
    return tuple(picks)
