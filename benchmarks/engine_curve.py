"""How well the curve of a real server predicts a number of requests in flight that it has not seen.

    python benchmarks/engine_curve.py http://127.0.0.1:8000/v1 --write

Every level is measured several times, in an order that alternates, and its median is taken. Then each level between the
ends is left out, and the curve of the others predicts its tokens a second. Run it on an idle machine, with the server.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import sys
from pathlib import Path
from statistics import median

from common import RESULTS, header, table

from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.cluster.measuring.engines import Workload, measure_engine
from murakkab_jupyter.profiles.engine import EngineCurve, EnginePoint


def middle(points: list[EnginePoint]) -> EnginePoint:
    """The medians of one level's repeats."""
    figures = {
        field.name: median(values)
        for field in dataclasses.fields(EnginePoint)
        if None not in (values := [getattr(one, field.name) for one in points])
    }
    return EnginePoint(
        **{**figures, "in_flight": points[0].in_flight, "requests": sum(one.requests for one in points)}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--model", default="")
    parser.add_argument("--at", default="1,2,3,4,6,8", help="levels, by commas")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3, help="requests of each asker, at least")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS / 'engine_curve.md'}")
    given = parser.parse_args()
    # Whose machine it is does not belong in a page of results.
    sys.argv = [Path(w).name if "/" in w and "://" not in w else w for w in sys.argv]
    head = header("The curve of a real server, levels left out")
    levels = sorted({int(word) for word in given.at.split(",")})
    curves: list[EngineCurve] = []
    for repeat in range(given.repeats):
        load = Workload(tokens=given.tokens, rounds=given.rounds, seed=repeat)
        curves.append(
            measure_engine(
                Endpoint(given.url, given.model),
                host=platform.node(),
                at=levels if repeat % 2 == 0 else levels[::-1],
                workload=load,
                progress=lambda told, n=repeat: print(
                    f"repeat {n + 1}: {told.done} of {told.total} {told.doing}", file=sys.stderr
                ),
            )
        )
    by_level = [[point for one in curves for point in one.points if point.in_flight == n] for n in levels]
    curve = dataclasses.replace(curves[0], points=tuple(middle(points) for points in by_level))
    held = {one.in_flight: one for one in curve.held_out()}
    rows = []
    for points, point in zip(by_level, curve.points, strict=True):
        rates = [one.tokens_per_s for one in points]
        left = held.get(point.in_flight)
        rows.append(
            [
                str(point.in_flight),
                f"{point.tokens_per_s:.1f} ({min(rates):.1f} to {max(rates):.1f})",
                f"{point.ttft_s * 1e3:.0f} / {point.ttft_p90_s * 1e3:.0f}",
                f"{point.itl_s * 1e3:.1f} / {point.itl_p99_s * 1e3:.1f}",
                "" if left is None else f"{left.predicted:.1f}",
                "" if left is None else f"{left.error:+.1%}",
            ]
        )
    text = [
        *head,
        "",
        f"{curve.name.rpartition(' ')[2]}, {curve.prompt_tokens:.0f} tokens in and {curve.output_tokens:.0f} out, "
        f"{given.repeats} repeats, medians (range).\n",
        *table(
            [
                "in flight",
                "tok/s",
                "first token p50 / p90 (ms)",
                "between p50 / p99 (ms)",
                "left out, predicted",
                "error",
            ],
            rows,
        ),
    ]
    if held:
        worst = max(held.values(), key=lambda one: abs(one.error))
        text.append(
            f"\nLevels left out: {len(held)}. Median error {median(abs(one.error) for one in held.values()):.1%}, "
            f"largest {abs(worst.error):.1%} (at {worst.in_flight} in flight)."
        )
    print("\n".join(text))
    if given.write:
        (RESULTS / "engine_curve.md").write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
