"""A line for a terminal, and the time left."""

from __future__ import annotations

import pytest

from murakkab_jupyter.notebook.views.progress import Moment, StepMoment, eta_s, progress_line
from tests.notebook import samples


def moment() -> Moment:
    steps = {
        "scenes": StepMoment(1, 0, 0, 1, 1),
        "frames": StepMoment(3, 1, 0, None, 15),
        "objects": StepMoment(0, 0, 0, None, 0),
    }
    return Moment("newsroom", steps, 7.4, 8.6, "running")


def test_a_line_for_a_terminal_fits_its_width():
    line = progress_line(moment(), 60)
    assert len(line) <= 60
    assert line.startswith("1 of 3 steps done")


def test_a_step_whose_first_call_is_under_way_is_named():
    """The scenes of a long film are one call of minutes."""
    steps = {"scenes": StepMoment(total=1, busy=True), "frames": StepMoment(expected=15)}
    line = progress_line(Moment("newsroom", steps, 7.4, 8.6, "running"))
    assert line == "0 of 2 steps done, 7.4 s, about 8.6 s to go: scenes 0 of 1"


def test_the_time_left_starts_with_the_plans_and_ends_at_none():
    chosen = samples.plan()
    waiting = {name: StepMoment(expected=step.items) for name, step in chosen.steps.items()}
    assert eta_s(chosen, waiting, 0.0) == pytest.approx(15.1)
    done = {name: StepMoment(1, 0, 0, 1, 1) for name in chosen.steps}
    assert eta_s(chosen, done, 15.0) == 0.0
    assert eta_s(None, {"a": StepMoment(5, 0, 0, 10, 10)}, 4.0) == pytest.approx(4.0)


def test_a_run_that_is_late_is_not_said_to_be_nearly_over():
    chosen = samples.plan()  # 15.1 s
    half = {name: StepMoment(5, 0, 0, 10, 10) for name in chosen.steps}
    assert eta_s(chosen, half, 7.55) == pytest.approx(7.55)  # as planned
    assert 40.0 < eta_s(chosen, half, 60.0) < 60.0
    tenth = {name: StepMoment(1, 0, 0, 10, 10) for name in chosen.steps}
    assert eta_s(chosen, tenth, 1.51) == pytest.approx(13.59)
    assert 13.59 < eta_s(chosen, tenth, 8.0) < 40.0, "the first items wait until models are loaded"


def test_what_was_there_when_a_run_went_on_says_nothing_of_its_pace():
    """Else the first seconds of a resumed run would have done the work of all that was done before."""
    chosen = samples.plan()  # 15.1 s
    half = {name: StepMoment(5, 0, 0, 10, 10, given=5) for name in chosen.steps}
    assert eta_s(chosen, half, 0.0) == pytest.approx(7.55), "half of what was planned is left"
    assert eta_s(chosen, half, 1.0) == pytest.approx(6.55)
    more = {name: StepMoment(6, 0, 0, 10, 10, given=5) for name in chosen.steps}
    # A fifth of the rest is done: as planned in 1.51 s, and four times as slowly in 6.04 s.
    assert eta_s(chosen, more, 1.51) == pytest.approx(6.04)
    assert eta_s(chosen, more, 6.04) > 2 * 6.04
    assert eta_s(None, {"a": StepMoment(6, 0, 0, 10, 10, given=5)}, 4.0) == pytest.approx(16.0)
    # All there from before but one item.
    last = {name: StepMoment(9, 0, 0, 10, 10, given=9) for name in chosen.steps}
    assert eta_s(chosen, last, 0.0) == pytest.approx(1.51)


def test_a_step_that_was_given_items_of_which_none_is_over_yet_is_no_error():
    """A batch tells that what it reused came of an earlier run before its items are counted."""
    chosen = samples.plan()  # 15.1 s
    none = {name: StepMoment(0, 0, 0, 10, 10, reused=1, given=1) for name in chosen.steps}
    assert eta_s(chosen, none, 0.0) == pytest.approx(15.1)
