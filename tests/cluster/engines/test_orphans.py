"""Never an orphan: of whatever is killed, no engine is left. Servers are stand-ins."""

from __future__ import annotations

import signal
import subprocess

import psutil
import pytest

from tests.cluster.engines.parts import gone, owning
from tests.cluster.parts import wait_for

KERNEL = """
import sys, time
from murakkab_jupyter.cluster.connect import connect
from murakkab_jupyter.cluster.engines.fleet import Fleet
from tests.cluster.engines.parts import config
how, *address = sys.argv[1:]
fleet = Fleet(connect(address[0] if address else None))
status = fleet.launch(config(how, stop_grace_s=5.0))
if how == "mute":
    while not status.pid or "asked" not in (fleet.log("stand-in", 20) or ""):
        status = fleet.find("stand-in")
else:
    status = fleet.wait("stand-in", timeout_s=60)
print(status.pid, flush=True)
time.sleep(600)
"""


def kernel(*address: str, how: str = "well") -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """A process that holds an engine, as a notebook's kernel does, and the engine's processes."""
    return owning(KERNEL, how, *address)


def test_nothing_is_left_10_s_after_the_kernel_with_a_local_worker_was_killed() -> None:
    owner, processes = kernel()
    owner.kill()
    owner.wait()
    wait_for(lambda: gone(processes), 10)


def test_nothing_is_left_10_s_after_the_kernel_was_killed_of_a_server_that_accepts_and_never_answers(
    place,
) -> None:
    place.scheduler()
    place.worker("w", cores=1)
    owner, processes = kernel(place.address, how="mute")
    owner.kill()
    owner.wait()
    wait_for(lambda: gone(processes), 10)


@pytest.mark.parametrize("victim", ["kernel", "worker", "scheduler"])
def test_nothing_is_left_10_s_after_a_part_of_a_cluster_was_killed(place, victim) -> None:
    place.scheduler()
    worker = place.worker("w", cores=1)
    owner, processes = kernel(place.address)
    try:
        killed = {"kernel": owner, "worker": worker, "scheduler": place.processes[0]}[victim]
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        wait_for(lambda: gone(processes), 10)
    finally:
        owner.kill()
        owner.wait()
