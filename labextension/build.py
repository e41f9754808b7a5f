"""Builds the JupyterLab extension: `python labextension/build.py`.

Needs node 20 or newer, and `jlpm` and `jupyter-builder` (`pip install jupyterlab jupyter-builder`) beside this
Python or on the path. What it makes lies in `murakkab_jupyter/labextension`; a wheel that is built afterwards
carries it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILT = HERE.parent / "murakkab_jupyter" / "labextension"
LARGEST_ENTRY = 36_000
"""Bytes of one of our scripts: what a person loads with every page."""


def build() -> None:
    """Install what the lock file says, compile, bundle, and check what came out."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    missing = [name for name in ("node", "jlpm", "jupyter-builder") if shutil.which(name, path=path) is None]
    if missing:
        sys.exit(
            f"The extension cannot be built: {', '.join(missing)} not found. Install node 20 or newer, "
            "and pip install jupyterlab jupyter-builder."
        )
    environment = {**os.environ, "PATH": path}
    for command in (["jlpm", "install", "--immutable"], ["jlpm", "build:prod"]):
        done = subprocess.run(command, cwd=HERE, env=environment, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed.")
    check()


def check() -> None:
    """The version is the package's own, and every script is small."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    made = json.loads((BUILT / "package.json").read_text(encoding="utf-8"))
    if made["version"] != project["version"]:
        sys.exit(
            f"labextension/package.json says {made['version']}, pyproject.toml says {project['version']}."
        )
    large = [
        f"{one.name} ({one.stat().st_size} bytes)"
        for one in BUILT.rglob("*.js")
        if one.stat().st_size > LARGEST_ENTRY
    ]
    if large:
        sys.exit(f"Larger than {LARGEST_ENTRY} bytes: {', '.join(large)}.")


if __name__ == "__main__":
    build()
