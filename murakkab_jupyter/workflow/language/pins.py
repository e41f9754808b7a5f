"""Pins: `@agent-or-capability key=value key={reference}`."""

from __future__ import annotations

import re

from murakkab_jupyter.workflow.language.syntax import KeyNode, PinNode, Place
from murakkab_jupyter.workflow.language.template import reference

__all__ = ["literal", "read_pin"]

NAME = re.compile(r"[^\W_][\w.\-]*\Z")
PLAIN_WORD = re.compile(r"[\w./:+\-]+\Z")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
EXAMPLE = "Write @capability key=value, for example: @question-answering question={q} paths=3"


def read_pin(line: str, number: int, index: int) -> PinNode:
    """The pin whose `@` stands at `index`; it goes on to the end of the line."""
    end = index + 1
    while end < len(line) and not line[end].isspace():
        end += 1
    target = line[index + 1 : end]
    place = Place(number, index + 1, end - index, line)
    function = target.removeprefix("python:") if target.startswith("python:") else None
    if function is not None and not function.isidentifier():
        msg = "After `python:` comes the name of a Python function."
        raise place.error(msg, "Write @python:my_function")
    if function is None and not NAME.match(target):
        msg = "After `@` comes an agent or a capability."
        raise place.error(msg, EXAMPLE)
    keys: list[KeyNode] = []
    while True:
        while end < len(line) and line[end].isspace():
            end += 1
        if end >= len(line):
            return PinNode(target, tuple(keys), place)
        key, end = read_key(line, number, end)
        keys.append(key)


def read_key(line: str, number: int, index: int) -> tuple[KeyNode, int]:
    begin = index
    while index < len(line) and not line[index].isspace() and line[index] not in "=\"'{}@":
        index += 1
    name = line[begin:index]
    place = Place(number, begin + 1, max(1, index - begin), line)
    if name == "per" or line.startswith(", per", begin):
        msg = "The level comes before the pin."
        raise place.error(msg, "Write: sentence, per level @pin key=value")
    if not line.startswith("=", index):
        msg = "After a pin's target come only key=value pairs."
        raise place.error(
            msg, "A comment stands on a line of its own." if line.startswith("#", begin) else EXAMPLE
        )
    if not name.replace("-", "_").isidentifier():
        msg = "A key is the name of a port or of an option."
        raise place.error(msg, EXAMPLE)
    name = name.replace("-", "_")
    index += 1
    where = Place(number, index + 1, 1, line)
    if index >= len(line) or line[index].isspace():
        msg = f"`{name}=` has no value."
        raise where.error(msg, f'Write {name}=3, {name}="some words" or {name}={{x}}')
    sign = line[index]
    if sign == "{":
        ref = reference(line, number, index)
        end = index + ref.place.width
        check_end(line, number, end)
        return KeyNode(name, ref, "ref", place, ref.place), end
    if sign in "\"'":
        text, end = quoted(line, number, index)
        check_end(line, number, end)
        return KeyNode(name, text, "string", place, Place(number, index + 1, end - index, line)), end
    end = index
    while end < len(line) and not line[end].isspace():
        if line[end] in "\"'{}":
            msg = f"`{line[end]}` inside a value."
            raise Place(number, end + 1, 1, line).error(msg, "Put quotes around the whole value.")
        end += 1
    value = Place(number, index + 1, end - index, line)
    return KeyNode(name, line[index:end], "word", place, value), end


def check_end(line: str, number: int, end: int) -> None:
    if end < len(line) and not line[end].isspace():
        msg = "A space was expected after this value."
        raise Place(number, end + 1, 1, line).error(msg, "Write key=value pairs with spaces between them.")


def quoted(line: str, number: int, index: int) -> tuple[str, int]:
    r"""The string that begins at `index`, and where it ends; `\\"`, `\\\\` and `\\n` are escapes."""
    sign = line[index]
    pieces: list[str] = []
    at = index + 1
    while at < len(line):
        if line[at] == "\\" and at + 1 < len(line):
            pieces.append(ESCAPES.get(line[at + 1], line[at + 1]))
            at += 2
        elif line[at] == sign:
            return "".join(pieces), at + 1
        else:
            pieces.append(line[at])
            at += 1
    msg = "A quote that is not closed."
    raise Place(number, index + 1, 1, line).error(msg, f"Write {sign} at its end too.")


def literal(value: object) -> str:
    """A value as a pin writes it, read back the same.

    >>> literal("two words"), literal(3), literal(True)
    ('"two words"', '3', 'true')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    if PLAIN_WORD.match(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    for sign, char in ESCAPES.items():
        escaped = escaped.replace(char, f"\\{sign}")
    return f'"{escaped}"'
