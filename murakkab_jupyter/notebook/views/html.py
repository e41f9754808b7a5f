"""Building safe HTML, and the bundle every view is: HTML and text that say the same.

Whatever is not made by `tag` is escaped: what a model, a file name or a cell says is text, never markup.
What gives a view its form stands inline, because saved notebooks are shown where style sheets are stripped,
and is such as JupyterLab leaves in a notebook that is not trusted: it strips theme variables and SVG. So
lines and shades are greys that let the page shine through, and text has the page's own colour: right in light
and dark themes alike. What repeats for every cell of a table is said once, in the small style sheet that each
view carries (`STYLE`): where that is stripped, a table has the page's own look, and reads as well.
"""

from __future__ import annotations

import html
import re
import textwrap
import unicodedata
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from murakkab_jupyter.core.clean import clean, cleaned

__all__ = [
    "ACCENT",
    "BORDER",
    "MUTED",
    "STYLE",
    "WARN",
    "Align",
    "Bundle",
    "Cell",
    "Html",
    "clean",
    "cleaned",
    "coded",
    "frame",
    "heading",
    "join",
    "note",
    "once",
    "pills",
    "scroller",
    "shorten",
    "spaced",
    "table",
    "tag",
    "text_table",
    "wrap_text",
]

ACCENT = "#1976d2"
WARN = "#c25700"
BORDER = "1px solid #8887"
GUESSED = "1px dashed #888b"
MUTED = "opacity:.74"
FONT = "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:1.45"

STYLE = (
    "<style>"
    ".murakkab.murakkab{container-type:inline-size}"
    # Where this sheet is stripped, pages have wider cells, and tables the smaller letters that they say inline.
    ".murakkab.murakkab .ms-table{font-size:13px!important}"
    ".murakkab.murakkab .ms-table tr{background:none;border-top:1px solid #8887}"
    ".murakkab.murakkab .ms-table thead tr{background:#8882}"
    ".murakkab.murakkab .ms-table :is(th,td){padding:4px 9px;vertical-align:top;max-width:none;line-height:1.45}"
    ".murakkab.murakkab .ms-table .r{text-align:right}"
    ".murakkab.murakkab .ms-table .r small{white-space:normal}"
    ".murakkab.murakkab .ms-table .u{border:0}"
    ".murakkab.murakkab .ms-table .u td{padding-top:0}"
    ".murakkab.murakkab .ms-table th{font-weight:600}"
    ".murakkab.murakkab small{font-size:12px;font-weight:400;opacity:.74}"
    # A shade at the edge behind which there is more; it goes where one has scrolled to the end.
    ".murakkab.murakkab .ms-scroll{--p:var(--jp-layout-color0,var(--vscode-editor-background,Canvas));background:"
    "linear-gradient(90deg,var(--p) 40%,transparent) 0/30px 100% no-repeat local,"
    "linear-gradient(270deg,var(--p) 40%,transparent) 100%/30px 100% no-repeat local,"
    "linear-gradient(90deg,#8888,transparent) 0/12px 100% no-repeat scroll,"
    "linear-gradient(270deg,#8888,transparent) 100%/12px 100% no-repeat scroll}"
    ".murakkab.murakkab .ms-steps :is(tr,th,td){border:0;background:none}"
    ".murakkab.murakkab .ms-steps :is(th,td){padding:3px 12px 3px 0;vertical-align:middle;white-space:nowrap}"
    ".murakkab.murakkab .ms-card>:first-child{background:#8882}"
    ".murakkab.murakkab .ms-field{margin:0 0 6px}"
    "@container (max-width:720px){.murakkab.murakkab .ms-table :is(th,td){padding:4px 5px;font-size:12px}}"
    # The longest figures of a plan and of a bill still stand beside each other in 600 pixels.
    "@container (max-width:640px){.murakkab.murakkab .ms-table :is(th,td,small){font-size:11.5px}"
    ".murakkab.murakkab .ms-table :is(th,td){padding:4px 3px}"
    ".murakkab.murakkab .ms-steps [role=progressbar]{width:150px!important}}"
    # On paper nobody scrolls: columns become narrow instead of being left out.
    "@media print{.murakkab.murakkab .ms-scroll{overflow:visible!important;background:none}"
    ".murakkab.murakkab .ms-table :is(th,td){min-width:0!important;padding:3px 4px;overflow-wrap:anywhere}}"
    "</style>"
)
"""What repeats in a view, once. The class twice, because pages have strong rules of their own for tables in outputs."""

VOID = frozenset({"br", "img", "col", "rect", "path", "line", "circle"})

TEXT_WIDTH = 100


class Html(str):
    """Markup that `tag` made: it is not escaped again."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """One view, twice: as HTML and as plain text with the same numbers.

    `data` may hold it once more as JSON, by MIME type, for front ends that can do more with it.
    """

    html: str
    text: str
    data: Mapping[str, object] = field(default_factory=dict)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return {"text/html": self.html, "text/plain": self.text, **self.data}

    def __str__(self) -> str:
        return self.text


def shorten(text: object, width: int) -> str:
    """One line of at most `width` characters, with an ellipsis when something was cut."""
    line = " ".join(clean(text).split())
    return line if len(line) <= width else line[: max(1, width - 1)].rstrip() + "…"


def tag(name: str, *children: object, **attributes: object) -> Html:
    """An element. Children that are not `Html` are escaped; attribute names drop a trailing `_` and turn `_` to `-`."""
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        label = key.rstrip("_").replace("_", "-")
        words.append(label if value is True else f'{label}="{html.escape(clean(value), quote=True)}"')
    opened = f"<{' '.join(words)}>"
    if name in VOID:
        return Html(opened.replace(">", "/>") if name in {"rect", "path", "line", "circle"} else opened)
    return Html(f"{opened}{join(children)}</{name}>")


def join(parts: Iterable[object]) -> Html:
    """Parts one after the other, escaped where they are not `Html`; None is left out."""
    return Html(
        "".join(part if isinstance(part, Html) else plain(clean(part)) for part in parts if part is not None)
    )


def plain(text: str) -> str:
    """Text as HTML, out of reach of MathJax too: notebooks read `$5 to $9` and backslashes as formulas."""
    return re.sub(r"[$\\]", lambda found: f"<span>{found[0]}</span>", html.escape(text, quote=False))


def once(markup: str) -> str:
    """Views in one output, with one style sheet for all."""
    before, sheet, after = markup.partition(STYLE)
    return before + sheet + after.replace(STYLE, "")


def frame(label: str, *children: object) -> str:
    """The outermost element of a view."""
    return str(
        tag(
            "div",
            Html(STYLE),
            *children,
            class_="murakkab tex2jax_ignore mathjax_ignore",
            role="group",
            aria_label=label,
            style=f"{FONT};max-width:1180px;padding:2px 0 6px;overflow-wrap:break-word",
        )
    )


def heading(title: str, detail: object = None) -> Html:
    """A view's title and, beside it, a quieter detail."""
    return tag(
        "div",
        tag("strong", title, style="font-size:14px"),
        None if detail in (None, "") else tag("span", "  ", detail, style=MUTED),
        style="margin:4px 0 6px",
    )


def note(*children: object) -> Html:
    """A quiet line."""
    return tag("div", *children, style=f"font-size:12px;margin:4px 0;{MUTED}")


def coded(words: str) -> list[Html | str]:
    """Words with what stands between backticks as code."""
    return [tag("code", one) if odd % 2 else one for odd, one in enumerate(words.split("`"))]


def pills(pairs: Iterable[tuple[str, object]], *, guessed: Container[str] = ()) -> Html:
    """A row of labelled numbers; those `guessed`, by label, have a dashed edge."""
    each = (
        tag(
            "span",
            tag("span", f"{label} ", style=MUTED),
            tag("strong", value),
            style=f"display:inline-block;border:{GUESSED if label in guessed else BORDER};border-radius:6px;padding:2px 9px;margin:0 2px 6px 0;max-width:100%;box-sizing:border-box",
        )
        for label, value in pairs
    )
    return tag("div", *spaced(each))


def spaced(parts: Iterable[Html]) -> Iterator[Html | str]:
    """Parts with a space after each: without it they would run together where a page strips styles, as GitHub does."""
    for part in parts:
        yield part
        yield " "


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: what it says, a quieter second line, and markup where the words alone are too plain."""

    text: object
    detail: str = ""
    markup: Html | None = None
    strong: bool = False


Align = Literal["left", "right"]

MANY_COLUMNS = 6
LONG_CELL = 24
"""Where a table has more columns, those with longer words keep room for some of these on a line, and the table scrolls."""


def length(value: Cell | object) -> int:
    """Characters of the longer line of a cell."""
    return max(len(str(value.text)), len(value.detail)) if isinstance(value, Cell) else len(str(value))


def table(
    columns: Sequence[tuple[str, Align]],
    rows: Iterable[Sequence[Cell | object]],
    *,
    caption: str,
    last_strong: bool = False,
    below: Sequence[object] = (),
) -> Html:
    """A real table, with headers; the first cell of a row is the row's header.

    `below` has, for each row, words that stand below its figures, as wide as these are together.
    """
    listed = [list(row) for row in rows]

    roomy = {
        index
        for index, (_, align) in enumerate(columns)
        if align == "left"
        and len(columns) > MANY_COLUMNS
        and any(length(one) > LONG_CELL for row in listed for one in row[index : index + 1])
    }

    def look(index: int) -> dict[str, str]:
        """To the right by the style sheet, to the left inline: pages that strip the sheet set cells to the right."""
        if columns[index][1] == "right":
            return {"class_": "r", "style": "white-space:nowrap"}
        return {"style": "text-align:left"}

    def detail(one: Cell, index: int) -> str:
        """Below a figure, a line may end before another figure and not within it."""
        if columns[index][1] != "right":
            return one.detail
        word, blank, figure = one.detail.partition(" ")
        return word + blank + figure.replace(" ", "\u00a0")

    def cell(value: Cell | object, index: int, *, strong: bool) -> Html:
        one = value if isinstance(value, Cell) else Cell(value)
        said: object = one.markup if one.markup is not None else one.text
        if index and (strong or one.strong) and said != "":
            said = tag("strong", said)
        return tag(
            "td" if index else "th",
            said,
            *([tag("br"), tag("small", detail(one, index))] if one.detail else []),
            scope=None if index else "row",
            rowspan=None if index or not below else 2,
            **look(index),
        )

    def head_look(index: int) -> dict[str, str]:
        found = look(index)
        return {**found, "style": f"{found['style']};min-width:9em"} if index in roomy else found

    head = tag("tr", *(tag("th", title, scope="col", **head_look(i)) for i, (title, _) in enumerate(columns)))
    body = []
    for number, row in enumerate(listed):
        strong = last_strong and number == len(listed) - 1
        body.append(tag("tr", *(cell(value, i, strong=strong) for i, value in enumerate(row))))
        if below:
            words = tag("td", below[number], colspan=len(columns) - 1, style="text-align:left")
            body.append(tag("tr", words, class_="u"))
    return scroller(
        caption,
        tag(
            "table",
            tag("thead", head),
            tag("tbody", *body),
            aria_label=caption,
            class_="ms-table",
            style=f"border-collapse:collapse;border:{BORDER};margin:2px 0 6px;font-size:12px;table-layout:auto;font-variant-numeric:tabular-nums"
            + (";width:100%;max-width:820px" if below else ""),
        ),
    )


def scroller(label: str, *content: object) -> Html:
    """What is wider than a narrow page scrolls inside it, by the keyboard too: a stop of the Tab key with a name."""
    return tag(
        "div",
        *content,
        tabindex=0,
        role="group",
        aria_label=label,
        class_="ms-scroll",
        style="overflow-x:auto",
    )


def text_table(
    columns: Sequence[tuple[str, Align]], rows: Iterable[Sequence[Cell | object]], *, widest: int = 44
) -> str:
    """The same table in text: columns aligned, long cells cut."""

    def words(value: Cell | object) -> str:
        one = value if isinstance(value, Cell) else Cell(value)
        line = f"{one.text} ({one.detail})" if one.detail else str(one.text)
        return shorten(line, widest)

    lines = [[title for title, _ in columns], *([words(value) for value in row] for row in rows)]
    widths = [max(display_width(line[i]) for line in lines) for i in range(len(columns))]

    def pad(word: str, width: int, align: Align) -> str:
        blank = " " * (width - display_width(word))
        return blank + word if align == "right" else word + blank

    shown = [
        "  ".join(pad(word, widths[i], columns[i][1]) for i, word in enumerate(line)).rstrip()
        for line in lines
    ]
    rule = "  ".join("─" * width for width in widths)
    return "\n".join([shown[0], rule, *shown[1:]])


def display_width(text: str) -> int:
    """Columns a text takes in a terminal (wide characters take two)."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def wrap_text(text: object, *, indent: str = "", width: int = TEXT_WIDTH) -> str:
    """Paragraphs folded to a terminal's width."""
    return "\n".join(
        textwrap.fill(line, width, initial_indent=indent, subsequent_indent=indent) if line.strip() else ""
        for line in re.split(r"\n", clean(text).strip())
    )
