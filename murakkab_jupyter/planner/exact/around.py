"""Better plans near a plan: a few activities are free in their modes, the others keep theirs, and the solver rearranges all.

Large neighbourhood search. Each small question is brought to its end or given up after counted work, so a problem that is
far too large to be solved as a whole still gets better, a few activities at a time.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from murakkab_jupyter.planner.exact import cpsat
from murakkab_jupyter.planner.exact.branch import Limits
from murakkab_jupyter.planner.exact.schedule import place_in_order
from murakkab_jupyter.planner.exact.start import Draft, draft
from murakkab_jupyter.planner.exact.table import Picks, Table

__all__ = ["Around"]

FREE_MODES = 100
"""Modes that are free at a time, about."""

MOST_S = 2.0
"""Seconds after which the solver stops a neighbourhood whatever its count says."""

WAYS: tuple[tuple[float, Mapping[str, Any]], ...] = ((0.03, cpsat.QUICK), (0.03, cpsat.QUICK), (0.06, {}))
"""In turn: deterministic seconds for a neighbourhood, with and without linear programs. Orders want the one, sums the other."""


class Around:
    """Goes from neighbourhood to neighbourhood; where it goes next depends on how many it has seen, not on time."""

    def __init__(self, table: Table, stop: threading.Event | None = None) -> None:
        self.table, self.stop = table, stop
        self.turn = 0
        self.halted = False
        """Whether somebody said stop, an interrupt that the solver took among them."""

    def improve(
        self,
        limits: Limits,
        wanted: Sequence[int],
        best: Draft,
        *,
        seconds: Callable[[], float],
        at: int = 0,
        enough: int | None = None,
    ) -> Draft:
        """The draft, improved in objective `at` until time is up.

        Parameters
        ----------
        limits
            What must be kept, and the draft keeps, among it what earlier objectives have reached.
        wanted
            The objectives' meters; that of `at` is minimised.
        seconds
            How many are left.
        enough
            A value that need not be beaten.
        """
        while seconds() > 0 and not self.halted and (enough is None or best.values[at] > enough):
            try:
                found = self.nearby(limits, wanted, best, seconds, at, enough)
            except KeyboardInterrupt:
                # What was found so far is not lost.
                self.halted = True
                break
            if found is not None and not found.missed and found.values[at] <= best.values[at]:
                best = found
        return best

    def nearby(
        self,
        limits: Limits,
        wanted: Sequence[int],
        best: Draft,
        seconds: Callable[[], float],
        at: int,
        enough: int | None,
    ) -> Draft | None:
        """The best draft of one neighbourhood, if the solver found any in time."""
        table, meter = self.table, wanted[at]
        effort, params = WAYS[self.turn % len(WAYS)]
        free = self.neighbourhood(best)
        some = tuple(
            choices if i in free else (choices[k],)
            for i, (choices, k) in enumerate(zip(table.choices, best.picks, strict=True))
        )
        model = cpsat.Model(
            replace(table, choices=some), limits, timed=limits.latency is not None or meter < 0
        )
        model.hint(tuple(k if i in free else 0 for i, k in enumerate(best.picks)), best.starts)
        if enough is not None:
            model.no_better(meter, enough)
        # Asked anew: the model took its time.
        left = min(MOST_S, seconds())
        outcome = model.minimise({meter: 1}, left, stop=self.stop, effort=effort, params=params)
        self.turn += 1
        self.halted = outcome.stopped
        if outcome.picks is None:
            return None
        picks: Picks = tuple(outcome.picks[i] if i in free else k for i, k in enumerate(best.picks))
        starts: Sequence[int] | None = outcome.starts
        if starts is not None:
            starts = place_in_order(table, picks, by_start(starts))
        return draft(table, limits, wanted, picks, starts)

    def neighbourhood(self, best: Draft) -> set[int]:
        """Activities that may change their modes: mostly those that run about the same time, else any."""
        n = len(self.table.choices)
        count = max(3, min(n, FREE_MODES * n // max(1, sum(map(len, self.table.choices)))))
        chance = random.Random(self.turn)  # noqa: S311 - nothing secret: which activities, the same every time
        if self.turn % 4 == 3:
            return set(chance.sample(range(n), min(n, count)))
        middle = [
            2 * s + some[k].duration
            for s, some, k in zip(best.starts, self.table.choices, best.picks, strict=True)
        ]
        pivot = middle[chance.randrange(n)]
        return set(sorted(range(n), key=lambda i: (abs(middle[i] - pivot), i))[:count])


def by_start(starts: Sequence[int]) -> list[int]:
    """Activities in the order of their starts."""
    return sorted(range(len(starts)), key=lambda i: (starts[i], i))
