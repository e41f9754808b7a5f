"""What tests read in a view: its tags, its words, and that nothing in it runs."""

from __future__ import annotations

import html as entities
import re
from html.parser import HTMLParser

from murakkab_jupyter.notebook.views.html import STYLE, Bundle

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x1b[2J\u202e"


TAGS = {
    *("div", "span", "strong", "small", "br", "em", "details", "summary", "ul", "li", "pre"),
    *("table", "thead", "tbody", "tr", "th", "td", "img", "svg", "rect", "path", "line"),
}
"""What views are made of, beside the sheet of styles."""


class Tags(HTMLParser):
    """Collects tags and attributes, and checks that tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.open: list[str] = []

    def handle_starttag(self, name, attrs) -> None:
        self.found.append((name, dict(attrs)))
        if name not in {"img", "br"}:
            self.open.append(name)

    def handle_startendtag(self, name, attrs) -> None:
        self.found.append((name, dict(attrs)))

    def handle_endtag(self, name) -> None:
        assert self.open.pop() == name


def tags_of(bundle: Bundle) -> list[tuple[str, dict]]:
    parser = Tags()
    parser.feed(bundle.html)
    assert parser.open == []
    return parser.found


def words_of(bundle: Bundle) -> str:
    html = re.sub(r"<span>([$\\\\])</span>", r"\1", bundle.html.replace(STYLE, ""))
    return " ".join(entities.unescape(re.sub(r"<[^>]+>", " ", html)).split())


def assert_inert(shown: Bundle) -> None:
    for tag_name, attributes in tags_of(shown):
        assert tag_name in TAGS | {"style"}
        assert not any(key.startswith("on") for key in attributes)
        if tag_name == "img":
            assert attributes["src"].startswith("data:image/jpeg")
    assert "<script" not in shown.html
    assert "<style" not in shown.html.replace(STYLE, "")
    for text in (shown.html, shown.text):
        assert "\x1b" not in text
        assert "\u202e" not in text
