"""What `engine` does: attach, start, list, status, stop, logs, detach."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.verbs.outcome import Outcome
from murakkab_jupyter.verbs.table import Request

if TYPE_CHECKING:
    from murakkab_jupyter.cluster.engines.config import EngineConfig
    from murakkab_jupyter.cluster.engines.entry import Entry
    from murakkab_jupyter.session import Session

__all__ = ["ACTIONS", "Telling", "config_of", "engine", "entry_json"]

Telling = Callable[[Any], None]
"""Told how far a start is: an `EngineStatus`."""

ACTIONS = {
    "attach": "URL",
    "start": "MODEL",
    "list": "",
    "status": "[NAME]",
    "stop": "NAME",
    "logs": "NAME",
    "detach": "NAME",
}
LINES = 40

START = (
    "arg", "command", "dtype", "eager", "gpu-memory", "gpus", "host", "keep-alive", "lora", "max-model-len",
    "max-num-seqs", "memory-gb", "port", "quantization", "replicas", "tensor-parallel", "vllm-python", "when-needed",
    "worker",
)  # fmt: skip
ATTACH = ("keep", "key-env", "key-over-http", "model")


def engine(session: Session, request: Request, telling: Telling, *, keep: bool) -> Outcome:
    """Do what the first word asks for; without one, list the engines.

    Parameters
    ----------
    keep
        Whether what is attached is remembered in any case: a terminal's next command is another process.

    Raises
    ------
    UsageError
        An action, name or option that does not fit.
    ClusterError
        The server or engine cannot do it.
    """
    action, *rest = request.words or ("list",)
    if action not in ACTIONS:
        near = difflib.get_close_matches(action, ACTIONS, n=1, cutoff=0.5)
        msg = f"engine cannot {action[:40]!r}."
        raise UsageError(msg, hint=f"Did you mean {near[0]}?" if near else f"It can: {', '.join(ACTIONS)}.")
    check_options(action, request)
    takes = ACTIONS[action]
    if len(rest) > (1 if takes else 0):
        msg = f"engine {action} takes {'one word' if takes else 'no words'}, not {len(rest)}."
        raise UsageError(msg, hint=f"engine {action} {takes}".rstrip())
    if not rest and takes and not takes.startswith("["):
        msg = f"engine {action} needs {takes}."
        raise UsageError(msg, hint=f"engine {action} {takes}")
    word = rest[0] if rest else ""
    roster = session.engines
    match action:
        case "attach":
            options = request.options
            entry = roster.attach(
                word,
                name=str(options.get("name") or ""),
                model=str(options.get("model") or ""),
                key_env=options.get("key-env"),
                key_over_http=bool(options.get("key-over-http")),
                ask_key=typed,
                keep=keep or bool(options.get("keep")),
                rated=rated(request),
            )
            notes = entry.found.notes if entry.found is not None else ()
            said = f"Attached {entry.name}: plans may use {', '.join(entry.agents)}."
            return listed([entry], " ".join((said, *notes)))
        case "start":
            config = config_of(word, request)
            if not request.options.get("name"):
                config = replace(config, name=roster.untaken(config.name))
            if request.options.get("when-needed"):
                roster.know(config, rated=rated(request))
                entry = roster.look(config.name)
                said = f"{entry.name} is known: a run whose plan chooses it starts it."
                return listed([entry], f"{said} {untaken(config, entry)}".rstrip())
            entry = roster.start(config, rated=rated(request), tell=telling)
            took = entry.status.start_s if entry.status is not None else None
            said = f"Started {entry.name} in {took:.0f} s: plans may use {', '.join(entry.agents)}."
            return listed([entry], f"{said} {untaken(config, entry)}".rstrip())
        case "stop":
            ended = roster.stop(word)
            return Outcome(
                "message", f"{word} is stopped." if ended else f"{word} was not running.", {"stopped": ended}
            )
        case "detach":
            entry = roster.detach(word)
            return Outcome("message", f"{entry.name} is forgotten.", {"detached": entry.name})
        case "logs":
            text = roster.logs(word, whole(request, "lines", LINES))
            return Outcome("code", text or "The log is empty.", {"log": text})
    entries = roster.entries()
    if word:
        entries = [roster.find(word)]
    return listed(entries, "")


def untaken(config: EngineConfig, entry: Entry) -> str:
    """What was asked of an engine and does not count for it; empty where everything does."""
    from murakkab_jupyter.cluster.engines.config import not_taken

    status = entry.status
    if status is None or status.state in ("failed", "stopped"):
        return ""
    said = not_taken(config, status.config)
    if status.state == "ready" and status.config.keep_alive_s is not None and not status.use_seen:
        said += " It shows no counters of its use, so --keep-alive does not end it: engine stop does."
    return said.strip()


def check_options(action: str, request: Request) -> None:
    """Refuse an option that means nothing to an action."""
    belongs = {**dict.fromkeys(START, "start"), **dict.fromkeys(ATTACH, "attach"), "lines": "logs"}
    for option in request.options:
        if belongs.get(option, action) != action:
            msg = f"--{option} goes with engine {belongs[option]}, not with engine {action}."
            raise UsageError(msg, hint=f"engine {action} {ACTIONS[action]}".rstrip())


def listed(entries: list[Entry], said: str) -> Outcome:
    """Engines as a table, with a line above it."""
    return Outcome("engines", (entries, said), [entry_json(one) for one in entries])


def entry_json(entry: Entry) -> dict[str, Any]:
    """An engine as JSON; no key is in it."""
    endpoint, status, found = entry.endpoint, entry.status, entry.found
    return {
        "name": entry.name,
        "state": entry.state,
        "url": None if endpoint is None else endpoint.url,
        "model": None if endpoint is None else endpoint.model,
        "key_env": None if endpoint is None else endpoint.key_env,
        "kind": None if endpoint is None else endpoint.kind,
        "version": None if found is None else found.version or None,
        "metrics": None if found is None else found.metrics,
        "max_in_flight": None if endpoint is None else endpoint.max_in_flight,
        "context_tokens": None if endpoint is None else endpoint.context_tokens,
        "agents": list(entry.agents),
        "kept": entry.kept,
        "rated": entry.rated,
        "worker": None if status is None else status.worker,
        "pid": None if status is None else status.pid or None,
        "gpus": None if status is None else list(status.gpus),
        "start_s": None if status is None else status.start_s,
        "cpu_s": None if status is None else status.cpu_s,
        "memory_bytes": None if status is None else status.memory_bytes,
        "restarts": None if status is None else status.restarts,
        "idle_s": None if status is None else status.idle_s,
        "keep_alive_s": None if status is None else status.keep_alive_s,
        "use_seen": None if status is None else status.use_seen,
        "log": None if status is None else status.log,
        "problem": entry.problem or None,
    }


def config_of(model: str, request: Request) -> EngineConfig:
    """The configuration that options ask for."""
    from murakkab_jupyter.cluster.engines.config import EngineConfig
    from murakkab_jupyter.workflow.language.options import parse_seconds

    given = request.options
    words: dict[str, Any] = {
        "name": given.get("name"), "python": given.get("vllm-python"), "command": given.get("command"),
        "host": given.get("host"), "dtype": given.get("dtype"), "quantization": given.get("quantization"),
        "worker": given.get("worker"),
    }  # fmt: skip
    numbers: dict[str, Any] = {
        key.replace("-", "_"): whole(request, key)
        for key in ("port", "gpus", "tensor-parallel", "replicas", "max-num-seqs", "max-model-len", "cores")
        if given.get(key) is not None
    }
    more: dict[str, Any] = {"eager": bool(given.get("eager")), "arguments": tuple(given.get("arg", ()))}
    if given.get("memory-gb") is not None:
        more["memory_bytes"] = int(number(request, "memory-gb") * 1e9)
    if given.get("gpu-memory") is not None:
        more["gpu_memory_utilization"] = number(request, "gpu-memory")
    if given.get("keep-alive") is not None:
        more["keep_alive_s"] = parse_seconds(str(given["keep-alive"]), "keep-alive")
    more["lora"] = tuple(adapter(one) for one in given.get("lora", ()))
    return EngineConfig(model, **{key: value for key, value in words.items() if value}, **numbers, **more)


def adapter(text: str) -> tuple[str, str]:
    """`NAME=PATH`."""
    name, equals, path = text.partition("=")
    if not name or not equals or not path:
        msg = f"--lora cannot be {text[:60]!r}."
        raise UsageError(msg, hint="Write --lora NAME=PATH, again for more.")
    return name, path


def whole(request: Request, option: str, default: int = 0) -> int:
    """An option's whole number."""
    given = request.options.get(option)
    if given is None:
        return default
    if not str(given).isdigit():
        msg = f"--{option} cannot be {str(given)[:40]!r}."
        raise UsageError(msg, hint=f"Give a whole number, for example --{option} 8.")
    return int(given)


def rated(request: Request) -> float | None:
    """`--rated` as a number; None where it is not given."""
    if request.options.get("rated") is None:
        return None
    value = number(request, "rated")
    if value > 1:
        msg = f"--rated cannot be {value:g}."
        raise UsageError(msg, hint="Give how well the model does its steps, from 0 to 1: --rated 0.6")
    return value


def number(request: Request, option: str) -> float:
    """An option's number above 0."""
    try:
        value = float(str(request.options[option]))
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        msg = f"--{option} cannot be {str(request.options[option])[:40]!r}."
        raise UsageError(msg, hint=f"Give a number above 0: --{option} 0.5.")
    return value


def typed(text: str) -> str:
    """A key that the user types, shown nowhere; none where nobody can type."""
    import getpass
    import sys

    if not hasattr(sys.stdin, "fileno") and "ipykernel" not in sys.modules:
        return ""
    if "ipykernel" not in sys.modules and not sys.stdin.isatty():
        return ""
    try:
        return getpass.getpass(text)
    except (
        EOFError,
        OSError,
        RuntimeError,
    ):  # a front end that takes no input raises one of RuntimeError's kind
        return ""
