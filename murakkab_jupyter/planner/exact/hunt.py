"""Solve the problem: a start by prices, proofs by the solver and by our own search, ties broken, the result checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property

from murakkab_jupyter.planner.exact import cpsat, relax
from murakkab_jupyter.planner.exact.answer import Pass, solution_of, stating, undecided
from murakkab_jupyter.planner.exact.around import Around
from murakkab_jupyter.planner.exact.bounds import beyond, least
from murakkab_jupyter.planner.exact.branch import Branch, Limits, OutOfNodes
from murakkab_jupyter.planner.exact.check import as_written
from murakkab_jupyter.planner.exact.clock import Clock
from murakkab_jupyter.planner.exact.column import FINEST
from murakkab_jupyter.planner.exact.guide import guided
from murakkab_jupyter.planner.exact.judge import Judge
from murakkab_jupyter.planner.exact.old import Old, laid_out_anew
from murakkab_jupyter.planner.exact.problem import (
    LATENCY,
    TOLERANCE,
    Infeasible,
    Problem,
    Solution,
    Undecided,
)
from murakkab_jupyter.planner.exact.schedule import place_in_order
from murakkab_jupyter.planner.exact.start import Draft, begin, draft, improve
from murakkab_jupyter.planner.exact.table import Picks, Table, tabulate

__all__ = ["Hunt", "Impossible", "hunted"]

CHECK_NODES = 3_000
"""Steps that our own search may take to confirm one certificate of the solver."""
ALONE_NODES = 400_000
"""The same, where there is no solver."""
TIE_EFFORT = 0.15
"""Deterministic seconds for breaking ties: counted work, so that the answer repeats on any machine."""
BUILDING_S = 6e-5
ROUND_S = 5e-6
LAYOUT_S = 3e-5
"""Seconds for a mode to build the model, for a mode to be priced and looked at in our own search, and for an activity
to be placed in a schedule: for limits that are very short."""
IMPORTING_S = 0.5
"""The least limit that a solve may spend on importing the solver, where nobody has yet."""
PATIENCE = 20
"""So many times what the model takes must be left, for links to be added to it."""
TRIES = 10_000
"""Single changes that are tried where time is too short for the solver: time ends them first."""
LARGE = 400
"""Modes in all from which a good start is worth more time."""
LINEAR = 60
"""Modes in all from which the linear relaxation is asked; below, the solver is through as soon."""
SMALL_S = 1.0
"""Seconds after which our own search has a turn on a problem that small: the solver may creep up by single quanta."""
LINEAR_S = 5e-4
"""Seconds for a mode that must be left for that."""
ANEW = 0.3
"""Share of what is left for asking the solver in another formulation, where it alone says that there is no plan."""
DECIDING = 0.5
"""Share of what is left for finding any plan, or proving that there is none, where no plan keeps the limits so far."""
REACHING = 0.8
"""Share of what is left then for bringing the makespan down to the deadline."""


class Impossible(Exception):  # noqa: N818 - internal: turned into Infeasible, which names the limit
    """No schedule keeps the limits.

    Parameters
    ----------
    proof
        What that rests on, in the words of `Solution.proof`: `bound` is arithmetic (the linear relaxation among it).
    """

    def __init__(self, proof: str = "bound") -> None:
        super().__init__(proof)
        self.proof = proof


def hunted(table: Table, objectives: tuple[str, ...], clock: Clock, *, old: Old | None = None) -> Solution:
    """One hunt, and another with finer units where those of the first were too coarse for what it found.

    Raises `Impossible` where no schedule keeps the limits, and `Undecided`.
    """
    solution = hunt_once(table, objectives, clock, old)
    for _ in range(2 * len(objectives)):
        finer = None if clock.over or not solution.optimal else sharper(table, solution)
        if finer is None:
            break
        try:
            table = tabulate(finer)
            solution = hunt_once(table, objectives, clock, laid_out_anew(finer, solution))
        except (Impossible, Infeasible, Undecided, KeyboardInterrupt):
            break
    return solution


def hunt_once(table: Table, objectives: tuple[str, ...], clock: Clock, old: Old | None) -> Solution:
    """One search; an interrupt keeps what is found, else raises `Undecided`. Raises `Impossible` where no schedule keeps the limits."""
    hunt = Hunt(table, objectives, clock)
    try:
        hunt.warm(old)
        hunt.run()
    except Impossible:
        if not hunt.stays:
            raise
        # An old plan that keeps the limits says otherwise.
        return hunt.as_it_was([Pass.plain(table, meter) for meter in hunt.meters])
    except KeyboardInterrupt:
        clock.halted = True
        if hunt.best is None and not hunt.stays:
            raise
        if hunt.held is None and not hunt.stays:
            raise hunt.undecided() from None
    return hunt.solution()


def thriftiest(table: Table, meters: Sequence[int]) -> Picks:
    """For each activity the choice that has least of the meters in order; of a makespan its own part."""
    return tuple(
        min(
            range(len(some)),
            key=lambda k: tuple(some[k].duration if m < 0 else some[k].amounts[m] for m in meters),
        )
        for some in table.choices
    )


def sharper(table: Table, solution: Solution) -> Problem | None:
    """The problem limited to what was reached, where units were chosen for amounts that are far larger; else None.

    A plan of 3 J beside modes of 10^12 J: whoever may take no more than 3 J is left with units that tell 3 from 4.
    """
    problem = table.problem
    for name in solution.objectives:
        value = solution.totals[name]
        unit = table.quantum if name == LATENCY else table.meters[table.meter(name)].unit
        slack = table.slack if name == LATENCY else table.meters[table.meter(name)].slack
        if not slack or not value or unit is None or unit * FINEST <= 4 * as_written(value):
            continue
        if unit * slack > as_written(value) * Fraction(TOLERANCE) / 4:
            # What later objectives have reached may rest on a value of this one that is not its best.
            if name == LATENCY:
                return replace(problem, deadline_s=value)
            return replace(problem, budgets={**problem.budgets, name: value})
    return None


class Hunt:
    """One solve: the best draft so far, and what is proven of each objective."""

    def __init__(self, table: Table, objectives: tuple[str, ...], clock: Clock) -> None:
        self.table, self.objectives, self.clock = table, objectives, clock
        self.judge = Judge(table, objectives)
        self.meters = self.judge.meters
        self.limits = Limits.of(table)
        self.best: Draft | None = None
        self.size = sum(map(len, table.choices))
        self.passes: list[Pass] = []
        self.old: Old | None = None
        """The old plan, if there is one."""
        self.near = Around(table, clock.stop)
        self.soonest: int | None = None
        """A bound of the makespan while the deadline is left out, if that was looked into."""

    @cached_property
    def solver(self) -> bool:
        """Whether to use OR-tools; asked for when there is a plan already, since importing it takes a while."""
        return cpsat.loaded() or (self.clock.limit_s >= IMPORTING_S and cpsat.available())

    # --- starting -------------------------------------------------------------------------------------------

    def warm(self, old: Old | None) -> None:
        """Begin with the old plan, and with a plan by prices."""
        table, clock = self.table, self.clock
        self.old = old
        if table.hopeless or beyond(table, self.limits):
            raise Impossible
        seed: Picks | None = None
        if old is not None:
            first = old.draft(table, self.limits, self.meters)
            self.take(first)
            seed = first.picks
        else:
            # One plan at once, so that an interrupt at any time finds something to return.
            self.take(begin(table, self.limits, self.meters, rounds=1, over=clock.after(0.0)))
            if self.meters[0] >= 0:
                # Where no limit is in the way nothing is better, however many modes there are to ask the solver about.
                self.take(draft(table, self.limits, self.meters, thriftiest(table, self.meters)))
        if self.held and clock.left < self.size * ROUND_S:
            return
        large = self.size >= LARGE
        share = (0.15 if large else 0.05) * min(20.0, max(0.02, clock.left))
        if self.held:
            share = min(share, clock.left - self.size * ROUND_S)
        found = begin(
            table,
            self.limits,
            self.meters,
            rounds=60 if large else 16,
            over=clock.after(share),
            seed=seed,
        )
        self.take(found)
        if self.linear:
            self.guide(clock.after(share))
        tries, share = (3000, share / 2) if large else (40, share)
        over = clock.after(min(share, clock.left - len(table.names) * LAYOUT_S))
        best = self.best or found
        self.take(improve(table, self.limits, self.meters, best, tries=tries, over=over))

    @property
    def linear(self) -> bool:
        """Whether the linear relaxation is worth its time."""
        return self.solver and self.size >= LINEAR and self.clock.left > self.size * LINEAR_S

    @property
    def patient(self) -> bool:
        """Whether there is so much to prove, and time for it, that links pay."""
        return self.size >= LINEAR and self.clock.left > PATIENCE * self.size * BUILDING_S

    def guide(self, over: Callable[[], bool]) -> None:
        """Plans from the linear relaxation; and its verdict, as long as none keeps all limits."""
        table, limits = self.table, self.limits
        if self.held is None:
            strain = relax.strained(table, limits, seconds=self.clock.left)
            if strain is not None and strain.bound > 0:
                raise Impossible
        self.take(guided(table, limits, self.meters, self.best, over=over))

    def take(self, found: Draft, at: int = 0) -> bool:
        """Keep a draft if it is better than the best so far in objective `at`, and as good in those before it."""
        best = self.best
        if best is None or found.missed or best.missed:
            better = found.before(best)
        else:
            better = self.judge.as_good(found, best, at) and found.values[at:] < best.values[at:]
        if better:
            self.best = found
        return better

    @property
    def rest(self) -> list[Pass]:
        """Passes of the objectives that were not come to: their plain bounds."""
        return [Pass(m, least(self.table, m)) for m in self.meters[len(self.passes) :]]

    @property
    def held(self) -> Draft | None:
        """The best draft that keeps all limits."""
        return self.best if self.best is not None and not self.best.missed else None

    # --- proving --------------------------------------------------------------------------------------------

    def run(self) -> None:
        """One pass for each objective, each holding what the earlier ones reached; then ties."""
        limits = self.limits
        if self.held is None and self.solver and limits.latency is not None and not self.clock.over:
            self.reach(limits.latency)
        for at, meter in enumerate(self.meters):
            one = Pass.plain(self.table, meter)
            self.passes.append(one)
            if self.clock.over and self.held:
                continue
            if self.clock.stopped:
                break
            if not at and self.linear and not self.at_bound(one, at):
                found = relax.relaxed(
                    self.table, limits, meter, timed=self.timed(limits), seconds=0.2 * self.clock.left
                )
                if found is not None:
                    one.bound = max(one.bound, found.bound - self.judge.slack(meter))
            self.pursue(one, at, limits)
            if self.held is None:
                break
            limits = self.judge.holding(limits, self.held, at)
            if one.proof == "none":
                # Later objectives would be chosen for a value that is not final; they still have their bounds.
                self.passes += self.rest
                break
        if self.held is None and not self.stays:
            raise self.undecided()
        if not self.clock.over:
            self.break_ties(limits)

    def undecided(self) -> Undecided:
        """What is known where no plan that keeps all limits was found."""
        return undecided(
            self.table,
            self.objectives,
            self.best,
            [*self.passes, *self.rest],
            self.soonest,
            self.clock.limit_s if not self.clock.halted else None,
            solver=cpsat.installed(),
        )

    def reach(self, latency: int) -> None:
        """Bring the makespan down to the deadline, all other limits kept: step by step, where one leap finds nothing."""
        table, free = self.table, Limits(None, self.limits.meters)
        self.soonest = least(table, -1)
        if self.linear:
            found = relax.relaxed(table, free, -1, seconds=0.2 * self.clock.left)
            if found is not None:
                self.soonest = max(self.soonest, found.bound - table.slack)
                if found.bound > latency:
                    raise Impossible
        if self.clock.left < self.size * BUILDING_S:
            return
        start = guided(table, free, [-1], None, over=self.clock.after(0.05 * self.clock.left))
        start = improve(table, free, [-1], start, tries=500, over=self.clock.after(0.05 * self.clock.left))
        self.take(self.again(start))
        if self.held:
            return
        if self.patient:
            self.decide()
            if self.held or self.clock.over:
                return
        allowed = REACHING * self.clock.left
        until = self.clock.left - allowed
        if start.missed and self.best is not None:
            start = draft(table, free, [-1], self.best.picks, self.best.starts)
        model = cpsat.Model(table, free, timed=True)
        model.hint(start.picks, start.starts)
        model.no_better(-1, latency)
        outcome = model.best_of(
            -1,
            allowed * (0.3 if not start.missed else 1.0),
            stop=self.clock.stop,
            linked=self.patient,
        )
        self.clock.halted = self.clock.halted or outcome.stopped
        if outcome.picks is not None:
            made = self.drafted(outcome.picks, outcome.starts)
            self.take(made)
            there = draft(table, free, [-1], made.picks, made.starts)
            start = there if there.before(start) else start
        if self.held is None and (
            outcome.impossible or (outcome.bound is not None and outcome.bound > latency)
        ):
            self.rule_out()
        if self.held is None and not start.missed and not self.clock.over:
            near = self.near.improve(
                free, [-1], start, seconds=lambda: self.clock.left - until, enough=latency
            )
            self.clock.halted = self.clock.halted or self.near.halted
            self.take(self.again(near))

    def decide(self) -> None:
        """Is there any plan? The solver, with all limits and all links: where limits are so tight, none may be far easier to prove."""
        model = cpsat.Model(self.table, self.limits, timed=True)
        model.add_links()
        if self.best is not None:
            model.hint(self.best.picks, self.best.starts)
        outcome = model.minimise(
            {-1: 1},
            DECIDING * self.clock.left,
            stop=self.clock.stop,
            params={"stop_after_first_solution": True},
        )
        self.clock.halted = self.clock.halted or outcome.stopped
        if outcome.picks is not None:
            self.take(self.drafted(outcome.picks, outcome.starts))
        elif outcome.impossible and self.held is None:
            self.rule_out()

    def rule_out(self) -> None:
        """Raise `Impossible` on the word of the solver, after others have looked for a schedule; not if one finds it."""
        verdict = self.search(0, self.limits, CHECK_NODES)
        if verdict != "found better":
            proof = "two" if verdict == "none better" else self.asked_anew()
            if self.held is None:
                raise Impossible(proof)

    def asked_anew(self) -> str:
        """Where the solver alone says that there is no plan, ask it in another way: `forms` if it says so again, else `solver`.

        It keeps a plan that turns up; then what was said was wrong.
        """
        seconds = ANEW * self.clock.left
        timed = self.limits.latency is not None
        if self.clock.over or seconds < 4 * self.size * BUILDING_S:
            return "solver"
        # Where starts do not matter, or modes have no choice, both formulations are one: then without the solver's own simplifications.
        other = "own" if cpsat.FORM == "variable" else "variable"
        model = cpsat.Model(self.table, self.limits, timed=timed, form=other)
        alike = not (timed and model.has_choices)
        outcome = model.minimise(
            None, seconds, stop=self.clock.stop, params={"cp_model_presolve": False} if alike else None
        )
        self.clock.halted = self.clock.halted or outcome.stopped
        if outcome.picks is not None:
            self.take(self.drafted(outcome.picks, outcome.starts))
        return "forms" if outcome.impossible else "solver"

    def again(self, found: Draft) -> Draft:
        """The same schedule, judged by the problem's own limits and objectives."""
        return draft(self.table, self.limits, self.meters, found.picks, found.starts)

    def at_bound(self, one: Pass, at: int) -> bool:
        """Whether the best plan reaches the bound of objective `at`."""
        return self.held is not None and self.held.values[at] <= one.bound + self.judge.slack(one.meter)

    def pursue(self, one: Pass, at: int, limits: Limits) -> None:
        """Bring one objective to its best, with a proof if time allows."""
        if self.at_bound(one, at):
            one.proof = "bound"
            return
        plain = one.bound
        small = self.size < LINEAR
        proven = self.ask_solver(one, at, limits, SMALL_S if small else math.inf) if self.solver else False
        if self.held is not None and self.held.values[at] <= plain + self.judge.slack(one.meter):
            one.proof = "bound"
            return
        nodes = CHECK_NODES if self.solver else ALONE_NODES
        verdict = self.search(at, limits, nodes)
        if verdict == "unknown" and not proven and small and self.solver and not self.clock.over:
            proven = self.ask_solver(one, at, limits)
        if verdict == "none better":
            one.proof = "two" if proven else "search"
        elif verdict == "unknown" and proven:
            one.proof = "solver"
        elif verdict == "found better":
            # Where the solver had a certificate, it was wrong: its bound is worth nothing either.
            if proven:
                one.bound = least(self.table, one.meter)
            while verdict == "found better":
                verdict = self.search(at, limits, ALONE_NODES)
            if verdict == "none better":
                one.proof = "overruled" if proven else "search"
        if self.held is None and (verdict == "none better" or one.proof != "none"):
            if one.proof == "solver":
                one.proof = self.asked_anew()
            if self.held is None:
                raise Impossible(one.proof)
            one.proof, one.bound = "none", least(self.table, one.meter)
            self.pursue(one, at, limits)
            return
        if one.proof != "none" and self.held is not None:
            one.bound = max(one.bound, self.held.values[at] - self.judge.slack(one.meter))

    def ask_solver(self, one: Pass, at: int, limits: Limits, most_s: float = math.inf) -> bool:
        """One pass of the solver. True if it claims the best (or that there is nothing)."""
        table, timed = self.table, self.timed(limits)
        if self.clock.left < 2 * self.size * BUILDING_S:
            # The model alone would take most of what there is: single changes bring more.
            if self.best is not None:
                over = self.clock.after(self.clock.left - len(table.names) * LAYOUT_S)
                self.take(improve(table, limits, self.meters, self.best, tries=TRIES, over=over), at)
            return False
        model = cpsat.Model(table, limits, timed=timed)
        if self.best is not None:
            model.hint(self.best.picks, self.best.starts)
        until = self.clock.left * (0.1 if self.size >= LARGE else 0.05)
        seconds = self.clock.left - until
        if self.size >= LARGE and self.held is not None:
            # So much cannot be proven at once: a good plan first.
            self.look_around(at, limits, until + 0.75 * seconds)
            if self.clock.over:
                return False
            model.hint(self.held.picks, self.held.starts)
            seconds = 0.7 * (self.clock.left - until)
        elif self.size >= LINEAR:
            seconds *= 0.8
        outcome = model.best_of(
            one.meter, max(0.001, min(seconds, most_s)), stop=self.clock.stop, linked=self.patient
        )
        if outcome.stopped:
            self.clock.halted = True
        if outcome.picks is not None:
            self.take(self.drafted(outcome.picks, outcome.starts), at)
        if outcome.impossible:
            # With a schedule in hand that keeps all limits the claim is false.
            return self.held is None
        if outcome.bound is not None:
            one.bound = max(one.bound, outcome.bound - self.judge.slack(one.meter))
        if self.held is not None and one.bound > self.held.values[at]:
            one.bound = least(table, one.meter)
            return False
        if not outcome.proven and self.size >= LINEAR:
            self.look_around(at, limits, until)
        return (
            outcome.proven
            and self.held is not None
            and self.held.values[at] <= (outcome.bound or 0) + self.judge.slack(one.meter)
        )

    def look_around(self, at: int, limits: Limits, until: float) -> None:
        """Improve the best plan a few activities at a time, until so many seconds are left."""
        if self.held is None or self.clock.over:
            return
        found = self.near.improve(
            limits, self.meters, self.held, seconds=lambda: self.clock.left - until, at=at
        )
        self.clock.halted = self.clock.halted or self.near.halted
        self.take(self.again(found), at)

    def timed(self, limits: Limits) -> bool:
        """Whether starts matter: there is a deadline, or latency is an objective."""
        return limits.latency is not None or -1 in self.meters

    def drafted(self, picks: Picks, starts: Sequence[int] | None) -> Draft:
        """A draft of the solver's plan, everything moved as early as its order allows."""
        if starts is None:
            return draft(self.table, self.limits, self.meters, picks)
        order = sorted(range(len(picks)), key=lambda i: (starts[i], i))
        return draft(self.table, self.limits, self.meters, picks, place_in_order(self.table, picks, order))

    def search(self, at: int, limits: Limits, nodes: int) -> str:
        """Look for a better plan by ourselves: `found better`, `none better` or `unknown`."""
        if self.held and self.clock.left < self.size * ROUND_S + len(self.table.names) * LAYOUT_S:
            return "unknown"
        branch = Branch(
            self.table,
            self.judge.better(limits, self.held, at),
            nodes=nodes,
            prefer=self.meters[at],
            until=self.clock.until - len(self.table.names) * LAYOUT_S,
        )
        try:
            found = branch.find()
        except (OutOfNodes, RecursionError):
            return "unknown"
        if found is None:
            return "none better"
        picks, starts = found
        return "found better" if self.take(self.drafted(picks, starts), at) else "unknown"

    # --- ties -----------------------------------------------------------------------------------------------

    def break_ties(self, limits: Limits) -> None:
        """Among equally good plans the one with least of everything else, and then the first modes."""
        table, held = self.table, self.held
        if held is None or any(one.proof == "none" for one in self.passes):
            return
        if self.clock.left < 2 * self.size * BUILDING_S:
            return
        others = [m for m in (-1, *range(len(table.meters))) if m not in self.meters and self.varies(m)]
        if not others:
            return
        if self.solver:
            weights = {m: max(1, 10**6 // max(1, self.span(m))) for m in others}
            if any(self.span(m) > 10**6 for m in others):
                top = max(self.span(m) for m in others)
                weights = {m: max(1, top // max(1, self.span(m))) for m in others}
            model = cpsat.Model(table, limits, timed=True)
            model.hint(held.picks, held.starts)
            seconds = min(self.clock.left * 0.5, 2 * SMALL_S if self.size < LINEAR else math.inf)
            outcome = model.minimise(weights, seconds, stop=self.clock.stop, effort=TIE_EFFORT)
            self.clock.halted = self.clock.halted or outcome.stopped
            if outcome.picks is not None:
                found = self.drafted(outcome.picks, outcome.starts)
                if not found.missed and self.judge.as_good(found, held):
                    self.best = found

    def varies(self, meter: int) -> bool:
        """Whether plans can differ in a meter."""
        if meter < 0:
            return True
        return any(len({c.amounts[meter] for c in some}) > 1 for some in self.table.choices)

    def span(self, meter: int) -> int:
        """The most that a meter can be, at least 1."""
        if meter < 0:
            return max(1, self.table.horizon)
        return max(1, sum(max(c.amounts[meter] for c in some) for some in self.table.choices))

    # --- the result -----------------------------------------------------------------------------------------

    def solution(self) -> Solution:
        """The best plan in the problem's own figures."""
        held = self.held
        passes = [*self.passes, *self.rest]
        if held is None:
            return self.as_it_was([Pass(one.meter, one.bound) for one in passes])
        made = solution_of(self.table, self.objectives, held, passes)
        if self.stays:
            kept = self.as_it_was(passes)
            if self.judge.worse(made, kept):
                return kept
        return made

    @property
    def stays(self) -> bool:
        """Whether the old plan, laid out anew, keeps all limits in the problem's own figures: then there is an answer, whatever rounding makes of it."""
        return self.old is not None and self.old.keeps

    def as_it_was(self, passes: Sequence[Pass]) -> Solution:
        """The old plan, laid out anew; only where there is one that stays."""
        if self.old is None:
            raise Impossible
        return stating(self.table, self.objectives, self.old.timed, passes)
