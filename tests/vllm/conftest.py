"""A kernel that holds a real vLLM engine, as a notebook's does; one for all tests, because a start takes a minute."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from murakkab_jupyter.cluster.engines.ask import Server
from murakkab_jupyter.cluster.engines.config import PYTHON, EngineConfig
from tests.cluster.engines.parts import family

ROOT = Path(__file__).parents[2]
MODEL = "MURAKKAB_VLLM_MODEL"
HOW = "bash tests/vllm.sh installs a vLLM of its own and runs these"
NAME = "smollm2-vllm"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.vllm)
        item.add_marker(pytest.mark.timeout(1500))
        if not os.environ.get(PYTHON) or not os.environ.get(MODEL):
            item.add_marker(pytest.mark.skip(reason=f"no vLLM is named by {PYTHON} and {MODEL}: {HOW}"))


def vllm_config(**more: object) -> EngineConfig:
    """SmolLM2 as the recipe serves it."""
    given = {"dtype": "bfloat16", "max_model_len": 2048, "max_num_seqs": 8, "eager": True, **more}
    return EngineConfig(os.environ[MODEL], NAME, **given)


KERNEL = """
import sys
from murakkab_jupyter.session import Session
from tests.vllm.conftest import vllm_config
session = Session(journal=sys.argv[1] + "/journal.sqlite", profiles=sys.argv[1] + "/profiles.sqlite")
entry = session.engines.start(vllm_config())
import json
print(json.dumps({"url": entry.endpoint.url, "pid": entry.status.pid, "start_s": entry.status.start_s}), flush=True)
sys.stdin.read()
"""


@dataclass
class Kernel:
    """A process that holds an engine, and the engine's address and processes."""

    process: subprocess.Popen[str]
    url: str
    pid: int
    start_s: float

    @property
    def server(self) -> Server:
        return Server(self.url)

    @property
    def family(self) -> list[psutil.Process]:
        return family(self.pid)

    def counted(self, name: str) -> float:
        """A counter or gauge of vLLM's, summed over its labels."""
        return (self.server.metrics() or {})[f"vllm:{name}"]


@pytest.fixture(scope="session")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("kernel")
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", KERNEL, str(folder)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "MURAKKAB_ENGINES": str(folder / "engines.json")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, (folder / "stderr").read_text()
    yield Kernel(process, **json.loads(line))
    process.kill()
    process.wait()
