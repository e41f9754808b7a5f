"""Bare sentences become a cell."""

from __future__ import annotations

import pytest

from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.core.errors import LanguageError, UsageError
from murakkab_jupyter.workflow.goal import MIN_COST, MIN_ENERGY
from murakkab_jupyter.workflow.language import chain, declare, input_values

from .conftest import fresh_library

VIDEOS = {"videos": ["a.mp4", "b.mp4"]}
PAPER = ["Extract frames from each video", "Run speech-to-text on all scenes", "Detect objects in the frames"]


def test_the_papers_listing(library):
    inputs = ["a.mp4", "b.mp4"]
    text = chain(
        PAPER,
        library=library,
        inputs=inputs,
        description="List objects shown/mentioned in the videos",
        name="job",
        goal=MIN_ENERGY,
    )
    assert text == (
        "%%murakkab job --minimize energy\n"
        "List objects shown/mentioned in the videos\n"
        "\n"
        "frames <- Extract frames from each {videos}\n"
        "scenes <- split {videos} into scenes\n"
        "transcript <- Run speech-to-text on all {scenes}\n"
        "objects <- Detect objects in the {frames}\n"
    )
    workflow = declare(text, library=library, values=input_values(inputs))
    assert [step.capability for step in workflow.steps] == [
        "frame-extraction",
        "scene-detection",
        "speech-to-text",
        "object-detection",
    ]
    assert workflow.step("transcript").at == ("videos", "scenes")
    assert chain(PAPER, library=library, inputs=inputs, goal=MIN_COST) == chain(
        PAPER, library=library, inputs=inputs
    )


def test_a_silent_task_takes_the_most_refined_value_of_its_kind(library):
    tasks = [
        "Split the videos into scenes",
        "Take 3 frames from each scene.",
        "Transcribe the speech",
        "Detect objects",
        "Summarise each scene",
        "Answer the question",
    ]
    values = {**VIDEOS, "question": "What is shown?"}
    text = chain(tasks, library=library, values=values)
    assert text == (
        "scenes <- Split the {videos} into scenes\n"
        "frames <- Take 3 frames from each {scenes}\n"
        "transcript <- Transcribe the speech in {scenes}\n"
        "objects <- Detect objects in {frames}\n"
        "summary <- Summarise each scene from {transcript} and {objects}, per scenes\n"
        "answer <- Answer the {question} from {summary}\n"
    )
    workflow = declare(text, library=library, values=values)
    assert workflow.step("summary").at == ("videos", "scenes")


def test_a_step_that_opens_the_level_a_task_names_is_put_in(library):
    assert chain(["Detect objects in the frames"], library=library, values=VIDEOS) == (
        "frames <- take frames from {videos}\nobjects <- Detect objects in the {frames}\n"
    )


def test_words_may_stand_between_the_article_and_the_noun(library):
    tasks = ["Extract 2 frames from each long video", "Detect objects in the newly extracted frames"]
    assert chain(tasks, library=library, values=VIDEOS) == (
        "frames <- Extract 2 frames from each long {videos} @frame-extraction scene={videos} count=2\n"
        "objects <- Detect objects in the newly extracted {frames} @object-detection picture={frames}\n"
    )


def test_results_that_a_sentence_mentions_are_taken(library):
    tasks = ["Transcribe the videos", "Summarise the transcript"]
    assert chain(tasks, library=library, values=VIDEOS).endswith("summary <- Summarise the {transcript}\n")


def test_names_do_not_collide(library):
    tasks = ["Transcribe the videos", "Transcribe the recordings"]
    text = chain(tasks, library=library, inputs=["a.mp4", "b.mp3"])
    assert text == "transcript <- Transcribe the {videos}\ntranscript_2 <- Transcribe the {recordings}\n"


def test_a_task_may_say_its_references_or_be_a_whole_step(library):
    tasks = ["cuts <- split {videos} into scenes", "Transcribe {cuts}", "Summarise the transcript"]
    assert chain(tasks, library=library, values=VIDEOS) == (
        "cuts <- split {videos} into scenes\ntranscript <- Transcribe {cuts}\nsummary <- Summarise the {transcript}\n"
    )


def test_tasks_may_be_one_text(library):
    assert chain("\n".join(PAPER), library=library, values=VIDEOS) == chain(
        PAPER, library=library, values=VIDEOS
    )


@pytest.mark.parametrize(
    ("tasks", "message", "hint"),
    [
        (["Frobnicate"], "No capability is known", "split {video} into scenes"),
        (["Detect objects"], "needs frame or image", "take frames from"),
        (["Detect objects in the pictures of Ada"], "No capability", "one of these"),
        (["Read the text on each picture", ""], "empty", "what it should do"),
        (["Describe the videos"], "nothing here makes words of videos", "Transcribe the speech"),
        (["Tell what happens in each clip"], "nothing here makes words of videos", "Transcribe the speech"),
        (["Transcribe {nothing}"], "no earlier task", "videos"),
        (["Transcribe {videos"], "without its `}`", "{{"),
        (["Transcribe the videos", "Embed the documents"], "Nothing here is a documents", "videos (video)"),
    ],
)
def test_a_task_that_cannot_be_chained_is_told_with_its_number(library, tasks, message, hint):
    with pytest.raises(LanguageError) as caught:
        chain(tasks, library=library, values=VIDEOS)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert 1 <= caught.value.line <= len(tasks)


def test_an_ambiguous_chain_is_an_error(library):
    with pytest.raises(LanguageError, match="not clear which this task means: videos or films"):
        chain(["Split the clips into scenes"], library=library, values={**VIDEOS, "films": ["c.mp4"]})
    library = fresh_library()
    library.add_capability(
        Capability(
            "cutting",
            "Cut.",
            (Port("video", frozenset({"video"})),),
            "text",
            patterns=("split {video} into scenes",),
        )
    )
    with pytest.raises(LanguageError, match="could mean"):
        chain(["Split the videos into scenes"], library=library, values=VIDEOS)


@pytest.mark.parametrize("tasks", [[], ""])
def test_no_tasks_are_told(library, tasks):
    with pytest.raises(UsageError, match="no tasks"):
        chain(tasks, library=library, values=VIDEOS)


def test_a_description_that_would_be_a_step_is_told(library):
    with pytest.raises(UsageError, match="looks like a step"):
        chain(PAPER, library=library, values=VIDEOS, description="a <- b")


def test_inputs_are_named_by_what_they_are():
    assert input_values(["a.mp4", "b.MKV"]) == {"videos": ["a.mp4", "b.MKV"]}
    assert input_values("a.mp3") == {"recordings": ["a.mp3"]}
    assert input_values(["a.png", "Some words."]) == {"images": ["a.png"], "texts": ["Some words."]}
    assert input_values({"films": "x"}) == {"films": "x"}
    for nothing in ([], (), None):
        with pytest.raises(UsageError, match="no inputs"):
            input_values(nothing)
