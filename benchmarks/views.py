"""What a live view costs: updates a second and the showing thread's CPU share, over a run of 10,000 item events.

    python benchmarks/views.py [--items 10000] [--seconds 20] [--repeat 3] [--json FILE] [--write]

Events come at an even pace for so many seconds, as batches of one item, on 16 workers; a real `Shown` folds
them, makes its sheets and serialises what a kernel would send. Nothing is sent anywhere, so the network and the
browser are not in it. Run it on an idle machine; `--write` keeps what was found in `results/views.md`. It fails where
a run was shown oftener than four times a second, or took more than 2 % of its thread's time.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from common import RESULTS, header, load_average, table

from murakkab_jupyter.agents.library import default_library
from murakkab_jupyter.core.events import BatchEnded, BatchStarted, RunEnded, RunStarted, Usage
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import ClusterView, HostPower, WorkerView
from murakkab_jupyter.notebook.hub import Hub
from murakkab_jupyter.notebook.live import Shown, follow
from murakkab_jupyter.planner.plan import Configuration, Plan, StepPlan
from murakkab_jupyter.runtime.values import ValueStore
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow

WORKERS = 16
STEPS = ("read", "see", "tell")
MOST_UPDATES_PER_S = 4.0
MOST_CPU_PERCENT = 2.0


class Counted:
    """A widget without a front end: serialises and counts."""

    def __init__(self) -> None:
        self.moments: list[float] = []
        self.bytes = 0

    def send(self, message: dict[str, Any]) -> None:
        """As a widget does."""
        self.bytes += len(json.dumps(message))
        if message["do"] == "show":
            self.moments.append(time.monotonic())


class Told:
    """As much of a run as a view reads: it has events and values, and it ends."""

    def __init__(self, workflow: Workflow, plan: Plan, cluster: ClusterView) -> None:
        self.id = "benchmark"
        self.store = ValueStore(workflow, default_library())
        self.workflow, self.plan, self.cluster = workflow, plan, cluster
        self.events: list[Any] = []
        self.status = "running"
        self._over = threading.Event()

    @property
    def ended(self) -> bool:
        """Whether every event has been told."""
        return self._over.is_set()

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait for the end; raises `TimeoutError`."""
        if not self._over.wait(timeout_s):
            raise TimeoutError

    def play(self, items: int, seconds: float) -> None:
        """Publish a start and an end for each item of each step, evenly."""
        self.events.append(RunStarted(0.0, self.id, dict.fromkeys(STEPS, float(items) / len(STEPS))))
        begun = time.monotonic()
        for task in range(items):
            at = seconds * task / items
            time.sleep(max(0.0, begun + at - time.monotonic()))
            step, worker = STEPS[task % len(STEPS)], f"w{task % WORKERS}"
            self.events.append(BatchStarted(at, step, task, worker, 0, 1, 1))
            self.store.put(step, (("things", task // len(STEPS)),), f"what {step} says of thing {task}")
            self.events.append(BatchEnded(at + 0.001, step, task, worker, 1, 0, usage=Usage(0.001, 0.001)))
        self.events.append(RunEnded(seconds, "done"))
        self._over.set()


def world(items: int) -> tuple[Workflow, Plan, ClusterView]:
    level: tuple[str, ...] = ("things",)
    steps = tuple(
        Step(name, f"{name} {{things}}", "python", level, False, "text", (Input("things", "text", "same"),))
        for name in STEPS
    )
    goal = Goal(("latency",))
    figures = {key: Figure(10.0, unit) for key, unit in (("latency", "s"), ("cpu", "s"), ("energy", "J"))}
    plan = Plan(
        "bench", goal, {n: StepPlan(Configuration("f"), items / len(STEPS), figures) for n in STEPS}, figures
    )
    power = HostPower(Figure(10.0, "W"), Figure(8.0, "W"))
    cluster = ClusterView(tuple(WorkerView(f"w{n}", f"h{n}", 1, 1, power=power) for n in range(WORKERS)))
    return Workflow("bench", "", (Variable("things", "text", level),), steps, goal, ""), plan, cluster


def measured(items: int, seconds: float) -> dict[str, Any]:
    """One run, shown: updates a second, the thread's share of CPU, bytes."""
    run: Any = Told(*world(items))
    hub = Hub()
    widget = Counted()
    hub._widget = widget  # a widget without a comm
    static: list[int] = []
    load = load_average()
    shown = Shown(run, lambda bundle: static.append(len(bundle.html)), hub)
    player = threading.Thread(target=run.play, args=(items, seconds))
    player.start()
    wall, cpu = time.monotonic(), time.thread_time()
    follow(run, shown.tell)
    wall, cpu = time.monotonic() - wall, time.thread_time() - cpu
    player.join()
    return {
        "items": items,
        "seconds": round(wall, 2),
        "updates": len(widget.moments),
        "updates_per_s": round(len(widget.moments) / wall, 2),
        "thread_cpu_percent": round(100 * cpu / wall, 2),
        "bytes_sent": widget.bytes,
        "largest_static_html": max(static),
        "load_average": round(load, 2),
    }


def kept(one: dict[str, Any]) -> bool:
    """Whether both limits were kept."""
    return bool(one["updates_per_s"] <= MOST_UPDATES_PER_S and one["thread_cpu_percent"] < MOST_CPU_PERCENT)


def main() -> None:
    """Print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    page = header(f"What showing a run of {asked.items:,} items costs the kernel")
    found = [measured(asked.items, asked.seconds) for _ in range(asked.repeat)]
    print(json.dumps(found, indent=2))
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")
    if asked.write:
        columns = list(found[0])
        page += [
            "",
            f"Agreed: at most {MOST_UPDATES_PER_S:g} updates a second, and less than {MOST_CPU_PERCENT:g} % of the time of the "
            f"thread that shows the run. Kept in {sum(map(kept, found))} of {len(found)} runs.",
            "",
            *table([one.replace("_", " ") for one in columns], [list(one.values()) for one in found]),
        ]
        (RESULTS / "views.md").write_text("\n".join(page) + "\n")
    if not all(map(kept, found)):
        sys.exit("A limit was not kept.")


if __name__ == "__main__":
    main()
