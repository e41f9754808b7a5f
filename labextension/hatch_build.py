"""Puts the JupyterLab extension into the wheel when it has been built, and builds it only when asked.

`pip install .` needs no node and asks no registry: without the built extension the wheel simply lacks it.
MURAKKAB_BUILD_LABEXTENSION=1 builds it first (needs node, and `jlpm` and `jupyter-builder` on the path).
"""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class LabextensionHook(BuildHookInterface):  # type: ignore[type-arg]
    """The prebuilt extension as shared data."""

    PLUGIN_NAME = "labextension"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add what has been built to the wheel."""
        root = Path(self.root)
        built = root / "murakkab_jupyter" / "labextension"
        if os.environ.get("MURAKKAB_BUILD_LABEXTENSION") == "1":
            runpy.run_path(str(root / "labextension" / "build.py"))["build"]()
        if not (built / "package.json").is_file():
            return
        target = "share/jupyter/labextensions/murakkab-jupyter"
        build_data["shared_data"][str(built)] = target
        build_data["shared_data"][str(root / "labextension" / "install.json")] = f"{target}/install.json"
