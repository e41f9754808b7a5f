"""What a workflow is expected to do: items of each step and their work, from the inputs at hand.

Counts are expectations of the capabilities, walked down from the real root items: the plan is made before anyone knows
how many scenes a video has. Where a capability can tell something by a cheap look at an input, it is asked; else, and
where there is nothing to see, an expectation is a prior.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.ancestry import Level
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.kinds import Measure, measure
from murakkab_jupyter.workflow.model import Input, Step, Workflow

__all__ = [
    "MOST_LOOKS",
    "Expectation",
    "Mean",
    "StepExpectation",
    "count_notes",
    "expect",
    "means_of",
    "root_measures",
]

LOG = logging.getLogger(__name__)

MOST_LOOKS = 6
"""Items of a variable that are looked at, at even distances; the others of their sort are taken to be like them, second for
second; of a sort that none of them is of, one more."""


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
    made
        Values it makes in all, with their band and, where the capability says so, what that rests on.
    """

    items: float
    work: float
    children: float
    each: Measure
    unit: str
    made: Figure


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
    *,
    means: Mapping[str, Mean] | None = None,
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
    means
        What `means_of` says of the roots, where it is known already.

    Returns
    -------
    Expectation
        Means over the items of a level: a plan needs totals, not each item.
    """
    counts: dict[Level, float] = {(): 1.0}
    each: dict[str, Measure] = {}
    known = means_of(workflow, roots, library) if means is None else means
    for variable in workflow.variables:
        one = known[variable.name]
        each[variable.name] = one.each
        if variable.level:
            counts[variable.level] = float(one.count)

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
        low, high = (None, None) if made.band is None or not step.opens else made.band
        steps[step.name] = StepExpectation(
            items,
            capability.work(inputs, settings),
            children,
            made.each,
            capability.unit,
            Figure(children, "1", low, high, "prior", note=made.why).scaled(items),
        )
    return Expectation(steps, counts)


@dataclass(frozen=True, slots=True)
class Mean:
    """How many values a variable has, and the measure of one on average."""

    count: int
    each: Measure


def means_of(workflow: Workflow, roots: Mapping[str, Sequence[Any]], library: Library) -> dict[str, Mean]:
    """The mean of every variable's values."""
    found: dict[str, Mean] = {}
    for variable in workflow.variables:
        measures = root_measures(workflow, variable.name, roots.get(variable.name, ()), library)
        summed: dict[str, float] = {}
        for one in measures:
            for unit, amount in one.items():
                summed[unit] = summed.get(unit, 0.0) + amount
        number = max(1, len(measures))
        found[variable.name] = Mean(len(measures), {unit: amount / number for unit, amount in summed.items()})
    return found


def root_measures(workflow: Workflow, name: str, values: Sequence[Any], library: Library) -> list[Measure]:
    """Measures of a variable's values, with what a look says of them where a step that takes them can look."""
    measures: list[dict[str, float]] = [dict(measure(value)) for value in values]
    sorts = [sort_of(one) for one in measures]
    chosen = sampled(len(values))
    met = {sorts[index] for index in chosen}
    chosen += [sorts.index(sort) for sort in dict.fromkeys(sorts) if sort not in met]
    for look in lookers(workflow, name, library):
        seen = {index: found for index in chosen if (found := looked(look, values[index]))}
        of_sort = {sort: {n: found for n, found in seen.items() if sorts[n] == sort} for sort in set(sorts)}
        rates = {sort: rates_of(found or seen, measures) for sort, found in of_sort.items()}
        for index, one in enumerate(measures):
            unseen = {unit: rate * one.get("duration_s", 0.0) for unit, rate in rates[sorts[index]].items()}
            one.update(seen.get(index, unseen))
    return list(measures)


def sort_of(one: Measure) -> tuple[str, ...]:
    """What a value has any of: silent films tell nothing of what is said in those with sound."""
    return tuple(sorted(unit for unit, amount in one.items() if amount))


def rates_of(seen: Mapping[int, Measure], measures: Sequence[Measure]) -> dict[str, float]:
    """What looks say of some values, a second of them."""
    length_s = sum(measures[index].get("duration_s", 0.0) for index in seen)
    rates: dict[str, float] = {}
    for found in seen.values():
        for unit, amount in found.items():
            rates[unit] = rates.get(unit, 0.0) + (amount / length_s if length_s else 0.0)
    return rates


def lookers(workflow: Workflow, name: str, library: Library) -> list[Callable[[Any], Measure]]:
    """How the steps that take a variable, or what others make of it, can look at its values."""
    derived = {name}
    looks = []
    for step in workflow.steps:  # in topological order
        if any(one.source in derived for one in step.inputs):
            derived.add(step.name)
            looks.append(library.capability(step.capability).looks)
    return [look for look in dict.fromkeys(looks) if look is not None]


def looked(look: Callable[[Any], Measure], value: Any) -> Measure:
    """What a look says; nothing where it fails."""
    try:
        return look(value)
    except Exception as error:  # noqa: BLE001 - another package's look must not keep a plan from being made
        LOG.debug("a look failed: %s", error)
        return {}


def sampled(number: int) -> list[int]:
    """Which of so many values are looked at."""
    most = min(MOST_LOOKS, number)
    return [int((n + 0.5) * number / most) for n in range(most)]


def count_notes(
    workflow: Workflow,
    roots: Mapping[str, Sequence[Any]],
    library: Library,
    options: Mapping[str, Mapping[str, Any]],
) -> tuple[str, ...]:
    """How many are expected of each step that opens a level, and what is expected of others, where their capabilities say why."""
    expected = expect(workflow, roots, library, options).steps
    notes = []
    for step in workflow.steps:
        made = expected[step.name].made
        if made.value is None or not made.note:
            continue
        if made.low is None or made.high is None:
            notes.append(f"{step.name}: {made.note}.")
            continue
        most = max((len(roots.get(one.source, ())) for one in step.inputs), default=0)
        some = f", {MOST_LOOKS} of {most} looked at" if most > MOST_LOOKS else ""
        notes.append(
            f"{step.name}: {made.value:.0f} expected ({made.low:.0f} to {made.high:.0f}), {made.note}{some}."
        )
    return tuple(notes)


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
