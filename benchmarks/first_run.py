"""Why a first plan is off: predicted and spent CPU-seconds of each step, with nothing known but what ships.

    python benchmarks/first_run.py [VIDEO] [--goal latency|quality] [--out benchmarks/results/first_run.md]

Plans and runs the demo's job with an empty profile store, and takes the gap of each step apart: what the plan says, what the
same profiles say of the calls that were really made (so what is left is not a matter of counts), and what the calls
and the loading of agents really used. Meant for an idle machine; the load average is told.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from clip import QUESTION, clip
from common import RESULTS, actual_of, header, job, load_average, predicted_of, table

from murakkab_jupyter.core.events import BatchEnded, Event
from murakkab_jupyter.profiles.book import ProfileBook
from murakkab_jupyter.workflow.goal import MAX_QUALITY, MIN_LATENCY

GOALS = {"latency": MIN_LATENCY, "quality": MAX_QUALITY}


def main() -> int:
    """Plan, run, compare, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "video", type=Path, nargs="?", help="a video that gave no profile; one is made if left out"
    )
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--goal", choices=list(GOALS), default="latency")
    parser.add_argument("--out", type=Path, default=RESULTS / "first_run.md")
    chosen = parser.parse_args()
    video = chosen.video or clip()
    lines = header(f"A first plan, for {chosen.goal}, against what it spent", video)
    rows: list[list[str]] = []
    sums = [0.0] * 4
    with job(video, chosen.question) as (session, declaration):
        session.connect().view()
        plan = session.plan(declaration, GOALS[chosen.goal])
        shipped, speed = ProfileBook(session.library), session.view.workers[0].speed.value or 1.0
        interference = session.profiles.interference
        events: list[Event] = []
        run = session.run(declaration, plan, reuse=False, on_event=events.append)
        actual = actual_of(run)
        for name, step in plan.steps.items():
            one = step.configuration
            calls = [
                e for e in events if isinstance(e, BatchEnded) and e.step == name and e.usage is not None
            ]
            counted = 0.0
            # What the session's profiles were told of these calls: how much work they turned out to be.
            for _, _, _, told_of in session.profiles.store.rows(one.agent):
                said = shipped.call(
                    one.agent,
                    one.options,
                    cores=one.cores,
                    items=told_of.items,
                    work=told_of.work,
                    speed=speed,
                )
                counted += said.cpu_s.value or 0.0
            loads = sum(call.usage.load_cpu_s > 0 for call in calls)
            counted += loads * (shipped.load(one.agent, one.options, speed=speed).cpu_s.value or 0.0)
            planned = step.predicted["cpu"].value or 0.0
            in_calls = sum(call.usage.cpu_s for call in calls)
            in_loads = sum(call.usage.load_cpu_s for call in calls)
            for place, figure in enumerate((planned, counted, in_calls, in_loads)):
                sums[place] += figure
            rows.append(
                [name, one.agent, f"{step.items:.0f}/{run.progress()[name][0]}"]
                + [f"{figure:.2f}" for figure in (planned, counted, in_calls, in_loads)]
            )
    rows.append(["all", "", "", *(f"{figure:.2f}" for figure in sums)])
    told = predicted_of(plan)
    lines += [
        f"- Speed of a core against the reference machine, by the micro-benchmark: {speed:.2f}; interference "
        f"{interference.value:.2f} ({interference.source}); load average at the end {load_average():.2f}",
        f"- Seconds: predicted {told['latency']:.2f}, actual {actual['latency']:.2f}; CPU-seconds: predicted "
        f"{told['cpu']:.2f}, actual {actual['cpu']:.2f}",
        f"- Notes of the plan on counts: {' '.join(note for note in plan.notes if 'expected' in note)}",
        "",
        *table(
            ["step", "agent", "items expected/found", "CPU-s planned", "CPU-s the same profiles give the real calls, each alone",
             "CPU-s of the calls", "CPU-s of loading"],
            rows,
        ),
    ]  # fmt: skip
    text = "\n".join(lines) + "\n"
    chosen.out.write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
