"""axe-core finds nothing serious or critical in anything of ours, in either theme."""

from __future__ import annotations

import json

import pytest

from tests.labextension.lab import code, serious
from tests.labextension.test_screenshots import FLOW

pytestmark = [pytest.mark.media, pytest.mark.timeout(700)]


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize("which", ["desk", "plain_desk"])
def test_nothing_serious_in_plan_run_results_frontier_and_panel(which, theme, newsroom, request):
    desk = request.getfixturevalue(which)
    with desk.lab.theme(theme):
        # JupyterLab strips what makes tables reachable from notebooks that nobody trusts.
        desk.lab.write("axe.ipynb", *newsroom.cells)
        desk.lab.trust("axe.ipynb")
        desk.open("axe.ipynb")
        if which == "desk":
            desk.panel()
            desk.run(0)
            desk.status("Connected.")
        desk.page.wait_for_function(
            "light => document.body.dataset.jpThemeLight === light", arg=str(theme == "Light").lower()
        )
        found = serious(desk.page)
    assert found == [], json.dumps(found, indent=1)


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_nothing_serious_in_live_views(plain_desk, theme):
    desk = plain_desk
    with desk.lab.theme(theme):
        desk.lab.write("live.ipynb", *(code(one) for one in FLOW))
        desk.open("live.ipynb")
        for index in (0, 1, 3, 4, 5):
            desk.run(index)
        desk.run(6, wait=False)
        for index, kind in ((1, "plan"), (5, "frontier"), (6, "run")):
            desk.output(index).locator(f"[data-murakkab={kind}]").wait_for()
        desk.output(6).locator("[data-murakkab=run] [role=progressbar]").first.wait_for()
        found = serious(desk.page)
        desk.output(6).locator("[data-murakkab=stop]").click()
        desk.ended(6)
    assert found == [], json.dumps(found, indent=1)
