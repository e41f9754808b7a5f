"""Measure every installed built-in agent anew and write a reference file of raw observations.

Each agent runs in an instance's own process, as in a real run, for every set of levers, 1 core and as many as
it gains from (as far as this machine has them), and several batches. Inputs are made by the agents themselves
from the demo's clips (or the videos given), so that later steps see what earlier ones really make.

    python benchmarks/reference_profiles.py --out reference_media.json \
        --capabilities scene-detection frame-extraction speech-to-text object-detection ocr
    python benchmarks/reference_profiles.py --out reference_text.json \
        --capabilities summarisation text-generation embedding retrieval question-answering

Qualities of an existing `--out` are kept: speed is measured here, quality is not. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cloudpickle

from murakkab_jupyter.agents.agent import AgentSpec, Failed, Inputs
from murakkab_jupyter.agents.library import Library, default_library
from murakkab_jupyter.agents.media import probe
from murakkab_jupyter.agents.weights import state
from murakkab_jupyter.cluster.process import InstanceProcess
from murakkab_jupyter.cluster.wire import Load, Loaded, Returned
from murakkab_jupyter.core.ancestry import child
from murakkab_jupyter.core.errors import MurakkabError
from murakkab_jupyter.core.kinds import origin_of
from murakkab_jupyter.demo import QUESTION, clips
from murakkab_jupyter.planner.modes import lacking, ladder
from murakkab_jupyter.profiles.hardware import cpu_model, host_cores
from murakkab_jupyter.runtime.observe import work_of

ORDER = (
    "scene-detection",
    "frame-extraction",
    "speech-to-text",
    "object-detection",
    "ocr",
    "summarisation",
    "text-generation",
    "embedding",
    "retrieval",
    "question-answering",
)


class Instance:
    """One agent, loaded in a process of its own."""

    def __init__(self, library: Library, spec: AgentSpec, options: dict[str, Any], cores: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.process = InstanceProcess(spec.name, cores=cores, gpus=(), log=Path(self.folder.name) / "log")
        capability = library.capability(spec.capability)
        order = Load(spec.name, cloudpickle.dumps(spec), options, cores, capability.output, capability.opens)
        loaded = self.process.load(order, lambda _: None)
        if not isinstance(loaded, Loaded):
            self.close()
            msg = f"{spec.name} does not load: {loaded.error}"
            raise MurakkabError(msg)
        self.loaded = loaded

    def call(self, batch: Sequence[Inputs]) -> tuple[list[Any], Any]:
        """The values of a batch, and what it used."""
        answer = self.process.call(cloudpickle.dumps(tuple(batch)), lambda _: None)
        if not isinstance(answer, Returned):
            msg = f"{self.process.name} raised: {answer.error}"
            raise MurakkabError(msg)
        return list(cloudpickle.loads(answer.values)), answer.usage

    def close(self) -> None:
        """End the process."""
        self.process.close()
        self.folder.cleanup()


def offered(library: Library, capability: str) -> list[AgentSpec]:
    """Built-in agents of a capability that can run here."""
    return [
        spec
        for spec in library.agents(capability)
        if library.is_builtin(spec.name)
        and not spec.fixture
        and not spec.remote
        and not spec.needs.gpus
        and not lacking(spec, library)
        and all(state(name).here or state(name).where == "index" for name in spec.needs.weights)
    ]


def grid(spec: AgentSpec) -> Iterator[dict[str, Any]]:
    """Every set of levers, the other options at their defaults."""
    levers = [one for one in spec.options if one.lever and one.choices]
    for values in itertools.product(*(one.choices for one in levers)):
        yield spec.settings({one.name: value for one, value in zip(levers, values, strict=True)})


def inputs_of(capability: str, made: dict[str, list[tuple[Any, Any]]], question: str) -> list[Inputs]:
    """What a capability's items are, from what the capabilities before it made: `(ancestry, value)` pairs."""

    def one(ancestry: Any, values: dict[str, Any]) -> Inputs:
        return Inputs(
            ancestry, values, {port: origin_of(value) for port, value in values.items()}, sentence=capability
        )

    def below(name: str, ancestry: Any) -> list[Any]:
        return [value for key, value in made.get(name, []) if key[: len(ancestry)] == ancestry]

    match capability:
        case "scene-detection":
            return [one(key, {"video": video}) for key, video in made["videos"]]
        case "frame-extraction":
            return [one(key, {"scene": scene}) for key, scene in made["scene-detection"]]
        case "speech-to-text":
            return [one(key, {"speech": scene}) for key, scene in made["scene-detection"]]
        case "object-detection" | "ocr":
            return [one(key, {"picture": frame}) for key, frame in made["frame-extraction"]]
        case "summarisation" | "text-generation":
            return [
                one(
                    key,
                    {
                        "material": [
                            ("objects", below("object-detection", key)),
                            ("transcript", transcript),
                        ]
                    },
                )
                for key, transcript in made["speech-to-text"]
            ]
        case "embedding":
            return [one(key, {"text": text}) for key, text in made["summarisation"]]
        case "retrieval":
            passages = [text for _, text in made["summarisation"]]
            return [
                one((("asked", n),), {"passages": passages[: n + 1], "question": question})
                for n in range(len(passages))
            ]
        case "question-answering":
            texts = [text for _, text in made["summarisation"]]
            return [
                one((("asked", n),), {"question": question, "context": [("summary", texts[: n + 1])]})
                for n in range(min(8, len(texts)))
            ]
    msg = f"No inputs are known for {capability}."
    raise MurakkabError(msg)


def keep(
    capability: str, opens: bool, items: Sequence[Inputs], values: Sequence[Any]
) -> list[tuple[Any, Any]]:
    """Values by ancestry, children where the capability opens a level."""
    made: list[tuple[Any, Any]] = []
    for item, value in zip(items, values, strict=True):
        if isinstance(value, Failed):
            continue
        if opens:
            made += [(child(item.ancestry, capability, n), part) for n, part in enumerate(value)]
        else:
            made.append((item.ancestry, value))
    return made


def measure(
    library: Library, spec: AgentSpec, items: Sequence[Inputs], repeat: int
) -> Iterator[dict[str, Any]]:
    """Raw observations of one agent."""
    capability = library.capability(spec.capability)
    batches = [size for size in (1, 4, 16, 64) if size == 1 or size <= min(spec.max_batch, len(items))]
    for options in grid(spec):
        for cores in ladder(min(spec.max_cores, host_cores())):
            instance = Instance(library, spec, options, cores)
            try:
                instance.call(items[:1])  # the first call warms up what loading did not
                for size in batches:
                    # Short and long items: the spread of work is what tells overhead from rate.
                    ordered = sorted(items, key=lambda item: work_of(capability, item, options))
                    starts = sorted({0, len(ordered) // 2, max(0, len(ordered) - size)})
                    for start, _ in itertools.product(starts, range(repeat)):
                        batch = ordered[start : start + size]
                        _, used = instance.call(batch)
                        yield {
                            "agent": spec.name,
                            "options": options,
                            "cores": cores,
                            "items": len(batch),
                            "work": round(sum(work_of(capability, item, options) for item in batch), 4),
                            "seconds": max(1e-6, round(used.seconds, 6)),
                            "cpu_s": round(used.cpu_s, 6),
                            "load_s": round(instance.loaded.load_s, 4),
                            "load_cpu_s": round(instance.loaded.load_cpu_s, 4),
                            "memory_bytes": int(used.memory_bytes),
                        }
            finally:
                instance.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--capabilities", nargs="+", default=list(ORDER), choices=ORDER)
    parser.add_argument("--agents", nargs="+", help="only these agents")
    parser.add_argument(
        "--videos", nargs="+", type=Path, help="videos to work on; the demo's clips by default"
    )
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--repeat", type=int, default=2)
    asked = parser.parse_args(arguments)
    library = default_library()
    videos = [probe(path, "video") for path in (asked.videos or clips())]
    made: dict[str, list[tuple[Any, Any]]] = {"videos": [((("videos", n),), v) for n, v in enumerate(videos)]}
    observations: list[dict[str, Any]] = []
    qualities = json.loads(asked.out.read_text()).get("qualities", []) if asked.out.is_file() else []

    def write() -> None:
        """Write what there is so far, so that an interrupt loses one agent at most."""
        asked.out.write_text(
            json.dumps(
                {
                    "machine": f"{host_cores()} cores of {cpu_model()}",
                    "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
                    "command": f"python benchmarks/reference_profiles.py {' '.join(arguments or sys.argv[1:])}",
                    "observations": observations,
                    "qualities": qualities,
                },
                indent=1,
            )
            + "\n"
        )

    last = max(ORDER.index(name) for name in asked.capabilities)
    for name in ORDER[: last + 1]:
        agents = offered(library, name)
        if not agents:
            print(f"{name}: no agent is installed", file=sys.stderr)
            continue
        items = inputs_of(name, made, asked.question)
        if name in asked.capabilities:
            for spec in agents:
                if asked.agents and spec.name not in asked.agents:
                    continue
                found = list(measure(library, spec, items, asked.repeat))
                observations += found
                write()
                rates = [one["cpu_s"] / one["items"] for one in found]
                print(f"{name} {spec.name}: {len(found)} calls, {statistics.median(rates):.4f} CPU-s an item")
        first = Instance(library, agents[0], agents[0].settings({}), 1)
        try:
            values = [value for item in items for value in first.call([item])[0]]
        finally:
            first.close()
        made[name] = keep(name, library.capability(name).opens, items, values)
    write()
    print(f"{len(observations)} observations in {asked.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
