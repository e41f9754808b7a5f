"""How many scenes a look at a video expects before anything is run, against how many are found.

    python benchmarks/expectations.py [VIDEO ...] [--write]

Without videos: the demo's clips, the benchmarks' own, and that one repeated to ten minutes (what a look costs). The look
is made anew, nothing kept. Expected is what a plan rests on for `content-scenes`, found is what that agent detects.
"""

from __future__ import annotations

import argparse
import sys
import time
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from clip import clip
from common import RESULTS, header, table

from murakkab_jupyter.agents.agent import Inputs
from murakkab_jupyter.agents.media.files import probe
from murakkab_jupyter.agents.media.looking import SCENE_S, look
from murakkab_jupyter.agents.perception.video import CONTENT_SCENES
from murakkab_jupyter.agents.weights.resolver import resolve
from murakkab_jupyter.core.errors import InputError
from murakkab_jupyter.core.kinds import Video
from murakkab_jupyter.core.media import cache_dir

LONG_S = 600.0


def repeated(source: Path, seconds: float) -> Path:
    """The pictures of a video again and again, packet by packet, until it is that long."""
    import av

    path = cache_dir() / f"benchmark-long-{seconds:.0f}.mp4"
    if path.exists():
        return path
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as out:
        made, start = None, 0
        while made is None or start * made.time_base < seconds:
            with av.open(str(source)) as opened:
                stream = opened.streams.video[0]
                if made is None:
                    made = out.add_stream_from_template(stream)
                    made.time_base = stream.time_base or Fraction(1, 10240)
                length = int(stream.duration or 0)
                for packet in opened.demux(stream):
                    if packet.pts is None or packet.dts is None:
                        continue
                    packet.pts, packet.dts, packet.stream = packet.pts + start, packet.dts + start, made
                    out.mux(packet)
                start += length
    part.replace(path)
    return path


def row(path: Path) -> list[str]:
    """Expected and found of one file."""
    try:
        video = probe(path, "video")
    except InputError as error:
        return [path.name, "", "", "", str(error), "", "", ""]
    if not isinstance(video, Video):
        msg = f"{path} is no video."
        raise SystemExit(msg)
    spent, wall = time.process_time(), time.perf_counter()
    seen = look(video)
    spent, wall = time.process_time() - spent, time.perf_counter() - wall
    agent = CONTENT_SCENES.make()
    agent.load(CONTENT_SCENES.settings({}), 1)
    (found,) = agent.call([Inputs((), {"video": video})])
    number = len(found)
    prior = max(1, round(video.duration_s / SCENE_S))
    if seen is None:
        return [path.name, f"{video.duration_s:.1f}", str(number), str(prior), "nothing seen", "", "", ""]
    return [
        path.name,
        f"{video.duration_s:.1f}",
        str(number),
        str(prior),
        f"{seen.scenes:.0f} ({seen.low:.0f}-{seen.high:.0f})",
        "yes" if seen.low <= number <= seen.high else "NO",
        f"{seen.pictures} of {seen.keys}",
        f"{spent:.2f} ({wall:.2f})",
    ]


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("videos", type=Path, nargs="*")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/expectations.md")
    chosen = parser.parse_args()
    sys.argv[1:] = [
        Path(one).name for one in sys.argv[1:]
    ]  # where they lie on this machine is nobody's concern
    lines = header("Scenes expected before a run, and scenes found")
    videos = [resolve(name) for name in ("obama-speech", "bikes", "big-buck-bunny")]
    videos += [clip(), repeated(clip(), LONG_S), *chosen.videos]
    head = [
        "video", "s", "found", "guess without a look", "expected (band)", "in the band", "key frames decoded",
        "CPU-s of the look (wall)",
    ]  # fmt: skip
    rows = []
    for path in videos:
        rows.append(row(path))
        print(rows[-1], flush=True)
    text = "\n".join([*lines, "", *table(head, rows)]) + "\n"
    if chosen.write:
        (RESULTS / "expectations.md").write_text(text)
    print(text)
    return 0 if all(one[5] in ("", "yes") for one in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
