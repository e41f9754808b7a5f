"""What must run before an activity, after it, or between two: its work, spread over the capacity, takes its time there.

The longest path counts durations, and all work spread over the capacity counts demands; where narrow and wide parts of a graph alternate
neither sees that capacity lies idle in the narrow ones. These links see both, and are linear.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from murakkab_jupyter.planner.exact.table import Table

__all__ = ["LINKED", "Link", "links"]

LINKED = 60
"""Activities up to which links are made: there are about as many as pairs of them."""


@dataclass(frozen=True)
class Link:
    """All work of the members lies between the end of `first` and the start of `then`."""

    members: tuple[int, ...]
    """Activities."""
    first: int | None
    """None: after 0."""
    then: int | None
    """None: before the end of all."""


def links(table: Table, resource: int) -> Iterator[Link]:
    """Each link on a resource with two members or more; none for one, whose duration says as much."""
    n = len(table.choices)
    if n > LINKED:
        return
    before: list[frozenset[int]] = []
    for earlier in table.before:
        before.append(frozenset(earlier).union(*(before[j] for j in earlier)))
    after = [frozenset(j for j in range(n) if i in before[j]) for i in range(n)]
    users = {
        i for i, some in enumerate(table.choices) if any(c.demand[resource] and c.duration for c in some)
    }
    for j in range(n):
        for first, then, some in (
            (None, j, before[j]),
            (j, None, after[j]),
            *((i, j, after[i] & before[j]) for i in sorted(before[j])),
        ):
            members = some & users
            if len(members) > 1:
                yield Link(tuple(sorted(members)), first, then)
