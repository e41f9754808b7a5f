"""Pictures to look at: `MURAKKAB_SCREENSHOTS=FOLDER pytest tests/labextension/test_screenshots.py`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.labextension.lab import code

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
more = [f"clip{i}" for i in range(400)]"""

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

ENDLESS = """%%murakkab archive --run
heard <- transcribe {more} @python:hear
told  <- tell {heard} @python:tell"""


@pytest.mark.skipif("MURAKKAB_SCREENSHOTS" not in os.environ, reason="MURAKKAB_SCREENSHOTS names no folder")
@pytest.mark.parametrize("width", [1280, 800])
@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_pictures_are_taken(desk, theme, width):
    folder = Path(os.environ["MURAKKAB_SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    page = desk.page
    height = 1500
    page.set_viewport_size({"width": width, "height": height})
    desk.lab.setting("@jupyterlab/apputils-extension:themes", {"theme": f"JupyterLab {theme}"})
    name = f"{theme.lower()}-{width}"
    try:
        cells = (SETUP, CELL, "%murakkab run --fresh", PROMPT, ENDLESS.replace("--run", "--run --fresh"))
        desk.lab.write(f"{name}.ipynb", *(code(one) for one in cells))
        desk.open(f"{name}.ipynb")
        page.add_style_tag(content=".Toastify, .jp-toastContainer { display: none !important }")
        if width < 1000:
            page.keyboard.press("Control+B")
        for index in (0, 1, 2):
            desk.run(index)
        desk.cell(2).locator(".jp-murakkab-run").wait_for()
        opener = desk.cell(1).locator(".jp-murakkab-opener")
        if opener.count():
            opener.first.click()
        desk.cell(1).locator(".jp-murakkab-bar").nth(1).focus()
        desk.cell(1).scroll_into_view_if_needed()
        page.screenshot(path=folder / f"{name}-plan.png")
        desk.cell(2).scroll_into_view_if_needed()
        desk.cell(2).locator(".jp-murakkab-bar").nth(3).focus()
        desk.cell(2).screenshot(path=folder / f"{name}-run.png")
        desk.cell(3).screenshot(path=folder / f"{name}-cell.png")
        panel = desk.panel()
        desk.run(4, wait=False)
        panel.get_by_role("button", name="Stop archive").wait_for()
        panel.locator(".jp-murakkab-watts").wait_for()
        page.screenshot(path=folder / f"{name}-panel.png")
        panel.get_by_role("button", name="Stop archive").click()
        panel.locator("section[aria-label=Runs] li", has_text="archive").locator(
            "text=stopped"
        ).first.wait_for()
        panel.screenshot(path=folder / f"{name}-panel-after.png")
    finally:
        desk.lab.setting("@jupyterlab/apputils-extension:themes", {})
