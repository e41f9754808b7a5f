"""Text -> Workflow -> text -> the same Workflow, for workflows of any shape; and no text crashes."""

from __future__ import annotations

import contextlib

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from murakkab_jupyter.core.errors import LanguageError, UsageError
from murakkab_jupyter.workflow.language import chain, declare, format_workflow, parse, parse_goal_options

from .conftest import NEWSROOM, VALUES, fresh_library

LIBRARY = fresh_library()
FAST = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

words = st.text(
    st.characters(codec="utf-8", exclude_characters="{}@\n\r", exclude_categories=["Cs"]), max_size=12
)
signs = st.sampled_from(["{{", "}}", "@@", ", per line of", "x", "—"])
prose = st.lists(words | signs, max_size=4).map(" ".join)


@st.composite
def workflows(draw):
    """A cell that binds: steps over steps, of every sort, with levels, pins and prompts."""
    by_kind: dict[str, list[str]] = {"video": ["videos"], "text": ["question", "q", "passages"]}
    lines = []
    count = draw(st.integers(1, 7))
    for number in range(count):
        name = f"s{number}"
        choices = ["scene", "text", "write", "poem", "pinned", "python"]
        choices += ["frame", "transcript"] if "scene" in by_kind else []
        choices += ["boxes"] if "frame" in by_kind else []
        sort = draw(st.sampled_from(choices))
        body = ""
        if sort == "scene":
            line, kind = f"split {{{draw(st.sampled_from(by_kind['video']))}}} into scenes", "scene"
        elif sort == "frame":
            many = draw(st.integers(1, 9))
            line, kind = f"Take {many} frames from {{{draw(st.sampled_from(by_kind['scene']))}}}.", "frame"
        elif sort == "transcript":
            line, kind = f"transcribe {{{draw(st.sampled_from(by_kind['scene']))}}}", "transcript"
        elif sort == "boxes":
            line, kind = f"detect the objects in {{{draw(st.sampled_from(by_kind['frame']))}}}", "boxes"
        elif sort == "python":
            known = [name for names in by_kind.values() for name in names]
            line = f"call it with {{{draw(st.sampled_from(known))}}}, per all @python:shout times={draw(st.integers(0, 9))}"
            kind = "any"
        else:
            known = [name for names in by_kind.values() for name in names]
            if sort in {"text", "write"}:
                known = [name for name in known if name not in {"videos", *by_kind.get("frame", [])}]
            sources = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
            refs = " and ".join(f"{{{source}}}" for source in sources)
            kind = "text"
            if sort == "text":
                line = f"summarise {refs}, per all"
            elif sort == "write":
                line = f"write {draw(prose)} {refs}, per all"
            elif sort == "poem":
                line = "write a poem"
            else:
                keys = "".join(f" material={{{source}}}" for source in sources)
                line = (
                    f"do {draw(prose)} it, per all @tester-text{keys} temperature={draw(st.floats(0, 2))!r}"
                )
                line += f" paths={draw(st.integers(1, 5))}" if draw(st.booleans()) else ""
            if draw(st.booleans()):
                rows = draw(st.lists(prose | st.just("") | st.just(f"{{{sources[0]}}}"), max_size=4))
                body = "".join(f"\n  {row}" for row in rows)
                # A reference that only the body makes may lie on another branch: keep to the sentence's own.
                if sort == "poem":
                    body = body.replace(f"{{{sources[0]}}}", "it")
        lines.append(f"{name} <- {line}{body}")
        by_kind.setdefault(kind, []).append(name)
    header = draw(
        st.sampled_from(["", "%%murakkab\n", "%%murakkab flow --minimize latency,cost --budget $1\n"])
    )
    description = draw(st.sampled_from(["", "What it does.\n", "Two\n\n  lines {with} braces\n"]))
    return header + description + "\n".join(draw(st.permutations(lines))) + "\n"


def shout(text, *, times=1):
    return str(text).upper() * times


GIVEN = {**VALUES, "shout": shout}


@FAST
@given(workflows())
def test_a_workflow_survives_being_written_and_read(text):
    workflow = declare(text, library=LIBRARY, values=GIVEN)
    written = format_workflow(workflow)
    again = declare(written, library=LIBRARY, values=GIVEN)
    assert again == workflow
    assert format_workflow(again) == written
    assert declare(workflow.text, library=LIBRARY, values=GIVEN) == workflow


def tries(text):
    error = None
    try:
        declare(text, library=LIBRARY, values=GIVEN)
    except LanguageError as caught:
        error = caught
    if error is not None:
        shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        assert 1 <= error.line <= shown.count("\n") + 1
        assert error.column >= 1
        assert str(error)


@FAST
@given(st.text() | st.binary())
@example("a <- \x00")
@example("%%murakkab \ud800\na <- b")
@example("a <- do\n\u2028  x")
def test_no_text_and_no_bytes_crash(text):
    tries(text)


TOKENS = [
    "a", "b", "videos", " <- ", "<-", "{", "}", "{{", "}}", "{a}", "{videos}", "{question}", "@", "@@", " @ocr",
    "@python:shout", " @tester-text", " paths=", "=", '"', "'", "3", ", per ", "all", "\n", "\n  ", "\n ", "#", "%%murakkab ",
    "--minimize ", "--quality ", "good", "split {videos} into scenes", "take 3 frames from ", "summarise ", "transcribe ",
    "answer {question} from ", "\r\n", "\t", ",", ".", "é", "\x00", " ",
]  # fmt: skip


@FAST
@given(st.lists(st.sampled_from(TOKENS), max_size=30).map("".join))
def test_no_heap_of_tokens_crashes(text):
    tries(text)


@FAST
@given(st.data())
def test_no_damaged_cell_crashes(data):
    start = data.draw(st.integers(0, len(NEWSROOM)))
    end = data.draw(st.integers(start, min(len(NEWSROOM), start + 30)))
    tries(NEWSROOM[:start] + data.draw(st.sampled_from(TOKENS) | st.text(max_size=3)) + NEWSROOM[end:])


@FAST
@given(
    st.lists(
        st.text(max_size=40)
        | st.lists(
            st.sampled_from([*TOKENS, "Detect objects", " in the frames", "Summarise "]), max_size=6
        ).map("".join),
        max_size=4,
    )
)
def test_no_tasks_crash_the_chain(tasks):
    try:
        text = chain(tasks, library=LIBRARY, values=GIVEN)
    except (LanguageError, UsageError):
        return
    declare(text, library=LIBRARY, values=GIVEN)


@given(st.lists(st.text(max_size=20), max_size=6))
def test_no_header_crashes(words):
    with contextlib.suppress(LanguageError, UsageError):
        parse_goal_options(
            [word.text for word in parse("%%murakkab " + " ".join(words).replace("\n", " ")).options]
        )
