"""The bill: what a run used, by step, with what was predicted beside it.

Pure: made from events, a plan, the view of the cluster and, where there was one, a meter's reading.
What it says always adds up: steps + idle = total, to the last digit, for core-seconds, CPU-seconds,
joules (each boundary for itself) and dollars. To that end every amount lies on a binary grid (a
microjoule, a microsecond, a tenth of a nanodollar), on which sums are exact in any order.

How shared things are split
---------------------------
- CPU-seconds are each step's own, as its instances measured them, loading included.
- `energy_j` is the estimate that the planner's figures can be compared with: a step pays what its
  CPU-seconds (and its GPU, by counter) add; `idle` is what the hosts that were used burn for the whole
  run, busy or not, times the share of their cores that the run reserved. `boundary` says which share.
- `counted` is what hardware counters read, one boundary each, never added to the others: idle watts x
  seconds (at most all of it) are `idle`, and the rest is shared among steps by CPU-seconds. A GPU's is shared
  by what its calls counted. A counter sees the whole host, other programs included: what of its idle belongs to cores
  that were not reserved is `outside`, so that steps + idle + outside = the meter's total (`metered`).
- On a rented host a step pays for the core-seconds it held, and `idle` is the rest of the rent of what was
  reserved of the hosts that were used. On one's own host a step, and `idle`, pay for the electricity of their energy.
- `wasted` is a part of a step's own figures, never beside them: calls that were aborted or tried again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from murakkab_jupyter.core.events import Event
from murakkab_jupyter.core.figure import Figure, total
from murakkab_jupyter.core.hosts import ClusterView
from murakkab_jupyter.core.transfer import Transfer
from murakkab_jupyter.energy.estimate import BOUNDARY
from murakkab_jupyter.energy.reading import Boundary, Reading
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.runtime.billing import Draft
from murakkab_jupyter.runtime.line import Line
from murakkab_jupyter.runtime.usage import collect, one_clock

__all__ = ["Bill", "Line"]


@dataclass(frozen=True, slots=True)
class Bill:
    """What a run used. Make one with `Bill.of`.

    Attributes
    ----------
    steps
        One line a step, in the plan's order.
    idle
        What nobody used but somebody held.
    total
        Steps and idle together.
    notes
        What is not in it, and why.
    boundary
        What `energy_j` covers: `node`, or `node, share of reserved cores 1/2`.
    outside
        For each boundary that a counter read: what of the reading is idle of cores that the run did not reserve (J).
    transfer
        Files that were brought to hosts that do not see them; None where there were none.
    """

    steps: tuple[Line, ...]
    idle: Line
    total: Line
    notes: tuple[str, ...] = ()
    boundary: str = BOUNDARY
    outside: Mapping[Boundary, Figure] = field(default_factory=dict)
    transfer: Transfer | None = None

    @classmethod
    def of(
        cls,
        events: Iterable[Event],
        plan: Plan,
        cluster: ClusterView,
        reading: Reading | None = None,
        *,
        seconds: float | None = None,
    ) -> Bill:
        """Make the bill of a run, ended or still under way.

        Parameters
        ----------
        events
            The run's events so far.
        plan
            The plan it carries out.
        cluster
            The workers it began with, with watts and prices; one that joins on their hosts is reckoned like them.
        reading
            What a meter of this host read over the run, if there was one.
        seconds
            How long the run has taken; by default until its last event.
        """
        told = list(one_clock(events))
        calls, lasted_s = collect(told, plan.steps)
        whole_s = lasted_s if seconds is None else seconds
        draft = Draft(plan, cluster, calls, whole_s, told)
        steps, idle, whole = draft.lines(reading)
        return cls(
            steps,
            idle,
            whole,
            tuple(draft.notes(reading)),
            draft.covers,
            dict(draft.outside),
            draft.transfer,
        )

    @property
    def metered(self) -> dict[Boundary, Figure]:
        """The whole reading of each counter: steps, idle, and what lies outside the reserved cores."""
        return {
            boundary: total(
                [figure, *([out] if (out := self.outside.get(boundary)) else [])], "J", figure.note
            )
            for boundary, figure in self.total.counted.items()
        }

    @property
    def lines(self) -> tuple[Line, ...]:
        """Steps, idle, total."""
        return (*self.steps, self.idle, self.total)

    @property
    def predicted(self) -> Mapping[str, Figure]:
        """The plan's totals."""
        return self.total.predicted

    @property
    def actual(self) -> dict[str, Figure]:
        """Totals of what was used, under the names that plans use."""
        return self.total.actual()

    def step(self, name: str) -> Line:
        """The line of a step; raises `KeyError`."""
        for line in self.steps:
            if line.name == name:
                return line
        raise KeyError(name)

    def rows(self) -> list[dict[str, Any]]:
        """One mapping a line, for a table: names and counts as they are, amounts as figures."""
        return [
            {
                "step": line.name,
                "agent": line.agent,
                "device": line.device,
                "done": line.done,
                "failed": line.failed,
                "reused": line.reused,
                "begun": line.begun,
                "latency_s": line.latency_s,
                "seconds": line.seconds,
                "cpu_s": line.cpu_s,
                "energy_j": line.energy_j,
                "cost_usd": line.cost_usd,
                **{f"counted_{boundary}_j": figure for boundary, figure in line.counted.items()},
                "tokens_in": line.tokens_in,
                "tokens_out": line.tokens_out,
                "tokens_cached": line.tokens_cached,
                "tokens_wasted": line.tokens_wasted,
                "wasted_cpu_s": line.wasted_cpu_s,
                "wasted_j": line.wasted_j,
                **{f"predicted_{name}": figure for name, figure in line.predicted.items()},
            }
            for line in self.lines
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "steps": {line.name: line.to_json() for line in self.steps},
            "idle": self.idle.to_json(),
            "total": self.total.to_json(),
            "notes": list(self.notes),
            "boundary": self.boundary,
            "metered": {boundary: one.to_json() for boundary, one in self.metered.items()},
            "outside": {boundary: one.to_json() for boundary, one in self.outside.items()},
            "transfer": None if self.transfer is None else self.transfer.to_json(),
        }
