from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from murakkab_jupyter.core.events import CoresReserved, StepEnded, WorkerChanged
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.energy.reading import Reading
from murakkab_jupyter.runtime.bill import Bill
from murakkab_jupyter.runtime.line import split
from tests.runtime.till import RENTED, Tape, cluster, counted, plan, worker


def bill(tape: Tape, *workers: Any, reading: Reading | None = None) -> Bill:
    return Bill.of(tape.events, plan(), cluster(*workers), reading)


def test_tokens_that_came_to_nothing_are_told_apart() -> None:
    made = bill(
        Tape()
        .call(tokens_in=10, tokens_out=4, tokens_wasted=3, tokens_cached=2)
        .call(tokens_in=5, tokens_out=1, done=0, wasted=True)
        .end(10.0)
    )
    heard = made.step("heard")
    assert (heard.tokens_in, heard.tokens_out, heard.tokens_cached, heard.tokens_wasted) == (15, 5, 2, 9)
    assert made.total.tokens_wasted == 9


def test_a_step_pays_for_its_calls_and_idle_for_the_host() -> None:
    made = bill(
        Tape()
        .call(lasts_s=1.0, cpu_s=1.5, start_s=0.25, load_s=0.25, load_cpu_s=0.5, tokens_in=10, tokens_out=3)
        .call(lasts_s=2.0, cpu_s=3.0, done=2, failed=1, tokens_in=5)
        .call("seen", lasts_s=1.0, cpu_s=1.0)
        .end(10.0)
    )
    heard, seen = made.step("heard"), made.step("seen")
    assert (heard.agent, heard.device, heard.done, heard.failed) == ("heard-agent", "cpu", 3, 1)
    assert (heard.seconds.value, heard.core_s.value, heard.cpu_s.value) == (3.5, 7.0, 5.0)
    assert heard.latency_s.value == 3.0
    assert heard.energy_j.value == pytest.approx(25.0)
    assert (heard.tokens_in, heard.tokens_out) == (15, 3)
    assert heard.cost_usd.value == pytest.approx(25.0 / 3.6e6 * 0.36, abs=1e-9)
    assert (seen.tokens_in, seen.tokens_out) == (None, None)
    assert made.idle.energy_j.value == pytest.approx(100.0)
    assert made.idle.core_s.value == 4 * 10.0 - 9.0
    assert made.total.energy_j.value == pytest.approx(130.0)
    assert made.total.latency_s.value == 10.0
    assert made.total.cpu_s.value == 6.0
    assert made.total.tokens_in == 15


def test_predicted_stands_beside_actual_under_the_same_names() -> None:
    made = bill(Tape().call())
    assert made.predicted["energy"].value == 30.0
    assert made.step("heard").predicted["cpu"].value == 2.0
    assert set(made.actual) == {"latency", "cpu", "energy", "cost", "quality"}
    assert made.actual["quality"].value is None
    assert "not measured" in made.actual["quality"].note


def test_estimates_say_that_they_are_and_cpu_seconds_that_they_are_measured() -> None:
    total = bill(Tape().call()).total
    assert (total.energy_j.method, total.energy_j.source) == ("estimate", "prior")
    assert total.energy_j.note.startswith("node")
    assert total.cpu_s.source == "measured"
    assert total.energy_j.low is not None
    assert total.energy_j.high is not None
    assert total.energy_j.low < total.energy_j.value < total.energy_j.high


def test_without_a_counter_the_bill_says_so() -> None:
    reading = Reading(Figure(5.0, "J", method="estimate"), "node", 10.0, hosts=("127.0.0.1",))
    made = bill(Tape().call(), reading=reading)
    assert made.total.counted == {}
    assert any("No energy counter" in note for note in made.notes)


def test_a_counter_is_shared_by_cpu_seconds_after_idle_watts() -> None:
    tape = Tape().call(cpu_s=3.0).call("seen", cpu_s=1.0).end(10.0)
    made = bill(tape, reading=counted(180.0))
    assert made.idle.counted["package"].value == pytest.approx(100.0)
    assert made.step("heard").counted["package"].value == pytest.approx(60.0)
    assert made.step("seen").counted["package"].value == pytest.approx(20.0)
    assert made.total.counted["package"].value == 180.0
    assert made.total.counted["package"].method == "counter"
    assert "shared by CPU-seconds" in made.total.counted["package"].note
    # The figure that is compared with the plan stays of the plan's boundary.
    assert made.total.energy_j.value == pytest.approx(120.0)


def test_a_counter_below_the_idle_watts_is_all_idle() -> None:
    made = bill(Tape().call().end(10.0), reading=counted(60.0))
    assert made.idle.counted["package"].value == 60.0
    assert made.step("heard").counted["package"].value == 0.0


def test_counters_of_a_host_that_did_not_do_it_all_are_not_shown() -> None:
    other = worker("w2", "10.0.0.2")
    made = bill(Tape().call().call("seen", on="w2"), worker(), other, reading=counted(60.0))
    assert made.total.counted == {}
    assert any("Other hosts" in note for note in made.notes)


def test_a_gpu_is_counted_for_itself_and_only_when_it_was_used() -> None:
    gpu = counted(50.0, "gpu")
    unused = bill(Tape().call().end(1.0), reading=counted(60.0, beside=(gpu,)))
    assert set(unused.total.counted) == {"package"}
    tape = Tape().call(energy_j=20.0, cpu_s=1.0).end(1.0)
    used = bill(tape, reading=counted(60.0, beside=(gpu,)))
    assert used.step("heard").counted["gpu"].value == pytest.approx(20.0)
    assert used.idle.counted["gpu"].value == pytest.approx(30.0)
    assert used.total.counted["gpu"].value == 50.0
    assert used.step("heard").energy_j.value == pytest.approx(5.0 + 20.0)
    assert "GPU by counter" in used.step("heard").energy_j.note


def test_unknown_watts_leave_joules_unknown_and_cpu_seconds_known() -> None:
    made = bill(Tape().call(cpu_s=2.0), worker(power=HostPower()))
    for line in made.lines:
        assert line.cpu_s.value is not None
    assert made.step("heard").energy_j.value is None
    assert made.total.energy_j.value is None
    assert made.total.cost_usd.value is None


def test_a_rented_host_is_paid_by_the_share_held_and_the_rest_is_idle() -> None:
    made = bill(Tape().call(lasts_s=10.0, cores=1).end(20.0), worker(power=RENTED))
    assert made.total.cost_usd.value == pytest.approx(3.6 / 3600 * 20)
    assert made.step("heard").cost_usd.value == pytest.approx(3.6 / 3600 * 10 / 4)
    assert made.total.cost_usd.note.startswith("rent")


def test_a_rented_host_that_was_held_twice_over_costs_its_rent_once() -> None:
    made = bill(Tape().call(lasts_s=10.0, cores=8).call("seen", lasts_s=10.0, cores=8), worker(power=RENTED))
    assert made.total.cost_usd.value == pytest.approx(3.6 / 3600 * 20)
    assert made.idle.cost_usd.value == pytest.approx(0.0, abs=1e-9)
    assert made.step("heard").cost_usd.value == pytest.approx(3.6 / 3600 * 10, rel=1e-6)


def test_rented_and_own_hosts_stand_on_one_bill() -> None:
    tape = Tape().call(lasts_s=1.0, cpu_s=1.0).call("seen", on="w2", lasts_s=1.0, cpu_s=1.0, cores=4)
    made = bill(tape, worker(), worker("w2", "10.0.0.2", RENTED))
    assert made.step("heard").cost_usd.value == pytest.approx(5.0 / 3.6e6 * 0.36, abs=1e-9)
    assert made.step("seen").cost_usd.value == pytest.approx(3.6 / 3600, rel=1e-6)
    assert made.total.cost_usd.value == pytest.approx(3.6 / 3600 * 2 + 25.0 / 3.6e6 * 0.36, rel=1e-6)


def test_idle_is_charged_by_the_share_that_was_reserved_and_the_boundary_says_so() -> None:
    made = bill(Tape().reserve(1).call(lasts_s=4.0, cores=1, cpu_s=4.0).end(10.0))
    assert made.idle.energy_j.value == pytest.approx(10.0 * 10.0 / 4)
    assert made.idle.core_s.value == 1 * 10.0 - 4.0
    assert made.total.energy_j.value == pytest.approx(4.0 * 5.0 + 25.0)
    assert made.boundary == "node, share of reserved cores 1/4"
    assert made.total.energy_j.note.startswith(made.boundary)
    assert any(made.boundary in note for note in made.notes)
    assert made.to_json()["boundary"] == made.boundary


def test_a_run_that_reserved_a_whole_host_is_charged_as_one_that_reserved_nothing() -> None:
    whole = bill(Tape().reserve(4).call().end(10.0), reading=counted(180.0))
    before = bill(Tape().call().end(10.0), reading=counted(180.0))
    assert whole.total.energy_j.value == before.total.energy_j.value
    assert whole.idle.counted["package"].value == before.idle.counted["package"].value
    assert whole.outside["package"].value == 0.0
    assert (whole.boundary, before.boundary) == ("node, share of reserved cores 4/4", "node")
    assert whole.notes == before.notes == ()


def test_of_a_counter_the_idle_of_other_cores_is_outside_and_the_meters_total_is_kept() -> None:
    made = bill(Tape().reserve(1).call(cpu_s=3.0).end(10.0), reading=counted(180.0))
    assert made.step("heard").counted["package"].value == pytest.approx(80.0)
    assert made.idle.counted["package"].value == pytest.approx(25.0)
    assert made.outside["package"].value == pytest.approx(75.0)
    assert made.total.counted["package"].value == pytest.approx(105.0)
    assert made.metered["package"].value == 180.0
    assert any("package counter saw 75 J more" in note for note in made.notes)
    assert made.to_json()["metered"]["package"]["value"] == 180.0


def test_the_rent_is_that_of_the_reserved_share() -> None:
    made = bill(Tape().reserve(1).call(lasts_s=10.0, cores=1).end(20.0), worker(power=RENTED))
    assert made.total.cost_usd.value == pytest.approx(3.6 / 3600 * 20 / 4)
    assert made.step("heard").cost_usd.value == pytest.approx(3.6 / 3600 * 10 / 4)


def test_cores_that_were_taken_on_the_way_are_charged_from_then() -> None:
    tape = Tape().reserve(1).call(lasts_s=5.0, cores=1).reserve(3).end(10.0)
    made = bill(tape)
    assert made.idle.energy_j.value == pytest.approx(10.0 * (5.0 * 1 + 5.0 * 3) / 4)
    assert made.boundary == "node, share of reserved cores 2/4"


def test_the_parts_of_a_resumed_run_are_charged_each_for_its_own_reservation() -> None:
    first, second = Tape().reserve(1).call(cores=1).end(4.0), Tape().reserve(2).call(cores=1).end(6.0)
    made = Bill.of([*first.events, *second.events], plan(), cluster())
    assert made.idle.energy_j.value == pytest.approx(10.0 * (4.0 * 1 + 6.0 * 2) / 4)


def test_hosts_that_were_not_used_are_not_charged() -> None:
    alone = bill(Tape().call().end(5.0))
    beside = bill(Tape().call().end(5.0), worker(), worker("w2", "10.0.0.2"))
    assert alone.total.energy_j == beside.total.energy_j
    assert alone.idle.core_s == beside.idle.core_s


def test_two_workers_of_one_host_share_its_idle_watts() -> None:
    tape = Tape().call().call("seen", on="w2").end(10.0)
    made = bill(tape, worker(cores=2), worker("w2", cores=2))
    assert made.idle.energy_j.value == pytest.approx(100.0)


def test_wasted_calls_are_a_part_of_their_step() -> None:
    tape = Tape().call(cpu_s=2.0, wasted=True, done=0, failed=1).call(cpu_s=1.0)
    line = bill(tape).step("heard")
    assert line.cpu_s.value == 3.0
    assert line.wasted_cpu_s.value == 2.0
    assert line.wasted_j.value == pytest.approx(10.0)
    assert (line.done, line.failed) == (1, 1)


def test_time_in_which_weights_were_fetched_is_said_since_no_plan_counts_it() -> None:
    made = bill(Tape().call(load_s=9.0, fetch_s=7.5))
    assert any("Weights were fetched for 7.5 s" in note for note in made.notes)
    assert not any("fetched" in note for note in bill(Tape().call(load_s=9.0)).notes)


def test_a_call_that_was_lost_is_named_and_its_seconds_held() -> None:
    made = bill(Tape().call(lasts_s=3.0, read=False, wasted=True, done=0))
    assert made.step("heard").core_s.value == 6.0
    assert made.step("heard").cpu_s.value == 0.0
    assert any("1 call ended with no reading" in note for note in made.notes)


def test_items_from_an_earlier_run_cost_nothing() -> None:
    made = bill(Tape().call(read=False, done=3, reused=3))
    assert made.step("heard").reused == 3
    assert made.step("heard").energy_j.value == 0.0
    assert made.total.energy_j.value == 0.0
    assert made.notes == ()


def test_a_worker_that_nobody_knows_leaves_joules_and_dollars_unknown() -> None:
    made = bill(Tape().call(on="stranger").call("seen"), reading=counted(9.0))
    assert made.step("heard").energy_j.value is None
    assert made.step("heard").cost_usd.value is None
    assert made.step("seen").energy_j.value is not None
    assert made.total.counted == {}
    assert any("stranger" in note for note in made.notes)


def restarted(host: str) -> Tape:
    """A run whose only worker is started again after two seconds, under another name."""
    tape = Tape().reserve(4).call(lasts_s=2.0, cpu_s=2.0)
    tape.events += [WorkerChanged(2.0, "w1", "lost"), CoresReserved(2.0, "w1", 0, 4)]
    tape.events += [WorkerChanged(2.0, "w9", "joined", 4, host), CoresReserved(2.0, "w9", 4, 4)]
    return tape.call("seen", on="w9", lasts_s=2.0, cpu_s=1.0).end(4.0)


def test_a_worker_that_was_started_again_has_the_watts_and_the_size_of_its_host() -> None:
    made = bill(restarted("127.0.0.1"))
    assert made.step("heard").energy_j.value == pytest.approx(10.0)
    assert made.step("seen").energy_j.value == pytest.approx(5.0)
    assert made.idle.energy_j.value == pytest.approx(40.0)  # the whole host for four seconds, once
    assert made.total.cost_usd.value == pytest.approx(55.0 / 3.6e6 * 0.36, rel=1e-3)
    assert not any("unknown" in note for note in made.notes)


def test_a_worker_that_joins_on_a_new_host_is_named_by_it_and_its_watts_stay_unknown() -> None:
    made = bill(restarted("stranger"))
    assert made.step("heard").energy_j.value == pytest.approx(10.0)
    assert made.step("seen").energy_j.value is None
    assert any("Watts and price of stranger are unknown" in note for note in made.notes)


def test_a_step_that_never_began_took_no_time_and_says_so() -> None:
    stopped = bill(Tape().call().end(2.0)).step("seen")
    assert not stopped.begun
    assert [one.value for one in (stopped.latency_s, stopped.cpu_s, stopped.energy_j)] == [0.0, 0.0, 0.0]
    tape = Tape().call()
    tape.events.append(StepEnded(1.0, "seen", 0, 0, 0))  # it had no items: that is another thing
    assert bill(tape).step("seen").begun
    assert bill(tape).step("heard").begun


def test_a_run_without_calls_has_a_bill() -> None:
    made = bill(Tape().end(2.0))
    assert made.total.cpu_s.value == 0.0
    assert made.step("heard").latency_s.value == 0.0
    json.dumps(made.to_json())


def test_a_run_under_way_is_billed_until_now() -> None:
    made = Bill.of(Tape().call(lasts_s=1.0).events, plan(), cluster(), seconds=8.0)
    assert made.total.latency_s.value == 8.0
    assert made.idle.energy_j.value == pytest.approx(80.0)


def test_the_parts_of_a_resumed_run_stand_one_after_another() -> None:
    first, second = Tape().call(lasts_s=3.0).end(5.0), Tape().call(lasts_s=2.0).end(4.0)
    made = Bill.of([*first.events, *second.events], plan(), cluster())
    assert made.total.latency_s.value == 9.0
    assert made.step("heard").latency_s.value == 7.0
    assert made.step("heard").seconds.value == 5.0
    assert made.idle.energy_j.value == pytest.approx(90.0)


def test_rows_and_json_hold_every_line() -> None:
    made = bill(Tape().call(tokens_in=3).end(10.0), reading=counted(180.0))
    rows = made.rows()
    assert [row["step"] for row in rows] == ["heard", "seen", "idle", "total"]
    assert rows[0]["predicted_cpu"].value == 2.0
    assert rows[0]["counted_package_j"].unit == "J"
    data = json.loads(json.dumps(made.to_json()))
    assert data["total"]["counted"]["package"]["value"] == 180.0
    assert data["steps"]["heard"]["tokens_in"] == 3
    with pytest.raises(KeyError):
        made.step("nothing")


# --- conservation ---------------------------------------------------------------------------------------------

amounts = st.floats(0, 1e5, allow_nan=False)
calls = st.fixed_dictionaries(
    {
        "step": st.sampled_from(["heard", "seen"]),
        "on": st.sampled_from(["w1", "w2", "w3"]),
        "lasts_s": st.floats(0.001, 1e3),
        "cpu_s": amounts,
        "load_s": amounts,
        "load_cpu_s": amounts,
        "cores": st.integers(1, 16),
        "wasted": st.booleans(),
        "read": st.booleans(),
        "energy_j": st.none() | amounts,
    }
)


@settings(max_examples=200)
@given(
    st.lists(calls, max_size=8),
    amounts,
    st.booleans(),
    st.floats(0, 1e7),
    st.floats(0, 1e7),
    st.none() | st.integers(0, 4),
)
def test_steps_and_idle_are_the_total_to_the_last_digit(
    made: list[dict[str, Any]],
    more_s: float,
    rented: bool,
    package: float,
    gpu: float,
    reserved: int | None,
) -> None:
    tape = Tape()
    if reserved is not None:
        for name in ("w1", "w2", "w3"):
            tape.reserve(reserved, on=name)
    for call in made:
        tape.call(**call)
    tape.end(tape.at_s + more_s)
    workers = (worker(), worker("w2"), worker("w3", "localhost", RENTED if rented else worker().power))
    one = bill(tape, *workers, reading=counted(package, beside=(counted(gpu, "gpu"),)))
    for name in ("seconds", "core_s", "cpu_s", "energy_j", "cost_usd", "wasted_cpu_s", "wasted_j"):
        parts = [getattr(line, name).value for line in (*one.steps, one.idle)]
        whole = getattr(one.total, name).value
        # In any order of adding, not only the one that suits.
        assert sum(parts) == whole == sum(reversed(parts)) == math.fsum(parts)
        assert all(part >= 0 for part in parts)
    for boundary in one.total.counted:
        parts = [line.counted[boundary].value for line in (*one.steps, one.idle)]
        assert sum(parts) == one.total.counted[boundary].value == sum(reversed(parts))
        assert all(part >= 0 for part in (*parts, one.outside[boundary].value))
        assert sum(parts) + one.outside[boundary].value == one.metered[boundary].value
    if made and "package" in one.total.counted:
        assert one.metered["package"].value == pytest.approx(package, abs=1e-6)
    if reserved == 0:
        assert one.idle.energy_j.value == 0


@given(st.integers(0, 2**40), st.floats(0, 1), st.lists(st.floats(0, 1e9), min_size=1, max_size=9))
def test_a_split_never_gives_more_than_there_is(grains: int, share: float, weights: list[float]) -> None:
    whole = Figure(grains * 2.0**-20, "J")
    parts, left = split(whole, (whole.value or 0.0) * share, weights)
    assert sum(part.value or 0.0 for part in parts) + (left.value or 0.0) == whole.value
    assert all((part.value or 0.0) >= 0 for part in (*parts, left))
