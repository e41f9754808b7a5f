"""The richer problem's least times and amounts: no way to put the items into calls, and calls onto instances, is quicker."""

import itertools
import math
import random

import pytest

from murakkab_jupyter.planner.proofs.rich import Amount, CallCost, Host, RichMode

COST = CallCost(0.3, 0.2, 0.1)


def mode(works, *, instances=1, batch=1, siblings=False, families=(), cost=COST, **more):
    return RichMode(
        cost, cost, CallCost(), instances=instances, batch=batch, siblings=siblings,
        amount=Amount(tuple(works), tuple(families)), **more,
    )  # fmt: skip


def partitions(items, most):
    """Every way to put items into calls of at most `most`."""
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for size in range(min(most, len(items))):
        for others in itertools.combinations(range(len(rest)), size):
            call = [first, *(rest[n] for n in others)]
            left = [one for n, one in enumerate(rest) if n not in others]
            for more in partitions(left, most):
                yield [call, *more]


def quickest(one, count):
    """The least time to `count` items over every choice of items, calls and instances."""
    best = math.inf
    for chosen in itertools.combinations(one.amount.works, count):
        for calls in partitions(list(chosen), one.batch):
            spans = [one.seconds.at(len(call), sum(call)) for call in calls]
            for where in itertools.product(range(one.instances), repeat=len(spans)):
                busy = [0.0] * one.instances
                for span, at in zip(spans, where, strict=True):
                    busy[at] += span
                best = min(best, max(busy) + one.load_s)
    return best


@pytest.mark.parametrize("seed", range(25))
def test_no_schedule_of_calls_is_quicker_than_the_least_time(seed):
    dice = random.Random(seed)
    works = [dice.choice((0.5, 1.0, 4.0, 9.0)) for _ in range(dice.randint(1, 4))]
    one = mode(works, instances=dice.randint(1, 3), batch=dice.randint(1, 3), load_s=dice.choice((0.0, 0.7)))
    for count in range(1, len(works) + 1):
        assert one.elapsed(count) <= quickest(one, count) + 1e-9


@pytest.mark.parametrize("seed", range(40))
def test_items_without_work_are_no_dearer_than_in_any_schedule(seed):
    dice = random.Random(seed)
    works = [dice.choice((0.0, 0.0, 1.0, 9.0)) for _ in range(dice.randint(1, 5))]
    idle = (dice.choice((0.0, 0.1, 0.4)), dice.choice((0.01, 0.3)))
    one = mode(
        works, instances=dice.randint(1, 2), batch=dice.randint(1, 3), cost=CallCost(0.3, 0.2, 0.1, idle)
    )
    for count in range(1, len(works) + 1):
        assert one.elapsed(count) <= quickest(one, count) + 1e-9
    ways = list(partitions(list(one.amount.works), one.batch))
    spent = min(sum(one.seconds.at(len(call), sum(call)) for call in calls) for calls in ways)
    assert one.total(one.seconds) <= spent + 1e-9
    busy = [work for work in works if work]
    assert one.total(one.seconds) >= 0.2 * len(busy) + 0.1 * sum(busy), "work is not forgotten beside silence"


def test_one_instance_takes_exactly_its_calls():
    one = mode([1.0, 2.0, 3.0], batch=2, load_s=1.0)
    assert one.wall_s == pytest.approx(1.0 + 2 * 0.3 + 3 * 0.2 + 6 * 0.1)
    assert one.calls == 2


def test_a_warm_instance_does_not_load():
    assert mode([1.0], load_s=5.0).wall_s == pytest.approx(5.6)
    assert mode([1.0], load_s=5.0, warm=1).wall_s == pytest.approx(0.6)


def test_siblings_are_one_call_a_parent():
    one = mode([1.0] * 5, siblings=True, families=[(2, 2.0), (3, 3.0)], instances=2)
    assert one.calls == 2
    assert one.wall_s == pytest.approx(0.3 + 3 * 0.2 + 3 * 0.1)
    assert one.one_call() == pytest.approx(0.3 + 2 * 0.2 + 2 * 0.1)
    assert one.elapsed(3) == pytest.approx(one.seconds.at(2, 2.0)), "the first three may lie in either call"


def test_no_items_are_no_time():
    one = mode([], load_s=3.0)
    assert one.wall_s == 0.0
    assert one.core_s(Host(4)) == 0.0


def test_crowded_calls_take_more_of_the_cores():
    one = mode([1.0, 1.0], cores=2)
    assert one.core_s(Host(4)) == pytest.approx(2 * (2 * 0.3 + 2 * 0.2 + 2 * 0.1))
    assert one.core_s(Host(4, crowding={2: 1.25})) == pytest.approx(1.25 * one.core_s(Host(4)))


def test_less_of_two_amounts_is_no_more_than_either():
    one, other = Amount((3.0, 1.0, 2.0), ((3, 6.0),)), Amount((5.0, 0.5), ((1, 5.0), (1, 0.5)))
    least = one.or_less(other)
    assert least.works == (0.5, 2.0)
    for count in range(3):
        assert least.least(count) <= min(one.least(count), other.least(count))
    assert len(least.families) == 1
