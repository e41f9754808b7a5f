"""What a cluster looks like: data only, so that the planner and the simulator need no cluster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from murakkab_jupyter.core.figure import Figure, unknown

__all__ = ["ClusterView", "EngineView", "Gpu", "HostPower", "Share", "WorkerView", "allotted", "host_cores"]


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU of a worker: index on its host, marketing name, memory in bytes, watts idle and at most."""

    index: int
    name: str
    memory_bytes: int
    idle_w: Figure = field(default_factory=lambda: unknown("W"))
    peak_w: Figure = field(default_factory=lambda: unknown("W"))


@dataclass(frozen=True, slots=True)
class HostPower:
    """Watts and price of a host; each figure says where it comes from.

    Attributes
    ----------
    idle_w
        Power of the idle host (W), boundary as its note says.
    active_w_per_core
        Power that one busy core adds (W).
    price_usd_per_hour
        Rent of the whole host; unknown for one's own machine, whose cost is electricity.
    electricity_usd_per_kwh
        Price of electricity, for one's own machine.
    """

    idle_w: Figure = field(default_factory=lambda: unknown("W"))
    active_w_per_core: Figure = field(default_factory=lambda: unknown("W"))
    price_usd_per_hour: Figure = field(default_factory=lambda: unknown("USD/h"))
    electricity_usd_per_kwh: Figure = field(default_factory=lambda: unknown("USD/kWh"))


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One Dask worker: a host, or one GPU of a host.

    Attributes
    ----------
    name
        Dask's address or alias; what tasks are addressed to.
    host
        Host name or IP; workers of one host share its power.
    cores
        CPU cores that instances may use on it.
    memory_bytes
        Memory that instances may use.
    gpus
        GPUs that instances may use.
    speed
        CPU speed against the machine that made the reference profiles (1.0 = the same), by micro-benchmark.
    power
        Watts and price of its host.
    sees_files
        Whether its host reads the files of the inputs where they lie; else each is brought to it once.
    """

    name: str
    host: str
    cores: int
    memory_bytes: int
    gpus: tuple[Gpu, ...] = ()
    speed: Figure = field(default_factory=lambda: Figure(1.0, "1", source="prior"))
    power: HostPower = field(default_factory=HostPower)
    sees_files: bool = True


@dataclass(frozen=True, slots=True)
class EngineView:
    """A model server that agents of a plan may call.

    Attributes
    ----------
    name
        As agents name it.
    warm
        Whether it answers now: using it costs no start.
    start, start_cpu
        Seconds and CPU-seconds until it answers, when it is cold.
    worker
        Worker that it runs on, or would; empty for a server elsewhere.
    host
        Where instances that call it must be, because it listens on loopback there; empty when they may be anywhere.
    cores
        CPU cores of that host that it keeps busy while it answers; 0 for a server with GPUs, or elsewhere.
    problem
        Why it cannot be planned with now, in a sentence; empty where it can.
    gpus, gpu_names
        GPUs that one replica of it holds, all on one worker, and what such GPUs are called there; 0 where nobody said.
    """

    name: str
    warm: bool = True
    start: Figure = field(default_factory=lambda: Figure(0.0, "s", source="measured"))
    start_cpu: Figure = field(default_factory=lambda: Figure(0.0, "s", source="measured"))
    worker: str = ""
    host: str = ""
    cores: int = 0
    gpus: int = 0
    gpu_names: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The workers and engines a plan may use.

    Attributes
    ----------
    described
        True for hardware that is only written down.
    network
        How fast files come to hosts that do not see them (MB/s), one after another; unknown is a guess when it is planned with.
    """

    workers: tuple[WorkerView, ...]
    described: bool = False
    engines: tuple[EngineView, ...] = ()
    network: Figure = field(default_factory=lambda: unknown("MB/s"))

    def engine(self, name: str) -> EngineView | None:
        """An engine by name."""
        return next((one for one in self.engines if one.name == name), None)

    @property
    def cores(self) -> int:
        """Cores of all workers."""
        return sum(worker.cores for worker in self.workers)

    @property
    def most_cores(self) -> int:
        """Cores of the largest worker: no instance can have more."""
        return max((worker.cores for worker in self.workers), default=0)


def host_cores(workers: Iterable[WorkerView]) -> dict[str, int]:
    """Cores of each host: of all its workers together."""
    found: dict[str, int] = {}
    for worker in workers:
        found[worker.host] = found.get(worker.host, 0) + worker.cores
    return found


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a cluster: so many cores (None: all) of each of some hosts, or of all hosts where none is named."""

    cores: int | None = None
    hosts: tuple[str, ...] = ()

    @classmethod
    def of(cls, reserve: Share | int | None) -> Share:
        """A share as it is; so many cores of every host; or everything."""
        return reserve if isinstance(reserve, Share) else cls(reserve)

    @property
    def whole(self) -> bool:
        """Whether it is the whole cluster."""
        return self.cores is None and not self.hosts

    def covers(self, host: str) -> bool:
        """Whether a host is part of it."""
        return not self.hosts or host in self.hosts


def allotted(workers: Iterable[WorkerView], reserve: Share | int | None) -> dict[str, int]:
    """What each worker has of a share (None: all of it); a host's first worker is filled first."""
    share = Share.of(reserve)
    left: dict[str, int] = {}
    found: dict[str, int] = {}
    for worker in workers:
        spare = worker.cores if share.cores is None else left.get(worker.host, share.cores)
        spare = spare if share.covers(worker.host) else 0
        found[worker.name] = min(worker.cores, spare)
        left[worker.host] = spare - found[worker.name]
    return found
