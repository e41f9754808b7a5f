"""What may be shown is spelled as it was, and steers nothing."""

import pytest

from murakkab_jupyter.core.clean import clean
from murakkab_jupyter.core.errors import MurakkabError


@pytest.mark.parametrize(
    "text",
    ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0645.mp4", "क्\u200dष", "👩\u200d💻", "two\nlines\tand a tab"],
)
def test_spelling_is_kept(text):
    assert clean(text) == text
    assert text in str(MurakkabError(f"{text} is missing"))


@pytest.mark.parametrize("text", ["\x1b[31m", "\u202e", "\u2066", "\x07", "\r", "\ue000"])
def test_what_steers_is_replaced(text):
    assert text not in clean(f"a{text}b")
