"""At 800 pixels nothing of ours is cut off: what does not fit wraps, says itself in a title, or scrolls with a shade."""

from __future__ import annotations

import json

import pytest

pytestmark = [pytest.mark.media, pytest.mark.timeout(700)]

CUT = """() => {
  const found = [];
  const ours = document.querySelectorAll('.murakkab-live, .murakkab-live *, .jp-murakkab, .jp-murakkab *, #murakkab-panel, #murakkab-panel *');
  for (const one of ours) {
    if (one instanceof SVGElement || !one.offsetParent || one.scrollWidth <= one.clientWidth + 1 || !one.clientWidth) continue;
    const style = getComputedStyle(one);
    const said = one.closest('[title]') || one.closest('[aria-label]')?.matches('button');
    const fine = {
      visible: getComputedStyle(one).display === 'inline' || [...one.children].every(child => getComputedStyle(child).position === 'absolute'),
      hidden: Boolean(said) || style.clipPath !== 'none' || one.getAttribute('role') === 'progressbar',
      auto: style.backgroundImage !== 'none',
      scroll: style.backgroundImage !== 'none'
    }[style.overflowX];
    if (!fine) found.push([style.overflowX, one.scrollWidth, one.clientWidth, one.outerHTML.slice(0, 160)]);
  }
  return found;
}"""


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
