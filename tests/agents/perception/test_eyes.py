"""Pictures in words: what sentences mean it, what is sent to a model that sees, and what stands in without one."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.library import Library, default_library
from murakkab_jupyter.agents.media.files import probe
from murakkab_jupyter.agents.media.pictures import read_frame
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.agents.served.serving import EndpointWriter, register_endpoint
from murakkab_jupyter.agents.served.watching import spread
from murakkab_jupyter.core.hosts import ClusterView
from murakkab_jupyter.core.kinds import Answer, Evidence, Frame, Segment, Transcript
from murakkab_jupyter.planner.modes import usable
from murakkab_jupyter.workflow.language import declare
from tests.agents.served.fake_openai import FakeServer, answers, error, fake_server, piece, said, says
from tests.runtime.till import worker

pillow = pytest.importorskip("PIL.Image")


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server() as fake:
        yield fake


def picture(folder: Path, width: int = 64, height: int = 48, name: str = "a.png"):
    path = folder / name
    pillow.fromarray(np.full((height, width, 3), 90, np.uint8)).save(path)
    return probe(path, "image")


def agent(server: FakeServer, capability: str = "visual-description", **options):
    made = EndpointWriter(capability, Endpoint(server.url, "fake-model", kind="vllm"))()
    made.load(options, 1)
    return made


def sent(server: FakeServer, request: int = -1) -> list[tuple[int, int]]:
    """The sizes of the pictures of a request, as a model would see them."""
    urls = [part["image_url"]["url"] for part in server.asked[request]["messages"][-1]["content"][:-1]]
    assert all(url.startswith("data:image/jpeg;base64,") for url in urls)
    return [pillow.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).size for url in urls]


def item(*pictures, **values) -> Inputs:
    return Inputs((), {"pictures": list(pictures) if len(pictures) != 1 else pictures[0], **values})


# --- sentences ------------------------------------------------------------------------------------------------------

HEAD = """scenes <- split {videos} into scenes
frames <- take 3 frames from {scenes}
transcript <- transcribe the speech in {scenes}
"""


@pytest.mark.parametrize(
    ("sentence", "capability", "level"),
    [
        ("describe {frames}", "visual-description", "frames"),
        ("describe {frames}, per scene", "visual-description", "scenes"),
        ("describe what is shown in {frames} given {transcript}", "visual-description", "scenes"),
        ("say what {frames} show", "visual-description", "frames"),
        ("answer {question} from {frames}, per video", "visual-question-answering", "videos"),
        (
            "answer {question} from {frames} and {transcript}, per video",
            "visual-question-answering",
            "videos",
        ),
        ("answer {question} from {transcript}, per video", "question-answering", "videos"),
        ("describe {transcript}", "text-generation", "scenes"),
    ],
)
def test_what_a_sentence_means(sentence, capability, level, three_scenes):
    values = {"videos": str(three_scenes), "question": "Why?"}
    cell = f"{HEAD}last <- {sentence}\n"
    step = declare(cell, library=default_library(), values=values).steps[-1]
    assert step.capability == capability
    assert step.at[-1] == level


# --- a model that sees ------------------------------------------------------------------------------------------------


def test_a_picture_goes_with_the_request_and_the_text_comes_back(server, tmp_path):
    (text,) = agent(server).call([item(picture(tmp_path))])
    assert text.startswith("heard: Describe what is shown")
    assert sent(server) == [(64, 48)]


def test_words_beside_pictures_go_with_them(server, tmp_path):
    speech = Transcript((Segment(0.0, 1.0, "Good evening."),))
    agent(server).call([item(picture(tmp_path), context=[("transcript", speech)])])
    assert "Transcript:\nGood evening." in said(server.asked[-1])


def test_large_pictures_are_made_smaller_by_rule_and_that_is_said(server, tmp_path):
    eyes = agent(server, side=200)
    eyes.call([item(picture(tmp_path, 800, 400))])
    assert sent(server) == [(200, 100)]
    assert any("at most 200 pixels" in note for note in eyes.notes())


def test_what_the_server_finds_too_large_is_sent_smaller(server, tmp_path):
    server.script = [error(413, "Request Entity Too Large")]
    eyes = agent(server, side=400)
    (text,) = eyes.call([item(picture(tmp_path, 800, 400))])
    assert text.startswith("heard")
    assert [sent(server, 0), sent(server, 1)] == [[(400, 200)], [(200, 100)]]
    assert any("half the size" in note for note in eyes.notes())


def test_what_is_always_too_large_fails_in_words(server, tmp_path):
    server.script = [error(400, "image exceeds the maximum of 1 pixel")] * 3
    (failed,) = agent(server).call([item(picture(tmp_path, 800, 400))])
    assert "exceeds the maximum" in failed.reason


def test_an_image_of_too_many_pixels_fails_alone(server, tmp_path, monkeypatch):
    small, huge = picture(tmp_path), picture(tmp_path, 800, 400, "b.png")
    monkeypatch.setattr("murakkab_jupyter.agents.media.pictures.MAX_MEGAPIXELS", 0.1)
    good, failed = agent(server).call([item(small), item(huge)])
    assert good.startswith("heard")
    assert "megapixels" in failed.reason


def test_of_many_pictures_some_at_even_distances_are_looked_at(server, tmp_path):
    many = [picture(tmp_path, 60 + n, 40, f"{n}.png") for n in range(9)]
    eyes = agent(server, pictures=3)
    eyes.call([item(*many)])
    assert sent(server) == [(60, 40), (64, 40), (68, 40)]
    assert any("3 at even distances" in note for note in eyes.notes())


@pytest.mark.parametrize(
    "refusal",
    [
        "At most 2 image(s) may be provided in one request.",
        "Too many images provided. This model supports up to 2 images",
        "too many images: 3 were given, the limit is 2",
    ],
)
def test_a_server_that_takes_fewer_pictures_gets_fewer_and_that_is_said_and_remembered(
    server, tmp_path, refusal
):
    many = [picture(tmp_path, 60 + n, 40, f"{n}.png") for n in range(5)]
    server.script = [error(400, refusal)]
    eyes = agent(server, pictures=3)
    (text,) = eyes.call([item(*many)])
    assert text.startswith("heard")
    assert sent(server) == [(60, 40), (64, 40)]
    notes = list(eyes.notes())
    assert any("at most 2 pictures" in note for note in notes)
    assert not any("3 at even distances" in note for note in notes), "no such thing happened"
    eyes.call([item(*many)])
    assert len(server.asked) == 3


def test_a_question_about_fewer_pictures_numbers_those_that_are_sent(server, three_scenes):
    server.script = [
        error(400, "At most 1 image(s) may be provided in one request."),
        says('{"answer": "A wall.", "pictures": [1]}'),
    ]
    (answer,) = agent(server, "visual-question-answering").call(
        [item(*frames(three_scenes), question="What is there?")]
    )
    assert answer.text == "A wall."
    assert "numbered" not in said(server.asked[-1])
    assert len(answer.evidence) == 1


def test_a_server_that_takes_fewer_and_fewer_ends_as_a_failure(server, tmp_path):
    many = [picture(tmp_path, 60 + n, 40, f"{n}.png") for n in range(3)]
    server.script = [error(400, "At most 2 image(s) may be provided.")] * 2
    (failed,) = agent(server).call([item(*many)])
    assert "At most 2" in failed.reason
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        (400, "fake-model is not a multimodal model"),
        (400, "At most 0 image(s) may be provided in one request."),
        (
            500,
            "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
        ),
        (500, 'Failed to parse messages: Unsupported content part type: "image_url"'),
        (500, "Failed to create new sequence: this model is missing data required for image input"),
        (400, "Invalid content type. image_url is only supported by certain models."),
    ],
)
def test_a_model_that_does_not_see_is_asked_once_and_the_failure_says_what_to_do(
    server, tmp_path, status, refusal
):
    server.script = [error(status, refusal)] * 5
    (failed,) = agent(server).call([item(picture(tmp_path))])
    assert len(server.asked) == 1
    assert "does not see" in failed.reason
    assert "engine attach" in failed.reason


def test_pictures_beyond_the_context_are_sent_smaller(server, tmp_path):
    server.script = [
        error(400, "The decoder prompt (length 5000) is longer than the maximum model length of 2048.")
    ]
    eyes = agent(server, side=400)
    (text,) = eyes.call([item(picture(tmp_path, 800, 400))])
    assert text.startswith("heard")
    assert [sent(server, 0), sent(server, 1)] == [[(400, 200)], [(200, 100)]]


def test_what_is_transparent_is_seen_on_white_and_deep_greys_are_kept(tmp_path):
    clear = pillow.new("RGBA", (8, 8), (0, 0, 0, 0))
    clear.putpixel((1, 1), (0, 0, 0, 255))
    clear.save(tmp_path / "clear.png")
    seen = read_frame(probe(tmp_path / "clear.png", "image"))
    assert seen[0, 0].tolist() == [255, 255, 255]
    assert seen[1, 1].tolist() == [0, 0, 0]
    pillow.fromarray(np.full((8, 8), 257 * 100, np.uint16)).save(tmp_path / "deep.png")
    assert read_frame(probe(tmp_path / "deep.png", "image"))[0, 0].tolist() == [100, 100, 100]


def test_even_distances():
    assert spread(9, 3) == [0, 4, 8]
    assert spread(5, 1) == [2]
    assert spread(4, 4) == [0, 1, 2, 3]


def test_nothing_to_look_at_fails_in_words(server):
    (failed,) = agent(server).call([Inputs((), {"pictures": []})])
    assert "no picture" in failed.reason


@pytest.mark.parametrize("unreadable", [False, True])
@pytest.mark.parametrize("capability", ["visual-description", "visual-question-answering"])
def test_a_batch_that_asks_nothing_takes_no_tokens(server, tmp_path, monkeypatch, capability, unreadable):
    server.script = [says(json.dumps({"answer": "a cat", "pictures": [1]}))]
    eyes = agent(server, capability)
    eyes.call([item(picture(tmp_path), question="What is it?")])
    assert eyes.tokens().read > 0
    pictures = [picture(tmp_path)] if unreadable else []
    monkeypatch.setattr("murakkab_jupyter.agents.media.pictures.MAX_MEGAPIXELS", 0.0001)
    (failed,) = eyes.call([item(*pictures, question="What is it?")])
    assert isinstance(failed, Failed)
    assert (eyes.tokens().read, eyes.tokens().written) == (0, 0)
    assert len(server.asked) == 1


def test_an_empty_description_fails_in_words(server, tmp_path):
    server.script = [says("")]
    (failed,) = agent(server).call([item(picture(tmp_path))])
    assert failed == Failed("The model wrote nothing.")


# --- answers ----------------------------------------------------------------------------------------------------------


def frames(path: Path) -> list[Frame]:
    video = probe(path, "video")
    return [Frame(video, time_s) for time_s in (0.5, 1.5)]


def test_an_answer_brings_the_pictures_that_show_it(server, three_scenes):
    server.script = [says('{"answer": "A blue wall.", "pictures": [2, 7]}')]
    shown = frames(three_scenes)
    (answer,) = agent(server, "visual-question-answering").call([item(*shown, question="What is there?")])
    assert answer == Answer("A blue wall.", (Evidence(str(three_scenes), 1.5, 1.5),))
    asked = server.asked[-1]
    assert asked["response_format"]["json_schema"]["schema"]["required"] == ["answer", "pictures"]
    assert "numbered from 1 to 2" in said(asked)


def test_a_server_that_keeps_to_no_schema_still_answers_with_every_picture_as_evidence(server, three_scenes):
    server.script = [says("It is a wall.")]
    shown = frames(three_scenes)
    (answer,) = agent(server, "visual-question-answering").call([item(*shown, question="What?")])
    assert answer.text == "It is a wall."
    assert [one.start_s for one in answer.evidence] == [0.5, 1.5]


@pytest.mark.parametrize(
    ("written", "finish", "why"),
    [
        ('{"answer": "A red bo', "length", "cut off"),
        ('```json\n{"answer": "A red bo', "length", "cut off"),
        ('{"answer": A red bow}', "stop", "no JSON object"),
        ('{"answer": null}', "stop", "no answer"),
        ('{"answer": ["a"], "pictures": [1]}', "stop", "no answer"),
        ('{"answer": " ", "pictures": [1]}', "stop", "no answer"),
        ('{"pictures": [1]}', "stop", "no answer"),
        ("", "stop", "wrote nothing"),
    ],
)
def test_a_form_without_an_answer_fails_in_words(server, three_scenes, written, finish, why):
    server.script = [lambda handler, _: handler.stream(piece(written, finish), "[DONE]")]
    (failed,) = agent(server, "visual-question-answering").call(
        [item(*frames(three_scenes), question="What?")]
    )
    assert isinstance(failed, Failed)
    assert why in failed.reason


def test_words_that_are_cut_off_are_an_answer_and_told_of(server, three_scenes):
    server.script = [lambda handler, _: handler.stream(piece("It is a red", "length"), "[DONE]")]
    eyes = agent(server, "visual-question-answering")
    (answer,) = eyes.call([item(*frames(three_scenes), question="What?")])
    assert answer.text == "It is a red"
    assert any("cut off" in note for note in eyes.notes())


def test_a_form_with_words_around_it_and_a_number_are_read(server, three_scenes):
    server.script = [says('Sure: {"answer": 3, "pictures": 2}')]
    (answer,) = agent(server, "visual-question-answering").call(
        [item(*frames(three_scenes), question="How many?")]
    )
    assert answer.text == "3"
    assert len(answer.evidence) == 2


def test_a_question_of_nothing_fails_in_words(server, three_scenes):
    (failed,) = agent(server, "visual-question-answering").call([item(*frames(three_scenes), question=" ? ")])
    assert "empty" in failed.reason


# --- without one ------------------------------------------------------------------------------------------------------


def planned(library: Library, three_scenes: Path):
    values = {"videos": str(three_scenes)}
    step = declare(f"{HEAD}last <- describe {{frames}}\n", library=library, values=values).steps[-1]
    return usable(step, library, ClusterView((worker(),)))[:2]


def fresh() -> Library:
    library = Library()
    library.load_entry_points()
    return library


def test_without_a_model_that_sees_another_stands_in_and_the_plan_says_so(three_scenes):
    agents, notes = planned(fresh(), three_scenes)
    assert [one.name for one in agents] == ["tags-and-text"]
    assert any("no model that sees is known" in note for note in notes)


def test_with_one_the_stand_in_is_not_planned(three_scenes):
    library = fresh()
    register_endpoint(
        Endpoint("http://host/v1", "vlm", abilities=frozenset({"chat", "images"})), "vlm", library=library
    )
    agents, notes = planned(library, three_scenes)
    assert [one.name for one in agents] == ["vlm-eyes"]
    assert not any("stands in" in note for note in notes)


@pytest.mark.media
def test_objects_written_words_and_speech_stand_in(speech_video):
    shown = Frame(probe(speech_video, "video"), 7.0)
    speech = Transcript((Segment(0.0, 9.0, "Thank you all."),))
    maker = default_library().agent("tags-and-text")
    seen = maker.make()
    seen.load(maker.settings({}), 2)
    (text,) = seen.call([item(shown, context=[("transcript", speech)])])
    assert "person" in text
    assert text.endswith("Beside: Thank you all.")
    maker = default_library().agent("tags-and-text-qa")
    asked = maker.make()
    asked.load(maker.settings({}), 2)
    (answer,) = asked.call([item(shown, question="Which objects are visible?")])
    assert "person" in answer.text
    assert answer.evidence[0].start_s == 7.0


# --- vectors ----------------------------------------------------------------------------------------------------------


def vectors(server: FakeServer, capability: str, **options):
    endpoint = Endpoint(server.url, "fake-model", abilities=frozenset({"embeddings"}))
    library = fresh()
    specs = {one.capability: one for one in register_endpoint(endpoint, "far", library=library)}
    assert set(specs) == {"embedding", "retrieval"}
    made = specs[capability].make()
    made.load({**specs[capability].settings({}), **options}, 1)
    return made


def test_texts_become_vectors_of_the_served_encoder_in_order(server):
    made = vectors(server, "embedding")
    texts = ["a" * (n + 1) for n in range(70)]
    rows = made.call([Inputs((), {"text": text}) for text in texts])
    for text, row in zip(texts, rows, strict=True):
        assert row[0] / row[1] == pytest.approx(len(text), rel=1e-4)
    assert made.tokens().read > 0
    assert made.tokens().read == 0


def test_passages_are_found_by_the_served_encoder(server):
    made = vectors(server, "retrieval", top_k=1)
    (found,) = made.call(
        [
            Inputs(
                (),
                {"passages": ["tiny", "a question of like length"], "question": "a question of like lengt?"},
            )
        ]
    )
    assert [one.text for one in found] == ["a question of like length"]


def test_a_text_too_long_for_the_encoder_is_shortened_and_that_is_said(server):
    message = (
        "This model's maximum context length is 512 tokens. However, your prompt contains 900 input tokens."
    )
    made = vectors(server, "embedding")
    server.script = [error(400, message)]
    made.call([Inputs((), {"text": "word " * 500})])
    assert len(server.asked[-1]["input"][0]) <= 1500
    assert any("shortened" in note for note in made.notes())
    made = vectors(server, "embedding", too_long="fail")
    server.script = [error(400, message)]
    (failed,) = made.call([Inputs((), {"text": "word " * 500})])
    assert "does not fit" in failed.reason


@pytest.mark.parametrize(
    "body",
    [{"data": []}, {"data": [{"index": 0}]}, {"data": [{"index": 0, "embedding": ["x"]}]}, json.loads("{}")],
)
def test_what_is_no_vector_fails_its_text_in_words(server, body):
    made = vectors(server, "embedding")
    server.script = [answers(200, body)]
    (failed,) = made.call([Inputs((), {"text": "word"})])
    assert "no 1 vectors" in failed.reason
