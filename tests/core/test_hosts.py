from __future__ import annotations

from murakkab_jupyter.core.hosts import ClusterView, HostPower, WorkerView


def test_cores_add_up_and_the_largest_worker_bounds_an_instance() -> None:
    view = ClusterView((WorkerView("a", "h", 2, 1), WorkerView("b", "h", 6, 1)))
    assert (view.cores, view.most_cores) == (8, 6)
    assert (ClusterView(()).cores, ClusterView(()).most_cores) == (0, 0)


def test_watts_and_prices_are_unknown_until_somebody_states_them() -> None:
    power = HostPower()
    for figure in (
        power.idle_w,
        power.active_w_per_core,
        power.price_usd_per_hour,
        power.electricity_usd_per_kwh,
    ):
        assert figure.value is None
