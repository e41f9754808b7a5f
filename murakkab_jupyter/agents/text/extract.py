"""Extraction by rules: what literally stands in a text, by its form and by the label it stands beside.

It invents nothing: a field that no rule finds is None. Values with a form of their own (dates, amounts,
addresses, numbers) are found anywhere, the one nearest to the field's name first; a plain text only after
its own label ("Order number: 4711", "the order number is 4711").
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Failed, Inputs, Option, Tokens
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.text.fields import Field, fields_of, fields_problem, fitted
from murakkab_jupyter.agents.text.material import pieces
from murakkab_jupyter.agents.text.sentences import content
from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.core.kinds import count_tokens

__all__ = ["FIELDS", "PatternExtract", "register", "stated_fields"]

VERSION = "1"
FIELDS = Option(
    "fields", str, "", help='What to extract: "number, date: date, total: number".', check=fields_problem
)

MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:t(?:ember)?)?|Oct(?:ober)?|"
    r"Nov(?:ember)?|Dec(?:ember)?)\.?"
)
FORMS: Mapping[str, re.Pattern[str]] = {
    "date": re.compile(
        rf"\b(?:\d{{4}}-\d{{2}}-\d{{2}}|\d{{1,2}}[./]\d{{1,2}}[./]\d{{2,4}}|\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {MONTH}(?:,? \d{{4}})?|"
        rf"{MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?|{MONTH} \d{{4}})\b"
    ),
    "email": re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"),
    "url": re.compile(r"\bhttps?://[^\s<>\"')]+[^\s<>\"').,;]|\bwww\.[^\s<>\"')]+[^\s<>\"').,;]"),
    "phone": re.compile(r"(?<![\w.])\+?\(?\d{1,4}\)?(?:[ /-]\(?\d{2,5}\)?){1,5}(?!\w)|(?<!\w)\+\d{7,15}\b"),
    "money": re.compile(
        r"(?:[$€£¥]|\b(?:USD|EUR|GBP|CHF)) ?\d(?:[\d,.]*\d)?(?: (?:million|billion|thousand))?|"
        r"\b\d(?:[\d,.]*\d)?(?: ?[$€£¥]| (?:USD|EUR|GBP|CHF|dollars?|euros?|pounds?)\b)"
    ),
    "number": re.compile(r"(?<![\w.,-])-?\d(?:[\d.,]*\d)?(?![\w-])"),
    "integer": re.compile(r"(?<![\w.,-])-?\d[\d,]*(?![\w-]|\.\d)"),
}
AFTER = r"\s*(?:\([^)]*\)\s*)?(?::|=|\bis\b|\bare\b|\bwas\b|#|\bno\.?|–|-)\s*"
MOST_LABEL_WORDS = 3
"""Of a meaning that may be what a line is labelled with."""
CODES = frozenset({"number", "no", "nr", "id", "code", "reference", "ref"})
CODE = r"\s*(?:#\s*)?((?=[\w/.-]*\d)[\w/.-]*\w)"
"""What follows the name of a field that is a code: at least one digit is in it."""
VALUE = re.compile(r"[^\n;|]+?(?=\s*(?:[\n;|]|\.(?:\s|\Z)|,\s+[A-Z]?[\w ]{2,24}:|\Z))")


class PatternExtract(Agent):
    """Fields by rules."""

    def __init__(self) -> None:
        self.options: Mapping[str, Any] = {}
        self.last = Tokens()

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Nothing to load."""
        self.options = dict(options)

    def tokens(self) -> Tokens:
        """A count by length (four characters each): no tokenizer is involved."""
        return self.last

    def call(self, batch: Sequence[Inputs]) -> list[dict[str, Any] | Failed]:
        """One record for each item."""
        read = 0.0
        made: list[dict[str, Any] | Failed] = []
        for inputs in batch:
            text = "\n".join(piece.text for piece in pieces(inputs, "text"))
            read += count_tokens(text)
            try:
                fields = stated_fields(inputs, self.options)
            except UsageError as error:
                made.append(Failed(str(error)))
                continue
            made.append(fitted({one.name: found(one, text) for one in fields}, fields))
        self.last = Tokens(round(read), 0)
        return made


def stated_fields(inputs: Inputs, options: Mapping[str, Any]) -> tuple[Field, ...]:
    """The fields of a step, from its port or its option; raises `UsageError` where they are none."""
    return fields_of(inputs.values.get("fields") or options.get("fields") or "")


def label_of(field: Field) -> str:
    words = [re.escape(word) for word in re.split(r"[\W_]+", field.name) if word]
    return r"[\s_-]*".join(words)


def found(field: Field, text: str) -> str | bool | None:
    """The value of a field in a text, or None."""
    form = FORMS.get(field.type)
    if form is None and CODES & set(re.split(r"[\W_]+", field.name.lower())):
        code = re.search(rf"\b{label_of(field)}{CODE}", text, re.IGNORECASE)
        if code is not None:
            return code[1]
    labelled = re.search(rf"\b{label_of(field)}{AFTER}", text, re.IGNORECASE) or called(field, text)
    if labelled is not None:
        rest = text[labelled.end() :]
        if form is not None:
            near = form.search(rest.split("\n", 1)[0])
            if near is not None:
                return near[0]
        else:
            value = VALUE.match(rest)
            if value is not None and value[0].strip():
                return value[0].strip().strip("\"“”'")
    if field.type == "boolean" or form is None:
        return None
    return nearest(field, form, text)


def called(field: Field, text: str) -> re.Match[str] | None:
    """A line that begins with what a field's meaning says that it is called: "From", or "who sends it (From)"."""
    names = re.findall(r"[(\"“]([^()\"“”]+)[)\"”]", field.meaning)
    names += [field.meaning] if 0 < len(field.meaning.split()) <= MOST_LABEL_WORDS else []
    hits = (
        re.search(rf"^\W*{re.escape(name.strip())}\s*[:=]\s*", text, re.IGNORECASE | re.MULTILINE)
        for name in names
        if name.strip()
    )
    return next((hit for hit in hits if hit is not None), None)


def nearest(field: Field, form: re.Pattern[str], text: str) -> str | None:
    """What has the form and stands nearest to a word of the field's name; the first of all, where the form is its own."""
    hits = list(form.finditer(text))
    if not hits:
        return None
    words = set(content(field.name.replace("_", " "))) - {field.type}
    places = [word.start() for word in re.finditer(r"\w+", text) if words & set(content(word[0]))]
    if places:
        return min(hits, key=lambda hit: min(abs(hit.start() - place) for place in places))[0]
    # A number that nothing names could be any; a date or an address that stands alone is probably meant.
    return hits[0][0] if field.type not in {"number", "integer"} else None


def register(library: Library) -> None:
    """Register the agents of this module."""
    library.add_agent(
        AgentSpec(
            name="pattern-extract",
            version=VERSION,
            capability="extraction",
            summary="Finds dates, amounts, addresses, numbers and labelled values by rules; invents nothing.",
            factory="murakkab_jupyter.agents.text.extract:PatternExtract",
            options=(FIELDS,),
            max_batch=64,
        )
    )
