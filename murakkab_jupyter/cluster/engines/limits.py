"""What a server says of its limits: tokens that fit, and requests that it works on at once. Each kind tells it elsewhere.

Nothing here is a guess: what a server does not say stays None, and a note says what is counted on instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Limits", "cache_tokens", "limits_of"]

CACHE = re.compile(r"^vllm:cache_config_info\{([^}]*)\}", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')
MOST = 10**9
UNSAID = (
    "It does not say how many requests it works on at once, so plans have 8 in flight, a guess: "
    "murakkab profile engine {name} finds out."
)

Read = Callable[[str], Any]
"""The body at a path of the server's root; None where there is none."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server takes.

    Attributes
    ----------
    context_tokens
        Tokens that fit, question and answer together; None when it does not say.
    max_in_flight
        Requests that it works on at once; None when it does not say.
    notes
        Where that stands, and what else it says, in sentences; `{name}` stands for what the engine is called.
    """

    context_tokens: int | None = None
    max_in_flight: int | None = None
    notes: tuple[str, ...] = ()


def limits_of(read: Read, listed: Mapping[str, Any], page: str = "") -> Limits:
    """The limits of a model.

    Parameters
    ----------
    read
        Asks the server for a path.
    listed
        The model as `/models` lists it: vLLM and SGLang state the context there, some services under other names.
    page
        `/metrics`, where there is any.
    """
    context = first(listed, "max_model_len", "context_length", "context_window")
    tokens = cache_tokens(page)
    at_once: int | None = None
    where = ""
    by = str(listed.get("owned_by", ""))
    if by == "vllm" or "vllm:" in page:
        # Only a vLLM in development mode tells its configuration.
        config = inside(read("/server_info?config_format=json"), "vllm_config", "scheduler_config")
        at_once, where = first(config, "max_num_seqs"), "/server_info"
    else:
        for path, keys, contexts in (
            ("/props", ("total_slots",), ()),  # llama.cpp
            ("/get_server_info", ("max_running_requests",), ("context_length",)),  # SGLang
            ("/info", ("max_concurrent_requests",), ("max_total_tokens",)),  # text-generation-inference
        ):
            body = read(path)
            said = first(body, *keys)
            if said is None:
                continue
            at_once, where = said, path
            slot = inside(body, "default_generation_settings")
            context = context or first(body, *contexts) or first(slot, "n_ctx")
            break
    notes = [f"It works on {at_once} requests at once, as its {where} says." if at_once else UNSAID]
    if tokens and context:
        full = tokens // context
        notes.append(
            f"Its cache holds {tokens} tokens: {full or 'not one'} request{'' if full < 2 else 's'} of full length at once."
        )
    return Limits(context, at_once, tuple(notes))


def cache_tokens(page: str) -> int | None:
    """Tokens that a vLLM's attention cache holds, all its engines together, as its metrics say."""
    found = 0
    for labels in CACHE.findall(page):
        stated = dict(LABEL.findall(labels))
        sizes = (stated.get("num_gpu_blocks", ""), stated.get("block_size", ""))
        if all(size.isdigit() and len(size) < 10 for size in sizes):
            found += int(sizes[0]) * int(sizes[1])
    return found or None


def inside(body: Any, *keys: str) -> Any:
    """What stands under some keys; None where they are not."""
    for key in keys:
        body = body.get(key) if isinstance(body, Mapping) else None
    return body


def first(body: Any, *keys: str) -> int | None:
    """The first of some keys that holds a count."""
    for key in keys if isinstance(body, Mapping) else ():
        value = body.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < MOST:
            return value
    return None
