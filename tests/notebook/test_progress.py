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
