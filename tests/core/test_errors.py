from __future__ import annotations

import inspect
import pickle
import types

import pytest

from murakkab_jupyter.core import errors
from murakkab_jupyter.core.errors import (
    WIDTH,
    InfeasibleError,
    InputError,
    JournalError,
    LanguageError,
    MurakkabError,
    UsageError,
)
from murakkab_jupyter.notebook.live import StoppedError

ALL = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, MurakkabError)]


def test_every_error_is_public_and_of_one_tree() -> None:
    assert sorted(cls.__name__ for cls in ALL) == sorted(errors.__all__)
    assert errors.__doc__ is not None
    for cls in ALL:
        assert cls.__name__ in errors.__doc__
        assert cls.__doc__


def test_an_error_says_what_is_wrong_and_what_to_do() -> None:
    error = UsageError("There is no verb 'rnu'.", hint="Did you mean run?")
    assert str(error) == "There is no verb 'rnu'.\nDid you mean run?"
    assert error._render_traceback_() == ["UsageError: There is no verb 'rnu'.\nDid you mean run?"]
    assert str(JournalError("Gone.")) == "Gone."


def test_a_language_error_points_at_the_text() -> None:
    error = LanguageError(
        "No such step.", line=2, column=8, source="\ta <- do {b}", width=3, hint="Did you mean {c}?"
    )
    assert error.lines() == [
        "line 2, column 8: No such step.",
        "  \ta <- do {b}",
        "  \t      ^^^",
        "Did you mean {c}?",
    ]
    assert LanguageError("x", line=1, column=1, source="y", width=0).lines()[2] == "  ^"
    assert LanguageError("x", line=1, column=1).lines() == ["line 1, column 1: x"]


def test_an_error_repeats_no_key_of_an_address() -> None:
    error = InputError("No file at http://bob:hunter2@host/a.mp4.", hint="See http://host/?token=hunter2.")
    for said in (str(error), repr(error), "".join(error._render_traceback_())):
        assert "hunter2" not in said
        assert "host/a.mp4" in said


def test_exit_codes_tell_usage_from_an_impossible_goal() -> None:
    assert MurakkabError("x").exit_code == 2
    error = InfeasibleError("x", binding="deadline 1 s", nearest="a plan")
    assert (error.exit_code, error.binding, error.nearest) == (4, "deadline 1 s", "a plan")


@pytest.mark.parametrize(
    "error",
    [
        UsageError("m", hint="h"),
        LanguageError("m", line=2, column=3, source="s", width=4, hint="h"),
        InfeasibleError("m", binding="b", nearest=1, hint="h"),
    ],
)
def test_an_error_comes_back_whole_from_another_process(error: MurakkabError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert back.lines() == error.lines()
    assert vars(back) == vars(error)


def test_a_long_message_is_folded_between_words_in_a_notebook() -> None:
    step = "answer <- answer {question} from {summary}, per video @question-answering question={question} paths=3"
    error = LanguageError(
        "The step " + "says many words " * 12,
        line=1,
        column=3,
        source="x" * 120,
        hint=f"Say it in one of these ways, whichever of the two of them you meant when you wrote the line:\n{step}",
    )
    (shown,) = error._render_traceback_()
    assert "\n".join(error.lines()).split() == shown.removeprefix("LanguageError: ").split()
    lines = shown.split("\n")
    assert step in lines
    assert f"  {'x' * 120}" in lines
    assert max(len(line) for line in lines if line != step and "xxx" not in line) <= WIDTH
    assert str(error) == "\n".join(error.lines()), "a terminal folds by itself"


STEERS = "\x1b]0;pwned\x07\x9b31m\u202e"


@pytest.mark.parametrize(
    "error",
    [
        UsageError(f"There is no workflow 'no{STEERS}pe'.", hint=f"Did you mean {STEERS}?"),
        LanguageError(f"No {STEERS}.", line=1, column=4, source=f"a {STEERS} <- b", width=3, hint=STEERS),
        StoppedError(f"stopped {STEERS}", hint=STEERS),
    ],
)
def test_an_error_holds_nothing_that_steers_a_terminal_or_turns_a_line_round(error: MurakkabError) -> None:
    for shown in (str(error), *error._render_traceback_()):
        assert not set(shown) & set("\x1b\x07\x9b\u202e")
        assert "\ufffd" in shown


def test_carets_stay_under_a_place_that_holds_what_cannot_be_shown() -> None:
    source = f"{STEERS}a <<- b"
    error = LanguageError("x", line=1, column=source.index("<<") + 1, source=source, width=3)
    _, line, carets = error.lines()
    assert carets.index("^") == line.index("<<-")


def test_a_stack_that_is_asked_for_is_clean_too() -> None:
    def tb() -> list[str]:
        return UsageError(STEERS)._render_traceback_()

    named = types.FunctionType(tb.__code__, {**globals(), "__name__": "IPython.core.magics.execution"})
    shown = "".join(named())
    assert "UsageError" in shown
    assert not set(shown) & set("\x1b\x07\x9b\u202e")
