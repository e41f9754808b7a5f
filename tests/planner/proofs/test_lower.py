"""Lowering: what the activities of the exact problem stand for."""

import itertools
from dataclasses import replace

import pytest

from murakkab_jupyter.core.errors import InfeasibleError
from murakkab_jupyter.planner.problem import solve
from murakkab_jupyter.planner.proofs.lower import (
    ENERGY,
    LOGLOSS,
    REST,
    SECONDS,
    Window,
    candidate,
    relaxation,
    serial,
)
from murakkab_jupyter.planner.proofs.rich import (
    Amount,
    CallCost,
    Flow,
    Host,
    Limits,
    RichMode,
    RichProblem,
    RichStep,
)

HOST = Host(2, idle_w=3.0)


def mode(seconds, *, items=2, batch=1, joules=0.0, quality=1.0, cores=1, instances=1):
    """So many seconds an item."""
    cost = CallCost(0.0, seconds)
    return RichMode(
        cost, cost, CallCost(), CallCost(0.0, joules), cores=cores, instances=instances, batch=batch,
        quality=quality, amount=Amount((1.0,) * items, ((items, float(items)),)),
    )  # fmt: skip


FREE = Limits()


def rich(*steps, limits=FREE, hosts=(HOST,), engines=None):
    return RichProblem(steps, hosts, limits=limits, engines=engines or {})


def least(problem, what=SECONDS):
    return solve(problem, (what,), 5.0).totals[what]


def windows(*edges, host=HOST):
    return [Window(a, b, host) for a, b in zip(edges, [*edges[1:], None], strict=True)]


FINE = windows(*(0.5 * n for n in range(40)))


def test_streaming_overlaps_but_for_a_first_and_a_last_call():
    a = RichStep("a", [mode(1.0, items=4)])
    b = RichStep("b", [mode(1.0, items=4)], [Flow("a")])
    problem = relaxation(rich(a, b), FINE)
    lag = next(one for one in problem.activities if one.name == "1 of a")
    tail = next(one for one in problem.activities if one.name == "tail b")
    assert (lag.modes[0].duration_s, tail.modes[0].duration_s) == pytest.approx((1.0, 1.0))
    assert least(problem) == pytest.approx(4.5), "the window before 5.0, which is when it ends"


def test_a_gather_of_everything_waits_for_the_end():
    a = RichStep("a", [mode(1.0, items=4)])
    b = RichStep("b", [mode(2.0, items=1)], [Flow("a", 4, whole=True)])
    assert least(relaxation(rich(a, b), FINE)) == pytest.approx(5.5)


def test_a_slow_source_holds_back_the_end_by_one_call():
    a = RichStep("a", [mode(2.0, items=4)])
    b = RichStep("b", [mode(0.5, items=4)], [Flow("a")])
    assert least(relaxation(rich(a, b), FINE)) == pytest.approx(8.0)


def test_a_release_delays_the_start():
    late = RichStep("a", [mode(1.0, items=2)], release_s=3.0)
    assert least(relaxation(rich(late), FINE)) == pytest.approx(4.5)


def test_a_shared_server_does_only_so_much_at_once():
    served = [
        RichStep(
            name,
            [
                RichMode(
                    CallCost(0.0, 1.0), CallCost(0.0, 1.0), CallCost(), cores=0, instances=4, engine="vllm",
                    amount=Amount((1.0,) * 4),
                )
            ],
        )
        for name in "ab"
    ]  # fmt: skip
    assert least(relaxation(rich(*served, engines={"vllm": 4}), FINE)) == pytest.approx(1.5)
    assert least(relaxation(rich(*served, engines={"vllm": 1}), FINE)) == pytest.approx(7.5)


def test_a_window_costs_the_idle_of_its_earlier_edge():
    a = RichStep("a", [mode(1.0, items=2, joules=1.0)])
    problem = relaxation(rich(a), windows(0.0, 2.0, 4.0))
    rest = next(one for one in problem.activities if one.name == REST)
    assert [one.consumes.get(ENERGY, 0.0) for one in rest.modes] == pytest.approx([0.0, 6.0, 12.0])
    assert least(problem, ENERGY) == pytest.approx(2.0)
    assert least(relaxation(rich(a), windows(1.9, 2.5)), ENERGY) == pytest.approx(2.0 + 3.0 * 1.9)


def test_floors_are_sums_of_logarithms():
    a = RichStep("a", [mode(1.0, quality=0.5), mode(3.0, quality=0.95)])
    problem = relaxation(rich(a, limits=Limits(quality=0.9)), FINE)
    assert solve(problem, (SECONDS,), 5.0).mode["a"] == 1
    assert least(problem, LOGLOSS) == pytest.approx(0.0512, abs=1e-3)


def test_steps_that_nothing_runs_beside():
    first = RichStep("first", [mode(1.0, items=1)])
    left = RichStep("left", [mode(1.0, items=3)], [Flow("first", 1, whole=True)])
    right = RichStep("right", [mode(1.0, items=3)], [Flow("first", 1, whole=True)])
    last = RichStep("last", [mode(1.0, items=1)], [Flow("left", 3, whole=True), Flow("right", 3, whole=True)])
    assert serial(rich(first, left, right, last)) == {"first", "last"}
    streaming = RichStep("left", [mode(1.0, items=3)], [Flow("first", 1)])
    assert serial(rich(first, streaming)) == set()


def test_a_step_alone_takes_all_cores():
    """One core of two for 4 s, and then two steps of 2 core-seconds: 4 + 2, not 4 + 2 spread under the first."""
    first = RichStep("first", [mode(4.0, items=1)])
    rest = [RichStep(n, [mode(1.0, items=2)], [Flow("first", 1, whole=True)]) for n in ("left", "right")]
    assert least(relaxation(rich(first, *rest), FINE)) == pytest.approx(5.5)


def served(seconds, *, gpus=1, start_s=0.0, joules=1.0):
    return replace(mode(seconds, items=1, cores=0, joules=joules), gpus=gpus, start_s=start_s)


def test_whoever_uses_gpus_pays_for_those_that_are_held():
    """Ten joules on cores, or one on two GPUs whose idle watts come on top: what is held goes with the mode."""
    step = RichStep("a", [mode(4.0, items=1, joules=10.0), served(4.0, gpus=2)])
    none, two = Host(2, idle_w=1.0), Host(2, idle_w=5.0, gpus=2)
    edges = windows(4.0, host=none) + windows(4.0, host=two)
    solution = solve(relaxation(rich(step), edges), (ENERGY,), 5.0)
    assert (solution.mode["a"], solution.totals[ENERGY]) == (0, pytest.approx(14.0))
    cheap = windows(4.0, host=none) + windows(4.0, host=replace(two, idle_w=2.0))
    solution = solve(relaxation(rich(step), cheap), (ENERGY,), 5.0)
    assert (solution.mode["a"], solution.totals[ENERGY]) == (1, pytest.approx(9.0))
    pinned = RichStep("a", [served(4.0, gpus=2)])
    with pytest.raises(InfeasibleError):
        solve(relaxation(rich(pinned), windows(4.0, host=none)), (ENERGY,), 5.0)


def test_two_engines_hold_their_gpus_together_and_one_holds_its_own():
    """Four models: whichever two steps call, two of them burn for two, and one that both call for one."""
    models = [f"m{n}" for n in range(4)]
    for left, right in itertools.product(models, repeat=2):
        steps = [
            RichStep(name, [replace(served(4.0), engine=engine)])
            for name, engine in (("a", left), ("b", right))
        ]
        # The other models can be called too, by a step that has no other choice of what it costs.
        steps.append(RichStep("c", [replace(served(1.0, joules=9.0), engine=one, gpus=0) for one in models]))
        edges = [
            *windows(4.0, host=Host(2, idle_w=1.0, gpus=1)),
            *windows(4.0, host=Host(2, idle_w=2.0, gpus=2)),
        ]
        found = least(relaxation(rich(*steps), edges), ENERGY)
        assert found == pytest.approx(2.0 + 9.0 + 4.0 * (1 if left == right else 2)), (left, right)


def test_a_server_that_is_still_to_be_started_answers_no_sooner():
    first = RichStep("first", [mode(1.0, items=1)])
    later = RichStep("later", [mode(9.0, items=1), served(2.0, start_s=5.0)], [Flow("first", 1, whole=True)])
    host = Host(2, gpus=1)
    problem = relaxation(rich(first, later), windows(*(0.5 * n for n in range(40)), host=host))
    solution = solve(problem, (SECONDS,), 5.0)
    assert (solution.mode["later"], solution.totals[SECONDS]) == (1, pytest.approx(6.5))
    slow = RichStep("later", [mode(9.0, items=1), served(2.0, start_s=9.0)], [Flow("first", 1, whole=True)])
    problem = relaxation(rich(first, slow), windows(*(0.5 * n for n in range(40)), host=host))
    solution = solve(problem, (SECONDS,), 5.0)
    assert (solution.mode["later"], solution.totals[SECONDS]) == (0, pytest.approx(9.5))


def test_a_shared_server_does_nothing_before_it_answers():
    steps = [RichStep(name, [replace(served(2.0), engine="vllm")]) for name in "ab"]
    problem = replace(
        rich(*steps, hosts=(Host(2, gpus=1),), engines={"vllm": 1}), engine_start_s={"vllm": 3.0}
    )
    edges = windows(*(0.5 * n for n in range(40)), host=Host(2, gpus=1))
    assert least(relaxation(problem, edges)) == pytest.approx(6.5)


def test_a_candidate_holds_its_cores():
    both = [RichStep(name, [mode(1.0, items=2, cores=2)]) for name in "ab"]
    solution = solve(candidate(rich(*both), FINE), (SECONDS,), 5.0)
    starts = sorted(solution.start_s[name] for name in "ab")
    assert starts[1] >= starts[0] + 2.0 - 1e-6
