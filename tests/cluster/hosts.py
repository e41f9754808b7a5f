"""A scheduler and workers as processes of their own, each worker with its own home, folder and cache."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from tests.cluster.parts import wait_for

NOBODY = 65534
BLIND = (
    "setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
    "--inh-caps=-dac_override,-dac_read_search",
)
"""Root that may read only what everyone, or root as its owner, may read."""


class Place:
    """Processes of one pretended cluster; everything ends with `close`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mk-place-"))
        self.processes: list[subprocess.Popen[bytes]] = []
        self._scheduler = ""
        self._workers: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def address(self) -> str:
        """Where the scheduler is, once every worker that was started has joined it, however slow the machine."""

        def joined(name: str) -> bool:
            return "Registered to:" in self.log(name) or self._workers[name].poll() is not None

        wait_for(lambda: all(joined(name) for name in self._workers), 120.0)
        return self._scheduler

    def scheduler(self, *options: str, protocol: str = "tcp", env: dict[str, str] | None = None) -> str:
        file = self.folder / "scheduler.json"
        self.start(
            "scheduler", "--host", f"{protocol}://127.0.0.1", "--port", "0", "--no-dashboard",
            "--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(file), *options,
            name="scheduler", env=env,
        )  # fmt: skip
        import json

        def there() -> bool:
            try:
                self._scheduler = json.loads(file.read_text())["address"]
            except (OSError, ValueError):
                return False
            return True

        wait_for(there)
        return self._scheduler

    def worker(
        self,
        name: str,
        *options: str,
        cores: int = 1,
        declared: bool = True,
        blind: bool = False,
        nanny: bool = False,
        protocol: str = "tcp",
        env: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        home = self.folder / name
        for part in (home, home / "cache", home / "dask"):
            part.mkdir()
        self._workers[name] = self.start(
            "worker", self._scheduler, "--nworkers", "1", "--nthreads", str(cores), "--no-dashboard",
            "--local-directory", str(home / "dask"), "--name", name, "--host", f"{protocol}://127.0.0.1",
            *(("--resources", f"cores={cores}") if declared else ()),
            "--nanny" if nanny else "--no-nanny", *options,
            name=name, blind=blind,
            env={"HOME": str(home), "MURAKKAB_CACHE": str(home / "cache"), **(env or {})},
        )  # fmt: skip
        return self._workers[name]

    def start(
        self, *words: str, name: str, blind: bool = False, env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        home = self.folder / name
        home.mkdir(exist_ok=True)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("DASK_", "MURAKKAB_"))}
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*(BLIND if blind else ()), sys.executable, "-m", "dask", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=home,
                env={**kept, **(env or {})},
            )
        self.processes.append(process)
        return process

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def close(self) -> None:
        for process in reversed(self.processes):
            for one in (*children(process.pid), process.pid):
                try:
                    os.kill(one, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def children(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
