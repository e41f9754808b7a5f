"""What each item of a run would bring and make: measures, work and children, walked down from the real roots.

The planner's expectations are means over a level; here each item has its own measure, so that a long
video has more scenes than a short one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.ancestry import Ancestry, Level
from murakkab_jupyter.core.kinds import Measure
from murakkab_jupyter.planner.expect import root_measures
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.workflow.model import Input, Step, Workflow

__all__ = ["ItemMeasures", "StepItems", "Wait", "walk"]


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
        self.settings: dict[str, Any] = {**dict(configuration.options), **step.options}
        self.broadcast = [
            (one.port, one.source, len(workflow.level_of(one.source)))
            for one in step.inputs
            if one.how != "gather"
        ]
        self.gathers = [(one.port, one.source) for one in step.inputs if one.how == "gather"]
        self.known: dict[tuple[int, ...], tuple[float, Measure, float]] = {}
        self.carry = 0.0  # parts of children that rounding has kept back


class Watched(dict[str, Any]):
    """Options that note which of them are asked for."""

    def __init__(self, options: Mapping[str, Any], asked: set[str]) -> None:
        super().__init__(options)
        self.asked = asked

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)

    def __iter__(self) -> Iterator[str]:
        self.asked.update(super().__iter__())
        return super().__iter__()


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
            alike: dict[tuple[tuple[str, float], ...], Measure] = {}
            for key, own in zip(keys, measures, strict=True):
                # Values of the same measure share it: what follows from it is then worked out once.
                self._keep(variable.name, key, alike.setdefault(tuple(own.items()), own), 1)

    def watch(self, read: dict[str, set[str]]) -> None:
        """Note from now on which options of each step are asked for."""
        for name, maker in self._makers.items():
            maker.settings = Watched(maker.settings, read.setdefault(name, set()))

    def fewest(self, step: str) -> None:
        """Let a step open no more children than it surely has: how parts of them add up depends on the order of calls."""
        self._makers[step].carry = -0.5

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


@dataclass(frozen=True, slots=True)
class Wait:
    """How a step's items wait for those of another.

    `starts` is how many of the other's items the first of the step's needs at least (None: perhaps none); `whole`
    whether it needs all of them; `ends` whether each item of the other has one of the step's after it.
    """

    source: str
    starts: int | None
    whole: bool
    ends: bool


@dataclass(frozen=True, slots=True)
class StepItems:
    """What a step surely has to do: the work of each item, `(items, work)` of each parent's, and what it waits for."""

    works: tuple[float, ...]
    families: tuple[tuple[int, float], ...]
    waits: tuple[Wait, ...]


def walk(
    workflow: Workflow,
    configurations: Mapping[str, Configuration],
    roots: Mapping[str, Sequence[Any]],
    library: Library,
    *,
    read: dict[str, set[str]] | None = None,
) -> dict[str, StepItems]:
    """Every item of a run, without running it: what no run of these configurations does less than.

    Where a step opens parts of children (2.5 scenes a video, on average) and the order in which its items come is not
    known beforehand, only the whole ones count. `read` is told the options of each step that what flows depends on.
    """
    measures = ItemMeasures(workflow, configurations, roots, library)
    if read is not None:
        measures.watch(read)
    keys: dict[Level, list[Ancestry]] = {(): [()]}
    for variable in workflow.variables:
        if variable.level:
            keys[variable.level] = list(measures.roots[variable.name])
    variables = {variable.name for variable in workflow.variables}
    doubtful: set[Level] = set()
    steps = {step.name: step for step in workflow.steps}
    found: dict[str, StepItems] = {}
    for step in workflow.steps:
        mine = keys.get(step.at, [])
        ordered = all(one.source in variables for one in step.inputs)
        works: list[float] = []
        children: list[Ancestry] = []
        families: dict[Ancestry, tuple[int, float]] = {}
        for key in mine:
            if not ordered:
                measures.fewest(step.name)
            work = measures.start(step.name, key)
            works.append(work)
            count, sum_of = families.get(key[:-1], (0, 0.0))
            families[key[:-1]] = count + 1, sum_of + work
            made = measures.finish(step.name, key)
            children += [(*key, (step.name, n)) for n in range(made or 0)]
        if step.opens:
            keys[step.level] = children
            if not ordered or step.at in doubtful:
                doubtful.add(step.level)
        elif step.at in doubtful:
            doubtful.add(step.at)
        waits = [
            wait_of(step, one, steps[one.source], keys, doubtful)
            for one in step.inputs
            if one.source in steps
        ]
        found[step.name] = StepItems(tuple(works), tuple(families.values()), tuple(waits))
    return found


def wait_of(
    step: Step, one: Input, source: Step, keys: Mapping[Level, list[Ancestry]], doubtful: set[Level]
) -> Wait:
    """How the items of a step wait for those of one of its sources."""
    mine, theirs = keys.get(step.at, []), keys.get(source.at, [])
    depth = len(step.at)
    sure = step.at not in doubtful and source.at not in doubtful
    if one.how == "gather":
        groups = dict.fromkeys(mine, 0)
        for key in theirs:
            groups[key[:depth]] = groups.get(key[:depth], 0) + 1
        least = min(groups.values(), default=0)
        whole = len(mine) == 1 and step.at not in doubtful and least > 0
        return Wait(source.name, least or None, whole, ends=True)
    under = {key[: len(source.at)] for key in mine}
    ends = len(source.at) <= depth and all(key in under for key in theirs)
    return Wait(source.name, 1 if mine else None, whole=len(theirs) == 1 and sure, ends=ends)
