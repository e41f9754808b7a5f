"""The view of results: answers, cards, stills, tables, failures, and names that tell files apart."""

from __future__ import annotations

from dataclasses import replace

from murakkab_jupyter.core.kinds import Answer, Box, Boxes, Evidence, Scene
from murakkab_jupyter.notebook.views.answer import answer_view
from murakkab_jupyter.notebook.views.results import MOST_CARDS, MOST_LINES, MOST_ROWS, Results, results_view
from murakkab_jupyter.notebook.views.values import names_apart, value_words
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow
from tests.notebook import samples
from tests.notebook.pages import tags_of, words_of


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


def test_a_table_costs_little_more_than_what_it_says():
    value = "x" * 40
    level = ("things",)
    step = Step("said", "say {things}", "python", level, False, "text", (Input("things", "text", "same"),))
    flow = Workflow("long", "", (Variable("things", "text", level),), (step,), Goal(), "")
    made = {"said": {(("things", i),): value for i in range(80)}}
    assert len(results_view(Results(flow, made)).html) < 80 * (40 + 110) + 3_000


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


def test_an_answer_by_itself_names_files_without_their_folders():
    said = Answer("Yes.", (Evidence("/home/someone/talks/harbour.mp4", 5.0, 8.0, "Yes, he said."),))
    shown = answer_view(said)
    for words in (words_of(shown), shown.text):
        assert "Yes." in words
        assert "harbour.mp4 0:05–0:08" in words
        assert "someone" not in words
