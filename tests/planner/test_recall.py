"""Plans that are known: what one search has found is not missed by the next one."""

from dataclasses import replace

import pytest

from murakkab_jupyter.core.errors import InfeasibleError
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.planner.frontier import frontier
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.planner.recall import MOST_PLANS, MOST_TRIED, MOST_WORKFLOWS, Recall, picks_of
from murakkab_jupyter.planner.solve import make_plan, plan_of, prepare
from murakkab_jupyter.planner.told.explain import explain
from murakkab_jupyter.session import Session
from murakkab_jupyter.workflow.goal import Goal
from tests.planner.test_solve import VIDEO, video_world

ENERGY = Goal(("energy",), 0.0)
FEW = 8
"""Simulations that a search may ask for: it sees little of this world."""


class Hidden:
    """A world in which all plans but one take four times as much as by its figures: no estimate says which one does not."""

    def __init__(self) -> None:
        self.world = video_world()
        self.asked: list[object] = []
        make_plan(
            self.world.workflow, ENERGY, **{**self.world.arguments(), "evaluate": self.noted(1.0)}, effort=FEW
        )
        seen = {one for one, _ in self.asked}
        problem = prepare(self.world.workflow, **self.world.arguments())
        search = problem.search
        best = search.best(ENERGY)
        # Three steps away from the best one.
        picks = best
        for place in range(3):
            near = [search.swapped(picks, place, other) for other in range(search.sizes[place])]
            picks = min(
                (one for one in near if one[place] != picks[place] and key_of(search, one) not in seen),
                key=lambda one: search.key(one, ENERGY),
            )
        assert search.value(picks, "energy") < 2 * search.value(best, "energy")
        self.secret = key_of(search, picks)
        self.plan = plan_of(problem, picks, ENERGY)

    def noted(self, factor):
        def evaluate(configurations, reserve):
            key = (tuple(configurations.items()), reserve)
            self.asked.append((key, factor))
            found = self.world.evaluate(configurations, reserve)
            if factor == 1.0 or key == self.secret:
                return found
            return replace(found, totals={name: times(one, factor) for name, one in found.totals.items()})

        return evaluate

    def arguments(self):
        return {**self.world.arguments(), "evaluate": self.noted(4.0), "effort": FEW}

    def made(self, goal: Goal = ENERGY, *known: Plan) -> Plan:
        return make_plan(self.world.workflow, goal, **self.arguments(), known=known)


def key_of(search, picks):
    return tuple(search.configurations(picks).items()), search.reserved(picks)


def times(figure, factor):
    return Figure(figure.value * factor, figure.unit)


def what(plan):
    return {name: step.configuration for name, step in plan.steps.items()}, plan.reserves.share


@pytest.fixture(scope="module")
def hidden() -> Hidden:
    return Hidden()


def energy(plan):
    return plan.predicted["energy"].value


def test_a_known_plan_that_serves_the_goal_better_is_taken_and_explained(hidden):
    alone = hidden.made()
    assert energy(alone) > energy(hidden.plan) * 1.01
    told = hidden.made(ENERGY, alone, hidden.plan)
    assert what(told) == what(hidden.plan)
    assert energy(told) == pytest.approx(energy(hidden.plan))
    # What is said of it is said of this plan: it is no worse than the bound, and no runner-up is called better.
    assert told.bound is not None
    assert told.bound <= energy(told) * (1 + 1e-6)
    assert all(
        " less energy, but" not in step.runner_up.reason for step in told.steps.values() if step.runner_up
    )
    assert explain(told)


def test_the_same_question_has_the_same_answer_when_its_own_plan_is_known(hidden):
    alone = hidden.made()
    assert hidden.made(ENERGY, alone) == alone
    told = hidden.made(ENERGY, alone, hidden.plan)
    assert hidden.made(ENERGY, alone, hidden.plan, told) == told


def test_known_plans_are_judged_by_figures_of_now(hidden):
    alone = hidden.made()
    search = prepare(hidden.world.workflow, **hidden.arguments()).search
    # They promise ten times less than they take.
    others = [one for one in search.neighbours(picks_of(search, alone)) if not search.crowded(one)]
    problem = prepare(hidden.world.workflow, **hidden.arguments())
    stale = []
    for picks in others[: 3 * MOST_TRIED]:
        plan = plan_of(problem, picks, ENERGY)
        stale.append(
            replace(plan, predicted={**plan.predicted, "energy": times(plan.predicted["energy"], 0.1)})
        )
    before = len(hidden.asked)
    hidden.made(ENERGY)
    usual = len(hidden.asked) - before
    told = hidden.made(ENERGY, *stale)
    assert energy(told) <= energy(alone)
    assert len(hidden.asked) - before - 2 * usual <= MOST_TRIED


def test_a_known_plan_that_keeps_a_limit_keeps_a_goal_feasible(hidden):
    limit = energy(hidden.plan) * 1.02
    tight = Goal(("latency",), 0.0, max_energy_j=limit, confidence=0.5)
    with pytest.raises(InfeasibleError):
        hidden.made(tight)
    assert what(hidden.made(tight, hidden.plan)) == what(hidden.plan)


def test_a_frontier_shows_no_point_that_a_known_plan_beats(hidden):
    goal = Goal(("energy",), 0.0)
    without = frontier(hidden.world.workflow, goal, **hidden.arguments())
    assert min(map(energy, without)) > energy(hidden.plan) * 1.01
    told = frontier(hidden.world.workflow, goal, **hidden.arguments(), known=[hidden.plan])
    assert any(what(one) == what(hidden.plan) for one in told)
    assert told.outdoes(replace(hidden.plan, goal=goal)) is None


def test_a_frontier_that_knows_its_own_points_is_the_same_again(hidden):
    found = frontier(hidden.world.workflow, ENERGY, **hidden.arguments())
    assert frontier(hidden.world.workflow, ENERGY, **hidden.arguments(), known=found.plans) == found


def test_plans_of_other_modes_or_reservations_are_passed_over(hidden):
    search = prepare(hidden.world.workflow, **hidden.arguments()).search
    mine = hidden.plan
    assert picks_of(search, mine) is not None
    step = mine.steps["objects"]
    other = replace(step, configuration=replace(step.configuration, agent="gone"))
    strange = [
        replace(mine, steps={**mine.steps, "objects": other}),
        replace(mine, steps={name: one for name, one in mine.steps.items() if name != "answer"}),
        replace(mine, reserves=None),
        replace(mine, reserves=replace(mine.reserves, cores=7)),
    ]
    assert [picks_of(search, one) for one in strange] == [None] * len(strange)
    assert hidden.made(ENERGY, *strange) == hidden.made()
    assert list(VIDEO) == list(search.names)


CELL = """%%murakkab notes
gist  <- summarise {texts}
reply <- answer {question} from {texts}, per all
"""


@pytest.fixture
def session(tmp_path):
    with Session(journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite", cores=2) as made:
        yield made


def declared(session, *texts):
    return session.declare(
        CELL, {"texts": list(texts or ("One rose.", "Two lilies.")), "question": "How many?"}
    )


def test_a_session_knows_what_it_planned_of_the_same_inputs(session):
    first = declared(session)
    plan = session.plan(first, Goal(("energy",)))
    assert [what(one) for one in session.recall.of(declared(session))] == [what(plan)]
    assert session.recall.of(declared(session, "Others.")) == ()
    points = session.frontier(first, Goal(("energy",)))
    kept = [what(one) for one in session.recall.of(first)]
    assert all(what(one) in kept for one in points)
    again = session.plan(declared(session), Goal(("energy",)))
    assert session.frontier(first).outdoes(again) is None


def test_what_is_kept_of_plans_is_the_latest_and_not_for_ever(session):
    recall = Recall()
    one = declared(session)
    plan = session.plan(one)
    recall.keep(one, [plan, replace(plan, notes=("newer",))])
    assert [some.notes for some in recall.of(one)] == [("newer",)]
    recall.keep(one, [replace(plan, goal=Goal(("cost",), arrivals_per_s=1.0), notes=("of arrivals",))])
    assert [some.notes for some in recall.of(one)] == [("newer",)]
    step = plan.steps["gist"]
    for cores in range(1, MOST_PLANS + 5):
        shape = replace(step.configuration, cores=1000 + cores)
        recall.keep(one, [replace(plan, steps={**plan.steps, "gist": replace(step, configuration=shape)})])
    assert len(recall.of(one)) == MOST_PLANS
    assert recall.of(one)[-1].steps["gist"].configuration.cores == 1000 + MOST_PLANS + 4
    for number in range(MOST_WORKFLOWS):
        recall.keep(declared(session, f"Text {number}."), [plan])
    assert recall.of(one) == ()
    assert recall.of(declared(session, "Text 0.")) == (plan,)
