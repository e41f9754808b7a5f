"""A language model in this process: any GGUF by llama.cpp (through xllamacpp); SmolLM2-135M by default."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Failed, Needs, Option
from murakkab_jupyter.agents.language.chat import TOO_LONG, Chat, Message, Reply, Request, TooLong
from murakkab_jupyter.agents.language.structured import ClassWriter, RecordWriter, TranslationWriter
from murakkab_jupyter.agents.language.writing import (
    TASKS,
    SmallAnswerWriter,
    SummaryWriter,
    TextWriter,
    writer_of,
)
from murakkab_jupyter.agents.library import Library, default_library
from murakkab_jupyter.core.errors import AgentError
from murakkab_jupyter.core.media import hash_file

__all__ = [
    "GgufWriter",
    "LlamaChat",
    "Smollm2Answer",
    "Smollm2Summary",
    "Smollm2Text",
    "register",
    "register_gguf",
]

VERSION = "1"
GGUF_VERSION = "2"
SLOTS = 4
CONTEXT = 2048
QUIET = -1
PORT = Option("gguf", str, "", help="Path of the GGUF file to load.", required=True)
CONTEXT_OPTION = Option("context", int, CONTEXT, help="Tokens that a request and its answer may have.")
THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)


DOMINATED = {
    "summarisation": "Dominated: extractive-summary keeps as many of the facts at a small part of the cost (benchmarks/text_quality.py).",
    "classification": "Dominated: nearest-label finds twice as many right labels at a small part of the cost (benchmarks/text_work.py).",
    "extraction": "Dominated: pattern-extract fills in more fields rightly at a small part of the cost (benchmarks/text_work.py).",
    "translation": "It did not translate any of 12 short sentences (benchmarks/text_work.py). Pin a larger model: @gguf-translate gguf=PATH, or one that is served.",
    "question-answering": "Dominated: minilm-qa answers more questions right at a small part of the cost (benchmarks/text_quality.py).",
}
"""What so small a model does worse than an agent without one. It can still be pinned; a bigger GGUF is another matter."""


class LlamaChat(Chat):
    """llama.cpp in process. Answers several requests at once; the same request gives the same answer."""

    parallel = SLOTS

    def __init__(self, path: Path, *, cores: int = 1, context: int = CONTEXT) -> None:
        super().__init__()
        if not path.is_file():
            msg = f"There is no GGUF file at {path}."
            raise AgentError(
                msg, hint="Give the path of a .gguf file that is on the host where the step runs."
            )
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                msg = f"{path} is no GGUF file."
                raise AgentError(msg, hint="Give a .gguf file; other formats have to be converted first.")
        try:
            import xllamacpp
        except ImportError as error:
            msg = "xllamacpp is not installed."
            raise AgentError(msg, hint="pip install 'murakkab-jupyter[demo]'") from error
        if context < 256:
            msg = f"A context of {context} tokens is too small."
            raise AgentError(msg, hint="Give at least context=256.")
        self.context_tokens = context
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_parallel = SLOTS
        params.n_ctx = context * SLOTS
        params.n_gpu_layers = 0
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = max(1, cores)
        params.warmup = False
        params.verbosity = QUIET
        # It listens on a loopback port whether one wants it or not: nobody else may use it.
        params.api_keys = [secrets.token_hex(24)]
        params.cors_origins = ""
        params.ui = False
        params.endpoint_slots = False
        try:
            self.server: Any = xllamacpp.Server(params)
        except RuntimeError as error:
            msg = f"llama.cpp cannot load {path}."
            raise AgentError(
                msg, hint="The file may be cut short, of a newer format, or too big for this host's memory."
            ) from error

    def send(self, messages: Sequence[Message], request: Request) -> Reply | Failed:
        """Ask once."""
        body: dict[str, Any] = {
            "messages": [dict(message) for message in messages],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            # Reusing another request's prefix changes the last digits, and so, rarely, a word.
            "cache_prompt": False,
        }
        if request.schema is not None:
            shape = {"name": "reply", "schema": dict(request.schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": shape}
        answer = self.server.handle_chat_completions(body)
        problem = answer.get("error")
        if problem:
            if problem.get("type") == "exceed_context_size_error":
                raise TooLong(problem.get("n_prompt_tokens"), problem.get("n_ctx"))
            return Failed(f"The model refused the request: {problem.get('message', problem)}.")
        choice = answer["choices"][0]
        usage = answer.get("usage", {})
        text = THINKING.sub("", choice["message"].get("content") or "").strip()
        return Reply(
            text,
            int(usage.get("prompt_tokens", 0)),
            int(usage.get("completion_tokens", 0)),
            choice.get("finish_reason") != "length",
        )

    def close(self) -> None:
        """Stop the model."""
        self.server = None


def gguf_in(path: Path) -> Path:
    """The GGUF file at a path, or the first one under a folder; raises `AgentError` where there is none."""
    if path.is_dir():
        found = sorted(path.rglob("*.gguf"))
        if found:
            return found[0]
        msg = f"There is no .gguf file under {path}."
        raise AgentError(msg, hint="Remove the folder, so that the weights are fetched again.")
    return path


def open_gguf(options: Mapping[str, Any], cores: int) -> Chat:
    """The model an option `gguf` names, loaded on so many cores; raises `AgentError` where it names none."""
    stated = str(options.get("gguf") or "")
    if not stated:
        msg = "No GGUF file is named."
        raise AgentError(msg, hint="Pin it in the step: @gguf gguf=/path/to/model.gguf")
    return LlamaChat(
        gguf_in(Path(stated).expanduser()), cores=cores, context=int(options.get("context", CONTEXT))
    )


def open_smollm2(options: Mapping[str, Any], cores: int) -> Chat:
    """SmolLM2-135M."""
    from murakkab_jupyter.agents.weights.resolver import resolve

    return LlamaChat(
        gguf_in(Path(resolve("smollm2-135m-q4_1"))), cores=cores, context=int(options.get("context", CONTEXT))
    )


class Smollm2Text(TextWriter):
    """Writes texts with SmolLM2-135M."""

    def __init__(self) -> None:
        super().__init__(open_smollm2)


class Smollm2Summary(SummaryWriter):
    """Summarises with SmolLM2-135M."""

    def __init__(self) -> None:
        super().__init__(open_smollm2)


class Smollm2Answer(SmallAnswerWriter):
    """Answers with SmolLM2-135M."""

    def __init__(self) -> None:
        super().__init__(open_smollm2)


class Smollm2Label(ClassWriter):
    """Classifies with SmolLM2-135M."""

    def __init__(self) -> None:
        super().__init__(open_smollm2)


class Smollm2Extract(RecordWriter):
    """Extracts with SmolLM2-135M."""

    def __init__(self) -> None:
        super().__init__(open_smollm2)


class Smollm2Translate(TranslationWriter):
    """Translates with SmolLM2-135M."""

    def __init__(self) -> None:
        super().__init__(open_smollm2)


@dataclass(frozen=True)
class GgufWriter:
    """Makes, in the instance's process, an agent of one capability for a GGUF file."""

    capability: str
    path: str = ""
    context: int = CONTEXT

    def __call__(self) -> Agent:
        """The agent."""
        return writer_of(self.capability, self.open)

    def open(self, options: Mapping[str, Any], cores: int) -> Chat:
        """The model."""
        stated = {key: value for key, value in options.items() if value}
        return open_gguf({"gguf": self.path, "context": self.context, **stated}, cores)


def register_gguf(
    path: str | Path, name: str | None = None, *, context: int = CONTEXT, library: Library | None = None
) -> tuple[AgentSpec, ...]:
    """Let any GGUF file write, summarise and answer: one line in a notebook.

    Parameters
    ----------
    path
        The file; it must lie at the same path on every host that runs such a step.
    name
        What pins call it; the file's name by default. Its summaries and answers are `NAME-summary` and `NAME-qa`.
    context
        Tokens that a request and its answer may have.
    library
        Where to register; the default library if None.

    Returns
    -------
    tuple of AgentSpec
        The agents, one for each capability. Their quality is unknown until a pilot or a label says it.

    Raises
    ------
    AgentError
        There is no GGUF file at the path.
    """
    file = gguf_in(Path(path).expanduser())
    if not file.is_file():
        msg = f"There is no GGUF file at {file}."
        raise AgentError(msg, hint="Check the path.")
    file = file.resolve()
    base = name or re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-")
    size = file.stat().st_size
    version = f"{GGUF_VERSION}-{hash_file(file)[:12]}"
    into = library if library is not None else default_library()
    made = []
    for capability, task in TASKS.items():
        spec = AgentSpec(
            name=f"{base}{task.suffix}",
            version=version,
            capability=capability,
            summary=f"{task.summary} with {file.name} (llama.cpp).",
            factory=GgufWriter(capability, str(file), context),
            options=(*task.options, TOO_LONG),
            needs=Needs(modules=("xllamacpp",), memory_bytes=int(size * 1.2) + 200_000_000),
            max_cores=8,
            max_batch=16,
        )
        into.add_agent(spec, replace=True)
        made.append(spec)
    return tuple(made)


def register(library: Library) -> None:
    """Register SmolLM2-135M, and agents that load whatever GGUF a step pins."""
    makers = {
        "text-generation": "Smollm2Text",
        "summarisation": "Smollm2Summary",
        "question-answering": "Smollm2Answer",
        "classification": "Smollm2Label",
        "extraction": "Smollm2Extract",
        "translation": "Smollm2Translate",
    }
    for capability, task in TASKS.items():
        small = AgentSpec(
            name="smollm2-135m" if capability == "text-generation" else f"smollm2{task.suffix}",
            version=VERSION,
            capability=capability,
            summary=f"{task.summary} with SmolLM2-135M, a very small language model (llama.cpp).",
            factory=f"murakkab_jupyter.agents.language.llm:{makers[capability]}",
            options=(*task.options, CONTEXT_OPTION, TOO_LONG),
            needs=Needs(
                modules=("xllamacpp", *task.modules),
                weights=("smollm2-135m-q4_1",),
                memory_bytes=task.memory_bytes,
            ),
            max_cores=4,
            max_batch=16,
            fixture=DOMINATED.get(capability, ""),
        )
        library.add_agent(small)
        library.add_agent(
            replace(
                small,
                name=f"gguf{task.suffix}",
                version=GGUF_VERSION,
                summary=f"{task.summary} with the GGUF file that the step pins: gguf=PATH (llama.cpp).",
                factory=GgufWriter(capability),
                options=(*task.options, CONTEXT_OPTION, TOO_LONG, PORT),
                needs=Needs(modules=("xllamacpp", *task.modules), memory_bytes=2_000_000_000),
                max_cores=8,
                fixture="Needs a file: pin it with gguf=PATH, or call register_gguf(PATH).",
            )
        )
