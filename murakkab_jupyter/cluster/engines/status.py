"""What an engine says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.cluster.engines.config import EngineConfig

__all__ = ["EngineState", "EngineStatus"]

EngineState = Literal["starting", "ready", "restarting", "stopping", "stopped", "failed", "silent"]


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """What an engine says of itself.

    Attributes
    ----------
    config
        How it was started.
    state
        `starting`, `ready`, `restarting`, `stopping`, `stopped` or `failed`; `silent` where its worker is there and does
        not answer: the rest is what was last heard then.
    endpoint
        Where it answers; None before it does.
    worker, host
        Where it runs.
    pid
        Of the server; 0 when there is none.
    gpus
        Those it holds, as CUDA names them.
    start_s
        Seconds its latest start took, until its first answer.
    start_cpu_s, cpu_s
        CPU-seconds of its processes: until its first answer, and so far.
    memory_bytes
        Resident memory of its processes, shared pages counted in each.
    restarts
        How often it was started again.
    idle_s
        Seconds since it was last used.
    keep_alive_s
        How long it stays idle.
    use_seen
        Whether its counters show who uses it by its address alone; where they do not, it is not ended for being idle.
    error
        Why it is not there, with its last words.
    log
        Its log, on the worker's host.
    """

    config: EngineConfig
    state: EngineState
    endpoint: Endpoint | None = None
    worker: str = ""
    host: str = ""
    pid: int = 0
    gpus: tuple[str, ...] = ()
    start_s: float | None = None
    start_cpu_s: float | None = None
    cpu_s: float = 0.0
    memory_bytes: int = 0
    restarts: int = 0
    idle_s: float = 0.0
    keep_alive_s: float | None = None
    use_seen: bool = False
    error: str = ""
    log: str = ""

    @property
    def name(self) -> str:
        """What it is called."""
        return self.config.name
