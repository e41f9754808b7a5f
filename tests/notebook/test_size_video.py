"""The video workflow, run ten times in one notebook: real media and models, and still small enough for a repository."""

from __future__ import annotations

import pytest

from murakkab_jupyter.demo import CELL
from tests.notebook.test_size import saved

SETUP = """%load_ext murakkab_jupyter
from murakkab_jupyter.demo import QUESTION, clips
from murakkab_jupyter.notebook import screen
screen.has_extension = lambda: True  # its data is saved as well
videos, question = clips(), QUESTION"""
RUN = "%murakkab run --fresh"

pytestmark = [pytest.mark.media, pytest.mark.timeout(600)]


def test_ten_runs_a_plan_and_a_frontier_fit_into_300_kb(kernel):
    sizes = []
    for source in (SETUP, CELL, "%murakkab frontier", *[RUN] * 10):
        reply = kernel.run(source, timeout_s=180)
        assert reply.error is None, reply.error
        sizes.append(saved(source, reply.shown))
    assert sum(sizes) < 300_000, sizes
    for words in (reply.html, reply.text):  # of the last run, in brief
        assert "In brief" in words
        assert "years of negotiations" in words
        assert "12 of 12" in words
