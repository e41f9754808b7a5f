"""Measure the built-in agents anew and write the reference profiles that ship: raw observations of this machine.

Each agent runs in an instance's own process, as in a real run, for every set of levers, on 1, 2, ... cores as far as
it gains from them, and for several numbers of items. It is what `murakkab profile --measure` does, written to files:

    python benchmarks/reference_profiles.py --all

Qualities of a file are kept (speed is measured here, quality is not), and so are observations of agents that are not
measured now. Run it on an idle machine: it says when it is not.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from clip import dense_clip

import murakkab_jupyter.profiles
from murakkab_jupyter.agents.library import default_library
from murakkab_jupyter.agents.media.files import probe
from murakkab_jupyter.cluster.measuring.agents import (
    Case,
    Progress,
    Tempo,
    cases,
    chosen,
    measure,
    others_busy,
)
from murakkab_jupyter.cluster.measuring.loaded import CAPABILITIES
from murakkab_jupyter.cluster.measuring.samples import Samples
from murakkab_jupyter.core.errors import AgentError
from murakkab_jupyter.core.kinds import Video
from murakkab_jupyter.demo import QUESTION, clips
from murakkab_jupyter.profiles.hardware import benchmark, cpu_model, host_cores
from murakkab_jupyter.profiles.reference import read_reference

SHIPPED = Path(murakkab_jupyter.profiles.__file__).parent

FILES = {
    "reference_media.json": CAPABILITIES[:5],
    "reference_text.json": CAPABILITIES[5:],
}
"""Which capabilities each shipped file holds."""

MACHINE = "machine.json"
"""What speeds are relative to: the machine that all these files were made on."""

Observations = list[dict[str, Any]]


def state_machine(folder: Path, *, everything: bool) -> None:
    """Write down the machine, or make sure that it is still the one of the files that are kept in part."""
    file = folder / MACHINE
    known = json.loads(file.read_text()) if file.is_file() else {}
    if not everything and known.get("cpu") != cpu_model():
        msg = f"{folder} holds profiles of {known.get('cpu')}, and this is {cpu_model()}: measure all of them, with --all alone."
        raise SystemExit(msg)
    if everything:
        rates = {name: round(rate, 1) for name, rate in benchmark(6.0).items()}
        date = datetime.datetime.now(datetime.UTC).date().isoformat()
        file.write_text(
            json.dumps({"cpu": cpu_model(), "cores": host_cores(), "date": date, "rates": rates}, indent=1)
            + "\n"
        )


class Page:
    """One file: what it held, and what is measured now."""

    def __init__(self, path: Path, command: str) -> None:
        self.path = path
        self.command = command
        old = json.loads(path.read_text()) if path.is_file() else {}
        self.qualities: list[dict[str, Any]] = old.get("qualities", [])
        self.old: Observations = old.get("observations", [])
        self.new: Observations = []

    def add(self, found: Observations) -> None:
        """Take in one case and write what there is, so that an interrupt loses one case at most."""
        self.new += found
        agents = {one["agent"] for one in self.new}
        load = others_busy()
        data = {
            "machine": f"{host_cores()} cores of {cpu_model()}, Python {sys.version.split()[0]}"
            + ("" if load is None else f", load {load:.1f} (busy: trust CPU time first)"),
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "command": self.command,
            "observations": [one for one in self.old if one["agent"] not in agents] + self.new,
            "qualities": self.qualities,
        }
        text = json.dumps(data, indent=1) + "\n"
        read_reference(text, self.path.name)  # what does not read back is not written
        self.path.write_text(text)


def quickest(found: Observations) -> Observations:
    """Of the calls with the same items and work, the one that used the least CPU time."""
    best: dict[tuple[Any, Any], dict[str, Any]] = {}
    for one in found:
        key = one["items"], one["work"]
        if key not in best or one["cpu_s"] < best[key]["cpu_s"]:
            best[key] = one
    return list(best.values())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all", action="store_true", help="measure everything, into the files that ship")
    parser.add_argument("--folder", type=Path, default=SHIPPED, help="where those files are (with --all)")
    parser.add_argument("--out", type=Path, help="file to write instead")
    parser.add_argument("--capabilities", nargs="+", default=list(CAPABILITIES), choices=CAPABILITIES)
    parser.add_argument("--agents", nargs="+", help="only these agents")
    parser.add_argument(
        "--videos",
        nargs="+",
        type=Path,
        help="videos to work on; by default the demo's clips, and one in which somebody speaks all the time",
    )
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument(
        "--call-s", type=float, default=Tempo().call_s, help="leave out calls longer than this"
    )
    parser.add_argument(
        "--case-s", type=float, default=Tempo().case_s, help="repeat calls for so long a case"
    )
    parser.add_argument("--cores", type=int, default=host_cores(), help="most cores of an instance")
    parser.add_argument(
        "--quickest",
        action="store_true",
        help="keep of like calls the one with the least CPU time: on a busy machine others can only slow one down",
    )
    asked = parser.parse_args(arguments)
    if asked.all == (asked.out is not None):
        parser.error("say --all, or --out FILE")
    command = f"python benchmarks/reference_profiles.py {' '.join(arguments or sys.argv[1:])}"
    pages = {
        capability: page
        for file, some in FILES.items()
        for page in [Page(asked.out or asked.folder / file, command)]
        for capability in some
    }
    if asked.out:
        one = Page(asked.out, command)
        pages = dict.fromkeys(CAPABILITIES, one)

    if asked.all:
        state_machine(asked.folder, everything=not asked.agents and asked.capabilities == list(CAPABILITIES))
    library = default_library()
    specs = [
        spec
        for spec in chosen(library, asked.agents or ())
        if spec.capability in asked.capabilities and library.is_builtin(spec.name)
    ]
    films = asked.videos or [*clips(), dense_clip()]
    videos = [v for path in films if isinstance(v := probe(path, "video"), Video)]
    samples = Samples(library, videos, asked.question, told=lambda _: None)
    todo = cases(specs, asked.cores)
    tempo = Tempo(call_s=asked.call_s, case_s=asked.case_s)
    load = others_busy()
    if load is not None:
        print(
            f"The machine is busy (load {load:.1f}): wait until it is idle, or times are too long.",
            file=sys.stderr,
        )
    began = last = time.monotonic()
    calls = 0
    failed: list[str] = []

    def told(progress: Progress) -> None:
        if sys.stderr.isatty():
            print(f"\r{progress.done} of {progress.total} {progress.doing[:60]:<60}", end="", file=sys.stderr)

    def say(case: Case, found: Observations) -> None:
        nonlocal last
        rate = statistics.median(one["cpu_s"] / one["items"] for one in found)
        now = time.monotonic()
        print(f"{now - last:6.1f} s  {case}: {len(found)} calls, {rate:.4f} CPU-s an item", flush=True)
        last = now

    for case, found in measure(library, todo, samples, tempo=tempo, progress=told):
        if isinstance(found, AgentError):
            failed.append(f"{case}: {found.message}")
            print(failed[-1], file=sys.stderr)
            continue
        kept_calls = quickest(found) if asked.quickest else found
        pages[case.spec.capability].add(kept_calls)
        calls += len(kept_calls)
        say(case, kept_calls)
    kept = sorted(
        {o["agent"] for p in pages.values() for o in p.old}
        - {o["agent"] for p in pages.values() for o in p.new}
    )
    if kept:
        print(f"Not measured now, kept as they were (of whatever machine that was): {', '.join(kept)}")
    took = time.monotonic() - began
    files = ", ".join(dict.fromkeys(str(page.path) for page in pages.values() if page.new))
    print(f"{calls} observations of {len(todo) - len(failed)} cases in {took:.0f} s: {files}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
