"""A scheduler that dies in mid-run: the cell ends with an error, and the saved view does not say that the run goes on."""

from __future__ import annotations

import pytest

from tests.cluster.hosts import Place

CELLS = """\
import time
def slowly(items):
    time.sleep(0.2)
    return items.upper()
now = time.time_ns()  # no run before has made any of them
items = [f"item {n} of {now}" for n in range(60)]
"""


@pytest.fixture
def place():
    made = Place()
    yield made
    made.close()


def test_a_view_of_a_run_whose_scheduler_died_says_that_it_failed_and_resume_goes_on(kernel, place):
    place.scheduler()
    place.worker("east")
    scheduler = place.processes[0]
    kernel.run("%load_ext murakkab_jupyter")
    kernel.run(CELLS)
    reply = kernel.run(f"%%murakkab far --cluster {place.address}\nloud <- shout {{items}} @python:slowly\n")
    assert reply.error is None

    def murder(reply):
        if any(" of 60" in data["text/plain"] for _, data in reply.updates):
            scheduler.kill()
        return False

    reply = kernel.run("%murakkab run", interrupt_when=murder)
    assert reply.error[0] == "ClusterError"
    assert "resume" in reply.error[1]
    assert "Run of far: failed" in reply.text
    assert "to go" not in reply.text

    (place.folder / "scheduler.json").unlink()
    place.scheduler()
    place.worker("west")
    reply = kernel.run(f"%murakkab resume --cluster {place.address}")
    assert reply.error is None
    assert "60 of 60" in reply.text
