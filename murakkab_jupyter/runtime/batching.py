"""Which ready items go into one call: full batches, neighbours of one parent, and what must be tried again."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.runtime.items import Item, Node, State

__all__ = ["Group", "ReadyQueue", "halves"]


@dataclass(slots=True)
class Group:
    """Items for one call; `avoid` names the worker where they were lost, if they were."""

    items: list[Item]
    avoid: str | None = None


@dataclass(slots=True)
class Family:
    """The items of one parent (or a part of them), until each of them is ready or has ended."""

    to_come: int
    ready: list[Item] = field(default_factory=list)


def halves(items: Sequence[Item], avoid: str | None = None) -> list[Group]:
    """Two groups of a batch that failed as a whole."""
    middle = (len(items) + 1) // 2
    return [Group(list(part), avoid) for part in (items[:middle], items[middle:]) if part]


class ReadyQueue:
    """The ready items of one step, oldest ancestry first.

    Parameters
    ----------
    siblings
        Whether a call holds all items of one parent.
    part
        Most of them in a call, neighbours always; 0 for all. Where parts end is a matter of a parent's children alone, so that a run
        that goes on cuts where it did before.
    """

    def __init__(self, *, siblings: bool = False, part: int = 0) -> None:
        self.siblings = siblings
        self._part = part
        self.size = 0
        """Ready items that could be taken now, those to be tried again not counted."""
        self._order = itertools.count()
        self._single: list[tuple[Ancestry, int, Item]] = []
        self._families: dict[tuple[Node | None, int], Family] = {}
        self._complete: list[tuple[Ancestry, int, list[Item]]] = []
        self._again: deque[Group] = deque()

    def __bool__(self) -> bool:
        return bool(self._again) or self.size > 0

    def add(self, item: Item) -> None:
        """An item became ready."""
        if not self.siblings:
            heapq.heappush(self._single, (item.node.ancestry, next(self._order), item))
            self.size += 1
            return
        key, family = self._family(item)
        family.ready.append(item)
        self._came(key, family)

    def gone(self, item: Item) -> None:
        """An item ended without ever being ready."""
        if self.siblings:
            self._came(*self._family(item))

    def forget(self, item: Item) -> None:
        """A ready item ended elsewhere (an earlier run had it)."""
        family = self._families.get(self._key(item)[0])
        if family is None or item not in family.ready:
            self.size -= 1  # it stays where it lies and is passed over when its turn comes
        else:
            family.ready.remove(item)

    def again(self, groups: Sequence[Group]) -> None:
        """Groups to be tried again, before anything else."""
        self._again.extend(groups)

    def full(self, batch: int) -> bool:
        """Whether a call could be filled: a whole family or a part of it, a full batch, or something to be tried again."""
        return bool(self._again) or (self.size > 0 if self.siblings else self.size >= batch)

    def peek_avoid(self) -> str | None:
        """The worker that the next group had better avoid."""
        return self._again[0].avoid if self._again else None

    def take(self, batch: int) -> Group:
        """The next group: at most `batch` items, or one family or a part of it."""
        while self._again:
            group = self._again.popleft()
            group.items = [item for item in group.items if item.state is State.READY]
            if group.items:
                return group
        if self.siblings:
            while self._complete:
                _, _, items = heapq.heappop(self._complete)
                found = [item for item in items if item.state is State.READY]
                if found:
                    self.size -= len(found)
                    return Group(found)
            return Group([])
        found = []
        while self._single and len(found) < batch:
            _, _, item = heapq.heappop(self._single)
            if item.state is State.READY:
                found.append(item)
        self.size -= len(found)
        return Group(found)

    def _key(self, item: Item) -> tuple[tuple[Node | None, int], int]:
        """Which family, and which part of it, an item belongs to, and how many do."""
        node = item.node
        count = len(node.siblings())
        if not node.ancestry or not 0 < self._part < count:
            return (node.parent, 0), count
        size = -(-count // -(-count // self._part))  # parts of the same size, but for the last
        part = node.ancestry[-1][1] // size
        return (node.parent, part), min(size, count - part * size)

    def _family(self, item: Item) -> tuple[tuple[Node | None, int], Family]:
        key, count = self._key(item)
        family = self._families.get(key)
        if family is None:
            family = self._families[key] = Family(count)
        return key, family

    def _came(self, key: tuple[Node | None, int], family: Family) -> None:
        family.to_come -= 1
        if family.to_come:
            return
        del self._families[key]
        if family.ready:
            items = sorted(family.ready, key=lambda one: one.node.ancestry)
            heapq.heappush(self._complete, (items[0].node.ancestry, next(self._order), items))
            self.size += len(items)
