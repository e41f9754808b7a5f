"""Nothing that the kernel mutters to itself stands in a notebook's outputs."""

from __future__ import annotations

from tests.labextension.lab import code

QUICK = [
    "%load_ext murakkab_jupyter\ndef up(text):\n    return text.upper()\nwords = ['a', 'b']",
    *(f"%%murakkab quick{i}\nloud{i} <- shout {{words}} @python:up" for i in range(6)),
]
STDERR = "[data-mime-type='application/vnd.jupyter.stderr']"


def test_comms_that_come_and_go_while_cells_run_leave_nothing_in_outputs(desk):
    desk.lab.write("quick.ipynb", *(code(one) for one in QUICK))
    desk.lab.write("other.ipynb", code("1"))
    sent = []
    desk.page.on("websocket", lambda one: one.on("framesent", lambda frame: sent.append(str(frame))))
    desk.open("quick.ipynb")
    desk.panel()
    page = desk.page
    for _ in range(3):
        desk.menu("Run", "Run All Cells")
        desk.ended(len(QUICK) - 1)
        desk.status("Connected.")
        # The panel turns to another notebook, and comes back.
        page.locator(".jp-DirListing-item", has_text="other.ipynb").dblclick()
        desk.status("This kernel has not loaded Murakkab.")
        page.locator(".lm-TabBar-tab", has_text="quick.ipynb").click()
        desk.status("Connected.")
        desk.menu("Run", "Run All Cells")
        desk.idle()
        assert page.locator(STDERR).all_inner_texts() == []
        desk.restart()
        desk.status("This kernel has not loaded Murakkab.")
    # A comm that is closed from here takes its subshell with it while the kernel still reads of it.
    assert [one[:300] for one in sent if "comm_open" in one and "murakkab" in one]
    assert [one[:300] for one in sent if "comm_close" in one] == []
    assert desk.said == []
