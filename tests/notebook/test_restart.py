"""A kernel that is killed in mid-run: a new one goes on with what is finished."""

from __future__ import annotations

import time

CELLS = """
import time

def slow(text):
    with open("calls.txt", "a") as file:
        file.write(text + "\\n")
    time.sleep(0.3)
    return text.upper()

many = [f"w{i}" for i in range(40)]
"""
RUN = "%%murakkab long --background\nloud <- shout {many} @python:slow\n"


def done(kernel) -> int:
    return int(kernel.run("print(len(long.outputs['loud']))").streams[0])


def test_after_a_killed_kernel_resume_finishes_the_run_and_makes_nothing_twice(kernel):
    assert kernel.run("%load_ext murakkab_jupyter\n" + CELLS).error is None
    assert kernel.run(RUN).error is None
    began = time.monotonic()
    while done(kernel) < 3:
        assert time.monotonic() - began < 60
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=120)

    assert kernel.run("%load_ext murakkab_jupyter\n" + CELLS).error is None
    assert "killed" in kernel.run("%murakkab history").text
    reply = kernel.run("%murakkab resume")
    assert reply.error is None
    assert "W39" in reply.text
    assert kernel.run("print(long.status, len(long.outputs['loud']))").streams == ["done 40\n"]
    # What was under way when the kernel died is made again, nothing else.
    calls = kernel.run("print(len(open('calls.txt').read().split()))").streams[0]
    assert 40 <= int(calls) < 50
