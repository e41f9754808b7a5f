"""How a run ends that cannot be carried out."""

from __future__ import annotations

import pytest

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
