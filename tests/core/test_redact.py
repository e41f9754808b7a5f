"""What is kept and shown holds no key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.core.redact import masked, redacted


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("http://user:hunter2@host/v1", "http://***@host/v1"),
        ("see https://hunter2@host:8000 now", "see https://***@host:8000 now"),
        ("rtsp://u:p@hunter2@cam/1", "rtsp://***@cam/1"),
        ("http://h/v1?api_key=hunter2", "http://h/v1?api_key=***"),
        (
            "http://h/v1?x=1&access_token=hunter2&y=2#key=hunter2",
            "http://h/v1?x=1&access_token=***&y=2#key=***",
        ),
        ("http://h/?X-Amz-Signature=hunter2", "http://h/?X-Amz-Signature=***"),
        ("Authorization: Bearer hunter2-and-more", "Authorization: Bearer ***"),
        ("the key sk-hunter2hunter2hunter2 is wrong", "the key *** is wrong"),
        ("token hf_hunter2hunter2hunter2", "token ***"),
    ],
)
def test_a_kept_text_has_no_secret_of_an_address(text, left):
    assert redacted(text) == left
    assert "hunter2" not in masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://host:8000/v1",
        "mail someone@host.org",
        "http://h/@user/post",
        "http://h/?q=cats&page=2",
        "a <- b",
        "the bearer responsible for it",
        "scikit-learn, sk-learn and sk-something-or-other",
    ],
)
def test_an_address_without_secrets_is_kept_as_it_is(text):
    assert redacted(text) == masked(text) == text


@pytest.mark.parametrize("pin", ["api_key=sk-9", "API-KEY = sk-9", 'password="sk-9 x', "my_secret='sk-9'"])
def test_a_line_shown_under_an_error_shows_no_key_that_a_pin_holds(pin):
    line = f"said <- write about {{x}} @openai {pin}"
    assert "sk-9" not in masked(line)
    assert len(masked(line)) == len(line)


@given(st.text())
def test_a_masked_line_keeps_its_places(text):
    assert len(masked(text)) == len(text)


@given(st.text())
def test_what_is_redacted_needs_no_more_of_it(text):
    assert redacted(redacted(text)) == redacted(text)
