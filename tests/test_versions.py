"""What is installed is said: every dependency has a ceiling, and what README and the tests install is locked."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text()
PYTHONS = ("3.11", "3.12", "3.13")
INSTALLS = (
    "README.md",
    "CONTRIBUTING.md",
    "environment.yml",
    "docs/jupyterlab.md",
    "tests/all.sh",
    "tests/install.sh",
    "tests/labextension.sh",
    "tests/vllm.sh",
)


def dependencies() -> list[Requirement]:
    project = tomllib.loads(PROJECT)
    lists = [
        project["build-system"]["requires"],
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    return [Requirement(line) for each in lists for line in each if not line.startswith("murakkab-jupyter")]


def locked(python: str) -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    environment = {"python_full_version": f"{python}.1", "python_version": python, "sys_platform": "linux"}
    return {
        canonicalize_name(one.name): str(one.specifier).removeprefix("==")
        for one in (Requirement(line) for line in lines if line and not line.startswith("#"))
        if one.marker is None or one.marker.evaluate(environment)
    }


def test_every_dependency_has_a_ceiling_or_says_why_not() -> None:
    open_ones = [
        one
        for one in dependencies()
        if not any(part.operator in ("<", "<=", "==", "~=") for part in one.specifier)
    ]
    lines = PROJECT.splitlines()
    for one in open_ones:
        said = [line for line in lines if f'"{one}"' in line]
        assert said, one
        assert all("# open: " in line for line in said), f"{one} has no ceiling and does not say why"


def test_what_is_narrower_than_a_major_version_says_why() -> None:
    for line in PROJECT.splitlines():
        if line.lstrip().startswith('"') and "==" in line:
            assert "#" in line, f"{line.strip()} is exact and does not say why"


def test_the_lock_holds_a_version_of_each_that_its_ceiling_allows() -> None:
    for python in PYTHONS:
        versions = locked(python)
        for one in dependencies():
            version = versions.get(canonicalize_name(one.name))
            assert version is not None, (
                f"constraints.txt lacks {one.name} for Python {python}: bash tests/lock.sh"
            )
            assert one.specifier.contains(version, prereleases=True), (
                f"{one} and {version}: bash tests/lock.sh"
            )


def test_all_that_installs_takes_the_locked_versions() -> None:
    """Lines that bring this project or its build tools from a checkout."""
    for name in INSTALLS:
        text = (ROOT / name).read_text()
        lines = [line for line in text.splitlines() if re.search(r"pip\"? install|- -c ", line)]
        own = [line for line in lines if re.search(r"'\.\[|'\.'| \. *$|\.whl|--group|-e |- -c ", line)]
        assert own, name
        assert all(re.search(r"-c .*constraints\.txt", line) for line in own), own
