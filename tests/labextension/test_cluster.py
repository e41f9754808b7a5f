"""The panel shows the Dask cluster that the notebook's own code made, and says why it cannot be used."""

from __future__ import annotations

from tests.labextension.lab import code, serious

MADE = """%load_ext murakkab_jupyter
import time
from pathlib import Path
from distributed import Client, LocalCluster

def slow(text):
    time.sleep(0.1)  # work
    return text.upper()

def until_there(name):
    while not Path(name).exists():
        time.sleep(0.05)

words = ["a", "b", "c"]
mine = LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None)"""
CELL = "%%murakkab loud\nsaid <- shout {words} @python:slow"
INSIDE = """mine.close()
inside = Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None)"""


def said(desk, index: int) -> str:
    """What a cell gives."""
    return desk.output(index).locator("pre").inner_text().strip()


def test_the_notebooks_own_cluster_is_found_shown_and_used(desk):
    cells = (
        MADE,
        CELL,
        "busy = Client(mine).submit(until_there, str(Path('gate').absolute()))",
        "mine.scale(2)",
        INSIDE,
        "inside.close()",
    )
    gate = desk.lab.home / "gate"
    gate.unlink(missing_ok=True)
    desk.lab.write("own.ipynb", *(code(one) for one in cells))
    desk.open("own.ipynb")
    panel = desk.panel()
    desk.run(0)
    own = panel.get_by_role("group", name="Cluster mine of")
    own.get_by_text("LocalCluster, made by this").wait_for()
    own.get_by_text("1 worker, 2 cores").wait_for()
    own.get_by_text("worker on this host").wait_for()
    assert "://" not in panel.inner_text()
    assert serious(desk.page) == []
    # Nothing to plan yet, which the button says.
    use = own.get_by_role("button", name="Plan for mine")
    use.click(force=True)
    panel.get_by_text("Plan for mine: There is no workflow yet").wait_for()
    # What its workers do, and workers that join, are told while no cell runs.
    desk.run(2)
    own.get_by_text("1 of 2 busy").wait_for()
    gate.touch()
    own.get_by_text("0 of 2 busy").wait_for()
    desk.run(3)
    own.get_by_text("2 workers, 4 cores").wait_for()
    # It is planned for by a line that stays in the notebook, and is then the cluster in use.
    desk.run(1)
    panel.locator("section[aria-label=Workflows]", has_text="loud").wait_for()
    use.click()
    line = desk.page.locator(".jp-CodeCell .cm-content", has_text="%murakkab plan --cluster tcp://")
    line.wait_for()
    section = panel.locator("section[aria-label=Cluster]")
    section.get_by_text("A Dask scheduler on this host").wait_for()
    own.wait_for(state="detached")
    assert desk.said == []


def test_a_cluster_that_cannot_be_used_says_why_and_one_that_is_closed_goes(desk):
    setup = MADE.replace("n_workers=1", "n_workers=0")
    desk.lab.write("cannot.ipynb", *(code(one) for one in (setup, INSIDE, "inside.close()")))
    desk.open("cannot.ipynb")
    panel = desk.panel()
    desk.run(0)
    panel.get_by_text("It has no workers yet. mine.scale(2) starts two.").wait_for()
    desk.run(1)
    inside = panel.get_by_role("group", name="Cluster inside of")
    inside.get_by_text("agents need workers in processes of their own").wait_for()
    assert panel.get_by_role("group", name="Cluster mine of").count() == 0
    use = inside.get_by_role("button", name="Plan for inside")
    assert use.get_attribute("aria-disabled") == "true"
    use.click(force=True)
    panel.get_by_text("Plan for inside: Its workers live in this process").wait_for()
    desk.run(2)
    inside.wait_for(state="detached")


def test_a_panel_that_nobody_looks_at_is_told_nothing(desk):
    listening = "len(get_ipython().magics_manager.registry['MurakkabMagics'].link._comms)"
    cells = ("%load_ext murakkab_jupyter", listening, "1 + 1", listening)
    desk.lab.write("unseen.ipynb", *(code(one) for one in cells))
    desk.open("unseen.ipynb")
    desk.run(0)
    desk.run(1)
    assert said(desk, 1) == "0"
    panel = desk.panel()
    desk.status("Connected.")
    desk.page.locator(".jp-SideBar .lm-TabBar-tab[data-id=murakkab-panel]").click()
    panel.wait_for(state="hidden")
    for _ in range(50):
        desk.run(3)
        if said(desk, 3) == "0":
            break
    assert said(desk, 3) == "0"
    desk.panel()
    desk.status("Connected.")


def test_a_kernel_that_hears_no_comms_is_said_to_and_what_to_do(desk):
    deaf = "kernel = get_ipython().kernel\nheard = kernel.shell_handlers['comm_open']\n"
    deaf += "kernel.shell_handlers['comm_open'] = lambda *_: None"
    cells = (deaf, "kernel.shell_handlers['comm_open'] = heard", "%load_ext murakkab_jupyter")
    desk.lab.write("deaf.ipynb", *(code(one) for one in cells))
    desk.open("deaf.ipynb")
    desk.run(0)
    panel = desk.panel()
    desk.status("Asking the kernel.")
    desk.status("Restart it, then load Murakkab.")
    assert serious(desk.page) == []
    # It is asked again when one wishes, and when a cell has named us.
    panel.get_by_role("button", name="Ask again").click()
    desk.status("Asking the kernel.")
    desk.status("Restart it, then load Murakkab.")
    desk.run(1)
    desk.run(2)
    desk.status("Connected.")
    assert panel.get_by_role("button", name="Ask again").count() == 0
    assert desk.said == []
