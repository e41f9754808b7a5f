"""The tutorials as they are committed: run, readable without a kernel, small, and nobody's machine in them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FOLDERS = re.compile(r"(?<![\w.:/<])/(?:root|home|work|tmp|Users|var)/|[A-Z]:\\\\Users")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


def outputs(path: Path) -> list[dict]:
    cells = json.loads(path.read_text())["cells"]
    return [one for cell in cells if cell["cell_type"] == "code" for one in cell["outputs"]]


def test_each_that_is_there_is_named_in_the_docs_and_each_that_is_named_is_there():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    named = {name for page in pages for name in re.findall(r"notebooks/(\w+)\.ipynb", page.read_text())}
    assert named == {path.stem for path in NOTEBOOKS}


def test_every_cell_was_run_in_order_and_none_failed(path):
    counts = [c["execution_count"] for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert not [one for one in outputs(path) if one["output_type"] == "error"]


def test_it_is_small_enough_for_a_repository(path):
    assert path.stat().st_size < 300_000


def test_no_folder_of_the_machine_it_was_run_on_is_in_it(path):
    assert FOLDERS.search("/home/someone/clip.mp4")
    for one in outputs(path):
        assert not FOLDERS.search(json.dumps(one.get("data", one.get("text", ""))))


def test_the_name_of_the_machine_it_was_run_on_is_not_in_it(path):
    for one in outputs(path):
        text = json.dumps(one.get("data", one.get("text", "")))
        assert set(re.findall(r"(?:of host|worker on) ([\w.-]*\w)", text)) <= {"my-machine"}


def test_plans_and_results_have_html_and_text_and_need_no_kernel(path):
    shown = [one["data"] for one in outputs(path) if "text/html" in one.get("data", {})]
    assert len(shown) >= 3
    assert all("text/plain" in data for data in shown)
    kinds = {kind for data in shown for kind in data}
    assert not any("widget" in kind for kind in kinds)
