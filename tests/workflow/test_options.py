"""Options of a goal: one parser for headers, magics and the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.workflow.goal import OBJECTIVES, TIERS, Goal
from murakkab_jupyter.workflow.language import parse_goal_options
from murakkab_jupyter.workflow.language.options import WordError, goal_words


def read(line, base=None):
    return parse_goal_options(line.split(), base)


@pytest.mark.parametrize(
    ("line", "goal"),
    [
        ("", Goal()),
        ("--minimize energy", Goal(("energy",))),
        ("--minimize=energy", Goal(("energy",))),
        ("--minimize cost,latency", Goal(("cost", "latency"))),
        ("--maximize quality --minimize cost --minimize energy", Goal(("quality", "cost", "energy"))),
        ("--minimize latency --maximize quality", Goal(("latency", "quality"))),
        ("--quality best", Goal(quality="best")),
        ("--quality 0.8", Goal(quality=0.8)),
        ("--quality 80%", Goal(quality=0.8)),
        ("--deadline 2min", Goal(deadline_s=120)),
        ("--deadline 90s", Goal(deadline_s=90)),
        ("--deadline 1.5h", Goal(deadline_s=5400)),
        ("--deadline 45", Goal(deadline_s=45)),
        ("--budget 0.05usd", Goal(budget_usd=0.05)),
        ("--budget $0.05", Goal(budget_usd=0.05)),
        ("--budget 0.05", Goal(budget_usd=0.05)),
        ("--budget 5cents", Goal(budget_usd=0.05)),
        ("--budget 12µ$", Goal(budget_usd=12 * 1e-6)),
        ("--budget 12μ$", Goal(budget_usd=12 * 1e-6)),  # the Greek letter
        ("--budget 1.00n$", Goal(budget_usd=1e-9)),
        ("--max-energy 500J", Goal(max_energy_j=500)),
        ("--max-energy 2kJ", Goal(max_energy_j=2000)),
        ("--max-energy 1Wh", Goal(max_energy_j=3600)),
        ("--max-energy 3MJ", Goal(max_energy_j=3e6)),
        ("--max-energy 3mJ", Goal(max_energy_j=3e-3)),
        ("--max_energy 5J", Goal(max_energy_j=5)),
    ],
)
def test_options_say_a_goal(line, goal):
    assert read(line) == (goal, {})


def test_options_change_a_goal_and_leave_the_rest():
    base = Goal(("energy",), quality="fair", deadline_s=60)
    assert read("--quality best", base)[0] == Goal(("energy",), quality="best", deadline_s=60)
    assert read("--maximize quality", base)[0].objectives == ("quality",)


def test_other_options_come_back_by_name():
    words = "newsroom --run --background --cluster tcp://x:1 --input a=1 --input b=2 --json out.json"
    assert read(words)[1] == {
        "words": ["newsroom"],
        "run": True,
        "background": True,
        "cluster": "tcp://x:1",
        "input": ["a=1", "b=2"],
        "json": "out.json",
    }


def test_the_caller_says_which_other_options_there_are():
    assert parse_goal_options(["--paths", "3"], others={"paths": "value"})[1] == {"paths": "3"}
    with pytest.raises(UsageError, match="no option --run"):
        parse_goal_options(["--run"], others={})


@pytest.mark.parametrize(
    ("line", "index", "message", "hint"),
    [
        ("--minimise cost", 0, "no option --minimise", "--minimize"),
        ("x --dedline 3", 1, "no option --dedline", "--deadline"),
        ("--zzz", 0, "no option --zzz", "There are"),
        ("-minimize cost", 0, "no option -minimize", "--minimize"),
        ("--minimize", 0, "needs a value", "cost|energy|latency"),
        ("--minimize --quality good", 0, "needs a value", "cost|energy|latency"),
        ("--minimize quality", 1, "cannot be 'quality'", "--maximize quality"),
        ("--maximize cost", 1, "cannot be 'cost'", "--minimize cost"),
        ("--minimize enrgy", 1, "cannot be 'enrgy'", "energy"),
        ("--minimize cost,cost", 1, "given twice", "once"),
        ("--minimize cost --minimize cost", 3, "given twice", "once"),
        ("--quality goood", 1, "cannot be 'goood'", "good"),
        ("--quality 1.5", 1, "cannot be", "0 to 1"),
        ("--quality nan", 1, "cannot be", "0 to 1"),
        ("--deadline soon", 1, "cannot be 'soon'", "2min"),
        ("--deadline 3 parsecs", 1, None, None),
        ("--deadline 3parsecs", 1, "cannot be", "2min"),
        ("--deadline 0s", 1, "more than 0", "2min"),
        ("--deadline -5s", 1, "more than 0", "2min"),
        ("--deadline 1e999", 1, "more than 0", "2min"),
        ("--budget free", 1, "cannot be", "0.05usd"),
        ("--budget $12µ$", 1, "cannot be", "0.05usd"),
        ("--budget 5k$", 1, "cannot be", "0.05usd"),
        ("--budget 5N$", 1, "cannot be", "0.05usd"),
        ("--budget 12\N{GREEK CAPITAL LETTER MU}$", 1, "cannot be", "0.05usd"),
        ("--deadline 5$", 1, "cannot be", "2min"),
        ("--max-energy 5W", 1, "cannot be", "500J"),
        ("--run=yes", 0, "takes no value", "--run"),
    ],
)
def test_a_wrong_option_is_told_with_its_word(line, index, message, hint):
    if message is None:
        assert read(line)[1] == {"words": ["parsecs"]}
        return
    with pytest.raises(WordError) as caught:
        read(line)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.index == index


positive = st.floats(min_value=1e-6, max_value=1e9) | st.none()
goals = st.builds(
    Goal,
    objectives=st.lists(st.sampled_from(OBJECTIVES), min_size=1, unique=True).map(tuple),
    quality=st.none() | st.sampled_from(TIERS) | st.floats(0, 1),
    deadline_s=positive,
    budget_usd=positive,
    max_energy_j=positive,
)


@given(goals)
def test_every_goal_can_be_said(goal):
    assert parse_goal_options(goal_words(goal)) == (goal, {})


@given(st.lists(st.text()))
def test_no_words_crash_the_parser(words):
    try:
        parse_goal_options(words)
    except UsageError as error:
        assert error.hint  # noqa: PT017 - most words are fine
