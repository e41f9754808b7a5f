"""A key in a cell is refused where it stands, and neither shown nor kept."""

from __future__ import annotations

import pytest

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import LanguageError
from murakkab_jupyter.runtime.journal import Journal
from murakkab_jupyter.workflow.language import declare

HEAD = "%%murakkab talk\nsaid <- write a poem about {topic} @openai "


@pytest.fixture(scope="module")
def library():
    made = Library()
    made.load_entry_points()
    return made


@pytest.mark.parametrize(
    "pin",
    [
        "url=http://user:hunter2@host/v1 model=m",
        "url=http://hunter2@host/v1 model=m",
        "url='http://user:hunter2@host/v1' model=m",
        "url=http://host/v1?api_key=hunter2 model=m",
        "url=http://host/v1#hunter2 model=m",
        "url=http://user:hunter2/more@host/v1 model=m",
        "url=user:hunter2@host model=m",
        "url=http://host/v1 key_env=sk-hunter2",
        "url=http://host/v1 key_env=gsk_hunter2hunter2",
        "modle=m key_env=gsk_hunter2hunter2",
        "modle=m key_env='c0hunter2d1hunter2'",
        # A slip elsewhere in the line must not show it either.
        "modle=m url=http://user:hunter2@host/v1",
        "api_key=hunter2 url=http://host/v1",
    ],
)
def test_a_pin_that_holds_a_secret_is_refused_at_its_line_and_shown_nowhere(library, pin):
    with pytest.raises(LanguageError) as caught:
        declare(HEAD + pin, library=library, values={"topic": "ferries"})
    assert caught.value.line == 2
    assert "hunter2" not in "\n".join(caught.value.lines())
    assert "hunter2" not in str(caught.value)
    assert caught.value.hint


def test_the_error_points_at_the_value_that_it_does_not_show(library):
    pin = "url=http://user:hunter2@host/v1"
    with pytest.raises(LanguageError, match="user, a password or a query") as caught:
        declare(HEAD + pin, library=library, values={"topic": "ferries"})
    _, source, carets, *_ = caught.value.lines()
    begin = carets.index("^")
    assert set(source[begin : begin + carets.count("^")]) == {"*"}
    assert source[:begin].endswith("@openai url=")


def test_a_url_without_secrets_binds(library):
    workflow = declare(
        HEAD + "url=http://host:8000/v1 key_env=MY_KEY", library=library, values={"topic": "ferries"}
    )
    (step,) = workflow.steps
    assert step.options["url"] == "http://host:8000/v1"


def test_no_byte_of_the_journal_holds_a_secret_of_an_address(tmp_path):
    secret = "http://user:hunter2@host/v1?api_key=hunter2"
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        journal.start_run(
            "one",
            name="talk",
            text=f"said <- write about {secret}",
            values={"topic": secret, "more": [{"deep": secret}]},
            plan={"goal": {"note": secret}, "steps": {"said": {"options": {"url": secret}}}},
        )
        journal.end_run("one", "failed", f"cannot reach {secret}")
        kept = journal.find("one")
        assert kept is not None
        assert kept.text == "said <- write about http://***@host/v1?api_key=***"
        raw = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    raw += path.read_bytes()
    assert b"http://***@host" in raw
    assert b"hunter2" not in raw
