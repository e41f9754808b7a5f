"""How a run ends that cannot be carried out."""

from __future__ import annotations

import pytest

from murakkab_jupyter.core.errors import JournalError
from murakkab_jupyter.core.events import Notice
from murakkab_jupyter.execution import Execution
from murakkab_jupyter.run import Run
from tests.notebook import samples


class Journal:
    ended: tuple = ()

    def end_run(self, *told):
        self.ended = told


class Cluster:
    local = True

    def __init__(self, error):
        self._error = error

    @property
    def notices(self):
        raise self._error


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("no")])
def test_a_run_ends_whatever_goes_wrong_and_hands_it_on(error):
    state, journal = samples.run_state([]), Journal()
    run = Run("r1", state.workflow, state.plan, state.cluster, None, None)
    Execution(run, None, None, [], Cluster(error), None, journal, None, None).carry_out()
    assert run.status == "failed"
    assert run.error is error
    assert run.message == str(error)
    assert journal.ended == ("r1", "failed", str(error))


def test_what_is_shown_and_kept_of_an_error_has_no_password_and_no_key():
    error = RuntimeError("GET http://me:pa55@host/v1?api_key=abc123 failed")
    state, journal = samples.run_state([]), Journal()
    run = Run("r1", state.workflow, state.plan, state.cluster, None, None)
    Execution(run, None, None, [], Cluster(error), None, journal, None, None).carry_out()
    for said in (run.message, *journal.ended):
        assert "pa55" not in said
        assert "abc123" not in said
    assert "host/v1" in run.message


def test_an_event_that_the_journal_does_not_take_is_shown_all_the_same():
    class Full(Journal):
        def save_event(self, *_):
            raise JournalError("The journal cannot be used: database or disk is full.")

    class Told(Cluster):
        local = False
        notices = ("It is slow.",)
        unused = ()

    state, journal = samples.run_state([]), Full()
    run = Run("r1", state.workflow, state.plan, state.cluster, None, None)
    heard = []
    run.listen(heard.append)
    Execution(run, None, None, [], Told(None), None, journal, None, None).carry_out()
    assert [type(one) for one in heard] == [Notice]
    assert [one.message for one in run.events] == ["It is slow."]
    assert isinstance(run.error, JournalError)
    assert journal.ended[:2] == ("r1", "failed")
