"""What a cell leaves of a run, however it ends, and which values and runs a line takes; without a kernel."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from murakkab_jupyter.core.errors import AgentError, JournalError, UsageError
from murakkab_jupyter.notebook import magics as magic
from murakkab_jupyter.notebook import show
from murakkab_jupyter.notebook.live import StoppedError
from murakkab_jupyter.notebook.magics import MurakkabMagics
from murakkab_jupyter.run import Run
from murakkab_jupyter.runtime.records import RunRecord
from murakkab_jupyter.session import Session
from murakkab_jupyter.verbs import Workbench
from tests.notebook import samples


class Store:
    """What a run has made."""

    def __init__(self) -> None:
        self._values = samples.values(2)

    def outputs(self, name):
        return self._values[name]

    def latest(self, name):
        return None


class Loop:
    def progress(self):
        return {}


@pytest.fixture
def shown(monkeypatch):
    """The last that stands in each output, oldest output first."""
    outputs: list[dict] = []

    def display(data, **_):
        place = len(outputs)
        outputs.append(data)
        return SimpleNamespace(update=lambda data, raw: outputs.__setitem__(place, data))

    monkeypatch.setattr(magic, "display", display)
    monkeypatch.setattr("murakkab_jupyter.notebook.screen.display", display)
    monkeypatch.setattr(show, "thumbnail", samples.jpeg)
    return outputs


@pytest.fixture
def magics():
    made = MurakkabMagics(SimpleNamespace(user_ns={}, execution_count=1))
    made.screen.redraws = True
    made.live_views = False
    return made


def run_of() -> Run:
    state = samples.run_state([])
    return Run("r1", state.workflow, state.plan, state.cluster, Loop(), Store())


def watched(magics, run):
    return magics.watch(run, background=False, json=None, again="run the cell again")


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("no"), AgentError("gone")]
)
def test_a_run_that_ends_by_whatever_is_not_left_as_if_it_went_on(magics, shown, error):
    run = run_of()
    threading.Timer(0.1, lambda: run.end("failed", str(error), None, error)).start()
    with pytest.raises(type(error)):
        watched(magics, run)
    (left,) = shown
    assert "Results (failed)" in left["text/plain"]
    assert "Run of newsroom: failed" in left["text/plain"]
    assert "As it stood at" not in left["text/plain"]


def interrupted(run, tell, **_):
    run.stop()
    run.end("stopped", "stopped", None)
    raise StoppedError("stopped")


@pytest.mark.parametrize("pictures", [True, False])
def test_a_run_shows_stills_only_where_they_are_wanted(magics, shown, pictures):
    magics.pictures = pictures
    run = run_of()
    run.end("done", "", None)
    watched(magics, run)
    assert ("<img" in shown[-1]["text/html"]) is pictures


@pytest.mark.parametrize("pictures", [True, False])
def test_an_interrupted_run_shows_stills_only_where_they_are_wanted(magics, shown, monkeypatch, pictures):
    monkeypatch.setattr(magic, "follow", interrupted)
    magics.pictures = pictures
    with pytest.raises(StoppedError):
        watched(magics, run_of())
    assert "Results (stopped)" in shown[-1]["text/plain"]
    assert ("<img" in shown[-1]["text/html"]) is pictures


def test_a_variable_that_is_gone_keeps_its_value_and_the_others_are_as_they_are_now(magics, shown, tmp_path):
    session = Session(journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite")
    space = magics.space
    space.update(words=["a"], more=["x"], up=str.upper)
    text = "%%murakkab two\nloud <- up {words} @python:up\nsoft <- up {more} @python:up\n"
    one = magics.bench.declare(text, dict(space), session=session)
    one.plan = samples.plan()
    del space["more"]
    assert magics.refresh(one).plan is not None, "nothing else has changed"
    assert "more has no value any more" in shown[-1]["text/plain"]
    space["words"] = ["a", "b", "c"]
    magics.refresh(one)
    assert one.declaration.roots.values["words"] == ["a", "b", "c"]
    assert one.declaration.roots.values["more"] == ["x"]
    assert one.plan is None
    session.close()


def record(**other) -> RunRecord:
    told = {"run_id": "r7", "name": "news", "text": "a <- b", "values": {}, "goal": {}, "plan": {}}
    told |= {"host": "h", "versions": {}, "started": 0.0, "ended": 9.0, "status": "stopped", "message": ""}
    return RunRecord(**{**told, "items": 3, "alive": False, **other})


@pytest.mark.parametrize(
    ("other", "ended"),
    [
        ({}, "which was stopped."),
        ({"status": "running", "ended": None}, "which was killed."),
        ({"status": "partial"}, "which lacked items."),
        ({"status": "failed"}, "which failed."),
    ],
)
def test_resuming_without_a_name_says_first_which_run_it_goes_on_with(magics, shown, other, ended):
    asked = []

    def resume(run_id, **_):
        asked.append((run_id, len(shown)))
        raise JournalError("no more of it")

    journal = SimpleNamespace(latest_unfinished=lambda: record(**other), find=lambda _: record(**other))
    session = SimpleNamespace(journal=journal, resume=resume, close=lambda: None)
    magics.bench._sessions[None, None] = session
    with pytest.raises(JournalError, match="no more of it"):
        magics.do("resume")
    assert asked == [("r7", 1)], "it is said before it goes on"
    assert shown[0]["text/plain"].startswith("Going on with run r7 of news, begun 19")
    assert shown[0]["text/plain"].endswith(ended)
    with pytest.raises(JournalError):
        magics.do("resume r7")
    assert len(shown) == 1, "who names a run knows which it is"


def test_a_run_goes_on_with_what_it_was_begun_with_and_takes_of_the_kernel_what_no_journal_holds(
    magics, tmp_path
):
    asked = []

    def resume(_, *, values, **__):
        asked.append(values)
        raise JournalError("no more of it")

    address = "http://me:hush@host/x"
    told = {"films": ["/x/a.mp4"], "key": "http://***@host/x", "words": [["a", 1]], "other": 1}
    left = record(text="a <- up {films} {key} {words} {other} {shapes} @python:up", values=told)
    session = SimpleNamespace(journal=SimpleNamespace(find=lambda _: left), resume=resume, close=lambda: None)
    magics.bench._sessions[None, None] = session
    own = {"key": address, "words": [("a", 1)], "shapes": [object()], "up": str.upper}
    magics.space.update(own, films=str(tmp_path / "*.mp4"), other=2)
    with pytest.raises(JournalError, match="no more of it"):
        magics.do("resume r7")
    assert asked == [own]


def test_there_is_nothing_to_say_where_nothing_is_left_to_resume(magics, shown, tmp_path):
    session = Session(journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite")
    magics.bench = Workbench()
    magics.bench._sessions[None, None] = session
    with pytest.raises(JournalError, match="no unfinished run"):
        magics.do("resume")
    assert shown == []
    session.close()


def refusal(magics) -> str:
    with pytest.raises(UsageError) as caught:
        magics.murakkab("run")
    return str(caught.value)


@pytest.mark.parametrize(
    ("kernel", "said"), [(None, "the steps that were shown"), (object(), "stands below")]
)
def test_after_a_first_description_its_steps_are_asked_for_where_they_stand(
    magics, shown, monkeypatch, kernel, said
):
    magics.shell.kernel = kernel
    assert "No workflow has been declared yet" in refusal(magics)
    monkeypatch.setattr(magics, "cell_id", lambda: None)
    monkeypatch.setattr(magics, "draft", lambda text, options: None)
    magics.murakkab("", "Summarise the letters.\n")
    assert said in refusal(magics)
    assert "name what is meant" not in refusal(magics)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("short <- summarise {letters}", "still lacks a value of letters: set it"),
        ("short <- abridge {letters} @python:abridge", "still lacks the function abridge: set it"),
    ],
)
def test_after_a_first_cell_that_lacks_something_that_is_asked_for(magics, shown, cell, said):
    magics.murakkab("news", cell + "\n")
    assert "Not planned yet" in shown[-1]["text/plain"]
    assert said in refusal(magics)
