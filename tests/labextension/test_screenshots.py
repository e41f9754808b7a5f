"""Pictures to look at, of every view in both themes and two widths: `bash tests/screenshots.sh FOLDER`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.labextension.lab import Desk, code, sit_down
from tests.labextension.test_long import output, scenes, texts

SETUP = """%load_ext murakkab_jupyter
import time

def split(text):
    time.sleep(0.02)
    return text.split()[0]

def hear(text):
    time.sleep(0.06)
    return text.upper()

def see(text):
    time.sleep(0.04)
    if text.endswith("13"):
        raise ValueError("the frame is black")
    return text.title()

def tell(text):
    time.sleep(0.1)
    return text.lower()

videos = [f"clip{i}" for i in range(24)]
more = [f"clip{i}" for i in range(1600)]"""

CELL = """%%murakkab newsroom --minimize latency --deadline 2min
List the objects shown or mentioned in the videos.

scenes     <- split {videos} into scenes @python:split
transcript <- transcribe the speech in {scenes} @python:hear
objects    <- detect the objects in {scenes} @python:see
# what the reader gets
summary    <- summarise {objects}, per videos @python:tell"""

PROMPT = """%%murakkab asked --minimize energy --quality good
summary <- summarise the scene from {notes}
  Say in one sentence what happens in {notes}.
  Reply as JSON {{"summary": …}}.
answer  <- answer {question} from {summary}, per all"""

NOTES = """notes = [
    "Monday. The council met for three hours. It decided to rebuild the east pier of the harbour in stone.",
    "Tuesday. A storm closed the ferry for six hours. Two boats broke loose in the marina.",
]
question = "What did the council decide about the harbour?\""""

DIGEST = """%%murakkab digest --minimize cost --quality basic
gist  <- summarise {notes}
reply <- answer {question} from {notes}, per all"""

WRONG = """%%murakkab digest2
gist <- summarise {nots}"""

TIGHT = """%%murakkab digest3 --minimize cost --deadline 10ms
gist <- summarise {notes}"""

ENDLESS = """%%murakkab archive --run --fresh
heard <- transcribe {more} @python:hear
told  <- tell {heard} @python:tell"""

OWN = """from distributed import LocalCluster
mine = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)"""

FLOW = (SETUP, CELL, "%murakkab run --fresh", NOTES, DIGEST, "%murakkab frontier", ENDLESS)
SHOT = pytest.mark.skipif(
    "MURAKKAB_SCREENSHOTS" not in os.environ, reason="MURAKKAB_SCREENSHOTS names no folder"
)
pytestmark = [pytest.mark.media, pytest.mark.timeout(900), SHOT]
HEIGHT = 1500


class Camera:
    """Takes pictures of one theme at one width."""

    def __init__(self, theme: str, width: int) -> None:
        self.folder = Path(os.environ.get("MURAKKAB_SCREENSHOTS", "."))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.theme = theme
        self.width = width

    def open(self, desk: Desk, name: str) -> None:
        """Open a notebook with as much room for it as there is, and a kernel of its own."""
        desk.lab.end_kernels()
        desk.page.set_viewport_size({"width": self.width, "height": HEIGHT})
        desk.open(name)
        desk.page.add_style_tag(content=".Toastify, .jp-toastContainer { display: none !important }")
        if self.width < 1000:
            desk.page.keyboard.press("Control+B")

    def take(self, what, name: str) -> None:
        """A picture of a page, or of something on it."""
        page = getattr(what, "page", None)
        if page is not None:  # something on the page: it must fit into the window as a whole
            box = what.bounding_box()
            page.set_viewport_size({"width": self.width, "height": max(HEIGHT, int(box["height"]) + 400)})
        what.screenshot(path=self.folder / f"{name}-{self.theme.lower()}-{self.width}.png")
        if page is not None:
            page.set_viewport_size({"width": self.width, "height": HEIGHT})


@pytest.fixture(
    params=[(theme, width) for theme in ("Light", "Dark") for width in (1280, 800)],
    ids=lambda one: f"{one[0].lower()}-{one[1]}",
)
def camera(request, lab, plain_lab):
    theme, width = request.param
    with lab.theme(theme), plain_lab.theme(theme):
        yield Camera(theme, width)


def test_plan_run_frontier_errors_and_panel(desk, camera):
    cells = (*FLOW, PROMPT, WRONG, TIGHT, "%murakkab agents", "%murakkab explain", OWN, "mine.close()")
    desk.lab.write("shots.ipynb", *(code(one) for one in cells))
    camera.open(desk, "shots.ipynb")
    desk.panel()
    camera.take(desk.page.locator("#murakkab-panel"), "panel-empty")
    desk.page.locator(".jp-SideBar .lm-TabBar-tab[data-id=murakkab-panel]").click()
    for index in (0, 1, 2, 3, 4, 5):
        desk.run(index)
    desk.cell(2).locator(".jp-murakkab-run").wait_for()
    desk.cell(1).locator(".mk-what").nth(1).click()
    camera.take(desk.cell(1), "plan")
    desk.cell(2).locator(".mk-bar").nth(3).focus()
    camera.take(desk.cell(2), "run")
    frontier(desk, camera)
    camera.take(desk.cell(7), "cell")
    for index, name in ((8, "error"), (9, "nearest"), (10, "agents"), (11, "explain")):
        desk.run(index)
        camera.take(desk.cell(index), name)
    panel = desk.panel()
    desk.run(6, wait=False)
    panel.get_by_role("button", name="Stop archive").wait_for()
    panel.locator(".jp-murakkab-watts").wait_for()
    desk.output(6).locator("[data-murakkab=run]").wait_for()
    desk.cell(6).scroll_into_view_if_needed()
    camera.take(desk.page, "live")
    camera.take(panel, "panel")
    panel.get_by_role("button", name="Stop archive").click()
    panel.locator("section[aria-label=Runs] li", has_text="archive").locator("text=stopped").first.wait_for()
    camera.take(panel, "panel-after")
    desk.run(12)
    panel.get_by_role("group", name="Cluster mine of").get_by_text("2 workers, 2 cores").wait_for()
    camera.take(panel, "panel-own-cluster")
    desk.run(13)


def test_long_results(desk, camera):
    desk.lab.write("long.ipynb", *(code(f"{i}", [output(one)]) for i, one in enumerate((scenes(), texts()))))
    camera.open(desk, "long.ipynb")
    for index, name in enumerate(("long-cards", "long-rows")):
        desk.output(index).locator(".jp-murakkab-results").wait_for()
        camera.take(desk.cell(index), name)


def frontier(desk: Desk, camera: Camera, where: str = "") -> None:
    """The frontier, with another plan taken by a click."""
    view = desk.output(5).locator("[data-murakkab=frontier]")
    view.locator("[data-murakkab=frontier-point][aria-pressed=false]").first.click()
    view.get_by_text("is taken").wait_for()
    camera.take(desk.cell(5), f"frontier{where}")


def test_the_same_without_the_extension(plain_desk, camera):
    desk = plain_desk
    desk.lab.write("shots.ipynb", *(code(one) for one in FLOW))
    camera.open(desk, "shots.ipynb")
    for index in (0, 1, 2, 3, 4, 5):
        desk.run(index)
    desk.output(1).locator("[data-murakkab=plan]").wait_for()
    for index, name in ((1, "plain-plan"), (2, "plain-run")):
        camera.take(desk.cell(index), name)
    frontier(desk, camera, "-plain")
    desk.run(6, wait=False)
    live = desk.output(6).locator("[data-murakkab=run]")
    live.locator("[role=progressbar]").first.wait_for()
    desk.page.wait_for_function(
        "() => [...document.querySelectorAll('[data-murakkab=run] [role=progressbar]')]"
        ".some(bar => Number(bar.getAttribute('aria-valuenow')) > 3)"
    )
    camera.take(desk.cell(6), "plain-live")
    desk.output(6).locator("[data-murakkab=stop]").click()
    desk.ended(6)


def test_the_video_tutorial_as_it_was_saved(newsroom, desk, browser, plain_lab, camera):
    camera.open(desk, newsroom.name)
    for index, name in ((2, "video-plan"), (3, "video-run"), (8, "video-frontier")):
        desk.output(index).locator(".murakkab-live").first.wait_for()
        camera.take(desk.cell(index), name)
    # What was trusted once is trusted for good, so each camera has a notebook of its own.
    plain_lab.write("video.ipynb", *newsroom.cells, code(f"# {camera.theme}, {camera.width}"))
    plain, context = sit_down(plain_lab, browser)
    camera.open(plain, "video.ipynb")
    for index, name in (
        (2, "video-plan-stranger"),
        (3, "video-run-stranger"),
        (8, "video-frontier-stranger"),
    ):
        plain.output(index).locator(".murakkab").first.wait_for()
        camera.take(plain.cell(index), name)
    plain_lab.trust("video.ipynb")
    camera.open(plain, "video.ipynb")
    for index, name in ((2, "video-plan-plain"), (3, "video-run-plain"), (8, "video-frontier-plain")):
        plain.output(index).locator(".murakkab style").first.wait_for(state="attached")
        camera.take(plain.cell(index), name)
    context.close()
