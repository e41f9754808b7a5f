"""Reading documents: HTML, PDF and Word's as text that keeps what a reader would cite, headings (`#`) and pages (form feeds)."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from murakkab_jupyter.core.errors import InputError

__all__ = ["docx_text", "html_text", "pdf_text"]

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
WORD_HEADING = re.compile(r"Heading ([1-6])\Z")
MAX_DOCX_BYTES = 256_000_000
"""What a Word document may hold in all, pictures too."""


class Reader(HTMLParser):
    """The words of a page, one line a block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A block begins a line, a heading a marked one."""
        if tag == "body":
            self.hidden = 0  # pages need not close their head
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
        from pypdf.errors import DependencyError, PyPdfError
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
    except DependencyError:
        msg = f"{path} is encrypted, and the package cryptography, which reads such files, is not installed."
        raise InputError(msg, hint="pip install cryptography, or save a copy without encryption.") from None
    except RecursionError:
        msg = f"{path} cannot be read as a PDF: its parts lie too deep in each other."
        raise InputError(msg, hint="The file is damaged. Print it into a new PDF.") from None
    except (
        PyPdfError, ValueError, KeyError, TypeError, OSError, AttributeError, LookupError, NotImplementedError,
        ArithmeticError,
    ) as error:  # fmt: skip
        msg = f"{path} cannot be read as a PDF ({type(error).__name__}: {error})."
        raise InputError(msg, hint="The file is damaged or cut short. Does it open elsewhere?") from None
    if not any(page.strip() for page in pages):
        which = "its page" if len(pages) == 1 else f"its {len(pages)} pages"
        msg = f"{path} holds no text, only pictures of {which}."
        raise InputError(msg, hint="Save its pages as images, and read the text in them (ocr).")
    return "\f".join(pages)


def docx_text(path: Path) -> str:
    """The text of a Word document: headings marked, tables a line a row; raises `InputError` where there is none to be had."""
    try:
        import docx
        from docx.opc.exceptions import PackageNotFoundError
        from docx.table import Table
    except ImportError:
        msg = f"{path} is a Word document, and python-docx is not installed."
        raise InputError(
            msg, hint='pip install "murakkab-jupyter[demo]", or save it as .pdf or .txt first.'
        ) from None
    try:
        if (size := unpacked_bytes(path)) > MAX_DOCX_BYTES:
            msg = f"{path} unpacks to {size / 1e6:.0f} MB; at most {MAX_DOCX_BYTES / 1e6:.0f} MB are read."
            raise InputError(msg, hint="Save it without its pictures, or split it.")
        lines: list[str] = []
        for part in docx.Document(str(path)).iter_inner_content():
            if isinstance(part, Table):
                lines += [" | ".join(dict.fromkeys(cell.text for cell in row.cells)) for row in part.rows]
            else:
                level = WORD_HEADING.match(part.style.name or "") if part.style is not None else None
                lines.append(
                    f"{'#' * int(level[1])} {part.text}" if level and part.text.strip() else part.text
                )
    except (PackageNotFoundError, BadZipFile, SyntaxError, ValueError, KeyError, OSError) as error:
        msg = f"{path} cannot be read as a Word document ({type(error).__name__})."
        raise InputError(msg, hint="The file is damaged or protected. Does it open elsewhere?") from None
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    if not text:
        msg = f"{path} holds no text."
        raise InputError(msg, hint="Save its pictures as images, and read the text in them (ocr).")
    return text


def unpacked_bytes(path: Path) -> int:
    """Bytes of what is in a packed file: a small one may hold a very large one."""
    with ZipFile(path) as packed:
        return sum(one.file_size for one in packed.infolist())
