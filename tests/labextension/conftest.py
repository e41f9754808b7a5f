"""A real JupyterLab with the extension, the same without it, and a real browser; nothing is built here."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass

import pytest

from tests.labextension.lab import (
    BUILT,
    FLAGS,
    NAME,
    ROOT,
    asked_for,
    chromium,
    extension,
    lacking,
    serve,
    sit_down,
    without_extension,
)


@pytest.fixture(scope="package")
def lab(tmp_path_factory, browser):
    found = extension()
    folder = tmp_path_factory.mktemp("lab")
    data = None
    if found == BUILT:
        data = folder / "more"
        shutil.copytree(BUILT, data / "labextensions" / NAME)
    with serve(folder, data=data) as server:
        yield server


@pytest.fixture(scope="package")
def plain_lab(tmp_path_factory, browser):
    """The same environment, but for the extension."""
    folder = tmp_path_factory.mktemp("plain")
    with serve(folder, python=without_extension(folder / "environment")) as server:
        yield server


@pytest.fixture(scope="package")
def browser():
    asked_for()
    where = chromium()
    if where is None:
        lacking("There is no chromium: install it, or set MURAKKAB_CHROMIUM to its path")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lacking("playwright is not installed: pip install playwright")
    with sync_playwright() as play:
        one = play.chromium.launch(executable_path=where, headless=True, args=FLAGS)
        yield one
        one.close()


def again(lab, request) -> None:
    """Before the second run of a test that failed: as if it had not been tried."""
    if getattr(request.node, "execution_count", 1) > 1:
        lab.end_kernels()
        lab.forget_runs()


@pytest.fixture
def desk(lab, browser, request):
    again(lab, request)
    one, context = sit_down(lab, browser)
    yield one
    context.close()
    lab.end_kernels()  # many that nobody uses any more would slow the tests that follow


@pytest.fixture
def plain_desk(plain_lab, browser, request):
    again(plain_lab, request)
    one, context = sit_down(plain_lab, browser)
    yield one
    context.close()
    plain_lab.end_kernels()


@dataclass(frozen=True)
class Newsroom:
    """The video tutorial as it was run in the browser, and what was seen meanwhile."""

    name: str
    cells: list[dict]
    """As they were saved."""
    size: int
    moved: list[float]
    """Values of the bars of progress, in the order in which they were first seen."""
    views: list[str]
    """Kinds of live views that were in the page."""
    taken: tuple[str, int]
    """What the frontier said after a click on its second plan, and how many plans were marked as chosen."""
    said: list[str]


WATCH = """() => {
  window.moved = [];
  window.views = [];
  const note = (list, one) => list.includes(one) || list.push(one);
  const look = () => {
    document.querySelectorAll('.jp-OutputArea [role=progressbar]').forEach(bar =>
      note(window.moved, Number(bar.getAttribute('aria-valuenow'))));
    document.querySelectorAll('.murakkab-live').forEach(view => note(window.views, view.dataset.murakkab));
  };
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, attributes: true});
}"""


@pytest.fixture(scope="package")
def newsroom(lab, browser):
    """Run notebooks/02_video_understanding.ipynb, cell by cell, as a person does; real media and models."""
    notebook = json.loads((ROOT / "notebooks" / "02_video_understanding.ipynb").read_text())
    for one in notebook["cells"]:
        if one["cell_type"] == "code":
            one.update(outputs=[], execution_count=None)
    name = "video.ipynb"
    (lab.home / name).write_text(json.dumps(notebook))
    lab.forget_runs()  # of a start that failed
    desk, context = sit_down(lab, browser)
    try:
        desk.open(name)
        desk.panel()
        desk.page.evaluate(WATCH)
        desk.menu("Run", "Run All Cells")
        desk.ended(sum(one["cell_type"] == "code" for one in notebook["cells"]) - 1, timeout_s=500)
        desk.idle()
        moved, views = desk.page.evaluate("[window.moved, window.views]")
        frontier = desk.page.locator("[data-murakkab=frontier]")
        frontier.locator("[data-murakkab=frontier-point][aria-pressed=false]").first.click()
        said = frontier.get_by_text("is taken")
        said.wait_for()
        chosen = frontier.locator("[data-murakkab=frontier-point][aria-pressed=true]")
        taken = (said.inner_text(), chosen.count())
        desk.save()
    finally:
        context.close()
        lab.end_kernels()
    size = (lab.home / name).stat().st_size
    return Newsroom(name, lab.read(name)["cells"], size, moved, views, taken, desk.said)
