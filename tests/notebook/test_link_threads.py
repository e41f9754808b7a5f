"""What the panel's threads survive, and what they let go; without a kernel."""

from __future__ import annotations

import threading
import time
import weakref
from types import SimpleNamespace

import pytest

from murakkab_jupyter.core.clean import cleaned
from murakkab_jupyter.core.events import BatchEnded, BatchStarted, ItemsRestored
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.notebook import link as linked
from murakkab_jupyter.notebook.link import MOST_RUNS, Link
from murakkab_jupyter.notebook.watch import Watch
from murakkab_jupyter.verbs import Workbench
from tests.notebook import samples


class FakeRun:
    """A run that a test ends."""

    def __init__(self, number: int) -> None:
        self.id = f"r{number}"
        self.workflow, self.plan, self.cluster = samples.newsroom(), samples.plan(), samples.cluster()
        self.events: list = []
        self.status, self.message, self.energy, self.bill = "running", "", None, None
        self.stopping = threading.Event()
        self.over = threading.Event()

    @property
    def ended(self) -> bool:
        return self.over.is_set()

    def progress(self) -> dict:
        return {}

    def wait(self, pause: float) -> None:
        self.over.wait(min(pause, 0.02))


class Panel:
    comm_id = "one"

    def __init__(self) -> None:
        self.told: list[dict] = []

    def on_close(self, _) -> None: ...

    def on_msg(self, _) -> None: ...

    def send(self, state: dict) -> None:
        self.told.append(state)


def until(true) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def link():
    made = Link(Workbench())
    made.opened(Panel())
    return made


def panel_of(link) -> Panel:
    return link._comms["one"]


def test_a_look_that_goes_wrong_does_not_freeze_the_panel(link, monkeypatch, caplog):
    caplog.set_level("INFO")
    state, wrong = link.state, [True]

    def once():
        if threading.current_thread().name == "murakkab-panel" and wrong:
            wrong.clear()
            raise RuntimeError("the meter is gone")
        return state()

    monkeypatch.setattr(link, "state", once)
    run = FakeRun(1)
    link.follow(run)
    until(lambda: not wrong and panel_of(link).told and panel_of(link).told[-1]["runs"])
    assert "the meter is gone" in caplog.text
    run.over.set()
    until(lambda: link._thread is None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ends_by_whatever_leaves_room_for_the_next(link, monkeypatch):
    def ends(self):
        raise SystemExit

    run = FakeRun(1)
    with monkeypatch.context() as patch:
        patch.setattr(Link, "_push_on", ends)
        link.follow(run)
        until(lambda: link._thread is None)
    link.follow(run)
    until(lambda: panel_of(link).told and panel_of(link).told[-1]["runs"])
    run.over.set()
    until(lambda: link._thread is None)


def test_a_cluster_that_cannot_be_asked_does_not_end_the_looks(link, monkeypatch):
    monkeypatch.setattr(linked, "OWN_S", 0.01)
    asked: list[int] = []

    def ask():
        asked.append(1)
        if len(asked) == 1:
            raise OSError("no answer")

    monkeypatch.setattr(link._own, "ask", ask)
    monkeypatch.setattr(link._own, "to_json", lambda: [{"name": "mine"}])
    link._look_after()
    until(lambda: len(asked) > 2)
    link._comms.clear()
    until(lambda: link._looker is None)


def test_runs_that_no_panel_shows_any_more_are_let_go_and_running_ones_are_kept():
    link = Link(Workbench())
    first = FakeRun(0)
    link.follow(first)
    gone = FakeRun(1)
    gone.over.set()
    link.follow(gone)
    held = weakref.ref(gone)
    del gone
    for number in range(2, MOST_RUNS + 5):
        run = FakeRun(number)
        run.over.set()
        link.follow(run)
    assert held() is None
    assert len(link._watches) <= MOST_RUNS
    assert first.id in link._watches
    first.over.set()


def test_two_that_tell_at_once_read_every_event_once():
    run = FakeRun(1)
    run.events = [BatchStarted(0.0, "scenes", task, "w", 0, 1, 1) for task in (1, 2, 3)]
    watch, taken = Watch(run), []
    other = threading.Thread(target=watch.read)

    class Names:
        def take(self, event):
            taken.append(event.task)
            if event.task == 1:  # the other comes while the first is at it
                other.start()
                other.join(0.3)

    watch.names = Names()
    watch.read()
    other.join()
    assert taken == [1, 2, 3]
    run.events.append(BatchStarted(1.0, "scenes", 4, "w", 0, 1, 1))
    watch.read()
    assert taken == [1, 2, 3, 4]
    assert watch.busy_cores("w") == 4


def test_what_was_there_when_a_run_went_on_is_no_pace_of_a_panels_time_left():
    run = FakeRun(1)
    counts = SimpleNamespace(done=5, failed=0, skipped=0, total=10, expected=10)
    run.progress = lambda: dict.fromkeys(run.plan.steps, counts)
    watch = Watch(run)
    watch.begun -= 100.0
    assert watch.to_json()["eta_s"] > 50.0, "half of it took a hundred seconds"
    run.events = [
        part
        for name in run.plan.steps
        for part in (ItemsRestored(0.0, name, 3), BatchEnded(0.0, name, 1, "w", 2, 0, reused=2))
    ]
    watch.read()
    assert watch.to_json()["eta_s"] is None, "none of it was made in these hundred, and the plan is long over"


@pytest.mark.parametrize("bill", [None, SimpleNamespace(total=SimpleNamespace(latency_s=Figure(2.5, "s")))])
def test_how_long_a_run_took_is_the_runs_own_word_however_late_a_panel_looks(bill):
    run = FakeRun(1)
    watch = Watch(run)
    watch.begun -= 3600.0
    run.events = [BatchStarted(0.5, "scenes", 1, "w", 0, 1, 1), BatchEnded(2.5, "scenes", 1, "w", 1, 0)]
    run.bill = bill
    run.over.set()
    watch.read()
    assert watch.to_json()["elapsed_s"] == 2.5


def test_what_a_panel_is_told_holds_nothing_that_steers_a_screen(link):
    run = FakeRun(1)
    run.status, run.message = "failed", "RuntimeError: \x1b[31m\u202efdp.exe"
    run.over.set()
    link.follow(run)
    link.tell()
    told = panel_of(link).told[-1]
    assert told["runs"][0]["message"] == "RuntimeError: \ufffd[31m\ufffdfdp.exe"
    assert told == cleaned(told)
