"""A plan to begin with: prices on time, capacity and limits, raised where a schedule breaks them, then single changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from murakkab_jupyter.planner.exact.branch import Limits
from murakkab_jupyter.planner.exact.schedule import by_priority, heads_and_tails
from murakkab_jupyter.planner.exact.table import Choice, Picks, Table

__all__ = ["Draft", "begin", "draft", "improve"]

LEAST_ROUNDS = 8
"""As long as no plan keeps the limits, so many are made even if time is up, where there is none to start from."""


@dataclass(frozen=True)
class Draft:
    """Picks with starts, what limits they miss (0 if none), and the objectives' values."""

    picks: Picks
    starts: tuple[int, ...]
    missed: float
    values: tuple[int, ...]

    def before(self, other: Draft | None) -> bool:
        """Whether this one is better: first by what is missed, then by the objectives in order."""
        return other is None or (self.missed, self.values) < (other.missed, other.values)


def draft(
    table: Table, limits: Limits, wanted: Sequence[int], picks: Picks, starts: Sequence[int] | None = None
) -> Draft:
    """Schedule the picks (or take the starts as they are) and see what they reach."""
    placed = by_priority(table, picks) if starts is None else starts
    last = max(s + some[k].duration for s, some, k in zip(placed, table.choices, picks, strict=True))
    sums = [table.amount(meter, picks) for meter in range(len(table.meters))]
    missed = 0.0
    for value, most in ((last, limits.latency), *zip(sums, limits.meters, strict=True)):
        if most is not None and value > most:
            missed += (value - most) / max(1, most)
    return Draft(picks, tuple(placed), missed, tuple(last if m < 0 else sums[m] for m in wanted))


def begin(
    table: Table,
    limits: Limits,
    wanted: Sequence[int],
    *,
    rounds: int,
    over: Callable[[], bool],
    seed: Picks | None = None,
) -> Draft:
    """The best of `rounds` plans, each made by a new set of prices."""
    first = wanted[0]
    shortest = table.shortest
    scale = [
        max(1, sum(max(c.amounts[m] for c in some) for some in table.choices))
        for m in range(len(table.meters))
    ]
    _, tails = heads_and_tails(table, shortest)
    length = max(1, *(t + d for t, d in zip(tails, shortest, strict=True)))
    area = [units * length for units in table.capacity]
    dues = [
        max(1e-9, sum(min(c.duration * c.demand[r] for c in some) for some in table.choices) / a)
        for r, a in enumerate(area)
    ]
    price_time = 1.0 if first < 0 else 0.05
    price_area = [p * (1.0 if first < 0 else 0.05) for p in dues]
    price = [
        1.0 if m == first else (0.3 if limits.meters[m] is not None else 0.01)
        for m in range(len(table.meters))
    ]
    critical = [1.0] * len(table.choices)
    best: Draft | None = None if seed is None else draft(table, limits, wanted, seed)
    least = LEAST_ROUNDS if seed is None else 1
    for turn in range(rounds):
        if turn and over() and (turn >= least or not (best and best.missed)):
            break
        per_area = [p / a for p, a in zip(price_area, area, strict=True)]
        per_amount = [p / a for p, a in zip(price, scale, strict=True)]
        picks = [
            cheapest(some, price_time * weight / length, per_area, per_amount)
            for some, weight in zip(table.choices, critical, strict=True)
        ]
        now = draft(table, limits, wanted, tuple(picks))
        if now.before(best):
            best = now
        durations = [some[k].duration for some, k in zip(table.choices, picks, strict=True)]
        heads, tails = heads_and_tails(table, durations)
        path = max(h + d for h, d in zip(heads, durations, strict=True))
        last = max(s + d for s, d in zip(now.starts, durations, strict=True))
        # Time is dear on long paths, capacity where all work hardly fits, and both only as far as a limit asks.
        critical = [
            0.6 * c + 0.4 * (((h + d + t) / max(1, path)) ** 8) * (2.0 if path > 0.7 * last else 0.7)
            for c, h, d, t in zip(critical, heads, durations, tails, strict=True)
        ]
        step = 1.0 + 1.0 / (1 + turn / 8)
        if limits.latency is not None:
            late = last > limits.latency
            factor = step if late else 1 / step**0.5
            if first >= 0 or late:
                price_time *= factor
                price_area = [p * factor for p in price_area]
        for r in range(len(area)):
            work = sum(
                some[k].duration * some[k].demand[r] for some, k in zip(table.choices, picks, strict=True)
            )
            busy = work / max(1, table.capacity[r] * last)
            price_area[r] *= 1.0 + 0.3 * (busy - 0.6) / (1 + turn / 16)
        for m, most in enumerate(limits.meters):
            if most is not None:
                price[m] *= step if table.amount(m, tuple(picks)) > most else 1 / step**0.5
                price[m] = max(price[m], 1e-6)
    if best is None:
        best = draft(table, limits, wanted, tuple(0 for _ in table.choices))
    return best


def cheapest(
    choices: Sequence[Choice], per_quantum: float, per_area: Sequence[float], per_amount: Sequence[float]
) -> int:
    """The place of the choice that costs least at these prices."""
    best, least = 0, float("inf")
    for k, c in enumerate(choices):
        total = per_quantum * c.duration
        for p, d in zip(per_area, c.demand, strict=True):
            total += p * c.duration * d
        for p, a in zip(per_amount, c.amounts, strict=True):
            total += p * a
        if total < least:
            best, least = k, total
    return best


def improve(
    table: Table, limits: Limits, wanted: Sequence[int], best: Draft, *, tries: int, over: Callable[[], bool]
) -> Draft:
    """Change one mode at a time as long as it helps, within `tries` schedules."""
    n = len(table.choices)
    quiet, i = 0, 0
    while quiet < n:
        for k in range(len(table.choices[i])):
            if k == best.picks[i]:
                continue
            if tries <= 0 or over():
                return best
            picks = (*best.picks[:i], k, *best.picks[i + 1 :])
            if wanted[0] >= 0 and not best.missed:
                before, after = best.values[0], table.choices[i][k].amounts[wanted[0]]
                if before + after - table.choices[i][best.picks[i]].amounts[wanted[0]] > before:
                    continue
            tries -= 1
            now = draft(table, limits, wanted, picks)
            if now.before(best):
                best, quiet = now, -1
        quiet += 1
        i = (i + 1) % n
    return best
