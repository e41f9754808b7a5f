"""What flows between the steps of a workflow, whatever options are chosen: the least amounts, and what surely waits for what."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.planner.items import StepItems, walk
from murakkab_jupyter.planner.modes import Mode
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.planner.proofs.rich import Amount, Flow
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["Options", "Scenarios", "TooMany"]

MOST_SCENARIOS = 64
"""Combinations of options that change what flows; each is walked once."""

MOST_VISITS = 200_000
"""Items that all of these walks may see together."""

Options = tuple[tuple[str, Any], ...]


class TooMany(Exception):  # noqa: N818 - not an error: nothing is proven then
    """There are more ways for items to come about than are walked."""


@dataclass
class Scenarios:
    """What flows under each combination of options that what flows depends on."""

    names: tuple[str, ...]
    read: dict[str, set[str]] = field(default_factory=dict)
    walks: dict[tuple[Options, ...], Mapping[str, StepItems]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        workflow: Workflow,
        modes: Mapping[str, Sequence[Mode]],
        roots: Mapping[str, Sequence[Any]],
        library: Library,
    ) -> Scenarios:
        """Walk them all; raises `TooMany` where that would take long."""
        found = cls(tuple(modes))
        if sum(len(roots.get(step.at[0], ())) if step.at else 1 for step in workflow.steps) > MOST_VISITS:
            raise TooMany  # before the first walk, where that alone is long
        first = {name: some[0].configuration for name, some in modes.items()}
        once = walk(workflow, first, roots, library, read=found.read)
        choices: list[dict[Options, Configuration]] = []
        for name in found.names:
            kinds: dict[Options, Configuration] = {}
            for mode in modes[name]:
                kinds.setdefault(found.kind(name, mode.configuration.options), mode.configuration)
            choices.append(kinds)
        count = math.prod(map(len, choices))
        if count > MOST_SCENARIOS or count * sum(len(one.works) for one in once.values()) > MOST_VISITS:
            raise TooMany
        for combination in itertools.product(*choices):
            chosen = {
                name: kinds[kind] for name, kinds, kind in zip(found.names, choices, combination, strict=True)
            }
            found.walks[combination] = once if chosen == first else walk(workflow, chosen, roots, library)
        return found

    def kind(self, step: str, options: Options) -> Options:
        """Those of a step's options that what flows depends on."""
        return tuple((key, value) for key, value in options if key in self.read.get(step, ()))

    def amount(self, step: str, options: Options) -> Amount:
        """The least that a step has to do when it has these options."""
        place, kind = self.names.index(step), self.kind(step, options)
        least: Amount | None = None
        for key, walked in self.walks.items():
            if key[place] == kind:
                here = Amount(walked[step].works, walked[step].families)
                least = here if least is None or least == here else least.or_less(here)
        return least or Amount(())

    def flows(self, step: str) -> list[Flow]:
        """What surely waits for what, whatever the options."""
        found: dict[str, Flow] = {}
        for walked in self.walks.values():
            for wait in walked[step].waits:
                old = found.get(wait.source)
                mine = Flow(wait.source, wait.starts, wait.whole, wait.ends)
                found[wait.source] = mine if old is None else weaker(old, mine)
        return list(found.values())


def weaker(one: Flow, other: Flow) -> Flow:
    """What two flows have in common."""
    counts = None if one.starts is None or other.starts is None else min(one.starts, other.starts)
    return Flow(one.source, counts, one.whole and other.whole, one.ends and other.ends)
