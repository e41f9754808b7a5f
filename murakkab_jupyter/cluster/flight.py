"""Batches on their way to workers and back: media first, then one Dask task, then its reply."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future as ThreadFuture
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import cloudpickle
from distributed import Future

from murakkab_jupyter.agents.agent import Inputs
from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.cluster.connect import Cluster
from murakkab_jupyter.cluster.host import (
    cancel_task,
    lease_key,
    retire,
    run_batch,
    shed,
    stop_run,
    topic,
)
from murakkab_jupyter.cluster.instances.pool import Recipe, Reply
from murakkab_jupyter.cluster.instances.ship import pack_agent
from murakkab_jupyter.cluster.media import MediaShipper, find_media
from murakkab_jupyter.cluster.silence import unless_gone
from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.errors import InputError, MurakkabError
from murakkab_jupyter.core.kinds import measure
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.core.redact import redacted
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.messages import Batch, InstanceId
from murakkab_jupyter.workflow.model import Step

__all__ = ["Brought", "Fault", "Flight", "Landed", "Orders", "Told", "work_of"]

INLINE_BYTES = 256 * 1024
"""What is larger travels to the worker as data of its own, not within the task."""

CARRY_S = 10.0
"""How long the scheduler may take to find the worker that such data are for."""


PAUSED_S = 1.0
"""How long to wait before looking again whether a worker that Dask has paused goes on."""


@dataclass
class Flight:
    """A batch under way. `inputs` are those of the items that must be called; `reused` items were known.

    `life` tells which life of its engine it calls, and `rounds` how often it was done again because that one ended.
    `sent_s` tells when its Dask task was submitted (monotonic clock), and `begun` whether it is known to work.
    """

    batch: Batch
    step: Step
    inputs: tuple[Inputs, ...]
    reused: int = 0
    launches: int = 0
    future: Future | None = None
    following: ThreadFuture[Any] | None = None
    cancelled: bool = False
    life: object = None
    rounds: int = 0
    sent_s: float = 0.0
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Landed:
    """A flight's end: the worker's reply (None where nothing was left to call), and items that could not go, with why."""

    flight: Flight
    reply: Reply | None
    bad: Mapping[Ancestry, str] = field(default_factory=dict)
    looked: bool = False
    """Whether it is known that its engine was not lost."""


@dataclass(frozen=True, slots=True)
class Told:
    """A worker says something that the user should know."""

    message: str


@dataclass(frozen=True, slots=True)
class Brought:
    """A file was sent to a worker that does not see it."""

    worker: str
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that the run cannot survive."""

    error: BaseException


def work_of(capability: Capability, batch: Iterable[Inputs], options: Mapping[str, Any]) -> float:
    """The work of a batch in the capability's unit."""
    several = {port.name for port in capability.ports if port.several}
    total = 0.0
    for inputs in batch:
        measures = {
            port: measure([part for _, part in value] if port in several else value)
            for port, value in inputs.values.items()
        }
        try:
            total += float(capability.work(measures, options))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            # Another package's arithmetic; the batch is done all the same.
            logging.getLogger(__name__).info("The work of %s is unknown: %s", capability.name, error)
    return total


def unsendable(step: Step, inputs: Inputs) -> str:
    """Why an item's inputs cannot be sent to a worker: whose value of which type; empty where they can."""
    for port, value in inputs.values.items():
        try:
            cloudpickle.dumps(value)
        except Exception as error:  # noqa: BLE001 - a user's class may raise anything
            kind = innermost(value)
            sources = [f"{{{one.source}}}" for one in step.inputs if one.port == port]
            of = f"of {' or '.join(sources)}" if sources else f"for {port}"
            return (
                f"A value {of}, of type {kind}, cannot be sent to where step {step.name} runs ({type(error).__name__}: {error}). "
                "Give or return data instead (texts, numbers, lists, arrays, a file's path), and open files, locks and "
                "connections inside the function that uses them."
            )
    return ""


def innermost(value: Any) -> str:
    """The type of what cannot be pickled: that of a list's or tuple's item where it is one of them."""
    for one in value if isinstance(value, list | tuple) else ():
        try:
            cloudpickle.dumps(one)
        except Exception:  # noqa: BLE001 - as above
            return innermost(one)
    return type(value).__name__


class Orders:
    """What one drive asks of the workers, and who of them answers.

    Parameters
    ----------
    run
        Name of this drive, unlike that of any other.
    cluster
        Where the workers are.
    library
        Agents and capabilities.
    report
        Takes `Landed`, `Told` and `Brought`, from any thread.
    """

    def __init__(
        self,
        run: str,
        cluster: Cluster,
        library: Library,
        report: Callable[[Landed | Told | Brought | Fault], None],
    ) -> None:
        self.run = run
        self.cluster = cluster
        self.client = cluster.client
        self.library = library
        self.report = report
        self.media = MediaShipper(self.client, self._brought, self._gone)
        self._specs: dict[str, tuple[str, bytes]] = {}
        self._leases: dict[str, Any] = {}
        self._shared: dict[tuple[str, str], Any] = {}
        self._given: dict[str, set[tuple[str, int]]] = {}  # the instances that calls were sent to
        self._launcher = ThreadPoolExecutor(4, thread_name_prefix="murakkab-launch")
        self._noted: set[str] = set()
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        self._over = False
        self.client.subscribe_topic(topic(run), self._heard)

    # --- batches -----------------------------------------------------------------------------------------------

    def launch(self, flight: Flight) -> None:
        """Send a batch on its way (again, when Dask failed it)."""
        flight.launches += 1
        instance = flight.batch.instance
        self._given.setdefault(instance.worker, set()).add((instance.step, instance.index))
        self._launcher.submit(self._launch, flight)

    def _launch(self, flight: Flight) -> None:
        worker = flight.batch.instance.worker
        if worker in self.cluster.paused:
            self._later(flight)
            return
        try:
            self._go(flight)
        except MurakkabError as error:
            bad = dict.fromkeys((inputs.ancestry for inputs in flight.inputs), str(error))
            self.report(Landed(flight, None, bad))
        except Exception as error:  # noqa: BLE001 - Dask's or the network's: the loop tries elsewhere
            if isinstance(error, TimeoutError) and worker in self.cluster.paused:
                self._later(flight)  # it was paused meanwhile, and takes no data
            elif not self._over:
                self.report(Landed(flight, Reply("gone", error=redacted(f"{type(error).__name__}: {error}"))))

    def _later(self, flight: Flight) -> None:
        """Send a batch once its worker goes on; no thread waits for that, so others' batches go out meanwhile."""

        def again() -> None:
            with contextlib.suppress(RuntimeError):  # the run has ended
                self._launcher.submit(self._launch, flight)

        if flight.cancelled or self._over:
            return
        self.tell_paused(flight.batch.instance.worker)
        timer = threading.Timer(PAUSED_S, again)
        timer.daemon = True
        timer.start()

    def tell_paused(self, worker: str) -> None:
        """Say, once, that calls wait for a worker which Dask has paused."""
        if worker not in self._noted:
            self._noted.add(worker)
            why = "Dask has paused it, as it does where memory is nearly full. They begin when it goes on"
            self.report(Told(f"Calls wait for worker {worker}: {why}."))

    def _go(self, flight: Flight) -> None:
        batch, worker = flight.batch, flight.batch.instance.worker
        ready: list[Inputs] = []
        bad: dict[Ancestry, str] = {}
        for inputs in flight.inputs:
            try:
                for media in find_media(inputs.values):
                    self.media.ensure(worker, media)
                ready.append(inputs)
            except InputError as error:
                bad[inputs.ancestry] = str(error)
        if not ready:
            self.report(Landed(flight, None, bad))
            return
        if flight.cancelled or self._over:
            return
        recipe, spec = self.recipe(flight.step, batch.configuration)
        try:
            packed = bytes(cloudpickle.dumps(tuple(ready)))
        except Exception:
            # To try it elsewhere, or again, helps none of these; the others go.
            unsent = {one.ancestry: why for one in ready if (why := unsendable(flight.step, one))}
            ready = [one for one in ready if one.ancestry not in unsent]
            bad |= unsent
            if not unsent:
                raise
            if not ready:
                self.report(Landed(flight, None, bad))
                return
            packed = bytes(cloudpickle.dumps(tuple(ready)))
        flight.future = self.client.submit(
            run_batch,
            self.run,
            batch.task,
            batch.instance,
            recipe,
            self._share(worker, recipe.digest, spec),
            self._carry(worker, packed),
            self._lease(worker),
            key=f"murakkab-{self.run}-{batch.step}-{batch.task}-{flight.launches}",
            workers=[worker],
            allow_other_workers=False,
            resources=self.resources(worker, batch.configuration),
            retries=0,
            pure=False,
        )
        flight.sent_s = time.monotonic()
        flight.following = asyncio.run_coroutine_threadsafe(
            self._follow(flight, bad), self.client.loop.asyncio_loop
        )
        if flight.cancelled:
            self.cancel(flight)

    async def _follow(self, flight: Flight, bad: Mapping[Ancestry, str]) -> None:
        try:
            reply = await self.client.gather(flight.future, asynchronous=True)
        except asyncio.CancelledError:
            if not flight.cancelled and not self._over:
                self.report(Landed(flight, Reply("gone", error="Its Dask task was cancelled."), bad))
            return
        except Exception as error:  # noqa: BLE001 - whatever Dask raises, the batch did not return
            reply = Reply("gone", error=redacted(f"{type(error).__name__}: {error}"))
        finally:
            flight.future = None  # lets the worker forget the reply
        if not flight.cancelled and not self._over:
            self._note(flight, reply)
            self.report(Landed(flight, reply, bad))

    def _brought(self, worker: str, media: Media, seconds: float) -> None:
        """A file has gone over the network: that is told, and how fast it was is kept for the next plan."""
        self.cluster.carried(media.size_bytes, seconds)
        self.report(Brought(worker, media.size_bytes, seconds))

    def _note(self, flight: Flight, reply: Reply) -> None:
        """Pass on what an agent has to say beside its values, each thing once a step."""
        for note in reply.notes:
            text = f"{flight.batch.step} ({flight.batch.configuration.agent}): {note}"
            if text not in self._noted:
                self._noted.add(text)
                self.report(Told(text))

    def recipe(self, step: Step, configuration: Configuration) -> tuple[Recipe, bytes]:
        """How an instance of a step is started, and its agent's bytes; raises `MurakkabError` when it cannot be."""
        spec = self.library.agent(configuration.agent)
        if spec.name not in self._specs:
            data = pack_agent(spec)
            self._specs[spec.name] = (hashlib.sha256(data).hexdigest(), data)
        digest, data = self._specs[spec.name]
        capability = self.library.capability(step.capability)
        recipe = Recipe(
            agent=spec.name,
            digest=digest,
            options=tuple(sorted(spec.settings(dict(configuration.options)).items())),
            cores=max(1, configuration.cores),
            gpus=configuration.gpus,
            kind=capability.output,
            opens=capability.opens,
            memory_bytes=spec.needs.memory_bytes,
        )
        return recipe, data

    def resources(self, worker: str, configuration: Configuration) -> dict[str, float] | None:
        """What the task takes of the resources that its worker declares; None where it declares none."""
        found = self.cluster.probes.get(worker)
        if found is None or not found.declared:
            return None
        if configuration.waits:
            # Other runs shall not take the cores either with which an engine answers.
            held = min(configuration.engine_cores, found.cores)
            return {"cores": held} if held else None
        wanted: dict[str, float] = {"cores": configuration.cores}
        if configuration.gpus:
            wanted["GPU"] = configuration.gpus
        return wanted

    def _share(self, worker: str, digest: str, data: bytes) -> Any:
        """Bytes that many tasks of a worker need: sent once when large."""
        if len(data) <= INLINE_BYTES:
            return data
        with self._turn(worker):
            key = (worker, digest)
            if key not in self._shared:
                self._shared[key] = self._carry(worker, data)
            return self._shared[key]

    def _carry(self, worker: str, data: bytes) -> Any:
        if len(data) <= INLINE_BYTES:
            return data
        return self._scatter(worker, data)

    def _scatter(self, worker: str, data: Any) -> Any:
        async def send() -> Any:
            return await self.client.scatter(
                data, workers=[worker], hash=False, timeout=CARRY_S, asynchronous=True
            )

        return unless_gone(self.client, send, lambda: self._gone(worker))

    def _gone(self, worker: str) -> bool:
        return self._over or worker not in self.cluster.probes

    def _turn(self, worker: str) -> threading.Lock:
        """One thread at a time gives a worker what it keeps; a worker that hangs holds up no other."""
        with self._lock:
            return self._turns.setdefault(worker, threading.Lock())

    def cancel(self, flight: Flight) -> None:
        """Give a batch up, and kill the instance that works on it."""
        self.abandon(flight)
        self._send(cancel_task, self.run, flight.batch.task, workers=[flight.batch.instance.worker])

    def abandon(self, flight: Flight) -> None:
        """Give a batch up whose worker is gone."""
        flight.cancelled = True
        future = flight.future
        if future is not None:
            self._soon(self._cancel_future, future)

    async def _cancel_future(self, future: Future) -> None:
        await self.client.cancel([future], asynchronous=True)

    # --- instances ---------------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Agents have changed: an engine has another address."""
        self._specs = {}

    def shed(self, worker: str) -> None:
        """Have a worker kill the instances that calls were sent to so far, idle ones too, whenever it hears of it."""
        if given := self._given.get(worker):
            self._send(shed, self.run, sorted(given), workers=[worker])

    def retire(self, instance: InstanceId) -> None:
        """Let an instance close."""
        self._given.get(instance.worker, set()).discard((instance.step, instance.index))
        if instance.worker in self.cluster.probes:
            self._send(retire, self.run, instance.step, instance.index, workers=[instance.worker])

    def _lease(self, worker: str) -> Any:
        """Hold a small value on a worker: when this client is gone, so is the value, and the worker knows."""
        with self._turn(worker):
            if worker not in self._leases:
                key = lease_key(self.run, worker)
                self._leases[worker] = self._scatter(worker, {key: True})[key]
            return self._leases[worker]

    def forget(self, worker: str) -> None:
        """Know nothing of a worker any more."""
        self._leases.pop(worker, None)
        self._given.pop(worker, None)
        self.media.forget(worker)
        for key in [key for key in self._shared if key[0] == worker]:
            del self._shared[key]

    def end(self, workers: Sequence[str] | set[str], *, patience_s: float) -> None:
        """End every instance of the run; waits for it only as long as `patience_s`."""
        self._over = True
        self._launcher.shutdown(wait=False, cancel_futures=True)
        if self.client.status == "running":
            there = [worker for worker in workers if worker in self.cluster.probes]
            ending = self._send(stop_run, self.run, patience_s=patience_s, workers=there)
            if ending is not None and patience_s:
                try:
                    ending.result(timeout=patience_s + 1.0)
                except Exception as error:  # noqa: BLE001 - a worker that does not answer: its lease ends them
                    logging.getLogger(__name__).info("Instances were not seen to end: %s", error)
            self.client.unsubscribe_topic(topic(self.run))
        self._leases.clear()
        self._shared.clear()

    # --- the client's loop -------------------------------------------------------------------------------------

    def _send(self, function: Callable[..., Any], *arguments: Any, workers: list[str], **named: Any) -> Any:
        """Run something on workers, beside their tasks, without waiting for it."""
        if not workers:
            return None

        async def ask() -> None:
            await self.client.run(
                function, *arguments, workers=workers, on_error="ignore", asynchronous=True, **named
            )

        return self._soon(ask)

    def _soon(self, make: Callable[..., Any], *arguments: Any) -> ThreadFuture[Any] | None:
        if self.client.status != "running":
            return None

        async def quietly() -> None:
            try:
                await make(*arguments)
            except Exception as error:  # noqa: BLE001 - nobody waits for it; a worker that is gone needs nothing
                logging.getLogger(__name__).info("%s: %s", make, error)

        return asyncio.run_coroutine_threadsafe(quietly(), self.client.loop.asyncio_loop)

    def _heard(self, event: tuple[float, Any]) -> None:
        _, said = event
        done, total = said["done_bytes"], said["total_bytes"]
        if total:
            amount = f" {done / 1e6:.0f} of {total / 1e6:.0f} MB"
        else:
            amount = f" {done / 1e6:.0f} MB" if done else ""
        self.report(Told(f"{said['step']} ({said['agent']}): {said['what']}{amount}"))
