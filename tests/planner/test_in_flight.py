"""What the book says of agents whose work a server does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.agents.served.serving import register_endpoint
from murakkab_jupyter.agents.text.capabilities import register as register_text
from murakkab_jupyter.agents.text.retrieval import register as register_retrieval
from murakkab_jupyter.core.hosts import ClusterView, EngineView
from murakkab_jupyter.planner.modes import candidates, load_of
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.profiles.book import ProfileBook
from murakkab_jupyter.workflow.model import Step
from tests.profiles.test_engine import curve
from tests.runtime.till import worker


@pytest.fixture
def library() -> Library:
    made = Library()
    register_text(made)
    register_retrieval(made)
    register_endpoint(Endpoint("http://host/v1", "m", max_in_flight=16), "served", library=made)
    return made


@pytest.fixture
def book(library) -> ProfileBook:
    return ProfileBook(library, host="here", host_speed=1.0)


def options(book: ProfileBook, **chosen):
    return tuple(sorted(book.library.agent("served").settings(chosen).items()))


def seconds(book: ProfileBook, in_flight: int, items: float = 32.0) -> float:
    call = book.call("served", options(book, in_flight=in_flight), cores=1, items=items, work=188.0 * items)
    return call.seconds.value


def test_more_in_flight_is_faster_as_far_as_the_curve_says(book):
    book.add_engine(curve())
    assert seconds(book, 1) > 1.5 * seconds(book, 2) > 2 * seconds(book, 8) > 2 * seconds(book, 16)


def test_fewer_items_than_in_flight_leave_the_server_idle(book):
    book.add_engine(curve())
    assert seconds(book, 16, items=2) == pytest.approx(seconds(book, 2, items=2))


def test_what_calls_took_moves_the_whole_curve(book):
    book.add_engine(curve())
    before, other = seconds(book, 8), seconds(book, 2)
    for _ in range(20):
        book.observe(
            "served",
            options(book, in_flight=8),
            cores=1,
            items=32,
            work=188.0 * 32,
            seconds=before * 3,
            cpu_s=0.1,
        )
    assert seconds(book, 8) == pytest.approx(before * 3, rel=0.1)
    assert seconds(book, 2) == pytest.approx(other * 3, rel=0.1)
    call = book.call("served", options(book, in_flight=8), cores=1, items=32, work=188.0 * 32)
    assert call.seconds.source == "measured"


def test_a_curve_of_another_server_says_nothing(book):
    book.add_engine(replace(curve(), name="http://other/v1 m"))
    assert book.engine("served") is None


def modes(library, book, **step):
    view = ClusterView((worker(),))
    made = Step(
        "reply",
        "write {notes}",
        "text-generation",
        at=("notes",),
        opens=False,
        kind="text",
        inputs=(),
        **step,
    )
    found = candidates(
        made, library=library, profiles=book, cluster=view, items=64, work=188.0, groups=1, speed=1.0
    )
    return [
        dict(mode.configuration.options) | {"instances": mode.configuration.instances} for mode in found.modes
    ]


def test_the_planner_chooses_how_many_are_in_flight_from_the_curve(library, book):
    book.add_engine(curve())
    found = modes(library, book, agent="served")
    assert found[0]["in_flight"] == 16
    assert {one["instances"] for one in found} == {1}


def test_without_a_curve_nothing_is_chosen(library, book):
    assert {one["in_flight"] for one in modes(library, book, agent="served")} == {8}


def test_without_a_curve_larger_batches_are_quicker_as_long_as_all_of_them_are_in_flight(book):
    assert seconds(book, 8, items=8) == pytest.approx(seconds(book, 8, items=1))
    assert seconds(book, 8, items=32) == pytest.approx(4 * seconds(book, 8, items=8))
    note = book.call("served", options(book), cores=1, items=1, work=188.0).seconds.note
    assert "profile engine http://host/v1" in note
    for _ in range(9):
        book.observe("served", options(book), cores=1, items=8, work=8 * 188.0, seconds=6.0, cpu_s=0.1)
    assert seconds(book, 8, items=1) > 3


@pytest.mark.parametrize(("has", "held"), [(0, 0), (2, 2), (64, 4)])
def test_calls_of_an_engine_without_a_gpu_hold_its_cores_and_spend_them(library, book, has, held):
    """Of a worker with 4 cores no call holds more."""
    library.add_agent(replace(library.agent("served"), engine="e"), replace=True)
    view = ClusterView((worker(),), engines=(EngineView("e", host="127.0.0.1", cores=has),))
    step = Step("reply", "write {notes}", "text-generation", ("notes",), False, "text", (), agent="served")
    found = candidates(
        step, library=library, profiles=book, cluster=view, items=64, work=188.0, groups=1, speed=1.0
    )
    assert {mode.configuration.held_cores for mode in found.modes} == {held}
    one = found.modes[0].configuration
    load = load_of(one, book, items=64, work=188.0, groups=1, speed=1.0)
    assert load.cpu_s >= held * load.wall_s * 0.9
    assert Configuration.from_json(one.to_json()) == one
    assert (f"({held} cores of e, " in str(one)) is bool(held)


def test_what_a_step_pins_is_kept(library, book):
    book.add_engine(curve())
    assert {one["in_flight"] for one in modes(library, book, agent="served", options={"in_flight": 2})} == {2}
