"""The paper's own program (appendix A.5) on its own problem: workflows that arrive all day, model servers on GPUs.

Written from a transcription of the paper, not from the paper itself, and kept as a baseline: an aggregate program over
rates, without a graph of steps, tools, start-up or what was running before. The transcription leaves three
things open, which are decided here: the multiplexing factor is 1 unless stated, the latency and accuracy filters
hold for average traffic too, and a configuration is only served by the profiles of its own model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from murakkab_jupyter.core.errors import InfeasibleError, UsageError

__all__ = ["Arrivals", "Served", "Variant", "Whole", "solve_whole"]

SPARE = 1.15
"""Alpha: how much more than the peak is provisioned."""

EPSILON = 0.001
"""What a dollar weighs where accuracy is maximised."""


@dataclass(frozen=True, slots=True)
class Served:
    """A model on some GPUs: what the paper calls a profile (m).

    Attributes
    ----------
    name, model, gpu
        What it is called, which model, which kind of GPU.
    gpus
        GPUs of one instance (g).
    tokens_per_s
        Of one instance (theta).
    first_token_s, token_s
        Time to the first token, and for each further one.
    watts_per_gpu
        While serving (e).
    usd_per_gpu_hour
        Rent (c).
    """

    name: str
    model: str
    gpu: str
    gpus: int
    tokens_per_s: float
    first_token_s: float
    token_s: float
    watts_per_gpu: float
    usd_per_gpu_hour: float


@dataclass(frozen=True, slots=True)
class Variant:
    """A configuration (c) of a workflow: accuracy and tokens of the whole, and the model it is for."""

    name: str
    model: str
    accuracy: float
    tokens: float


@dataclass(frozen=True, slots=True)
class Arrivals:
    """A workflow under one SLO: requests a second at peak and on average, its filters, its configurations."""

    workflow: str
    peak_per_s: float
    mean_per_s: float
    variants: tuple[Variant, ...]
    deadline_s: float = math.inf
    accuracy: float = 0.0


@dataclass(frozen=True, slots=True)
class Whole:
    """What to run: instances of each profile, the share of each workflow's peak by `(configuration, profile)`, totals."""

    instances: Mapping[str, int]
    shares: Mapping[str, Mapping[tuple[str, str], float]]
    watts: float
    usd_per_hour: float
    accuracy: float
    optimal: bool

    def gpus(self, served: Sequence[Served]) -> int:
        """GPUs in all."""
        return sum(self.instances[one.name] * one.gpus for one in served)


def solve_whole(
    arrivals: Sequence[Arrivals],
    served: Sequence[Served],
    gpus: Mapping[str, int],
    *,
    objective: Literal["energy", "cost", "accuracy"] = "energy",
    budget_usd_per_hour: float = math.inf,
    multiplexing: float = 1.0,
    time_limit_s: float = 10.0,
) -> Whole:
    """Solve the program for one epoch (SCIP, from OR-tools).

    Parameters
    ----------
    arrivals, served, gpus
        Who asks, what can serve, and how many GPUs of each kind there are.
    objective
        (11) energy, (12) cost, or (13) accuracy of average traffic, less a little for cost.
    budget_usd_per_hour, multiplexing, time_limit_s
        Limit on rent, the transcription's undefined factor on load, and seconds to search.

    Raises
    ------
    InfeasibleError
        Nothing passes a workflow's filters, or the GPUs do not suffice.
    UsageError
        OR-tools is not installed.
    """
    try:
        from ortools.linear_solver import pywraplp
    except ImportError as error:
        msg = "The paper's program needs OR-tools."
        raise UsageError(msg, hint='pip install "murakkab-jupyter[planner]"') from error
    solver: Any = pywraplp.Solver.CreateSolver("SCIP")
    solver.SetTimeLimit(int(time_limit_s * 1000))
    count = {m.name: solver.IntVar(0, max(0, gpus.get(m.gpu, 0) // m.gpus), m.name) for m in served}
    usd = solver.Sum([count[m.name] * (m.gpus * m.usd_per_gpu_hour) for m in served])
    watts = solver.Sum([count[m.name] * (m.gpus * m.watts_per_gpu) for m in served])
    load: dict[str, list[Any]] = {m.name: [] for m in served}
    peak: dict[str, dict[tuple[str, str], Any]] = {}
    accuracy: list[Any] = []
    total_mean = math.fsum(one.mean_per_s for one in arrivals) or 1.0
    for w in arrivals:
        able = [(c, m) for c in w.variants for m in served if passes(w, c, m)]
        if not able:
            msg = f"No configuration of {w.workflow} on any model server keeps its deadline and accuracy."
            raise InfeasibleError(msg, binding=f"filters of {w.workflow}", hint="Loosen one of them.")
        peak[w.workflow] = {}
        means = []
        for c, m in able:
            x = solver.NumVar(0.0, solver.infinity(), "")
            y = solver.NumVar(0.0, solver.infinity(), "")
            peak[w.workflow][c.name, m.name] = x
            means.append(y)
            load[m.name].append(x * (c.tokens * multiplexing))
            # Average traffic is served where there is capacity for it.
            solver.Add(y <= x)
            accuracy.append(y * (c.accuracy / total_mean))
        solver.Add(solver.Sum(list(peak[w.workflow].values())) >= SPARE * w.peak_per_s)
        solver.Add(solver.Sum(means) == w.mean_per_s)
    for m in served:
        solver.Add(solver.Sum(load[m.name]) <= count[m.name] * m.tokens_per_s)
    for kind, number in gpus.items():
        solver.Add(solver.Sum([count[m.name] * m.gpus for m in served if m.gpu == kind]) <= number)
    if math.isfinite(budget_usd_per_hour):
        solver.Add(usd <= budget_usd_per_hour)
    reached = solver.Sum(accuracy)
    if objective == "accuracy":
        solver.Maximize(reached - usd * EPSILON)
    else:
        solver.Minimize(watts if objective == "energy" else usd)
    status = solver.Solve()
    if status not in (pywraplp.Solver.OPTIMAL, pywraplp.Solver.FEASIBLE):
        msg = "The GPUs there are do not suffice for what arrives."
        raise InfeasibleError(msg, binding="gpus", hint="Give more GPUs, or loosen an SLO or the budget.")
    return Whole(
        {name: round(variable.solution_value()) for name, variable in count.items()},
        {
            workflow: {key: x.solution_value() for key, x in some.items() if x.solution_value() > 1e-9}
            for workflow, some in peak.items()
        },
        watts.solution_value(),
        usd.solution_value(),
        reached.solution_value(),
        status == pywraplp.Solver.OPTIMAL,
    )


def passes(w: Arrivals, c: Variant, m: Served) -> bool:
    """The accuracy and latency filters, and that the model is the configuration's."""
    return (
        c.model == m.model
        and c.accuracy >= w.accuracy
        and m.first_token_s + c.tokens * m.token_s <= w.deadline_s
    )
