"""What the benchmarks of real runs share: the job, the machine in words, medians and tables."""

from __future__ import annotations

import datetime
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from murakkab_jupyter.demo import CELL
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.profiles.hardware import cpu_model, host_cores, host_memory_bytes
from murakkab_jupyter.run import Run
from murakkab_jupyter.session import Session
from murakkab_jupyter.workflow.declaration import Declaration

__all__ = [
    "GAPS", "RESULTS", "actual_of", "figure", "gap_rows", "header", "job", "load_average", "median_spread", "predicted_of", "table",
]  # fmt: skip

RESULTS = Path(__file__).parent / "results"

GAPS = ["objective", "cluster", "bounds", "median gap", "90th percentile", "largest"]
"""Heads of the columns of `gap_rows`."""


def gap_rows(gaps: Mapping[tuple[str, str], Sequence[float]]) -> list[list[str]]:
    """Rows of a table of gaps between bounds and the best plans, by objective and kind of cluster."""
    rows = []
    for (objective, kind), found in sorted(gaps.items()):
        some = sorted(found)
        ends = some[len(some) // 2], some[int(len(some) * 0.9)], some[-1]
        rows.append([objective, kind, str(len(some)), *(f"{one:.1%}" for one in ends)])
    return rows


@contextmanager
def job(video: Path, question: str, *, cores: int | None = None) -> Iterator[tuple[Session, Declaration]]:
    """The demo's workflow on a video, in a session that has seen nothing: an empty journal, an empty profile store."""
    with (
        tempfile.TemporaryDirectory(prefix="murakkab-benchmark-") as folder,
        Session(
            journal=Path(folder) / "journal.db", profiles=Path(folder) / "profiles.db", cores=cores
        ) as session,
    ):
        yield session, session.declare(CELL, {"videos": [str(video)], "question": question})


def load_average() -> float:
    """Runnable processes over the last minute."""
    return os.getloadavg()[0]


def header(title: str, video: Path | None = None) -> list[str]:
    """First lines of a page of results: machine, date, command."""
    command = " ".join(["python", *sys.argv])
    memory = host_memory_bytes() / 1e9
    lines = [
        f"# {title}",
        "",
        f"- Machine: {cpu_model()}, {host_cores()} cores, {memory:.0f} GB, {platform.system()}; "
        f"load average at the start {load_average():.2f}",
        f"- Date: {datetime.date.today().isoformat()}",
        f"- Command: `{command}`",
    ]
    if video is not None:
        lines.append(f"- Video: {video.name}")
    return lines


def figure(plan: Plan, name: str) -> float | None:
    """The value of a predicted total."""
    found = plan.predicted.get(name)
    return None if found is None else found.value


def predicted_of(plan: Plan) -> dict[str, float]:
    """Predicted seconds, CPU-seconds and joules."""
    return {name: figure(plan, name) or 0.0 for name in ("latency", "cpu", "energy")}


def actual_of(run: Run) -> dict[str, float]:
    """Actual seconds, CPU-seconds and joules (by the planner's own estimate, so that they can be compared)."""
    if run.bill is None or run.status != "done":
        msg = f"Run {run.id} ended {run.status}: {run.message} {[str(error) for error in run.errors][:3]}"
        raise SystemExit(msg)
    total = run.bill.total
    return {
        "latency": total.latency_s.value or 0.0,
        "cpu": total.cpu_s.value or 0.0,
        "energy": total.energy_j.value or 0.0,
    }


def median_spread(values: Sequence[float], digits: int = 2) -> str:
    """`median (least-most)`."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
