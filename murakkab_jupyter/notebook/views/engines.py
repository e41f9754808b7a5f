"""The engines of a session as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from murakkab_jupyter.notebook.views.figures import size_text
from murakkab_jupyter.notebook.views.html import Bundle, Cell
from murakkab_jupyter.notebook.views.tables import table_view

if TYPE_CHECKING:
    from murakkab_jupyter.cluster.engines.entry import Entry

__all__ = ["engines_view"]


def engines_view(entries: Sequence[Entry], said: str = "") -> Bundle:
    """Name and state, where it answers, its limits, what it holds, and the agents it offers."""
    return table_view(
        "Engines",
        [
            ("Engine", "left"), ("State", "left"), ("Address", "left"), ("Limits", "left"), ("Holds", "left"),
            ("Agents", "left"),
        ],
        [
            [
                Cell(one.name, "kept for later sessions" if one.kept else ""),
                Cell(one.state, one.problem or running(one)),
                Cell(one.endpoint.url if one.endpoint else "", kind(one)),
                limits(one),
                holds(one),
                ", ".join(one.agents),
            ]
            for one in entries
        ],
        detail=said,
        empty="No engine is known: murakkab engine attach URL, or murakkab engine start MODEL.",
        listing=True,
    )  # fmt: skip


def running(entry: Entry) -> str:
    """How its start went, and how long it stays."""
    status = entry.status
    if status is None:
        return ""
    words = [f"answered after {status.start_s:.0f} s"] if status.start_s is not None else []
    if status.restarts:
        words.append(f"started again {status.restarts} {'time' if status.restarts == 1 else 'times'}")
    if status.state == "ready" and status.keep_alive_s is not None:
        idle = f"idle {status.idle_s:.0f} of at most {status.keep_alive_s:.0f} s"
        words.append(idle if status.use_seen else "kept until it is stopped: it shows no counters of its use")
    return ", ".join(words)


def kind(entry: Entry) -> str:
    """What serves, and which of its models."""
    if entry.endpoint is None:
        return ""
    version = f" {entry.found.version}" if entry.found is not None and entry.found.version else ""
    metrics = "" if entry.found is None or entry.found.metrics else ", no metrics"
    key = f", key from {entry.endpoint.key_env}" if entry.endpoint.key_env else ""
    name = "vLLM" if entry.endpoint.kind == "vllm" else "OpenAI API"
    return f"{name}{version}, model {entry.endpoint.model}{metrics}{key}"


def limits(entry: Entry) -> str:
    """What fits, as far as it is known."""
    if entry.endpoint is None:
        return ""
    tokens, flight = entry.endpoint.context_tokens, entry.endpoint.max_in_flight
    words = [f"{tokens} tokens" if tokens else "context not stated"]
    words += [f"{flight} at once" if flight else "at once not stated"]
    return ", ".join(words) if tokens or flight else "not stated"


def holds(entry: Entry) -> str:
    """What a started one takes on its worker."""
    status = entry.status
    if status is None or not status.pid:
        return "" if entry.config is not None else "nothing here"
    gpus = f"GPU {', '.join(status.gpus)}; " if status.gpus else ""
    return f"{gpus}{size_text(status.memory_bytes)} on {status.host}"
