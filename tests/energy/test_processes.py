"""CPU time of real processes."""

from __future__ import annotations

import os
import subprocess
import sys

from murakkab_jupyter.energy.processes import tree_cpu_s, tree_of


def test_cpu_time_of_a_child_that_ended_is_counted() -> None:
    before = tree_cpu_s()
    own = sum(os.times()[:2])
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)
    own = sum(os.times()[:2]) - own
    assert tree_cpu_s() - before >= 0.25 + own


def test_a_process_counts_with_its_children_and_one_that_is_gone_counts_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert {os.getpid(), child.pid} <= set(tree_of())
        assert set(tree_of((child.pid,))) == {child.pid}
    finally:
        child.communicate()
    assert tree_of((child.pid,)) == {}
    assert tree_cpu_s((child.pid,)) == 0.0
