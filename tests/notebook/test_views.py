"""Views: the same numbers as HTML and text, nothing from outside, everything escaped, small."""

from __future__ import annotations

import html as entities
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import ClusterView, HostPower, WorkerView
from murakkab_jupyter.core.kinds import Answer, Box, Boxes, Evidence, Passage, Scene, Segment, Transcript
from murakkab_jupyter.notebook import views as rooms
from murakkab_jupyter.notebook.show import profile_view
from murakkab_jupyter.notebook.views.answer import answer_view
from murakkab_jupyter.notebook.views.bill import bill_json, bill_view
from murakkab_jupyter.notebook.views.figures import amount, band, figure_text, short, time_text, timecode
from murakkab_jupyter.notebook.views.frontier import frontier_sheet, frontier_view, ticks
from murakkab_jupyter.notebook.views.html import STYLE, Bundle, clean, once, shorten, tag, text_table
from murakkab_jupyter.notebook.views.plan import plan_view
from murakkab_jupyter.notebook.views.plan_sheet import plan_sheet
from murakkab_jupyter.notebook.views.progress import (
    Moment,
    StepMoment,
    eta_s,
    progress_line,
)
from murakkab_jupyter.notebook.views.results import MOST_CARDS, MOST_LINES, MOST_ROWS, Results, results_view
from murakkab_jupyter.notebook.views.run import run_view
from murakkab_jupyter.notebook.views.tables import (
    Model,
    PastRun,
    cluster_view,
    code_view,
    history_view,
    message_view,
    models_view,
    words_view,
)
from murakkab_jupyter.notebook.views.values import file_name, names_apart, value_words
from murakkab_jupyter.planner.coverage import Coverage, Frontier
from murakkab_jupyter.planner.plan import Alternative, Configuration, Reservation
from murakkab_jupyter.planner.standing import Standing
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow
from tests.notebook import samples

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x1b[2J\u202e"


class Tags(HTMLParser):
    """Collects tags and attributes, and checks that tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.open: list[str] = []

    def handle_starttag(self, name, attrs) -> None:
        self.found.append((name, dict(attrs)))
        if name not in {"img", "br"}:
            self.open.append(name)

    def handle_startendtag(self, name, attrs) -> None:
        self.found.append((name, dict(attrs)))

    def handle_endtag(self, name) -> None:
        assert self.open.pop() == name


def tags_of(bundle: Bundle) -> list[tuple[str, dict]]:
    parser = Tags()
    parser.feed(bundle.html)
    assert parser.open == []
    return parser.found


def words_of(bundle: Bundle) -> str:
    html = re.sub(r"<span>([$\\\\])</span>", r"\1", bundle.html.replace(STYLE, ""))
    return " ".join(entities.unescape(re.sub(r"<[^>]+>", " ", html)).split())


def moment() -> Moment:
    steps = {
        "scenes": StepMoment(1, 0, 0, 1, 1),
        "frames": StepMoment(3, 1, 0, None, 15),
        "objects": StepMoment(0, 0, 0, None, 0),
    }
    return Moment("newsroom", steps, 7.4, 8.6, "running")


def every_view() -> dict[str, Bundle]:
    chosen = samples.plan()
    failures = (("transcript", (("videos", 0), ("scenes", 3)), "cannot be decoded"),)
    return {
        "plan": plan_view(chosen, samples.newsroom()),
        "results": results_view(samples.results(5, failures)),
        "bill": bill_view(samples.bill(), name="newsroom"),
        "run": run_view(samples.run_state()),
        "frontier": frontier_view([chosen, chosen], chosen=chosen),
        "history": history_view([PastRun("ab12", "newsroom", "done", 1.7e9, 15.2, 31, "")]),
        "models": models_view([Model("tiny", "a model", "package x", "MIT", None, "no")]),
        "cluster": cluster_view(ClusterView((WorkerView("w", "h", 2, 8 * 10**9),))),
    }


@pytest.mark.parametrize("name", list(every_view()))
def test_a_view_is_small_closed_and_asks_nothing_of_the_network_or_of_scripts(name):
    shown = every_view()[name]
    assert len(shown.html) < 100_000
    assert re.findall(r"<style.*?</style>", shown.html) in ([], [STYLE])
    for tag_name, attributes in tags_of(shown):
        assert tag_name not in {"script", "link", "iframe", "object"}
        assert not any(key.startswith("on") for key in attributes)
        for key in ("src", "href"):
            assert attributes.get(key, "data:").startswith("data:image/") if key in attributes else True
    assert "http" not in shown.html.replace("http://www.w3.org/2000/svg", "")
    assert shown.text.strip()


@pytest.mark.parametrize("name", list(every_view()))
def test_every_number_with_a_unit_in_the_text_is_in_the_html(name):
    shown = every_view()[name]
    numbers = re.findall(r"[~°]?\$?\d[\d.,]*(?:e-\d+)? ?(?:ms|s|J|kJ|GB)\b", shown.text)
    words = words_of(shown)
    assert all(" ".join(number.split()) in words for number in numbers), [
        n for n in numbers if n not in words
    ]


@pytest.mark.parametrize("name", list(every_view()))
def test_tables_have_headers_and_pictures_have_words(name):
    found = tags_of(every_view()[name])
    for tag_name, attributes in found:
        if tag_name == "table":
            assert attributes.get("aria-label")
        if tag_name == "th":
            assert attributes.get("scope") or name == "plan"
        if tag_name == "img":
            assert attributes.get("alt")
        if tag_name == "svg":
            assert attributes.get("aria-label")
            assert attributes.get("role") == "img"


def test_text_of_svg_is_empty_so_that_a_page_that_strips_it_shows_no_scraps():
    svg = re.search(r"<svg.*?</svg>", plan_view(samples.plan(), samples.newsroom()).html, re.DOTALL).group()
    assert re.sub(r"<[^>]+>", "", svg).strip() == ""


def assert_inert(shown: Bundle) -> None:
    allowed = {
        "style",
        "div",
        "span",
        "strong",
        "small",
        "br",
        "em",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "img",
        "svg",
        "rect",
        "path",
        "line",
        "details",
        "summary",
        "ul",
        "li",
        "pre",
    }
    for tag_name, attributes in tags_of(shown):
        assert tag_name in allowed
        assert not any(key.startswith("on") for key in attributes)
        if tag_name == "img":
            assert attributes["src"].startswith("data:image/jpeg")
    assert "<script" not in shown.html
    assert "<style" not in shown.html.replace(STYLE, "")
    for text in (shown.html, shown.text):
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_script_tags_are_inert_in_results_through_every_kind_of_value():
    where = (("videos", 0),)
    key = (*where, ("scenes", 0))
    video = replace(samples.VIDEO, media=replace(samples.VIDEO.media, path=f"/m/{EVIL.replace('/', '')}.mp4"))
    values = {
        "videos": {where: video},
        "question": {(): EVIL},
        "scenes": {key: Scene(video, 0, 4)},
        "frames": {},
        "objects": {(*key, ("frames", 0)): Boxes((Box(EVIL, 0.9, 0, 0, 1, 1),))},
        "transcript": {key: Transcript((Segment(0, 1, EVIL),), note=EVIL)},
        "summary": {key: {EVIL: [EVIL, Passage(EVIL)]}},
        "answer": {(): Answer(EVIL, (Evidence(f"/x/{EVIL}", 1, 2, EVIL),))},
    }
    failures = (("transcript", key, EVIL),)
    flow = replace(samples.newsroom(), name=EVIL)
    assert_inert(results_view(Results(flow, values, failures, samples.jpeg)))


def test_script_tags_are_inert_in_names_options_reasons_and_notes_of_a_plan():
    chosen = samples.plan()
    bad = Configuration(EVIL, ((EVIL, EVIL),))
    steps = {EVIL: replace(chosen.steps["scenes"], configuration=bad, runner_up=Alternative(bad, EVIL))}
    steps[EVIL].predicted["latency"] = Figure(1, "s", note=EVIL)
    assert_inert(plan_view(replace(chosen, workflow=EVIL, steps=steps, binding=EVIL, notes=(EVIL,))))
    assert_inert(frontier_view([replace(chosen, steps=steps)]))


def test_script_tags_are_inert_everywhere_else():
    assert_inert(history_view([PastRun(EVIL, EVIL, EVIL, None, None, None, EVIL)]))
    assert_inert(models_view([Model(EVIL, EVIL, EVIL, EVIL, 1, EVIL)]))
    assert_inert(cluster_view(ClusterView((WorkerView(EVIL, EVIL, 1, 1),)), address=EVIL))
    assert_inert(words_view(EVIL, EVIL))
    assert_inert(message_view(EVIL))
    bill = samples.bill()
    line = replace(bill.steps[0], name=EVIL, agent=EVIL)
    assert_inert(bill_view(replace(bill, steps=(line,), notes=(EVIL,)), name=EVIL))


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


def test_results_show_the_answer_with_its_evidence_before_the_cards():
    shown = results_view(samples.results())
    for text in (shown.text, words_of(shown)):
        assert text.index("nine to four to build") < text.index("videos/scenes")
        assert "council.mp4 0:14–0:19" in text
        assert "What did the council decide?" in text
        assert "no speech (no audio track)" in text
        assert "bicycle (1 of 3)" in text


def test_files_of_one_name_are_told_apart_by_as_little_of_their_paths_as_does_it():
    made = samples.values(2)["videos"][(("videos", 0),)]
    paths = ("/x/monday/clip.mp4", "/x/tuesday/clip.mp4", "/x/monday/other.mp4")
    videos = [replace(made, media=replace(made.media, path=path)) for path in paths]
    values = {
        "videos": {(("videos", number),): video for number, video in enumerate(videos)},
        "scenes": {
            (("videos", number), ("scenes", 0)): Scene(video, 0.0, 5.0) for number, video in enumerate(videos)
        },
        "answer": {(("videos", 1),): Answer("Four cars.", (Evidence(paths[1], 1.0, 2.0),))},
    }
    shown = results_view(Results(samples.newsroom(), values))
    headings = [a["aria-label"] for _, a in tags_of(shown) if a.get("class") == "ms-card"]
    assert headings == ["monday/clip.mp4 0:00–0:05", "tuesday/clip.mp4 0:00–0:05", "other.mp4 0:00–0:05"]
    for words in (words_of(shown), shown.text):
        assert "tuesday/clip.mp4 0:01–0:02" in words
        assert "monday/clip.mp4 0:00–0:05" in words
        assert "/x/" not in words


def test_names_that_tell_files_apart():
    assert names_apart(["/a/one.mp4", "/a/two.mp4"]) == {}
    assert names_apart(["clip.mp4", "b/clip.mp4"]) == {"b/clip.mp4": "b/clip.mp4"}
    assert names_apart(["/a/x/clip.mp4", "/b/x/clip.mp4", "/b/y/clip.mp4"]) == {
        "/a/x/clip.mp4": "a/x/clip.mp4",
        "/b/x/clip.mp4": "b/x/clip.mp4",
        "/b/y/clip.mp4": "y/clip.mp4",
    }
    assert names_apart(["C:\\a\\clip.mp4", "C:\\b\\clip.mp4"])["C:\\a\\clip.mp4"] == "a/clip.mp4"
    assert names_apart([]) == {}


def test_several_frames_keep_the_counts_of_their_objects():
    def seen(**counts):
        return Boxes(tuple(Box(label, 0.9, 0, 0, 1, 1) for label, n in counts.items() for _ in range(n)))

    assert value_words([seen(car=4), seen(car=4)]) == "4 × car"
    assert (
        value_words([seen(car=1, dog=2), seen(car=4), seen()]) == "up to 4 × car (2 of 3), 2 × dog (1 of 3)"
    )
    assert value_words([seen(car=1), seen(car=1)]) == "car"


def test_a_card_has_a_still_of_its_scene():
    images = [a for n, a in tags_of(results_view(samples.results())) if n == "img"]
    assert len(images) == 5
    assert images[0]["alt"].startswith("A still of council.mp4")


def test_many_scenes_are_capped_and_counted_and_the_view_stays_small():
    shown = results_view(samples.results(MOST_CARDS + 40))
    assert len(shown.html) < 200_000
    assert "and 40 more: all are in newsroom.outputs" in words_of(shown)
    assert f"and {MOST_CARDS + 40 - MOST_LINES} more: all are in newsroom.outputs" in shown.text


def test_a_terminal_is_told_more_than_a_page_that_has_html_beside():
    few = results_view(samples.results(MOST_CARDS))
    all_of_it = results_view(samples.results(MOST_CARDS), most_lines=MOST_ROWS)
    assert "more: all are in newsroom.outputs" in few.text
    assert "more: all are in newsroom.outputs" not in all_of_it.text
    assert few.html == all_of_it.html


def test_views_in_one_output_share_one_style_sheet():
    two = plan_view(samples.plan()).html + bill_view(samples.bill()).html
    assert two.count(STYLE) == 2
    assert once(two).count(STYLE) == 1
    assert once(two).replace(STYLE, "") == two.replace(STYLE, "")
    assert once("<div>none</div>") == "<div>none</div>"


def test_a_bills_legend_has_no_bullet_in_front_ends_either():
    *notes, marks = bill_json(samples.bill())["notes"]
    assert marks.startswith("~ prior")
    assert notes
    assert all(one.startswith("• ") for one in notes)


def test_what_scrolls_is_reached_by_the_keyboard_and_has_a_name():
    shown = (
        plan_view(samples.plan(), samples.newsroom()),
        run_view(samples.run_state()),
        bill_view(samples.bill()),
        cluster_view(samples.cluster()),
        results_view(samples.results()),
        code_view("Code", "a <- b {c}"),
    )
    scrollers = [a for view in shown for _, a in tags_of(view) if "overflow-x:auto" in a.get("style", "")]
    assert len(scrollers) >= 7
    assert [
        a for a in scrollers if a.get("tabindex") != "0" or not a.get("role") or not a.get("aria-label")
    ] == []


def test_where_a_steps_figures_come_from_is_printed_and_not_in_titles_alone():
    said = words_of(plan_view(samples.plan()))
    told = said.split("Where the figures come from", 1)[1]
    steps = samples.plan().steps
    for origin in {origin for step in plan_sheet(samples.plan())["steps"] for _, _, origin in step["facts"]}:
        assert f"{origin} :" in told
    assert "prior: package, from CPU-seconds (estimate) : Energy " in told
    assert not [name for name in steps if name not in told]  # some are measured, some are not


def test_where_the_figures_of_a_frontier_come_from_is_printed():
    plans = [samples.plan(), samples.plan()]
    told = words_of(frontier_view(plans)).split("Where the figures come from", 1)[1]
    for note in {note for point in frontier_sheet(plans)["points"] for note in point["notes"].values()}:
        assert f"{note} :" in told


def test_where_the_figures_of_a_cluster_and_a_profile_come_from_is_printed_in_page_and_text():
    idle = Figure(31.0, "W", source="published", note="a data sheet")
    worker = WorkerView("w", "h", 2, 8 * 10**9, power=HostPower(idle_w=idle))
    row = {"agent": "reader", "capability": "reading", "work": 1.0, "unit": "page"}
    row |= dict.fromkeys(("call_s", "call_cpu_s", "load_s", "memory"), Figure(2.0, "s", source="measured"))
    row["quality"] = Figure(0.8, "1", source="prior", note="a guess")
    cluster = cluster_view(ClusterView((worker,)))
    for shown, told in (
        (cluster, "published: a data sheet: Idle power"),
        (profile_view([row]), "prior: a guess: Quality"),
        (profile_view([row]), "measured: One call; Its CPU time; Loading; Memory"),
    ):
        for words in (words_of(shown).replace(" :", ":"), shown.text):
            assert told in words.split("Where the figures come from", 1)[1]


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


def test_what_scrolls_in_a_live_view_is_reached_by_the_keyboard_and_has_a_name():
    scripts = Path(rooms.__file__).parent / "js"
    made = [
        found
        for script in sorted(scripts.glob("*.js"))
        for found in re.findall(r"\{ class: 'mk-(?:scroll|marks)'[^}]*\}", script.read_text())
    ]
    assert len(made) >= 4
    assert [
        one for one in made if "tabindex: '0'" not in one or not re.search(r"'aria-label': ['`]", one)
    ] == []


def test_a_table_costs_little_more_than_what_it_says():
    value = "x" * 40
    level = ("things",)
    step = Step("said", "say {things}", "python", level, False, "text", (Input("things", "text", "same"),))
    flow = Workflow("long", "", (Variable("things", "text", level),), (step,), Goal(), "")
    made = {"said": {(("things", i),): value for i in range(80)}}
    assert len(results_view(Results(flow, made)).html) < 80 * (40 + 110) + 3_000


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


def test_the_static_frontier_has_every_number_of_the_live_one():
    one = samples.plan()
    name, step = next(iter(one.steps.items()))
    other = replace(step, configuration=Configuration("another", (("size", 3),), "cpu", 2, 0, 1, 4))
    two = replace(one, steps={**one.steps, name: other}, standing=Standing(("fastest",), ("3 J (7 %)",)))
    plans = [one, two]
    sheet = frontier_sheet(plans, chosen=two)
    shown = frontier_view(plans, chosen=two)
    for words in (words_of(shown), " ".join(shown.text.split())):
        for point in sheet["points"]:
            said = [
                *point["texts"].values(),
                *(part for pair in point["choices"] for part in pair),
                point["gives"],
            ]
            assert [part for part in said if part not in words] == []
        assert "2 (chosen)" in words
        assert [part for part in (sheet["same"], sheet["coverage"], sheet["note"]) if part not in words] == []


def test_guesses_have_a_dashed_edge_in_a_plan():
    html = plan_view(samples.plan(), samples.newsroom()).html
    assert "dashed: a prior" in html
    assert html.count("1px dashed") >= 6  # pills and bars
    chosen = samples.plan()
    sure = {key: replace(one, source="measured") for key, one in chosen.predicted.items() if one.known}
    steps = {n: replace(s, predicted=sure) for n, s in chosen.steps.items()}
    assert "dashed" not in plan_view(replace(chosen, predicted=sure, steps=steps)).html


def test_a_still_that_cannot_be_read_hides_nothing():
    def broken(value, width):
        msg = "the file is gone"
        raise OSError(msg)

    shown = results_view(replace(samples.results(), thumbnail=broken))
    assert "<img" not in shown.html
    assert "The vote was nine to four" in words_of(shown)


def test_a_failed_item_is_named_by_ancestry_and_marked_on_its_card():
    key = (("videos", 0), ("scenes", 1))
    values = samples.values()
    del values["transcript"][key]
    shown = results_view(Results(samples.newsroom(), values, (("transcript", key, "It cannot be decoded."),)))
    for text in (shown.text, words_of(shown)):
        assert "1 item failed" in text
        assert "videos 0 / scenes 1" in text
        assert "It cannot be decoded." in text
        assert "failed" in text
    assert "failed, see below" in words_of(shown)


def test_a_text_only_workflow_is_a_table_with_its_inputs():
    level = ("reviews",)
    flow = Workflow(
        "moods",
        "",
        (Variable("reviews", "text", level),),
        (
            Step(
                "mood",
                "classify {reviews}",
                "text-generation",
                level,
                False,
                "text",
                (Input("reviews", "context", "same"),),
            ),
            Step(
                "overall",
                "sum up {mood}, per all",
                "text-generation",
                (),
                False,
                "text",
                (Input("mood", "context", "gather"),),
            ),
        ),
        Goal(),
        "",
    )
    values = {
        "reviews": {(("reviews", i),): text for i, text in enumerate(["Lovely.", "Dreadful."])},
        "mood": {(("reviews", 0),): "good", (("reviews", 1),): "bad"},
        "overall": {(): "mixed"},
    }
    shown = results_view(Results(flow, values))
    for text in (shown.text, words_of(shown)):
        assert text.index("mixed") < text.index("Lovely.")
        assert "Dreadful." in text
        assert "reviews 1" in text


def test_nothing_made_says_so():
    shown = results_view(Results(samples.newsroom(), {}))
    assert "Nothing has been made yet." in shown.text


def test_a_bill_shows_the_plan_beside_and_its_lines_add_up():
    bill = samples.bill()
    shown = bill_view(bill, name="newsroom")
    assert "plan ~15.1 s" in shown.text
    assert "estimate" in shown.text
    assert "idle" in shown.text
    assert figure_text(bill.total.energy_j) in words_of(shown)
    assert "tokens 812 in, 190 out" in shown.text


def test_a_step_that_never_began_says_so_in_its_bill():
    bill = samples.bill()
    nothing = Figure(0.0, "s", source="measured")
    line = replace(bill.steps[-1], done=0, begun=False, latency_s=nothing, cpu_s=nothing)
    assert "not begun" not in bill_view(bill).text
    text = bill_view(replace(bill, steps=(*bill.steps[:-1], line))).text
    row = next(one for one in text.splitlines() if one.startswith(line.name))
    assert "not begun" in row
    assert "unknown" not in row


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


def test_tag_escapes_what_is_no_markup():
    assert tag("b", "<i>", tag("i", "x"), title='"') == '<b title="&quot;">&lt;i&gt;<i>x</i></b>'


def test_dollars_and_backslashes_are_no_formulas():
    assert tag("b", "$5 to $9 \\(x\\)").count("<span>$</span>") == 2
    shown = results_view(samples.results()).html + plan_view(samples.plan()).html
    assert re.findall(r"\$[^<]*\$", re.sub(r'"[^"]*"', "", shown)) == []


def test_clean_keeps_letters_of_all_scripts_and_drops_controls():
    assert clean("Grüße 日本 👩‍🚀\n\ta") == "Grüße 日本 👩‍🚀\n\ta"
    assert "\x1b" not in clean("\x1b[31mred")


def test_text_tables_align_wide_characters():
    lines = text_table([("a", "left"), ("b", "right")], [["日本", 1], ["x", 10]]).split("\n")
    assert lines[2] == "日本   1"
    assert lines[3] == "x     10"


def test_shorten_and_file_names():
    assert shorten("a  b\nc", 3) == "a…"
    assert file_name("C:\\films\\a.mp4") == "a.mp4"
    assert value_words(None) == "nothing"
    assert value_words("") == "(empty)"


# --- notebooks that are not trusted -------------------------------------------------------------------------------


STRIPPED = re.compile(r"(?:^|;)(?:background|background-color|border[a-z-]*|color|fill|stroke):[^;]*var\(")
"""What JupyterLab strips from a notebook that is not trusted: theme variables in colours."""


@pytest.mark.parametrize("name", list(every_view()))
def test_lines_and_shades_are_such_as_a_notebook_that_is_not_trusted_keeps(name):
    for _, attributes in tags_of(every_view()[name]):
        assert not STRIPPED.search(attributes.get("style") or "")


def test_the_time_line_has_its_bars_without_svg():
    html = re.sub(r"<svg.*?</svg>", "", plan_view(samples.plan(), samples.newsroom()).html)
    bars = re.findall(r"margin-left:([\d.]+)%;width:([\d.]+)%;min-width:3px;height:\d+px;background:#", html)
    assert len(bars) == len(samples.plan().steps)
    assert len(set(bars)) > 1
    assert max(float(left) + float(wide) for left, wide in bars) <= 100, "it fits a narrow page"
    assert "after scenes" in html


def test_a_plan_of_six_steps_stays_small():
    assert len(plan_view(samples.plan(), samples.newsroom()).html) < 26_000


def test_an_answer_by_itself_names_files_without_their_folders():
    said = Answer("Yes.", (Evidence("/home/someone/talks/harbour.mp4", 5.0, 8.0, "Yes, he said."),))
    shown = answer_view(said)
    for words in (words_of(shown), shown.text):
        assert "Yes." in words
        assert "harbour.mp4 0:05–0:08" in words
        assert "someone" not in words


def test_a_bill_does_not_claim_that_times_add_up():
    assert "their times do not" in bill_view(samples.bill()).text


def test_a_frontier_shows_only_what_differs():
    one = samples.plan()
    name, step = next(iter(one.steps.items()))
    other = Configuration("another-agent", (), step.configuration.device, 2, 1, batch=1)
    two = replace(one, steps={**one.steps, name: replace(step, configuration=other)})
    shown = frontier_view([one, two], chosen=one)
    head = shown.text.splitlines()[1]
    assert name in head
    assert all(same not in head.split() for same in list(one.steps)[1:])
    assert "another-agent" in shown.text
    assert "The same in every plan" in shown.text
    assert "1 (chosen)" in shown.text


def test_a_frontier_shows_what_it_covers_and_what_to_know_of_all_its_plans():
    one = samples.plan()
    coverage = Coverage(2340, 90, 700, ("energy", "latency"), (0.9, 0.0), points=2, shown=2)
    found = Frontier((one, one), coverage, ("Planned for 64 cores; this host has 2.",))
    shown = frontier_view(found, chosen=one)
    for words in (words_of(shown), " ".join(shown.text.split())):
        assert "90 of 2,340 plans of the modes considered were simulated" in words
        assert words.count("Planned for 64 cores") == 1
    assert "Coverage" not in frontier_view([one, one]).text


def test_a_frontier_says_which_of_its_plans_serves_the_goal_better_than_the_chosen_one():
    one = samples.plan()
    first = one.goal.objectives[0]
    assert first != "quality"

    def with_figures(plan, **values):
        told = {key: replace(plan.predicted[key], value=value) for key, value in values.items()}
        return replace(plan, predicted={**plan.predicted, **told})

    chosen = with_figures(one, **{first: 20.0, "quality": 0.8})
    better = with_figures(one, **{first: 15.0, "quality": 0.8})
    worse = with_figures(one, **{first: 12.0, "quality": 0.7})
    coverage = Coverage(9, 9, 0, (), (), points=2, shown=2)
    found = Frontier((worse, better), coverage)
    assert found.outdoes(chosen) == (2, first, 15.0, 20.0)
    assert "Plan 2 serves the goal better than the chosen one" in frontier_view(found, chosen=chosen).text
    limited = replace(chosen, goal=replace(one.goal, deadline_s=60.0))
    late = with_figures(better, latency=2 * one.predicted["latency"].value)
    for plans, plan in (((worse,), chosen), ((late,), limited), ((better,), replace(chosen, taken="plan 1"))):
        assert Frontier(plans, coverage).outdoes(plan) is None
        assert "serves the goal better" not in frontier_view(Frontier(plans, coverage), chosen=plan).text


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


def test_a_frontier_tells_a_step_s_options_from_its_place_and_batch():
    one = samples.plan()
    name, step = next(iter(one.steps.items()))
    how = [
        Configuration("see", (("size", 320),), "cpu", 1, 0, instances=2, batch=4),
        Configuration("see", (("size", 320),), "cpu", 1, 0, instances=2, batch=16),
        Configuration("see", (("size", 640),), "cpu", 2, 0, instances=1, batch=4),
        Configuration("see", (("size", 640),), "gpu", 1, 1, instances=1, batch=4),
    ]

    def plans(configurations):
        return [
            replace(one, steps={**one.steps, name: replace(step, configuration=c)}) for c in configurations
        ]

    def chosen(configurations):
        return [point["choices"][0] for point in frontier_sheet(plans(configurations))["points"]]

    assert chosen(how[:3]) == [
        ["size=320 on 2 × 1 core, batch 4", ""],
        ["size=320 on 2 × 1 core, batch 16", ""],
        ["size=640 on 1 × 2 cores", ""],
    ]
    assert chosen(how[:2]) == [["batch 4", ""], ["batch 16", ""]]
    assert chosen(how[2:]) == [["on cpu, 1 × 2 cores", ""], ["on gpu, 1 × 1 core + 1 GPU", ""]]
    other = replace(how[0], agent="look")
    assert chosen([how[0], other, how[2]]) == [
        ["see", "size=320 on 2 × 1 core"],
        ["look", "on 2 × 1 core"],
        ["see", "size=640 on 1 × 2 cores"],
    ]
    shown = frontier_view(plans(how[:3]))
    assert "size=320 on 2 × 1 core, batch 4" in shown.text.splitlines()[3]
    assert f"the agent of {name} (see)" in shown.text


def test_marks_of_an_axis_have_words_of_their_own():
    for low, high, unit in ((1.2e-7, 1.45e-7, "USD"), (0.558, 0.603, "1"), (2.0, 2.0, "s"), (0, 1e4, "J")):
        found = ticks(low, high, unit)
        words = [word for _, word in found["ticks"]]
        assert words
        assert len(set(words)) == len(words)
        assert all(found["low"] <= mark <= found["high"] for mark, _ in found["ticks"])


@pytest.mark.parametrize(
    ("cores", "hosts", "gpus", "said"),
    [
        (1, {"a": 2}, {}, "1 of 2 cores"),
        (1, {"a": 1}, {}, "1 of 1 core"),
        (2, {"a": 4, "b": 4}, {}, "2 of 4 cores a host"),
        (3, {"a": 2, "b": 8}, {}, "at most 3 cores a host"),
        (2, {"a": 4}, {"a": 1}, "2 of 4 cores, 1 GPU"),
    ],
)
def test_a_frontier_says_what_its_plans_reserve_where_that_differs(cores, hosts, gpus, said):
    one = samples.plan()
    two = replace(one, reserves=Reservation(cores, hosts, gpus=gpus, gpus_of=gpus))
    sheet = frontier_sheet([replace(one, reserves=None), two])
    assert sheet["changing"] == ["Reserves"]
    assert [point["choices"] for point in sheet["points"]] == [[["whole hosts", ""]], [[said, ""]]]
