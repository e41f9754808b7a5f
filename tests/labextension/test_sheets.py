"""The extension draws from the kernel's sheets; `labextension/test/sheets.json` holds one of each, for its own tests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from murakkab_jupyter.notebook.views.frontier import frontier_sheet
from murakkab_jupyter.notebook.views.plan_sheet import plan_sheet
from murakkab_jupyter.notebook.views.run import run_sheet
from tests.labextension.lab import ROOT
from tests.notebook import samples

FILE = ROOT / "labextension" / "test" / "sheets.json"


def sheets() -> dict[str, Any]:
    return {
        "plan": plan_sheet(samples.plan(), samples.newsroom()),
        "frontier": frontier_sheet([samples.plan(), samples.plan()]),
        "run": run_sheet(samples.run_state()),
    }


def missing(kept: Any, made: Any, where: str) -> list[str]:
    """Fields that are in the file and no longer in the sheet."""
    if isinstance(kept, dict) and isinstance(made, dict):
        lost = [f"{where}.{key}" for key in kept if key not in made]
        return lost + [
            one for key in kept if key in made for one in missing(kept[key], made[key], f"{where}.{key}")
        ]
    if isinstance(kept, list) and isinstance(made, list) and kept:
        return missing(kept[0], made[0], f"{where}[0]") if made else [f"{where}[0]"]
    return []


@pytest.mark.parametrize("kind", ["plan", "frontier", "run"])
def test_every_field_that_the_extension_was_tested_with_is_still_in_the_sheet(kind):
    kept = json.loads(FILE.read_text(encoding="utf-8"))[kind]
    # Where a field has gone, labextension/src/sheets.ts and this file follow: python -m tests.labextension.test_sheets
    assert missing(kept, sheets()[kind], kind) == []


if __name__ == "__main__":
    FILE.write_text(
        json.dumps(sheets(), indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
    )
