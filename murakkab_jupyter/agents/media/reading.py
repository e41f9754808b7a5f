"""Reading documents: HTML and PDF as text that keeps what a reader would cite, headings (`#`) and pages (form feeds)."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from murakkab_jupyter.core.errors import InputError

__all__ = ["html_text", "pdf_text"]

HIDDEN = frozenset({"script", "style", "head", "template", "noscript", "svg", "nav"})
BLOCK = frozenset(
    {
        "p",
        "div",
        "section",
        "article",
        "li",
        "ul",
        "ol",
        "tr",
        "table",
        "br",
        "blockquote",
        "pre",
        "dt",
        "dd",
        "hr",
        "main",
    }
)
HEADING = re.compile(r"h([1-6])\Z")


class Reader(HTMLParser):
    """The words of a page, one line a block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A block begins a line, a heading a marked one."""
        if tag in HIDDEN:
            self.hidden += 1
        level = HEADING.match(tag)
        if level:
            self.out.append(f"\n{'#' * int(level[1])} ")
        elif tag in BLOCK:
            self.out.append("\n")
        elif tag in {"td", "th"}:
            self.out.append(" ")

    def handle_endtag(self, tag: str) -> None:
        """A block ends its line."""
        if tag in HIDDEN:
            self.hidden = max(0, self.hidden - 1)
        if HEADING.match(tag) or tag in BLOCK:
            self.out.append("\n")

    def handle_data(self, data: str) -> None:
        """Words; breaks in the source mean nothing."""
        if not self.hidden:
            self.out.append(re.sub(r"\s+", " ", data))


def html_text(source: str) -> str:
    """The text of an HTML page."""
    reader = Reader()
    reader.feed(source)
    reader.close()
    lines = (re.sub(r"[ \t]+", " ", line).strip() for line in "".join(reader.out).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def pdf_text(path: Path) -> str:
    """The text of a PDF, pages separated by form feeds; raises `InputError` where there is none to be had."""
    try:
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError
    except ImportError:
        msg = f"{path} is a PDF, and pypdf is not installed."
        raise InputError(
            msg, hint='pip install "murakkab-jupyter[demo]", or turn it into text first.'
        ) from None
    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            msg = f"{path} is protected by a password."
            raise InputError(msg, hint="Save a copy without one.")
        pages = [page.extract_text() for page in reader.pages]
    except InputError:
        raise
    except (PyPdfError, ValueError, KeyError, TypeError, OSError) as error:
        msg = f"{path} cannot be read as a PDF ({type(error).__name__}: {error})."
        raise InputError(msg, hint="The file is damaged or cut short. Does it open elsewhere?") from None
    if not any(page.strip() for page in pages):
        msg = f"{path} holds no text, only pictures of its {len(pages)} pages."
        raise InputError(msg, hint="Save its pages as images, and read the text in them (ocr).")
    return "\f".join(pages)
