"""The problem as a constraint model for OR-tools CP-SAT; one pass of minimising over it.

The textbook form of modes (optional intervals that share one start and one end) is wrong in OR-tools 9.15 on about 1 in
1,500 small instances: a wrong optimum comes with a certificate. Two other forms never were (see `docs/planning.md`).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from murakkab_jupyter.planner.exact.branch import Limits
from murakkab_jupyter.planner.exact.links import links
from murakkab_jupyter.planner.exact.table import Picks, Table

__all__ = ["Model", "Outcome", "available", "installed", "loaded"]

FORM = "own"
"""`own`: each mode an interval with its own start and end; `variable`: one interval, its size and demand variable."""

LARGEST = 2**60
"""Sums beyond this do not fit into the solver's numbers."""

SETTINGS = {"num_workers": 1, "random_seed": 1, "linearization_level": 1}
"""One worker: the same question has the same answer, and on two cores it is no slower for what is proven at all."""


QUICK = {"linearization_level": 0}
"""Without linear programs easy problems are proven several times as fast, and hard ones not at all."""

QUICK_EFFORT = 0.1
"""Deterministic seconds that the quick way is given before the thorough one takes over."""


def loaded() -> bool:
    """Whether OR-tools is imported already."""
    return "ortools.sat.python.cp_model" in sys.modules and available()


def installed() -> bool:
    """Whether OR-tools is there, without the half second that importing it takes."""
    return loaded() or find_spec("ortools") is not None


def available() -> bool:
    """Whether OR-tools can be imported."""
    try:
        from ortools.sat.python import cp_model  # noqa: F401 - whether it is there
    except ImportError:
        return False
    return True


@dataclass(frozen=True)
class Outcome:
    """What a pass found: the best plan (if any), a bound in whole numbers (if any), and what is proven."""

    picks: Picks | None
    starts: tuple[int, ...] | None
    bound: int | None
    proven: bool
    impossible: bool
    stopped: bool


class Model:
    """A table as a constraint model; limits are added, never taken away."""

    def __init__(self, table: Table, limits: Limits, *, timed: bool, form: str | None = None) -> None:
        from ortools.sat.python import cp_model

        self.cp = cp_model
        self.table = table
        self.form = form or FORM
        self.timed = timed or limits.latency is not None
        self.model: Any = cp_model.CpModel()
        self.chosen: list[list[Any]] = []
        for some in table.choices:
            literals = [self.model.new_bool_var("") for _ in some] if len(some) > 1 else [1]
            if len(some) > 1:
                self.model.add_exactly_one(literals)
            self.chosen.append(literals)
        self.starts: list[Any] = []
        self.makespan: Any = None
        if self.timed:
            self.add_time(min(table.horizon, table.horizon if limits.latency is None else limits.latency))
        self.limit(limits)

    @property
    def has_choices(self) -> bool:
        """Whether some activity has more than one mode."""
        return any(len(some) > 1 for some in self.table.choices)

    def best_of(
        self, meter: int, seconds: float, *, stop: threading.Event | None = None, linked: bool = False
    ) -> Outcome:
        """Minimise one meter (-1 is the makespan): the quick way for a little, then thoroughly from what that found.

        `linked`: with links for the second, which bring more than they cost only where there is much to prove.
        """
        began = time.monotonic()
        first: Outcome | None = None
        if self.has_choices:
            first = self.minimise({meter: 1}, seconds, stop=stop, effort=QUICK_EFFORT, params=QUICK)
            if first.proven or first.impossible or first.stopped:
                return first
            if first.picks is not None and first.starts is not None:
                self.hint(first.picks, first.starts)
        left = seconds - (time.monotonic() - began)
        if first is not None and left <= 0:
            return first
        if linked and self.timed:
            self.add_links()
            left = seconds - (time.monotonic() - began)
        second = self.minimise({meter: 1}, left, stop=stop)
        if first is None or second.impossible:
            return second
        bounds = [one.bound for one in (first, second) if one.bound is not None]
        plan = second if second.picks is not None else first
        return replace(second, picks=plan.picks, starts=plan.starts, bound=max(bounds, default=None))

    def no_better(self, meter: int, value: int) -> None:
        """A meter need not be below a value: whatever reaches it is as good as any."""
        self.model.add(self.of(meter) >= value)

    def blend(self, i: int, values: Sequence[int]) -> Any:
        """The value of the chosen mode, as a linear expression."""
        if len(set(values)) == 1:
            return values[0]
        least = min(values)
        return least + sum((v - least) * x for v, x in zip(values, self.chosen[i], strict=True) if v != least)

    def add_time(self, horizon: int) -> None:
        """Starts, precedence, capacity and the makespan."""
        model, table = self.model, self.table
        self.makespan = model.new_int_var(0, horizon, "")
        ends = []
        for i, some in enumerate(table.choices):
            start = model.new_int_var(0, horizon, "")
            self.starts.append(start)
            end = start + self.blend(i, [c.duration for c in some])
            ends.append(end)
            for j in table.before[i]:
                model.add(start >= ends[j])
            if not table.after[i]:
                model.add(self.makespan >= end)
        if table.capacity:
            if self.form == "variable":
                self.add_variable(horizon)
            else:
                self.add_own(horizon)
            for r, units in enumerate(table.capacity):
                # All work must fit under the capacity: a linear bound that the solver does not see by itself.
                most = sum(max(c.duration * c.demand[r] for c in some) for some in table.choices)
                if max(most, units * horizon) >= LARGEST:
                    continue
                work = sum(
                    self.blend(i, [c.duration * c.demand[r] for c in some])
                    for i, some in enumerate(table.choices)
                )
                model.add(work <= units * self.makespan)

    def add_links(self) -> None:
        """Linear bounds that follow from the rest, and that the solver does not see by itself."""
        table = self.table
        ends = [
            start + self.blend(i, [c.duration for c in some])
            for i, (start, some) in enumerate(zip(self.starts, table.choices, strict=True))
        ]
        for r, units in enumerate(table.capacity):
            works = [[c.duration * c.demand[r] for c in some] for some in table.choices]
            if max(sum(map(max, works)), units * table.horizon) >= LARGEST:
                continue
            shares = [self.blend(i, some) for i, some in enumerate(works)]
            for link in links(table, r):
                first = 0 if link.first is None else ends[link.first]
                then = self.makespan if link.then is None else self.starts[link.then]
                self.model.add(sum(shares[i] for i in link.members) <= units * (then - first))

    def add_variable(self, horizon: int) -> None:
        """One interval an activity, with the size and demand of the chosen mode."""
        model, table = self.model, self.table
        intervals: list[Any] = []
        for i, some in enumerate(table.choices):
            durations = [c.duration for c in some]
            if len(set(durations)) == 1:
                intervals.append(model.new_fixed_size_interval_var(self.starts[i], durations[0], ""))
                continue
            size = model.new_int_var_from_domain(self.cp.Domain.from_values(sorted(set(durations))), "")
            model.add(size == self.blend(i, durations))
            end = model.new_int_var(0, horizon, "")
            intervals.append(model.new_interval_var(self.starts[i], size, end, ""))
        for r, units in enumerate(table.capacity):
            members: list[Any] = []
            demands: list[Any] = []
            for i, some in enumerate(table.choices):
                held = [c.demand[r] for c in some]
                if max(held) == 0:
                    continue
                members.append(intervals[i])
                if len(set(held)) == 1:
                    demands.append(held[0])
                else:
                    need = model.new_int_var_from_domain(self.cp.Domain.from_values(sorted(set(held))), "")
                    model.add(need == self.blend(i, held))
                    demands.append(need)
            self.share(
                members,
                demands,
                units,
                all(
                    min(c.demand[r] for c in some) * 2 > units or max(c.demand[r] for c in some) == 0
                    for some in table.choices
                ),
            )

    def share(self, members: list[Any], demands: list[Any], units: int, alone: bool) -> None:
        """One resource over time; no two of its users at once if they never fit beside each other."""
        if alone:
            self.model.add_no_overlap(members)
        else:
            self.model.add_cumulative(members, demands, units)

    def add_own(self, horizon: int) -> None:
        """Every mode an optional interval with its own start and end, tied to the activity's when chosen."""
        model, table = self.model, self.table
        uses: list[list[tuple[Any, int]]] = [[] for _ in table.capacity]
        for i, some in enumerate(table.choices):
            for k, c in enumerate(some):
                if not any(c.demand) or not c.duration:
                    continue
                if len(some) == 1:
                    one = model.new_fixed_size_interval_var(self.starts[i], c.duration, "")
                else:
                    start = model.new_int_var(0, horizon, "")
                    end = model.new_int_var(0, horizon, "")
                    literal = self.chosen[i][k]
                    one = model.new_optional_interval_var(start, c.duration, end, literal, "")
                    model.add(start == self.starts[i]).only_enforce_if(literal)
                for r, units in enumerate(c.demand):
                    if units:
                        uses[r].append((one, units))
        for r, units in enumerate(table.capacity):
            members = [one for one, _ in uses[r]]
            demands = [need for _, need in uses[r]]
            self.share(members, demands, units, all(2 * need > units for need in demands))

    def of(self, meter: int) -> Any:
        """A meter's sum over the plan, or the makespan (-1), as an expression."""
        if meter < 0:
            return self.makespan
        return sum(
            self.blend(i, [c.amounts[meter] for c in some]) for i, some in enumerate(self.table.choices)
        )

    def limit(self, limits: Limits) -> None:
        """Add the most that meters and the makespan may be."""
        if limits.latency is not None and self.timed:
            self.model.add(self.makespan <= limits.latency)
        for meter, most in enumerate(limits.meters):
            if most is not None:
                self.model.add(self.of(meter) <= most)

    def hint(self, picks: Picks, starts: Sequence[int]) -> None:
        """Where to begin."""
        self.model.clear_hints()
        for literals, k in zip(self.chosen, picks, strict=True):
            if len(literals) > 1:
                for at, literal in enumerate(literals):
                    self.model.add_hint(literal, at == k)
        if self.timed:
            for variable, start in zip(self.starts, starts, strict=True):
                self.model.add_hint(variable, start)
            last = max(
                s + self.table.choices[i][k].duration
                for i, (s, k) in enumerate(zip(starts, picks, strict=True))
            )
            self.model.add_hint(self.makespan, last)

    def minimise(
        self,
        weights: Mapping[int, int] | None,
        seconds: float,
        *,
        stop: threading.Event | None = None,
        effort: float | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Minimise a weighted sum of meters (-1 is the makespan), or with None find anything."""
        self.model.clear_objective()
        if weights is not None:
            self.model.minimize(sum(weight * self.of(meter) for meter, weight in weights.items()))
        solver = self.cp.CpSolver()
        given = solver.parameters
        given.max_time_in_seconds = max(0.001, seconds)
        if effort is not None:
            given.max_deterministic_time = effort
        # Where there is nothing to choose, linear programs never pay (a 10 x 10 job shop takes four times as long).
        usual = SETTINGS if self.has_choices else {**SETTINGS, **QUICK}
        for name, value in {**usual, **(params or {})}.items():
            setattr(given, name, value)
        given.catch_sigint_signal = False  # `run` hears it, and tells an interrupt from other ends
        status, stopped = run(solver, self.model, stop)
        cp = self.cp
        found = status in (cp.OPTIMAL, cp.FEASIBLE)
        picks = starts = None
        if found:
            picks = tuple(
                next((k for k, x in enumerate(some) if solver.boolean_value(x)), 0) if len(some) > 1 else 0
                for some in self.chosen
            )
            starts = tuple(solver.value(one) for one in self.starts) if self.timed else None
        bound = None
        if weights is not None and status in (cp.OPTIMAL, cp.FEASIBLE, cp.UNKNOWN):
            stated = solver.best_objective_bound
            bound = round(solver.objective_value) if status == cp.OPTIMAL else floor_bound(stated)
        return Outcome(
            picks,
            starts,
            bound,
            proven=status == cp.OPTIMAL,
            impossible=status == cp.INFEASIBLE,
            stopped=stopped,
        )


def floor_bound(stated: float) -> int | None:
    """A bound as a whole number: the solver states it as a float, which may be a hair above the whole number it is."""
    import math

    if not math.isfinite(stated):
        return None
    return math.ceil(stated - 1e-6 - abs(stated) * 1e-12)


def run(solver: Any, model: Any, stop: threading.Event | None) -> tuple[Any, bool]:
    """The status, and whether somebody said stop or interrupted.

    It solves in a thread, so that an interrupt reaches this one, which waits, at once.
    """
    ended: list[Any] = []
    done = threading.Event()

    def work() -> None:
        try:
            ended.append(solver.solve(model))
        except BaseException as error:  # noqa: BLE001 - raised again below
            ended.append(error)
        finally:
            done.set()

    threading.Thread(target=work, daemon=True).start()
    stopped = False
    while True:
        try:
            if done.wait(0.02 if stopped or stop is not None else 0.2):
                break
            stopped = stopped or (stop is not None and stop.is_set())
        except KeyboardInterrupt:
            stopped = True
        if stopped:
            # A solver that has not quite begun does not hear: it is told until it ends.
            solver.stop_search()
    if isinstance(ended[0], BaseException):
        raise ended[0]
    return ended[0], stopped or (stop is not None and stop.is_set())
