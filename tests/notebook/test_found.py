"""Results as data for the extension: they say what the HTML says, and lead from an answer to its scene."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from types import SimpleNamespace

from murakkab_jupyter.core.kinds import Answer, Document, Evidence, Origin, Passage, Scene
from murakkab_jupyter.notebook.scope import Scope
from murakkab_jupyter.notebook.views.bill import bill_json
from murakkab_jupyter.notebook.views.found import ALL_CHARS, LONGEST, results_json
from murakkab_jupyter.notebook.views.results import MOST_CARDS, MOST_ROWS, Results, results_view
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow
from tests.notebook import samples

ITEM = (("videos", 0), ("scenes", 1))


def test_an_answer_leads_to_the_scene_in_which_its_evidence_begins():
    values = samples.values()
    scene = values["scenes"][ITEM]
    where = Evidence(scene.media.media.path, scene.start_s, scene.end_s, "the words")
    values["answer"] = {(): Answer("Yes.", (where, Evidence("/other.mp4", 1.0, 2.0), Evidence("notes")))}
    told = results_json(Results(samples.newsroom(), values))
    [said] = told["answers"]
    assert said["question"] == "What did the council decide?"
    first, other, timeless = said["evidence"]
    assert (other["at"], timeless["at"]) == (None, None)
    group, item = first["at"]
    assert told["groups"][group]["items"][item]["item"] == "videos 0 / scenes 1"


def test_evidence_leads_to_the_scene_of_its_own_file_where_two_share_a_name():
    made = samples.values(2)["videos"][(("videos", 0),)]
    clips = [replace(made, media=replace(made.media, path=f"/{one}/clip.mp4")) for one in "ab"]
    keys = [(("videos", number), ("scenes", 0)) for number in range(2)]
    found = (Evidence("/b/clip.mp4", 1.0, 2.0), Evidence("/c/clip.mp4", 1.0, 2.0))
    values = {
        "scenes": {key: Scene(clip, 0.0, 5.0) for key, clip in zip(keys, clips, strict=True)},
        "answer": {(("videos", 1),): Answer("Yes.", found)},
    }
    told = results_json(Results(samples.newsroom(), values))
    (group,) = told["groups"]
    assert [one["where"] for one in group["items"]] == ["a/clip.mp4 0:00–0:05", "b/clip.mp4 0:00–0:05"]
    proofs = told["answers"][0]["evidence"]
    assert [(one["where"], one["at"]) for one in proofs] == [
        ("b/clip.mp4 0:01–0:02", [0, 1]),
        ("clip.mp4 0:01–0:02", None),
    ]


def test_a_scene_has_its_values_and_a_step_that_failed_on_it_is_marked():
    values = samples.values()
    del values["transcript"][ITEM]
    told = results_json(Results(samples.newsroom(), values, (("transcript", ITEM, "No sound."),)))
    [group] = [one for one in told["groups"] if one["level"] == "videos/scenes"]
    item = group["items"][1]
    assert item["where"].startswith("council.mp4 ")
    by_name = {one["name"]: one for one in item["values"]}
    assert by_name["transcript"] == {"name": "transcript", "failed": True}
    assert by_name["objects"]["text"]
    assert told["failures"] == [{"step": "transcript", "item": "videos 0 / scenes 1", "why": "No sound."}]


def test_many_scenes_are_capped_and_counted_and_all_fits_a_saved_notebook():
    told = results_json(samples.results(MOST_CARDS + 40))
    [group] = [one for one in told["groups"] if one["level"] == "videos/scenes"]
    assert (len(group["items"]), group["left_out"]) == (MOST_CARDS, 40)
    assert len(json.dumps(told)) < 3 * ALL_CHARS


def test_a_text_that_is_cut_says_how_long_it_is_and_answers_that_are_left_out_are_counted():
    level = ("notes",)
    flow = Workflow(
        "digest",
        "",
        (Variable("notes", "text", level),),
        (
            Step("title", "name it", "python", (), False, "text", (Input("notes", "text", "gathered"),)),
            Step("reply", "answer", "question-answering", level, False, "answer", ()),
        ),
        Goal(),
        "",
    )
    keys = [(("notes", number),) for number in range(MOST_ROWS + 7)]
    told = results_json(
        Results(flow, {"title": {(): "x" * 9000}, "reply": {key: Answer("y" * 9000) for key in keys}})
    )
    [title] = told["whole"]
    assert (title["of"], len(title["text"])) == (9000, LONGEST)
    assert told["answers"][0]["of"] == 9000
    assert (len(told["answers"]), told["answers_left_out"]) == (MOST_ROWS, 7)
    short = results_json(Results(flow, {"title": {(): "x" * 40}}))
    assert short["whole"] == [{"name": "title", "text": "x" * 40}]
    assert short["answers_left_out"] == 0


def test_a_still_in_the_html_is_marked_with_the_item_it_shows():
    shown = results_view(samples.results())
    told = results_json(samples.results())
    [group] = [one for one in told["groups"] if one["level"] == "videos/scenes"]
    for one in group["items"]:
        assert f'data-murakkab-still="{one["item"]}"' in shown.html


def test_values_of_texts_stand_by_item_and_the_root_by_itself():
    level = ("notes",)
    flow = Workflow(
        "digest",
        "",
        (Variable("notes", "text", level),),
        (
            Step("gist", "pick", "python", level, False, "record", (Input("notes", "text", "same"),)),
            Step("title", "name it", "python", (), False, "text", (Input("gist", "text", "gathered"),)),
        ),
        Goal(),
        "",
    )
    key = (("notes", 0),)
    values = {
        "notes": {key: "A storm.\nBad."},
        "gist": {key: {"wind": 90, "what": "storm"}},
        "title": {(): "News"},
    }
    told = results_json(Results(flow, values))
    assert told["whole"] == [{"name": "title", "text": "News"}]
    assert told["groups"] == [
        {
            "level": "notes",
            "items": [
                {
                    "item": "notes 0",
                    "where": "A storm. Bad.",
                    "values": [{"name": "gist", "text": "wind: 90\nwhat: storm"}],
                }
            ],
            "left_out": 0,
        }
    ]


def test_control_and_direction_characters_do_not_pass():
    bad = "a\x1b[31m\u202eb"
    told = results_json(
        Results(replace(samples.newsroom(), name="x"), {"answer": {(): Answer(bad)}}, (("s", (), bad),))
    )
    said = json.dumps(told, ensure_ascii=False)
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_a_bill_is_a_table_of_words_with_one_cell_a_column():
    told = bill_json(samples.bill(), name="news")
    assert all(len(row) == len(told["columns"]) for row in told["rows"])
    assert told["rows"][-1][0][0].lower() == "total"
    assert any("plan" in detail for row in told["rows"] for _, detail in row)


def shelf(level: tuple[str, ...], values: dict) -> Results:
    """A workflow of one step over documents (or over all of them together)."""
    one = Input("docs", "text", "same" if level else "gathered")
    return Results(
        Workflow(
            "shelf",
            "",
            (Variable("docs", "document", ("docs",)),),
            (Step("found", "find", "python", level, False, "passage", (one,)),),
            Goal(),
            "",
        ),
        values,
    )


def documents(*paths: str) -> dict:
    made = samples.values(2)["videos"][(("videos", 0),)].media
    return {
        (("docs", number),): Document(replace(made, path=path), "text") for number, path in enumerate(paths)
    }


def said_of(results: Results) -> tuple[str, str, str]:
    """What a view says as text, as HTML and as data."""
    shown = results_view(results)
    plain = html.unescape(re.sub("<[^>]+>", "", shown.html))
    return tuple(" ".join(one.split()) for one in (shown.text, plain, json.dumps(results_json(results))))


def test_where_a_passage_was_found_stands_in_text_html_and_data():
    docs = documents("/shelf/report.pdf", "/shelf/talk.mp3", "/shelf/plain.txt")
    origins = (
        Origin("/shelf/report.pdf", place="page 3"),
        Origin("/shelf/talk.mp3", 65.0, 70.0),
        Origin("/shelf/plain.txt"),
    )
    places = ("(report.pdf, page 3)", "(talk.mp3 1:05–1:10)", "(plain.txt)")
    found = {key: Passage("Rates rose.", 0.9, one) for key, one in zip(docs, origins, strict=True)}
    for results in (
        shelf(("docs",), {"docs": docs, "found": found}),
        shelf((), {"docs": docs, "found": {(): list(found.values())}}),
    ):
        text, plain, _ = said_of(results)
        told = results_json(results)
        live = [one["text"] for one in told["whole"]]
        live += [one["text"] for group in told["groups"] for item in group["items"] for one in item["values"]]
        for place in places:
            for words in (text, plain, " ".join(live)):
                assert f"Rates rose. {place}" in words


def test_a_long_passage_keeps_where_it_was_found_and_says_how_much_is_cut():
    docs = documents("/shelf/report.pdf")
    found = {key: Passage("word " * 2000, 0.9, Origin("/shelf/report.pdf", place="page 3")) for key in docs}
    results = shelf(("docs",), {"docs": docs, "found": found})
    assert all("… (report.pdf, page 3)" in one for one in (results_view(results).text, said_of(results)[1]))
    [item] = results_json(results)["groups"][0]["items"]
    [value] = item["values"]
    assert value["text"].endswith("… (report.pdf, page 3)")
    assert len(value["text"]) <= LONGEST
    assert value["of"] == len(("word " * 2000).strip() + " (report.pdf, page 3)")


def test_files_that_share_a_name_are_called_alike_in_text_html_and_data():
    docs = documents("/a/report.pdf", "/b/report.pdf")
    found = {
        key: Passage("Rates rose.", 0.9, Origin(doc.media.path, place="page 3")) for key, doc in docs.items()
    }
    results = shelf(("docs",), {"docs": docs, "found": found})
    text, plain, _ = said_of(results)
    for name in ("a/report.pdf", "b/report.pdf"):
        for words in (text, plain):
            assert re.search(rf"docs \d ?\(?{name}", words), words
            assert f"Rates rose. ({name}, page 3)" in words
    [group] = results_json(results)["groups"]
    assert [(item["where"], item["values"][0]["text"]) for item in group["items"]] == [
        (name, f"Rates rose. ({name}, page 3)") for name in ("a/report.pdf", "b/report.pdf")
    ]


def test_the_variable_that_holds_the_run_is_the_workflows_name_where_that_can_be_one():
    for name, variable in (
        ("news", "news"),
        ("list", "murakkab_run"),
        ("class", "murakkab_run"),
        ("two words", "murakkab_run"),
        ("", "murakkab_run"),
    ):
        told = results_json(Results(replace(samples.newsroom(), name=name), {}))
        assert told["variable"] == variable
    assert results_json(Results(samples.newsroom(), {}, variable="mine"))["variable"] == "mine"


def test_on_a_terminal_what_is_left_out_is_written_by_export():
    shown = results_view(replace(samples.results(MOST_CARDS + 1), variable=None))
    assert "and 49 more: `murakkab export FILE` writes them all." in shown.text


def test_a_run_is_called_by_a_variable_that_holds_it():
    run, other = (SimpleNamespace(workflow=samples.newsroom()) for _ in range(2))
    bench = None
    assert Scope(bench, {"newsroom": run, "murakkab_run": run}).name_of(run) == "newsroom"
    assert Scope(bench, {"murakkab_run": run, "newsroom": 3}).name_of(run) == "murakkab_run"
    assert Scope(bench, {"newsroom": other, "_1": run, "kept": run}).name_of(run) == "kept"
    assert Scope(bench, {"class": run}).name_of(run) == "murakkab_run"
