"""With the extension and without it, an output says the same: plan, run, results and bill of the video tutorial."""

from __future__ import annotations

import pytest

from tests.labextension.lab import sit_down
from tests.labextension.test_video import RUN

pytestmark = [pytest.mark.media, pytest.mark.timeout(700)]

READ = """area => {
  const words = one => one ? one.innerText.replace(/\\s+/g, ' ').trim() : null;
  const all = (where, from = area) => [...from.querySelectorAll(where)];
  const table = label => all(`table[aria-label="${label}"] tbody tr`).map(row => [...row.children].map(words));
  const still = card => card.querySelector('img')?.src ?? null;
  return {
    cards: all('.ms-card, .mk-item').map(card => ({
      where: card.getAttribute('aria-label'),
      still: still(card),
      wide: card.querySelector('img')?.getBoundingClientRect().width ?? 0,
      fields: all('.ms-field, .mk-field', card).map(words)
    })),
    evidence: all('[data-murakkab-evidence], .mk-evidence li').map(words),
    bill: table('Bill: one row a step, then idle and total'),
    used: table('What was used, beside the plan').concat(table('What was used so far, beside the plan')),
    steps: table('Progress of each step').map(row => row.filter(Boolean)),
    said: words(area)
  };
}"""


def same(one: str, other: str) -> bool:
    """Whether two texts are the same; where one says by `…` that it is cut there, as far as it goes."""
    a, b = (text.removesuffix(" Less").strip() for text in (one, other))

    def begins(short: str, long: str) -> bool:
        # A quotation ends behind what is cut, and a passage with where it was found.
        kept, cut, end = short.rpartition("…")
        return bool(cut) and long.startswith(kept.rstrip()) and long.removesuffix("…").endswith(end)

    return a == b or begins(a, b) or begins(b, a)


def test_texts_are_the_same_up_to_where_one_of_them_says_that_it_is_cut():
    assert same("summary Rates rose. Less", "summary Rates rose.")
    assert same("summary Rates rose…", "summary Rates rose. Then they fell.")
    assert same("“Rates…”", "“Rates rose.”")
    assert same("Rates… (report.pdf, page 3)", "Rates rose. (report.pdf, page 3)")
    assert not same("Rates rose.", "Rates rose. (report.pdf, page 3)")
    assert not same("Rates…", "Rats")
    assert not same("Rates… (report.pdf, page 4)", "Rates rose. (report.pdf, page 3)")


def test_results_run_and_bill_say_the_same_with_the_extension_and_without(newsroom, desk, plain_lab, browser):
    for lab in (desk.lab, plain_lab):
        lab.write("parity.ipynb", *newsroom.cells)
        lab.trust("parity.ipynb")
    desk.open("parity.ipynb", kernel=False)
    desk.output(RUN).locator(".jp-murakkab-results").wait_for()
    more = desk.output(RUN).get_by_role("button", name="More of")
    while more.count():  # one that was pressed is called otherwise
        more.first.click()
    rich = desk.output(RUN).evaluate(READ)
    plain, context = sit_down(plain_lab, browser)
    plain.open("parity.ipynb", kernel=False)
    plain.output(RUN).locator(".murakkab style").first.wait_for(state="attached")
    still = plain.output(RUN).evaluate(READ)
    context.close()

    assert len(rich["cards"]) == len(still["cards"]) >= 3
    for mine, its in zip(rich["cards"], still["cards"], strict=True):
        assert (mine["where"], mine["still"]) == (its["where"], its["still"])
        assert abs(mine["wide"] - its["wide"]) < 30
        assert len(mine["fields"]) == len(its["fields"]) >= 2
        for one, other in zip(mine["fields"], its["fields"], strict=True):
            assert same(one, other), (one, other)
    assert sum(card["still"] is not None for card in rich["cards"]) >= 3
    assert len(rich["evidence"]) == len(still["evidence"]) >= 1
    for one, other in zip(rich["evidence"], still["evidence"], strict=True):
        assert same(one, other), (one, other)
    for part in ("bill", "used", "steps"):
        assert rich[part] == still[part], part
        assert rich[part]
    # Which plan it ran stands in both, in the same words.
    at = "By the plan: "
    by = [one["said"].split(at, 1)[1][:60] for one in (rich, still)]
    assert by[0] == by[1]
