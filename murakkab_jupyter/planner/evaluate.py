"""What a set of configurations is predicted to do: the door between the planner and the simulator.

The planner never imports the simulator; whoever wires them hands it an `Evaluator`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import Share
from murakkab_jupyter.core.transfer import Transfer
from murakkab_jupyter.planner.plan import Configuration

__all__ = ["Evaluation", "Evaluator"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Predicted figures of a set of configurations, one for each step.

    Attributes
    ----------
    steps
        For each step: `latency` (s, first start to last end), `start`, `end` (s from the start of the run),
        `cpu` (s), `energy` (J, what the step itself adds), `cost` (USD).
    totals
        `latency` (s, the makespan), `cpu` (s), `energy` (J, active and idle), `cost` (USD).
        `quality` may be left out: the planner puts in the product of the steps' qualities.
    transfer
        Files that are brought to hosts that do not see them; None where there are none.
    delays_s
        Of values that arrive one by one: seconds from each one's arrival until all of it is done, in their order.
    """

    steps: Mapping[str, Mapping[str, Figure]]
    totals: Mapping[str, Figure]
    transfer: Transfer | None = None
    delays_s: tuple[float, ...] = ()


Evaluator = Callable[[Mapping[str, Configuration], Share], Evaluation]
"""Predicts what a configuration for every step would do on a share of the cluster; must give the same answer for the
same question."""
