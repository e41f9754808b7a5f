"""What people write who have not read the grammar: quotes of word processors, comments behind a step, a level without its comma."""

from __future__ import annotations

import pytest

from murakkab_jupyter.core.errors import LanguageError
from murakkab_jupyter.workflow.language import declare

VALUES = {"letters": ["The rent is 900 EUR.", "The boiler is broken."], "q": "How high is the rent?"}


def steps(library, cell, **values):
    return declare(cell, library=library, values={**VALUES, **values}).steps


def wrong(library, cell, **values) -> str:
    with pytest.raises(LanguageError) as caught:
        steps(library, cell, **values)
    return str(caught.value)


@pytest.mark.parametrize(
    "quoted",
    [
        '"money, repair"',
        "'money, repair'",
        "“money, repair”",
        "„money, repair“",
        "«money, repair»",
        "‘money, repair’",  # noqa: RUF001 - as word processors quote
        "”money, repair”",
        "»money, repair«",
    ],
)
def test_words_in_any_quotes_are_labels(library, quoted):
    (step,) = steps(library, f"a <- classify {{letters}} into {quoted}")
    assert (step.capability, dict(step.options)) == ("classification", {"labels": "money, repair"})


def test_an_apostrophe_in_single_quotes_closes_nothing(library):
    (step,) = steps(library, "a <- classify {letters} into ‘tenant’s wish, landlord’s duty’")  # noqa: RUF001 - as word processors quote
    assert dict(step.options) == {"labels": "tenant’s wish, landlord’s duty"}  # noqa: RUF001 - as word processors quote


def test_an_apostrophe_is_no_quote(library):
    (step,) = steps(library, "a <- write the tenant's answer to the landlord's {letters}")
    assert step.capability == "text-generation"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("twenty", 20),
        ("fifty", 50),
        ("twelve", 12),
        ("60", 60),
        ("fourteen", 14),
        ("nineteen", 19),
        ("ninety", 90),
        ("twenty-five", 25),
        ("sixty two", 62),
        ("a hundred", 100),
        ("one hundred", 100),
        ("two hundred", 200),
        ("Two Hundred and Fifty", 250),
        ("a hundred and five", 105),
    ],
)
def test_a_length_may_be_a_word(library, said, words):
    (step,) = steps(library, f"a <- summarise {{letters}} in {said} words")
    assert dict(step.options) == {"words": words}


@pytest.mark.parametrize(
    "ending", [" per all", " per all.", ", per all # one for all of them", " per all  # note"]
)
def test_a_level_without_its_comma_or_with_a_comment_behind_is_told(library, ending):
    said = wrong(library, f"a <- summarise {{letters}}{ending}")
    assert "`per all` is a level only after a comma" in said
    assert "Write a <- summarise {letters}, per all" in said


@pytest.mark.parametrize(
    "cell",
    [
        "a <- summarise {letters}, per all\nb <- write from {a} one line per letter",
        "b <- count the words of {letters} per all @python:shorten",
        "b <- write from {q} one line per letter about {q}\na <- summarise {letters}",
    ],
)
def test_a_sentence_may_end_in_a_level_at_which_its_step_could_not_run(library, cell):
    values = {**VALUES, "shorten": str.strip}
    (step,) = (one for one in declare(cell, library=library, values=values).steps if one.name == "b")
    assert step.at == (("letters",) if step.capability == "python" else ())


@pytest.mark.parametrize("ending", [" per letter", ", per letter", " and say the price per room"])
def test_what_changes_nothing_or_names_no_level_is_left_alone(library, ending):
    (step,) = steps(library, f"a <- summarise {{letters}}{ending}")
    assert step.at == ("letters",)


def test_a_question_in_quotes_is_told_to_become_a_variable(library):
    said = wrong(library, 'c <- answer "how much is it?" from {letters}')
    assert 'question = "how much is it?", and write c <- answer {question} from {letters}' in said
    said = wrong(library, 'c <- answer “is it "big"?” from {letters}')
    assert r'question = "is it \"big\"?", and write c <- answer {question} from {letters}' in said


@pytest.mark.parametrize(
    ("cell", "quoted"),
    [
        ("a <- classify {letters} into money, repair", '"money, repair"'),
        ("a <- extract amount, date from {letters}", '"amount, date"'),
        ('a <- classify {letters} into "money", "repair"', '"money, repair"'),
        ("a <- classify {letters} by 'money' or 'repair'", '"money, repair"'),
        ("a <- classify {letters} as money or repair", '"money, repair"'),
        ("a <- classify {letters} into money, follow-up, repair # x", '"money, follow-up, repair"'),
        ('a <- extract "amount" and the date from {letters}', '"amount, date"'),
        ("a <- classify {letters} into terms and conditions, money", '"terms and conditions, money"'),
        ("a <- classify {letters} into A, B or C", '"A, B, C"'),
        ("a <- classify {letters} into the good, the bad and the ugly", '"good, bad, ugly"'),
        ("a <- classify {letters} as {{x}} or y", '"{{x}}, y"'),
        ("a <- classify {letters} as x@@y or z", '"x@@y, z"'),
    ],
)
def test_labels_and_fields_without_quotes_are_shown_with_them(library, cell, quoted):
    assert f"Put it in quotes: {quoted}" in wrong(library, cell)


@pytest.mark.parametrize(
    "asked",
    ["by whether it is about rent or not", "into either good or bad", "into yes/no", "as good vs bad"],
)
def test_labels_that_nobody_can_tell_from_other_words_are_not_guessed(library, asked):
    assert "Put it in quotes" not in wrong(library, f"a <- classify {{letters}} {asked}")


def test_signs_of_the_language_in_a_quoted_question_are_plain_in_the_variable(library):
    said = wrong(library, 'c <- answer "what is {{x}} @@ home?" from {letters}')
    assert 'question = "what is {x} @ home?", and write c <- answer {question} from {letters}' in said


def test_what_an_error_says_to_write_has_no_comment_behind_it(library):
    said = wrong(library, 'a <- answer "what is it?" from {letters} # why')
    assert "write a <- answer {question} from {letters}" in said
    assert "{letters} # why" not in said.rpartition("^")[2]
    said = wrong(library, "a <- describe {pic} # hm", pic="a.png").rpartition("^")[2]
    assert "a <- describe {pic} @visual-description pictures={pic}" in said
    steps(library, "a <- describe {pic} @visual-description pictures={pic}", pic="a.png")


@pytest.mark.parametrize(
    "cell",
    [
        "a <- write a reply to {letters} # short, per all",
        "a <- summarise {letters} per all",
        "a <- write a reply to {letters} per all # be kind",
    ],
)
def test_a_cell_that_ran_before_is_not_refused_for_its_words(library, cell):
    wrong(library, cell)
    assert declare(cell, library=library, values=VALUES, earlier=True).steps


def test_a_comment_behind_a_step_is_told_where_it_belongs(library):
    said = wrong(library, 'a <- classify {letters} into "money, repair"   # by what they want')
    assert 'A comment stands on a line of its own. Write a <- classify {letters} into "money, repair"' in said
    said = wrong(library, "a <- summarise {letters} @extractive-summary # short")
    assert "A comment stands on a line of its own" in said


@pytest.mark.parametrize(
    "behind",
    ["# x, per all", "# one for all, per letter", "# short", "#", "#  what they want"],
)
@pytest.mark.parametrize("sentence", ["summarise {letters}", "write a reply to {letters}"])
def test_a_comment_is_no_part_of_a_sentence_and_its_end_no_level(library, sentence, behind):
    said = wrong(library, f"a <- {sentence} {behind}")
    assert "This comment would be a part of the sentence" in said
    assert f"A comment stands on a line of its own. Write a <- {sentence}\n" in f"{said}\n"


@pytest.mark.parametrize(
    "cell",
    [
        "a <- write the # of rooms in {letters}",
        "a <- write which is # 1 of {letters}, per all",
        "a <- write the #  of rooms, and letter # {q}, from {letters}",
        "a <- write a post with #rent about {letters}",
        "a <- write notes in markdown with # for headings about {letters}",
        "a <- write notes about {letters} in markdown with # for headings",
        "a <- write a list of the # rooms in {letters}",
        "a <- write C # code for {letters}",
        "a <- write a reply to {letters} # as {q} asks",
        "a <- count # what is asked of {letters} @python:shorten",
        'a <- classify {letters} into "money # rent, repair"',
        "# why\na <- summarise {letters}\n# and what",
    ],
)
def test_a_number_sign_and_a_comment_on_its_own_line_are_left_alone(library, cell):
    assert declare(cell, library=library, values={**VALUES, "shorten": str.strip}).steps


def pair(first: str, second: str) -> str:
    return first + second


def named(q: str, *, letters: str, least: int = 1) -> str:
    return q + letters * least


def anything(*values: object, prompt: str = "") -> str:
    return f"{values}{prompt}"


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("a <- join {letters} @python:pair", "missing a required argument: 'second'"),
        ("a <- join {letters} and {q} and {x} @python:pair", "too many positional arguments"),
        ("a <- join all @python:pair", "missing a required argument: 'first'"),
    ],
)
def test_a_function_that_cannot_take_what_its_step_refers_to_is_told_before_anything_runs(
    library, cell, words
):
    with pytest.raises(LanguageError) as caught:
        declare(cell, library=library, values={**VALUES, "x": "more", "pair": pair})
    assert words in str(caught.value)
    assert "the function takes first, second" in str(caught.value)


@pytest.mark.parametrize(
    "cell",
    [
        "a <- join {letters} and {q} @python:pair",
        "a <- join {letters} and {q} @python:named least=2",
        "a <- join {letters} and {q} and {x} @python:anything",
        "a <- join {x} @python:shorten",
        "a <- count {x} @python:most",
    ],
)
def test_a_function_that_can_is_left_alone(library, cell):
    own = {"pair": pair, "named": named, "anything": anything, "shorten": str.strip, "most": max, "x": "more"}
    assert declare(cell, library=library, values={**VALUES, **own}).steps
