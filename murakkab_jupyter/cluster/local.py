"""The worker that is started on this host: a Dask nanny in a process of its own.

    python -m murakkab_jupyter.cluster.local PARENT_PID SCHEDULER OPTIONS_AS_JSON

Not Dask's `LocalCluster`: its worker imports the caller's `__main__` again, so that a plain script would have
to be guarded, and it stands in the caller's process group, where an interrupt meant for a cell would end it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

import psutil
from distributed import Nanny, Scheduler, SpecCluster
from distributed.deploy.subprocess import Subprocess

from murakkab_jupyter.cluster.instances.parent import die_with

__all__ = ["LocalWorker", "local_cluster", "main"]


WAITING_THREADS = 16
"""Batches of remote agents that may wait at once."""


class LocalWorker(Subprocess):  # type: ignore[misc]
    """A nanny and its worker, which end when this process does, and only then."""

    def __init__(self, scheduler: str, name: str, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.scheduler = scheduler
        self.options = {"name": name, **options}

    async def _start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "murakkab_jupyter.cluster.local",
            str(os.getpid()),
            self.scheduler,
            json.dumps(self.options),
            stdin=asyncio.subprocess.DEVNULL,
            env=environment(),
            start_new_session=True,
        )

    async def close(self) -> None:
        """End the nanny, then what it started; Python's tracker of semaphores tidies up and ends by itself."""
        process, children = self.process, []
        if process is not None and process.returncode is None:
            with contextlib.suppress(psutil.Error):
                children = psutil.Process(process.pid).children(recursive=True)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        for child in children:
            with contextlib.suppress(psutil.Error):
                if not any("resource_tracker" in word for word in child.cmdline()):
                    child.kill()
        await super().close()


def environment() -> dict[str, str]:
    """The environment as it is here, the way to the same modules, and silence from Dask."""
    made = dict(os.environ)
    made["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path for path in sys.path if path))
    made["DASK_LOGGING__DISTRIBUTED"] = "critical"
    # What a killed worker leaves behind is tidied up without a word.
    told = os.environ.get("PYTHONWARNINGS")
    made["PYTHONWARNINGS"] = ",".join(filter(None, (told, "ignore:resource_tracker:UserWarning")))
    return made


def local_cluster(*, cores: int, gpus: int, memory_bytes: int, dashboard: bool) -> SpecCluster:
    """A scheduler in this process and one worker beside it, all on loopback."""
    options = {
        "host": "127.0.0.1",
        # The resource "cores" is what limits tasks that compute; those that wait for a server take a thread each.
        "nthreads": cores + WAITING_THREADS,
        "resources": {"cores": cores} | ({"GPU": gpus} if gpus else {}),
        "memory_limit": memory_bytes,
        "dashboard": False,
    }
    return SpecCluster(
        workers={"host": {"cls": LocalWorker, "options": {"options": options}}},
        scheduler={
            "cls": Scheduler,
            "options": {
                "host": "127.0.0.1",
                "port": 0,
                "dashboard": dashboard,
                "dashboard_address": "127.0.0.1:0",
            },
        },
        silence_logs=logging.CRITICAL,
    )


async def serve(scheduler: str, options: Mapping[str, Any]) -> None:
    """Be a nanny until told to end."""
    async with Nanny(scheduler, silence_logs=logging.CRITICAL, **options) as nanny:
        await nanny.finished()


def main(arguments: list[str] | None = None) -> int:
    """Start, and end with the parent."""
    parent, scheduler, options = sys.argv[1:] if arguments is None else arguments
    die_with(int(parent))
    asyncio.run(serve(scheduler, json.loads(options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
