"""The rules of levels: the five examples of the language's definition, and every rule by itself."""

from __future__ import annotations

import pytest

from murakkab_jupyter.core.errors import LanguageError
from murakkab_jupyter.workflow.language.levels import fold

from .conftest import NEWSROOM

SCENES = "scenes <- split {videos} into scenes\n"
SUMMARY = SCENES + (
    "transcript <- transcribe the speech in {scenes}\nsummary <- summarise the scene from {transcript}\n"
)


def hows(step):
    return {one.source: one.how for one in step.inputs}


def test_example_1_the_newsroom(bound):
    workflow = bound(NEWSROOM)
    levels = {s.name: (s.at, s.level) for s in workflow.steps}
    videos, scenes = ("videos",), ("videos", "scenes")
    frames = (*scenes, "frames")
    assert levels == {
        "scenes": (videos, scenes),
        "frames": (scenes, frames),
        "transcript": (scenes, scenes),
        "objects": (frames, frames),
        "summary": (scenes, scenes),
        "answer": (videos, videos),
    }
    assert workflow.step("frames").options == {"count": 3}
    assert hows(workflow.step("summary")) == {"objects": "gather", "transcript": "same"}
    assert hows(workflow.step("answer")) == {"question": "broadcast", "summary": "gather"}


@pytest.mark.parametrize(
    ("per", "at", "how"),
    [("", ("videos", "scenes"), "same"), (", per video", ("videos",), "gather"), (", per all", (), "gather")],
)
def test_example_2_one_answer_per_scene_per_video_or_for_all(bound, per, at, how):
    step = bound(SUMMARY + f"answer <- answer {{question}} from {{summary}}{per}").step("answer")
    assert step.at == at
    assert hows(step)["summary"] == how


def test_example_3_the_port_said_outright(bound):
    text = SUMMARY + "a <- answer {q} from {summary}, per video @question-answering question={q} paths=3"
    step = bound(text).step("a")
    assert step.at == ("videos",)
    assert step.capability == "question-answering"
    assert step.pin == "question-answering"
    assert step.options == {"paths": 3}
    assert [one.source for one in step.inputs_of("question")] == ["q"]
    assert [one.source for one in step.inputs_of("context")] == ["summary"]


def test_example_4_two_branches_meet_at_what_they_have_in_common(bound):
    text = SCENES + "chapters <- split {videos} into chapters\nboth <- compare {scenes} with {chapters}"
    step = bound(text).step("both")
    assert step.at == ("videos",)
    assert hows(step) == {"scenes": "gather", "chapters": "gather"}
    with pytest.raises(LanguageError, match="`scenes` is not inside chapters") as caught:
        bound(text + ", per chapters")
    assert "per videos" in caught.value.hint
    assert bound(text + ", per videos").step("both").at == ("videos",)


def test_example_5_search_for_all_then_a_prompt(bound):
    text = (
        "hits <- find in {passages} what answers {question}, per all @retrieval top_k=5\n"
        "reply <- answer {question} from {hits}, per all\n"
        '  Reply as JSON {{"answer": …}} using {hits}\n'
    )
    workflow = bound(text)
    hits, reply = workflow.steps
    assert hits.at == ()
    assert hits.level == ("hits",)
    assert hits.options == {"top_k": 5}
    assert hows(hits) == {"passages": "gather", "question": "same"}
    assert reply.at == ()
    assert hows(reply) == {"question": "same", "hits": "gather"}
    assert reply.body == 'Reply as JSON {{"answer": …}} using {hits}'
    assert [one.in_body for one in reply.inputs] == [False, True]


def test_one_media_file_is_a_collection_too(bound):
    workflow = bound(SCENES, videos="a.mp4")
    assert workflow.variable("videos").level == ("videos",)


def test_a_list_opens_a_level_and_a_text_is_a_scalar(bound):
    workflow = bound("s <- summarise {passages}\nt <- summarise {question}")
    assert workflow.variable("passages").level == ("passages",)
    assert workflow.variable("question").level == ()
    assert workflow.step("s").at == ("passages",)
    assert workflow.step("t").at == ()
    assert bound("s <- summarise {passages}", passages=("one", "two")).step("s").at == ("passages",)


def test_two_lists_that_meet_at_the_root_ask_for_per(bound):
    with pytest.raises(LanguageError, match="nothing in common") as caught:
        bound("both <- compare {passages} with {others}", others=["x"])
    assert "per all" in caught.value.hint
    assert bound("both <- compare {passages} with {others}, per all", others=["x"]).step("both").at == ()


def test_a_step_without_references_runs_once_at_the_root(bound):
    assert bound("poem <- write a poem about rain").step("poem").at == ()


def test_a_step_may_be_spread_over_a_level_it_takes_nothing_from(bound):
    step = bound(SCENES + "line <- explain {question}, per scene").step("line")
    assert step.at == ("videos", "scenes")
    assert hows(step) == {"question": "broadcast"}


def test_what_lives_higher_is_broadcast(bound):
    text = (
        SUMMARY
        + "gist <- summarise {transcript}, per video\nboth <- compare {summary} with {gist}, per scene"
    )
    assert hows(bound(text).step("both")) == {"summary": "same", "gist": "broadcast"}


def test_a_port_of_one_refuses_many_and_names_the_level(bound):
    with pytest.raises(LanguageError, match="takes one") as caught:
        bound(SCENES + "t <- transcribe {scenes}, per video")
    assert "per scenes" in caught.value.hint
    assert caught.value.line == 2


def test_a_port_of_many_refuses_one_and_names_the_level(bound):
    with pytest.raises(LanguageError, match="takes many") as caught:
        bound("hits <- find in {passages} what answers {question}")
    assert "per all" in caught.value.hint
    with pytest.raises(LanguageError, match="takes many values, and `q` is one"):
        bound("hits <- find in {q} what answers {question}")


def test_an_unknown_level_is_told_with_the_nearest(bound):
    with pytest.raises(LanguageError, match="no level `scens`") as caught:
        bound(SUMMARY + "a <- answer {q} from {summary}, per scens")
    assert "per scenes" in caught.value.hint
    assert caught.value.column == len("a <- answer {q} from {summary}, per ") + 1


def test_a_name_that_opens_no_level_is_no_level(bound):
    with pytest.raises(LanguageError, match="no level `transcript`"):
        bound(SUMMARY + "a <- answer {q} from {summary}, per transcript")


def test_an_ambiguous_plural_is_told_and_an_exact_name_wins(bound):
    text = "scene <- split {videos} into scenes\nscenes <- split {videos} into shots\n"
    assert bound(text + "t <- transcribe {scene}, per scene").step("t").at == ("videos", "scene")
    with pytest.raises(LanguageError, match="could be"):
        bound(text.replace("scenes <-", "Scenes <-") + "t <- transcribe {scene}, per SCENE")


@pytest.mark.parametrize(
    ("plural", "singular"),
    [("videos", "video"), ("stories", "story"), ("boxes", "box"), ("matches", "match"), ("people", "person"),
     ("series", "series"), ("classes", "class"), ("news_clips", "news_clip"), ("passages", "passage"), ("bus", "bus")],
)  # fmt: skip
def test_plurals_fold(plural, singular):
    assert fold(plural) == fold(singular) == singular


def test_a_reference_of_the_body_counts_for_levels_and_has_no_port(bound):
    text = SUMMARY + "note <- write a note\n  About {summary} of {videos}"
    step = bound(text).step("note")
    assert step.at == ("videos",)
    assert [(one.source, one.port, one.how) for one in step.inputs] == [
        ("summary", "", "gather"),
        ("videos", "", "same"),
    ]
