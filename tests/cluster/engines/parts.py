"""What tests of engines share: stand-ins as engines or as servers somewhere else, and who is still alive."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import psutil

from murakkab_jupyter.cluster.engines.config import EngineConfig
from tests.cluster.engines.standin import StandIn

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("standin.py")
KEY = "sk-secret-of-the-test-0123456789"


def unconnected() -> NoReturn:
    """Where a cluster is asked for, though none is needed."""
    msg = "no cluster is needed for this"
    raise AssertionError(msg)


def config(
    how: str = "well", *, wait: float = 0.0, think: float = 0.0, metrics: str = "vllm", **more: Any
) -> EngineConfig:
    """An engine whose server is a stand-in."""
    command = (
        f"{sys.executable} {SCRIPT} --host {{host}} --port {{port}} --name {{name}} "
        f"--how {how} --wait {wait:g} --think {think:g} --metrics {metrics}"
    )
    given = {
        "name": "stand-in",
        "start_timeout_s": 90.0,
        "stop_grace_s": 2.0,
        "memory_bytes": 30_000_000,
        **more,
    }
    return EngineConfig(model="none", command=command, **given)


@contextmanager
def serving(how: str = "well", *, port: int = 0, **more: Any) -> Iterator[StandIn]:
    """A stand-in in this process."""
    server = StandIn("127.0.0.1", port, how=how, **more)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def owning(script: str, *arguments: str) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """A process that runs a script and holds an engine, whose id it prints, and the engine's processes."""
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    processes = family(int(owner.stdout.readline()))
    assert len(processes) >= 2
    return owner, processes


def family(pid: int) -> list[psutil.Process]:
    """A process and its children."""
    one = psutil.Process(pid)
    return [one, *one.children(recursive=True)]


def gone(processes: list[psutil.Process]) -> bool:
    """Whether none of these is left; one that waits to be reaped is gone."""
    return not any(left(one) for one in processes)


def left(process: psutil.Process) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # it ended between the two
        return False
