"""Clusters that are only written down: to plan for hardware that one does not have.

A file is YAML or JSON. Some ship with the package and go by name (`--cluster h100-server`); each of their
figures says where it comes from. What a file leaves out is unknown, save the speed (1, a prior).
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.core.figure import Figure, Source, total, unknown
from murakkab_jupyter.core.hosts import ClusterView, Gpu, HostPower, WorkerView
from murakkab_jupyter.core.pairs import once_each

__all__ = ["SUFFIXES", "find_cluster", "load_cluster", "shipped_clusters"]

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
"""What the name of a file that describes a cluster ends in."""

WORKER_KEYS = frozenset({
    "name", "host", "count", "cores", "memory_gb", "gpus", "speed", "price_usd_per_hour", "idle_w", "peak_w",
    "active_w_per_core", "electricity_usd_per_kwh", "sees_files", "source", "note",
})  # fmt: skip
CLUSTER_KEYS = frozenset({"workers", "network_mb_per_s", "note"})
POWER_KEYS = ("idle_w", "peak_w", "active_w_per_core", "price_usd_per_hour", "electricity_usd_per_kwh")
"""What is stated of a host, not of each of its workers."""

GPU_KEYS = frozenset({"name", "memory_gb", "count", "idle_w", "peak_w", "source", "note"})
FIGURE_KEYS = frozenset({"value", "low", "high", "source", "note"})

MOST = 1e9
MOST_SHOWN = 80
LEAST_SPEED = 0.001
MOST_WORKERS = 100_000
MOST_GPUS = 1_000
MOST_CORES = 10_000
MOST_GB = 50_000
MOST_GPU_GB = 5_000
LEAST_GB = 0.001
"""More than any machine has, or less: a slip, or other units."""


def shipped_clusters() -> tuple[str, ...]:
    """Names of the described clusters that ship with the package."""
    folder = files("murakkab_jupyter.profiles") / "clusters"
    return tuple(sorted(Path(one.name).stem for one in folder.iterdir() if Path(one.name).suffix in SUFFIXES))


def find_cluster(name: str) -> ClusterView | None:
    """The described cluster of a file or of a shipped name; None for what can only be a scheduler's address.

    Raises
    ------
    UsageError
        The file cannot be read, or the name is neither a file, nor shipped, nor an address.
    """
    if Path(name).suffix.lower() in SUFFIXES:
        return load_cluster(name)
    known = shipped_clusters()
    if name in known:
        with as_file(files("murakkab_jupyter.profiles") / "clusters" / f"{name}.yaml") as file:
            return load_cluster(file)
    if not any(mark in name for mark in ":/\\"):
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
        near += [one for one in known if name and one.startswith(name.lower())]
        msg = f"There is no described cluster {name[:60]!r}."
        raise UsageError(
            msg,
            hint=f"{f'Did you mean {near[0]}? ' if near else ''}There are {', '.join(known)}; or name a file "
            "(.yaml, .json), or a scheduler's address (tcp://host:8786).",
        )
    return None


def load_cluster(path: str | Path) -> ClusterView:
    """Read a described cluster from YAML or JSON.

    A file holds `workers`, a list of `{name, count, cores, memory_gb, gpus: [{name, memory_gb, count, idle_w,
    peak_w}], speed, idle_w, peak_w or active_w_per_core, price_usd_per_hour, electricity_usd_per_kwh, source,
    sees_files, note}`, and `network_mb_per_s`: how fast files are brought to hosts that do not see them. Where no worker says
    whether it sees them, the first one's host does, and the others do not. A figure is a number, or `{value, low, high, source, note}` with a source of its own: `prior`, or
    `published` with a citation in its note.
    """
    file = Path(path).expanduser()
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        msg = f"The cluster file {file} cannot be read: {why}."
        raise UsageError(
            msg,
            hint=f"Name a YAML or JSON file, or one that ships, by its name: {', '.join(shipped_clusters())}.",
        ) from error
    try:
        if file.suffix.lower() == ".json":
            data: Any = json.loads(text, object_pairs_hook=once_each)
        else:
            data = from_yaml(text)
    except Exception as error:
        # Both parsers raise their own families of errors; all mean the same to the user.
        msg = f"The cluster file {file} does not parse: {error}."
        raise UsageError(msg) from error
    described = data.get("workers") if isinstance(data, Mapping) else None
    if not isinstance(described, list) or not described:
        msg = f"The cluster file {file} holds no list of workers."
        raise UsageError(msg, hint="Write `workers:` and under it `- {name: w, cores: 8, memory_gb: 32}`.")
    strange = sorted(str(key) for key in data if key not in CLUSTER_KEYS)
    if strange:
        msg = f"In {file}: there is no {', '.join(strange)} beside the workers."
        raise UsageError(msg, hint="Figures stand under the worker that they are of: `- {name: w, ...}`.")
    entries = [
        Entry(raw, f"worker {index + 1} of {file}", f"worker-{index + 1}")
        for index, raw in enumerate(described)
    ]
    workers = powered([(entry, worker) for entry in entries for worker in entry.workers()])
    names = [worker.name for worker in workers]
    if len(set(names)) != len(names):
        msg = f"The cluster file {file} names a worker twice."
        raise UsageError(msg)
    if not any("sees_files" in raw for raw in described):
        workers = tuple(replace(one, sees_files=one.host == workers[0].host) for one in workers)
    unlike = {one.host for one in workers if one.sees_files} & {
        one.host for one in workers if not one.sees_files
    }
    if unlike:
        msg = f"In {file}: of host {min(unlike)} one worker sees the files and another does not."
        raise UsageError(msg)
    return ClusterView(workers, described=True, network=network_of(data, file))


def from_yaml(text: str) -> Any:
    """YAML as plain data; a key that is there twice is an error, as YAML itself says."""
    import yaml  # type: ignore[import-untyped] # Dask brings it along; its stubs are another package

    class Loader(yaml.SafeLoader):  # type: ignore[misc] # of the same package
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            if isinstance(node, yaml.MappingNode):
                # Scalars alone: merged keys (`<<`) may be stated anew.
                once_each([(key.value, None) for key, _ in node.value if isinstance(key, yaml.ScalarNode)])
            return super().construct_mapping(node, deep=deep)  # type: ignore[no-any-return]

    return yaml.load(text, Loader)  # noqa: S506 - a safe loader


def shown(value: Any) -> str:
    """A value of the file in an error, not all of it where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def network_of(data: Mapping[str, Any], file: Path) -> Figure:
    """The speed of the link over which files are brought to other hosts (MB/s); unknown where nobody said."""
    network = Reader(data, str(file), CLUSTER_KEYS, "a cluster").figure("network_mb_per_s", "MB/s")
    if network.value is not None and network.value <= 0:
        msg = f"In {file}: network_mb_per_s must be more than 0."
        raise UsageError(msg, hint="Leave it out where nobody knows: a guess is planned with.")
    return network


def powered(made: Sequence[tuple[Entry, WorkerView]]) -> tuple[WorkerView, ...]:
    """The workers with the watts and prices of their hosts, which those of one host share."""
    by_host: dict[str, list[tuple[Entry, WorkerView]]] = {}
    for entry, worker in made:
        by_host.setdefault(worker.host, []).append((entry, worker))
    power: dict[str, HostPower] = {}
    known: dict[tuple[int, int, int], HostPower] = {}
    for host, some in by_host.items():
        stating = list({id(entry): entry for entry, _ in some if entry.states_power}.values())
        first = stating[0] if stating else some[0][0]
        for other in stating[1:]:
            if other.stated_power != first.stated_power:
                msg = f"In {other.where}: host {host} has other watts or prices than in {first.where}."
                raise UsageError(msg, hint="State them once: a host's workers share them.")
        cores = sum(worker.cores for _, worker in some)
        cards = tuple(gpu for _, worker in some for gpu in worker.gpus)
        alike = (id(first), cores, len(cards))  # thousands of hosts may be of one entry
        if len(some) > 1 or alike not in known:
            known[alike] = first.power(cores, cards)
        power[host] = known[alike]
    return tuple(replace(worker, power=power[worker.host]) for _, worker in made)


class Reader:
    """Reads the figures of one mapping; every error says where it is."""

    def __init__(self, raw: Any, where: str, keys: frozenset[str], what: str) -> None:
        if not isinstance(raw, Mapping):
            msg = f"In {where}: {what} is a mapping, not {shown(raw)}."
            raise UsageError(msg)
        strange = sorted(str(key) for key in raw if key not in keys)
        if strange:
            msg = f"In {where}: there is no {', '.join(strange)}."
            near = [one for key in strange for one in difflib.get_close_matches(key, sorted(keys), n=1)]
            meant = f"Did you mean {', '.join(near)}? " if near else ""
            raise UsageError(msg, hint=f"{meant}There are: {', '.join(sorted(keys))}.")
        self.raw = raw
        self.where = where

    def number(self, key: str, *, least: float = 0.0) -> float | None:
        """A finite number, or None where the key is left out."""
        value = self.raw.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= MOST:
            msg = f"In {self.where}: {key} must be a number from {least:g} to {MOST:g}, not {shown(value)}."
            raise UsageError(msg)
        return float(value)

    def whole(self, key: str, default: int | None, most: float = MOST) -> int:
        """A whole number from 1."""
        value = self.raw.get(key, default)
        if value is None:
            msg = f"In {self.where}: {key} is missing."
            raise UsageError(msg)
        sound = isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= most
        if not sound or value != int(value):
            msg = f"In {self.where}: {key} must be a whole number from 1 to {most:g}, not {shown(self.raw.get(key))}."
            raise UsageError(msg)
        return int(value)

    def gigabytes(self, most: float) -> float | None:
        """Memory: more than 0, and no more than there could be."""
        value = self.number("memory_gb")
        if value is not None and not LEAST_GB <= value <= most:
            msg = f"In {self.where}: memory_gb must be at least {LEAST_GB:g} and at most {most:g}, not {value:g}."
            raise UsageError(msg, hint="It is in gigabytes: 80 for a card of 80 GB, 64 for a host of 64 GB.")
        return value

    def origin(self, default: Source = "prior") -> Source:
        """`prior` or `published`."""
        source = self.raw.get("source", default)
        if source == "prior":
            return "prior"
        if source == "published":
            return "published"
        msg = f"In {self.where}: source is prior or published, not {shown(source)}."
        raise UsageError(msg, hint="Nothing about hardware that is only written down was measured here.")

    def note(self, default: str = "") -> str:
        """Where it comes from, in words."""
        return self.word("note", default)

    def word(self, key: str, default: str) -> str:
        """A word or a few; the default where it is left out or blank."""
        value = self.raw.get(key)
        if isinstance(value, Mapping | list):
            msg = f"In {self.where}: {key} is a word or a few, not {shown(value)}."
            raise UsageError(msg)
        text = "" if value is None else shown(value) if isinstance(value, int) else str(value)
        return text if text.strip() else default

    def cited(self, source: Source, note: str) -> None:
        """Refuses what is published and does not say where."""
        if source == "published" and not note:
            msg = f"In {self.where}: what is published says where, in its note."
            raise UsageError(msg, hint="Write note: followed by the publication, or source: prior.")

    def figure(self, key: str, unit: str) -> Figure:
        """A figure: a number with this mapping's source, or a mapping with its own."""
        value = self.raw.get(key)
        if not isinstance(value, Mapping):
            number = self.number(key)
            if number is None:
                return unknown(unit)
            self.cited(self.origin(), self.note())
            return Figure(number, unit, number, number, self.origin(), note=self.note())
        own = Reader(value, f"{key} of {self.where}", FIGURE_KEYS, "a figure")
        middle = own.number("value")
        if middle is None:
            return unknown(unit, own.note())
        low, high = own.number("low"), own.number("high")
        low, high = middle if low is None else low, middle if high is None else high
        if not low <= middle <= high:
            msg = f"In {own.where}: the band must hold the value: {low:g} <= {middle:g} <= {high:g}."
            raise UsageError(msg)
        source = own.origin(self.origin())
        note = own.note(self.note())
        own.cited(source, note)
        return Figure(middle, unit, low, high, source, note=note)


class Entry(Reader):
    """One entry of a cluster file: the workers that it stands for."""

    def __init__(self, raw: Any, where: str, name: str) -> None:
        super().__init__(raw, where, WORKER_KEYS, "a worker")
        self.name = self.word("name", name)

    def workers(self) -> list[WorkerView]:
        """As many as its count."""
        self.origin()
        memory_gb = self.gigabytes(MOST_GB)
        if memory_gb is None:
            msg = f"In {self.where}: memory_gb is missing."
            raise UsageError(msg)
        cores, count = self.whole("cores", None, MOST_CORES), self.whole("count", 1, MOST_WORKERS)
        gpus, speed = self.gpus(), self.speed()
        sees = self.raw.get("sees_files", False)
        if not isinstance(sees, bool):
            msg = f"In {self.where}: sees_files is true or false, not {shown(sees)}."
            raise UsageError(msg)
        made: list[WorkerView] = []
        for number in range(count):
            full = self.name if count == 1 else f"{self.name}-{number + 1}"
            made.append(
                WorkerView(
                    name=full,
                    host=self.word("host", full),
                    cores=cores,
                    memory_bytes=int(memory_gb * 1e9),
                    gpus=gpus,
                    speed=speed,
                    sees_files=sees,
                )
            )
        return made

    @property
    def stated_power(self) -> dict[str, Any]:
        """What it says of its host's watts and prices."""
        return {key: self.raw[key] for key in POWER_KEYS if self.raw.get(key) is not None}

    @property
    def states_power(self) -> bool:
        """Whether it says anything of them."""
        return bool(self.stated_power)

    def speed(self) -> Figure:
        """Speed of one core against the reference machine: 1, a prior, when it is left out."""
        stated = self.raw.get("speed")
        if isinstance(stated, Mapping):
            found = self.figure("speed", "1")
            if found.value is None or (found.low or 0.0) < LEAST_SPEED:
                msg = f"In {self.where}: speed needs a value, it and its band at least {LEAST_SPEED:g}."
                raise UsageError(msg)
            return found
        value = self.number("speed", least=LEAST_SPEED) or 1.0
        note = self.note() if self.raw.get("speed") is not None else "taken as the reference machine"
        return Figure(value, "1", value * 0.7, value * 1.4, "prior", note=note)

    def gpus(self) -> tuple[Gpu, ...]:
        """Its GPUs, one by one."""
        listed = self.raw.get("gpus") or ()
        if not isinstance(listed, list | tuple):
            msg = f"In {self.where}: gpus is a list of {{name, memory_gb, count}}, not {shown(listed)}."
            raise UsageError(msg)
        found: list[Gpu] = []
        for one in listed:
            own = Reader(one, f"a GPU of {self.where}", GPU_KEYS, "a GPU")
            memory = own.gigabytes(MOST_GPU_GB)
            name = own.word("name", "")
            if memory is None or not name:
                msg = f"In {own.where}: a GPU has a name and memory_gb; this is {shown(dict(one))}."
                raise UsageError(msg)
            idle_w, peak_w = own.figure("idle_w", "W"), own.figure("peak_w", "W")
            for _ in range(own.whole("count", 1, MOST_GPUS)):
                found.append(Gpu(len(found), name, int(memory * 1e9), idle_w, peak_w))
        return tuple(found)

    def power(self, cores: int, gpus: tuple[Gpu, ...]) -> HostPower:
        """Watts and price; idle GPUs are part of the idle host, where their watts are known."""
        host, peak = self.figure("idle_w", "W"), self.figure("peak_w", "W")
        active = self.figure("active_w_per_core", "W")
        if peak.value is not None:
            if active.value is not None:
                msg = f"In {self.where}: peak_w and active_w_per_core say the same: leave one out."
                raise UsageError(msg)
            active = added(host, peak, cores, self.where)
        idle = host
        if host.value is not None and gpus:
            cards = total((gpu.idle_w for gpu in gpus), "W")
            if cards.value is None:
                idle = unknown("W", f"{host.value:g} W without its GPUs, whose idle watts nobody stated")
            else:
                idle = total([host, cards], "W", f"host {host.value:.0f} W and {len(gpus)} idle GPUs")
        return HostPower(
            idle,
            active,
            self.figure("price_usd_per_hour", "USD/h"),
            self.figure("electricity_usd_per_kwh", "USD/kWh"),
        )


def added(idle: Figure, peak: Figure, cores: int, where: str) -> Figure:
    """What one busy core adds, from an idle and a fully busy host."""
    if idle.value is None or peak.value is None:
        return unknown("W", "peak watts without idle watts")
    if peak.value < idle.value:
        msg = f"In {where}: peak_w {peak.value:g} is less than idle_w {idle.value:g}."
        raise UsageError(msg)

    def share(more: float | None, less: float | None) -> float | None:
        return None if more is None or less is None else max(0.0, (more - less) / cores)

    middle = (peak.value - idle.value) / cores
    ends = [share(peak.low, idle.low), share(peak.high, idle.high), middle]
    sure = [end for end in ends if end is not None and math.isfinite(end)]
    source: Source = "prior" if "prior" in (idle.source, peak.source) else "published"
    return Figure(middle, "W", min(sure), max(sure), source, note=peak.note)
