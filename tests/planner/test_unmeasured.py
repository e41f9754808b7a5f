"""Plans for hardware that is only written down show no guesses."""

from dataclasses import replace

import pytest

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import InfeasibleError
from murakkab_jupyter.planner.standing import Standing
from murakkab_jupyter.planner.unmeasured import predictable
from murakkab_jupyter.session import Session
from murakkab_jupyter.workflow.goal import Goal

CELL = """%%murakkab shouting --minimize cost
loud  <- shout {words} @python:shout
short <- summarise {loud}, per all
"""


def shout(word: str) -> str:
    return word.upper()


@pytest.fixture
def described(tmp_path):
    library = Library()
    library.load_entry_points()
    with Session(
        library=library, cluster="cpu-server", journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite"
    ) as session:
        yield session, session.declare(CELL, {"words": ["a", "b"], "shout": shout})


def test_a_step_that_nobody_measured_is_unknown_and_so_are_the_totals(described):
    session, declaration = described
    plan = session.plan(declaration)
    loud, short = plan.steps["loud"].predicted, plan.steps["short"].predicted
    assert all(loud[key].value is None for key in ("latency", "cpu", "energy", "cost"))
    assert short["cpu"].value is not None, "what was measured elsewhere is still predicted"
    assert short["latency"].value is None, "it waits for what nobody can predict"
    assert all(plan.predicted[key].value is None for key in ("latency", "cpu", "energy", "cost"))
    assert any("Step loud cannot be predicted" in note for note in plan.notes)
    assert not any("the first run does" in note or "a run corrects" in note for note in plan.notes)
    (times,) = [note for note in plan.notes if "reference machine" in note]
    assert times.startswith("Times of short are priors"), "loud was measured nowhere"
    assert "energy unknown, cost unknown" in session.explain(plan)
    assert "was not compared: the plan's own figures are unknown" in plan.steps["short"].runner_up.reason
    assert plan.reserves.reason == "", "why not more cores rests on the same guess"


def test_a_limit_that_nobody_can_judge_is_not_met(described):
    session, declaration = described
    with pytest.raises(InfeasibleError, match="loud cannot be predicted") as caught:
        session.plan(declaration, Goal(("cost",), deadline_s=60.0))
    assert caught.value.binding == "deadline"
    assert caught.value.nearest.predicted["latency"].value is None


def test_a_rate_that_nobody_can_judge_is_not_sustained(described):
    session, _ = described
    # What is made of all values would never be made of those that keep arriving.
    declaration = session.declare(CELL.replace(", per all", ""), {"words": ["a", "b"], "shout": shout})
    with pytest.raises(
        InfeasibleError, match="keeps the rate of arrivals: loud cannot be predicted"
    ) as caught:
        session.plan(declaration, Goal(("cost",), arrivals_per_s=0.01))
    assert caught.value.nearest.rate is None
    assert not any(note.startswith("Arrivals: ") for note in caught.value.nearest.notes)


def test_a_guess_does_not_compete_with_what_was_measured(described):
    session, _ = described
    declaration = session.declare(
        "%%murakkab loud --minimize latency --quality 0.0\nshort <- summarise {words}, per all\n",
        {"words": ["a", "b"]},
    )
    plan = session.plan(declaration)
    assert plan.predicted["latency"].value is not None
    (note,) = [note for note in plan.notes if "Not considered" in note]
    assert "because there is no profile: " in note
    assert "qwen2.5-1.5b-summary" in note
    assert all(one.predicted["latency"].value is not None for one in session.frontier(declaration))


def test_a_frontier_of_guesses_compares_nothing(described):
    session, declaration = described
    assert all(plan.standing is None for plan in session.frontier(declaration))


def test_measurements_of_another_host_make_it_predictable(described):
    session, declaration = described
    agent = session.plan(declaration).steps["loud"].configuration
    for _ in range(3):
        session.profiles.observe(
            agent.agent, agent.options, cores=1, items=1, work=1, seconds=0.01, cpu_s=0.01, host="a server"
        )
    plan = session.plan(declaration)
    assert plan.steps["loud"].predicted["latency"].source == "prior"
    assert plan.predicted["latency"].value is not None
    assert not any("cannot be predicted" in note for note in plan.notes)


def test_what_a_rented_core_costs_is_as_unsure_as_the_time_it_is_held(described):
    session, declaration = described
    short = session.plan(declaration).steps["short"].predicted
    assert short["cost"].source == "prior"


def test_here_a_guess_is_good_enough(tmp_path):
    library = Library()
    library.load_entry_points()
    with Session(library=library, journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite") as session:
        plan = session.plan(session.declare(CELL, {"words": ["a"], "shout": shout}))
    assert plan.predicted["latency"].value is not None


def test_what_is_dropped_is_known_by_what_it_is_not_by_its_words(described):
    session, declaration = described
    said = ("A look gives up after 200 MB.", "Nobody measured the loudness of {words}; scaled to this host.")
    plan = replace(session.plan(declaration), notes=said, standing=Standing(("fastest",), ("3 J (5 %)",)))
    made = predictable(plan, declaration.workflow, session.profiles, session.view)
    assert set(said) <= set(made.notes)
    assert made.standing is None


def test_where_hardware_is_described_no_run_is_promised_to_correct_what_is_a_prior(described):
    session, _ = described
    declaration = session.declare(
        "%%murakkab loud --minimize latency --deadline 10min\nshort <- summarise {words}, per all\n",
        {"words": ["a"]},
    )
    said = " ".join(session.plan(declaration).remarks)
    assert "scaled to the described one" in said
    assert "margin to the deadline" in said
    assert "a run corrects" not in said
    assert "runs here" not in said
