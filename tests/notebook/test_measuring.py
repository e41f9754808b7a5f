"""The bar of measuring, and what a described cluster shows."""

from murakkab_jupyter.cluster.measuring.agents import Progress
from murakkab_jupyter.notebook.show import show
from murakkab_jupyter.notebook.views.measuring import measuring_line, measuring_view
from murakkab_jupyter.notebook.views.tables import cluster_view
from murakkab_jupyter.profiles.described import find_cluster
from murakkab_jupyter.verbs import Outcome
from murakkab_jupyter.verbs.answers import cluster_json


def test_the_bar_says_how_far_and_what_is_measured():
    line = measuring_line(Progress(3, 12, "whisper-base beam=5 on 2 cores"))
    assert "3 of 12" in line
    assert "whisper-base beam=5" in line
    assert line.count("█") == 5
    html = measuring_view(Progress(3, 12, "whisper-base")).html
    assert 'aria-valuenow="25"' in html
    assert 'role="progressbar"' in html


def test_a_bar_of_nothing_is_a_bar():
    assert "0 of 0" in measuring_line(Progress(0, 0, ""))


def test_a_long_name_keeps_to_the_line():
    assert len(measuring_line(Progress(1, 2, "x" * 500), 79)) <= 79


def test_a_name_with_markup_is_shown_as_text():
    assert "<script>" not in measuring_view(Progress(0, 1, "<script>")).html


def test_a_described_cluster_shows_gpus_rent_and_where_each_figure_is_from():
    view = find_cluster("h100-server")
    text = cluster_view(view, address="h100-server").text
    assert "8 × H100" in text
    assert "98.3 USD/h" in text
    assert "placeholder" in text
    assert "@098741e" in text
    shown = show(Outcome("cluster", (view, "h100-server"), cluster_json(view)))
    assert shown.text == text
    (worker,) = cluster_json(view)["workers"]
    assert worker["price_usd_per_hour"]["source"] == "published"
    assert worker["gpus"][0]["idle_w"]["source"] == "prior"
