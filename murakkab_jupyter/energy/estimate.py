"""Joules and dollars from CPU-seconds and watts, where no meter reads them.

The planner, the simulator and the bill all call these, so that predicted and actual mean the same.
Everything here says `method="estimate"`, names its boundary first in the note, and is as weak as the
weakest of what it was made from. Unknown in, unknown out.

The model is linear: a host burns `idle_w` whatever it does, and each busy core adds
`active_w_per_core`. It knows nothing of frequency steps, of hyper-threads or of memory traffic, which
is why a counter is always preferred where there is one.
"""

from __future__ import annotations

from murakkab_jupyter.core.figure import Figure, unknown, weakest
from murakkab_jupyter.core.hosts import HostPower

__all__ = [
    "BOUNDARY",
    "JOULES_PER_KWH",
    "SECONDS_PER_HOUR",
    "active_energy_j",
    "boundary_words",
    "cost_usd",
    "figure_of",
    "idle_energy_j",
    "product",
]

BOUNDARY = "node"
"""What an estimate covers: the whole host, as far as `HostPower` states its watts; its idle by share, where cores of it
are reserved."""

JOULES_PER_KWH = 3.6e6
SECONDS_PER_HOUR = 3600.0


def figure_of(number: float | Figure, unit: str) -> Figure:
    """A figure as it is; a plain number as one measured here."""
    return number if isinstance(number, Figure) else Figure(float(number), unit, source="measured")


def product(left: Figure, right: Figure, unit: str, note: str = "") -> Figure:
    """`left x right` of two figures that are 0 or more: an estimate, with the band of both together.

    A figure without a band counts as exact; a product of two such has none.
    """
    if left.value is None or right.value is None:
        return unknown(unit, note)

    def end(one: float | None, other: float | None, of_one: float, of_other: float) -> float | None:
        if one is None and other is None:
            return None
        return (of_one if one is None else one) * (of_other if other is None else other)

    return Figure(
        left.value * right.value,
        unit,
        end(left.low, right.low, left.value, right.value),
        end(left.high, right.high, left.value, right.value),
        weakest((left.source, right.source)),
        "estimate",
        note,
    )


def active_energy_j(cpu_s: float | Figure, power: HostPower) -> Figure:
    """Energy that `cpu_s` CPU-seconds add to an idle host (J)."""
    return product(
        figure_of(cpu_s, "s"),
        power.active_w_per_core,
        "J",
        f"{BOUNDARY}: CPU-seconds x watts a busy core adds",
    )


def idle_energy_j(seconds: float | Figure, power: HostPower, share: float = 1.0) -> Figure:
    """Energy of a share of the host for `seconds`, busy or not, without what busy cores add (J)."""
    return product(
        figure_of(seconds, "s").scaled(share), power.idle_w, "J", f"{BOUNDARY}: seconds x idle watts x share"
    )


def boundary_words(cores: float | None, of: int) -> str:
    """`node`, or `node, share of reserved cores 1/2`: what an estimate covers. None is a whole host without reservation."""
    return BOUNDARY if cores is None else f"{BOUNDARY}, share of reserved cores {cores:.3g}/{of}"


def cost_usd(
    energy_j: float | Figure | None, seconds: float | Figure, share: float | Figure, power: HostPower
) -> Figure:
    """What a reserved share of a host for some seconds costs (USD).

    Parameters
    ----------
    energy_j
        Energy spent, for one's own machine (unknown or None: its cost is unknown).
    seconds
        How long the share was held.
    share
        Share of the host that was held, 0..1 (cores held / cores of the host).
    power
        A host with a price is rented, and its electricity is in the rent; one without is one's own.

    Returns
    -------
    Figure
        `share x price x hours` when rented, else `energy x price of electricity`.
    """
    if power.price_usd_per_hour.known:
        held = product(figure_of(seconds, "s"), figure_of(share, "1"), "h").scaled(1 / SECONDS_PER_HOUR)
        return product(held, power.price_usd_per_hour, "USD", "rent: reserved share x price x hours")
    spent = unknown("J") if energy_j is None else figure_of(energy_j, "J")
    return product(
        spent.scaled(1 / JOULES_PER_KWH, "kWh"),
        power.electricity_usd_per_kwh,
        "USD",
        "electricity: energy x price a kWh",
    )
