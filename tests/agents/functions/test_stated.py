"""An own function gets what a sentence states in words, under the name of its port, as it gets a reference."""

from __future__ import annotations

from typing import Any

import pytest

from murakkab_jupyter.agents.agent import Agent, Inputs
from murakkab_jupyter.agents.functions.python import agent
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.session import Session

TEXTS = ["dense cells", "sparse cells"]


@pytest.fixture
def library() -> Library:
    fresh = Library()
    fresh.load_entry_points()
    return fresh


def run(library: Library, tmp_path: Any, cell: str, **values: Any) -> Any:
    with Session(library=library, journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite") as session:
        ended = session.run(session.declare(cell, {"notes": TEXTS, **values}))
        assert ended.status == "done", ended.message
        return [*ended.outputs["k"].values()]


def test_labels_in_quotes_and_in_a_variable_come_as_the_parameter(library, tmp_path):
    @agent(capability="classification", name="by-hand", library=library)
    def by_hand(text, labels):
        good, bad = (one.strip() for one in labels.split(","))
        return good if text.startswith("dense") else bad

    assert run(library, tmp_path, 'k <- classify {notes} into "good, bad" @by-hand') == ["good", "bad"]
    cell = "k <- classify {notes} into {labels} @by-hand"
    assert run(library, tmp_path, cell, labels="yes, no") == ["yes", "no"]


def test_a_batch_gets_one_of_it_for_each_item(library, tmp_path):
    @agent(capability="classification", name="whole", batch=True, library=library)
    def whole(text, labels):
        return [said.split(",")[-1].strip() for _, said in zip(text, labels, strict=True)]

    assert run(library, tmp_path, 'k <- classify {notes} into "good, bad" @whole') == ["bad", "bad"]


def test_one_reference_is_the_value_itself_and_several_are_a_dict_by_name(library, tmp_path):
    @agent(capability="summarisation", name="told", library=library)
    def told(material):
        return material if isinstance(material, str) else ", ".join(sorted(material))

    assert run(library, tmp_path, "k <- summarise {notes} @told") == TEXTS
    cell = "k <- summarise {notes} and {title}, per notes @told"
    assert run(library, tmp_path, cell, title="Cells") == ["notes, title"] * 2


def test_a_list_that_is_gathered_is_a_list(library, tmp_path):
    @agent(capability="summarisation", name="counted", library=library)
    def counted(material):
        return f"{len(material)} {material[0]}"

    with Session(library=library, journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite") as session:
        ended = session.run(session.declare("k <- summarise {notes}, per all @counted", {"notes": TEXTS}))
        assert ended.outputs["k"] == "2 dense cells"


def test_a_class_is_told_when_it_is_loaded(library, tmp_path):
    @agent(capability="classification", name="loaded", library=library)
    class Loaded(Agent):
        def load(self, options, cores):
            self.labels = options["labels"].split(", ")

        def call(self, batch):
            return [self.labels[-1] for _ in batch]

    assert run(library, tmp_path, 'k <- classify {notes} into "good, bad" @loaded') == ["bad", "bad"]


def test_what_is_stated_nowhere_is_its_own_default_or_none(library):
    @agent(capability="translation", name="mine", library=library)
    def mine(text, language, source="Latin"):
        return f"{text} {language} {source}"

    @agent(capability="translation", name="other", library=library)
    def other(text, language, source):
        return f"{text} {language} {source}"

    for name, source in (("mine", "Latin"), ("other", "None")):
        spec = library.agent(name)
        made = spec.make()
        made.load(spec.settings({"language": "French"}), 1)
        assert made.call([Inputs((("t", 0),), {"text": "salve"})]) == [f"salve French {source}"]


def test_a_name_that_no_pin_can_say_is_refused(library):
    with pytest.raises(UsageError, match="no pin could say it"):
        agent(capability="ocr", name="x y!", library=library)(lambda picture: "a")
    with pytest.raises(UsageError, match="'<lambda>' cannot be the name"):
        agent(capability="ocr", library=library)(lambda picture: "a")


def test_a_setting_that_there_is_not_names_the_nearest(library):
    with pytest.raises(UsageError, match="no 'qualty'") as caught:
        agent(capability="ocr", name="x", library=library, qualty=0.5)(lambda picture: "a")
    assert caught.value.hint == "Did you mean quality?"
