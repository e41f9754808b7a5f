"""The book of profiles: what ships with the package, corrected by what was observed here.

For each agent and set of options the reference observations are points of a curve. Observations of this
host first shift those points as a whole (they say how much slower or faster this host is at this very agent),
then join them; the more there are, the less the reference counts. A figure is `measured` only when it
rests on this host's own observations and lies within the range they cover.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from murakkab_jupyter.agents.agent import AgentSpec
from murakkab_jupyter.agents.functions.python import PickledFactory
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.core.figure import Figure, Source, unknown
from murakkab_jupyter.core.private import private_folder
from murakkab_jupyter.profiles import inference
from murakkab_jupyter.profiles.curve import Curve
from murakkab_jupyter.profiles.engine import EngineCurve
from murakkab_jupyter.profiles.exchange import Imported, export_profiles, import_profiles
from murakkab_jupyter.profiles.fitting import ENOUGH_CALLS, NOWHERE, Fitted, combine, normal
from murakkab_jupyter.profiles.hardware import host_key, host_speed
from murakkab_jupyter.profiles.interference import NO_INTERFERENCE, host_interference
from murakkab_jupyter.profiles.observation import Observation
from murakkab_jupyter.profiles.options import PATHS, Options, as_many_paths, distance, nearest
from murakkab_jupyter.profiles.profile import NO_PROFILE, Prediction, options_key
from murakkab_jupyter.profiles.published import shipped_published
from murakkab_jupyter.profiles.reference import Reference, shipped_reference
from murakkab_jupyter.profiles.remote import (
    ASSUMED,
    IN_FLIGHT,
    REMOTE_CPU_S,
    REMOTE_ITEM_S,
    guessed,
    how_guessed,
    is_of,
    of_curve,
    serve,
    shift,
)
from murakkab_jupyter.profiles.served import ServedProfile
from murakkab_jupyter.profiles.starting import PROCESS, host_start
from murakkab_jupyter.profiles.store import ProfileStore, user_store

__all__ = ["ProfileBook"]

LOG = logging.getLogger(__name__)

PRIOR_BAND = (0.85, 1.18)
"""The least band of a prior, as factors, on the host that it was made on: other inputs take other times for the same work (a unit of
speech 7 % on three real videos, a picture 3 %, for more kinds of input than that). What a host's speed may be misjudged by comes on
top (`ProfileBook.host_band`)."""

BEYOND_BAND = (0.6, 1.7)
"""The least band of a prior beyond all calls that the curves are fitted to (more cores, items or work than anybody saw), from points
that were left out and predicted by the others (`benchmarks/curves.py`)."""

MEASURED_BAND = (0.95, 1.05)

CLIENT_START = Figure(0.5, "s", 0.25, 1.5, "prior", note="the start of a process that asks a server, a guess")

NOTHING_BANDS = ((0.5, 2.0), (0.1, 5.0))
"""Of a call with nothing to do: as seen here, and as a prior."""

ENOUGH_STARTS = 3

DISPATCH_S = 0.012
"""What a batch takes beside its call (its way to the instance and back, and being recorded): measured on the
reference machine, on a local cluster."""

FUNCTION_ITEM_S = 0.01
GUESS_ITEM_S = 0.1
GUESS_LOAD_S = 1.0
GUESS_BAND = (0.05, 20.0)


class ProfileBook:
    """All profiles known here; implements `murakkab_jupyter.profiles.profile.Profiles`.

    Parameters
    ----------
    library
        Where agents are looked up: their options' defaults, memory, stated quality.
    store
        Observations; in memory when None.
    reference
        Shipped profiles; those of the package when None.
    host
        What this host's observations are filed under; found out when None.
    host_speed
        Speed of this host against the reference machine; by micro-benchmark, when first needed, if None.
    """

    def __init__(
        self,
        library: Library,
        store: ProfileStore | None = None,
        *,
        reference: Reference | None = None,
        host: str | None = None,
        host_speed: float | None = None,
    ) -> None:
        if host_speed is not None and not (math.isfinite(host_speed) and host_speed > 0):
            msg = f"A host's speed is a positive number, not {host_speed!r}."
            raise UsageError(msg)
        self.library = library
        self.store = store if store is not None else ProfileStore(None)
        self.reference = reference if reference is not None else shipped_reference()
        self.host = host if host is not None else host_key()
        self._speed = None if host_speed is None else Figure(host_speed, "1", source="measured")
        # Whoever states the speed plans for a made-up host, not for this one.
        self._interference: Figure | None = NO_INTERFERENCE if host_speed is not None else None
        self._fitted: dict[tuple[str, str], Fitted] = {}
        self._calls: dict[tuple[Any, ...], Prediction] = {}
        self._starts: tuple[float, ...] | None = None
        self._process: Figure | None = PROCESS if host_speed is not None else None
        self._engines: tuple[EngineCurve, ...] | None = None
        self._published: dict[str, ServedProfile] | None = None

    @classmethod
    def open(
        cls, path: str | Path | None, library: Library, *, host_speed: float | None = None
    ) -> ProfileBook:
        """Open the store at `path` (the user's own when None), made when it is not there; raises `ProfileError`.

        Where the user's own cannot be kept (a home that may only be read), observations last as long as the book,
        and a warning says so.
        """
        if path is None and not user_store().exists() and not can_keep(user_store()):
            LOG.warning(
                "Profiles cannot be kept at %s: what runs teach lasts for this session.", user_store()
            )
            return cls(library, ProfileStore(None), host_speed=host_speed)
        return cls(
            library, ProfileStore(Path(path) if path is not None else user_store()), host_speed=host_speed
        )

    @property
    def host_speed(self) -> float:
        """Speed of this host against the reference machine."""
        if self._speed is None:
            self._speed = host_speed()
        return self._speed.value or 1.0

    @property
    def host_band(self) -> tuple[float, float]:
        """By which factors times may be off because the speed of a host is misjudged, for all its agents alike."""
        speed = self.host_speed
        low, high = (None, None) if self._speed is None else (self._speed.low, self._speed.high)
        return speed / high if high else 1.0, speed / low if low else 1.0

    @property
    def interference(self) -> Figure:
        """Factor on a call's time when every other core of its host is busy."""
        if self._interference is None:
            self._interference = host_interference()
        return self._interference

    @property
    def dispatch_s(self) -> float:
        """Seconds that a batch takes beside its call."""
        return DISPATCH_S

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    # --- refining ---------------------------------------------------------------------------------------------

    def observe(
        self,
        agent: str,
        options: Options | Mapping[str, Any],
        *,
        cores: int,
        items: float,
        work: float,
        seconds: float,
        cpu_s: float,
        load_s: float = 0.0,
        load_cpu_s: float = 0.0,
        memory_bytes: float = 0.0,
        start_s: float = 0.0,
        host: str | None = None,
        speed: float | None = None,
    ) -> None:
        """Add one call to the store; raises `ProfileError` on numbers that make no sense."""
        self.observe_all(
            [
                {
                    "agent": agent, "options": dict(options), "cores": cores, "items": items, "work": work,
                    "seconds": seconds, "cpu_s": cpu_s, "load_s": load_s, "load_cpu_s": load_cpu_s,
                    "memory_bytes": memory_bytes, "start_s": start_s,
                }
            ],
            host=host,
            speed=speed,
        )  # fmt: skip

    def observe_all(
        self, calls: Sequence[Mapping[str, Any]], *, host: str | None = None, speed: float | None = None
    ) -> None:
        """Add some calls of one host, each a mapping like those of a reference file; all or none."""
        checked = [Observation.from_json(call) for call in calls]
        by_version: dict[str, list[Observation]] = {}
        for one in checked:
            spec = self.spec(one.agent)
            by_version.setdefault(spec.version if spec else "", []).append(one)
        for version, some in by_version.items():
            self.store.add(
                host if host is not None else self.host,
                speed if speed is not None else self.host_speed,
                version,
                some,
            )
        if any(one.start_s > 0 for one in checked):
            self._starts = None
        self.forget({one.agent for one in checked})

    def forget(self, agents: Collection[str] | None = None) -> None:
        """Fit anew when next asked: these agents, or all of them."""
        self._fitted = {
            key: value for key, value in self._fitted.items() if agents is not None and key[0] not in agents
        }
        self._calls.clear()
        if agents is None:
            self._starts = None

    def export(self, path: str | Path) -> int:
        """Write all that was observed to a file; says how many observations. Raises `ProfileError`."""
        return export_profiles(self.store, path)

    def take_in(self, what: str | Path) -> Imported:
        """Take in a file that another host exported (its observations are priors here), or `mlenergy`."""
        found = import_profiles(self.store, what)
        self._engines = self._published = None
        self.forget()
        return found

    # --- what the planner and the simulator ask -----------------------------------------------------------------

    def call(
        self, agent: str, options: Options, *, cores: int, items: float, work: float, speed: float = 1.0
    ) -> Prediction:
        """Predict one call; an agent that nobody measured gets a wide guess, and `guess` says how."""
        key = (agent, options, cores, round(items, 6), round(work, 6), speed)
        found = self._calls.get(key)
        if found is None:
            fitted = self.fitted(agent, options)
            own = abs(speed / self.host_speed - 1) < 0.02
            inside = own and fitted.range.covers(cores, items, work)
            served = self.of_server(agent, options, fitted, items, work, inside)
            if served is not None:
                self._calls[key] = served
                return served
            if work <= 0 and fitted.nothing_s is not None:
                seen = own and fitted.nothings >= ENOUGH_CALLS
                idle = nothing(items * fitted.nothing_s / speed, fitted.nothings if seen else 0)
                self._calls[key] = idle
                return idle

            beyond = fitted.beyond(cores, items, work)

            def figure(curve: Curve) -> Figure:
                band = stretched((curve.low, curve.high), beyond)
                made = self.figure(curve.at(cores, items, work) / speed, "s", fitted, inside, band)
                return replace(made, note=f"{made.note}; beyond all that was measured") if beyond else made

            shared = self.misjudged(fitted, inside)
            found = self._calls[key] = Prediction(
                figure(fitted.seconds), figure(fitted.cpu), shared=shared, guess=fitted.guess
            )
            if len(self._calls) > 200_000:
                self._calls.clear()
        return found

    def tells_apart(self, agent: str, option: str) -> bool:
        """Whether anything known says how a lever's values differ."""
        if self.published(agent) is not None:
            return option != PATHS  # what it adds to quality nobody published
        return option not in (IN_FLIGHT, inference.REPLICAS) or self.engine(agent) is not None

    def load(self, agent: str, options: Options, *, speed: float = 1.0) -> Prediction:
        """Predict loading an instance."""
        if self.published(agent) is not None:
            # What asks a server loads no weights; the server's own start is its engine's.
            return Prediction(CLIENT_START.scaled(1 / speed), CLIENT_START.scaled(1 / speed))
        fitted = self.fitted(agent, options)
        inside = fitted.local_loads > 0 and abs(speed / self.host_speed - 1) < 0.02
        seconds, cpu = fitted.load_s, fitted.load_cpu_s
        if seconds is None:
            how = "loading was never measured, a guess"
            guess = Figure(
                GUESS_LOAD_S / speed, "s", GUESS_LOAD_S * 0.05 / speed, GUESS_LOAD_S * 20 / speed, "prior",
                note=f"{NO_PROFILE}: {how}",
            )  # fmt: skip
            return Prediction(guess, guess, guess=how)
        start, least = self.start(own=abs(speed / self.host_speed - 1) < 0.02)
        low = (0.8 * seconds + least) / (seconds + start)
        return Prediction(
            self.figure((seconds + start) / speed, "s", fitted, inside, (low, 1.5)),
            self.figure((cpu if cpu is not None else seconds) / speed, "s", fitted, inside, (0.8, 1.5)),
            shared=self.misjudged(fitted, inside),
        )

    def start(self, *, own: bool) -> tuple[float, float]:
        """Seconds at speed 1 that an instance's process takes to start, and the least it may: on this host as runs or two starts saw it."""
        learnt = self.start_s if own else None
        if learnt is not None:
            return learnt * self.host_speed, 0.8 * learnt * self.host_speed
        if self._process is None:
            self._process = host_start()
        seen = self._process if own else PROCESS
        # What was seen here is known in this host's seconds; a guess is of a machine like the reference.
        speed = self.host_speed if seen.source == "measured" else 1.0
        return (seen.value or 0.0) * speed, (seen.low or 0.0) * speed

    @property
    def start_s(self) -> float | None:
        """Seconds that an instance's process takes to start on this host, whatever its agent: the median of the last ones, None of too few."""
        known = self._starts
        if known is None:
            known = self._starts = tuple(self.store.starts(self.host))
        return median(known) if len(known) >= ENOUGH_STARTS else None

    def memory(self, agent: str, options: Options) -> Figure:
        """Resident memory of a loaded instance (B)."""
        fitted = self.fitted(agent, options)
        if fitted.memory_bytes is not None:
            value = fitted.memory_bytes
            return Figure(value, "B", value * 0.8, value * 1.3, fitted.source, note=fitted.note)
        spec = self.spec(agent)
        if spec is None:
            return unknown("B")
        stated = float(spec.needs.memory_bytes)
        return Figure(stated, "B", stated * 0.5, stated * 2, "prior", note="stated by its definition")

    def quality(self, agent: str, options: Options) -> Figure:
        """Quality of the agent at its step: from the reference, else what its author states, else unknown."""
        known = [one for one in self.reference.qualities if one.agent == agent]
        best = nearest(known, options)
        if best is not None:
            one, exact = best
            source: Source = "published" if one.source == "published" else "prior"
            note = one.note if exact else f"of other options ({options_key(one.options)}): {one.note}"
            return Figure(one.value, "1", one.low, one.high, source, note=note)
        curve = self.published(agent)
        if curve is not None and (guessed_quality := inference.quality(curve)) is not None:
            return guessed_quality
        spec = self.spec(agent)
        if spec is not None and spec.quality is not None:
            stated = spec.quality
            return Figure(
                stated, "1", max(0.0, stated - 0.15), min(1.0, stated + 0.15), "prior",
                note="stated by its author",
            )  # fmt: skip
        return unknown("1", "nobody measured or stated it")

    def typical_work(self, agent: str, options: Options = ()) -> float | None:
        """Work of one item as it was mostly seen with such options: on this host, else elsewhere; None if never."""
        rows = self.store.rows(agent)
        wanted = self.full(agent, dict(options))
        for some in (
            [one for host, _, _, one in rows if host == self.host],
            [one for one in self.reference.observations if one.agent == agent],
            [one for _, _, _, one in rows],
        ):
            near, _ = self.alike(agent, [one for one in some if one.work > 0], wanted)
            if near:
                return float(median(one.work / one.items for one in near))
        return None

    def served(
        self,
        model: str | None = None,
        *,
        gpu: str | None = None,
        gpus: int | None = None,
        task: str | None = None,
    ) -> tuple[ServedProfile, ...]:
        """Published curves of served models: those that ship, and those that the user brought in.

        Parameters
        ----------
        model
            The whole name (`Qwen/Qwen3-8B`) or its last part, in any case; all when None.
        gpu, gpus, task
            Only those on such a GPU, on so many, of such a workload.
        """
        known = dict.fromkeys((*shipped_published().served, *self.store.served()))

        def same(one: ServedProfile) -> bool:
            names = (one.model.lower(), one.model.rpartition("/")[2].lower())
            return (
                (model is None or model.lower() in names)
                and (gpu is None or one.gpu.lower() == gpu.lower())
                and (gpus is None or one.gpus == gpus)
                and (task is None or one.task == task)
            )

        return tuple(one for one in known if same(one))

    def published_now(self) -> tuple[ServedProfile, ...]:
        """Published curves as they are at present: another session may have brought some in."""
        curves = self.served()
        known = {one.name: one for one in curves}
        if known != self._published:
            self._published = known
            self.forget()
        return curves

    def published(self, agent: str) -> ServedProfile | None:
        """The published curve that an agent's figures are made of; None for agents that have none."""
        spec = self.spec(agent)
        if spec is None or not spec.curve:
            return None
        if self._published is None:
            self.published_now()
        return (self._published or {}).get(spec.curve)

    # --- servers ------------------------------------------------------------------------------------------------

    def add_engine(self, curve: EngineCurve) -> None:
        """Keep the curve of a server."""
        self.store.add_engine(curve)
        self._engines = None
        self.forget()

    def engine(self, agent: str) -> EngineCurve | None:
        """The curve of the server behind an agent, as measured from this host, else from another; None if never."""
        spec = self.spec(agent)
        if spec is None or not spec.remote:
            return None
        if self._engines is None:
            self._engines = self.store.engines()
        known = [one for one in self._engines if is_of(one, spec)]
        return max(known, key=lambda one: (one.host == self.host, one.date), default=None)

    def of_server(
        self, agent: str, options: Options, fitted: Fitted, items: float, work: float, inside: bool
    ) -> Prediction | None:
        """Predict a call that a server does; None for agents that do their work themselves."""
        spec = self.spec(agent)
        if spec is None or not spec.remote or spec.option(IN_FLIGHT) is None:
            return None
        chosen = self.full(agent, dict(options))
        curve_of_others = self.published(agent)
        if curve_of_others is not None:
            read, written = inference.tokens_of(
                self.library.capability(spec.capability), chosen, work / max(1.0, items)
            )
            return inference.call(
                curve_of_others,
                requests=items * max(1.0, float(chosen.get(PATHS, 1))),
                read=read,
                written=written,
                in_flight=float(chosen[IN_FLIGHT]),
                replicas=int(chosen.get(inference.REPLICAS, 1)),
            )
        measured = self.engine(agent)
        curve = measured if measured is not None else ASSUMED
        calls = [
            (self.full(agent, dict(one.options)), one)
            for host, _, version, one in self.store.rows(agent)
            if host == self.host and version in ("", spec.version)
        ]
        found = serve(curve, chosen, items, work) * shift(curve, calls)
        guess = ""
        if inside:
            seconds = self.figure(found, "s", fitted, True, (fitted.seconds.low, fitted.seconds.high))
        elif measured is not None:
            seconds = of_curve(curve, found, max(1.0, min(float(chosen[IN_FLIGHT]), items)))
        else:
            guess = "" if calls else how_guessed(spec)
            seconds = guessed(found, len(calls), guess)
        cpu = REMOTE_CPU_S * items
        waiting = Figure(cpu, "s", cpu * 0.5, cpu * 3, "prior", note="waiting for a server")
        return Prediction(seconds, waiting, guess=guess)

    # --- fitting ------------------------------------------------------------------------------------------------

    def spec(self, agent: str) -> AgentSpec | None:
        """The agent's definition, if the library has it."""
        try:
            return self.library.agent(agent)
        except UsageError:
            return None

    def full(self, agent: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Options with the agent's defaults filled in."""
        spec = self.spec(agent)
        return {**spec.settings(options), **options} if spec is not None else dict(options)

    def misjudged(self, fitted: Fitted, inside: bool) -> tuple[float, float]:
        """`host_band`, where nothing that was seen of an agent here has corrected what is thought of this host's speed."""
        return (1.0, 1.0) if inside or fitted.range.calls else self.host_band

    def figure(
        self, value: float, unit: str, fitted: Fitted, inside: bool, residuals: tuple[float, float]
    ) -> Figure:
        """A figure with the band of its residuals, at least as wide as its source deserves."""
        least = MEASURED_BAND if inside else PRIOR_BAND
        low, high = min(residuals[0], least[0]), max(residuals[1], least[1])
        if not inside:
            host = self.misjudged(fitted, inside)
            low, high = both(low, host[0]) * fitted.spread[0], both(high, host[1]) * fitted.spread[1]
        value = max(0.0, value)
        source: Source = "measured" if inside else "prior"
        note = f"{fitted.range.calls} calls on this host" if inside else fitted.note
        return Figure(value, unit, value * low, value * high, source, note=note)

    def fitted(self, agent: str, options: Options) -> Fitted:
        """The curves of an agent with these options."""
        key = (agent, options_key(options))
        found = self._fitted.get(key)
        if found is None:
            found = self._fitted[key] = self.fit_agent(agent, options)
        return found

    def fit_agent(self, agent: str, options: Options) -> Fitted:
        """Fit an agent's curves from the reference and the store."""
        spec = self.spec(agent)
        rows = self.store.rows(agent)
        if spec is not None:
            rows = [row for row in rows if row[2] in ("", spec.version)]
        wanted = self.full(agent, dict(options))
        here = [
            # As it took, whatever the micro-benchmark said of this host then: it is asked about this host again.
            normal(one, self.host_speed)
            for host, _, _, one in rows
            if host == self.host and self.full(agent, dict(one.options)) == wanted
        ]
        elsewhere = [one for one in self.reference.observations if one.agent == agent]
        elsewhere += [normal(one, speed) for host, speed, _, one in rows if host != self.host]
        near, exact = self.alike(agent, elsewhere, wanted)
        spread = (1.0, 1.0)
        note = "reference machine, scaled by this host's speed"
        if not near and not here:
            # Nothing with these options, perhaps something of this host with others.
            near, exact = self.alike(
                agent, [normal(one, self.host_speed) for host, _, _, one in rows if host == self.host], wanted
            )
            note = "this host, with other options"
        near = [as_many_paths(one, self.full(agent, dict(one.options)), wanted) for one in near]
        if near and not exact:
            spread = (0.5, 2.0)
            note = f"{note}; other options ({options_key(near[0].options)})" if "other" not in note else note
        if not near and not here:
            return self.guess(agent, spec)
        return combine(here, near, note, spread)

    def alike(
        self, agent: str, observations: Sequence[Observation], wanted: Mapping[str, Any]
    ) -> tuple[list[Observation], bool]:
        """Those observations whose options are nearest to the wanted ones, and whether they are the same."""
        best: list[Observation] = []
        least: tuple[float, str] | None = None
        for one in observations:
            have = self.full(agent, dict(one.options))
            rank = (distance(have, wanted), options_key(have))
            if least is None or rank < least:
                least, best = rank, [one]
            elif rank == least:
                best.append(one)
        return best, least is not None and least[0] == 0.0

    def guess(self, agent: str, spec: AgentSpec | None) -> Fitted:
        """Curves of an agent that nobody measured: like its capability's other agents, else a round number."""
        item, cpu = GUESS_ITEM_S, GUESS_ITEM_S
        guess = f"{GUESS_ITEM_S:g} s an item, a guess"
        if spec is not None and spec.remote:
            item, cpu = REMOTE_ITEM_S, REMOTE_CPU_S
            guess = f"{REMOTE_ITEM_S:g} s an item at its server, a guess"
        elif spec is not None and isinstance(spec.factory, PickledFactory):
            item = cpu = FUNCTION_ITEM_S
            guess = f"a function of yours, {FUNCTION_ITEM_S:g} s an item, a guess"
        elif spec is not None:
            others = {a.name for a in self.library.agents(spec.capability)} - {agent}
            points = [one for one in self.reference.observations if one.agent in others]
            if points:
                guess = f"taken like other agents of {spec.capability}, a guess"
                fitted = combine([], points, f"{NO_PROFILE}: {guess}", GUESS_BAND)
                return replace(fitted, memory_bytes=None, guess=guess)
        load = 0.05 if spec is not None and isinstance(spec.factory, PickledFactory) else None
        return Fitted(
            Curve(0.0, item, 0.0), Curve(0.0, cpu, 0.0, shrinks=False), load, load, None, NOWHERE, "prior",
            f"{NO_PROFILE}: {guess}", GUESS_BAND, guess=guess,
        )  # fmt: skip


def can_keep(path: Path) -> bool:
    """Whether a file could be made at a path."""
    try:
        private_folder(path.parent)
    except OSError:
        return False
    return os.access(path.parent, os.W_OK)


def stretched(residuals: tuple[float, float], beyond: bool) -> tuple[float, float]:
    """The band of a curve's residuals, and at least `BEYOND_BAND` where it is continued."""
    if not beyond:
        return residuals
    return min(residuals[0], BEYOND_BAND[0]), max(residuals[1], BEYOND_BAND[1])


def both(one: float, other: float) -> float:
    """The end of a band that two independent errors make together; each is a factor on the same side of 1."""
    return math.exp(math.copysign(math.hypot(math.log(one), math.log(other)), math.log(one)))


def nothing(seconds: float, calls: int) -> Prediction:
    """A call with nothing to do, seen so often on this host."""
    low, high = NOTHING_BANDS[0 if calls else 1]
    note = f"nothing to do; {calls} calls on this host" if calls else "nothing to do; a guess"
    source: Source = "measured" if calls else "prior"
    figure = Figure(seconds, "s", seconds * low, seconds * high, source, note=note)
    return Prediction(figure, figure)
