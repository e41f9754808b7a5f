"""What a cold engine costs in a predicted run: one start, however many steps share it, beside what else is done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import ClusterView, EngineView, WorkerView
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.simulate.driver import simulate
from murakkab_jupyter.simulate.predict import evaluation
from murakkab_jupyter.workflow.language import declare
from tests.simulate.samples import POWER, RoundProfiles

CELL = """%%murakkab notes
heard <- write a note about {words} @extractive
said  <- write a longer note about {heard} @extractive
told  <- write a letter about {said} @extractive
"""
START = EngineView(
    "e", False, Figure(30.0, "s", 20.0, 60.0, "prior"), Figure(50.0, "s", 40.0, 90.0, "prior"), worker="w"
)
REMOTE = Configuration("served", device="remote", engine="e")


@pytest.fixture(scope="module")
def library():
    from murakkab_jupyter.agents.library import default_library

    return default_library()


def played(
    library, engine: EngineView | None, *, first: Configuration | None = None, remote: Configuration = REMOTE
):
    words = [f"word {n}" for n in range(4)]
    agent = next(iter(library.agents("text-generation"))).name
    flow = declare(CELL.replace("@extractive", f"@{agent}"), library=library, values={"words": words})
    view = ClusterView(
        (WorkerView("w", "h", 2, 8 * 10**9, power=POWER),), engines=() if engine is None else (engine,)
    )
    configurations = {"heard": first or remote, "said": remote, "told": remote}
    profiles = RoundProfiles(load_s=0.0)
    made = simulate(
        flow, configurations, roots={"words": words}, library=library, profiles=profiles, cluster=view
    )
    return made, evaluation(made, flow, configurations, profiles, view)


def test_a_warm_engine_costs_nothing_and_a_cold_one_its_start_once(library) -> None:
    none, _ = played(library, None)
    warm, of_warm = played(library, replace(START, warm=True))
    cold, of_cold = played(library, START)
    assert warm.makespan_s == none.makespan_s
    assert cold.makespan_s == pytest.approx(warm.makespan_s + 30.0)
    assert of_cold.totals["cpu"].value == pytest.approx(of_warm.totals["cpu"].value + 50.0)
    assert of_cold.totals["energy"].value > of_warm.totals["energy"].value
    assert of_cold.totals["latency"].source == "prior"


def test_what_an_engine_on_a_cpu_spends_on_its_answers_is_predicted_as_a_prior(library) -> None:
    elsewhere, of_elsewhere = played(library, None)
    here, of_here = played(library, None, remote=replace(REMOTE, engine_cores=2))
    busy_s = sum(call.end_s - call.start_s for call in here.calls)
    more = of_here.totals["cpu"].value - of_elsewhere.totals["cpu"].value
    assert more == pytest.approx(2 * busy_s, rel=0.05)
    assert of_here.totals["cpu"].source == "prior"
    assert {call.cores for call in here.calls} == {2}
    assert {call.cores for call in elsewhere.calls} == {0}


def test_it_starts_beside_the_steps_before_it(library) -> None:
    slow = Configuration("slow", cores=1)
    warm, _ = played(library, replace(START, warm=True), first=slow)
    cold, _ = played(library, START, first=slow)
    assert warm.makespan_s < cold.makespan_s < warm.makespan_s + 30.0
