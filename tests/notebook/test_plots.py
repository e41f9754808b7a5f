from __future__ import annotations

import pytest

pytest.importorskip("plotly", reason="needs plotly, of the notebook extra")

from dataclasses import replace
from types import SimpleNamespace

from murakkab_jupyter.core.errors import InputError
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.notebook.plots import frontier_plot, timeline_plot
from tests.notebook import samples


def plans():
    one = samples.plan()
    two = replace(one, predicted={**one.predicted, "energy": Figure(500.0, "J"), "quality": Figure(0.8, "1")})
    return [one, two]


def test_a_frontier_has_a_point_a_plan_with_its_number_and_units_on_the_axes():
    figure = frontier_plot(plans())
    (points,) = figure.data
    assert list(points.x) == [pytest.approx(228.95), 500.0]
    assert list(points.text) == ["1", "2"]
    assert figure.layout.xaxis.title.text == "Energy (J)"
    assert figure.layout.yaxis.title.text == "Quality"


def test_a_plan_of_unknown_value_is_no_point():
    one, two = plans()
    unknown = replace(two, predicted={**two.predicted, "energy": Figure(None, "J")})
    assert len(frontier_plot([one, unknown]).data[0].x) == 1


def test_an_axis_that_is_none_is_one_error_that_names_them():
    with pytest.raises(InputError, match="cost, energy, latency, quality"):
        frontier_plot(plans(), x="speed")


def test_a_time_line_has_a_colour_a_step_and_a_line_for_what_happened():
    run = SimpleNamespace(
        workflow=samples.newsroom(),
        plan=samples.plan(),
        cluster=samples.cluster(),
        events=samples.story(),
        ended=False,
    )
    figure = timeline_plot(run)
    assert [bars.name for bars in figure.data] == ["scenes", "frames", "transcript"]
    frames = figure.data[1]
    assert list(frames.base) == [3.0, 4.0]
    assert len(figure.layout.shapes) == 3
    assert min(figure.data[2].marker.opacity) == 0.4
