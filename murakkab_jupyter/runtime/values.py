"""The values of a run by name and ancestry, and what one item's inputs are made of.

Only what was done is here: a gather leaves out what failed, because it was never put.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from murakkab_jupyter.agents.agent import Inputs
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.ancestry import Ancestry, child, format_ancestry
from murakkab_jupyter.core.kinds import Origin, origin_of, text_of
from murakkab_jupyter.workflow.language.template import fill, plain
from murakkab_jupyter.workflow.model import Input, Step, Workflow

__all__ = ["ValueStore"]


class ValueStore:
    """Every value of a run. Not thread-safe: one driver owns it.

    Parameters
    ----------
    workflow
        Bound workflow.
    library
        Where the ports of capabilities are looked up.
    """

    def __init__(self, workflow: Workflow, library: Library) -> None:
        self._workflow = workflow
        self._levels = {v.name: v.level for v in workflow.variables}
        self._levels |= {s.name: s.level for s in workflow.steps}
        self._openers = {s.name for s in workflow.steps if s.opens}
        self._values: dict[str, dict[Ancestry, Any]] = {name: {} for name in self._levels}
        self._lists: dict[str, dict[Ancestry, int]] = {name: {} for name in self._openers}
        self._several: dict[str, set[str]] = {}
        for step in workflow.steps:
            ports = library.capability(step.capability).ports
            self._several[step.name] = {port.name for port in ports if port.several}
        self._steps = {step.name: step for step in workflow.steps}
        # For each gathered source: the depths it is gathered at, and the keys below each prefix.
        self._depths: dict[str, set[int]] = {}
        for step in workflow.steps:
            for one in step.inputs:
                if one.how == "gather":
                    self._depths.setdefault(one.source, set()).add(len(step.at))
        self._below: dict[str, dict[Ancestry, list[Ancestry]]] = {name: {} for name in self._depths}

    # --- values -------------------------------------------------------------------------------------------------

    def put(self, name: str, ancestry: Ancestry, value: Any) -> None:
        """Keep one value; an opener's value, at the level it runs at, is the list of its children.

        A collection's values may be put one by one at their own keys, or as a list at the root. Raises `KeyError`
        for a name that is unknown or has no values at this ancestry.
        """
        if len(ancestry) == len(self._levels[name]):
            self._set(name, ancestry, value)
            return
        if len(ancestry) != len(self._levels[name]) - 1:
            msg = f"{name} has no values at {format_ancestry(ancestry)}."
            raise KeyError(msg)
        lists = self._lists.setdefault(name, {})
        for index in range(len(value), lists.get(ancestry, 0)):
            self._drop(name, child(ancestry, name, index))
        lists[ancestry] = len(value)
        for index, one in enumerate(value):
            self._set(name, child(ancestry, name, index), one)

    def get(self, name: str, ancestry: Ancestry) -> Any:
        """One value, or the list of an opener's children; raises `KeyError` where there is none."""
        found = self._values[name]
        if ancestry in found:
            return found[ancestry]
        number = self._lists.get(name, {}).get(ancestry)
        if number is None:
            msg = f"There is no {name} at {format_ancestry(ancestry)}."
            raise KeyError(msg)
        return [found[child(ancestry, name, index)] for index in range(number)]

    def has(self, name: str, ancestry: Ancestry) -> bool:
        """Whether `get` would find something."""
        return ancestry in self._values[name] or ancestry in self._lists.get(name, {})

    def outputs(self, name: str) -> Mapping[Ancestry, Any]:
        """The values of a step or variable, read-only, in ancestry order."""
        found = self._values[name].copy()  # views read while the run goes on
        return MappingProxyType({key: found[key] for key in sorted(found)})

    def latest(self, name: str) -> tuple[Ancestry, Any] | None:
        """The value of a step that came last, and where it lies; as quick for many values as for few."""
        # Views read while the run goes on: a value may come at this moment.
        with contextlib.suppress(RuntimeError, StopIteration):
            return next(reversed(self._values[name].items()))
        return None

    # --- inputs -------------------------------------------------------------------------------------------------

    def inputs_for(self, step: Step | str, ancestry: Ancestry) -> Inputs:
        """Everything one item brings to its agent; raises `KeyError` when an input is not there."""
        if isinstance(step, str):
            step = self._steps[step]
        several = self._several[step.name]
        values: dict[str, Any] = {}
        origins: dict[str, Any] = {}
        texts: dict[str, str] = {}
        for one in step.inputs:
            value, origin = self._bring(one, step, ancestry)
            if step.body is not None and one.source not in texts:
                texts[one.source] = text_of(value)
            if not one.port:
                continue
            if one.port in several:
                values.setdefault(one.port, []).append((one.source, value))
                origins.setdefault(one.port, []).append(origin)
            else:
                values[one.port] = value
                origins[one.port] = origin
        prompt = None if step.body is None else fill(step.body, texts)
        return Inputs(ancestry, values, origins, prompt, plain(step.sentence))

    def _bring(
        self, one: Input, step: Step, ancestry: Ancestry
    ) -> tuple[Any, Origin | list[Origin | None] | None]:
        if one.how == "gather":
            found = self._values[one.source]
            keys = self._gathered(one.source, ancestry)
            return [found[key] for key in keys], [self._origin(one.source, key) for key in keys]
        key = ancestry[: len(self._levels[one.source])]
        if key not in self._values[one.source]:
            msg = f"{step.name}, {format_ancestry(ancestry)}: there is no {one.source} at {format_ancestry(key)}."
            raise KeyError(msg)
        return self._values[one.source][key], self._origin(one.source, key)

    def _origin(self, name: str, ancestry: Ancestry) -> Origin | None:
        """Where a value lies in the user's media: it says so itself, or what it was made from does."""
        origin = origin_of(self._values[name][ancestry])
        for depth in range(len(ancestry), 0, -1):
            if origin is not None:
                break
            key = ancestry[:depth]
            above = self._values.get(key[-1][0], {})
            if key in above:
                origin = origin_of(above[key])
        return origin

    # --- keeping ------------------------------------------------------------------------------------------------

    def _set(self, name: str, key: Ancestry, value: Any) -> None:
        values = self._values[name]
        if key not in values:
            for depth in self._depths.get(name, ()):
                self._below[name].setdefault(key[:depth], []).append(key)
        values[key] = value

    def _drop(self, name: str, key: Ancestry) -> None:
        if self._values[name].pop(key, None) is not None:
            for depth in self._depths.get(name, ()):
                self._below[name][key[:depth]].remove(key)

    def _gathered(self, name: str, ancestry: Ancestry) -> Sequence[Ancestry]:
        keys = self._below[name].get(ancestry, [])
        keys.sort()  # nearly sorted after the first time
        return keys
