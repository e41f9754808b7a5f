"""The view of a frontier: what differs, what it covers, what is better, and the marks of its axes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from murakkab_jupyter.notebook.views.frontier import frontier_sheet, frontier_view, ticks
from murakkab_jupyter.planner.coverage import Coverage, Frontier
from murakkab_jupyter.planner.plan import Configuration, Reservation
from murakkab_jupyter.planner.standing import Standing
from tests.notebook import samples
from tests.notebook.pages import words_of


def test_where_the_figures_of_a_frontier_come_from_is_printed():
    plans = [samples.plan(), samples.plan()]
    told = words_of(frontier_view(plans)).split("Where the figures come from", 1)[1]
    for note in {note for point in frontier_sheet(plans)["points"] for note in point["notes"].values()}:
        assert f"{note} :" in told


def test_the_static_frontier_has_every_number_of_the_live_one():
    one = samples.plan()
    name, step = next(iter(one.steps.items()))
    other = replace(step, configuration=Configuration("another", (("size", 3),), "cpu", 2, 0, 1, 4))
    two = replace(one, steps={**one.steps, name: other}, standing=Standing(("fastest",), ("3 J (7 %)",)))
    plans = [one, two]
    sheet = frontier_sheet(plans, chosen=two)
    shown = frontier_view(plans, chosen=two)
    for words in (words_of(shown), " ".join(shown.text.split())):
        for point in sheet["points"]:
            said = [
                *point["texts"].values(),
                *(part for pair in point["choices"] for part in pair),
                point["gives"],
            ]
            assert [part for part in said if part not in words] == []
        assert "2 (chosen)" in words
        assert [part for part in (sheet["same"], sheet["coverage"], sheet["note"]) if part not in words] == []


def test_a_frontier_shows_only_what_differs():
    one = samples.plan()
    name, step = next(iter(one.steps.items()))
    other = Configuration("another-agent", (), step.configuration.device, 2, 1, batch=1)
    two = replace(one, steps={**one.steps, name: replace(step, configuration=other)})
    shown = frontier_view([one, two], chosen=one)
    head = shown.text.splitlines()[1]
    assert name in head
    assert all(same not in head.split() for same in list(one.steps)[1:])
    assert "another-agent" in shown.text
    assert "The same in every plan" in shown.text
    assert "1 (chosen)" in shown.text


def test_a_frontier_shows_what_it_covers_and_what_to_know_of_all_its_plans():
    one = samples.plan()
    coverage = Coverage(2340, 90, 700, ("energy", "latency"), (0.9, 0.0), points=2, shown=2)
    found = Frontier((one, one), coverage, ("Planned for 64 cores; this host has 2.",))
    shown = frontier_view(found, chosen=one)
    for words in (words_of(shown), " ".join(shown.text.split())):
        assert "90 of 2,340 plans of the modes considered were simulated" in words
        assert words.count("Planned for 64 cores") == 1
    assert "Coverage" not in frontier_view([one, one]).text


def test_a_frontier_says_which_of_its_plans_serves_the_goal_better_than_the_chosen_one():
    one = samples.plan()
    first = one.goal.objectives[0]
    assert first != "quality"

    def with_figures(plan, **values):
        told = {key: replace(plan.predicted[key], value=value) for key, value in values.items()}
        return replace(plan, predicted={**plan.predicted, **told})

    chosen = with_figures(one, **{first: 20.0, "quality": 0.8})
    better = with_figures(one, **{first: 15.0, "quality": 0.8})
    worse = with_figures(one, **{first: 12.0, "quality": 0.7})
    coverage = Coverage(9, 9, 0, (), (), points=2, shown=2)
    found = Frontier((worse, better), coverage)
    assert found.outdoes(chosen) == (2, first, 15.0, 20.0)
    assert "Plan 2 serves the goal better than the chosen one" in frontier_view(found, chosen=chosen).text
    limited = replace(chosen, goal=replace(one.goal, deadline_s=60.0))
    late = with_figures(better, latency=2 * one.predicted["latency"].value)
    for plans, plan in (((worse,), chosen), ((late,), limited), ((better,), replace(chosen, taken="plan 1"))):
        assert Frontier(plans, coverage).outdoes(plan) is None
        assert "serves the goal better" not in frontier_view(Frontier(plans, coverage), chosen=plan).text


def test_a_frontier_tells_a_step_s_options_from_its_place_and_batch():
    one = samples.plan()
    name, step = next(iter(one.steps.items()))
    how = [
        Configuration("see", (("size", 320),), "cpu", 1, 0, instances=2, batch=4),
        Configuration("see", (("size", 320),), "cpu", 1, 0, instances=2, batch=16),
        Configuration("see", (("size", 640),), "cpu", 2, 0, instances=1, batch=4),
        Configuration("see", (("size", 640),), "gpu", 1, 1, instances=1, batch=4),
    ]

    def plans(configurations):
        return [
            replace(one, steps={**one.steps, name: replace(step, configuration=c)}) for c in configurations
        ]

    def chosen(configurations):
        return [point["choices"][0] for point in frontier_sheet(plans(configurations))["points"]]

    assert chosen(how[:3]) == [
        ["size=320 on 2 × 1 core, batch 4", ""],
        ["size=320 on 2 × 1 core, batch 16", ""],
        ["size=640 on 1 × 2 cores", ""],
    ]
    assert chosen(how[:2]) == [["batch 4", ""], ["batch 16", ""]]
    assert chosen(how[2:]) == [["on cpu, 1 × 2 cores", ""], ["on gpu, 1 × 1 core + 1 GPU", ""]]
    other = replace(how[0], agent="look")
    assert chosen([how[0], other, how[2]]) == [
        ["see", "size=320 on 2 × 1 core"],
        ["look", "on 2 × 1 core"],
        ["see", "size=640 on 1 × 2 cores"],
    ]
    shown = frontier_view(plans(how[:3]))
    assert "size=320 on 2 × 1 core, batch 4" in shown.text.splitlines()[3]
    assert f"the agent of {name} (see)" in shown.text


def test_marks_of_an_axis_have_words_of_their_own():
    for low, high, unit in ((1.2e-7, 1.45e-7, "USD"), (0.558, 0.603, "1"), (2.0, 2.0, "s"), (0, 1e4, "J")):
        found = ticks(low, high, unit)
        words = [word for _, word in found["ticks"]]
        assert words
        assert len(set(words)) == len(words)
        assert all(found["low"] <= mark <= found["high"] for mark, _ in found["ticks"])


@pytest.mark.parametrize(
    ("cores", "hosts", "gpus", "said"),
    [
        (1, {"a": 2}, {}, "1 of 2 cores"),
        (1, {"a": 1}, {}, "1 of 1 core"),
        (2, {"a": 4, "b": 4}, {}, "2 of 4 cores a host"),
        (3, {"a": 2, "b": 8}, {}, "at most 3 cores a host"),
        (2, {"a": 4}, {"a": 1}, "2 of 4 cores, 1 GPU"),
    ],
)
def test_a_frontier_says_what_its_plans_reserve_where_that_differs(cores, hosts, gpus, said):
    one = samples.plan()
    two = replace(one, reserves=Reservation(cores, hosts, gpus=gpus, gpus_of=gpus))
    sheet = frontier_sheet([replace(one, reserves=None), two])
    assert sheet["changing"] == ["Reserves"]
    assert [point["choices"] for point in sheet["points"]] == [[["whole hosts", ""]], [[said, ""]]]
