"""RAPL: the energy counters of CPU packages, as Linux shows them under `/sys/class/powercap`.

Only whole packages are counted: their sub-zones (cores, uncore) lie inside them, `psys` lies around
them, and `intel-rapl-mmio` is a second view of the same counter. Memory outside the package is not in it.
AMD processors appear under the same names.

A counter starts again at 0 after `max_energy_range_uj`, within the hour on a busy server, so a thread
looks at it once a minute for as long as the meter runs.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.energy.reading import Reading

__all__ = ["POWERCAP", "RaplMeter", "Zone", "find_zones"]

POWERCAP = Path("/sys/class/powercap")
SAMPLE_S = 60.0
"""A 65 kJ range, the smallest in use, wraps in a minute only above 1 kW a package."""


@dataclass(frozen=True, slots=True)
class Zone:
    """One package: its folder, its name (`package-0`) and the range of its counter (µJ)."""

    folder: Path
    name: str
    range_uj: int

    def read_uj(self) -> int:
        """The counter now (µJ); raises `OSError` or `ValueError`."""
        return int((self.folder / "energy_uj").read_text())


def find_zones(root: Path = POWERCAP) -> tuple[tuple[Zone, ...], str]:
    """The packages that can be read, and, when there are none, why."""
    if not root.is_dir():
        return (), f"no RAPL counters: {root} is absent (a virtual machine or container, or not Linux)"
    zones: list[Zone] = []
    faults: list[str] = []
    for folder in sorted(root.glob("intel-rapl:*")):
        if folder.name.count(":") != 1:
            continue
        try:
            name = (folder / "name").read_text().strip()
            if not name.startswith("package"):
                continue
            zone = Zone(folder, name, int((folder / "max_energy_range_uj").read_text()))
            zone.read_uj()
        except PermissionError:
            faults.append(
                f"{folder / 'energy_uj'} is for root only; `sudo chmod a+r {folder / 'energy_uj'}` opens it until reboot"
            )
        except (OSError, ValueError) as error:
            faults.append(f"{folder.name} cannot be read ({error})")
        else:
            zones.append(zone)
    if faults:
        # Some packages without the others would be a boundary of its own.
        return (), "no RAPL counters: " + "; ".join(faults)
    return tuple(zones), "" if zones else f"no RAPL counters: no package under {root}"


class RaplMeter:
    """Counts the joules of all CPU packages of this host. `reason` says why, when it cannot."""

    def __init__(self, root: Path = POWERCAP, *, sample_s: float = SAMPLE_S) -> None:
        self.zones, self.reason = find_zones(root)
        self._sample_s = sample_s
        self._lock = threading.Lock()
        self._last: dict[Zone, int] = {}
        self._spent_uj = 0
        self._fault = ""
        self._started_s: float | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def available(self) -> bool:
        """Whether there is a package to read."""
        return bool(self.zones)

    def start(self) -> None:
        """Begin, or begin again."""
        self._halt()
        self._spent_uj, self._fault, self._last = 0, "", {}
        self._started_s = time.perf_counter()
        self.sample()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._watch, args=(self._stop,), name="murakkab-rapl", daemon=True
        )
        self._thread.start()

    def sample(self) -> None:
        """Add what was spent since the last look; a counter that went back has wrapped once."""
        with self._lock:
            try:
                for zone in self.zones:
                    now = zone.read_uj()
                    before = self._last.get(zone, now)
                    self._spent_uj += now - before if now >= before else now + zone.range_uj - before
                    self._last[zone] = now
            except (OSError, ValueError) as error:
                self._fault = f"RAPL could not be read to the end: {error}"

    def stop(self) -> Reading:
        """The energy since `start`; unknown, with the reason, when the counters could not be read."""
        self._halt()
        seconds = 0.0 if self._started_s is None else time.perf_counter() - self._started_s
        if self._started_s is None or not self.available:
            return Reading(unknown("J", self.reason or "not started"), "package", seconds)
        self.sample()
        if self._fault:
            return Reading(unknown("J", self._fault), "package", seconds)
        names = " + ".join(zone.name for zone in self.zones)
        figure = Figure(
            self._spent_uj / 1e6, "J", source="measured", method="counter", note=f"package: RAPL {names}"
        )
        return Reading(figure, "package", seconds)

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(self._sample_s):
            self.sample()

    def _halt(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
