"""The verb table: one parser for magics and command line."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from murakkab_jupyter.core.errors import InfeasibleError, LanguageError, UsageError
from murakkab_jupyter.session import Session
from murakkab_jupyter.verbs import (
    OPTIONS,
    VERBS,
    Workbench,
    check_target,
    header_options,
    help_text,
    names_in,
    parse_request,
    refuse_unused,
    verb_named,
    write_json,
)
from murakkab_jupyter.verbs.export import Kept, write_run
from murakkab_jupyter.workflow.goal import Goal


def test_goals_are_read_on_top_of_a_workflows_own():
    request = parse_request(["plan", "news", "--minimize", "energy", "--deadline", "2min"], "magic")
    assert request.verb.name == "plan"
    assert request.word == "news"
    assert request.goal(Goal(("cost",), budget_usd=1.0)) == Goal(
        ("energy",), deadline_s=120.0, budget_usd=1.0
    )


def test_the_order_of_objectives_is_their_priority():
    request = parse_request(
        ["run", "--maximize", "quality", "--minimize", "latency", "--minimize=cost"], "magic"
    )
    assert request.goal(Goal()).objectives == ("quality", "latency", "cost")


def test_no_goal_words_leave_the_goal_alone():
    base = Goal(("latency",), quality="fair")
    assert parse_request(["run", "news"], "magic").goal(base) == base


def test_inputs_are_kept_in_order_and_may_be_repeated():
    request = parse_request(["run", "a.murakkab", "--input", "videos=a.mp4", "--input=videos=b.mp4"], "cli")
    assert request.options["input"] == ["videos=a.mp4", "videos=b.mp4"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["pln"], "plan"),
        (["frontiers"], "frontier"),
        (["qqqq"], "plan"),
        (["plan", "--minimise", "energy"], "--minimize"),
        (["plan", "--minimize", "enrgy"], "energy"),
        (["plan", "--quality", "god"], "good"),
        (["plan", "--deadline"], "--deadline"),
        (["plan", "a", "b"], "Usage: plan"),
        (["status", "x"], "Usage: status"),
        (["history", "--minimize", "energy"], "Usage: history"),
        (["plan", "--backgrund"], "--"),
    ],
)
def test_a_slip_is_a_usage_error_that_says_what_to_type(words, hint):
    with pytest.raises(UsageError) as caught:
        parse_request(words, "magic")
    assert caught.value.exit_code == 2
    assert hint in (caught.value.hint or "")


def test_a_verb_of_the_other_face_is_unknown_here():
    assert parse_request(["demo"], "cli").verb.name == "demo"
    with pytest.raises(UsageError):
        parse_request(["demo"], "magic")
    with pytest.raises(UsageError):
        parse_request(["plan", "--input", "a=b"], "magic")


def test_nothing_or_help_asks_for_help():
    for words in ([], ["--help"], ["-h"], ["help"]):
        assert parse_request(words, "cli").verb.name == "help"
    assert parse_request(["run", "-h"], "cli").options["help"] is True


@pytest.mark.parametrize("face", ["magic", "cli"])
def test_help_names_every_verb_and_option_of_its_face(face):
    text = help_text(face)
    for verb in VERBS:
        assert (f"  {verb.name}" in text) == (face in verb.faces)
    for name, option in OPTIONS.items():
        if name != "help":
            shown = help_text(face, option.only) if option.only else text
            assert (f"  --{name} " in f"{shown} ") == (face in option.faces)
    for name in ("minimize", "maximize", "quality", "deadline", "budget", "max-energy"):
        assert f"--{name}" in text


def test_every_verb_has_a_help_of_its_own():
    for verb in VERBS:
        face = verb.faces[0]
        assert verb.summary in help_text(face, verb.name)
        assert verb_named(verb.name, face) is verb


def test_a_verb_without_a_goal_hints_at_no_option_of_one():
    with pytest.raises(UsageError) as caught:
        parse_request(["bill", "--frsh"], "magic")
    assert caught.value.hint == "There are: --json, --help."


def test_a_workflow_needs_no_name_in_a_notebook_and_is_a_file_in_a_terminal():
    for name in ("plan", "run", "explain", "frontier"):
        assert f"%murakkab {name} [WORKFLOW] [options]" in help_text("magic", name)
        assert f"murakkab {name} FILE [options]" in help_text("cli", name)
        assert f"  {name} [WORKFLOW] " in help_text("magic")
    with pytest.raises(UsageError) as caught:
        parse_request(["plan", "a", "b"], "cli")
    assert caught.value.hint == "Usage: plan FILE [options]"


def test_cores_must_be_a_number():
    assert parse_request(["run", "--cores", "2"], "magic").cores == 2
    with pytest.raises(UsageError):
        _ = parse_request(["run", "--cores", "two"], "magic").cores


def test_the_names_a_cell_needs_are_its_variables_and_functions():
    text = "%%murakkab w\na <- transcribe {clips}\nb <- do {a} with {table} @python:mine\n  say {word}\n"
    assert names_in(text) == ["clips", "table", "word", "mine"]


def test_a_wrong_option_in_a_header_points_at_its_place():
    with pytest.raises(LanguageError) as caught:
        header_options("%%murakkab news --minimise energy\na <- summarise {x}\n")
    assert (caught.value.line, caught.value.column) == (1, 17)
    assert "--minimize" in (caught.value.hint or "")


def test_a_workflow_cannot_be_called_like_a_verb():
    with pytest.raises(UsageError, match="verb"):
        header_options("%%murakkab plan\na <- summarise {x}\n")


def test_json_goes_to_a_file_or_comes_back(tmp_path):
    assert json.loads(write_json({"a": "é"}, "-")) == {"a": "é"}
    assert write_json([1], str(tmp_path / "out.json")) is None
    assert json.loads((tmp_path / "out.json").read_text()) == [1]
    with pytest.raises(UsageError, match="cannot be written") as caught:
        write_json([1], str(tmp_path / "none" / "out.json"))
    assert "--json" in str(caught.value.hint)


def test_an_export_that_cannot_be_written_asks_for_another_file_by_no_option(tmp_path):
    made = Kept(cast("Any", None), cast("Any", None), cast("Any", SimpleNamespace(report=dict)))
    with pytest.raises(UsageError, match="cannot be written") as caught:
        write_run(made, tmp_path / "none" / "out.json")
    assert caught.value.hint == "Name another file."


def test_json_for_a_screen_holds_nothing_that_steers_it_and_means_the_same(tmp_path):
    data = {"name": "é 漢 🎬 a\x7f\x9b31m\u202egnp.mp4\u2066\U000e0041", "lost": "\udce9"}
    for one in (data, {"name": data["name"]}):
        said = write_json(one, "-")
        assert all(c.isprintable() or c == "\n" for c in said)
        assert json.loads(said) == one
    assert "é 漢 🎬" in said
    assert r"\u202e" in said
    write_json(data, str(tmp_path / "out.json"))
    assert json.loads((tmp_path / "out.json").read_text()) == data


def test_a_target_for_json_is_checked_without_writing_it(tmp_path):
    kept = tmp_path / "kept.json"
    kept.write_text("before")
    for fine in (None, "-", str(tmp_path / "new.json"), str(kept)):
        check_target(fine)
    assert [one.name for one in tmp_path.iterdir()] == ["kept.json"]
    assert kept.read_text() == "before"
    for wrong in (str(tmp_path), str(tmp_path / "none" / "x.json"), str(kept / "x.json")):
        with pytest.raises(UsageError, match="cannot be written"):
            check_target(wrong)


def test_a_value_that_nothing_refers_to_is_told_with_what_does():
    text = "%%murakkab w\na <- transcribe {clips}\nb <- do {a} @python:mine\n"
    refuse_unused(["clips", "mine"], text)
    for name, hint in (("clip", "Did you mean {clips}?"), ("a", "It refers to {clips}, {mine}.")):
        with pytest.raises(UsageError, match="Nothing in the workflow refers to") as caught:
            refuse_unused([name], text)
        assert caught.value.hint == hint


def test_an_unknown_workflow_is_an_error_with_the_nearest():
    bench = Workbench()
    with pytest.raises(UsageError, match="No workflow"):
        bench.find(None)
    bench.declared["newsroom"] = None
    with pytest.raises(UsageError) as caught:
        bench.find("newsrom")
    assert "newsroom" in caught.value.hint


def test_a_plan_for_another_cluster_is_made_there_and_an_error_leaves_the_workflow_where_it_was(tmp_path):
    def make(**words):
        return Session(journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite", **words)

    def shout(text):
        return text.upper()

    bench = Workbench(make)
    try:
        laptop = bench.session("laptop")
        cell = "%%murakkab loud\nsaid <- shout {words} @python:shout"
        one = bench.declare(cell, {"words": ["a"], "shout": shout}, session=laptop)
        here = bench.plan(one)
        view, said = bench.do(parse_request(["cluster"], "magic"), "magic").data
        assert view == laptop.view, "that of the latest workflow, not of this host"
        assert said == "laptop, where loud is declared"
        _, said = bench.do(parse_request(["cluster", "--cluster", "cpu-server"], "magic"), "magic").data
        assert said == "cpu-server"
        moved = bench.do(parse_request(["plan", "--cluster", "cpu-server"], "magic"), "magic")
        assert one.session is bench.session("cpu-server")
        there, _ = moved.data
        assert there is one.plan
        assert there is not here
        bench.do(parse_request(["frontier", "--cluster", "laptop"], "magic"), "magic")
        assert one.session is laptop
        assert one.plan is None
        bench.plan(one)
        with pytest.raises(InfeasibleError):
            bench.do(
                parse_request(["plan", "--cluster", "cpu-server", "--deadline", "1ms"], "magic"), "magic"
            )
        assert one.session is laptop
        assert one.plan is not None
    finally:
        bench.close()
