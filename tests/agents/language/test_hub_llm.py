"""Language models of the hub: withheld without consent, and the same code path as the model that ships."""

from __future__ import annotations

import pytest

from murakkab_jupyter.agents.agent import Inputs
from murakkab_jupyter.agents.language.hub_llm import GEMMA, HUB_MODELS, QWEN, WeightsWriter, file_of
from murakkab_jupyter.agents.language.writing import TASKS, WRITERS
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.weights import resolver as weights
from murakkab_jupyter.core.errors import AgentError, WeightsError
from murakkab_jupyter.core.kinds import Origin, Segment, Transcript
from murakkab_jupyter.workflow.language import declare, format_workflow

ALL = [(model, capability) for model in HUB_MODELS for capability in TASKS]


@pytest.fixture
def library():
    made = Library()
    made.load_entry_points()
    assert not made.broken
    return made


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine without any weights, and without consent."""
    for name in ("MURAKKAB_HUB", "MURAKKAB_OFFLINE", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MURAKKAB_WEIGHTS", str(tmp_path / "own"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path


@pytest.mark.parametrize(("model", "capability"), ALL, ids=lambda one: getattr(one, "name", one))
def test_each_model_has_an_agent_for_each_text_capability_of_its_own_weights(library, model, capability):
    spec = library.agent(f"{model.name}{TASKS[capability].suffix}")
    assert spec.capability == capability
    assert spec.needs.weights == (model.weights,)
    agent = spec.make()
    assert type(agent) is WRITERS[capability]
    assert agent.opener.__self__ == WeightsWriter(capability, model.weights)
    assert spec.needs.memory_bytes > weights.weight(model.weights).size_bytes


@pytest.mark.parametrize("model", HUB_MODELS, ids=lambda one: one.name)
def test_they_are_withheld_until_the_hub_is_allowed_and_size_and_licence_are_shown(
    library, bare, monkeypatch, model
):
    spec = library.agent(model.name)
    assert any("MURAKKAB_HUB=yes" in one for one in library.availability(spec).missing)
    with pytest.raises(WeightsError, match="has not been allowed") as caught:
        spec.make().load(spec.settings({}), 1)
    known = weights.weight(model.weights)
    assert f"{known.size_bytes / 1e6:.0f} MB" in caught.value.message
    assert known.licence in caught.value.message
    monkeypatch.setenv("MURAKKAB_HUB", "yes")
    monkeypatch.setattr(weights, "hub_lack", lambda hub: None)
    assert not any("weights" in one for one in library.availability(spec).missing)


def test_gemma_comes_with_its_own_terms():
    gemma = weights.weight(GEMMA)
    assert "Gemma Terms of Use" in gemma.licence
    assert "Gemma Terms of Use" in gemma.announcement()
    assert "Apache" not in gemma.licence


def test_the_file_that_the_catalogue_names_is_loaded_whatever_lies_beside_it(bare):
    (pattern,) = weights.weight(QWEN).hub.patterns
    commit = "0" * 40
    repo = bare / "hf/hub" / f"models--{weights.weight(QWEN).hub.repo.replace('/', '--')}"
    snapshot = repo / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs/main").write_text(commit)
    (snapshot / "a-much-larger-one.gguf").write_bytes(b"GGUF")
    (snapshot / pattern).write_bytes(b"GGUF")
    assert file_of(QWEN) == snapshot / pattern


def test_a_file_of_ones_own_needs_no_consent_and_may_have_any_name(bare):
    own = bare / "own" / GEMMA
    own.mkdir(parents=True)
    with pytest.raises(AgentError, match=r"no \.gguf file"):
        file_of(GEMMA)
    (own / "gemma-of-mine.gguf").write_bytes(b"GGUF")
    assert file_of(GEMMA) == own / "gemma-of-mine.gguf"


@pytest.fixture
def small(request):
    pytest.importorskip("xllamacpp")
    return weights.resolve("smollm2-135m-q4_1")


@pytest.mark.media
@pytest.mark.parametrize("model", HUB_MODELS, ids=lambda one: one.name)
def test_the_path_from_weights_to_words_runs_with_a_real_model_in_their_place(small, library, bare, model):
    """SmolLM2 stands in for the file of the hub, which cannot be had without consent: all else is real."""
    place = bare / "own" / model.weights
    place.mkdir(parents=True)
    (place / "stand-in.gguf").symlink_to(small)
    said = Transcript(
        (Segment(0.0, 3.0, "The council approved a new path."), Segment(3.0, 5.0, "Work will start in May."))
    )
    given = {
        "text-generation": Inputs((), {"material": [("talk", said)]}, sentence="Say what is approved."),
        "summarisation": Inputs((), {"material": [("talk", said)]}),
        "question-answering": Inputs(
            (),
            {"question": "When will the work start?", "context": [("talk", [said])]},
            {"context": [[Origin("/a.mp4", 0.0, 9.0)]]},
        ),
        "classification": Inputs((), {"text": [("talk", said)], "labels": "transport, weather"}),
        "extraction": Inputs((), {"text": [("talk", said)], "fields": "month"}),
        "translation": Inputs((), {"text": said}),
    }
    for capability, task in TASKS.items():
        spec = library.agent(f"{model.name}{task.suffix}")
        assert library.availability(spec).ready
        agent = spec.make()
        agent.load(spec.settings({"max_tokens": 16, "context": 512, "language": "French"}), 1)
        (made,) = agent.call([given[capability]])
        assert str(made).strip()
        assert agent.tokens().read > 0
        agent.close()


def test_a_pin_may_name_them(library):
    cell = "%%murakkab t\nsaid <- write a poem about {x} @qwen2.5-1.5b\nanswer <- answer {q} from {said} @gemma-3-1b-qa\n"
    workflow = declare(cell, library=library, values={"x": "ferries", "q": "Why?"})
    assert [step.agent for step in workflow.steps] == ["qwen2.5-1.5b", "gemma-3-1b-qa"]
    again = declare(format_workflow(workflow), library=library, values={"x": "ferries", "q": "Why?"})
    assert again.steps == workflow.steps
