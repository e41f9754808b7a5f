"""The extension says amounts as the kernel's own views say them."""

from __future__ import annotations

import json

import pytest

from murakkab_jupyter.notebook.views.figures import amount
from tests.labextension.lab import ROOT

# The same file is checked against the TypeScript by labextension/test/figures.test.ts.
CASES = json.loads((ROOT / "labextension" / "test" / "amounts.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("value", "unit", "words"), CASES)
def test_amounts_of_the_extension_are_those_of_the_views(value, unit, words):
    assert amount(value, unit) == words
