"""What is kept and shown holds no key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab_jupyter.core.redact import key_like, masked, redacted


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
        ("gsk_hunter2hunter2hunter2, xai-hunter2hunter2hunter2", "***, ***"),
        ("'r8_hunter2hunter2hunter2' ghp_hunter2hunter2hunter2", "'***' ***"),
        ("glpat-hunter2-hunter2hunter2 sk-proj-hunter2_hunter2", "*** ***"),
        ("AIzahunter2hunter2hunter2hunter2hunter2_x.", "***."),
        ("github_pat_hunter2hunter2_hunter2 AKIAHUNTER2HUNTER2XY", "*** ***"),
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
        "jina-embeddings-v2-base-multilingual, xai-grok-2-1212 and hf_transfer",
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


KEYS = [
    "hf_AbCdEf",
    "hf_hunter2hunter2hunter2",
    "gsk_abcdefghij0123456789",
    "sk_abc123def",
    "sk-proj-abc123def456ghi789",
    "AIzaSyA1234567890abcdefghijklmnopqrstu",
    "ghp_abcdefghij0123456789",
    "a3f9c2d87b6e5410f9a3c2d87b6e5410",
    "X1y2Z3a4B5c6D7e8",
]
NAMES = [
    "MY_KEY",
    "HF_TOKEN",
    "HF_TOKEN_2",
    "hf_token",
    "OPENROUTER_API_KEY",
    "MyOpenRouterApiKeyOfTheTeam",
    "key_of_server_2024",
    "GPUSERVER0123456789_KEY",
]


@pytest.mark.parametrize("word", KEYS)
def test_a_key_is_told_from_a_name(word):
    assert key_like(word)


@pytest.mark.parametrize("word", NAMES)
def test_a_name_is_told_from_a_key(word):
    assert not key_like(word)


def test_a_line_shows_the_name_of_a_variable_and_no_key_in_its_place():
    assert masked("@openai key_env=MY_KEY url=u") == "@openai key_env=MY_KEY url=u"
    for line in ("@openai key_env=hf_AbCdEfGh", "engine attach u --key-env c0ffee1234567890abcdef12 --keep"):
        assert len(masked(line)) == len(line)
        assert "**********" in masked(line)
