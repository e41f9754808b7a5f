"""Tries newer versions than constraints.txt has: see tests/newest.sh, which installs what this needs."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
# About two minutes on two cores: the models, media, tables, views, the solver and the cluster, each where it meets other people's packages.
SELECTION = (
    "tests/agents/perception",
    "tests/agents/language/test_llm.py",
    "tests/agents/text",
    "tests/cluster/test_driver.py",
    "tests/notebook/test_magics.py",
    "tests/notebook/test_plots.py",
    "tests/planner/exact/test_problem.py",
    "tests/runtime/test_export.py",
)
Versions = dict[str, str]
"""Canonical names of packages and their versions."""


def direct() -> dict[str, Requirement]:
    """What pyproject.toml asks for by name, of all extras and the build group, by canonical name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lists = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    found = [Requirement(line) for each in lists for line in each]
    return {canonicalize_name(one.name): one for one in found if one.name != project["project"]["name"]}


def read(text: str) -> Versions:
    """The `name==version` lines that hold for this Python."""
    lines = [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]
    return {
        canonicalize_name(one.name): str(one.specifier).removeprefix("==")
        for one in lines
        if one.marker is None or one.marker.evaluate()
    }


def newest(folder: Path, *, ceilings: bool) -> Versions:
    """The newest versions that the package index offers, within the ceilings or without any."""
    command = [
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--upgrade",
        "--all-extras",
        "--group",
        "build",
        "--no-annotate",
    ]
    command += ["--python", sys.executable, "pyproject.toml"]
    if not ceilings:
        (folder / "overrides.txt").write_text("".join(f"{name}\n" for name in direct()))
        command += ["--override", str(folder / "overrides.txt")]
    return read(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


@dataclass(frozen=True)
class Environment:
    """A virtual environment with this project and chosen versions of everything else."""

    folder: Path

    def install(self, versions: Versions) -> None:
        """These versions and nothing else, whatever the ceilings say, and the project."""
        wanted = self.folder.with_suffix(".txt")
        wanted.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()))
        if not self.folder.exists():
            self.run("uv", "venv", "--quiet", "--python", sys.executable, str(self.folder)).check_returncode()
        install = ("uv", "pip", "install", "--quiet", "--python", str(self.folder), "--no-deps")
        for what in (("-r", str(wanted)), (str(ROOT),)):
            done = self.run(*install, *what)
            if done.returncode:
                raise SystemExit(done.stdout)

    def run(self, *command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        """What a command does and says, with this environment's programs first."""
        environ = {
            **os.environ,
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "MURAKKAB_BROWSER_TESTS": "off",
        }
        return subprocess.run(
            command,
            cwd=cwd,
            env=environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )

    def breaks(self) -> str:
        """What fails on these versions, in one line; empty when the demo and the selection of tests pass."""
        demo = self.run(f"{self.folder}/bin/murakkab", "demo", cwd=self.folder)
        tests = self.run(
            f"{self.folder}/bin/python", "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", *SELECTION
        )
        said = [] if demo.returncode == 0 else [f"`murakkab demo` ends with {demo.returncode}"]
        if tests.returncode:
            lines = tests.stdout.splitlines()
            failed = [line for line in lines if line.startswith(("FAILED ", "ERROR "))] or lines[-1:]
            said.append(f"{len(failed)} tests fail, first {failed[0][:160]}")
            print(tests.stdout[-6000:], file=sys.stderr)
        if demo.returncode:
            print(demo.stdout[-3000:], file=sys.stderr)
        return "; ".join(said).replace("|", "/")


def verdicts(folder: Path, locked: Versions, wanted: Versions) -> dict[str, str]:
    """What each of our own dependencies does in a newer version: together first, and one by one where that breaks."""
    newer = {name: version for name, version in wanted.items() if locked.get(name) != version}
    if not newer:
        return {}
    together = Environment(folder / "together")
    together.install(wanted)
    broken = together.breaks()
    ours = [name for name in direct() if name in newer]
    if not broken:
        return dict.fromkeys(ours, "works")
    found = {}
    for name in ours:
        alone = Environment(folder / f"alone-{name}")
        alone.install({**locked, name: newer[name]})
        found[name] = alone.breaks() or "works alone"
    found["all together"] = broken
    return found


def table(locked: Versions, halves: dict[str, tuple[Versions, dict[str, str]]]) -> list[str]:
    """One row per dependency of our own and half that was tried."""
    lines = ["| package | locked | newest | works, or what breaks |", "| --- | --- | --- | --- |"]
    for title, (wanted, found) in halves.items():
        same = [name for name in sorted(direct()) if wanted.get(name) == locked.get(name)]
        lines += [
            f"| {name} ({title}) | {locked.get(name, 'none')} | {wanted[name]} | {found[name]} |"
            for name in sorted(direct())
            if name not in same and name in wanted
        ]
        others = sum(locked.get(name) != version for name, version in wanted.items() if name not in direct())
        lines.append(
            f"| {len(same)} others ({title}) | the newest | as locked | works: what all tests run on |"
        )
        if others:
            lines.append(f"| {others} packages that these bring ({title}) | | newer | tried with the above |")
        if "all together" in found:
            lines.append(f"| all of these together ({title}) | | | {found['all together']} |")
    return lines


def page(lines: list[str]) -> str:
    """The table with how it was made."""
    version, today = platform.python_version(), datetime.date.today().isoformat()
    return "\n".join(
        [
            "# Versions",
            "",
            "`constraints.txt` holds the version of every package that the tests run on; README's commands install those. Ceilings in",
            "`pyproject.toml` say how far you may go beyond. This table says what newer versions do, as far as the demo and two minutes of tests",
            f"can tell. Made on {today} with Python {version}: `bash tests/newest.sh --write docs/versions.md`.",
            "",
            *lines,
            "",
        ]
    )


def main() -> int:
    """Try, print, and say whether what the ceilings allow works."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("half", nargs="?", choices=["allowed", "all"], help="one half; both by default")
    parser.add_argument("--write", type=Path, help="write the table to this page")
    asked = parser.parse_args()
    locked = read((ROOT / "constraints.txt").read_text())
    halves = {}
    with tempfile.TemporaryDirectory() as temporary:
        for title, half in (("allowed", "allowed"), ("newest of all", "all")):
            if asked.half in (None, half):
                folder = Path(temporary) / half
                folder.mkdir()
                wanted = newest(folder, ceilings=half == "allowed")
                halves[title] = wanted, verdicts(folder, locked, wanted)
    lines = table(locked, halves)
    print("\n".join(lines))
    if asked.write:
        asked.write.write_text(page(lines))
    found = halves.get("allowed", ({}, {}))[1]
    return int("all together" in found)


if __name__ == "__main__":
    sys.exit(main())
