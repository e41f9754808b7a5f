"""The connection to a kernel is lost and comes back: the panel says so, and is right again by itself."""

from __future__ import annotations

from tests.labextension.lab import code, sit_down
from tests.labextension.test_width import CUT

NAME = "a_step_whose_name_is_much_longer_than_a_side_bar_is_wide_and_goes_on"
SETUP = """%load_ext murakkab_jupyter
notes = ["one", "two"]
def loud(text):
    return text.upper()"""
FLOW = "a_workflow_whose_name_is_much_longer_than_a_side_bar_is_wide"
CELL = f"%%murakkab {FLOW} --run\n{NAME} <- shout {{notes}} @python:loud"

SOCKETS = """(() => {
  const Real = window.WebSocket;
  window.cut = false;
  window.kernels = [];
  window.WebSocket = class extends Real {
    constructor(url, protocols) {
      const kernel = String(url).includes('/channels');
      super(kernel && window.cut ? String(url).replace('/api/kernels/', '/api/nowhere/') : url, protocols);
      if (kernel) window.kernels.push(this);
    }
  };
})()"""

LINES = """list => list.map(one => {
  const range = document.createRange();
  range.selectNodeContents(one);
  return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size;
})"""


def test_a_lost_connection_is_told_and_found_again(desk):
    desk.page.add_init_script(SOCKETS)
    desk.lab.write("cut.ipynb", code(SETUP), code(CELL), code("more = 1"))
    desk.open("cut.ipynb")
    desk.run(0)
    panel = desk.panel()
    desk.status("Connected.")
    desk.run(1)
    desk.status("Connected.")
    panel.get_by_text("1 of 1 steps").first.wait_for()
    panel.locator("details:has(.jp-murakkab-steps)").first.evaluate("one => { one.open = true }")
    # How far a step is stands on one line, however long its name is.
    counts = panel.locator(".jp-murakkab-steps li > span:last-child")
    counts.first.wait_for()
    assert counts.first.inner_text() == "2 of 2"
    assert counts.evaluate_all(LINES) == [1]
    # A name that is cut says itself in its title.
    names = panel.locator(".jp-murakkab-row > strong", has_text=FLOW)
    titles = names.evaluate_all("all => all.map(one => one.title)")
    assert len(titles) == 2
    assert all(FLOW in one for one in titles)
    assert desk.page.evaluate(CUT) == []

    desk.page.evaluate("() => { window.cut = true; window.kernels.forEach(one => one.close()) }")
    desk.status("The connection to the kernel is lost")
    # What was heard last still stands there; what cannot be done now says why.
    assert panel.get_by_text("1 of 1 steps").count() >= 1
    run = panel.get_by_role("group", name="The latest workflow").get_by_role("button", name="Run")
    assert run.get_attribute("aria-disabled") == "true"
    assert "connection to the kernel is lost" in run.get_attribute("title")

    desk.page.evaluate("() => { window.cut = false }")
    desk.status("Connected.")
    assert run.get_attribute("aria-disabled") != "true"
    desk.run(2)
    desk.status("Connected.")
    assert desk.said == []


def test_a_kernel_that_is_shut_down_is_told_and_nothing_is_sent_to_it(desk):
    errors = []
    desk.page.on("console", lambda one: errors.append(one.text) if one.type == "error" else None)
    desk.lab.write("shut.ipynb", code("%load_ext murakkab_jupyter"))
    desk.open("shut.ipynb")
    desk.run(0)
    desk.panel()
    desk.status("Connected.")
    desk.lab.end_kernels()
    desk.status("This notebook has no kernel.")
    assert [one for one in errors if "Kernel is dead" in one] == []
    assert desk.said == []


WORDS = """() => {
  window.told = [];
  const look = () => window.told.push(document.querySelector('.jp-murakkab-status').textContent);
  new MutationObserver(look).observe(document.querySelector('.jp-murakkab-status'), {subtree: true, childList: true, characterData: true});
  look();
}"""
HELD = """import pathlib, time
while not pathlib.Path("go").exists():
    time.sleep(0.1)"""


def test_a_second_page_waits_for_a_cell_that_the_first_one_runs(desk, browser):
    go = desk.lab.home / "go"
    go.unlink(missing_ok=True)
    desk.lab.write("twice.ipynb", code("%load_ext murakkab_jupyter"), code(HELD))
    desk.open("twice.ipynb")
    desk.run(0)
    desk.panel()  # what it is told beside the cell makes the kernel seem free to other pages
    desk.status("Connected.")
    desk.run(1, wait=False)
    desk.status("The kernel is busy")
    other, context = sit_down(desk.lab, browser)
    try:
        other.open("twice.ipynb", kernel=False)
        other.panel()
        other.page.evaluate(WORDS)
        other.status("has not answered yet")
        # As long as it takes to give up a kernel that is free.
        other.page.wait_for_timeout(10_000)
        other.status("has not answered yet")
        go.touch()
        other.status("Connected.")
        assert [one for one in other.page.evaluate("window.told") if "does not answer" in one] == []
        desk.status("Connected.")
        assert desk.said == other.said == []
    finally:
        go.touch()
        context.close()
