"""Vectors and search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.library import default_library
from murakkab_jupyter.agents.text.search import (
    LONGEST,
    MiniLMEmbedding,
    MiniLMSearch,
    WordLlamaEmbedding,
    WordLlamaSearch,
    longest_problem,
)
from murakkab_jupyter.core.errors import AgentError
from murakkab_jupyter.core.kinds import Origin, Segment, Transcript

TEXTS = ["A dog swims in the lake.", "The council approved a cycle path.", "Bake the cake for forty minutes."]
PLACES = [Origin("/a.mp4", float(n), n + 1.0) for n in range(3)]


def search(agent, question, passages, places=None, **options):
    agent.load({"top_k": 5, **options}, 1)
    return agent.call([Inputs((), {"question": question, "passages": passages}, {"passages": places})])[0]


def test_the_nearest_passage_comes_first_with_its_place_and_score():
    found = search(WordLlamaSearch(), "Where is the dog?", TEXTS, PLACES, top_k=2)
    assert len(found) == 2
    assert found[0].text == TEXTS[0]
    assert found[0].origin == PLACES[0]
    assert 1 >= found[0].score >= found[1].score


def test_a_very_long_passage_costs_the_others_nothing():
    agent = WordLlamaSearch()
    texts = [*TEXTS, "word " * 5_000]
    found = search(agent, "Where is the dog?", texts)
    assert found[0].text == TEXTS[0]
    assert 5_000 < agent.tokens().read < 5_100, "padding is not read"


def test_static_vectors_are_what_the_library_makes_of_texts():
    wordllama = pytest.importorskip("wordllama")
    library = wordllama.WordLlama.load(
        cache_dir=Path(wordllama.__file__).parent, disable_download=True
    ).embed([*TEXTS, " "])
    ours = WordLlamaEmbedding().call([Inputs((), {"text": text}) for text in [*TEXTS, ""]])
    expected = library / np.linalg.norm(library, axis=1, keepdims=True)
    assert np.allclose(ours, expected, atol=1e-6)


def test_transcripts_can_be_searched():
    spoken = [Transcript((Segment(0, 1, text),)) for text in TEXTS]
    assert search(WordLlamaSearch(), "What did the council do?", spoken, PLACES)[0].origin == PLACES[1]


def test_passages_without_words_are_not_found():
    assert [p.text for p in search(WordLlamaSearch(), "dog", ["", "  ", TEXTS[0]])] == [TEXTS[0]]


def test_nothing_to_search_finds_nothing():
    assert search(WordLlamaSearch(), "dog", []) == []


def test_an_empty_question_fails():
    assert isinstance(search(WordLlamaSearch(), " ", TEXTS), Failed)


def test_no_passages_wanted_is_a_mistake():
    assert "top_k" in search(WordLlamaSearch(), "dog", TEXTS, top_k=0).reason


def test_a_vector_does_not_depend_on_its_batch():
    agent = WordLlamaEmbedding()
    agent.load({}, 1)
    items = [Inputs((), {"text": text}) for text in [*TEXTS, ""]]
    together = agent.call(items)
    assert together[0].shape == (256,)
    for one, vector in zip(items, together, strict=True):
        np.testing.assert_allclose(agent.call([one])[0], vector, atol=1e-6)
    assert agent.tokens().read == 0, "a text without words has no tokens"


def test_a_folder_without_the_model_is_an_error(tmp_path):
    from murakkab_jupyter.agents.text.vectors import MiniLM

    with pytest.raises(AgentError, match=r"model\.safetensors"):
        MiniLM(tmp_path)


def test_texts_share_a_pass_where_their_lengths_are_alike():
    from murakkab_jupyter.agents.text.vectors import MiniLM

    model = object.__new__(MiniLM)  # without weights
    lengths = [200, 20, 21, 5, 22, 256, 20]
    made = model.batches(lengths)
    assert sorted(index for some in made for index in some) == list(range(len(lengths)))
    assert [sorted(lengths[index] for index in some) for some in made] == [
        [5],
        [20, 20, 21, 22],
        [200],
        [256],
    ]
    assert max(map(len, model.batches([7] * 50))) == model.batch
    assert model.batches([]) == []


def test_a_long_text_is_as_much_work_as_its_encoder_reads():
    library = default_library()
    embedding = library.capability("embedding")
    inputs = {"text": {"tokens": 20_000.0}}
    assert embedding.work(inputs, library.agent("minilm").settings({})) == 256
    assert embedding.work(inputs, library.agent("minilm").settings({"longest": 100})) == 100
    assert embedding.work(inputs, library.agent("wordllama").settings({})) == 20_000
    assert longest_problem(512) == ""
    assert "512" in longest_problem(513)


@pytest.mark.media
def test_minilm_reads_no_more_of_a_text_than_it_is_told():
    agent = MiniLMEmbedding()
    agent.load({"longest": 5}, 1)
    short, long = agent.call(
        [Inputs((), {"text": text}) for text in ("one two three", "one two three four five")]
    )
    np.testing.assert_allclose(short, long, atol=1e-5)


@pytest.mark.media
def test_minilm_reads_a_text_at_the_least_length_that_a_pin_may_state():
    assert LONGEST.least is not None
    agent = MiniLMEmbedding()
    agent.load({"longest": LONGEST.least}, 1)
    one, two = agent.call([Inputs((), {"text": text}) for text in ("hello", "hello " * 400)])
    np.testing.assert_allclose(np.linalg.norm(one), 1.0, atol=1e-5)
    np.testing.assert_allclose(one, two, atol=1e-5)  # one token of both


@pytest.mark.media
def test_minilm_vectors_are_of_length_one_and_do_not_depend_on_their_batch():
    agent = MiniLMEmbedding()
    agent.load({}, 1)
    items = [Inputs((), {"text": text}) for text in [*TEXTS, "word " * 600]]
    together = agent.call(items)
    assert together[0].shape == (384,)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(agent.call(items[:1])[0], together[0], atol=1e-5)


@pytest.mark.media
def test_minilm_knows_paraphrases():
    found = search(MiniLMSearch(), "Which bike lane was agreed on?", TEXTS, PLACES)
    assert found[0].text == TEXTS[1]
