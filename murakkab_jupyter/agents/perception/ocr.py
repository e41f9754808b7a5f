"""Reading the text written in a picture: RapidOCR, or Tesseract where it is installed."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Failed, Inputs, Needs, Option
from murakkab_jupyter.agents.media.pictures import READING, Pixels, read_frame
from murakkab_jupyter.core.errors import AgentError, MurakkabError

__all__ = ["RAPIDOCR", "TESSERACT", "OcrAgent", "RapidOcrAgent", "TesseractAgent", "words_of_tsv"]

TIMEOUT_S = 120.0

LONGEST_SIDE = Option(
    "longest_side",
    int,
    2000,
    least=32,
    help="a picture whose longer side has more pixels is reduced to it first",
)


class OcrAgent(Agent):
    """What readers of text have in common."""

    def call(self, batch: Sequence[Inputs]) -> Sequence[Any]:
        """The text in each picture, one line for each line written; empty where nothing is."""
        results: list[Any] = []
        for item in batch:
            try:
                results.append("\n".join(self.read(read_frame(item.values["picture"]))))
            except MurakkabError as error:
                results.append(Failed(" ".join(error.lines())))
        return results

    @abstractmethod
    def read(self, pixels: Pixels) -> list[str]:
        """The lines of text in one picture, from top to bottom."""


class RapidOcrAgent(OcrAgent):
    """PP-OCRv6 (small) through ONNX Runtime; its models are inside the package."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Load the two networks with as many threads as there are cores."""
        try:
            from rapidocr import RapidOCR
        except ImportError as error:
            msg = f"RapidOCR cannot be loaded: {error}."
            raise AgentError(msg, hint="pip install rapidocr onnxruntime") from error
        self._engine = RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.use_cls": False,  # it turns text that stands upside down, which videos hardly have
                "Global.text_score": float(options["least_score"]),
                "Global.max_side_len": int(options.get(LONGEST_SIDE.name, LONGEST_SIDE.default)),
                "EngineConfig.onnxruntime.intra_op_num_threads": cores,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def read(self, pixels: Pixels) -> list[str]:
        """Lines found and read; the engine takes blue, green, red."""
        found = self._engine(pixels[:, :, ::-1])
        return [str(line) for line in found.txts or ()]


class TesseractAgent(OcrAgent):
    """The `tesseract` program: words it is unsure of are left out, for it sees letters in any texture."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Ask the program for its version, so that a broken installation is told at once."""
        self._language = str(options["language"])
        self._least = 100.0 * float(options["least_score"])
        self._environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
        found = self.run(["tesseract", "--list-langs"], None)
        if self._language not in found.split():
            msg = f"Tesseract has no language {self._language!r} here."
            raise AgentError(msg, hint=f"Install tesseract-ocr-{self._language}, or choose another language.")

    def read(self, pixels: Pixels) -> list[str]:
        """Sparse text, read line by line."""
        height, width = pixels.shape[:2]
        picture = b"P6 %d %d 255\n" % (width, height) + pixels.tobytes()
        command = ["tesseract", "stdin", "stdout", "--psm", "11", "-l", self._language, "tsv"]
        return words_of_tsv(self.run(command, picture), self._least)

    def run(self, command: list[str], data: bytes | None) -> str:
        """Run the program; raises `AgentError` with what it says where it fails, takes too long or is not there."""
        try:
            done = subprocess.run(
                command,
                input=data,
                capture_output=True,
                env=self._environment,
                timeout=TIMEOUT_S,
                check=False,
            )
        except FileNotFoundError as error:
            msg = "The program tesseract is not on the path."
            raise AgentError(msg, hint="Install it, e.g. apt-get install tesseract-ocr.") from error
        except subprocess.TimeoutExpired as error:
            msg = f"Tesseract took more than {TIMEOUT_S:.0f} s for one picture."
            raise AgentError(msg, hint="Give smaller pictures.") from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
            msg = f"Tesseract failed: {said[-1]}"
            raise AgentError(msg, hint="Does `tesseract --version` work?")
        return done.stdout.decode(errors="replace")


def words_of_tsv(text: str, least: float) -> list[str]:
    """Lines of words at least this sure (0..100) that hold two letters or digits, from Tesseract's table."""
    lines: dict[tuple[str, str, str], list[str]] = {}
    for row in csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE):
        word = (row.get("text") or "").strip()
        try:
            sure = float(row.get("conf") or -1)
        except ValueError:
            continue
        if sure >= least and len(re.findall(r"\w", word)) >= 2:
            key = (str(row["block_num"]), str(row["par_num"]), str(row["line_num"]))
            lines.setdefault(key, []).append(word)
    return [" ".join(line) for line in lines.values()]


RAPIDOCR = AgentSpec(
    name="rapidocr",
    version=f"1+3.10.0+{READING}",
    capability="ocr",
    summary="RapidOCR with PP-OCRv6: reads captions, slides and screens well, at a price.",
    factory="murakkab_jupyter.agents.perception.ocr:RapidOcrAgent",
    options=(
        Option("least_score", float, 0.5, help="lines surer than this are kept"),
        LONGEST_SIDE,
    ),
    needs=Needs(modules=("rapidocr", "onnxruntime", "av", "PIL"), memory_bytes=400_000_000),
    max_cores=4,
    max_batch=16,
)

TESSERACT = AgentSpec(
    name="tesseract",
    version=f"1+{READING}",
    capability="ocr",
    summary="Tesseract, where the program is installed: quick, good on slides, poor on small captions.",
    factory="murakkab_jupyter.agents.perception.ocr:TesseractAgent",
    options=(
        Option("language", str, "eng", help="a language that Tesseract has, e.g. eng or deu"),
        Option("least_score", float, 0.6, help="words surer than this are kept"),
    ),
    needs=Needs(modules=("av", "PIL"), executables=("tesseract",), memory_bytes=120_000_000),
    max_batch=16,
)
