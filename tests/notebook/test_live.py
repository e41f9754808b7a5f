"""A run in a real kernel with a front end's ear: what moves, what is heard while the cell runs, what is left."""

from __future__ import annotations

import json
import queue
import re
import time
from collections.abc import Callable

import pytest

SECRET = "sk-not-to-be-shown-4711"
SETUP = f"""import os, time
os.environ["OPENAI_API_KEY"] = os.environ["MURAKKAB_KEY_EXAMPLE"] = "{SECRET}"
%load_ext murakkab_jupyter
# Near the limit of a saved notebook runs are shown in brief, without live results; how near depends on the host.
%config MurakkabMagics.saved_kb = 0

def slow(text):
    time.sleep(0.2)
    return text.upper()

few = [f"w{{i}}" for i in range(16)]
many = [f"w{{i}}" for i in range(400)]"""


class FrontEnd:
    """What a page with widgets would hear, and the subshell on which it would speak."""

    def __init__(self, kernel) -> None:
        self.client = kernel.client
        self.heard: list[dict] = []
        self.shown: list[dict] = []
        self.widget = ""
        message = self.client.session.msg("create_subshell_request", {})
        self.client.control_channel.send(message)
        reply = self.client.control_channel.get_msg(timeout=60)
        self.subshell = reply["content"]["subshell_id"]

    def say(self, data: dict) -> None:
        content = {"comm_id": self.widget, "data": {"method": "custom", "content": data}}
        message = self.client.session.msg("comm_msg", content)
        message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)

    def run(self, code: str, meanwhile=lambda front: None, timeout_s: float = 120) -> dict:
        """Run a cell, hear everything, and act in `meanwhile`; returns the reply's content."""
        sent = self.client.execute(code)
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            try:
                message = self.client.get_iopub_msg(timeout=0.5)
            except queue.Empty:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "comm_open" and content["target_name"] == "jupyter.widget":
                assert (
                    message["parent_header"] == {}
                )  # of no cell: a tool that keeps a cell's widgets keeps none
                if "_esm" in content["data"]["state"]:
                    self.widget = content["comm_id"]
                    self.heard.append({"do": "open", "data": content["data"]})
            elif kind == "comm_msg" and content["comm_id"] == self.widget:
                at = message["header"]["date"].timestamp()
                self.heard.append({"at": at, **content["data"].get("content", {})})
            elif kind in {"display_data", "update_display_data"}:
                self.shown.append(content["data"])
            idle = kind == "status" and content["execution_state"] == "idle"
            if idle and message["parent_header"].get("msg_id") == sent:
                return self.reply_to(sent)
            meanwhile(self)
        msg = "the cell takes too long"
        raise AssertionError(msg)

    def reply_to(self, sent: str) -> dict:
        while True:
            reply = self.client.get_shell_msg(timeout=60)
            if reply["parent_header"].get("msg_id") == sent:
                return reply["content"]

    def until(self, come: Callable[[FrontEnd], object], timeout_s: float = 60) -> None:
        """Hear what is said after a cell has ended, until it has come."""
        end = time.monotonic() + timeout_s
        while not come(self):
            assert time.monotonic() < end, f"it does not come; heard: {self.heard}"
            self.run("pass")

    def of(self, do: str, kind: str = "") -> list[dict]:
        return [one for one in self.heard if one.get("do") == do and (not kind or one.get("kind") == kind)]


@pytest.fixture(scope="module")
def front(kernel):
    assert kernel.run(SETUP).error is None
    return FrontEnd(kernel)


def test_a_run_is_drawn_live_and_leaves_its_static_form(front):
    known = [one for one in front.heard if one.get("do") in ("open", "script")]  # told once
    front.heard[:] = known
    front.run("%%murakkab quick --run --fresh\nsaid <- repeat {few} @python:slow")
    assert [one["kind"] for one in front.of("script")][:2] == ["plan", "run"]
    moments = front.of("show", "run")
    assert moments[0]["data"]["status"] == "running"
    counts = [one["data"]["steps"][0]["count"] for one in moments]
    assert len(set(counts)) > 2
    assert front.of("end")[0]["view"] == moments[0]["view"]
    last = front.shown[-1]
    assert "Results (done)" in last["text/plain"]
    # The run's own view is static now; there is something to look among in its results, so these are live.
    slots = re.findall(r'class="murakkab-slot" data-murakkab-view="([^"]+)"', last["text/html"])
    assert slots == [one["view"] for one in front.of("show", "results")]
    assert moments[0]["view"] not in slots
    assert "What ran when" in last["text/html"]


def test_a_saved_notebook_holds_no_widget_and_no_secret(front):
    assert front.shown
    kinds = {kind for data in front.shown for kind in data}
    assert not any("widget" in kind for kind in kinds)
    assert SECRET not in json.dumps([front.shown, front.heard])
    state = front.of("open")[0]["data"]["state"]
    assert len(json.dumps(state)) < 30_000


def test_live_views_move_at_most_four_times_a_second(front):
    times = [one["at"] for one in front.of("show", "run")]
    assert len(times) > 4
    # The first and the last come at once; one more where the machine held an early one up.
    assert len(times) - 3 <= 4 * (times[-1] - times[0]), times


def test_the_stop_button_is_heard_while_the_cell_runs(front):
    front.heard.clear()
    pressed: list[float] = []

    def press(one: FrontEnd) -> None:
        moments = one.of("show", "run")
        if not pressed and moments and not moments[-1]["data"]["steps"][0]["count"].startswith("0 "):
            pressed.append(time.monotonic())
            one.say({"ask": "act", "view": moments[0]["view"], "what": "stop"})

    reply = front.run("%%murakkab long --run --fresh\nsaid <- repeat {many} @python:slow", press)
    assert time.monotonic() - pressed[0] < 20  # 40 s of work were left
    front.until(lambda one: one.of("said"))  # another thread says it
    assert "what is finished is kept" in front.of("said")[0]["text"]
    assert reply["status"] == "error"
    assert reply["ename"] == "StoppedError"
    assert reply["evalue"].startswith("stopped: 0 of 1 steps done;")
    assert "Results (stopped)" in front.shown[-1]["text/plain"]


def test_a_front_end_that_comes_late_is_told_what_is_open(front):
    front.heard.clear()
    front.run("%murakkab plan quick", lambda one: None)
    front.heard.clear()
    front.say({"ask": "all"})
    front.until(lambda one: one.of("hello"))
    assert front.of("show", "plan")


def test_a_click_on_the_frontier_takes_a_plan_and_the_next_run_carries_it_out(front):
    front.run(
        "notes = ['The council met. It voted for the bridge.', 'A storm closed the ferry.']\nq = 'What was voted?'"
    )
    front.run(
        "%%murakkab two --minimize cost\ngist <- summarise {notes}\nreply <- answer {q} from {notes}, per all"
    )
    front.heard.clear()
    front.run("%murakkab frontier two")
    (shown,) = front.of("show", "frontier")
    other = next(one for one in shown["data"]["points"] if not one["chosen"])
    front.say({"ask": "act", "view": shown["view"], "what": "take", "plan": other["number"]})
    front.until(lambda one: one.of("said"))
    assert f"Plan {other['number']} is taken" in front.of("said")[0]["text"]
    (again,) = front.of("show", "frontier")[1:]
    assert [one["number"] for one in again["data"]["points"] if one["chosen"]] == [other["number"]]
    assert front.of("show", "plan")  # the cell's plan is replaced
    front.say({"ask": "act", "view": shown["view"], "what": "take", "plan": 99})
    front.until(lambda one: one.of("said")[1:])
    assert "There is no such plan" in front.of("said")[-1]["text"]
    front.run("%murakkab run two")
    reply = front.run(
        f"assert two.plan.taken.startswith('plan {other['number']} of the frontier'), two.plan.taken"
    )
    assert reply["status"] == "ok"


def test_taking_a_plan_needs_no_click(front):
    front.run("%murakkab plan two")
    front.heard.clear()
    front.shown.clear()
    front.run("%murakkab frontier two --take 1")
    frontier, taken = (one["text/plain"] for one in front.shown)
    assert "1 (chosen)" in frontier
    assert "plan 1 of the frontier" in taken.splitlines()[0]  # in the place of the cell's, as by a click
    assert front.of("show", "plan")[-1]["data"]["goal"].startswith("plan 1 of the frontier")
    reply = front.run("%murakkab frontier two --take 99")
    assert "Give a number from 1 to" in reply["evalue"]


def test_a_view_that_stays_names_the_variable_that_holds_the_run_and_so_do_its_results(front):
    front.heard.clear()
    front.run("%%murakkab list --run --fresh\nsaid <- repeat {few} @python:slow")
    said = [one.get("text") or "" for one in front.of("end")]
    assert any(one.startswith("The run has ended. murakkab_run in a cell shows what") for one in said), said
    assert {one["data"]["variable"] for one in front.of("show", "results")} == {"murakkab_run"}
