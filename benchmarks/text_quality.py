"""How well, and how fast, the built-in text agents do: recall, answers, summaries, writing, and reference timings.

    python benchmarks/text_quality.py                 quality on the set `test` (and `tune`, for comparison)
    python benchmarks/text_quality.py --speed         timings too
    python benchmarks/text_quality.py --write FILE    both, written as reference data for the planner

Every number is measured when it runs. The sets are small (32 questions, 14 scenes): the bands are 90 %
Wilson intervals, and two agents whose bands overlap are not told apart by this benchmark.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DATA = json.loads((HERE / "text_quality.json").read_text())
ANSWERERS = ("extractive-qa", "minilm-qa", "smollm2-qa")
SEARCHERS = ("wordllama-search", "minilm-search")
SUMMARISERS = ("extractive-summary", "smollm2-summary")
WRITERS = ("extractive-text", "smollm2-135m")
CONFIDENCE = 1.645


def wilson(hits: float, number: int) -> tuple[float, float]:
    """The 90 % interval of a rate."""
    if not number:
        return 0.0, 1.0
    rate, z = hits / number, CONFIDENCE
    middle = (rate + z * z / (2 * number)) / (1 + z * z / number)
    half = z * math.sqrt(rate * (1 - rate) / number + z * z / (4 * number**2)) / (1 + z * z / number)
    return max(0.0, middle - half), min(1.0, middle + half)


def loaded(name: str, cores: int = 1, **chosen: Any) -> tuple[Any, Any]:
    from murakkab_jupyter.agents.library import default_library

    spec = default_library().agent(name)
    agent = spec.make()
    agent.load(spec.settings(chosen), cores)
    return spec, agent


def scenes_of(part: Mapping[str, Any]) -> list[tuple[Any, Any, Any]]:
    """`(transcript, boxes, origin)` of each scene; a word takes 0.4 s."""
    from murakkab_jupyter.core.kinds import Box, Boxes, Origin, Segment, Transcript

    found, now = [], 0.0
    for scene in part["scenes"]:
        start, segments = now, []
        for sentence in scene["said"]:
            end = now + 0.4 * len(sentence.split())
            segments.append(Segment(now, end, sentence))
            now = end
        boxes = Boxes(tuple(Box(label, 0.9, 0.1, 0.1, 0.5, 0.5) for label in scene["seen"]))
        found.append((Transcript(tuple(segments), "en"), boxes, Origin("video.mp4", start, now)))
    return found


def item(values: Mapping[str, Any], origins: Mapping[str, Any] | None = None, sentence: str = "") -> Any:
    from murakkab_jupyter.agents.agent import Inputs

    return Inputs((), values, origins or {}, None, sentence)


def summaries_of(part: Mapping[str, Any]) -> list[tuple[str, Any]]:
    _, agent = loaded("extractive-summary")
    scenes = scenes_of(part)
    texts = agent.call([item({"material": [("objects", [b]), ("transcript", t)]}) for t, b, _ in scenes])
    return [(text, origin) for text, (_, _, origin) in zip(texts, scenes, strict=True)]


def answers(name: str, part: Mapping[str, Any], shape: str, *, verbose: bool) -> dict[str, float]:
    """Share of right answers, of evidence in the right scene, of silence where there is no answer."""
    from murakkab_jupyter.agents.text.answering import NOTHING

    _, agent = loaded(name)
    if shape == "transcripts":
        scenes = scenes_of(part)
        context = [("transcript", [t for t, _, _ in scenes]), ("objects", [b for _, b, _ in scenes])]
        places = [[o for *_, o in scenes], [o for *_, o in scenes]]
    else:
        summed = summaries_of(part)
        context, places = [("summary", [text for text, _ in summed])], [[origin for _, origin in summed]]
    origins = [origin for *_, origin in scenes_of(part)]
    asked = [
        item({"question": words, "context": context}, {"context": places}) for words, *_ in part["questions"]
    ]
    made = agent.call(asked)
    right = placed = silent = answerable = 0
    length = 0
    for (words, accepted, scene, _), answer in zip(part["questions"], made, strict=True):
        if scene is None:
            silent += answer.text == NOTHING and not answer.evidence
            hit = answer.text == NOTHING
        else:
            answerable += 1
            length += len(answer.text.split())
            hit = any(word.lower() in answer.text.lower() for word in accepted)
            right += hit
            placed += any(
                e.start_s is not None and origins[scene].start_s <= e.start_s < origins[scene].end_s
                for e in answer.evidence
            )
        if verbose and not hit:
            print(f"    {name}: {words} -> {answer.text}")
    none = len(part["questions"]) - answerable
    return {
        "right": right / answerable,
        "evidence": placed / answerable,
        "silent": silent / none,
        "words": length / answerable,
        "all_right": right + silent,
        "number": len(part["questions"]),
    }


def recall(name: str, part: Mapping[str, Any]) -> dict[str, float]:
    """Share of questions whose scene is the first found."""
    _, agent = loaded(name)
    scenes = [(transcript.text, origin) for transcript, _, origin in scenes_of(part)]
    texts, places = [text for text, _ in scenes], [origin for _, origin in scenes]
    questions = [(words, scene) for words, _, scene, at in part["questions"] if at is not None]
    found = agent.call(
        [item({"passages": texts, "question": words}, {"passages": places}) for words, _ in questions]
    )
    hits = sum(one[0].origin == places[scene] for one, (_, scene) in zip(found, questions, strict=True))
    ranks = [
        1 / (1 + [p.origin for p in one].index(places[scene]))
        if places[scene] in [p.origin for p in one]
        else 0.0
        for one, (_, scene) in zip(found, questions, strict=True)
    ]
    return {
        "recall@1": hits / len(questions),
        "mrr": sum(ranks) / len(ranks),
        "hits": hits,
        "number": len(questions),
    }


def summaries(name: str, *, verbose: bool) -> dict[str, float]:
    """Share of key facts kept, of words that stand in the material, of the length that remains."""
    from murakkab_jupyter.agents.text.sentences import coverage

    _, agent = loaded(name)
    scenes = [*scenes_of(DATA["tune"]), *scenes_of(DATA["test"])]
    made = agent.call([item({"material": [("objects", [b]), ("transcript", t)]}) for t, b, _ in scenes])
    kept = total = 0
    faithful = brief = 0.0
    for text, (transcript, boxes, _), facts in zip(made, scenes, DATA["facts"], strict=True):
        kept += sum(fact.lower() in text.lower() for fact in facts)
        total += len(facts)
        labels = " ".join(box.label for box in boxes.boxes)
        faithful += coverage(text, f"{transcript.text} {labels} seen said")
        brief += len(text.split()) / len(transcript.text.split())
        if verbose:
            print(f"    {name}: {text}")
    n = len(scenes)
    return {
        "facts": kept / total,
        "faithful": faithful / n,
        "length": brief / n,
        "kept": kept,
        "number": total,
    }


def writing(name: str, *, verbose: bool) -> dict[str, float]:
    """Share of texts that do what the sentence says, by rules a program can check."""
    from murakkab_jupyter.agents.text.sentences import coverage

    _, agent = loaded(name)
    scenes = [*scenes_of(DATA["tune"]), *scenes_of(DATA["test"])][::2]
    jobs = [(task, transcript.text) for task in DATA["writing"] for transcript, _, _ in scenes]
    made = agent.call(
        [item({"material": [("text", text)]}, sentence=task["sentence"]) for task, text in jobs]
    )
    good = 0
    for text, (task, source) in zip(made, jobs, strict=True):
        words = len(text.split())
        does = (
            task.get("least_words", 1) <= words <= task["most_words"]
            and text.startswith(task.get("begins", ""))
            and text.endswith(task.get("ends", ""))
            and task.get("contains", "") in text
            and coverage(text, f"{source} {task['sentence']}") >= task["grounded"]
        )
        good += does
        if verbose:
            print(f"    {name} {'yes' if does else 'no '}: {task['sentence']} -> {text}")
    return {"does": good / len(jobs), "good": good, "number": len(jobs)}


def paths(agent: str) -> dict[str, Any]:
    """What an agent with several paths was measured with: one."""
    from murakkab_jupyter.agents.library import default_library

    return {"paths": 1} if default_library().agent(agent).option("paths") else {}


def quality(agent: str, options: Mapping[str, Any], hits: float, number: int, note: str) -> dict[str, Any]:
    low, high = wilson(hits, number)
    return {
        "agent": agent,
        "options": dict(options),
        "value": round(hits / number, 3),
        "low": round(low, 3),
        "high": round(high, 3),
        "source": "prior",
        "note": note,
    }


# --- timings, each in a fresh process, as an instance has it --------------------------------------------------


def time_one(name: str, cores: int, items: int, size: str) -> dict[str, Any]:
    """Load an agent and call it once to be warm, then measure a call of so many items."""
    from murakkab_jupyter.agents.library import default_library
    from murakkab_jupyter.core.kinds import measure

    library = default_library()
    spec = library.agent(name)
    capability = library.capability(spec.capability)
    options = spec.settings({})
    wall, cpu = time.perf_counter(), cpu_s()
    agent = spec.make()
    agent.load(options, cores)
    load_s, load_cpu_s = time.perf_counter() - wall, cpu_s() - cpu
    batch = [item(*values_for(spec.capability, size, index)) for index in range(items)]
    agent.call(batch[:1])
    best: tuple[float, float] | None = None
    # The least CPU time of some attempts: threads that wait for a core others have spin, and count as busy.
    for _ in range(2 if name.startswith("smollm2") else 9):
        wall, cpu = time.perf_counter(), cpu_s()
        agent.call(batch)
        taken = (time.perf_counter() - wall, cpu_s() - cpu)
        best = taken if best is None or taken[1] < best[1] else best
    assert best is not None
    work = 0.0
    for one in batch:
        ports = {
            port: measure(
                [v for _, v in value]
                if isinstance(value, list) and value and isinstance(value[0], tuple)
                else value
            )
            for port, value in one.values.items()
        }
        work += capability.work(ports, options)
    return {
        "agent": name,
        "options": options,
        "cores": cores,
        "items": items,
        "work": round(work, 1),
        "seconds": round(best[0], 6),
        "cpu_s": round(best[1], 6),
        "load_s": round(load_s, 4),
        "load_cpu_s": round(load_cpu_s, 4),
        "memory_bytes": resident(),
    }


def cpu_s() -> float:
    """CPU seconds of this process, in all its threads (none of these agents starts another process)."""
    return time.process_time()


def resident() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


def values_for(capability: str, size: str, index: int) -> tuple[dict[str, Any], dict[str, Any]]:
    scenes = [*scenes_of(DATA["tune"]), *scenes_of(DATA["test"])]
    first = index % len(scenes)
    asked = [(words, place) for words, _, place, at in DATA["tune"]["questions"] if at is not None]
    asked += [(words, 6 + place) for words, _, place, at in DATA["test"]["questions"] if at is not None]
    # A question that the first of the scenes answers, so that a language model is really asked.
    question = [words for words, place in asked if place == first][-1]
    scenes = scenes[first:] + scenes[:first]
    scenes = scenes[: {"small": 1, "large": 8}[size]]
    transcripts, boxes, origins = (list(column) for column in zip(*scenes, strict=True))
    match capability:
        case "embedding":
            return {"text": " ".join(t.text for t in transcripts)}, {}
        case "retrieval":
            return {"passages": transcripts, "question": question}, {"passages": origins}
        case "question-answering":
            return (
                {"question": question, "context": [("transcript", transcripts)]},
                {"context": [origins]},
            )
    return {"material": [("objects", boxes), ("transcript", transcripts)]}, {"material": [origins, origins]}


TIMED = ("wordllama", "minilm", *SEARCHERS, *ANSWERERS, *SUMMARISERS, *WRITERS)


def timings(say: Callable[[str], object], names: Sequence[str] = TIMED) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        slow = name in {
            "minilm",
            "minilm-search",
            "minilm-qa",
            "smollm2-qa",
            "smollm2-summary",
            "smollm2-135m",
        }
        for cores in (1, 2) if slow else (1,):
            shapes = ((1, "small"), (1, "large"), (4, "small"), (8, "large"))
            if cores > 1 and os.getloadavg()[0] > max(0.5, (os.cpu_count() or 1) - cores + 0.5):
                # Threads that share a core with others wait for each other: it would measure the others.
                say(
                    f"{name:20s} {cores} cores left out: the machine is busy (load average {os.getloadavg()[0]:.1f})"
                )
                continue
            for items, size in shapes[:3] if name.startswith("smollm2") else shapes:
                environment = os.environ | {
                    key: str(cores)
                    for key in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
                }
                done = subprocess.run(
                    [sys.executable, __file__, "--one", name, str(cores), str(items), size],
                    check=True,
                    capture_output=True,
                    text=True,
                    env=environment,
                )
                rows.append(json.loads(done.stdout.splitlines()[-1]))
                row = rows[-1]
                say(
                    f"{name:20s} {cores} cores, {items} x {row['work'] / items:6.0f}: {row['seconds']:8.4f} s,"
                    f" {row['cpu_s']:8.4f} CPU s, load {row['load_s']:.2f} s, {row['memory_bytes'] / 1e6:.0f} MB"
                )
    return rows


def qualities(say: Callable[[str], object], *, verbose: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name in SEARCHERS:
        for part in ("tune", "test"):
            found = recall(name, DATA[part])
            say(f"{name:20s} {part:5s} recall@1 {found['recall@1']:.2f}  MRR {found['mrr']:.3f}")
        note = f"recall@1 of {found['number']} questions over 8 scenes (benchmarks/text_quality.py)"
        rows.append(quality(name, {}, found["hits"], int(found["number"]), note))
        rows.append(quality(name.removesuffix("-search"), {}, found["hits"], int(found["number"]), note))
    for name in ANSWERERS:
        hits = number = 0.0
        for part in ("tune", "test"):
            for shape in ("transcripts", "summaries"):
                found = answers(name, DATA[part], shape, verbose=verbose)
                say(
                    f"{name:20s} {part:5s} from {shape:11s} right {found['right']:.2f}  evidence {found['evidence']:.2f}"
                    f"  silent when there is none {found['silent']:.2f}  words {found['words']:.0f}"
                )
                if part == "test":
                    hits += found["all_right"]
                    number += found["number"]
        note = "right answers, or silence where there is none, of 32 questions, mean of 2 kinds of context (benchmarks/text_quality.py)"
        rows.append(quality(name, paths(name), hits / 2, int(number / 2), note))
    for name in SUMMARISERS:
        found = summaries(name, verbose=verbose)
        say(
            f"{name:20s} facts kept {found['facts']:.2f}  words in the material {found['faithful']:.2f}"
            f"  length {found['length']:.2f}"
        )
        note = f"key facts kept, of {found['number']} in 14 scenes, {found['length']:.2f} of the words said (benchmarks/text_quality.py)"
        rows.append(quality(name, {}, found["kept"], int(found["number"]), note))
    for name in WRITERS:
        found = writing(name, verbose=verbose)
        say(f"{name:20s} does what the sentence says {found['does']:.2f}")
        note = f"texts that do what their sentence says, of {found['number']} (benchmarks/text_quality.py)"
        rows.append(quality(name, paths(name), found["good"], int(found["number"]), note))
    return rows


def machine() -> str:
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    busy = os.getloadavg()[0]
    return (
        f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, {platform.system()},"
        f" load average {busy:.1f} while measuring (CPU seconds are the safer figures)"
    )


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speed", action="store_true", help="measure timings too")
    parser.add_argument("--write", type=Path, help="write reference data for the planner")
    parser.add_argument("--verbose", action="store_true", help="show wrong answers, summaries and texts")
    parser.add_argument("--one", nargs=4, metavar=("AGENT", "CORES", "ITEMS", "SIZE"), help=argparse.SUPPRESS)
    parser.add_argument(
        "--agents",
        nargs="+",
        choices=TIMED,
        help="measure the timings of these again, in the file of --write",
    )
    chosen = parser.parse_args(arguments)
    if chosen.agents and not (chosen.write and chosen.write.is_file()):
        parser.error("--agents needs --write FILE with an existing file")
    if chosen.one:
        name, cores, items, size = chosen.one
        print(json.dumps(time_one(name, int(cores), int(items), size)))
        return
    if chosen.agents:
        known = json.loads(chosen.write.read_text())
        again = timings(print, chosen.agents)
        kept = [row for row in known["observations"] if row["agent"] not in chosen.agents]
        known |= {"observations": kept + again, "machine": machine(), "date": time.strftime("%Y-%m-%d")}
        chosen.write.write_text(json.dumps(known, indent=1) + "\n")
        return
    observations = timings(print) if chosen.speed or chosen.write else []
    rows = qualities(print, verbose=chosen.verbose)
    if chosen.write:
        reference = {
            "machine": machine(),
            "date": time.strftime("%Y-%m-%d"),
            "command": "python benchmarks/text_quality.py --write FILE",
            "observations": observations,
            "qualities": rows,
        }
        chosen.write.write_text(json.dumps(reference, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
