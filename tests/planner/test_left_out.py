"""Agents that are not considered: one sentence for all that have the same reason."""

from dataclasses import replace

import pytest

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.weights import catalogue
from murakkab_jupyter.agents.weights import resolver as weights
from murakkab_jupyter.agents.weights.resolver import Withheld
from murakkab_jupyter.core.errors import InfeasibleError
from murakkab_jupyter.core.hosts import ClusterView
from murakkab_jupyter.planner import modes
from murakkab_jupyter.planner.left_out import LeftOut, left_out_notes
from murakkab_jupyter.planner.solve import make_plan
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Step
from tests.planner.synthetic import Made, world_of
from tests.runtime.till import worker


def test_agents_that_only_wait_for_consent_to_the_hub_share_a_line_with_their_sizes(monkeypatch):
    monkeypatch.setenv("MURAKKAB_CACHE", "/nonexistent")
    monkeypatch.setenv("HF_HOME", "/nonexistent")
    monkeypatch.delenv("MURAKKAB_HUB", raising=False)
    monkeypatch.delenv("MURAKKAB_OFFLINE", raising=False)
    names = [one.name for one in catalogue.CATALOGUE if not one.packages][:3]
    reasons = [weights.withheld(name) for name in names]
    some = [LeftOut(f"agent-{n}", (reason,)) for n, reason in enumerate(reasons)]
    (note,) = left_out_notes([*some, some[0]])
    sizes = [f"{weights.weight(name).download_bytes / 1e9:.1f} GB" for name in names]
    agents = ", ".join(f"agent-{n} ({size})" for n, size in enumerate(sizes))
    assert note == (
        "Not considered, because their weights would come from a model hub (MURAKKAB_HUB=yes allows it): "
        f"{agents}."
    )


def test_a_step_that_nothing_does_by_itself_says_everything_that_would(monkeypatch):
    """As on a default install: what translates well would come from a hub, and SmolLM2 is not chosen by itself."""
    library = Library()
    library.load_entry_points()
    hub = (Withheld("w", "(0.6 GB from the hub) need MURAKKAB_HUB=yes", 600_000_000),)
    small = ("", "smollm2-135m-q4_1")
    monkeypatch.setattr(
        modes, "lacking", lambda agent, _: () if "".join(agent.needs.weights) in small else hub
    )
    step = Step("dutch", "translate {note} into Dutch", "translation", (), False, "text", ())
    with pytest.raises(InfeasibleError) as caught:
        modes.usable(step, library, ClusterView((worker(),)))
    said = str(caught.value)
    assert "attach a model server: engine attach URL" in said
    assert "@gguf-translate gguf=GGUF" in said
    assert "@openai-translate url=URL" in said
    assert "pin @smollm2-translate, which is not chosen by itself: It did not translate" in said
    for pinned in ("smollm2-translate", "gguf-translate", "openai-translate"):
        found, _, _ = modes.usable(replace(step, agent=pinned), library, ClusterView((worker(),)))
        assert [one.name for one in found] == [pinned]


def test_other_reasons_have_lines_of_their_own():
    gone = "are not on this machine, and the hub (h) cannot be reached"
    notes = left_out_notes(
        [
            LeftOut("a", ("Python module x is not installed",)),
            LeftOut("b", (Withheld("w1", gone),)),
            LeftOut("c", (Withheld("w2", gone),)),
            LeftOut(
                "d",
                (
                    "program y is not on the path",
                    Withheld("w3", "(0.2 GB from the hub) need MURAKKAB_HUB=yes", 200_000_000),
                ),
            ),
            LeftOut("e", ("Python module x is not installed",)),
        ]
    )
    assert notes == [
        "Not considered, because Python module x is not installed: a, e.",
        "Not considered, because their weights are not on this machine, and the hub (h) cannot be reached: b, c.",
        "Not considered, because program y is not on the path; their weights (0.2 GB from the hub) need "
        "MURAKKAB_HUB=yes: d.",
    ]


def test_a_plan_says_it_once_for_all_its_steps_and_last():
    lacks = {"modules": ("no_such_module",)}
    world = world_of(
        {"hear": ["data"], "tell": ["hear"]},
        [
            Made("good-ears", "hear", 1.0, **lacks),
            Made("guessed-ears", "hear", 1.0),
            Made("good-words", "tell", 1.0, **lacks),
            Made("words", "tell", 1.0),
        ],
    )
    plan = make_plan(world.workflow, Goal(), **world.arguments())
    told = "Not considered, because Python module no_such_module is not installed: good-ears, good-words."
    assert plan.notes[-1] == told
    assert len([note for note in plan.notes if "no_such_module" in note]) == 1
    assert len(plan.notes) > 1
