"""What a workflow is expected to do: items of each step and their work, from the inputs at hand.

Counts are expectations of the capabilities (priors) walked down from the real root items: the plan is
made before anyone knows how many scenes a video has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.ancestry import Level
from murakkab_jupyter.core.kinds import Measure, measure
from murakkab_jupyter.workflow.model import Input, Step, Workflow

__all__ = ["Expectation", "StepExpectation", "expect"]


@dataclass(frozen=True, slots=True)
class StepExpectation:
    """What one step is expected to do.

    Attributes
    ----------
    items
        Items it runs for.
    work
        Work of one item, in the unit of its capability.
    children
        Children of one item (1 unless it opens a level).
    each
        Measures of one value it makes.
    unit
        The capability's unit of work.
    """

    items: float
    work: float
    children: float
    each: Measure
    unit: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """Expectations of every step, and how many items each level holds in all."""

    steps: Mapping[str, StepExpectation]
    level_counts: Mapping[Level, float]


def expect(
    workflow: Workflow,
    roots: Mapping[str, Sequence[Any]],
    library: Library,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Expectation:
    """Walk the workflow down from its root items.

    Parameters
    ----------
    workflow
        Bound workflow.
    roots
        For each variable, its values (one for a scalar).
    library
        Where capabilities are looked up.
    options
        For each step, options that a configuration sets (levers, e.g. `count`), beyond those it fixes.

    Returns
    -------
    Expectation
        Means over the items of a level: a plan needs totals, not each item.
    """
    counts: dict[Level, float] = {(): 1.0}
    each: dict[str, Measure] = {}
    for variable in workflow.variables:
        values = list(roots.get(variable.name, ()))
        number = max(1, len(values))
        if variable.level:
            counts[variable.level] = float(len(values))
        summed: dict[str, float] = {}
        for value in values:
            for unit, amount in measure(value).items():
                summed[unit] = summed.get(unit, 0.0) + amount
        each[variable.name] = {unit: amount / number for unit, amount in summed.items()}

    steps: dict[str, StepExpectation] = {}
    for step in workflow.steps:
        capability = library.capability(step.capability)
        settings = {**(options or {}).get(step.name, {}), **step.options}
        inputs = port_measures(workflow, step, each, counts)
        items = counts.get(step.at, 0.0)
        made = capability.yields(inputs, settings)
        children = made.count if step.opens else 1.0
        if step.opens:
            counts[step.level] = items * children
        each[step.name] = made.each
        steps[step.name] = StepExpectation(
            items, capability.work(inputs, settings), children, made.each, capability.unit
        )
    return Expectation(steps, counts)


def port_measures(
    workflow: Workflow, step: Step, each: Mapping[str, Measure], counts: Mapping[Level, float]
) -> dict[str, Measure]:
    """Measures of a step's ports for one item: gathered values multiplied, references of one port summed."""
    ports: dict[str, dict[str, float]] = {}
    for one in step.inputs:
        factor = gathered(workflow, step, one, counts)
        into = ports.setdefault(one.port, {})
        for unit, amount in each[one.source].items():
            if unit == "megapixels":
                into[unit] = max(into.get(unit, 0.0), amount)
            else:
                into[unit] = into.get(unit, 0.0) + amount * factor
    return {port: dict(units) for port, units in ports.items()}


def gathered(workflow: Workflow, step: Step, one: Input, counts: Mapping[Level, float]) -> float:
    """How many values of an input one item of the step sees, on average."""
    if one.how != "gather":
        return 1.0
    here = counts.get(step.at, 0.0)
    return counts.get(workflow.level_of(one.source), 0.0) / here if here else 0.0
