"""What a cell may look like, and what is said where it does not."""

from __future__ import annotations

import time

import pytest

from murakkab_jupyter.core.errors import LanguageError
from murakkab_jupyter.workflow.language import fill, parse, plain
from murakkab_jupyter.workflow.language.pins import literal, read_pin
from murakkab_jupyter.workflow.language.syntax import Ref, Text

from .conftest import NEWSROOM


def test_a_whole_cell_is_read():
    cell = parse(NEWSROOM)
    assert cell.name == "newsroom"
    assert [word.text for word in cell.options][:2] == ["--minimize", "energy"]
    assert cell.description == "List the objects shown or mentioned in the videos."
    assert [step.name for step in cell.steps] == [
        "scenes",
        "frames",
        "transcript",
        "objects",
        "summary",
        "answer",
    ]
    assert cell.steps[-1].per == "video"
    assert cell.steps[1].parts == (Text("take 3 frames from "), Ref("scenes", cell.steps[1].refs[0].place))
    assert (cell.steps[1].place.line, cell.steps[1].refs[0].place.column) == (5, 34)


def test_a_cell_without_header_or_description_is_read():
    cell = parse("a <- write a poem")
    assert (cell.name, cell.options, cell.description) == (None, (), "")


def test_the_description_is_verbatim_and_its_braces_are_not_read():
    cell = parse("%%murakkab\n\n  A {line} with } and @x\n# not a comment\n\na <- write a poem\n")
    assert cell.description == "  A {line} with } and @x\n# not a comment"


@pytest.mark.parametrize(
    ("line", "column", "said"),
    [
        ("1st <- split {videos} into scenes", 1, "`1st` cannot be a step's name"),
        ("my scenes <- split {videos} into scenes", 1, "Write my_scenes <- split {videos} into scenes"),
        ("scenes = split {videos} into scenes", 8, "written with `<-`, not `=`"),
        ("scenes -> split {videos} into scenes", 8, "written with `<-`, not `->`"),
        ("  scenes <- split {videos} into scenes", 1, "begins at the start of its line"),
    ],
)
def test_a_step_before_the_first_that_is_not_written_as_one_is_told_and_not_taken_for_a_description(
    line, column, said
):
    for after in ("", "b <- write a poem\n"):
        with pytest.raises(LanguageError) as caught:
            parse(f"%%murakkab news\n{line}\n{after}")
        assert said in str(caught.value)
        assert (caught.value.line, caught.value.column) == (2, column)


def test_a_step_that_is_commented_out_before_the_first_is_no_mistake():
    assert len(parse("# a <- split {videos} into scenes\nb <- write a poem\n").steps) == 1
    assert parse("All of it <- so to say\nb <- write a poem\n").description == "All of it <- so to say"


def test_a_workflow_is_not_called_like_a_word_of_python():
    with pytest.raises(LanguageError, match="no run can have that name") as caught:
        parse("%%murakkab class\na <- write a poem\n")
    assert (caught.value.line, caught.value.column) == (1, 12)


def test_a_description_alone_parses():
    assert parse("Find out what happens.").steps == ()
    assert parse("").steps == ()


def test_comments_and_blank_lines_between_steps_do_not_count():
    cell = parse("a <- write a poem\n# b <- not a step\n\n\nc <- write a song\n#\n")
    assert [step.name for step in cell.steps] == ["a", "c"]
    assert cell.steps[0].body is None


def test_doubled_signs_are_literal():
    step = parse("a <- write {{x}} to me@@home about {y} @@ noon").steps[0]
    assert "".join(p.text if isinstance(p, Text) else f"<{p.name}>" for p in step.parts) == (
        "write {x} to me@home about <y> @ noon"
    )
    assert step.pin is None
    assert plain(step.sentence) == "write {x} to me@home about y @ noon"


def test_a_body_keeps_its_shape_and_loses_its_indent():
    step = parse('a <- write about {x}\n\n    Say {{"k": 1}} @ {x}, per line\n\n      deeper\n\n').steps[0]
    assert step.body == 'Say {{"k": 1}} @ {x}, per line\n\n  deeper'
    assert [ref.name for ref in step.body_refs] == ["x"]
    assert fill(step.body, {"x": "rain"}) == 'Say {"k": 1} @ rain, per line\n\n  deeper'


def test_filling_a_body_runs_nothing():
    assert fill("{a} and {a}", {"a": "{b} {{c}}"}) == "{b} {{c}} and {b} {{c}}"


def test_windows_line_ends_and_a_byte_order_mark_are_fine():
    assert parse("\ufeffa <- write a poem\r\n  well\r\n".encode()).steps[0].body == "well"


def test_pins_take_numbers_words_strings_and_references():
    pin = (
        parse('a <- do {x} @some-agent n=3 word=x/y.gguf s="two \\"words\\"\\n" t=\'one\' p={x} beam-size=2')
        .steps[0]
        .pin
    )
    assert pin.target == "some-agent"
    assert [(k.name, k.value.name if isinstance(k.value, Ref) else k.value, k.form) for k in pin.keys] == [
        ("n", "3", "word"),
        ("word", "x/y.gguf", "word"),
        ("s", 'two "words"\n', "string"),
        ("t", "one", "string"),
        ("p", "x", "ref"),
        ("beam_size", "2", "word"),
    ]


def test_per_is_the_level_only_at_the_end():
    assert parse("a <- cost in dollars, per hour of {x}").steps[0].per is None
    step = parse("a <- do {x} ,  per   video  @agent").steps[0]
    assert (step.per, step.sentence, step.pin.target) == ("video", "do {x}", "agent")
    assert parse("a <- do {x}, per video.").steps[0].per == "video"


def test_a_python_function_is_pinned_by_name():
    assert parse("a <- do {x} @python:my_fn n=1").steps[0].pin.function == "my_fn"


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "two words",
        'a "quote"',
        "back\\slash",
        "tab\tnew\nline\r",
        "",
        "{x}",
        "@",
        "é=1",
        3,
        0.25,
        1e-9,
        True,
    ],
)
def test_a_literal_reads_back_the_same(value):
    line = f"@x k={literal(value)}"
    key = read_pin(line, 1, 0).keys[0]
    assert key.value == (
        value if isinstance(value, str) else str(value).lower() if value is True else repr(value)
    )


ERRORS = [
    ("a <- do {", 1, 9, "without its `}`", "{{"),
    ("a <- do }", 1, 9, "without its `{`", "}}"),
    ("a <- do {}", 1, 9, "no name between", "{name}"),
    ("a <- do { x }", 1, 9, "Spaces between braces", "{x}"),
    ("a <- do {x.y}", 1, 9, "Only the name", "in Python first"),
    ("a <- do {x[0]}", 1, 9, "Only the name", "in Python first"),
    ("a <- do {x!r}", 1, 9, "Only the name", "in Python first"),
    ("a <- do {x:>3}", 1, 9, "Only the name", "in Python first"),
    ("a <- do me@home", 1, 11, "inside a word", "@@"),
    ("a <- do {x}@agent", 1, 12, "inside a word", "space"),
    ("a <- do @", 1, 9, "an agent or a capability", "@capability"),
    ("a <- do @python:", 1, 9, "Python function", "@python:my_function"),
    ("a <- do @x y", 1, 12, "key=value", "@capability"),
    ("a <- do @x k=", 1, 14, "has no value", "k=3"),
    ("a <- do @x k = 3", 1, 12, "key=value", "@capability"),
    ("a <- do @x k='open", 1, 14, "quote that is not closed", "'"),
    ('a <- do @x k=a"b', 1, 15, "inside a value", "quotes"),
    ("a <- do @x k={y}z", 1, 17, "space was expected", "spaces"),
    ("a <- do @x 3=4", 1, 12, "name of a port", "@capability"),
    ("a <- do @x , per video", 1, 12, "level comes before", "per level"),
    ("a <- do @x per video", 1, 12, "level comes before", "per level"),
    ("a <- do {x}, per {video}", 1, 18, "without braces", "per video"),
    ("a <-", 1, 4, "needs a sentence", "a <- "),
    ("a <- , per video", 1, 5, "needs a sentence", "a <- "),
    ("all <- do {x}", 1, 1, "root level", "another name"),
    ("a <- do\nb = do", 2, 3, "not `=`", "<-"),
    ("a <- do\nb -> do", 2, 3, "not `->`", "<-"),
    ("a <- do\nb-c <- do", 2, 1, "letters, digits", "<-"),
    ("a <- do\nsome words", 2, 1, "no step", "before the first step"),
    ("a <- do\n b", 2, 1, "One space", "two spaces"),
    ("a <- do\nb <- do\na <- do", 3, 1, "already, in line 1", "of its own"),
    ("  a <- do", 1, 1, "start of its line", "Remove"),
    ("a <- do\n  {", 2, 3, "without its `}`", "{{"),
    ("%%murakkab my-flow\na <- do", 1, 12, "cannot be the name", "my_flow"),
    ('%%murakkab x --input "a\na <- do', 1, 22, "not closed", '"'),
]


@pytest.mark.parametrize(("text", "line", "column", "message", "hint"), ERRORS)
def test_an_error_says_where_what_and_what_to_type(text, line, column, message, hint):
    with pytest.raises(LanguageError) as caught:
        parse(text)
    error = caught.value
    assert (error.line, error.column) == (line, column)
    assert message in error.message
    assert hint in error.hint
    assert error.source == text.split("\n")[line - 1]


def test_carets_stand_under_the_place():
    with pytest.raises(LanguageError) as caught:
        parse("a <- write\nbeta <- take {x.y} now")
    shown = str(caught.value).splitlines()
    assert shown[0].startswith("line 2, column 14: ")
    assert shown[1] == "  beta <- take {x.y} now"
    assert shown[2] == "               ^^^^^"


def test_bytes_that_are_no_text_are_told():
    with pytest.raises(LanguageError, match="not UTF-8") as caught:
        parse(b"a <- do\nb <- \xff")
    assert (caught.value.line, caught.value.column) == (2, 6)


@pytest.mark.parametrize(
    "text",
    [
        "a <- " + "{x} " * 100_000,
        "a <- " + "{{" * 200_000,
        "a <- " + ", per" * 100_000,
        "a <- x @y " + "k=1 " * 100_000,
        "%%murakkab " + "--x " * 100_000,
        "a <- do\n" + "  body {x}\n" * 50_000,
        "\n".join(f"s{i} <- do {{s{i - 1}}}" for i in range(1, 30_000)),
        " " * 500_000,
        "a <- do" + " " * 500_000 + "@x",
    ],
    ids=range(9),
)
def test_long_input_takes_time_in_proportion(text):
    began = time.perf_counter()
    parse(text)
    assert time.perf_counter() - began < 60  # a second or two; a square of it would take hours
