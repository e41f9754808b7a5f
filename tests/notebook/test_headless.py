"""Notebooks without anyone at the screen: papermill sets a goal, a failure is an exit code."""

from __future__ import annotations

import json
import subprocess
import sys

import nbformat
import pytest

CELLS = [
    ("%load_ext murakkab_jupyter", []),
    ("goal = 'latency'\nlimit = '2min'", ["parameters"]),
    ("def shout(text):\n    return text.upper()\n\nwords = ['a', 'b']", []),
    ("%%murakkab loudly --minimize {goal} --deadline {limit} --run\nloud <- shout {words} @python:shout", []),
    ("print(list(loudly.outputs['loud'].values()), loudly.plan.goal)", []),
]
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    for name in ("JOURNAL", "PROFILES"):
        monkeypatch.setenv(f"MURAKKAB_{name}", str(tmp_path / f"{name}.sqlite"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    made = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
    made.cells = [nbformat.v4.new_code_cell(text, metadata={"tags": tags}) for text, tags in CELLS]
    path = tmp_path / "goal.ipynb"
    nbformat.write(made, path)
    return path


def papermill(path, *words) -> tuple[int, str, dict]:
    out = path.with_name("out.ipynb")
    ended = subprocess.run(
        [sys.executable, "-m", "papermill", str(path), str(out), "--no-progress-bar", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert out.exists(), ended.stderr
    return ended.returncode, ended.stdout + ended.stderr, json.loads(out.read_text())


def test_papermill_sets_the_goal_by_a_parameter(notebook):
    code, _, made = papermill(notebook, "-p", "goal", "energy")
    assert code == 0
    assert "['A', 'B'] minimize energy" in "".join(made["cells"][-1]["outputs"][0]["text"])


def test_a_goal_that_cannot_be_met_ends_papermill_with_a_failure_and_the_reason(notebook):
    code, said, made = papermill(notebook, "-p", "limit", "0.000001s")
    assert code != 0
    assert "InfeasibleError" in said
    assert any(
        output["output_type"] == "error" for cell in made["cells"] for output in cell.get("outputs", [])
    )


PARTLY = [
    "%load_ext murakkab_jupyter",
    "def picky(text):\n    if text == 'b':\n        raise ValueError('no b')\n    return text\n\nwords = ['a', 'b']",
    "%%murakkab partly --run\nkept <- check {words} @python:picky",
    "print(partly.status)",
]


@pytest.mark.parametrize(("said", "code"), [("error", 1), (None, 0), ("eror", 0)])
def test_a_run_that_lacks_items_ends_nbconvert_with_a_failure_where_that_is_asked_for(
    notebook, monkeypatch, said, code
):
    monkeypatch.delenv("MURAKKAB_PARTIAL", raising=False)
    if said is not None:
        monkeypatch.setenv("MURAKKAB_PARTIAL", said)
    made = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
    made.cells = [nbformat.v4.new_code_cell(text) for text in PARTLY]
    nbformat.write(made, notebook)
    ended = subprocess.run(
        [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--stdout", str(notebook)],
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.returncode == code, ended.stderr
    if code:
        assert "no b" in ended.stderr
    else:
        assert "partial" in ended.stdout
    assert ("cannot be" in ended.stdout) == (said == "eror")


LEAVING = """\
%load_ext murakkab_jupyter
import time

def shout(text):
    time.sleep(0.5)  # work: the kernel leaves in the middle of it
    return text.upper()

words = [str(n) for n in range(200)]
get_ipython().run_cell_magic("murakkab", "loudly --minimize energy", "loud <- shout {words} @python:shout\\n")
%murakkab run loudly --background
"""


def test_whoever_leaves_with_a_run_in_the_background_sees_no_traceback(notebook):
    script = notebook.with_name("leaving.ipy")
    script.write_text(LEAVING)
    ended = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--no-confirm-exit", str(script)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert "is starting" in ended.stdout, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
