"""At 800 pixels nothing of ours is cut off: what does not fit wraps, says itself in a title, or scrolls with a shade."""

from __future__ import annotations

import json
import re

import pytest

from murakkab_jupyter.notebook.hub import hub_module, slot, source
from murakkab_jupyter.notebook.views.html import Bundle
from tests.labextension.lab import serious
from tests.labextension.test_sheets import sheets
from tests.notebook.test_safe import PAGE

pytestmark = [pytest.mark.media, pytest.mark.timeout(700)]

CUT = """() => {
  const found = [];
  const ours = document.querySelectorAll('.murakkab, .murakkab *, .murakkab-live, .murakkab-live *, .jp-murakkab, .jp-murakkab *, #murakkab-panel, #murakkab-panel *');
  const beyond = (one, page) => one.left < page.left - 1 || one.right > page.right + 1 || one.top < page.top - 1 || one.bottom > page.bottom + 1;
  const report = (why, one) => found.push([why, one.scrollWidth, one.clientWidth, one.outerHTML.slice(0, 160)]);
  for (const one of ours) {
    if (one instanceof SVGElement) {
      // The words of a drawing end where it ends.
      const box = one.getBoundingClientRect();
      if (one.tagName === 'text' && box.width && beyond(box, one.ownerSVGElement.getBoundingClientRect())) report('drawing', one);
      continue;
    }
    if (!one.offsetParent || !one.clientWidth) continue;
    const style = getComputedStyle(one);
    const unseen = style.clipPath !== 'none';
    if (style.position === 'absolute' && one.textContent.trim() && !unseen) {
      // It may stick out of what it is placed in, not out of the page.
      const [box, page] = [one, one.closest('.jp-OutputArea-output, #murakkab-panel') ?? document.body].map(two => two.getBoundingClientRect());
      if (box.left < page.left - 1 || box.right > page.right + 1) report('placed', one);
    }
    if (one.scrollWidth <= one.clientWidth + 1) continue;
    const said = one.closest('[title]') || one.closest('[aria-label]')?.matches('button');
    const fine = {
      visible: style.display === 'inline' || (one.children.length > 0 && [...one.children].every(child => getComputedStyle(child).position === 'absolute')),
      hidden: Boolean(said) || unseen || one.getAttribute('role') === 'progressbar',
      auto: style.backgroundImage !== 'none',
      scroll: style.backgroundImage !== 'none'
    }[style.overflowX];
    if (!fine) report(style.overflowX, one);
  }
  return found;
}"""

WIDE = "a-word-that-is-much-longer-than-its-place"
BAD = f"""
<b id=visible style="display:block;width:60px">{WIDE}</b>
<b id=hidden style="display:block;width:60px;overflow:hidden">{WIDE}</b>
<b id=auto style="display:block;width:60px;overflow-x:auto">{WIDE}</b>
<div style="position:relative;height:9px;width:500px"><b id=placed style="position:absolute;left:99%">{WIDE}</b></div>
<svg width=100 height=30><text id=drawing x=60 y=20>{WIDE}</text></svg>"""
GOOD = f"""
<b style="display:block;width:60px;overflow-wrap:anywhere">{WIDE}</b>
<b style="display:block;width:60px;overflow:hidden" title="{WIDE}">{WIDE}</b>
<b style="display:block;width:60px;overflow-x:auto;background:linear-gradient(red,blue)">{WIDE}</b>
<div style="position:relative;height:9px;width:50px"><b style="position:absolute;left:10px">{WIDE}</b></div>
<svg width=500 height=30><text x=60 y=20>{WIDE}</text></svg>"""


@pytest.mark.parametrize("ours", ["jp-murakkab", "murakkab-live", "murakkab"])
def test_what_is_cut_off_is_found(browser, ours):
    page = browser.new_page()
    page.set_content(
        f"<div class=jp-OutputArea-output style='width:500px'><div class={ours}>{GOOD}</div></div>"
    )
    assert page.evaluate(CUT) == []
    page.set_content(
        f"<div class=jp-OutputArea-output style='width:500px'><div class={ours}>{BAD}</div></div>"
    )
    found = page.evaluate(CUT)
    page.close()
    named = {why for why, _, _, markup in found if re.match(rf'<(b|text) id="{why}"', markup)}
    assert named == {"visible", "hidden", "auto", "placed", "drawing"}


@pytest.mark.parametrize("width", [1120, 700])
def test_live_views_are_whole_and_readable_in_a_page_that_is_not_jupyterlabs(browser, width):
    given = {"hub": hub_module(), "style": source("views.css"), "sheets": sheets()}
    given["scripts"] = {kind: source(f"{kind}.js") for kind in given["sheets"]}
    slots = [slot(Bundle("<div>static</div>", ""), kind).html for kind in given["sheets"]]
    page = browser.new_page(viewport={"width": width, "height": 1600})
    areas = "".join(f"<div class=jp-OutputArea-output>{one}</div>" for one in slots)
    page.set_content(f"<!doctype html><html lang=en><body>{areas}</body></html>")
    drawn = page.evaluate(f"async given => {{{PAGE}}}", given)["drawn"]  # with every step of the plan opened
    cut, found = page.evaluate(CUT), serious(page)
    page.close()
    assert set(drawn) == set(given["sheets"])
    assert cut == [], json.dumps(cut, indent=1)
    assert found == [], json.dumps(found, indent=1)


SHOW = """
const { default: hub } = await import(URL.createObjectURL(new Blob([given.hub], { type: 'text/javascript' })));
let hear = null;
hub.initialize({ model: { on: (name, call) => { if (name === 'msg:custom') hear = call; }, send: () => {} } });
hear({ do: 'style', source: given.style });
for (const [kind, script] of Object.entries(given.scripts)) hear({ do: 'script', kind, source: script });
for (const [view, [kind, data]] of Object.entries(given.views)) hear({ do: 'show', view, kind, data });
const drawn = () => document.querySelectorAll('.murakkab-live').length === Object.keys(given.views).length;
while (!drawn()) await new Promise(done => setTimeout(done, 20));
await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
return [...document.querySelectorAll('.murakkab-live')]
  .filter(one => one.scrollWidth > one.clientWidth)
  .map(one => `${one.scrollWidth} > ${one.clientWidth}: ${one.textContent.slice(0, 60)}`);
"""
LONG = "12 min 37 s – 1 h 43 min"
SPANS = [
    (0.0, 0.001),
    (0.0, 100.0),
    (99.999, 100.0),
    (100.0, 100.0),
    (33.0, 67.0),
    (48.0, 52.0),
    (99.0, 99.5),
]


def at_the_ends() -> dict[str, tuple[str, dict]]:
    """Plans whose steps are short and at the ends of the time axis, and a run with what happened at both."""
    made: dict[str, tuple[str, dict]] = {}
    for number in range(len(SPANS)):
        plan = sheets()["plan"] | {"end_s": 100.0, "end": "1 h 43 min"}
        for index, step in enumerate(plan["steps"]):
            step["span"] = list(SPANS[(number + index) % len(SPANS)])
            step["time"] = LONG if index % 2 else "0.2 s – 1.67 s"
            step["name"] = "a_name_without_any_place_to_break_in_" * 2 if index == 0 else step["name"]
        label, _, prior, title = plan["totals"][0]
        plan["totals"][0] = [label, "12 min 37 s (9 min 12 s – 1 h 43 min 12 s), " * 4, prior, title]
        made[f"plan{number}"] = "plan", plan
    run = sheets()["run"]
    assert run["marks"]
    for share in (0.0, 0.5, 0.9999, 1.0):
        marks = [mark | {"at_s": share * run["end_s"]} for mark in run["marks"]]
        made[f"run{share}"] = "run", run | {"marks": marks, "plan_s": share * run["end_s"]}
    return made


@pytest.mark.parametrize("width", [1120, 700, 601, 480, 380])
def test_bars_words_and_marks_at_the_ends_of_a_time_axis_stay_in_the_page(browser, width):
    views = at_the_ends()
    given = {"hub": hub_module(), "style": source("views.css"), "views": views}
    given["scripts"] = {kind: source(f"{kind}.js") for kind in {kind for kind, _ in views.values()}}
    page = browser.new_page(viewport={"width": width, "height": 1600})
    slots = [slot(Bundle("<div>static</div>", ""), view).html for view in views]
    areas = "".join(f"<div class=jp-OutputArea-output>{one}</div>" for one in slots)
    page.set_content(f"<!doctype html><html lang=en><body>{areas}</body></html>")
    wide = page.evaluate(f"async given => {{{SHOW}}}", given)
    cut = page.evaluate(CUT)
    page.close()
    assert wide == []
    assert cut == [], json.dumps(cut, indent=1)


WRAPPED = """() => [...document.querySelectorAll('.mk-at:not([hidden]) > :last-child')].map(one => {
  const high = one.clientHeight;
  one.style.whiteSpace = 'nowrap';
  one.style.maxWidth = 'none';
  const [wide, line] = [one.scrollWidth, one.clientHeight];
  return [wide + 1 < one.parentElement.clientWidth, high > 1.5 * line, one.textContent];
})"""


@pytest.mark.parametrize("width", [700, 420])
def test_the_plans_end_below_the_axis_wraps_only_where_it_is_wider_than_the_axis(browser, width):
    views = {name: view for name, view in at_the_ends().items() if view[0] == "run"}
    for share in (0.1, 0.3, 0.45, 0.55, 0.7):
        sheet = views["run1.0"][1]
        views[f"run{share}"] = "run", sheet | {"plan_s": share * sheet["end_s"]}
    given = {"hub": hub_module(), "style": source("views.css"), "views": views}
    given["scripts"] = {"run": source("run.js")}
    page = browser.new_page(viewport={"width": width, "height": 1600})
    slots = [slot(Bundle("<div>static</div>", ""), view).html for view in views]
    areas = "".join(f"<div class=jp-OutputArea-output>{one}</div>" for one in slots)
    page.set_content(f"<!doctype html><html lang=en><body>{areas}</body></html>")
    page.evaluate(f"async given => {{{SHOW}}}", given)
    found = page.evaluate(WRAPPED)
    page.close()
    assert len(found) == len(views)
    assert any(fits for fits, _, _ in found)
    assert [said for fits, wrapped, said in found if fits and wrapped] == []


@pytest.mark.parametrize("width", [1280, 800])
def test_nothing_is_cut_off(newsroom, desk, width):
    desk.lab.write("narrow.ipynb", *newsroom.cells)
    desk.page.set_viewport_size({"width": width, "height": 1200})
    desk.open("narrow.ipynb")
    if width < 1000:
        desk.page.keyboard.press("Control+B")  # as a person with a narrow window does
    desk.page.locator(".jp-murakkab-frontier").wait_for()
    for opener in desk.page.locator(".jp-murakkab-plan .mk-what").all():
        opener.click()
    found = desk.page.evaluate(CUT)
    assert found == [], json.dumps(found, indent=1)
    area = desk.output(3)
    assert area.evaluate("one => one.scrollWidth <= one.clientWidth + 1")
