"""News of workers: everybody who follows a cluster gets all of it."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

from murakkab_jupyter.cluster.roll import RollCall
from murakkab_jupyter.core.hosts import WorkerView


class Pretended:
    """A cluster whose workers are set here."""

    def __init__(self, *names: str) -> None:
        self.there = list(names)
        self.pids = itertools.count(1)
        self.probes: dict[str, Any] = {}
        self.refused: dict[str, str] = {}
        self.aside: set[str] = set()
        self.waited: set[str] = set()
        self.answering: dict[str, int] = {}
        self.roll()

    def roll(self) -> None:
        self.answering = {name: self.answering.get(name) or next(self.pids) for name in self.there}
        self.probes = {
            name: self.probes.get(name) or SimpleNamespace(name=name, pid=pid)
            for name, pid in self.answering.items()
            if name not in self.refused and name not in self.aside
        }

    def view_of(self, found: Any) -> WorkerView:
        return WorkerView(found.name, f"host of {found.name}", 1, 0)


def news(calls: RollCall) -> tuple[list[str], list[str]]:
    said = calls.roll()
    return [one.name for one in said.joined], list(said.lost)


def test_what_changed_is_said_once_to_each_whoever_looked_before():
    cluster = Pretended("a", "b")
    first, second = RollCall(cluster, ["a", "b"]), RollCall(cluster, ["a", "b"])
    assert news(first) == ([], [])
    cluster.there = ["b", "c"]
    cluster.roll()  # a plan looks, or an engine is placed
    assert news(first) == (["c"], ["a"])
    assert news(first) == ([], [])
    assert news(second) == (["c"], ["a"])


def test_a_worker_that_was_gone_and_came_back_between_two_looks_is_lost_and_joins():
    cluster = Pretended("a")
    calls = RollCall(cluster, ["a"])
    cluster.there = []
    cluster.roll()
    cluster.there = ["a"]
    cluster.roll()
    assert news(calls) == (["a"], ["a"])
    assert news(calls) == ([], [])


def test_who_was_counted_on_and_is_gone_before_the_first_look_is_lost():
    assert news(RollCall(Pretended("a"), ["a", "gone"])) == ([], ["gone"])


def test_who_is_not_used_is_said_once_and_again_when_it_comes_back():
    cluster = Pretended("a", "old")
    calls = RollCall(cluster, ["a"])
    cluster.refused = {"old": "It is old."}
    assert calls.roll().refused == ("It is old.",)
    assert calls.roll().refused == ()
    cluster.refused = {}
    cluster.there = ["a"]
    assert calls.roll().refused == ()
    cluster.refused = {"old": "It is old."}
    assert calls.roll().refused == ("It is old.",)


def test_who_is_silent_is_aside_until_it_answers_whoever_looked_meanwhile():
    cluster = Pretended("a", "b")
    calls, slow = RollCall(cluster, ["a", "b"]), RollCall(cluster, ["a", "b"])
    cluster.aside = {"a"}
    said = calls.roll()
    assert (said.aside, said.lost) == (("a",), ())
    assert calls.roll().aside == ()
    cluster.aside = set()
    assert news(calls) == (["a"], [])
    said = slow.roll()  # it saw nothing of that, but its calls there were given up by whoever did
    assert (said.aside, said.lost, [one.name for one in said.joined]) == (("a",), (), ["a"])


def test_who_is_lost_while_it_is_aside_is_lost():
    cluster = Pretended("a", "b")
    calls = RollCall(cluster, ["a", "b"])
    cluster.aside = {"a"}
    assert calls.roll().aside == ("a",)
    cluster.aside, cluster.there = set(), ["b"]
    assert news(calls) == ([], ["a"])
    assert news(calls) == ([], [])


def test_the_only_worker_is_waited_for_and_that_is_said_once_each_time():
    cluster = Pretended("a")
    calls = RollCall(cluster, ["a"])
    cluster.waited = {"a"}
    assert calls.roll().silent == ("a",)
    assert calls.roll().silent == ()
    cluster.waited = set()
    assert calls.roll().silent == ()
    cluster.waited = {"a"}
    assert calls.roll().silent == ("a",)
