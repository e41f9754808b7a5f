from __future__ import annotations

import tomllib
from pathlib import Path

import murakkab_jupyter
from murakkab_jupyter.core.version import VERSION


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION == murakkab_jupyter.__version__
