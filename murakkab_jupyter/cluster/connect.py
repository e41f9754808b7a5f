"""A cluster: one Dask worker on this host, or whatever stands behind a scheduler's address.

Workers are probed before they are used: a version that does not fit, or a worker without this package, is
said at once, not found out in the middle of a run.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from distributed import Client, Future, Security, SpecCluster
from distributed.comm import connect as comm_to
from tornado.httpclient import HTTPError
from tornado.websocket import WebSocketError

from murakkab_jupyter.cluster.gpus import gpus_here
from murakkab_jupyter.cluster.local import local_cluster
from murakkab_jupyter.cluster.media import sees_files
from murakkab_jupyter.cluster.probe import Probe, probe, survey
from murakkab_jupyter.cluster.silence import Silence, ask_all
from murakkab_jupyter.cluster.versions import check_probe, missing_package, unfit
from murakkab_jupyter.core.errors import ClusterError
from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import ClusterView, HostPower, WorkerView
from murakkab_jupyter.core.media import Media

__all__ = ["Cluster", "SchedulerSilentError", "connect"]

CONNECT_S = 8.0
WORKERS_S = 10.0
OWN_WORKER_S = 60.0
"""How long the worker that is started on this host may take to join: on a busy machine its process alone takes 15 s."""
PROBE_S = 10.0
"""How long workers may take to say what they are, or which files they see."""

SURVEY_S = 15.0
"""How long the micro-benchmark of busy workers is waited for, once."""

PRESENT_S = 30.0
"""How long the scheduler may take to say who is there."""

LOOK_S = 0.2

TELLING_BYTES = 1_000_000
"""Of smaller files the time they take says nothing of the network."""


class SchedulerSilentError(ClusterError):
    """The scheduler is there and does not answer: suspended, overloaded, or behind a network that drops what is sent."""


class Cluster:
    """Workers to run on, and what is known of them.

    Attributes
    ----------
    client
        The Dask client.
    local
        Whether it was started here, and ends with `close`.
    notices
        What the user should know: no encryption, a worker that cannot keep media, few threads.
    """

    def __init__(self, client: Client, *, local: SpecCluster | None = None) -> None:
        self.client = client
        self.notices: list[str] = []
        self._local = local
        self._probes: dict[str, Probe] = {}
        self._surveys: dict[str, tuple[Figure, HostPower]] = {}
        self._asked: dict[str, tuple[str, Future]] = {}
        self._refused: dict[str, str] = {}
        self._silence = Silence()
        self._asked_s: float | None = None
        """Since when the scheduler owes an answer."""
        self._about: dict[str, str] = {}
        """The worker that each notice of one is about."""
        self._silent: set[str] = set()
        self._aside: set[str] = set()
        self._paused: set[str] = set()
        self._seeing: dict[str, bool] = {}
        self._paces: list[float] = []
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        client.subscribe_topic("all", self._heard)

    @property
    def local(self) -> bool:
        """Whether it was started here, and ends with `close`."""
        return self._local is not None

    @property
    def address(self) -> str:
        """The scheduler's address."""
        return str(self.client.scheduler.address) if self.client.scheduler else ""

    @property
    def probes(self) -> Mapping[str, Probe]:
        """What each usable worker said of itself, by address."""
        return dict(self._probes)

    @property
    def refused(self) -> Mapping[str, str]:
        """Why each worker that joined is not used, by address."""
        return dict(self._refused)

    @property
    def unused(self) -> tuple[str, ...]:
        """For each worker that is there now and is not used, a sentence that says why."""
        return tuple(f"A worker is not used. {why}" for _, why in sorted(self.refused.items()))

    @property
    def wants(self) -> tuple[str, ...]:
        """What a plan for it should say: workers that are not used, and that nothing begins while all of them are paused."""
        paused = bool(self._probes) and self._probes.keys() <= self._paused
        return (*self.unused, *((_ALL_PAUSED,) if paused else ()))

    @property
    def aside(self) -> frozenset[str]:
        """Workers that give no sign of life, and whose work others can do: they are used again when they answer."""
        return frozenset(self._aside)

    @property
    def waited(self) -> frozenset[str]:
        """Workers that give none, where nobody else is there."""
        return frozenset(self._silent & set(self._probes))

    @property
    def paused(self) -> frozenset[str]:
        """Workers that Dask has paused, as a rule since their memory is nearly full: they begin nothing until it is free."""
        return frozenset(self._paused)

    def present(self) -> dict[str, float]:
        """For each worker that the scheduler knows now, when it last heard of it.

        Raises
        ------
        SchedulerSilentError
            When it does not answer in time.
        ClusterError
            When it is gone.
        """
        if self.client.status != "running":
            msg = f"The scheduler at {self.address} is gone."
            raise ClusterError(msg, hint=_GONE)
        try:
            # Not `scheduler_info()`: the client's own refresh, which knows no workers, may overwrite its answer.
            found = self.client.sync(self._identity)
            self._paused = {
                name for name, facts in found["workers"].items() if facts.get("status") == "paused"
            }
            return {name: float(facts.get("last_seen") or 0.0) for name, facts in found["workers"].items()}
        except TimeoutError as error:
            msg = f"The scheduler at {self.address} does not answer (waited {PRESENT_S:.0f} s)."
            raise SchedulerSilentError(msg, hint=_SILENT) from error
        except (OSError, KeyError) as error:
            msg = f"The scheduler at {self.address} does not answer: {error}."
            raise ClusterError(msg, hint=_GONE) from error

    def _present(self) -> dict[str, float]:
        """The same; while the scheduler answers nothing it hears of nobody, and that is no worker's silence."""
        if self._asked_s is None:
            self._asked_s = time.monotonic()
        seen = self.present()
        self._silence.excuse(time.monotonic() - self._asked_s)
        self._asked_s = None
        return seen

    async def _identity(self) -> Any:
        return await asyncio.wait_for(self.client.scheduler.identity(n_workers=-1), PRESENT_S)

    def view(self) -> ClusterView:
        """The workers that a plan may use, now; raises `ClusterError` when there are none."""
        self.roll()
        if not self._probes:
            if self._local is not None:
                msg = "The worker that was started on this machine is not there."
                raise ClusterError(msg, hint=_BUSY)
            msg = f"The scheduler at {self.address} has no workers."
            raise ClusterError(msg, hint=_START_WORKERS)
        self._survey()
        return self.seen()

    def seen(self) -> ClusterView:
        """The workers as they were when last looked at; asks nobody."""
        return ClusterView(
            tuple(self.view_of(found) for found in list(self._probes.values())), network=self.network
        )

    def look(self, media: Sequence[Media]) -> None:
        """Ask one worker of each host whether it has some files, where they lie or from before; views say so from then on."""
        asked = {found.host: address for address, found in self.probes.items()}
        if not media:
            return
        try:
            answers = ask_all(
                self.client, sees_files, tuple(media), workers=asked.values(), timeout_s=PROBE_S
            )
        except Exception as error:  # noqa: BLE001 - unanswered, other hosts are taken not to see them: a guess in a plan, no more
            logging.getLogger(__name__).info("no worker said whether it sees the files: %s", error)
            return
        self._seeing = {host: answers.get(address) is True for host, address in asked.items()}

    def carried(self, size_bytes: int, seconds: float) -> None:
        """A file of this size was sent to a worker in so many seconds."""
        if size_bytes >= TELLING_BYTES and seconds > 0:
            self._paces = [*self._paces[-99:], size_bytes / seconds / 1e6]

    @property
    def network(self) -> Figure:
        """How fast files came to other hosts (MB/s): the median of the last hundred; unknown before the first."""
        paces = sorted(self._paces)
        if not paces:
            return unknown("MB/s")
        return Figure(
            median(paces), "MB/s", paces[0], paces[-1], "measured", note=f"{len(paces)} files sent before"
        )

    @property
    def alive(self) -> bool:
        """Whether the scheduler was there when last heard of."""
        return bool(self.client.status == "running")

    def roll(self) -> None:
        """Look who is there, probe who is new; raises `ClusterError` when the scheduler is gone. `RollCall` tells what changed."""
        with self._lock:
            seen = self._present()
            alone = not (self._probes.keys() & (seen.keys() - self._silent))
            silent = self._silence.look(seen, time.monotonic(), alone=alone)
            # Where nobody else is there to do their work, it is waited for.
            others = self._probes.keys() & (seen.keys() - silent)
            aside = silent & self._probes.keys() if others else set()
            lost = (self._probes.keys() | self._aside) - seen.keys()
            for address in (lost | aside) & self._probes.keys():
                del self._probes[address]
            self._silent, self._aside = silent, ((self._aside & silent) | aside) - lost
            present = seen.keys() - silent
            for gone in self._refused.keys() - present:
                del self._refused[gone]
            self._untell([notice for notice, address in self._about.items() if address not in seen])
            for address, found in self._probe(present - self._probes.keys() - self._refused.keys()).items():
                if isinstance(found, ClusterError):
                    self._refused[address] = str(found)
                else:
                    self._probes[address] = found
                    self._note(found)

    def admit(self, timeout_s: float = WORKERS_S) -> None:
        """Wait for the first worker and probe all there are; raises `ClusterError` when none fits.

        Those that do not fit, where others do, are left out; `refused` says why.
        """
        deadline = time.monotonic() + timeout_s
        # Not Dask's `wait_for_workers`: it does not count those that are paused, and waits for a silent scheduler for ever.
        while not self.present():
            if time.monotonic() > deadline:
                if self._local is not None:
                    msg = f"The worker that was started on this machine has not joined (waited {timeout_s:.0f} s)."
                    raise ClusterError(msg, hint=_BUSY)
                msg = f"The scheduler at {self.address} has no workers (waited {timeout_s:.0f} s)."
                raise ClusterError(msg, hint=_START_WORKERS)
            time.sleep(LOOK_S)
        refused = unfit(self._reported())
        while not self._probes:
            with self._lock:
                seen = self._present()
                present = seen.keys() - self._silence.look(seen, time.monotonic())
                for address, found in self._probe(present - refused.keys()).items():
                    if isinstance(found, ClusterError):
                        refused[address] = found
                    else:
                        self._probes[address] = found
                        self._note(found)
            if self._probes:
                break
            for address in present & refused.keys():
                raise refused[address]
            if time.monotonic() > deadline:
                msg = f"The workers at {self.address} do not answer."
                raise ClusterError(msg, hint="Look at their logs, and start them again.")
            time.sleep(LOOK_S)
        for address, error in refused.items():
            self._refused[address] = str(error)

    @contextlib.contextmanager
    def on_change(self, act: Callable[[], None]) -> Iterator[None]:
        """Call `act` whenever a worker joins or is lost, for as long as it lasts; it must return at once."""
        self._listeners.append(act)
        try:
            yield
        finally:
            self._listeners.remove(act)

    def _heard(self, event: tuple[float, Any]) -> None:
        said = event[1]
        if isinstance(said, dict) and said.get("action") in ("add-worker", "remove-worker"):
            for act in tuple(self._listeners):
                act()

    def close(self) -> None:
        """Let go of the scheduler; end the workers if they were started here."""
        with quiet():
            if self.client.status == "running":
                self.client.unsubscribe_topic("all")
            self.client.close(timeout=5)
            if self._local is not None:
                self._local.close(timeout=5)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        cores = sum(found.cores for found in self.probes.values())
        return f"Cluster({self.address!r}, workers={len(self._probes)}, cores={cores})"

    def _reported(self) -> Mapping[str, Any]:
        async def ask() -> Any:
            return await asyncio.wait_for(self.client.get_versions(packages=["cloudpickle"]), PROBE_S)

        try:
            found: Mapping[str, Any] = self.client.sync(ask)
        except TimeoutError:
            return {}  # one is silent: the others say the same when they are probed
        return found

    def _probe(self, addresses: set[str]) -> dict[str, Probe | ClusterError]:
        if not addresses:
            return {}
        answers = ask_all(self.client, probe, workers=addresses, timeout_s=PROBE_S)
        found: dict[str, Probe | ClusterError] = {}
        for address, answer in answers.items():
            if not isinstance(answer, OSError):
                self._silence.heed(address)
                self._untell([_UNANSWERED.format(address)])
            match answer:
                case Probe():
                    try:
                        check_probe(answer)
                        found[address] = answer
                    except ClusterError as error:
                        found[address] = error
                case ImportError() | AttributeError():
                    found[address] = missing_package(address, answer)
                case TimeoutError():
                    self._silence.mute(address, time.monotonic())
                    self._tell(address, _UNANSWERED.format(address))
                case OSError():
                    pass  # it went away while it was asked: the next look knows
                case _ if str(answer).startswith(("ModuleNotFoundError", "ImportError", "AttributeError")):
                    # What cannot be read there comes back as a plain exception with the name in its text.
                    found[address] = missing_package(address, answer)
                case _:
                    msg = f"Worker {address} cannot be used: {type(answer).__name__}: {answer}."
                    found[address] = ClusterError(msg, hint="Look at its log, and start it again.")
        return found

    def _tell(self, address: str, notice: str) -> None:
        if notice not in self.notices:
            self.notices.append(notice)
        self._about[notice] = address

    def _untell(self, notices: Sequence[str]) -> None:
        """What was so of a worker that answers now, or left, is not said again."""
        for notice in notices:
            self._about.pop(notice, None)
            if notice in self.notices:
                self.notices.remove(notice)

    def _note(self, found: Probe) -> None:
        if found.cache_error:
            self._tell(
                found.address,
                f"Worker {found.address} cannot keep media that are sent to it ({found.cache_error}): "
                "set MURAKKAB_CACHE there to a folder it may write to, or use shared storage.",
            )
        if found.threads < found.cores:
            self._tell(
                found.address,
                f"Worker {found.address} declares {found.cores} cores but runs {found.threads} tasks at once: "
                f"start it with --nthreads {found.cores}.",
            )

    def view_of(self, found: Probe) -> WorkerView:
        """A worker as plans see it."""
        plain = WorkerView(found.address, found.host, 1, 0)
        # A host that joins in mid-run is not measured first.
        speed, power = self._surveys.get(found.host, (plain.speed, plain.power))
        return WorkerView(
            name=found.address,
            host=found.host,
            cores=found.cores,
            memory_bytes=found.memory_bytes,
            gpus=found.gpus,
            speed=speed,
            power=power,
            sees_files=self._seeing.get(found.host, found.host == socket.gethostname()),
        )

    def _survey(self) -> None:
        """Have hosts measured that are not: all at once, and a busy one is not waited for again."""
        fresh = set()
        for found in list(self._probes.values()):
            if found.host in self._surveys:
                continue
            if self.local:
                self._surveys[found.host] = survey()
                continue
            worker, _ = self._asked.get(found.host, ("", None))
            if worker not in self._probes:  # it was not asked, or went away meanwhile
                future = self.client.submit(survey, workers=[found.address], pure=False, priority=100)
                self._asked[found.host] = found.address, future
                fresh.add(found.host)
        deadline = time.monotonic() + SURVEY_S
        for host, (_, future) in list(self._asked.items()):
            if host not in fresh and not future.done():
                continue
            try:
                self._surveys[host] = future.result(timeout=max(0.1, deadline - time.monotonic()))
            except TimeoutError:
                continue  # others' work has the worker: its figures stay priors until it comes to this
            except Exception as error:  # noqa: BLE001 - a figure stays a prior, nothing is lost
                logging.getLogger(__name__).info("%s could not be measured: %s", host, error)
            self._asked.pop(host, None)  # another look at the same time may have had its answer


_BUSY = "The machine is very busy or short of memory: try again when it is less so."
_START_WORKERS = (
    "Start some: dask worker ADDRESS --nworkers 1 --nthreads CORES --resources cores=CORES "
    "(with murakkab-jupyter installed). A cluster that adapts needs a minimum, as in adapt(minimum=1, maximum=8): "
    "plans are made for workers that are there."
)
_UNANSWERED = (
    "Worker {} does not answer (suspended, or its network drops what is sent): it is used once it does."
)
_ALL_PAUSED = (
    "Dask has paused every worker, as a rule since their memory is nearly full: calls begin when one goes on."
)
_SILENT = "Look whether its process is suspended or overloaded, and at the network between; finished items are kept."
_GONE = "Finished items are kept: start the scheduler again, then resume the run."


def connect(
    address: str | None = None,
    *,
    cores: int | None = None,
    dashboard: bool = False,
    timeout_s: float = CONNECT_S,
    workers_timeout_s: float | None = None,
) -> Cluster:
    """A cluster to run on.

    Parameters
    ----------
    address
        A scheduler's address (`tcp://host:8786`, `tls://host:8786`); None starts one worker on this host.
    cores
        Cores of the worker that is started here; all there are when None.
    dashboard
        Whether the scheduler that is started here shows Dask's dashboard, on loopback.
    timeout_s
        How long the scheduler may take to answer.
    workers_timeout_s
        How long to wait for the first worker; None for 10 s, and 60 s for the one that is started here.

    Raises
    ------
    ClusterError
        When the scheduler cannot be reached, has no workers, or they do not fit.
    """
    cluster = (
        _start_here(cores, dashboard=dashboard) if address is None else _attach(address, timeout_s=timeout_s)
    )
    if workers_timeout_s is None:
        workers_timeout_s = OWN_WORKER_S if address is None else WORKERS_S
    try:
        cluster.admit(workers_timeout_s)
    except BaseException:
        cluster.close()
        raise
    return cluster


def _start_here(cores: int | None, *, dashboard: bool) -> Cluster:
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    if cores is not None and cores < 1:
        msg = f"A worker needs at least one core, not {cores}."
        raise ClusterError(msg, hint="Leave cores out to use all there are.")
    count = cores if cores is not None else int(CPU_COUNT)
    gpus = len(gpus_here())
    _hush(logging.CRITICAL)
    check_loopback()
    with quiet():
        try:
            local = local_cluster(cores=count, gpus=gpus, memory_bytes=int(MEMORY_LIMIT), dashboard=dashboard)
        except (OSError, TimeoutError, RuntimeError) as error:
            msg = f"No Dask worker could be started here: {error}."
            raise ClusterError(
                msg, hint="Look at free memory, disk space and limits on processes."
            ) from error
        return Cluster(client_of(local, CONNECT_S), local=local)


def client_of(target: Any, timeout_s: float) -> Client:
    """A client of a scheduler, by its address or its cluster."""
    try:
        return Client(target, timeout=timeout_s, set_as_default=False)
    except AssertionError:
        # Dask gives its own thread 10 s to begin, which a machine that stands still for a moment may take longer over.
        return Client(target, timeout=timeout_s, set_as_default=False)


def greet(address: str, timeout_s: float) -> None:
    """Shake hands with whatever listens at an address.

    Dask's own client waits for the other's greeting without an end: of a suspended scheduler, or of what is none.

    Raises
    ------
    OSError
        Nobody listens there, or there is no greeting in time.
    ValueError
        It is no address.
    """

    async def hello() -> None:
        arguments = Security().get_connection_args("client")
        greeted = await asyncio.wait_for(comm_to(address, timeout=timeout_s, **arguments), timeout_s)
        greeted.abort()

    if urlsplit(address).scheme == "inproc":
        return  # a scheduler of this process, which only its own loop's threads can reach
    with ThreadPoolExecutor(
        1, thread_name_prefix="murakkab-greets"
    ) as thread:  # a notebook's thread has a loop
        try:
            thread.submit(asyncio.run, hello()).result()
        except TimeoutError:
            msg = "what listens there does not greet as Dask does"
            raise OSError(msg) from None
        except (WebSocketError, HTTPError) as error:
            raise OSError(str(error)) from error


def check_loopback() -> None:
    """Whether processes of this host can talk to each other: without, Dask would only wait; raises `ClusterError`."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=CONNECT_S).close()
    except OSError as error:
        msg = (
            f"The processes of this machine cannot reach each other on 127.0.0.1: {error.strerror or error}."
        )
        hint = "Bring the loopback interface up (ip link set lo up); no other network is needed."
        raise ClusterError(msg, hint=hint) from error


def _attach(address: str, *, timeout_s: float) -> Cluster:
    if "@" in address:
        msg = "The address of a scheduler may not hold a user or a password."
        raise ClusterError(
            msg, hint="Write it as tcp://host:8786, or tls://host:8786 with Dask's TLS settings."
        )
    _hush(logging.CRITICAL)
    try:
        greet(address, timeout_s)
        with quiet():  # what versions must be alike, the probe says
            client = client_of(address, timeout_s)
    except (OSError, TimeoutError) as error:
        msg = f"No scheduler answers at {address} (waited {timeout_s:.0f} s): {error}."
        raise ClusterError(
            msg, hint="Check the address and that it runs: dask scheduler --host HOST --port 8786."
        ) from error
    except (ValueError, TypeError, RuntimeError) as error:
        msg = f"{address} is no scheduler to connect to: {error}"
        raise ClusterError(
            msg, hint="Write it as tcp://host:8786, or tls://host:8786 with Dask's TLS settings."
        ) from error
    cluster = Cluster(client)
    if not is_private(address):
        cluster.notices.append(
            f"NO TLS: everything sent to {address} (media, prompts, functions, results) travels in the clear, and "
            "anyone who reaches that port can run code there. Use tls://, or a tunnel to loopback."
        )
    return cluster


def is_private(address: str) -> bool:
    """Whether nobody else can listen: TLS, the same process, or this host alone."""
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.scheme in ("tls", "wss", "inproc", "ucxx"):
        return parts.scheme != "ucxx"
    name = parts.hostname or ""
    try:
        return all(ipaddress.ip_address(found[4][0]).is_loopback for found in socket.getaddrinfo(name, None))
    except (OSError, ValueError):
        return False


def _hush(level: int) -> None:
    """Keep Dask's loggers out of the user's cell: every one of theirs has a level of its own."""
    names = [name for name in logging.Logger.manager.loggerDict if name.split(".")[0] == "distributed"]
    for name in ("distributed", *names):
        logging.getLogger(name).setLevel(level)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Dask's warnings on stderr, for as long as it lasts."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"distributed(\..*)?")
        yield
