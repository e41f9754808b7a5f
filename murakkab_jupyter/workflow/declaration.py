"""A declaration: a workflow bound to the values it works on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from murakkab_jupyter.core.ancestry import ROOT, Ancestry
from murakkab_jupyter.core.media import find_media
from murakkab_jupyter.workflow.inputs import Roots, alike
from murakkab_jupyter.workflow.language.sorts import MEDIA_KINDS, as_listed
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["Declaration", "hashes_of", "saved_values"]


@dataclass(frozen=True)
class Declaration:
    """A workflow bound to values: what to do, and to what.

    Attributes
    ----------
    workflow
        What to do.
    roots
        Items of each variable, and those that cannot be read.
    values
        The values as the user gave them (paths, texts, lists, functions).
    """

    workflow: Workflow
    roots: Roots
    values: Mapping[str, Any] = field(default_factory=dict)

    def items(self) -> Iterator[tuple[str, Ancestry, Any]]:
        """`(variable, ancestry, value)` of every root item, unreadable ones (None) among them."""
        for variable in self.workflow.variables:
            for index, value in enumerate(self.roots.values[variable.name]):
                yield variable.name, ((variable.name, index),) if variable.level else ROOT, value

    def same(self, other: Declaration) -> bool:
        """Whether another declaration says the same of the same items, whatever the goal of each.

        Items are the same where they are equal texts, numbers or paths (of files that were not written since), or one object.
        """
        if self is other:
            return True
        mine, theirs = self.workflow, other.workflow
        if replace(mine, goal=theirs.goal) != theirs:
            return False
        if self.roots is other.roots:
            return True
        if dict(self.roots.written) != dict(other.roots.written):
            return False
        for variable in mine.variables:
            name = variable.name
            if variable.level:
                one, two = self.roots.sources[name], other.roots.sources[name]
            else:
                one, two = [self.values.get(name)], [other.values.get(name)]
            if len(one) != len(two) or not all(map(alike, one, two)):
                return False
        return True

    def readable(self) -> dict[str, list[Any]]:
        """The values of each variable without those that cannot be read."""
        found: dict[str, list[Any]] = {name: [] for name in self.roots.values}
        for name, ancestry, value in self.items():
            if (name, ancestry) not in self.roots.bad:
                found[name].append(value)
        return found


def saved_values(declaration: Declaration) -> dict[str, Any]:
    """What the journal keeps of a declaration's values: each file by its own path, so that resuming finds the same items."""
    saved: dict[str, Any] = {}
    for variable in declaration.workflow.variables:
        given = declaration.values[variable.name]
        if variable.kind in MEDIA_KINDS:
            sources = declaration.roots.sources[variable.name]
            paths = [source for source in sources if isinstance(source, str | os.PathLike)]
            # A list without some of its items would have the others at other places.
            if len(paths) == len(sources):
                saved[variable.name] = [os.fspath(Path(path).absolute()) for path in paths]
        elif is_json(listed := as_listed(given)):
            saved[variable.name] = listed
    return saved


def hashes_of(declaration: Declaration) -> dict[str, list[str | None]]:
    """For each variable of media, the hash of each of its items (SHA-256, in hex); None for one that cannot be read."""
    media: dict[str, list[str | None]] = {
        one.name: [] for one in declaration.workflow.variables if one.kind in MEDIA_KINDS
    }
    for name, ancestry, value in declaration.items():
        if name in media:
            found = None if (name, ancestry) in declaration.roots.bad else next(find_media(value), None)
            media[name].append(None if found is None else found.sha256)
    return media


def is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
