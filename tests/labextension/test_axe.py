"""axe-core finds nothing serious or critical in anything of ours, in either theme."""

from __future__ import annotations

import json

import pytest

from tests.labextension.lab import lacking

OURS = [".jp-murakkab", ".murakkab", "[data-murakkab]", "#murakkab-panel"]


def serious(page) -> list:
    """Violations in our elements, as far as they are in the page."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        lacking("axe is not installed: pip install axe-playwright-python")
    here = [where for where in OURS if page.locator(where).count()]
    assert here
    found = Axe().run(page, context={"include": [[where] for where in here]}).response
    return [
        (one["id"], node["html"][:160], node["failureSummary"][:300])
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize("which", ["desk", "plain_desk"])
def test_nothing_serious_in_plan_run_results_frontier_and_panel(which, theme, newsroom, request):
    desk = request.getfixturevalue(which)
    with desk.lab.theme(theme):
        desk.lab.write("axe.ipynb", *newsroom.cells)
        desk.open("axe.ipynb")
        if which == "desk":
            desk.panel()
            desk.run(0)
            desk.status("Connected.")
        desk.page.locator(f"body[data-jp-theme-light={'true' if theme == 'Light' else 'false'}]").wait_for()
        found = serious(desk.page)
    assert found == [], json.dumps(found, indent=1)
