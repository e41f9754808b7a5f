"""How a model server is started: one configuration, and the words and environment that follow from it."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from murakkab_jupyter.core.errors import UsageError

__all__ = ["PYTHON", "EngineConfig", "argv", "memory_needed_bytes", "not_taken", "server_environment"]

PYTHON = "MURAKKAB_VLLM_PYTHON"
"""Environment variable that names the interpreter which has vLLM, on the worker."""

MODULE = "vllm.entrypoints.openai.api_server"
"""Not the command `vllm`: it is missing where vLLM was built under another name."""

HOST_BYTES = 2_500_000_000
"""Resident memory of vLLM's processes beside weights and cache on a CPU host; measured with 0.32.0: 3.3 GiB in all
with 0.27 GB of weights and 1 GiB of cache, of which some was touched."""

KV_CACHE_BYTES = 2**30
"""Cache on a CPU host, where nothing else is stated; vLLM's own default there would take 4 GiB."""

OURS = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")
"""What belongs to our interpreter and would lead another one astray."""

KEYS = re.compile(r"VLLM_API_KEY|OPENAI_API_KEY|MURAKKAB_(?:API_KEY|KEY_\w+)")
"""Keys of other servers, which are none of this one's business; with its own vLLM would refuse our calls."""
FETCHES = "HF_TOKEN"
"""What a server fetches its own weights with, even where it is the key of another one too."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """All that starting a model server takes.

    Attributes
    ----------
    model
        A folder on the worker, or a name that the server resolves itself.
    name
        What requests call the model, and what the engine is called here.
    python
        Interpreter that has vLLM; by default the one that `MURAKKAB_VLLM_PYTHON` names on the worker, else the
        worker's own.
    command
        Another server's program and arguments instead, with `{host}`, `{port}`, `{model}` and `{name}` filled in.
    host
        Address to listen on: loopback unless told otherwise.
    port
        0 takes a free one.
    cores
        CPU cores it may use where it has no GPU; all of the worker's when 0.
    gpus
        GPUs it holds; `tensor_parallel` x `replicas` when None and the worker has GPUs.
    tensor_parallel
        GPUs (or CPU processes) that share one copy of the model.
    replicas
        Copies of the model behind the one URL (vLLM's data parallelism).
    max_num_seqs
        Requests that are worked on at once; the server's own default when None.
    max_model_len
        Tokens of prompt and answer together; the model's own when None.
    dtype, quantization
        Precision of weights and activations, as vLLM calls it.
    lora
        Adapters as `(name, path)`; each is a model of its own to those who ask.
    eager
        Do without compiling and CUDA graphs: starts sooner, answers more slowly.
    kv_cache_bytes
        Room for the attention cache on a CPU host.
    gpu_memory_utilization
        Share of a GPU's memory that the server takes.
    memory_bytes
        Memory of the host that it needs; estimated from the weights when None.
    arguments
        More words for the server, passed on unread.
    start_timeout_s
        How long until a first answer.
    stop_grace_s
        How long it may take to end when asked, before it is killed.
    restarts
        How often it is started again, when it dies, before it is given up.
    keep_alive_s
        How long it stays after its last use; None leaves that to `lifetime.keep_alive`.
    worker
        Dask worker that starts it; the first with room when empty.
    withheld
        Variables with keys of other servers, which it is not given; names alone, filled in when it is started.
    """

    model: str
    name: str = ""
    python: str = ""
    command: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    cores: int = 0
    gpus: int | None = None
    tensor_parallel: int = 1
    replicas: int = 1
    max_num_seqs: int | None = None
    max_model_len: int | None = None
    dtype: str = "auto"
    quantization: str = ""
    lora: tuple[tuple[str, str], ...] = ()
    eager: bool = False
    kv_cache_bytes: int = KV_CACHE_BYTES
    gpu_memory_utilization: float = 0.9
    memory_bytes: int | None = None
    arguments: tuple[str, ...] = ()
    start_timeout_s: float = 900.0
    stop_grace_s: float = 5.0
    restarts: int = 3
    keep_alive_s: float | None = None
    worker: str = ""
    withheld: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    def __post_init__(self) -> None:
        for what, least in (
            ("port", 0),
            ("cores", 0),
            ("tensor_parallel", 1),
            ("replicas", 1),
            ("restarts", 0),
        ):
            if getattr(self, what) < least:
                msg = f"An engine's {what.replace('_', ' ')} cannot be {getattr(self, what)}."
                raise UsageError(msg, hint=f"Give {least} or more.")
        for what in ("gpus", "max_num_seqs", "max_model_len"):
            value = getattr(self, what)
            if value is not None and value < (0 if what == "gpus" else 1):
                msg = f"An engine's {what.replace('_', ' ')} cannot be {value}."
                raise UsageError(msg, hint="Give a whole number, or leave it out.")
        if self.port > 65535:
            msg = f"There is no port {self.port}."
            raise UsageError(msg, hint="Give one below 65536, or leave it out for a free one.")
        if not 0 < self.gpu_memory_utilization <= 1:
            msg = f"A share of a GPU's memory cannot be {self.gpu_memory_utilization:g}."
            raise UsageError(msg, hint="Give more than 0 and at most 1.")
        if not self.model.strip():
            msg = "An engine needs a model."
            raise UsageError(msg, hint="Name a folder with its weights, or what the server calls it.")
        if not self.name:
            object.__setattr__(self, "name", called(self.model))

    @property
    def wanted_gpus(self) -> int:
        """GPUs that it must have."""
        return self.gpus if self.gpus is not None else 0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EngineConfig:
        """Inverse of `to_json`; keys it does not know are ignored."""
        known = {one.name for one in dataclasses.fields(cls)}
        given = {key: value for key, value in data.items() if key in known}
        given["lora"] = tuple((str(name), str(path)) for name, path in given.get("lora", ()))
        given["arguments"] = tuple(given.get("arguments", ()))
        given["withheld"] = tuple(given.get("withheld", ()))
        return cls(**given)


def not_taken(asked: EngineConfig, running: EngineConfig) -> str:
    """What was asked of an engine that runs already in another way, in a sentence; empty where there is nothing."""
    said = []
    if asked.gpus not in (None, running.gpus):
        said.append(f"--gpus {asked.gpus} (it has {running.gpus or 0})")
    if asked.keep_alive_s not in (None, running.keep_alive_s):
        kept = "by its own figures" if running.keep_alive_s is None else f"{running.keep_alive_s:g} s"
        said.append(f"--keep-alive {asked.keep_alive_s:g} s (it is kept {kept})")
    if not said:
        return ""
    return f"{asked.name} runs already, so not taken: {', '.join(said)}. Stop it and start it again for that."


def called(model: str) -> str:
    """A name in kebab case from a model's name or folder: `SmolLM2-135M`, of `/models/SmolLM2-135M/`."""
    last = model.rstrip("/").rsplit("/", 1)[-1]
    return re.sub(r"[^a-z0-9.]+", "-", last.lower()).strip("-.") or "engine"


def argv(config: EngineConfig, *, port: int, python: str = "") -> list[str]:
    """Program and arguments of the server; `python` is used where the configuration names none."""
    if config.command:
        fill = {"host": config.host, "port": str(port), "model": config.model, "name": config.name}
        return [filled(word, fill) for word in split(config.command)]
    words = [config.python or python or sys.executable, "-m", MODULE]
    words += ["--host", config.host, "--port", str(port)]
    words += ["--model", config.model, "--served-model-name", config.name]
    if config.dtype != "auto":
        words += ["--dtype", config.dtype]
    if config.quantization:
        words += ["--quantization", config.quantization]
    if config.max_model_len is not None:
        words += ["--max-model-len", str(config.max_model_len)]
    if config.max_num_seqs is not None:
        words += ["--max-num-seqs", str(config.max_num_seqs)]
    if config.tensor_parallel > 1:
        words += ["--tensor-parallel-size", str(config.tensor_parallel)]
    if config.replicas > 1:
        words += ["--data-parallel-size", str(config.replicas)]
    if config.wanted_gpus:
        words += ["--gpu-memory-utilization", f"{config.gpu_memory_utilization:g}"]
    if config.lora:
        words += ["--enable-lora", "--lora-modules", *(f"{name}={path}" for name, path in config.lora)]
    if config.eager:
        words.append("--enforce-eager")
    return [*words, *config.arguments]


def split(command: str) -> list[str]:
    """The words of a command; raises `UsageError`."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        msg = f"The engine's command cannot be read: {error}."
        raise UsageError(msg, hint="Close the quote.") from None
    if not words:
        msg = "The engine's command is empty."
        raise UsageError(
            msg, hint="For example --command 'llama-server -m {model} --host {host} --port {port}'."
        )
    return words


def filled(word: str, values: Mapping[str, str]) -> str:
    """A word with `{port}` and its like filled in; other braces stay as they are."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), word)


def server_environment(
    config: EngineConfig,
    *,
    gpus: Sequence[str],
    cpus: Sequence[int],
    base: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The environment of the server: its GPUs alone, its cores alone, nothing of our interpreter, no reports home.

    Keys of other servers are left out, but those whose variable the engine's own command names.

    Parameters
    ----------
    gpus
        GPUs that it holds, as CUDA names them.
    cpus
        Numbers of the cores it may use where it has no GPU.
    base
        What to start from; this process's by default.
    """
    made = {key: value for key, value in (os.environ if base is None else base).items() if key not in OURS}
    made = {key: value for key, value in made.items() if not withholds(config, key)}
    made["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    # The numbers are NVML's; CUDA alone would count the fastest GPU first.
    made["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    made.setdefault("VLLM_NO_USAGE_STATS", "1")
    made.setdefault("DO_NOT_TRACK", "1")
    if Path(config.model).expanduser().is_dir():  # all of it is here
        made.setdefault("HF_HUB_OFFLINE", "1")
        made.setdefault("TRANSFORMERS_OFFLINE", "1")
    if not gpus:
        made.setdefault("VLLM_CPU_KVCACHE_SPACE", str(max(1, round(config.kv_cache_bytes / 2**30))))
        made.setdefault("VLLM_CPU_OMP_THREADS_BIND", ",".join(str(cpu) for cpu in cpus) or "auto")
    return made


def withholds(config: EngineConfig, variable: str) -> bool:
    """Whether a variable holds a key that is not this engine's."""
    if variable == FETCHES or not (KEYS.fullmatch(variable) or variable in config.withheld):
        return False
    return not re.search(rf"(?<!\w){re.escape(variable)}(?!\w)", config.command)


def memory_needed_bytes(config: EngineConfig) -> int | None:
    """Memory of the host that a start takes; None where nobody can say (weights that are not here yet).

    A prior: weights as they lie on the disk, the cache, and what vLLM's own processes take.
    """
    if config.memory_bytes is not None:
        return config.memory_bytes
    folder = Path(config.model).expanduser()
    if config.command or not folder.is_dir():
        return None
    weights = sum(
        file.stat().st_size
        for pattern in ("*.safetensors", "*.bin", "*.pt", "*.gguf")
        for file in folder.glob(pattern)
    )
    if config.wanted_gpus:
        return HOST_BYTES  # weights and cache go to the GPU
    return HOST_BYTES + config.replicas * (weights + config.kv_cache_bytes)
