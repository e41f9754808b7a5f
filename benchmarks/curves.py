"""How well the profiles' curves predict an operating point that they have not seen.

Each operating point of the shipped profiles is left out, the curve is fitted to the others, and the point is
predicted. Points differ in one lever at a time: cores, items of a call, work of an item, requests in flight.

    python benchmarks/curves.py --write
"""

from __future__ import annotations

import argparse
import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from common import RESULTS, header, table

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.profiles.book import BEYOND_BAND, PRIOR_BAND, stretched
from murakkab_jupyter.profiles.curve import Point, fit
from murakkab_jupyter.profiles.observation import Observation
from murakkab_jupyter.profiles.profile import options_key
from murakkab_jupyter.profiles.published import shipped_published
from murakkab_jupyter.profiles.reference import shipped_reference
from murakkab_jupyter.profiles.served import ServedPoint, ServedProfile

LEAST_S = 0.002
"""Calls shorter than this are noise of the clock: their relative error says nothing, and costs nobody anything."""

SETTLED = 0.05
"""Works that differ by less than this share are one operating point."""

QUANTITIES: tuple[tuple[str, Callable[[Observation], float], bool], ...] = (
    ("seconds", lambda one: one.seconds, True),
    ("CPU-seconds", lambda one: one.cpu_s, False),
)


@dataclasses.dataclass(frozen=True)
class Error:
    """One point that was left out: what it is of, where it stands, how far the prediction was off (as a share)."""

    lever: str
    quantity: str
    inside: bool
    of: str
    share: float
    held: bool
    """Whether what was measured lies in the band of the prediction."""


def grouped(observations: Sequence[Observation]) -> Iterator[tuple[str, list[Observation]]]:
    """Observations of one agent with one set of options."""
    found: dict[str, list[Observation]] = defaultdict(list)
    for one in observations:
        found[f"{one.agent} {options_key(one.options)}".strip()].append(one)
    yield from found.items()


def place(one: Observation) -> float:
    """Work of an item, so coarse that repeated calls are one point."""
    each = one.work / one.items
    step = 1 + SETTLED
    value = 1e-6
    while value * step < each:
        value *= step
    return value


def levers(
    some: Sequence[Observation],
) -> Iterator[tuple[str, float, list[Observation], list[Observation], bool]]:
    """`(lever, value, left out, the rest, inside)`: all points of one value of a lever, all else being as it is."""
    for cores in sorted({one.cores for one in some}):
        out = [one for one in some if one.cores == cores]
        rest = [one for one in some if one.cores != cores]
        others = {one.cores for one in rest}
        if rest:
            yield "cores", cores, out, rest, min(others) < cores < max(others)
    sizes = sorted({one.items for one in some})
    for size in sizes:
        out = [one for one in some if one.items == size]
        rest = [one for one in some if one.items != size]
        if len(sizes) > 1:
            yield "items", size, out, rest, sizes[0] < size < sizes[-1]
    single = [one for one in some if one.items == sizes[0]]
    works = sorted({place(one) for one in single})
    for work in works:
        out = [one for one in single if place(one) == work]
        rest = [one for one in some if one not in out]
        if len(works) > 1 and rest:
            yield "work", work, out, rest, works[0] < work < works[-1]


def of_agents() -> Iterator[Error]:
    """Errors of the curves of calls."""
    for name, some in grouped(shipped_reference().observations):
        for lever, _, out, rest, inside in levers(some):
            for quantity, of, shrinks in QUANTITIES:
                curve = fit(
                    [Point(one.cores, one.items, one.work, max(of(one), 1e-9)) for one in rest],
                    shrinks=shrinks,
                )
                points: dict[tuple[int, float, float], list[Observation]] = defaultdict(list)
                for one in out:
                    points[one.cores, one.items, place(one)].append(one)
                for same in points.values():
                    true = median(of(one) for one in same)
                    if true < LEAST_S:
                        continue
                    said = median(curve.at(one.cores, one.items, one.work) for one in same)
                    band = stretched((curve.low, curve.high), not inside)
                    least, most = min(band[0], PRIOR_BAND[0]), max(band[1], PRIOR_BAND[1])
                    held = said * least <= true <= said * most
                    yield Error(lever, quantity, inside, name, abs(said / true - 1), held)


SERVED: tuple[tuple[str, Callable[[ServedProfile, float], Figure], Callable[[ServedPoint], float]], ...] = (
    ("tokens a second", lambda one, n: one.tokens_per_s(n), lambda point: point.tokens_per_s),
    ("joules a token", lambda one, n: one.j_per_token(n), lambda point: point.j_per_token),
    ("time between tokens", lambda one, n: one.token_s(n), lambda point: point.itl_s),
)


def of_served() -> Iterator[Error]:
    """Errors of the published curves over requests in flight."""
    for one in shipped_published().served:
        for k, point in enumerate(one.points):
            if len(one.points) < 3:
                continue
            rest = dataclasses.replace(one, points=one.points[:k] + one.points[k + 1 :])
            for quantity, said, true in SERVED:
                found = said(rest, point.in_flight)
                if found.value is not None and found.low is not None and found.high is not None:
                    name = (
                        f"{one.model} ({one.task}) on {one.gpus} {one.gpu}, {point.in_flight:.0f} in flight"
                    )
                    inside = 0 < k < len(one.points) - 1
                    held = found.low <= true(point) <= found.high
                    yield Error("in flight", quantity, inside, name, abs(found.value / true(point) - 1), held)


def rows(errors: Sequence[Error]) -> list[list[str]]:
    """One line for each lever, quantity and place."""
    by: dict[tuple[str, str, bool], list[Error]] = defaultdict(list)
    for one in errors:
        by[one.lever, one.quantity, one.inside].append(one)
    made = []
    for (lever, quantity, inside), some in by.items():
        shares = sorted(one.share for one in some)
        worst = max(some, key=lambda one: one.share)
        made.append(
            [
                lever,
                quantity,
                "between others" if inside else "beyond the others (a prior)",
                str(len(some)),
                f"{median(shares):.1%}",
                f"{shares[min(len(shares) - 1, int(0.9 * len(shares)))]:.1%}",
                f"{worst.share:.1%}: {worst.of}",
                f"{sum(one.held for one in some) / len(some):.0%}",
            ]
        )
    return made


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="into benchmarks/results/curves.md")
    asked = parser.parse_args()
    errors = [*of_agents(), *of_served()]
    reference = shipped_reference()
    lines = [
        *header("Curves: a point left out and predicted"),
        f"- Profiles: {len(reference.observations)} observations of the reference machine ({reference.machine}; "
        f"{reference.date}), {sum(len(one.points) for one in shipped_published().served)} published points of "
        f"{len(shipped_published().served)} served models (ML.ENERGY, arXiv 2505.06371)",
        "",
        "Error: |predicted / measured - 1|. A point is every call of one agent, options, cores, items and work; "
        "with a lever's value left out, all points of that value are. Calls under 2 ms are not judged. "
        "Wall times are the shipped ones, rid of the waiting of a busy machine.",
        "",
        *table(
            ["Lever", "Quantity", "The point lies", "Points", "Median", "90 %", "Worst", "In the band"],
            rows(errors),
        ),
        "",
        "In the band: how many of the points lie in the band that a plan would show on the machine that they were measured on "
        "(what another host's speed may be misjudged by comes on top). What lies beyond the others is extrapolated, and its "
        f"band is at least {BEYOND_BAND[0] - 1:.0%} to {BEYOND_BAND[1] - 1:+.0%} (calls) or a factor of two (served models); between "
        f"others that of calls is at least {PRIOR_BAND[0] - 1:.0%} to {PRIOR_BAND[1] - 1:+.0%}. With two numbers of cores measured, "
        "leaving one out leaves only the prior share of parallel work.",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    if asked.write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "curves.md").write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
