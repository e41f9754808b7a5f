"""The view of a plan: its sources, second choices, bands, time line and what is proven."""

from __future__ import annotations

import html as entities
import re
from dataclasses import replace

import pytest

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.notebook.views.plan import plan_view
from murakkab_jupyter.notebook.views.plan_sheet import plan_sheet
from murakkab_jupyter.planner.plan import Alternative, Configuration, StepPlan
from tests.notebook import samples
from tests.notebook.pages import words_of


def test_text_of_svg_is_empty_so_that_a_page_that_strips_it_shows_no_scraps():
    svg = re.search(r"<svg.*?</svg>", plan_view(samples.plan(), samples.newsroom()).html, re.DOTALL).group()
    assert re.sub(r"<[^>]+>", "", svg).strip() == ""


def test_a_plan_says_sources_and_second_choices_and_what_binds():
    shown = plan_view(samples.plan(), samples.newsroom())
    for text in (shown.text, words_of(shown)):
        assert "whisper-base" in text
        assert "2.6x the energy" in " ".join(text.split())
        assert "Held back by" in text
        assert "unknown" in text
        assert "~ prior" in text
        assert "° published" in text
    assert "after objects, transcript" in words_of(shown)


def test_a_plan_without_times_has_no_time_line():
    chosen = samples.plan()
    steps = {
        n: replace(s, predicted={k: f for k, f in s.predicted.items() if k not in {"start", "end"}})
        for n, s in chosen.steps.items()
    }
    assert "<svg" not in plan_view(replace(chosen, steps=steps)).html


def test_where_a_steps_figures_come_from_is_printed_and_not_in_titles_alone():
    said = words_of(plan_view(samples.plan()))
    told = said.split("Where the figures come from", 1)[1]
    steps = samples.plan().steps
    for origin in {origin for step in plan_sheet(samples.plan())["steps"] for _, _, origin in step["facts"]}:
        assert f"{origin} :" in told
    assert "prior: package, from CPU-seconds (estimate) : Energy " in told
    assert not [name for name in steps if name not in told]  # some are measured, some are not


def test_the_text_of_a_plan_has_the_bands_of_its_steps():
    text = plan_view(samples.plan()).text
    assert "scenes: Time 2.17 s to 4.96 s, CPU time 3.36 s to 5.46 s" in text
    none = replace(
        samples.plan(),
        steps={
            name: replace(step, predicted={"latency": Figure(1.0, "s")})
            for name, step in samples.plan().steps.items()
        },
    )
    assert "Bands" not in plan_view(none).text


def test_the_static_plan_has_every_number_of_the_live_one():
    plan, flow = samples.plan(), samples.newsroom()
    html = entities.unescape(plan_view(plan, flow).html).replace("<span>$</span>", "$").replace("\u00a0", " ")
    sheet = plan_sheet(plan, flow)
    for step in sheet["steps"]:
        said = [
            step["items"].split()[0],
            *step["time"].split(" – "),
            step["agent"],
            step["place"],
            step["batch"],
        ]
        said += [part.rstrip(")") for _, text, _ in step["facts"] for part in text.split(" (")]
        if step["second"]:
            said += [step["second"]["agent"], step["second"]["reason"]]
        assert [one for one in said if one not in html] == []
    for label, text, _, _ in sheet["totals"]:
        assert label in html
        assert text in html


def test_a_second_choice_is_not_said_twice_where_it_stands_beside_its_reason():
    plan = samples.plan()
    name, step = next((name, one) for name, one in plan.steps.items() if one.runner_up is not None)
    why = "the workflow would take 2 s instead of 1 s: too long."
    step = replace(step, configuration=replace(step.configuration, siblings=False, batch=4))
    other = Alternative(replace(step.configuration, batch=8), f"batch 8: {why}")
    plan = replace(plan, steps={**plan.steps, name: replace(step, runner_up=other)})
    (second,) = [one["second"] for one in plan_sheet(plan)["steps"] if one["name"] == name]
    assert second["batch"] == "batch 8"
    assert second["reason"] == why
    other = replace(other, reason="No other is known.")
    plan = replace(plan, steps={**plan.steps, name: replace(step, runner_up=other)})
    assert [one["second"]["reason"] for one in plan_sheet(plan)["steps"] if one["name"] == name] == [
        other.reason
    ]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        # The view leaves instances out.
        ({"instances": 8}, "8 instances: the workflow would take 9 s instead of 8 s."),
        ({"batch": 8}, "No: it is known: that."),
        (
            {"batch": 8},
            "served on gpu (8 x 1 core, batch 8) was not compared: one of the two has no profile.",
        ),
    ],
)
def test_of_the_reason_of_a_second_choice_nothing_is_left_out_that_the_view_does_not_say(change, why):
    mine = Configuration("served", device="remote", engine="vllm-1", engine_cores=2)
    step = StepPlan(mine, 1, {}, Alternative(replace(mine, **change), why))
    (seen,) = plan_sheet(replace(samples.plan(), steps={"seen": step}))["steps"]
    assert seen["second"]["reason"] == why


def test_guesses_have_a_dashed_edge_in_a_plan():
    html = plan_view(samples.plan(), samples.newsroom()).html
    assert "dashed: a prior" in html
    assert html.count("1px dashed") >= 6  # pills and bars
    chosen = samples.plan()
    sure = {key: replace(one, source="measured") for key, one in chosen.predicted.items() if one.known}
    steps = {n: replace(s, predicted=sure) for n, s in chosen.steps.items()}
    assert "dashed" not in plan_view(replace(chosen, predicted=sure, steps=steps)).html


def test_the_time_line_has_its_bars_without_svg():
    html = re.sub(r"<svg.*?</svg>", "", plan_view(samples.plan(), samples.newsroom()).html)
    bars = re.findall(r"margin-left:([\d.]+)%;width:([\d.]+)%;min-width:3px;height:\d+px;background:#", html)
    assert len(bars) == len(samples.plan().steps)
    assert len(set(bars)) > 1
    assert max(float(left) + float(wide) for left, wide in bars) <= 100, "it fits a narrow page"
    assert "after scenes" in html


def test_a_plan_of_six_steps_stays_small():
    assert len(plan_view(samples.plan(), samples.newsroom()).html) < 26_000


def test_a_plan_shows_what_is_proven_what_more_would_save_and_the_prior_that_matters_most():
    plan = replace(
        samples.plan(),
        bound=19.0,
        gap=0.05,
        proof="Proven: no plan has less energy than 19 J <b>.",
        trades=("5 s more would save 31 % of energy.",),
        priors=("If a took 2 times as long, x would be done by b.", "If c took 3 times as long."),
    )
    bundle = plan_view(plan)
    for shown in (bundle.text, entities.unescape(re.sub("<[^>]*>", "", bundle.html))):
        assert "no plan has less energy than 19 J" in shown
        assert "5 s more would save 31 % of energy." in shown
        assert "If a took 2 times as long" in shown
        assert "If c took" not in shown
        assert "explain says which" in shown
    assert "19 J <b>" not in bundle.html
