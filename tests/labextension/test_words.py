"""The extension reads cells and lines as the language does: names, options, references, levels, pins, keys, errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from murakkab_jupyter.core.errors import LanguageError
from murakkab_jupyter.verbs import VERBS
from murakkab_jupyter.workflow.goal import OBJECTIVES
from murakkab_jupyter.workflow.language.options import GOAL_OPTIONS, OTHER_OPTIONS
from murakkab_jupyter.workflow.language.parse import parse
from tests.labextension.lab import ROOT

# The same file is checked against the TypeScript by labextension/test/tokens.test.ts and words.test.ts.
FILE = json.loads((ROOT / "labextension" / "test" / "cells.json").read_text(encoding="utf-8"))


def read(cell: str) -> dict[str, Any]:
    """What the language reads in a cell, in the fields of the file."""
    try:
        found = parse(cell)
    except LanguageError:
        return {"error": True}
    steps = found.steps
    pins = [step.pin for step in steps if step.pin is not None]
    return {
        "name": found.name,
        "options": [word.text.split("=")[0] for word in found.options if word.text.startswith("-")],
        "steps": [step.name for step in steps],
        "refs": [ref.name for step in steps for ref in step.all_refs()],
        "levels": [step.per for step in steps if step.per is not None],
        "pins": [pin.target for pin in pins],
        "keys": [key.name for pin in pins for key in pin.keys],
    }


@pytest.mark.parametrize("case", FILE["cells"], ids=lambda case: case["cell"][:40])
def test_cells_are_read_as_the_file_says(case):
    assert read(case["cell"]) == case["read"]


def test_every_option_and_goal_is_in_the_file():
    options = {one for case in FILE["cells"] for one in case["read"].get("options", [])}
    assert {f"--{name}" for name in (*GOAL_OPTIONS, *OTHER_OPTIONS)} <= options
    text = " ".join(case["cell"] for case in FILE["cells"])
    assert [goal for goal in OBJECTIVES if goal not in text] == []


def test_the_verbs_of_the_panel_are_verbs_of_the_line():
    assert set(FILE["verbs"]) <= {verb.name for verb in VERBS if "magic" in verb.faces}
