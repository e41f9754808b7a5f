from __future__ import annotations

from murakkab_jupyter.core.ancestry import ROOT
from murakkab_jupyter.runtime.batching import Group, ReadyQueue, halves
from murakkab_jupyter.runtime.items import Item, Node, State


def items(parent: int, number: int) -> list[Item]:
    """Ready items below one parent."""
    root = Node(ROOT, ())
    above = Node((("v", parent),), root.path)
    root.children["v"] = [above]
    nodes = [Node((*above.ancestry, ("s", n)), above.path) for n in range(number)]
    above.children["s"] = nodes
    made = [Item("a", node) for node in nodes]
    for item in made:
        item.state = State.READY
    return made


def test_the_oldest_ancestry_goes_first_however_items_arrive():
    queue = ReadyQueue()
    first, second = items(0, 3), items(1, 2)
    for item in [second[1], first[2], second[0], first[0], first[1]]:
        queue.add(item)
    assert queue.full(5)
    assert not queue.full(6)
    assert queue.take(4).items == [*first, second[0]]
    assert queue.size == 1


def test_what_ended_elsewhere_is_passed_over():
    queue = ReadyQueue()
    all_items = items(0, 3)
    for item in all_items:
        queue.add(item)
    all_items[1].state = State.DONE
    queue.forget(all_items[1])
    assert queue.size == 2
    assert queue.take(5).items == [all_items[0], all_items[2]]
    assert not queue
    assert queue.take(5).items == []


def test_a_family_is_offered_when_each_of_its_items_is_ready_or_gone():
    queue = ReadyQueue(siblings=True)
    family = items(0, 3)
    queue.add(family[2])
    queue.add(family[0])
    assert not queue
    queue.gone(family[1])
    assert queue.full(1)
    assert queue.take(1).items == [family[0], family[2]]
    assert queue.take(1).items == []


def test_a_long_family_goes_in_parts_of_neighbours_of_about_the_same_size():
    queue = ReadyQueue(siblings=True, part=4)
    family, short = items(0, 9), items(1, 4)
    for item in [*short, *reversed(family)]:
        queue.add(item)
    assert queue.size == 13
    taken = [queue.take(1).items for _ in range(4)]
    assert taken == [family[:3], family[3:6], family[6:], short]
    assert not queue


def test_parts_of_a_family_are_the_same_whatever_of_it_has_ended_and_each_comes_when_it_is_whole():
    queue = ReadyQueue(siblings=True, part=4)
    family = items(0, 9)
    for item in (family[1], family[4], family[5]):
        queue.gone(item)
    queue.add(family[3])
    assert queue.take(1).items == [family[3]]
    queue.add(family[0])
    assert not queue
    family[0].state = State.DONE
    queue.forget(family[0])
    queue.add(family[2])
    assert queue.take(1).items == [family[2]]
    for item in family[6:]:
        queue.add(item)
    family[7].state = State.DONE
    queue.forget(family[7])
    assert queue.size == 2
    assert queue.take(1).items == [family[6], family[8]]


def test_a_family_of_which_nothing_is_left_offers_nothing():
    queue = ReadyQueue(siblings=True)
    family = items(0, 2)
    queue.gone(family[0])
    queue.gone(family[1])
    assert not queue


def test_a_ready_sibling_that_ended_elsewhere_leaves_its_family_before_and_after_it_is_complete():
    queue = ReadyQueue(siblings=True)
    family = items(0, 3)
    queue.add(family[0])
    family[0].state = State.DONE
    queue.forget(family[0])
    queue.add(family[1])
    queue.add(family[2])
    assert queue.size == 2
    family[1].state = State.DONE
    queue.forget(family[1])
    assert queue.take(1).items == [family[2]]
    assert queue.size == 0


def test_what_is_tried_again_comes_first_and_says_whom_to_avoid():
    queue = ReadyQueue()
    again, fresh = items(0, 2), items(1, 1)
    queue.add(fresh[0])
    queue.again([Group(again, "w0")])
    assert queue.full(5)
    assert queue.peek_avoid() == "w0"
    assert queue.take(5) == Group(again, "w0")
    assert queue.peek_avoid() is None


def test_halves_hold_every_item_once():
    five = items(0, 5)
    assert [group.items for group in halves(five)] == [five[:3], five[3:]]
    assert [group.items for group in halves(five[:2], "w")] == [[five[0]], [five[1]]]
