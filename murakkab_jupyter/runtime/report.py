"""The report of a run: everything as plain JSON, for files, other programs and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from murakkab_jupyter.core.ancestry import Ancestry, ancestry_to_json, format_ancestry
from murakkab_jupyter.core.events import Event, ItemFailed, Notice, event_to_json
from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.version import VERSION
from murakkab_jupyter.planner.coverage import Frontier
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.runtime.bill import Bill
from murakkab_jupyter.runtime.readable import readable
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["FIGURES", "FORMAT", "Reported", "Stored", "frontier_report", "plan_report", "report"]

FORMAT = 1
"""Raised when a field changes its meaning or goes."""

FIGURES: Mapping[str, str] = {"latency": "s", "cpu": "s", "energy": "J", "cost": "USD", "quality": "1"}
"""The figures of `predicted` and `actual`, and their units."""


class Stored(Protocol):
    """The values of a run (`murakkab_jupyter.runtime.values.ValueStore`)."""

    def outputs(self, name: str) -> Mapping[Ancestry, Any]:
        """The values of a step or variable, in ancestry order."""


class Reported(Protocol):
    """What a report is made of (`murakkab_jupyter.run.Run`)."""

    @property
    def id(self) -> str:
        """Names it in the journal."""

    @property
    def workflow(self) -> Workflow:
        """What is run."""

    @property
    def plan(self) -> Plan:
        """How."""

    @property
    def store(self) -> Stored:
        """What the steps made so far."""

    @property
    def events(self) -> Sequence[Event]:
        """Every event so far."""

    @property
    def status(self) -> str:
        """How it stands."""

    @property
    def message(self) -> str:
        """How it ended, in one line."""

    @property
    def bill(self) -> Bill | None:
        """What it used; None while it runs."""


def report(run: Reported) -> dict[str, Any]:
    """Everything about a run as plain JSON.

    Returns
    -------
    dict
        `run`, `version`, `format`, `status`, `message`, `workflow` (`name`, `description`, `text`), `goal`,
        `plan` (`steps[NAME] = {agent, device, cores, instances, batch, ..., predicted}`, and
        `reserves = {cores, hosts[HOST] = {cores, of}, reason}`),
        `predicted` and `actual` (each of `latency`, `cpu`, `energy`, `cost`, `quality` as
        `{value, unit, low, high, source}`), `outputs[NAME] = [{ancestry, value}]`, `errors`, `notices`, `bill`
        and `events`.
    """
    bill = run.bill
    return {
        **plan_report(run.plan, run.workflow),
        "run": run.id,
        "status": run.status,
        "message": run.message,
        "actual": figures({} if bill is None else bill.actual, "the run has not ended"),
        "outputs": {
            step.name: [
                {"ancestry": ancestry_to_json(ancestry), "value": readable(value)}
                for ancestry, value in run.store.outputs(step.name).items()
            ]
            for step in run.workflow.steps
        },
        "errors": [failure(event) for event in run.events if isinstance(event, ItemFailed)],
        "notices": [event.message for event in run.events if isinstance(event, Notice)],
        "bill": None if bill is None else bill.to_json(),
        "events": [event_to_json(event) for event in run.events],
    }


def plan_report(plan: Plan, workflow: Workflow) -> dict[str, Any]:
    """A plan as plain JSON, under the same names as in the report of its run: `workflow`, `goal`, `plan`, `predicted`."""
    return {
        **heading(workflow, plan.goal),
        "plan": planned(plan),
        "predicted": figures(plan.predicted, "not predicted"),
    }


def frontier_report(frontier: Frontier, workflow: Workflow, goal: Goal) -> dict[str, Any]:
    """A frontier as plain JSON, in the same frame as a plan: `workflow`, `goal`, `coverage`, `cautions`, and `plans`.

    Each of `plans` is as `plan` is in the report of a plan, with all of its totals in `predicted`.
    """
    return {
        **heading(workflow, goal),
        "coverage": frontier.coverage.to_json(),
        "cautions": list(frontier.cautions),
        "plans": [
            {**planned(plan), "predicted": figures(plan.predicted, "not predicted")} for plan in frontier
        ],
    }


def heading(workflow: Workflow, goal: Goal) -> dict[str, Any]:
    """What every report begins with."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "workflow": {
            "name": workflow.name,
            "description": workflow.description,
            "text": workflow.text,
        },
        "goal": goal.to_json(),
    }


def planned(plan: Plan) -> dict[str, Any]:
    """A plan with every figure of every step, unknown ones too."""
    made = plan.to_json()
    for name, step in plan.steps.items():
        made["steps"][name]["predicted"] |= figures(step.predicted, "not predicted")
    return made


def figures(known: Mapping[str, Figure], reason: str) -> dict[str, dict[str, object]]:
    """Every figure of a report; one that is missing is unknown, with the reason."""
    return {name: known.get(name, unknown(unit, reason)).to_json() for name, unit in FIGURES.items()}


def failure(event: ItemFailed) -> dict[str, Any]:
    """One item that failed, or was skipped because of another step."""
    return {
        "step": event.step,
        "ancestry": ancestry_to_json(event.ancestry),
        "item": format_ancestry(event.ancestry),
        "error": event.error,
        "blame": event.blame,
    }
