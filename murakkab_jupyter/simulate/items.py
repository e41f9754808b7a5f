"""What each item of a simulated run would bring and make: measures, work and children, walked down from the real roots.

The planner's expectations are means over a level; here each item has its own measure, so that a long
video has more scenes than a short one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.kinds import Measure
from murakkab_jupyter.planner.expect import root_measures
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.workflow.model import Step, Workflow

__all__ = ["ItemMeasures"]


class StepMaker:
    """What is needed again and again of one step."""

    __slots__ = ("broadcast", "carry", "gathers", "known", "opens", "settings", "step", "work", "yields")

    def __init__(
        self, step: Step, workflow: Workflow, library: Library, configuration: Configuration
    ) -> None:
        capability = library.capability(step.capability)
        self.step = step
        self.opens = step.opens
        self.work = capability.work
        self.yields = capability.yields
        self.settings = {**dict(configuration.options), **step.options}
        self.broadcast = [
            (one.port, one.source, len(workflow.level_of(one.source)))
            for one in step.inputs
            if one.how != "gather"
        ]
        self.gathers = [(one.port, one.source) for one in step.inputs if one.how == "gather"]
        self.known: dict[tuple[int, ...], tuple[float, Measure, float]] = {}
        self.carry = 0.0  # parts of children that rounding has kept back


class ItemMeasures:
    """Measures of every item of one simulated run.

    Parameters
    ----------
    workflow, configurations, library
        What is run and how; options that are levers (`count`) change what is made.
    roots
        For each variable, its values in order (one for a scalar).
    """

    def __init__(
        self,
        workflow: Workflow,
        configurations: Mapping[str, Configuration],
        roots: Mapping[str, Sequence[Any]],
        library: Library,
    ) -> None:
        self._makers = {
            step.name: StepMaker(step, workflow, library, configurations[step.name])
            for step in workflow.steps
        }
        self._values: dict[str, dict[Ancestry, Measure]] = {v.name: {} for v in workflow.variables}
        self._values |= {step.name: {} for step in workflow.steps}
        self._depths: dict[str, set[int]] = {}
        for step in workflow.steps:
            for one in step.inputs:
                if one.how == "gather":
                    self._depths.setdefault(one.source, set()).add(len(step.at))
        self._sums: dict[str, dict[Ancestry, dict[str, float]]] = {name: {} for name in self._depths}
        self._made: dict[tuple[str, Ancestry], tuple[Measure, int]] = {}
        self.roots: dict[str, tuple[Ancestry, ...]] = {}
        for variable in workflow.variables:
            values = list(roots.get(variable.name, ()))
            keys: list[Ancestry] = [((variable.name, n),) for n in range(len(values))]
            if not variable.level:
                keys, values = [()], values[:1] or [None]
            self.roots[variable.name] = tuple(keys)
            measures = root_measures(workflow, variable.name, values, library)
            for key, own in zip(keys, measures, strict=True):
                self._keep(variable.name, key, own, 1)

    def start(self, step: str, ancestry: Ancestry) -> float:
        """The work of one item, whose inputs are all there; what it will make is settled too."""
        maker = self._makers[step]
        parts = [(port, self._values[source][ancestry[:depth]]) for port, source, depth in maker.broadcast]
        key = tuple(id(part) for _, part in parts)
        found = None if maker.gathers else maker.known.get(key)
        if found is None:
            inputs: dict[str, dict[str, float]] = {}
            for port, part in parts:
                add(inputs.setdefault(port, {}), part, 1)
            for port, source in maker.gathers:
                add(inputs.setdefault(port, {}), self._sums[source].get(ancestry, {}), 1)
            made = maker.yields(inputs, maker.settings)
            found = maker.work(inputs, maker.settings), made.each, made.count
            if not maker.gathers:
                maker.known[key] = found
        work, each, count = found
        children = 1
        if maker.opens:
            # Parts of a child are carried on to the next item, so that the total is right.
            children = max(0, int(maker.carry + count + 0.5))
            maker.carry += count - children
        self._made[step, ancestry] = each, children
        return work

    def finish(self, step: str, ancestry: Ancestry) -> int | None:
        """One item is done: its values are there from now on; its number of children where it opens a level."""
        each, children = self._made.pop((step, ancestry))
        if not self._makers[step].opens:
            self._keep(step, ancestry, each, 1)
            return None
        values = self._values[step]
        for n in range(children):
            values[(*ancestry, (step, n))] = each
        self._sum(step, ancestry, each, children)
        return children

    def _keep(self, name: str, key: Ancestry, value: Measure, count: int) -> None:
        self._values[name][key] = value
        self._sum(name, key, value, count)

    def _sum(self, name: str, key: Ancestry, value: Measure, count: int) -> None:
        for depth in self._depths.get(name, ()):
            add(self._sums[name].setdefault(key[:depth], {}), value, count)


def add(into: dict[str, float], value: Measure, count: int) -> None:
    """Add a measure so many times; of megapixels, the largest counts."""
    for unit, amount in value.items():
        if unit == "megapixels":
            into[unit] = max(into.get(unit, 0.0), amount)
        else:
            into[unit] = into.get(unit, 0.0) + amount * count
