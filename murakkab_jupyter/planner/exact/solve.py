"""Solve the problem: hunt, say what stands in the way or what the answer leans on, check it before it is returned."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from murakkab_jupyter.planner.exact.capacity import explain_capacity
from murakkab_jupyter.planner.exact.check import faults_of
from murakkab_jupyter.planner.exact.clock import Clock
from murakkab_jupyter.planner.exact.hunt import Impossible, hunted
from murakkab_jupyter.planner.exact.infeasible import binding_limits, explain_infeasible
from murakkab_jupyter.planner.exact.old import laid_out_anew
from murakkab_jupyter.planner.exact.problem import (
    LATENCY,
    MOST_SECONDS,
    BadProblem,
    Faulty,
    Infeasible,
    Problem,
    Solution,
    check_objectives,
    number,
)
from murakkab_jupyter.planner.exact.table import tabulate

__all__ = ["Faulty", "solve"]

CHECKING_S = 6e-5
"""Seconds for an activity to state the answer and to check it."""
LATE_S = 0.008
"""Seconds by which the solver is late to hear that time is up."""
SHORT_S = 0.25
"""Of a limit below a full collection of garbage, tens of milliseconds in a kernel that holds much, takes too large a share."""


def solve(
    problem: Problem,
    objectives: Sequence[str] = (LATENCY,),
    time_limit_s: float = 5.0,
    *,
    hint: Solution | None = None,
    stop: threading.Event | None = None,
) -> Solution:
    """The best schedule for the objectives in order of priority, or the best found in time with its bound.

    Parameters
    ----------
    objectives
        `latency` and what is consumed are minimised, `quality` is maximised.
    time_limit_s
        Seconds for everything.
    hint
        A solution to start from, of this problem or of one that was like it. Where its modes, laid out anew, keep the
        limits, the answer is never worse than that, however little time there is.
    stop
        Set it from another thread, and the best found so far is returned. So does an interrupt (`Undecided` with the
        nearest schedule, if none keeps the limits yet; a `KeyboardInterrupt` only before there is any).

    Raises
    ------
    BadProblem
        What is asked makes no sense.
    Infeasible
        No schedule keeps all limits: says which, and the nearest value that could be kept.
    Undecided
        Time was up and neither a schedule nor a proof that there is none was found.
    """
    if not isinstance(problem, Problem):
        msg = f"solve needs a Problem, not {type(problem).__name__}."
        raise BadProblem(msg)
    if hint is not None and not isinstance(hint, Solution):
        msg = f"The hint must be a Solution, not {hint!r:.60}."
        raise BadProblem(msg)
    wanted = check_objectives(problem, objectives)
    clock = Clock(number(time_limit_s, "time_limit_s", most=MOST_SECONDS), stop)
    with uncollected() if clock.limit_s < SHORT_S else nullcontext():
        return answered(problem, wanted, clock, hint)


@contextmanager
def uncollected() -> Iterator[None]:
    """No collection of garbage in here; what there is waits until afterwards."""
    usual = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if usual:
            gc.enable()


def answered(problem: Problem, wanted: tuple[str, ...], clock: Clock, hint: Solution | None) -> Solution:
    """The best schedule found, checked; raises `Infeasible`, `Undecided`, or `Faulty` where our own schedule breaks a rule."""
    clock.kept_s = min(0.5 * clock.limit_s, CHECKING_S * len(problem.activities) + LATE_S)
    # The old plan comes first: whatever else there is time for, no answer is worse.
    old = None if hint is None else laid_out_anew(problem, hint)
    try:
        table = tabulate(problem)
    except Infeasible:
        raise explain_capacity(problem, clock.rest, explain_infeasible, stop=clock.stop) from None
    try:
        solution = hunted(table, wanted, clock, old=old)
    except Impossible as error:
        found = explain_infeasible(problem, clock.rest, stop=clock.stop)
        found.proof = error.proof
        if error.proof == "solver":
            found.message += " That there is none rests on the solver's certificate alone."
        raise found from None
    faults = faults_of(problem, solution)
    if faults:
        msg = f"A fault in the planner: the schedule it made breaks a rule: {'; '.join(faults[:3])}."
        raise Faulty(msg, hint="Please report it with the problem.")
    return solution if clock.over else binding_limits(problem, solution, clock)
