"""What a Dask worker and an instance's process say to each other, and how it goes down a pipe.

A frame is a head (a mark, the number of the process that wrote it, the number of the call that it belongs to, the bytes
that follow) and a pickle of one message. What belongs to the user (agent, inputs, values) is cloudpickle inside it, as
bytes that the worker's process passes on without opening them: user code runs in the instance alone. Both ends are
processes of one run on one host, so a pickle is safe here; a frame of any other process is refused before it is opened.
"""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.core.events import Usage

__all__ = [
    "Call",
    "Close",
    "Load",
    "Loaded",
    "Progressed",
    "Raised",
    "RefusedError",
    "Returned",
    "Spent",
    "Unloadable",
    "receive",
    "send",
]

_HEAD = struct.Struct(">6sQQQ")
_MARK = b"mkwire"


class RefusedError(Exception):
    """What came down a pipe is not what was waited for, and why."""


@dataclass(frozen=True, slots=True)
class Load:
    """Make and load an agent: `spec` is a cloudpickled `AgentSpec`; `kind` and `opens` are its capability's."""

    agent: str
    spec: bytes
    options: Mapping[str, Any]
    cores: int
    kind: str
    opens: bool


@dataclass(frozen=True, slots=True)
class Call:
    """Call the agent with a cloudpickled tuple of `Inputs`."""

    batch: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close the agent and end."""


@dataclass(frozen=True, slots=True)
class Progressed:
    """Something is being fetched while the agent loads."""

    what: str
    done_bytes: int
    total_bytes: int | None


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens of the call that is under way: what is known of it when it never returns."""

    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """The agent is ready; of the time that loading took, some may have gone into fetching its weights."""

    load_s: float
    load_cpu_s: float
    memory_bytes: int
    fetch_s: float = 0.0
    fetch_cpu_s: float = 0.0
    start_s: float = 0.0
    """Until the process could begin to load, as whoever started it saw it."""


@dataclass(frozen=True, slots=True)
class Unloadable:
    """The agent cannot load, and why."""

    error: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Returned:
    """The call returned a cloudpickled tuple of values, one for each item; `notes` are what the user should know."""

    values: bytes
    usage: Usage
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Raised:
    """The call raised, or what it returned breaks the agent's contract."""

    error: str
    usage: Usage


def send(descriptor: int, message: object, call: int = 0) -> None:
    """Write one frame, whole, that belongs to the call of that number; raises `OSError` when the other end is gone."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    view = memoryview(_HEAD.pack(_MARK, os.getpid(), call, len(data)) + data)
    while view:
        view = view[os.write(descriptor, view) :]


def receive(
    descriptor: int,
    *,
    sender: int | None = None,
    call: int | None = None,
    wait: Callable[[], None] = lambda: None,
) -> Any:
    """Read one frame.

    Parameters
    ----------
    sender, call
        The process that may have written it, and the number of the call that it must belong to; any when None.
    wait
        Called before each read; may raise to give up.

    Raises
    ------
    EOFError
        The other end is gone.
    RefusedError
        It is no frame, or one of another process, or one that belongs to another call.
    """
    mark, process, number, size = _HEAD.unpack(_exactly(descriptor, _HEAD.size, wait))
    if mark != _MARK:
        msg = "it is no answer but other bytes"
        raise RefusedError(msg)
    if sender is not None and process != sender:
        msg = f"another process ({process}) wrote it, not the instance's own ({sender})"
        raise RefusedError(msg)
    if call is not None and number != call:
        msg = f"it belongs to call {number}, not to call {call}"
        raise RefusedError(msg)
    data = _exactly(descriptor, size, wait)
    try:
        return pickle.loads(data)  # noqa: S301 - from our own child or parent
    except Exception as error:
        msg = f"it cannot be read ({type(error).__name__})"
        raise RefusedError(msg) from error


def _exactly(descriptor: int, size: int, wait: Callable[[], None]) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        wait()
        count = os.readv(descriptor, [view])
        if count == 0:
            msg = "The other end of the pipe is gone."
            raise EOFError(msg)
        view = view[count:]
    return data
