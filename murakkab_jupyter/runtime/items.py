"""Which items there are, which are ready, and how each ended: counting, without a barrier.

One item for each ancestry of a step's level. A step that opens a level says how many children each of its
items has, zero included; from then on that group is known, whatever other groups do. What gathers over a
level keeps one tally for each of its own items: what is still to come, what is there, what failed.
Every item and every tally is touched a constant number of times (times the depth of the level).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from murakkab_jupyter.core.ancestry import ROOT, Ancestry, Level, child
from murakkab_jupyter.runtime.messages import Outcome
from murakkab_jupyter.workflow.model import Input, Step, Workflow

__all__ = ["Item", "Ledger", "Node", "State"]


class State(IntEnum):
    """Where an item stands; from `DONE` on it has ended."""

    WAITING = 0
    READY = 1
    RUNNING = 2
    RECORDING = 3
    DONE = 4
    FAILED = 5
    SKIPPED = 6


class Node:
    """One ancestry that exists, with the items that steps have there."""

    __slots__ = ("ancestry", "children", "items", "path", "tallies")

    def __init__(self, ancestry: Ancestry, above: tuple[Node, ...]) -> None:
        self.ancestry = ancestry
        self.path: tuple[Node, ...] = (*above, self)
        self.items: dict[str, Item] = {}
        self.tallies: dict[str, Tally] = {}
        self.children: dict[str, list[Node]] = {}

    @property
    def parent(self) -> Node | None:
        """The node above, None for the root."""
        return self.path[-2] if len(self.path) > 1 else None

    def siblings(self) -> list[Node]:
        """The children of the same parent and opener, itself included."""
        above = self.parent
        return [self] if above is None else above.children[self.ancestry[-1][0]]


class Item:
    """One step at one ancestry.

    `blame` and `cause` of an item that did not end well are the step at the root of it and what it said.
    `present` and `absent` count the values it made (an opener's children; of a collection, the bad ones are absent).
    `tries` counts the calls that died on it, `asides` those whose worker was set aside, `left_out` the failed values that its gathers go without.
    """

    __slots__ = (
        "absent",
        "asides",
        "blame",
        "cause",
        "left_out",
        "node",
        "pending",
        "present",
        "queued",
        "state",
        "step",
        "tries",
        "waiters",
    )

    def __init__(self, step: str, node: Node) -> None:
        self.step = step
        self.node = node
        self.state = State.WAITING
        self.pending = 0
        self.waiters: list[Item] = []
        self.tries = 0
        self.asides = 0
        self.queued = False
        self.blame = ""
        self.cause = ""
        self.present = 0
        self.absent = 0
        self.left_out = 0

    @property
    def ended(self) -> bool:
        """Whether it is done, failed or skipped."""
        return self.state >= State.DONE

    def __repr__(self) -> str:
        return f"Item({self.step}, {self.node.ancestry}, {self.state.name})"


class Tally:
    """What one source has made below one node: complete when nothing is to come."""

    __slots__ = ("absent", "blame", "cause", "first", "node", "present", "to_come", "waiters")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.to_come = 1  # the opener at this node has not said its count yet
        self.present = 0
        self.absent = 0
        self.first: Ancestry | None = None
        self.blame = ""
        self.cause = ""
        self.waiters: list[Item] = []

    def miss(self, at: Ancestry, blame: str, cause: str) -> None:
        """Remember the failure with the smallest ancestry, so that the order of arrival does not matter."""
        if self.first is None or at < self.first:
            self.first, self.blame, self.cause = at, blame, cause


@dataclass(slots=True)
class Needs:
    """One input of a step, compiled: what an item must wait for."""

    source: str
    depth: int
    on: str
    """`value` (exists with the node), `item` (one item above or here), `children` (of an opener here), `tally`."""


@dataclass(slots=True)
class Rule:
    """One step, compiled."""

    name: str
    opens: bool
    needs: list[Needs]


@dataclass(slots=True)
class LevelRules:
    """What happens at each node of one level."""

    rules: list[Rule] = field(default_factory=list)
    tallies: list[str] = field(default_factory=list)
    opened: dict[str, list[str]] = field(default_factory=dict)
    """For each opener at this level, the tallies here that wait for its counts."""


class Ledger:
    """Every item of a run. Changes are collected in `ready` and `ended` until the loop takes them.

    Parameters
    ----------
    workflow
        Bound workflow.
    """

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.ready: list[Item] = []
        self.ended: list[Item] = []
        self.nodes: dict[Ancestry, Node] = {}
        self.level_sizes: dict[Level, int] = {}
        self.counts: dict[str, list[int]] = {}
        """For each step and variable: items done, failed, skipped."""
        self.bad: dict[tuple[str, Ancestry], str] = {}
        self._variables = {variable.name for variable in workflow.variables}
        self._opens = {step.name: step.opens for step in workflow.steps}
        self._opens |= {variable.name: bool(variable.level) for variable in workflow.variables}
        self._early: dict[tuple[str, Ancestry], Outcome] = {}
        self._queue: deque[Item] = deque()
        self._tallied: set[str] = set()
        self._levels: dict[Level, LevelRules] = {(): LevelRules()}
        self._rules: dict[str, Rule] = {}
        self._compile()

    # --- from outside ---------------------------------------------------------------------------------------

    def begin(self, roots: Mapping[str, Sequence[Ancestry]], bad: Mapping[tuple[str, Ancestry], str]) -> None:
        """Make the root and everything that is known of the variables."""
        self.bad = dict(bad)
        root = Node(ROOT, ())
        self.nodes[ROOT] = root
        self.level_sizes[()] = 1
        made: dict[str, list[Ancestry]] = {}
        for variable in self.workflow.variables:
            item = Item(variable.name, root)
            root.items[variable.name] = item
            keys = set(roots.get(variable.name, ()))
            keys |= {key for name, key in bad if name == variable.name}
            item.state = State.DONE
            if variable.level:
                made[variable.name] = sorted(keys)
                lost = [key for key in made[variable.name] if (variable.name, key) in bad]
                item.present, item.absent = len(keys) - len(lost), len(lost)
                if lost:
                    item.blame, item.cause = variable.name, bad[variable.name, lost[0]]
            elif (variable.name, ROOT) in bad:
                item.state = State.FAILED
                item.blame, item.cause = variable.name, bad[variable.name, ROOT]
                self.counts[variable.name][1] += 1
            else:
                item.present = 1
        self._furnish(root)
        for name, keys_made in made.items():
            self._open(root, name, keys_made)
        self._drain()

    def find(self, step: str, ancestry: Ancestry) -> Item | None:
        """An item by step and ancestry, None where there is none (yet)."""
        node = self.nodes.get(ancestry)
        return None if node is None else node.items.get(step)

    def settle(self, item: Item, outcome: Outcome) -> None:
        """End an item as its outcome says, and everything that follows from it. An item ends once: later outcomes are ignored."""
        if item.ended:
            return
        error = outcome.error
        if error is None and self._opens[item.step] and outcome.children is None:
            error = f"{item.step} opens a level, but its agent did not say how many values it made."
        if error is None:
            item.present = (outcome.children or 0) if self._opens[item.step] else 1
            self._end(item, State.DONE)
        else:
            item.blame, item.cause = item.step, error
            self._end(item, State.FAILED)
        self._drain()

    def restore(self, step: str, outcome: Outcome) -> bool:
        """End an item as an earlier run did; one whose parent is not known yet is kept until it is. Whether it counted."""
        if step not in self._opens or step in self._variables:
            return False
        item = self.find(step, outcome.ancestry)
        if item is None:
            self._early[step, outcome.ancestry] = outcome
            return True
        if item.ended:
            return False
        self.settle(item, outcome)
        return True

    def settled(self, name: str) -> int:
        """Items of a step that have ended."""
        return sum(self.counts[name])

    def total(self, step: Step) -> int | None:
        """How many items a step has, None while an opener above has still to say."""
        return self.level_sizes.get(step.at, 0) if self._known(step.at) else None

    # --- compiling ------------------------------------------------------------------------------------------

    def _compile(self) -> None:
        ats: dict[str, Level] = {variable.name: () for variable in self.workflow.variables}
        ats |= {step.name: step.at for step in self.workflow.steps}
        for name in ats:
            self.counts[name] = [0, 0, 0]
        shallowest: dict[str, int] = {}
        for step in self.workflow.steps:
            rules = self._levels.setdefault(step.at, LevelRules())
            needs = [self._needs(step, one, ats) for one in step.inputs]
            rule = self._rules[step.name] = Rule(step.name, step.opens, needs)
            rules.rules.append(rule)
            for need in needs:
                if need.on == "tally":
                    depth = len(step.at)
                    shallowest[need.source] = min(depth, shallowest.get(need.source, depth))
        self._tallied = set(shallowest)
        for source, depth in shallowest.items():
            at = ats[source]
            for size in range(depth, len(at)):
                rules = self._levels.setdefault(at[:size], LevelRules())
                rules.tallies.append(source)
                rules.opened.setdefault(at[size], []).append(source)

    def _needs(self, step: Step, one: Input, ats: Mapping[str, Level]) -> Needs:
        level = self.workflow.level_of(one.source)
        if one.how == "gather":
            own = ats[one.source]
            return Needs(one.source, len(own), "children" if own == step.at else "tally")
        return Needs(one.source, len(level), "value" if self._opens[one.source] else "item")

    # --- counting -------------------------------------------------------------------------------------------

    def _known(self, level: Level) -> bool:
        for size, opener in enumerate(level):
            if opener in self._variables:
                continue  # said at the beginning
            if self.settled(opener) < self.level_sizes.get(level[:size], 0):
                return False
        return True

    def _furnish(self, node: Node) -> None:
        """Give a new node its tallies and items; items whose inputs are there already are judged at once."""
        rules = self._levels.get(tuple(name for name, _ in node.ancestry))
        if rules is None:
            return
        for source in rules.tallies:
            node.tallies[source] = Tally(node)
        for rule in rules.rules:
            item = Item(rule.name, node)
            node.items[rule.name] = item
            for need in rule.needs:
                if need.on == "tally":
                    tally = node.tallies[need.source]
                    tally.waiters.append(item)
                    item.pending += 1
                elif need.on != "value":
                    awaited = node.path[need.depth].items[need.source]
                    if not awaited.ended:
                        awaited.waiters.append(item)
                        item.pending += 1
            early = self._early.pop((rule.name, node.ancestry), None) if self._early else None
            if early is not None and (
                early.error is not None or not rule.opens or early.children is not None
            ):
                if early.error is None:
                    item.present = (early.children or 0) if rule.opens else 1
                    self._end(item, State.DONE)
                else:
                    item.blame, item.cause = item.step, early.error
                    self._end(item, State.FAILED)
            elif not item.pending:
                self._judge(item, rule)

    def _open(self, node: Node, opener: str, keys: Sequence[Ancestry]) -> None:
        """Make the children of one opener at one node, and tell the tallies that wait for their number."""
        nodes = [Node(key, node.path) for key in keys]
        node.children[opener] = nodes
        for one in nodes:
            self.nodes[one.ancestry] = one
        level = (*(name for name, _ in node.ancestry), opener)
        self.level_sizes[level] = self.level_sizes.get(level, 0) + len(nodes)
        for one in nodes:
            self._furnish(one)
        rules = self._levels.get(level[:-1])
        for source in rules.opened.get(opener, ()) if rules else ():
            tally = node.tallies[source]
            tally.to_come += len(nodes) - 1
            if not tally.to_come:
                self._complete(source, tally)

    def _end(self, item: Item, state: State) -> None:
        item.state = state
        self.counts[item.step][state - State.DONE] += 1
        self.ended.append(item)
        self._queue.append(item)

    def _drain(self) -> None:
        queue = self._queue
        while queue:
            item = queue.popleft()
            node, step = item.node, item.step
            done = item.state is State.DONE
            if self._opens[step]:
                if done:
                    self._open(node, step, [child(node.ancestry, step, n) for n in range(item.present)])
                else:
                    self._shut(node, item)
            if step in self._tallied and len(node.path) > 1:
                tally = node.path[-2].tallies.get(step)
                if tally is not None:
                    if done:
                        tally.present += item.present
                    else:
                        tally.absent += 1
                        tally.miss(node.ancestry, item.blame, item.cause)
                    tally.to_come -= 1
                    if not tally.to_come:
                        self._complete(step, tally)
            self._wake(item.waiters)
            item.waiters = []

    def _shut(self, node: Node, item: Item) -> None:
        """An opener failed: nothing exists below, and what gathers over it must know."""
        rules = self._levels.get(tuple(name for name, _ in node.ancestry))
        for source in rules.opened.get(item.step, ()) if rules else ():
            tally = node.tallies[source]
            tally.absent += 1
            tally.miss(node.ancestry, item.blame, item.cause)
            tally.to_come -= 1
            if not tally.to_come:
                self._complete(source, tally)

    def _complete(self, source: str, tally: Tally) -> None:
        while True:
            self._wake(tally.waiters)
            tally.waiters = []
            above = tally.node.parent
            up = above.tallies.get(source) if above is not None else None
            if up is None:
                return
            up.present += tally.present
            up.absent += tally.absent
            if tally.first is not None:
                up.miss(tally.first, tally.blame, tally.cause)
            up.to_come -= 1
            if up.to_come:
                return
            tally = up

    def _wake(self, waiters: list[Item]) -> None:
        for item in waiters:
            item.pending -= 1
            if not item.pending and item.state is State.WAITING:
                self._judge(item, self._rules[item.step])

    def _judge(self, item: Item, rule: Rule) -> None:
        """All inputs have ended: the item is ready, or skipped with the first input that failed to blame."""
        node = item.node
        blame: tuple[str, str] | None = None
        for need in rule.needs:
            if need.on == "value":
                key = (need.source, node.path[need.depth].ancestry)
                if self.bad and key in self.bad:
                    blame = (need.source, self.bad[key])
            elif need.on == "tally":
                tally = node.tallies[need.source]
                item.left_out += tally.absent
                if tally.absent and not tally.present:
                    blame = (tally.blame, tally.cause)
            else:
                source = node.path[need.depth].items[need.source]
                if source.state is not State.DONE:
                    blame = (source.blame, source.cause)
                elif need.on == "children":
                    item.left_out += source.absent
                    if source.absent and not source.present:
                        blame = (source.blame, source.cause)
            if blame is not None:
                item.blame, item.cause = blame
                self._end(item, State.SKIPPED)
                return
        item.state = State.READY
        self.ready.append(item)
