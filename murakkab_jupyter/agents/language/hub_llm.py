"""Language models that people choose, from the hub and with their consent: Qwen and Gemma, by llama.cpp.

Only which file is loaded differs from the model that ships (`agents.llm`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Needs
from murakkab_jupyter.agents.language.chat import TOO_LONG, Chat
from murakkab_jupyter.agents.language.llm import CONTEXT, CONTEXT_OPTION, LlamaChat, gguf_in
from murakkab_jupyter.agents.language.writing import TASKS, writer_of
from murakkab_jupyter.agents.library import Library

__all__ = ["HUB_MODELS", "HubModel", "WeightsWriter", "register"]


@dataclass(frozen=True, slots=True)
class HubModel:
    """A language model of the hub.

    Attributes
    ----------
    name
        The agent that writes; the others are `NAME-summary` and `NAME-qa`.
    weights
        What the catalogue calls it.
    title
        What people call it.
    makers
        For each capability, what of this module makes its agent.
    memory_bytes
        Of a loaded instance: the file, the context of its slots and room to compute in; computed, not measured.
    """

    name: str
    weights: str
    title: str
    makers: Mapping[str, str]
    memory_bytes: int


def file_of(name: str) -> Path:
    """The GGUF file of a weight: the one the catalogue names, whatever else a cache holds beside it."""
    from murakkab_jupyter.agents.weights.resolver import resolve, weight

    place = Path(resolve(name))
    hub = weight(name).hub
    named = [file for pattern in (hub.patterns if hub else ()) for file in sorted(place.glob(pattern))]
    return named[0] if named else gguf_in(place)


@dataclass(frozen=True)
class WeightsWriter:
    """Makes, in the instance's process, an agent of one capability for a GGUF of the catalogue."""

    capability: str
    weights: str

    def __call__(self) -> Agent:
        """The agent."""
        return writer_of(self.capability, self.open)

    def open(self, options: Mapping[str, Any], cores: int) -> Chat:
        """The model."""
        return LlamaChat(file_of(self.weights), cores=cores, context=int(options.get("context") or CONTEXT))


QWEN, GEMMA = "qwen2.5-1.5b-instruct", "gemma-3-1b-it"
QWEN_TEXT = WeightsWriter("text-generation", QWEN)
QWEN_SUMMARY = WeightsWriter("summarisation", QWEN)
QWEN_ANSWER = WeightsWriter("question-answering", QWEN)
QWEN_LABEL = WeightsWriter("classification", QWEN)
QWEN_EXTRACT = WeightsWriter("extraction", QWEN)
QWEN_TRANSLATE = WeightsWriter("translation", QWEN)
GEMMA_TEXT = WeightsWriter("text-generation", GEMMA)
GEMMA_SUMMARY = WeightsWriter("summarisation", GEMMA)
GEMMA_ANSWER = WeightsWriter("question-answering", GEMMA)
GEMMA_LABEL = WeightsWriter("classification", GEMMA)
GEMMA_EXTRACT = WeightsWriter("extraction", GEMMA)
GEMMA_TRANSLATE = WeightsWriter("translation", GEMMA)

HUB_MODELS = (
    HubModel(
        "qwen2.5-1.5b",
        QWEN,
        "Qwen2.5-1.5B-Instruct",
        {
            "text-generation": "QWEN_TEXT",
            "summarisation": "QWEN_SUMMARY",
            "question-answering": "QWEN_ANSWER",
            "classification": "QWEN_LABEL",
            "extraction": "QWEN_EXTRACT",
            "translation": "QWEN_TRANSLATE",
        },
        1_900_000_000,
    ),
    HubModel(
        "gemma-3-1b",
        GEMMA,
        "Gemma 3 1B it",
        {
            "text-generation": "GEMMA_TEXT",
            "summarisation": "GEMMA_SUMMARY",
            "question-answering": "GEMMA_ANSWER",
            "classification": "GEMMA_LABEL",
            "extraction": "GEMMA_EXTRACT",
            "translation": "GEMMA_TRANSLATE",
        },
        1_700_000_000,
    ),
)


def register(library: Library) -> None:
    """Register the models of the hub; they are withheld until the user allows the hub."""
    for model in HUB_MODELS:
        for capability, task in TASKS.items():
            library.add_agent(
                AgentSpec(
                    name=f"{model.name}{task.suffix}",
                    version="2+main",
                    capability=capability,
                    summary=f"{task.summary} with {model.title}, a small language model from the hub (llama.cpp).",
                    factory=f"{__name__}:{model.makers[capability]}",
                    options=(*task.options, CONTEXT_OPTION, TOO_LONG),
                    needs=Needs(
                        modules=("xllamacpp", *task.modules),
                        weights=(model.weights,),
                        memory_bytes=model.memory_bytes,
                    ),
                    max_cores=8,
                    max_batch=16,
                )
            )
