"""The library and the door through which other packages come in."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from murakkab_jupyter.agents.agent import AgentSpec, Needs
from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.agents.library import GROUP, Library
from murakkab_jupyter.agents.media.pictures import READING
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.agents.served.serving import specs_of
from murakkab_jupyter.core.errors import AgentError, UsageError

TRANSLATION = Capability("translation", "Translate a text.", (Port("text", frozenset({"text"})),), "text")
SHOUTER = AgentSpec("shouter", "1", "translation", "Shouts.", "tests.agents.test_library:nothing")


def register(library: Library) -> None:
    library.add_capability(TRANSLATION)
    library.add_agent(SHOUTER)


def broken(library: Library) -> None:
    raise RuntimeError("out of order")


def fake_point(name: str, target: str) -> EntryPoint:
    return EntryPoint(name, f"tests.agents.test_library:{target}", GROUP)


def test_a_package_adds_a_capability_and_an_agent():
    library = Library()
    library.load_entry_points([fake_point("shout", "register")])
    assert library.agent("shouter") == SHOUTER
    assert [one.name for one in library.agents("translation")] == ["shouter"]
    assert library.package_of("shouter") == "shout"
    assert not library.is_builtin("shouter")


def test_a_broken_package_is_noted_and_harms_nobody():
    library = Library()
    library.load_entry_points(
        [fake_point("a", "broken"), fake_point("b", "register"), fake_point("c", "missing")]
    )
    assert library.agent("shouter")
    assert "out of order" in library.broken["a"]
    assert "c" in library.broken


def test_the_built_in_ones_come_through_the_same_door():
    library = Library()
    library.load_entry_points()
    assert not library.broken
    assert library.is_builtin("extractive-summary")
    for capability in (
        "text-generation",
        "summarisation",
        "question-answering",
        "embedding",
        "retrieval",
        "python",
    ):
        assert library.capability(capability)
    for spec in library.agents():
        assert library.capability(spec.capability)
        assert spec.summary.endswith(".")


def test_a_name_that_is_taken_is_an_error():
    library = Library()
    register(library)
    register(library)
    with pytest.raises(AgentError, match="already"):
        library.add_agent(AgentSpec("shouter", "2", "translation", "Other.", "x:y"))
    with pytest.raises(AgentError, match="already"):
        library.add_capability(Capability("translation", "Other.", (), "text"))
    library.add_agent(AgentSpec("shouter", "2", "translation", "Other.", "x:y"), replace=True)
    assert library.agent("shouter").version == "2"


def test_an_agent_of_no_capability_is_an_error():
    with pytest.raises(AgentError, match="no capability"):
        Library().add_agent(SHOUTER)


def test_unknown_names_suggest_the_nearest():
    library = Library()
    register(library)
    with pytest.raises(UsageError, match="Did you mean shouter"):
        library.agent("shooter")
    with pytest.raises(UsageError, match="Did you mean translation"):
        library.capability("translatoin")


def test_what_is_missing_here_is_said():
    library = Library()
    spec = AgentSpec(
        "x", "1", "c", "X.", "a:b", needs=Needs(modules=("no_such_module",), executables=("no-such-program",))
    )
    found = library.availability(spec)
    assert not found.ready
    assert len(found.missing) == 2


def test_every_agent_that_looks_at_pictures_carries_the_version_of_their_reading():
    library = Library()
    library.load_entry_points()
    served = specs_of(Endpoint("http://localhost:1/v1", "m", abilities=frozenset({"images"})), "m", 60.0)
    seeing = [
        spec
        for spec in (*library.agents(), *served)
        if any(
            port.kinds & {"frame", "image"}
            for port in library.capability(spec.capability).ports
            if not port.optional
        )
    ]
    assert {"rapidocr", "tesseract", "clip-vit-b32", "tags-and-text", "openai-eyes", "m-eyes-qa"} <= {
        spec.name for spec in seeing
    }
    assert [spec.name for spec in seeing if READING not in spec.version] == []
