"""Amounts and figures in words: short, with a unit and the mark of their source."""

from __future__ import annotations

import math

import numpy as np
import pytest

from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.notebook.views.figures import amount, band, figure_text, short, time_text, timecode
from murakkab_jupyter.workflow.goal import Goal


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (None, "s", "unknown"),
        (0.0042, "s", "4.20 ms"),
        (12.34, "s", "12.3 s"),
        (125, "s", "2 min 05 s"),
        (4800, "s", "1 h 20 min"),
        (229, "J", "229 J"),
        (12345, "J", "12.3 kJ"),
        (0.000019, "USD", "19.0 µ$"),
        (1.5, "USD", "$1.50"),
        (0, "USD", "$0"),
        (2_500_000, "B", "2.50 MB"),
        (0.913, "1", "0.91"),
    ],
)
def test_amounts_are_short_and_have_units(value, unit, words):
    assert amount(value, unit) == words


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, int])
@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (2, "J", "2.00 J"),
        (200, "s", "3 min 20 s"),
        (3, "USD", "$3.00"),
        (0, "1", "0.00"),
        (2, "tokens", "2.00 tokens"),
    ],
)
def test_amounts_may_be_numbers_of_numpy(kind, value, unit, words):
    assert amount(kind(value), unit) == words


def test_small_amounts_may_be_numbers_of_numpy():
    assert amount(np.float32(0.03125), "tokens") == "0.031 tokens"
    assert "budget 10.0 µ$" in str(Goal(("latency",), budget_usd=np.float32(1e-5)))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_unknown(value):
    assert short(value) == time_text(value) == amount(value, "s") == "unknown"


def test_a_figure_is_marked_by_its_source_and_unknown_is_a_word():
    assert figure_text(Figure(3, "s", source="measured")) == "3.00 s"
    assert figure_text(Figure(3, "s", source="prior")) == "~3.00 s"
    assert figure_text(unknown("J")) == "unknown"
    assert band(Figure(3, "s", 2, 5, "prior")) == "~3.00 s (2.00 s to 5.00 s)"


def test_timecodes():
    assert [timecode(s) for s in (0, 7.9, 65, 3723)] == ["0:00", "0:07", "1:05", "1:02:03"]
