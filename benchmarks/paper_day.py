"""The paper's program A.5 on its own problem: two workflows over a day, served models on H100 and B200 GPUs.

    python benchmarks/paper_day.py [--out benchmarks/results/paper_day.md]

Speeds and watts are published (ML.ENERGY, as shipped); arrivals, tokens of a request, SLOs and accuracies are made up, and the same
for everybody. Compared, hour by hour and each solved to its end:

- *largest model for the peak*: the most accurate model, provisioned once for the day's peak, at the best operating point;
- *A.5 once for the peak*; *A.5 every hour*: one speed for each model and GPU, that of its fullest published point;
- *A.5 every hour, a profile for each operating point*: the same program that may also choose how full a server runs.

A.5 pays for instances, not for what they do: an instance that is held draws the watts of its operating point.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from common import RESULTS, header, table

from murakkab_jupyter.planner.rivals.paper import Arrivals, Served, Variant, Whole, solve_whole
from murakkab_jupyter.profiles.published import shipped_published

GPUS = {"H100": 2000, "B200": 1000}
USD = {"H100": 3.0, "B200": 5.0}
FIRST_TOKEN_S = 0.3
ACCURACY = {
    "meta-llama/Llama-3.1-8B-Instruct": 0.62, "Qwen/Qwen3-8B": 0.68, "google/gemma-3-12b-it": 0.70,
    "Qwen/Qwen3-14B": 0.72, "google/gemma-3-27b-it": 0.76, "Qwen/Qwen3-32B": 0.79,
    "meta-llama/Llama-3.1-70B-Instruct": 0.81,
}  # fmt: skip
"""Made up, rising with size."""

WORKFLOWS = {
    # name: tokens of one path, paths offered, least accuracy, deadline (s), peak requests a second, hour of the peak
    "assistant": (400.0, (1,), 0.66, 15.0, 300.0, 14),
    "debate": (900.0, (2, 4), 0.74, 120.0, 60.0, 20),
}
GAIN = 0.02
"""What each doubling of the paths adds to accuracy: made up."""


def servers(*, every_point: bool) -> list[Served]:
    """Model servers from the published operating points: all of them, or the fullest alone."""
    made = []
    for one in shipped_published().served:
        if one.task != "lm-arena-chat" or one.model not in ACCURACY:
            continue
        points = [p for p in one.points if p.power_w is not None]
        made += [
            Served(
                f"{one.model} on {one.gpus} {one.gpu} at {point.in_flight:.0f}",
                one.model,
                one.gpu,
                one.gpus,
                point.tokens_per_s,
                FIRST_TOKEN_S,
                point.itl_s,
                (point.power_w or 0.0) / one.gpus,
                USD[one.gpu],
            )
            for point in (points if every_point else points[-1:])
        ]
    return made


def arrivals(hour: float | None, *, largest: bool = False) -> list[Arrivals]:
    """What arrives in an hour; the day's peak when None."""
    made = []
    for name, (tokens, paths, accuracy, deadline_s, peak, top) in WORKFLOWS.items():
        share = (
            1.0
            if hour is None
            else 0.25 + 0.75 * (0.5 + 0.5 * math.cos((hour - top) / 24 * 2 * math.pi)) ** 2
        )
        models = [max(ACCURACY, key=ACCURACY.__getitem__)] if largest else list(ACCURACY)
        variants = tuple(
            Variant(f"{model} x{n}", model, min(0.99, ACCURACY[model] + GAIN * math.log2(n)), tokens * n)
            for model in models
            for n in paths
        )
        made.append(Arrivals(name, peak * share, peak * share * 0.8, variants, deadline_s, accuracy))
    return made


def day(plans: Sequence[Whole], some: Sequence[Served]) -> list[str]:
    """Energy, rent, most GPUs and accuracy of 24 plans."""
    return [
        f"{sum(plan.watts for plan in plans) / 1e6:.2f}",
        f"{sum(plan.usd_per_hour for plan in plans):,.0f}",
        str(max(plan.gpus(some) for plan in plans)),
        f"{sum(plan.accuracy for plan in plans) / len(plans):.3f}",
        "yes" if all(plan.optimal for plan in plans) else "within the time limit",
    ]


def main() -> int:
    """Solve, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "paper_day.md")
    args = parser.parse_args()
    fullest, every = servers(every_point=False), servers(every_point=True)
    hours = range(24)
    rows = []

    def add(name: str, some: Sequence[Served], make: object, began: float) -> None:
        plans = list(make)
        rows.append([name, *day(plans, some), f"{time.perf_counter() - began:.1f}"])
        print(rows[-1], flush=True)

    for objective in ("energy", "cost"):
        began = time.perf_counter()
        if objective == "energy":
            one = solve_whole(arrivals(None, largest=True), every, GPUS)
            add("largest model for the peak", every, [one] * 24, began)
        began = time.perf_counter()
        one = solve_whole(arrivals(None), fullest, GPUS, objective=objective)
        add(f"A.5 once for the peak, {objective}", fullest, [one] * 24, began)
        for name, some in (("every hour", fullest), ("every hour, every operating point", every)):
            began = time.perf_counter()
            add(
                f"A.5 {name}, {objective}", some,
                [solve_whole(arrivals(h), some, GPUS, objective=objective, time_limit_s=3.0) for h in hours], began,
            )  # fmt: skip
    lines = [
        *header("The paper's program on its own problem"),
        "",
        "Speeds and watts are published; arrivals, tokens, SLOs, prices and accuracies are made up. GPUs alone, steady state.",
        "A.5 is a transcription's, not checked against the paper.",
        "",
        *table(
            ["plan", "MWh a day", "USD a day", "most GPUs", "accuracy", "optimal", "seconds to plan"], rows
        ),
    ]
    text = "\n".join(lines) + "\n"
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
