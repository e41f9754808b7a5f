"""On an NVIDIA GPU: counters, leases, and the energy of an agent that computes there. Skipped, with the reason, elsewhere.

The authors have not run these: they had no such machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from murakkab_jupyter.agents.agent import Agent, Inputs
from murakkab_jupyter.cluster.gpus import GpuLeases, gpus_here
from murakkab_jupyter.cluster.instances.pool import Pool
from murakkab_jupyter.energy.nvml import NvmlMeter
from tests.cluster.instances.test_instance import call, values

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not gpus_here(), reason="NVML shows no NVIDIA GPU on this host"),
]


class Torch(Agent):
    """Multiplies matrices on its GPU for the seconds that an item says; what CUDA shows it, and where it was done."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        import torch

        self.matrix = torch.randn(4096, 4096, device="cuda")

    def call(self, batch: Sequence[Inputs]) -> list[str]:
        import torch

        for inputs in batch:
            end = time.monotonic() + float(inputs.values["material"])
            while time.monotonic() < end:
                self.matrix = torch.nn.functional.normalize(self.matrix @ self.matrix)
            torch.cuda.synchronize()
        return [f"{os.environ['CUDA_VISIBLE_DEVICES']} {torch.cuda.device_count()}" for _ in batch]


def test_every_gpu_has_a_name_and_memory() -> None:
    for name, gpu in gpus_here():
        assert name
        assert gpu.name
        assert gpu.memory_bytes > 2**30


def test_the_counter_moves_even_when_idle() -> None:
    meter = NvmlMeter()
    meter.start()
    time.sleep(2.0)  # the counter itself is what is watched
    reading = meter.stop()
    meter.close()
    assert reading.energy_j.value is not None
    assert reading.energy_j.value > 0
    assert reading.energy_j.method == "counter"


def test_an_agent_gets_a_gpu_of_its_own_and_its_work_takes_energy(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch with CUDA is not installed")
    names = [name for name, _ in gpus_here()]
    pool = Pool(gpus=GpuLeases(names), folder=tmp_path)
    meter = NvmlMeter()

    def joules(seconds: str) -> float:
        meter.start()
        assert values(call(pool, [seconds], factory=Torch, gpus=1)) == (f"{names[0]} 1",)
        found = meter.stop().energy_j.value
        assert found is not None
        return found

    try:
        joules("0.1")  # loads
        idle = joules("0.0")
        busy = joules("3.0")
        assert busy > idle + 30.0  # three seconds at work take at least 10 W more
        assert "0 of" in call(pool, ["0"], factory=Torch, gpus=len(names), index=1).error
    finally:
        pool.close()
        meter.close()
