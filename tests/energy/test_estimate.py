from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.energy.estimate import active_energy_j, cost_usd, idle_energy_j, product

amounts = st.floats(0, 1e9, allow_nan=False)


def power(**changes: Figure) -> HostPower:
    stated = {
        "idle_w": Figure(20.0, "W", 15.0, 30.0, "published"),
        "active_w_per_core": Figure(5.0, "W", 4.0, 8.0, "prior"),
        "electricity_usd_per_kwh": Figure(0.36, "USD/kWh", source="published"),
    }
    return HostPower(**{**stated, **changes})


def test_active_energy_is_cpu_seconds_times_watts_with_its_band_and_weakest_source() -> None:
    energy = active_energy_j(3.0, power())
    assert (energy.value, energy.low, energy.high, energy.unit) == (15.0, 12.0, 24.0, "J")
    assert (energy.source, energy.method) == ("prior", "estimate")
    assert energy.note.startswith("node")


def test_idle_energy_is_seconds_times_idle_watts() -> None:
    energy = idle_energy_j(Figure(2.0, "s", 1.0, 4.0, "measured"), power())
    assert (energy.value, energy.low, energy.high, energy.source) == (40.0, 15.0, 120.0, "published")


def test_unknown_watts_give_unknown_joules_and_never_zero() -> None:
    for energy in (active_energy_j(3.0, HostPower()), idle_energy_j(3.0, HostPower())):
        assert energy.value is None
        assert energy.method == "none"


def test_ones_own_machine_costs_its_electricity() -> None:
    cost = cost_usd(Figure(3.6e6, "J", source="measured", method="counter"), 10.0, 1.0, power())
    assert cost.value == pytest.approx(0.36)
    assert cost.source == "published"
    assert cost.note.startswith("electricity")


def test_a_rented_machine_costs_the_share_held_and_no_electricity_beside_it() -> None:
    rented = power(price_usd_per_hour=Figure(2.0, "USD/h", source="published"))
    for energy in (None, 1e9):
        cost = cost_usd(energy, 1800.0, 0.25, rented)
        assert cost.value == pytest.approx(0.25)
        assert cost.note.startswith("rent")


def test_the_cost_of_unknown_energy_is_unknown() -> None:
    assert cost_usd(None, 10.0, 1.0, power()).value is None
    assert cost_usd(unknown("J"), 10.0, 1.0, power()).value is None
    assert cost_usd(5.0, 10.0, 1.0, HostPower()).value is None


@given(amounts, amounts)
def test_energy_of_a_sum_is_the_sum_of_energies(a: float, b: float) -> None:
    whole = active_energy_j(a + b, power()).value
    parts = [active_energy_j(part, power()).value for part in (a, b)]
    assert whole == pytest.approx(sum(parts))


@given(
    st.lists(amounts, min_size=3, max_size=3).map(sorted),
    st.lists(amounts, min_size=3, max_size=3).map(sorted),
)
def test_a_product_stays_inside_its_band(left: list[float], right: list[float]) -> None:
    made = product(Figure(left[1], "s", left[0], left[2]), Figure(right[1], "W", right[0], right[2]), "J")
    assert made.low <= made.value <= made.high
