"""What a server on this host spends: counters are fake at their lowest level, processes are real."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.cluster.measuring.engines import Workload, measure_engine
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import HostPower
from murakkab_jupyter.energy.nvml import NvmlMeter
from murakkab_jupyter.energy.processes import tree_cpu_s
from murakkab_jupyter.energy.rapl import RaplMeter
from murakkab_jupyter.energy.server import ServerMeter, busy_cpu_s, listeners
from murakkab_jupyter.notebook.views.curve import curve_view
from tests.agents.served.fake_openai import fake_server
from tests.energy.test_nvml import FakeGpu, FakePynvml
from tests.energy.test_rapl import fake_zone

POWER = HostPower(Figure(10.0, "W", source="prior"), Figure(5.0, "W", source="prior"))
SHORT = Workload(words=8, tokens=4, rounds=2, least=4)


class Clock:
    """CPU-seconds that a test says."""

    def __init__(self) -> None:
        self.server_s = self.host_s = 100.0

    def meter(
        self, folder: Path, *, gpu: NvmlMeter | None = None, pids: tuple[int, ...] = (1,)
    ) -> ServerMeter:
        return ServerMeter(
            8000,
            POWER,
            4,
            gpu=gpu or NvmlMeter(FakePynvml()),
            package=RaplMeter(folder),
            pids=lambda port: pids if port == 8000 else (),
            cpu_clock=lambda found: self.server_s if found else 0.0,
            host_clock=lambda: self.host_s,
        )


@pytest.fixture
def fast(monkeypatch) -> None:
    """Ten seconds pass between any two looks at the clock."""
    ticks = iter(range(0, 10_000, 10))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(ticks)))


def test_of_the_packages_a_server_gets_the_idle_and_its_share_of_the_rest(tmp_path, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    zone, clock = fake_zone(tmp_path, "intel-rapl:0", "package-0", 0), Clock()
    meter = clock.meter(tmp_path)
    meter.start()
    now[0], clock.server_s, clock.host_s = (
        2.0,
        103.0,
        104.0,
    )  # three of the four busy seconds are the server's
    (zone / "energy_uj").write_text("60000000")
    reading = meter.stop()
    assert reading.boundary == "package"
    assert reading.energy_j.value == pytest.approx(20.0 + 40.0 * 0.75)  # 10 W for 2 s, and 75 % of the rest
    assert (reading.energy_j.method, reading.energy_j.source) == ("counter", "measured")
    assert "75% of the rest" in reading.energy_j.note


def test_without_a_counter_the_node_is_estimated_as_runs_do_it_and_says_so(tmp_path, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    clock = Clock()
    meter = clock.meter(tmp_path)
    for _ in range(2):  # it may be started again
        meter.start()
        now[0], clock.server_s = now[0] + 2.0, clock.server_s + 3.0
        reading = meter.stop()
        assert reading.energy_j.value == pytest.approx(2 * 10.0 + 3 * 5.0)
        assert (reading.boundary, reading.energy_j.method, reading.energy_j.source) == (
            "node",
            "estimate",
            "prior",
        )
        assert "CPU-seconds x watts" in reading.energy_j.note


@pytest.fixture
def first_namespace(monkeypatch) -> None:
    """No container: processes have the numbers that NVML knows."""
    monkeypatch.setattr("murakkab_jupyter.energy.nvml.numbers_are_nvmls", lambda: True)


def spent_on_a_gpu(folder: Path, monkeypatch, gpu: FakeGpu, busy_s: float, pids: tuple[int, ...] = (1,)):
    """A second in which the GPU takes 4 J and the server so many CPU-seconds."""
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    clock = Clock()
    meter = clock.meter(folder, gpu=NvmlMeter(FakePynvml([gpu]), environment={}), pids=pids)
    meter.start()
    now[0], clock.server_s = 1.0, clock.server_s + busy_s
    gpu.energy_mj += 4_000
    reading = meter.stop()
    meter.close()
    return reading


@pytest.mark.parametrize("listed", [{"computing": [1]}, {"drawing": [1]}])
def test_gpus_that_the_server_computes_on_are_counted_before_all_else(
    tmp_path, monkeypatch, first_namespace, listed
) -> None:
    reading = spent_on_a_gpu(tmp_path, monkeypatch, FakeGpu(**listed), 0.0)
    assert (reading.boundary, reading.energy_j.value) == ("gpu", pytest.approx(4.0))
    assert "does not say" not in reading.energy_j.note


@pytest.mark.parametrize("pids", [(), (1,)])
def test_gpus_that_others_use_or_nobody_are_not_counted_as_the_servers(
    tmp_path, monkeypatch, first_namespace, pids
) -> None:
    reading = spent_on_a_gpu(tmp_path, monkeypatch, FakeGpu(computing=[2**22 + 1]), 0.0, pids)
    assert not reading.energy_j.known
    assert reading.energy_j.note.startswith("not metered: ")
    reading = spent_on_a_gpu(tmp_path, monkeypatch, FakeGpu(), 1.0)
    assert (reading.boundary, reading.energy_j.method) == ("node", "estimate")


@pytest.mark.parametrize("refused", [True, False])
def test_where_nvml_cannot_say_who_uses_a_gpu_the_server_has_to_be_busy_and_the_note_says_so(
    tmp_path, monkeypatch, refused
) -> None:
    # It refuses, or knows processes by other numbers than they have here.
    monkeypatch.setattr("murakkab_jupyter.energy.nvml.numbers_are_nvmls", lambda: refused)
    listed = None if refused else [2**22 + 1]
    reading = spent_on_a_gpu(tmp_path, monkeypatch, FakeGpu(computing=listed), 1.0)
    assert (reading.boundary, reading.energy_j.value) == ("gpu", pytest.approx(4.0))
    assert "NVML does not say here whether the server computes on it" in reading.energy_j.note
    idle = spent_on_a_gpu(tmp_path, monkeypatch, FakeGpu(computing=listed), 0.0)
    assert "its process does next to nothing here" in idle.energy_j.note


@pytest.mark.parametrize(
    ("pids", "why"),
    [
        ((), "nobody here may see which process the server is"),
        ((os.getpid(),), "in the very process that asks it"),
        ((1,), "its process does next to nothing here"),
    ],
)
def test_where_nobody_can_say_it_is_not_metered_with_the_reason(tmp_path, pids, why) -> None:
    meter = Clock().meter(tmp_path, pids=pids)
    meter.start()
    reading = meter.stop()
    assert not reading.energy_j.known
    assert reading.energy_j.note.startswith("not metered: ")
    assert why in reading.energy_j.note


@pytest.mark.parametrize(
    ("host_s", "why"),
    [(8.0, "other work keeps this host busy"), (1.0, "its process does next to nothing here")],
)
def test_on_a_host_that_is_busy_with_other_things_a_slow_server_is_not_said_to_do_nothing(
    tmp_path, monkeypatch, host_s, why
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    clock = Clock()
    meter = clock.meter(tmp_path)
    meter.start()
    now[0], clock.server_s, clock.host_s = 2.0, 100.1, 100.0 + host_s
    reading = meter.stop()
    assert not reading.energy_j.known
    assert why in reading.energy_j.note


BUSY = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    pass
"""


@pytest.fixture
def busy() -> Iterator[tuple[subprocess.Popen[str], int]]:
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process, int(process.stdout.readline())
    process.kill()
    process.wait()


def test_the_processes_of_a_port_and_their_cpu_seconds_are_found(busy, monkeypatch) -> None:
    monkeypatch.setattr("murakkab_jupyter.energy.server.LEAST", 1e-6)  # others may want the cores
    process, port = busy
    assert listeners(port) == {process.pid}
    before, host = tree_cpu_s([process.pid]), busy_cpu_s()
    meter = ServerMeter(port, POWER, 4, gpu=NvmlMeter(FakePynvml()), package=RaplMeter(Path("/nowhere")))
    meter.start()
    while tree_cpu_s([process.pid]) < before + 0.3:
        pass
    reading = meter.stop()
    assert reading.energy_j.method == "estimate"
    assert reading.cpu_s >= 0.25
    assert busy_cpu_s() > host
    assert listeners(1) == frozenset()


def test_a_curve_says_how_its_joules_were_got_or_why_there_are_none(tmp_path, fast) -> None:
    with fake_server() as server:
        endpoint = Endpoint(server.url, "fake-model")
        none = measure_engine(endpoint, host="here", at=[1], workload=SHORT)
        assert none.points[0].j_per_token is None
        assert "in the very process that asks it" in none.metered.note
        assert "Joules a token are not metered" in curve_view(none).text

        class Spending:
            """A server that keeps every core busy."""

            def __call__(self, found: object) -> float:
                self.s = getattr(self, "s", 0.0) + 1e6  # more than any clock here passes
                return self.s

        meter = ServerMeter(
            8000, POWER, 4, gpu=NvmlMeter(FakePynvml()), package=RaplMeter(tmp_path), pids=lambda _: (1,),
            cpu_clock=Spending(), host_clock=lambda: 0.0,
        )  # fmt: skip
        some = measure_engine(endpoint, host="here", at=[1], workload=SHORT, meter=meter)
    assert (some.metered.boundary, some.metered.method) == ("node", "estimate")
    assert some.points[0].j_per_token > 0
    assert "A token (node, estimate)" in curve_view(some).text
    assert "are an estimate, as no counter reads them" in curve_view(some).text


def test_a_server_elsewhere_is_not_metered() -> None:
    from murakkab_jupyter.cluster.measuring.engines import meter_of, metered

    far = Endpoint("http://gpu-host:8000/v1", "m")
    assert meter_of(far) is None
    assert "gpu-host is another host" in metered([], [], far).note
