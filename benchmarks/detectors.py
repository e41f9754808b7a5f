"""What a picture costs the object detectors: OpenCV's network runtime against ONNX Runtime, on the same ONNX file.

`python benchmarks/detectors.py` writes `results/detectors.md`; with `--add`, as with another version of OpenCV, its table
goes below what is there. Only the network runs here; decoding, resizing and boxes are the same for both.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import cv2
import numpy as np
import onnxruntime
from common import RESULTS, header, table

from murakkab_jupyter.agents.perception.onnx import session
from murakkab_jupyter.agents.weights.resolver import resolve

REPEATS, PICTURES = 5, 24
PAGE = RESULTS / "detectors.md"
OUTPUTS = ["boxes", "scores"]


def opencv(threads: int) -> Callable[[Any], Any]:
    cv2.setNumThreads(threads)
    network = cv2.dnn.readNetFromONNX(str(resolve("ssd-mobilenet-v2")))

    def run(pictures: Any) -> Any:
        network.setInput(pictures)
        return network.forward(OUTPUTS)

    return run


def onnx(threads: int) -> Callable[[Any], Any]:
    network = session(resolve("ssd-mobilenet-v2"), threads)
    return lambda pictures: network.run(OUTPUTS, {"picture": pictures})


def cost(run: Callable[[Any], Any], pictures: Any) -> tuple[float, float]:
    """Medians of CPU-milliseconds and milliseconds a picture."""
    run(pictures)
    cpu_ms, wall_ms = [], []
    calls = PICTURES // len(pictures)
    for _ in range(REPEATS):
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(calls):
            run(pictures)
        each = 1e3 / (calls * len(pictures))
        cpu_ms.append((time.process_time() - cpu) * each)
        wall_ms.append((time.perf_counter() - wall) * each)
    return median(cpu_ms), median(wall_ms)


def main() -> None:
    start = header("Object detectors: OpenCV's network runtime against ONNX Runtime")
    rows = []
    random = np.random.default_rng(0)
    for size, batch, threads in itertools.product((300, 192), (1, 8), (1, 2)):
        pictures = random.uniform(-1, 1, (batch, 3, size, size)).astype(np.float32)
        # Made anew for each shape: OpenCV 4 keeps the paddings of the first one, and gives other boxes for the next.
        (cv_cpu, cv_wall), (rt_cpu, rt_wall) = (cost(make(threads), pictures) for make in (opencv, onnx))
        figures = [f"{one:.1f}" for one in (cv_cpu, rt_cpu, cv_wall, rt_wall)]
        rows.append([str(size), str(batch), str(threads), *figures, f"{rt_cpu / cv_cpu:.2f}"])
    units = [
        "OpenCV, CPU-ms",
        "ONNX Runtime, CPU-ms",
        "OpenCV, ms",
        "ONNX Runtime, ms",
        "CPU: ONNX Runtime / OpenCV",
    ]
    lines = [
        f"## OpenCV {cv2.__version__}, ONNX Runtime {onnxruntime.__version__}", "",
        f"A picture; medians of {REPEATS} times {PICTURES} pictures. ONNX Runtime's threads do not spin.", "",
        *table(["side, pixels", "batch", "threads", *units], rows),
    ]  # fmt: skip
    start += [
        "", "The agents use ONNX Runtime, a picture at a time: a batch saves no CPU time. On a busy machine trust the CPU time.",
    ]  # fmt: skip
    before = [PAGE.read_text().rstrip()] if "--add" in sys.argv else start
    PAGE.write_text("\n".join([*before, "", *lines, ""]))


if __name__ == "__main__":
    main()
