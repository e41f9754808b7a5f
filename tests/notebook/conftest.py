"""A real kernel, with its journal, profiles and cache of its own."""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass, field

import pytest

from tests.cores import as_on_two_cores


@dataclass
class Reply:
    """What a cell sent: outputs in order, the error, and how long it took.

    Updates have the time at which the kernel sent them, so that a busy client changes nothing.
    """

    shown: list[dict] = field(default_factory=list)
    updates: list[tuple[float, dict]] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    error: tuple[str, str, list[str]] | None = None
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """All that is left to read at the end: displays with their last update, then streams."""
        return "\n".join([*(one.get("text/plain", "") for one in self.shown), *self.streams])

    @property
    def html(self) -> str:
        return "\n".join(one.get("text/html", "") for one in self.shown)


class Kernel:
    """A kernel to run cells in."""

    def __init__(self, manager, client) -> None:
        self.manager = manager
        self.client = client

    def run(self, code: str, *, interrupt_when=None, timeout_s: float = 90.0) -> Reply:
        reply = Reply()
        handles: dict[str, int] = {}
        began = time.monotonic()
        interrupted = False
        sent = self.client.execute(code)
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                assert time.monotonic() - began < timeout_s, f"the cell takes too long: {code[:80]}"
                continue
            if message["parent_header"].get("msg_id") != sent:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind in {"display_data", "execute_result"}:
                name = content.get("transient", {}).get("display_id")
                if name:
                    handles[name] = len(reply.shown)
                reply.shown.append(content["data"])
            elif kind == "update_display_data":
                reply.updates.append((message["header"]["date"].timestamp(), content["data"]))
                place = handles.get(content["transient"]["display_id"])
                if place is not None:
                    reply.shown[place] = content["data"]
            elif kind == "stream":
                # One text, however the kernel cut it: a thread that shows something flushes between.
                reply.streams[:] = ["".join([*reply.streams, content["text"]])]
            elif kind == "error":
                reply.error = (content["ename"], content["evalue"], content["traceback"])
            elif kind == "status" and content["execution_state"] == "idle":
                reply.seconds = time.monotonic() - began
                return reply
            if interrupt_when is not None and not interrupted and interrupt_when(reply):
                interrupted = True
                self.manager.interrupt_kernel()


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    from jupyter_client.manager import start_new_kernel

    home = tmp_path_factory.mktemp("home")
    with as_on_two_cores(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("MURAKKAB_JOURNAL", str(home / "journal.sqlite"))
        patch.setenv("MURAKKAB_PROFILES", str(home / "profiles.sqlite"))
        patch.setenv("IPYTHONDIR", str(home / "ipython"))
        patch.chdir(home)
        manager, client = start_new_kernel(kernel_name="python3")
        # Within, so that a kernel that is restarted finds the same journal.
        yield Kernel(manager, client)
        client.stop_channels()
        manager.shutdown_kernel(now=True)
