"""What is offered on a `%murakkab` line: only what may stand there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from murakkab_jupyter.cluster.engines.config import EngineConfig
from murakkab_jupyter.notebook.complete import cell_suggestions, line_suggestions, matcher
from murakkab_jupyter.notebook.scope import Scope
from murakkab_jupyter.verbs import OPTIONS, VERBS, Workbench
from murakkab_jupyter.verbs.engines import ACTIONS
from murakkab_jupyter.workflow.language.options import GOAL_OPTIONS


@pytest.fixture(scope="module")
def scope():
    bench = Workbench()
    bench.declared["news"] = SimpleNamespace(name="news")
    bench.session().engines.know(EngineConfig("some/model", name="small-one"))
    yield Scope(bench, {"goal": "energy", "limit_s": 90, "videos": ["a.mp4"], "sure": True})
    bench.session().engines.detach("small-one")  # its agents stand in the library of the whole process


def offered(line, scope):
    return [text for text, _ in line_suggestions(line, scope)[1]]


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("%murakkab run ne", "news"),
        ("%murakkab run --background ne", "news"),
        ("%murakkab run --fresh ", "news"),
        ("%murakkab run --minimize energy ne", "news"),
        ("  %murakkab run ne", "news"),
        ("%murakkab export --python ", "news"),
        ("%murakkab engine ", "attach"),
        ("%murakkab engine at", "attach"),
        ("%murakkab engine stop ", "small-one"),
        ("%murakkab engine logs --lines 3 sm", "small-one"),
        ("%murakkab profile en", "engine"),
        ("%murakkab profile engine ", "small-one"),
        ("%murakkab profile --measure whisper-b", "whisper-base"),
        ("%murakkab profile whisper-base rapid", "rapidocr"),
        ("%murakkab models whisper-b", "whisper-base"),
        ("%murakkab agents rapid", "rapidocr"),
        ("%murakkab help fron", "frontier"),
        ("%murakkab run --minimize e", "energy"),
        ("%murakkab run --minimize {g", "goal"),
        ("%murakkab run --deadline {", "limit_s"),
        ("%murakkab run --cores {l", "limit_s"),
    ],
)
def test_what_may_stand_there_is_offered(scope, line, some):
    assert some in offered(line, scope)


def test_of_a_variable_only_its_name_is_typed_and_only_texts_and_numbers_are_offered(scope):
    assert line_suggestions("%murakkab run --minimize {go", scope) == ("go", [("goal", "variable: text")])
    assert sorted(offered("%murakkab run --minimize {", scope)) == ["goal", "limit_s"]
    cell = "%%murakkab w --minimize {g"
    assert cell_suggestions(cell, len(cell), scope) == ("g", [("goal", "variable: text")])


@pytest.mark.parametrize("verb", [one.name for one in VERBS if "magic" in one.faces and not one.most_words])
def test_a_verb_without_words_is_offered_none(scope, verb):
    assert offered(f"%murakkab {verb} ", scope) == []


@pytest.mark.parametrize(
    "line",
    [
        "%murakkab run news ",
        "%murakkab run --cores ",
        "%murakkab frontier --take ",
        "%murakkab engine attach ",
        "%murakkab engine list ",
        "%murakkab engine stop small-one ",
        "%murakkab models ne",
        "%murakkab nonsense ",
        "%murakkab nonsense --",
        "%murakkab profile --measure en",
    ],
)
def test_nothing_is_offered_where_nothing_known_fits(scope, line):
    assert offered(line, scope) == []


def test_every_action_of_engine_is_offered(scope):
    assert offered("%murakkab engine ", scope) == list(ACTIONS)


@pytest.mark.parametrize("verb", [one for one in VERBS if "magic" in one.faces], ids=lambda one: one.name)
def test_every_option_that_a_line_takes_is_offered_and_no_other(scope, verb):
    takes = {f"--{name}" for name in verb.options if "magic" in OPTIONS[name].faces}
    takes |= {f"--{name}" for name in GOAL_OPTIONS} if verb.goal else set()
    assert set(offered(f"%murakkab {verb.name} -", scope)) == takes


def test_an_indented_line_in_a_cell_is_completed(scope):
    text = "if True:\n    %murakkab run ne"
    found = matcher(scope)(
        SimpleNamespace(full_text=text, cursor_line=1, cursor_position=len(text.split("\n")[1]))
    )
    assert [one.text for one in found["completions"]] == ["news"]
    assert found["matched_fragment"] == "ne"
