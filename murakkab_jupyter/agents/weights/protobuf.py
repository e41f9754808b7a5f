"""The wire format of protocol buffers, as far as graphs of networks need it: fields in, fields out.

A library would bring its own version of the format with it; this is all that a conversion needs, and it writes the same
bytes everywhere, so that what is made can be held to a hash.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["Field", "bytes_field", "fields", "floats", "int_field", "signed", "varints"]

Field = int | memoryview
"""A value as it is read: a whole number, or the bytes of a text, a number of fixed size or an inner message."""

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """An unsigned number of any length, and the place after it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data: memoryview) -> Iterator[tuple[int, Field]]:
    """Numbers and values of the fields of a message, in order; raises `ValueError` for what is no message."""
    at, end = 0, len(data)
    try:
        while at < end:
            key, at = varint(data, at)
            number, wire = key >> 3, key & 7
            if wire == VARINT:
                value, at = varint(data, at)
                yield number, value
                continue
            if wire == LENGTH:
                size, at = varint(data, at)
            else:
                size = {EIGHT_BYTES: 8, FOUR_BYTES: 4}[wire]
            if at + size > end:
                msg = "a field is longer than its message"
                raise ValueError(msg)
            yield number, data[at : at + size]
            at += size
    except (IndexError, KeyError) as error:
        msg = "this is no protocol buffer"
        raise ValueError(msg) from error


def varints(value: Field) -> list[int]:
    """A repeated whole number, packed or single."""
    if isinstance(value, int):
        return [value]
    found, at = [], 0
    while at < len(value):
        one, at = varint(value, at)
        found.append(one)
    return found


def floats(value: Field) -> list[float]:
    """A repeated number of four bytes, packed or single."""
    return [] if isinstance(value, int) else [one for (one,) in struct.iter_unpack("<f", value)]


def signed(value: int) -> int:
    """A number of 64 bits that may be negative."""
    return value - (1 << 64) if value >> 63 else value


def written(value: int) -> bytes:
    value &= (1 << 64) - 1
    made = bytearray()
    while value >= 0x80:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def int_field(number: int, value: int) -> bytes:
    """A field that holds a whole number."""
    return written(number << 3 | VARINT) + written(value)


def bytes_field(number: int, value: bytes | str) -> bytes:
    """A field that holds a text, bytes or an inner message."""
    data = value.encode() if isinstance(value, str) else value
    return written(number << 3 | LENGTH) + written(len(data)) + data
