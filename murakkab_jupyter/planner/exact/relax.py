"""The linear relaxation: shares of modes instead of modes, and each resource's work spread evenly under its capacity.

Two things come of it: where to look for a plan (the shares), and bounds. A bound does not rest on the linear solver's
floating point: any multipliers of the rows give one, and what those that the solver hands back give is added up here in
whole numbers (Lagrangian relaxation). Bad multipliers make a bound weak, never wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from murakkab_jupyter.planner.exact.branch import Limits
from murakkab_jupyter.planner.exact.links import links
from murakkab_jupyter.planner.exact.schedule import heads_and_tails
from murakkab_jupyter.planner.exact.table import Choice, Table

__all__ = ["Relaxed", "available", "relaxed", "strained"]

BITS = 64
"""Multipliers are rounded to so many bits behind the point."""

Shares = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Relaxed:
    """What the relaxation says of a meter.

    Attributes
    ----------
    value, bound
        No plan has less, in the table's units; the same rounded up, where plans have whole numbers.
    shares
        For each activity, how much of each choice the linear solution takes.
    costs
        For each activity, what each choice costs at the multipliers, as a share of the objective's scale.
    """

    value: float
    bound: int
    shares: Shares
    costs: Shares


def available() -> bool:
    """Whether OR-tools' linear solver can be imported."""
    try:
        from ortools.linear_solver import pywraplp  # noqa: F401 - whether it is there
    except ImportError:
        return False
    return True


@dataclass
class Row:
    """`per_choice(x) + sum of plain x variable <= most`; `only` is the one activity whose modes it sums, None for all."""

    per_choice: Callable[[Choice], int] | None
    only: int | None
    plain: list[tuple[int, int]]
    most: int
    scale: int


class Program:
    """The rows and the plain variables: starts, the makespan, and the strain by which limits are exceeded."""

    def __init__(self, table: Table, limits: Limits, *, timed: bool, strain: bool) -> None:
        self.table = table
        n = len(table.choices)
        shortest = table.shortest
        heads, tails = heads_and_tails(table, shortest)
        last = table.horizon
        if limits.latency is not None and not strain:
            last = min(last, limits.latency)
        self.boxes: list[tuple[int, int]] = []
        self.rows: list[Row] = []
        self.time, self.strain = n, n + 1
        if timed:
            first = max(h + d for h, d in zip(heads, shortest, strict=True))
            self.boxes = [(h, max(h, last - t - d)) for h, t, d in zip(heads, tails, shortest, strict=True)]
            self.boxes.append((first, max(first, last)))
            for i in range(n):
                for j in table.after[i]:
                    self.rows.append(Row(duration, i, [(i, 1), (j, -1)], 0, max(1, last)))
                if not table.after[i]:
                    self.rows.append(Row(duration, i, [(i, 1), (n, -1)], 0, max(1, last)))
            for r, units in enumerate(table.capacity):
                users = [i for i, some in enumerate(table.choices) if any(c.demand[r] for c in some)]
                if users:
                    around = min(heads[i] for i in users) + min(tails[i] for i in users)
                    self.rows.append(Row(area(r), None, [(n, -units)], -units * around, max(1, units * last)))
        else:
            self.boxes = [(0, 0)] * (n + 1)
        self.boxes.append((-1, 2**20) if strain else (0, 0))
        if timed:
            self.link(max(1, last))
        for m, most in enumerate(limits.meters):
            if most is not None:
                scale = max(1, most)
                self.rows.append(Row(amount(m), None, [(self.strain, -scale)] if strain else [], most, scale))
        if strain and limits.latency is not None and timed:
            scale = max(1, limits.latency)
            self.rows.append(Row(None, None, [(self.time, 1), (self.strain, -scale)], limits.latency, scale))

    def link(self, last: int) -> None:
        """The rows of all links, over variables that have the work of each activity."""
        for r, units in enumerate(self.table.capacity):
            place: dict[int, int] = {}
            for link in links(self.table, r):
                for i in link.members:
                    if i not in place:
                        place[i] = len(self.boxes)
                        works = [area(r)(choice) for choice in self.table.choices[i]]
                        self.boxes.append((min(works), max(works)))
                        self.rows.append(Row(area(r), i, [(place[i], -1)], 0, max(1, *works)))
                plain = [(place[i], 1) for i in link.members]
                plain.append((self.time if link.then is None else link.then, -units))
                if link.first is not None:
                    plain.append((link.first, units))
                ended = None if link.first is None else held(units)
                self.rows.append(Row(ended, link.first, plain, 0, units * last))

    def solve(
        self, cost: Callable[[Choice], int] | None, plain: int | None, scale: int, seconds: float
    ) -> Relaxed | None:
        """Minimise a sum over choices, or one plain variable; None where the linear solver brings no solution."""
        from ortools.linear_solver import pywraplp

        solver = pywraplp.Solver.CreateSolver("GLOP")
        if solver is None:
            return None
        solver.SetTimeLimit(max(1, int(seconds * 1000)))
        unit = [max(1, high) for _, high in self.boxes]
        unit[self.strain] = 1
        variables = [
            solver.NumVar(low / u, high / u, "") for (low, high), u in zip(self.boxes, unit, strict=True)
        ]
        shares = [[solver.NumVar(0.0, 1.0, "") for _ in some] for some in self.table.choices]
        for some in shares:
            one = solver.RowConstraint(1.0, 1.0, "")
            for x in some:
                one.SetCoefficient(x, 1.0)
        made = []
        for row in self.rows:
            one = solver.RowConstraint(-solver.infinity(), row.most / row.scale, "")
            for at, factor in row.plain:
                one.SetCoefficient(variables[at], factor * unit[at] / row.scale)
            if row.per_choice is not None:
                for i in range(len(shares)) if row.only is None else (row.only,):
                    for x, choice in zip(shares[i], self.table.choices[i], strict=True):
                        units = row.per_choice(choice)
                        if units:
                            one.SetCoefficient(x, units / row.scale)
            made.append(one)
        goal = solver.Objective()
        goal.SetMinimization()
        if cost is not None:
            for some, choices in zip(shares, self.table.choices, strict=True):
                for x, choice in zip(some, choices, strict=True):
                    goal.SetCoefficient(x, cost(choice) / scale)
        if plain is not None:
            goal.SetCoefficient(variables[plain], unit[plain] / scale)
        status = solver.Solve()
        if status not in (pywraplp.Solver.OPTIMAL, pywraplp.Solver.FEASIBLE):
            return None
        duals = [max(0.0, -one.dual_value()) for one in made]
        if not all(map(math.isfinite, duals)):
            return None
        value, bound, costs = self.bound(cost, plain, scale, duals)
        return Relaxed(value, bound, tuple(tuple(x.solution_value() for x in some) for some in shares), costs)

    def bound(
        self, cost: Callable[[Choice], int] | None, plain: int | None, scale: int, duals: Sequence[float]
    ) -> tuple[float, int, Shares]:
        """The least of objective + multipliers x (rows - their limits), over one choice each and variables in their boxes."""
        whole = 1 << (2 * BITS)
        factors = [
            ((round(math.ldexp(dual, BITS)) * scale) << BITS) // row.scale
            for dual, row in zip(duals, self.rows, strict=True)
        ]
        total = 0
        pull = [0] * len(self.boxes)
        if plain is not None:
            pull[plain] = whole
        own: list[list[tuple[int, Callable[[Choice], int]]]] = [[] for _ in self.table.choices]
        every: list[tuple[int, Callable[[Choice], int]]] = [] if cost is None else [(whole, cost)]
        for factor, row in zip(factors, self.rows, strict=True):
            if not factor:
                continue
            total -= factor * row.most
            for at, value in row.plain:
                pull[at] += factor * value
            if row.per_choice is not None:
                (every if row.only is None else own[row.only]).append((factor, row.per_choice))
        costs = []
        for i, some in enumerate(self.table.choices):
            values = [sum(factor * per(choice) for factor, per in (*own[i], *every)) for choice in some]
            total += min(values)
            costs.append(tuple(value / whole / scale for value in values))
        for force, (low, high) in zip(pull, self.boxes, strict=True):
            total += force * (low if force > 0 else high)
        return total / whole, -(-total // whole), tuple(costs)


def duration(choice: Choice) -> int:
    return choice.duration


def area(resource: int) -> Callable[[Choice], int]:
    return lambda choice: choice.duration * choice.demand[resource]


def held(units: int) -> Callable[[Choice], int]:
    return lambda choice: choice.duration * units


def amount(meter: int) -> Callable[[Choice], int]:
    return lambda choice: choice.amounts[meter]


def relaxed(
    table: Table, limits: Limits, meter: int, *, timed: bool = True, seconds: float = 1.0
) -> Relaxed | None:
    """The relaxation's bound of a meter (-1 is latency) within the limits; None where it says nothing."""
    program = Program(table, limits, timed=timed or meter < 0, strain=False)
    if meter < 0:
        return program.solve(None, program.time, max(1, table.horizon), seconds)
    scale = max(1, sum(max(c.amounts[meter] for c in some) for some in table.choices))
    return program.solve(amount(meter), None, scale, seconds)


def strained(table: Table, limits: Limits, *, seconds: float = 1.0) -> Relaxed | None:
    """By what share of itself some limit is exceeded at least: where `bound` is above 0, no plan keeps all of them."""
    program = Program(table, limits, timed=limits.latency is not None, strain=True)
    return program.solve(None, program.strain, 1, seconds)
