"""What plans may choose from: nothing that another agent or lever value beats in everything that is known."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from statistics import median

import pytest

from murakkab_jupyter.agents.agent import AgentSpec
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.profiles.book import ProfileBook
from murakkab_jupyter.profiles.store import ProfileStore

NOISE_S = 1e-4
"""CPU time below which two calls cost the same."""


@dataclass(frozen=True)
class Offer:
    """An agent with its levers set; `made` is how many items it makes for the next steps to work on."""

    name: str
    cpu_s: float
    quality: float
    made: int

    def beats(self, other: Offer) -> bool:
        no_worse = (
            self.cpu_s <= other.cpu_s + NOISE_S and self.quality >= other.quality and self.made <= other.made
        )
        better = self.cpu_s < other.cpu_s - NOISE_S or self.quality > other.quality or self.made < other.made
        return no_worse and better


@pytest.fixture(scope="module")
def library():
    made = Library()
    made.load_entry_points()
    return made


@pytest.fixture(scope="module")
def book(library):
    with_nothing_observed = ProfileStore(None)
    return ProfileBook(library, with_nothing_observed, host="here", host_speed=1.0)


def settings_of(spec: AgentSpec):
    """Every setting of its levers that a plan may choose."""
    levers = [option for option in spec.options if option.lever]
    for values in itertools.product(*(option.choices for option in levers)):
        yield spec.settings(dict(zip((lever.name for lever in levers), values, strict=True)))


def offers(book: ProfileBook, specs: list[AgentSpec]) -> list[Offer]:
    """What is known of agents of one capability, at the same work."""
    works = [work for spec in specs if (work := book.typical_work(spec.name)) is not None]
    typical = median(works) if works else 1.0
    found = []
    for spec in specs:
        for settings in settings_of(spec):
            options = tuple(sorted(settings.items()))
            quality = book.quality(spec.name, options)
            # Nobody knows that it is worse: other options were judged, or none.
            if quality.value is None or quality.note.startswith("of other options"):
                continue
            made = int(settings.get("count", 1))
            work = float(made) if "count" in settings else typical
            call = book.call(spec.name, options, cores=1, items=1, work=work)
            assert call is not None
            assert call.cpu_s.value is not None
            levers = {option.name: settings[option.name] for option in spec.options if option.lever}
            found.append(Offer(f"{spec.name} {levers or ''}", call.cpu_s.value, quality.value, made))
    return found


def offered(library: Library, capability: str) -> list[AgentSpec]:
    return [
        spec
        for spec in library.agents(capability)
        if library.is_builtin(spec.name) and not (spec.fixture or spec.stand_in or spec.remote)
    ]


JUDGED = (
    "scene-detection",
    "frame-extraction",
    "speech-to-text",
    "object-detection",
    "ocr",
    "summarisation",
    "text-generation",
    "embedding",
    "retrieval",
    "question-answering",
    "chunking",
    "classification",
    "extraction",
)


UNJUDGED = {"translation"}
"""Only models of the hub offer it, and those were never run here."""


def test_every_capability_with_built_in_agents_is_judged(library):
    assert {c.name for c in library.capabilities() if offered(library, c.name)} == set(JUDGED) | UNJUDGED


@pytest.mark.parametrize("capability", JUDGED)
def test_nothing_that_plans_may_choose_is_beaten_by_another(library, book, capability):
    found = offers(book, offered(library, capability))
    assert found, "at least one is known"
    beaten = [f"{a.name} by {b.name}" for a in found for b in found if b.beats(a)]
    assert beaten == [], "mark it as a fixture with the reason, or drop the value of the lever"
    assert all(one.quality > 0 for one in found), "what never does its step is a fixture"


@pytest.mark.parametrize(
    ("agent", "lever", "value"),
    [("whisper-base", "beam", 5), ("content-scenes", "frame_skip", 0), ("uniform-frames", "count", 3)],
)
def test_a_value_that_plans_no_longer_choose_can_be_pinned_and_is_predicted(
    library, book, agent, lever, value
):
    spec = library.agent(agent)
    option = spec.option(lever)
    assert option is not None
    assert value not in option.choices
    assert option.default in option.choices, "what is measured and shown by default is what plans choose from"
    options = tuple(sorted(spec.settings({lever: value}).items()))
    assert book.quality(agent, options).value is not None
    assert book.call(agent, options, cores=1, items=1, work=3.0) is not None


def test_the_answerer_that_is_a_fixture_is_beaten_indeed(library, book):
    specs = [*offered(library, "question-answering"), library.agent("smollm2-qa")]
    found = offers(book, specs)
    (fixture,) = [one for one in found if one.name.startswith("smollm2-qa")]
    assert any(one.beats(fixture) for one in found)
