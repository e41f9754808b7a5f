"""The kernel's end of the side panel, over a real comm of a real kernel."""

from __future__ import annotations

import queue
import time
from uuid import uuid4

import pytest

SETUP = """%load_ext murakkab_jupyter
import time

def slow(text):
    time.sleep(0.3)
    return text

many = [f"w{i}" for i in range(200)]"""


class Panel:
    """A front end's end of the comm."""

    def __init__(self, kernel, subshell: str | None = None) -> None:
        self.client = kernel.client
        self.subshell = subshell
        self.id = uuid4().hex
        self.send("comm_open", target_name="murakkab", data={})

    def send(self, kind, **content):
        message = self.client.session.msg(kind, {"comm_id": self.id, **content})
        if self.subshell is not None:
            message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)

    def wait(self, when, timeout_s=60):
        """The first state (or close) for which `when` holds."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            assert "Task" not in message["content"].get("text", ""), message["content"]
            if message["content"].get("comm_id") != self.id:
                continue
            found = message["content"]["data"] if message["msg_type"] == "comm_msg" else "closed"
            if when(found):
                return found
        msg = "the kernel said nothing of the kind"
        raise AssertionError(msg)


@pytest.fixture(scope="module")
def loaded(kernel):
    assert kernel.run(SETUP).error is None
    return kernel


def status_of(state, name):
    return next((run["status"] for run in state["runs"] if run["name"] == name), None)


def test_a_kernel_that_has_not_loaded_us_closes_the_comm(kernel):
    assert Panel(kernel).wait(lambda found: True) == "closed"


def test_a_panel_is_told_at_once_and_after_each_cell(loaded):
    panel = Panel(loaded)
    first = panel.wait(lambda state: True)
    assert first["format"] == 1
    assert first["runs"] == []
    assert first["cluster"]["workers"] == []
    assert "first run starts" in first["cluster"]["why"]
    assert first["own"] == []
    loaded.client.execute("%%murakkab later\nsaid <- repeat {many} @python:slow")
    state = panel.wait(lambda state: state["workflows"])
    assert state["workflows"][0]["name"] == "later"
    assert state["workflows"][0]["planned"] is True


def test_a_run_that_blocks_its_cell_is_pushed_and_an_interrupt_stops_it(loaded):
    panel = Panel(loaded)
    panel.wait(lambda state: True)
    loaded.client.execute("%%murakkab busy --run --fresh\nsaid <- repeat {many} @python:slow")

    def moves(state):
        workers = state["cluster"]["workers"]
        at_work = workers and workers[0]["busy"] > 0  # between two calls it is not
        return status_of(state, "busy") == "running" and at_work and state["runs"][0]["steps"][0]["ended"] > 0

    state = panel.wait(moves)
    assert state["runs"][0]["planned_energy"]["unit"] == "J"
    worker = state["cluster"]["workers"][0]
    assert 0 < worker["busy"] <= worker["cores"]
    weighed = panel.wait(lambda state: state["power"] and state["runs"][0]["energy"])
    assert weighed["power"][0]["unit"] == "W"
    assert weighed["power"][0]["value"] > 0
    assert weighed["runs"][0]["energy"]["value"] > 0
    loaded.manager.interrupt_kernel()
    panel.wait(
        lambda state: (
            status_of(state, "busy") == "stopped"
            and all(one["busy"] == 0 for one in state["cluster"]["workers"])
        )
    )


def test_a_panel_stops_a_run_in_the_background(loaded):
    panel = Panel(loaded)
    panel.wait(lambda state: True)
    loaded.client.execute("%%murakkab back --background --fresh\nsaid <- repeat {many} @python:slow")
    state = panel.wait(lambda state: status_of(state, "back") == "running")
    panel.send("comm_msg", data={"stop": state["runs"][0]["id"]})
    panel.wait(lambda state: status_of(state, "back") == "stopped")


def test_a_panel_that_closes_is_told_no_more_and_nonsense_is_answered_with_the_state(loaded):
    panel = Panel(loaded)
    panel.wait(lambda state: True)
    panel.send("comm_msg", data={"stop": ["x"]})
    assert panel.wait(lambda state: True)["format"] == 1
    panel.send("comm_close", data={})
    reply = loaded.run(
        "link = get_ipython().magics_manager.registry['MurakkabMagics'].link\n"
        f"print({panel.id!r} in link._comms)"
    )
    assert reply.streams == ["False\n"]


def test_a_panel_that_says_goodbye_is_closed_by_the_kernel_and_told_no_more(loaded):
    panel = Panel(loaded)
    panel.wait(lambda state: True)
    panel.send("comm_msg", data={"bye": True})
    assert panel.wait(lambda found: found == "closed") == "closed"
    reply = loaded.run(
        "link = get_ipython().magics_manager.registry['MurakkabMagics'].link\n"
        f"print({panel.id!r} in link._comms)"
    )
    assert reply.streams == ["False\n"]


def subshell_of(kernel, kind, **content):
    """What the kernel answers on its control channel."""
    client = kernel.client
    client.control_channel.send(client.session.msg(kind, content))
    return client.control_channel.get_msg(timeout=60)["content"]


def test_a_subshell_that_ends_with_its_panel_leaves_no_complaint_in_an_output(loaded):
    client = loaded.client
    for _ in range(25):
        subshell = subshell_of(loaded, "create_subshell_request")["subshell_id"]
        panel = Panel(loaded, subshell)
        panel.wait(lambda state: state != "closed")
        panel.send("comm_msg", data={"bye": True})
        panel.wait(lambda found: found == "closed")
        # As JupyterLab does it, at once.
        assert subshell_of(loaded, "delete_subshell_request", subshell_id=subshell)["status"] == "ok"
    # What is pending and destroyed is told by the collector at the latest.
    assert loaded.run("import gc\ngc.collect();").streams == []
    while True:
        try:
            message = client.get_iopub_msg(timeout=0.2)
        except queue.Empty:
            break
        assert message["msg_type"] != "stream", message["content"]


def test_a_panel_is_told_of_a_cluster_that_the_notebook_made_itself_and_of_how_it_changes(loaded):
    panel = Panel(loaded)
    panel.wait(lambda state: True)
    loaded.run("import contextlib, os\nwith contextlib.suppress(OSError): os.unlink('gate')")
    made = (
        "from distributed import Client, LocalCluster\n"
        "mine = LocalCluster(processes=False, dashboard_address=None, n_workers=1, threads_per_worker=2)"
    )
    loaded.client.execute(made)
    [told] = panel.wait(lambda state: state["own"])["own"]
    assert (told["name"], told["kind"]) == ("mine", "LocalCluster")
    assert told["address"].startswith("inproc://")
    assert "processes of their own" in told["why"]
    assert [one["cores"] for one in told["workers"]] == [2]
    # What it does while no cell runs is told, too.
    loaded.client.execute(
        "import os\n"
        "def held():\n"
        "    while not os.path.exists('gate'): time.sleep(0.05)\n"
        "client = Client(mine)\nf = client.submit(held)"
    )
    panel.wait(lambda state: state["own"][0]["workers"][0]["busy"] == 1)
    loaded.client.execute("open('gate', 'w').close()")
    panel.wait(lambda state: state["own"][0]["workers"][0]["busy"] == 0)
    loaded.client.execute("client.close(); mine.close()")
    panel.wait(lambda state: state["own"] == [])
