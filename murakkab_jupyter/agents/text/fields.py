"""Fields of a record: how a step says what to extract, and the JSON schema that it means.

    "number, date: date, total: number, paid: boolean, parties: list"

or a mapping of names to such words or to a sentence about each, or a JSON schema of an object.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.core.errors import UsageError

__all__ = ["TYPES", "Field", "fields_of", "fields_problem", "fitted", "schema_of"]

TYPES: Mapping[str, Mapping[str, Any]] = {
    "text": {"type": "string"},
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string"},
    "email": {"type": "string"},
    "phone": {"type": "string"},
    "url": {"type": "string"},
    "money": {"type": "string"},
    "list": {"type": "array", "items": {"type": "string"}},
}
"""What a field may hold, and its JSON schema."""

SAME = {
    "string": "text",
    "str": "text",
    "float": "number",
    "int": "integer",
    "bool": "boolean",
    "array": "list",
}
NAME = re.compile(r"[^\W\d][\w -]*\Z")
EXAMPLE = (
    'Name fields and, where it matters, their types: "number, date: date, total: number, parties: list".'
)
MOST = 40


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name, one of `TYPES`, what it means and which values it may have, where that is said."""

    name: str
    type: str = "text"
    meaning: str = ""
    choices: tuple[str, ...] = ()


def fields_of(stated: object) -> tuple[Field, ...]:
    """The fields that a step asks for.

    Raises
    ------
    UsageError
        When it names none, names one twice, or a type that is none.
    """
    if isinstance(stated, str) and stated.lstrip().startswith("{"):
        try:
            stated = json.loads(stated)
        except ValueError as error:
            msg = f"The fields to extract look like JSON and are none: {error}."
            raise UsageError(msg, hint=EXAMPLE) from None
    if isinstance(stated, Mapping):
        if isinstance(stated.get("properties"), Mapping):
            found = of_schema(stated)
        elif stated.get("type") in ("object", "array") or any(str(key).startswith("$") for key in stated):
            msg = "A JSON schema of fields is that of an object, with its properties."
            raise UsageError(
                msg, hint='For example {"type": "object", "properties": {"total": {"type": "number"}}}.'
            )
        else:
            found = of_mapping(stated)
    else:
        parts = [part.strip() for part in re.split(r"[,;\n]", str(stated or "")) if part.strip()]
        found = [of_words(part) for part in parts]
    if not found:
        msg = "No fields to extract are named."
        raise UsageError(msg, hint=EXAMPLE)
    names = [one.name for one in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None or len(found) > MOST:
        msg = f"The field {twice} is named twice." if twice else f"{len(found)} fields; at most {MOST}."
        raise UsageError(msg, hint=EXAMPLE)
    return tuple(found)


def of_words(part: str) -> Field:
    name, _, kind = part.partition(":")
    return Field(checked_name(name), checked_type(kind, name))


def of_mapping(stated: Mapping[Any, Any]) -> list[Field]:
    made = []
    for name, what in stated.items():
        word = str(what or "").strip()
        known = SAME.get(word.lower(), word.lower())
        made.append(
            Field(
                checked_name(str(name)), known if known in TYPES else "text", "" if known in TYPES else word
            )
        )
    return made


def of_schema(schema: Mapping[str, Any]) -> list[Field]:
    made = []
    for name, what in schema["properties"].items():
        about = what if isinstance(what, Mapping) else {}
        stated = about.get("type", "string")
        kind = (
            next((one for one in stated if one != "null"), "string") if isinstance(stated, list) else stated
        )
        if about.get("format") in TYPES:
            kind = about["format"]
        listed = about.get("enum")
        choices = tuple(one for one in listed if isinstance(one, str)) if isinstance(listed, list) else ()
        meaning = str(about.get("description", ""))
        made.append(Field(checked_name(str(name)), checked_type(str(kind), str(name)), meaning, choices))
    return made


def checked_name(name: str) -> str:
    bare = re.sub(r"\s+", "_", name.strip())
    if not NAME.match(bare):
        msg = f"{name.strip()[:60]!r} is no name of a field."
        raise UsageError(msg, hint=EXAMPLE)
    return bare


def checked_type(kind: str, name: str) -> str:
    word = kind.strip().lower() or guessed(name)
    word = SAME.get(word, word)
    if word not in TYPES:
        msg = f"The field {name.strip()} cannot be {kind.strip()[:40]!r}."
        raise UsageError(msg, hint=f"Types: {', '.join(TYPES)}.")
    return word


def guessed(name: str) -> str:
    """The type that a field's own name says: `due_date` a date, `email` an address."""
    words = set(re.split(r"[\W_]+", name.lower()))
    for kind, said in (
        ("date", {"date", "day", "deadline", "birthday"}),
        ("email", {"email", "mail"}),
        ("phone", {"phone", "telephone", "mobile", "fax"}),
        ("url", {"url", "website", "link"}),
        ("money", {"price", "amount", "cost", "fee", "total", "salary"}),
    ):
        if words & said:
            return kind
    return "text"


def fields_problem(stated: object) -> str:
    """What is wrong with stated fields, or ""."""
    if not stated:
        return ""
    try:
        fields_of(stated)
    except UsageError as error:
        return error.message
    return ""


def schema_of(fields: tuple[Field, ...]) -> dict[str, Any]:
    """The JSON schema of a record; every field may be null, for what a text does not say."""
    return {
        "type": "object",
        "properties": {one.name: {"anyOf": [allowed(one), {"type": "null"}]} for one in fields},
        "required": [one.name for one in fields],
        "additionalProperties": False,
    }


def allowed(field: Field) -> dict[str, Any]:
    return dict(TYPES[field.type]) | ({"enum": list(field.choices)} if field.choices else {})


def fitted(record: Mapping[str, Any], fields: tuple[Field, ...]) -> dict[str, Any]:
    """A record with exactly these fields, each of its type or None: what a model adds or mistypes is left out."""
    made = {one.name: typed(record.get(one.name), one.type) for one in fields}
    for one in fields:
        if one.choices and made[one.name] not in one.choices:
            made[one.name] = None
    return made


def typed(value: Any, kind: str) -> Any:
    """A value as a field of this kind has it; None for nothing and for what is not of the kind."""
    if (
        value is None
        or value == ""
        or (isinstance(value, str) and value.strip().lower() in {"null", "none", "n/a"})
    ):
        return None
    match kind:
        case "number" | "integer":
            return number(value, whole=kind == "integer")
        case "boolean":
            if isinstance(value, bool):
                return value
            return {"true": True, "yes": True, "false": False, "no": False}.get(str(value).strip().lower())
        case "list":
            parts = value if isinstance(value, list) else re.split(r"[,;\n]", str(value))
            return [str(part).strip() for part in parts if str(part).strip()] or None
    return value.strip() if isinstance(value, str) else str(value)


WRITTEN = re.compile(r"-?\d{1,3}(?:[ \u00a0\u202f'’]\d{3})+(?:[.,]\d+)?(?!\d)|-?\d[\d.,]*")  # noqa: RUF001 - Swiss typography
"""A number as people write it, with its thousands set apart or not."""


def in_points(written: str) -> str | None:
    """A written number with a point before its decimals and nothing between its thousands; None for what is none (3.5.2024).

    Of two kinds of signs the last one comes before the decimals. A comma alone does where one or two digits follow it
    (12,50), and sets thousands apart otherwise (1,250); several points set thousands apart (1.250.000).
    """
    bare = re.sub(r"[ \u00a0\u202f'’]", "", written).rstrip(".,")  # noqa: RUF001 - Swiss typography
    if "," in bare and "." in bare:
        point = max(",", ".", key=bare.rfind)
        bare = bare.replace("." if point == "," else ",", "").replace(point, ".")
    elif re.fullmatch(r"-?\d+,\d{1,2}", bare):
        bare = bare.replace(",", ".")
    elif bare.count(".") > 1:
        bare = bare.replace(".", "") if re.fullmatch(r"-?\d{1,3}(?:\.\d{3})+", bare) else ""
    else:
        bare = bare.replace(",", "")
    return bare if re.fullmatch(r"-?\d+(?:\.\d+)?", bare) else None


def number(value: Any, *, whole: bool) -> float | int | None:
    """A number, also of a text that holds one as people write it; None for what is none, is not finite, or is not `whole`."""
    if isinstance(value, bool):
        return None
    if not isinstance(value, int | float):
        written = WRITTEN.search(str(value))
        plain = in_points(written[0]) if written is not None else None
        if plain is None:
            return None
        value = float(plain)
    try:
        exact = float(value)
    except OverflowError:
        return None
    if not math.isfinite(exact):
        return None
    if exact.is_integer() and (whole or isinstance(value, int)):
        return int(exact)
    return None if whole else exact
