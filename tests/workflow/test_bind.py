"""What sentences mean, and what is said where they mean nothing or too much."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.core.errors import LanguageError
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.language import declare, format_workflow

from .conftest import NEWSROOM, VALUES, fresh_library

SCENES = "scenes <- split {videos} into scenes\n"


def shout(text: str, *, times: int = 1) -> str:
    return text.upper() * times


def failing(bound, text, **values):
    with pytest.raises(LanguageError) as caught:
        bound(text, **values)
    return caught.value


def test_the_goal_stands_in_the_header(bound):
    assert bound(NEWSROOM).goal == Goal(("energy",), quality="good", deadline_s=120.0)


def test_a_goal_that_is_given_replaces_the_headers_and_the_text_says_so(bound, library):
    goal = Goal(("latency", "cost"), budget_usd=0.05)
    workflow = bound(NEWSROOM, goal=goal)
    assert workflow.goal == goal
    assert declare(workflow.text, library=library, values=VALUES) == workflow


def test_the_text_is_kept_as_written(bound):
    assert bound(NEWSROOM).text == NEWSROOM


@pytest.mark.parametrize(
    ("sentence", "ports", "options"),
    [
        ("translate {letter} into French", {"text": "letter"}, {"language": "French"}),
        ("translate {letter} into {lang}", {"text": "letter", "language": "lang"}, {}),
        (
            "translate each {letter} from {q} to {lang}",
            {"text": "letter", "source": "q", "language": "lang"},
            {},
        ),
        ("translate {letter} from German to {lang}", {"text": "letter", "language": "lang"}, {"source": "German"}),
        ('put {letter} in other words @translation language="Swiss German"', {"text": "letter"}, {"language": "Swiss German"}),
        ("put {letter} in other words @translation text={letter} language={lang}", {"text": "letter", "language": "lang"}, {}),
    ],
)  # fmt: skip
def test_a_language_is_said_or_comes_from_a_variable(bound, sentence, ports, options):
    (step,) = bound(f"made <- {sentence}", letter="Good day.", lang="Dutch").steps
    assert step.capability == "translation"
    assert {one.port: one.source for one in step.inputs} == ports
    assert {key: step.options[key] for key in ("language", "source") if key in step.options} == options


def test_a_list_of_languages_is_gone_through_one_by_one(bound):
    (step,) = bound(
        "made <- translate {letter} into {langs}", letter="Good day.", langs=["Dutch", "Thai"]
    ).steps
    assert step.at == ("langs",)


@pytest.mark.parametrize(
    ("sentence", "values", "told"),
    [
        ("classify {texts} into {said}", {"said": "x"}, "1 label to choose from"),
        ("classify {texts} into {said}", {"said": {"x": "alone"}}, "1 label to choose from"),
        ("classify {texts} into {said}", {"said": ["x", "y"]}, "`said` is a list"),
        ('classify {texts} into "x"', {}, "1 label to choose from"),
        ("extract {said} from {texts}", {"said": "total: blob"}, "total cannot be 'blob'"),
        ("extract {said} from {texts}", {"said": '{"type": "array"}'}, "that of an object"),
        ('extract "total: blob" from {texts}', {}, "total cannot be 'blob'"),
    ],
)
def test_labels_and_fields_are_checked_before_anything_runs(bound, sentence, values, told):
    error = failing(bound, f"made <- {sentence}", texts=["One.", "Two."], **values)
    assert told in error.message
    assert error.hint


def test_labels_and_fields_of_a_variable_are_taken(bound):
    for said in ("x, y", {"x": "the first", "y": ""}):
        made = bound("made <- classify {texts} into {said}", texts=["One."], said=said).step("made")
        assert made.capability == "classification"


def test_steps_may_stand_in_any_order(bound):
    workflow = bound("t <- transcribe {scenes}\nscenes <- split {videos} into scenes")
    assert [step.name for step in workflow.steps] == ["scenes", "t"]
    assert [step.line for step in workflow.steps] == [2, 1]


@pytest.mark.parametrize(
    ("sentence", "capability"),
    [
        ("split {videos} into scenes", "scene-detection"),
        ("Find all the shots in {videos}.", "scene-detection"),
        ("take 3 frames from {videos}", "frame-extraction"),
        ("transcribe the speech in {videos}", "speech-to-text"),
        ("run speech-to-text on all {videos}", "speech-to-text"),
        ("list all objects in {images}", "object-detection"),
        ("read the text on {images}", "ocr"),
        ("summarise {passages}", "summarisation"),
        ("list what {passages} say", "text-generation"),
        ("write a poem", "text-generation"),
        ("answer {question} from {q}", "question-answering"),
        ("embed {passages}", "embedding"),
    ],
)
def test_a_sentence_means_its_capability(bound, sentence, capability):
    assert bound(f"x <- {sentence}", images=["a.png"]).step("x").capability == capability


def test_the_more_exact_pattern_wins(bound):
    assert bound("x <- list objects in {images}", images="a.png").step("x").capability == "object-detection"
    assert bound("x <- list objects in {passages}").step("x").capability == "text-generation"


def test_without_a_pattern_kinds_decide_if_only_one_thing_is_possible(bound):
    assert bound("x <- hear {podcast}").step("x").capability == "speech-to-text"
    assert bound("x <- a haiku").step("x").capability == "text-generation"


def test_what_kinds_leave_open_is_an_error_that_prints_pins_to_paste(bound):
    text = SCENES + "x <- look at {images}, per image"
    error = failing(bound, text, images=["a.png"])
    lines = [line.strip() for line in error.hint.splitlines() if "@" in line]
    assert set(lines) == {
        "x <- look at {images}, per image @object-detection picture={images}",
        "x <- look at {images}, per image @ocr picture={images}",
        "x <- look at {images}, per image @visual-description pictures={images}",
    }
    for line in lines:
        assert bound(SCENES + line, images=["a.png"]).step("x").pin in line


def test_what_a_text_step_cannot_read_may_still_be_pinned(bound):
    assert bound("x <- describe {videos} @text-generation").step("x").inputs[0].port == "material"


def test_every_pinned_form_binds(bound):
    text = "x <- mull over {passages} and {question}"
    forms = [line.strip() for line in failing(bound, text).hint.splitlines() if "@" in line]
    assert len(forms) > 2
    for form in forms:
        bound(form)


def test_a_pinned_form_respects_levels(bound):
    text = SCENES + "x <- mull over {scenes} and {question}"
    for form in failing(bound, text).hint.splitlines()[1:]:
        bound(SCENES + form.strip())


def test_an_ambiguous_port_is_an_error_with_both_forms(bound):
    error = failing(bound, "a <- think about {q} and {question} @question-answering")
    assert "which reference goes to which port" in error.message
    assert "question={q} context={question}" in error.hint
    assert "question={question}" in error.hint


def test_one_pinned_port_decides_the_other(bound):
    step = bound("a <- think about {q} and {question} @question-answering context={q}").step("a")
    assert {one.source: one.port for one in step.inputs} == {"q": "context", "question": "question"}
    assert [one.source for one in step.inputs] == ["q", "question"]


def test_a_pin_may_add_a_reference_that_the_sentence_lacks(bound):
    step = bound("a <- write it down @text-generation material={passages}").step("a")
    assert [(one.source, one.port) for one in step.inputs] == [("passages", "material")]


def test_an_agent_can_be_pinned(bound):
    step = bound("a <- answer {q} from {passages} @tester-qa temperature=0.5 style=terse strict=yes").step(
        "a"
    )
    assert (step.agent, step.pin, step.capability) == ("tester-qa", "tester-qa", "question-answering")
    assert step.options == {"temperature": 0.5, "style": "terse", "strict": True}


def test_a_slot_and_a_pin_may_agree_but_not_differ(bound):
    assert bound(SCENES + "f <- take 3 frames from {scenes} @frame-extraction count=3").step("f").options == {
        "count": 3
    }
    error = failing(bound, SCENES + "f <- take 3 frames from {scenes} @frame-extraction count=4")
    assert "says count = 3, the pin says 4" in error.message


def test_a_python_function_can_be_a_step(bound):
    step = bound("loud <- shout {passages} @python:shout times=2", shout=shout).step("loud")
    assert (step.capability, step.pin, step.agent) == ("python", "python:shout", "python:shout")
    assert step.options == {"times": 2}
    assert step.at == ("passages",)
    assert step.kind == "text"


def test_a_functions_kind_decides_where_its_values_go(bound):
    text = "loud <- shout {passages} @python:shout\nx <- detect the objects in {loud}"
    assert "{loud} is text" in failing(bound, text, shout=shout).message
    assert bound("n <- count {passages} @python:len", len=len).step("n").kind == "any"


def test_a_function_may_take_the_prompt(bound):
    def ask(material, prompt=""):
        return prompt

    assert bound("x <- ask {q} @python:ask\n  Say {q}", ask=ask).step("x").body == "Say {q}"
    assert "takes no prompt" in failing(bound, "x <- ask {q} @python:shout\n  Say {q}", shout=shout).message


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("x <- summarise {qestion}", "no step of this cell", "{question}"),
        ("x <- summarise {nothing_like_it}", "no step of this cell", "--input nothing_like_it=…"),
        ("x <- summarise {none}", "`none` is None", "none = …"),
        ("x <- summarise {shout}", "is a function", "@python:shout"),
        ("x <- summarise {module}", "is a module", "data"),
        ("x <- summarise {empty}", "`empty` is an empty text", "empty = …"),
        ("x <- do it @speech-to-txt", "no agent or capability `speech-to-txt`", "speech-to-text"),
        ("x <- do it @shout", "no agent or capability", "@python:shout"),
        ("x <- do it @python:shuot", "not defined", "shout"),
        ("x <- do it @python:question", "is no function", "shout"),
        ("x <- do it @python:sum", "`sum` is a builtin of Python, not a function of the notebook", "def my_sum(text): return sum(text)"),
        ("x <- do it @python:shout loud=3", "no option `loud`", "keyword-only"),
        ("x <- do it @python:len loud=3", "no option `loud`", "keyword-only"),
        ("x <- write a poem @tester-text pahts=3", "no option `pahts`", "paths"),
        ("x <- write a poem @tester-text paths=many", "takes a whole number", "paths=1"),
        ("x <- write a poem @tester-text paths=2.5", "takes a whole number", "paths=1"),
        ("x <- write a poem @tester-text temperature=nan", "takes a number", "temperature="),
        ("x <- write a poem @tester-text strict=perhaps", "takes true or false", "strict="),
        ("x <- write a poem @tester-text style=loud", "cannot be 'loud'", "terse"),
        ("x <- write a poem @tester-text paths=1 paths=1", "given twice", "Leave one out"),
        ("x <- write {q} @text-generation material=words", "is a port", "material={variable}"),
        ("x <- write {q} @text-generation paths={q}", "no port `paths`", "material"),
        ("x <- embed {q} @embedding text={q} text={question}", "given twice", "Leave one out"),
        ("x <- answer {q} @question-answering", "needs", "pin it"),
        ("t <- transcribe {videos}\nx <- detect the objects in {t}", "takes frame or image, and {t} is transcript", "Refer to"),
        ("t <- transcribe {videos}\nx <- write {t} @object-detection", "takes frame, image, and {t} is transcript", "picture"),
        ("x <- read {pic}\ny <- split {pic} into scenes", "takes video, and {pic} is image", "ffmpeg"),
        ("x <- take 0 frames from {videos}", "`count` is 0", "more than 0"),
        ("x <- transcribe {videos}\n  A prompt.", "takes no prompt", "text-generation"),
        ("x <- summarise {x}", "refers to itself", "differs"),
        ("x <- summarise {y}\ny <- summarise {z}\nz <- summarise {x}", "wait for each other: x <- y <- z <- x", "out"),
        ("y <- write {q}\nx <- write {q}\n  about {x}", "refers to itself", "differs"),
        ("", "empty", "for example"),
        ("%%murakkab name", "has no step", "for example"),
        ("Only words.\n", "has no step", "for example"),
        ("%%murakkab n --minimise energy\nx <- write a poem", "no option --minimise", "--minimize"),
        ("%%murakkab n --quality gud\nx <- write a poem", "cannot be 'gud'", "good"),
        ("%%murakkab n energy\nx <- write a poem", "`energy` is no option", "options only"),
        ("x <- split {videos} into scenes\ny <- summarise {videos} and {q}", "reads words, and {videos} is a list of video", "transcribe"),
        ("x <- split {videos} into scenes\ny <- read {videos}", "takes frame or image", "Refer to"),
        ("x <- describe what happens in {videos}", "reads words", "Make words"),
        ("x <- split {videos} and {more} into scenes", "`video` of scene-detection takes one reference", "a step for each"),
        ("x <- read {pic}\ny <- transcribe {pic}", "takes audio or scene or video, and {pic} is image", "Refer to"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_what_to_type(bound, text, message, hint):
    values = {
        "shout": shout,
        "len": len,
        "none": None,
        "empty": "  ",
        "module": json,
        "more": ["c.mp4"],
        "pic": "folder/",
    }
    error = failing(bound, text, **values)
    assert message in error.message
    assert hint in error.hint
    assert error.line >= 1
    assert error.column >= 1
    assert str(error).startswith(f"line {error.line}, column {error.column}: ")


def test_carets_stand_under_an_option_of_the_header(bound):
    error = failing(bound, "%%murakkab n --minimise energy\nx <- write a poem")
    assert (error.line, error.column, error.width) == (1, 14, len("--minimise"))


def test_a_kind_that_does_not_fit_is_told_at_the_reference(bound):
    error = failing(bound, SCENES + "objects <- detect the objects in {scenes}")
    assert (error.line, error.source[error.column - 1 :][: error.width]) == (2, "{scenes}")


def test_a_step_shadows_a_variable_of_its_name(bound):
    workflow = bound("passages <- transcribe {videos}\ns <- summarise {passages}")
    assert [v.name for v in workflow.variables] == ["videos"]


def test_a_string_is_a_text_or_a_path_as_the_port_says(bound, tmp_path):
    here = tmp_path / "notes.txt"
    here.write_text("Some words.")
    kinds = {
        "transcribe {v}": ("talk.mp3", "audio"),
        "split {v} into scenes": ("talk", "video"),
        "summarise {v}": ("talk about rain", "text"),
        "embed {v}": (str(here), "document"),
        "summarise all {v}": ("see missing.txt", "text"),
        "summarise each {v}": ("missing.txt", "document"),
        "embed each {v}": (Path("other.md"), "document"),
        "read {v}": ("a.png", "image"),
    }
    for sentence, (value, kind) in kinds.items():
        assert bound(f"x <- {sentence}", v=value).variable("v").kind == kind, sentence


def test_a_folder_takes_the_kind_of_what_is_in_it(bound, tmp_path):
    (tmp_path / "b.wav").touch()
    assert bound("x <- transcribe {v}", v=tmp_path).variable("v").kind == "audio"
    assert bound("x <- transcribe {v}", v=f"{tmp_path}/*.wav").variable("v").kind == "audio"


def test_a_number_is_a_text_and_a_dict_a_record(bound):
    assert bound("x <- embed {v}", v=3).variable("v").kind == "text"
    assert bound("x <- embed {v}", v={"a": 1}).variable("v").kind == "record"
    assert bound("x <- write about {v}", v=object()).variable("v").kind == "any"


def test_installing_a_package_never_changes_what_a_step_means(bound):
    text = "x <- detect the objects in {images}\ny <- hear {podcast}"
    before = bound(text, images="a.png")
    library = fresh_library()
    library.load_entry_points(
        [EntryPoint("other", "tests.workflow.package:register", "murakkab_jupyter.agents")]
    )
    assert library.package_of("greedy") == "other"
    values = {**VALUES, "images": "a.png"}
    assert declare(text, library=library, values=values) == before


def test_a_capability_of_another_package_is_used_where_nothing_built_in_fits():
    library = fresh_library()
    library.load_entry_points(
        [EntryPoint("other", "tests.workflow.package:register", "murakkab_jupyter.agents")]
    )
    step = declare("x <- sing {q} for me", library=library, values=VALUES).step("x")
    assert step.capability == "greedy"
    assert (
        declare("x <- anything {q} @greedy", library=library, values=VALUES).step("x").capability == "greedy"
    )


def test_a_malformed_pattern_of_another_package_breaks_nobody():
    library = fresh_library()
    anything = frozenset({"any"})
    library.add_capability(Capability("bad", "", (Port("x", anything),), "text", patterns=("sing (a|b {x}",)))
    assert (
        declare("x <- summarise {q}", library=library, values=VALUES).step("x").capability == "summarisation"
    )


def test_a_capability_of_ones_own_goes_before_kinds():
    library = fresh_library()
    library.add_capability(
        Capability(
            "hearing", "Hear.", (Port("sound", frozenset({"audio"})),), "text", patterns=("hear {sound}",)
        )
    )
    assert declare("x <- hear {podcast}", library=library, values=VALUES).step("x").capability == "hearing"


def test_the_body_of_a_step_marks_what_it_refers_to(bound):
    step = bound("x <- summarise {passages}\n  Say it about {passages} and {q}.").step("x")
    assert [(one.source, one.port, one.in_body) for one in step.inputs] == [
        ("passages", "material", True),
        ("q", "", True),
    ]


def test_a_long_chain_of_steps_binds(bound):
    text = "s0 <- summarise {q}\n" + "\n".join(f"s{i} <- summarise {{s{i - 1}}}" for i in range(1, 2000))
    assert len(bound(text).steps) == 2000


def test_a_sentence_of_a_thousand_references_binds(bound):
    values = {f"v{i}": "words" for i in range(1000)}
    names = " and ".join(f"{{v{i}}}" for i in range(1000))
    assert len(bound(f"x <- summarise {names}", **values).step("x").inputs) == 1000
    failing(bound, f"x <- frob {names}", **values)


def test_the_canonical_text_says_the_same(bound, library):
    workflow = bound(NEWSROOM)
    text = format_workflow(workflow)
    assert declare(text, library=library, values=VALUES) == workflow
    assert format_workflow(declare(text, library=library, values=VALUES)) == text


def test_a_very_long_sentence_is_told_in_few_words(bound):
    error = failing(bound, "x <- mull " + "over " * 20_000 + "{q}")
    assert "… @text-generation material={q}" in error.hint
    assert len(str(error)) < 2000


def test_a_slip_of_the_pen_in_a_sentence_is_named(bound):
    with pytest.raises(LanguageError, match="Did you mean classify\\?") as caught:
        bound("kind <- clasify {texts} into {labels}", texts=["One."], labels="a, b")
    assert "kind <- clasify {texts} into {labels} @classification" in str(caught.value)


@pytest.mark.parametrize("stated", [5, 1.5, True])
def test_labels_that_are_a_number_are_refused_with_what_to_write(bound, stated):
    with pytest.raises(LanguageError, match="one text, or a dict"):
        bound("kind <- classify {letters} into {labels}", letters=["Dear all."], labels=stated)
