"""Reuse across runs: the key under which a result may be used again, and putting it in place.

A key says what a result depends on: the agent and its version, its options, the words it was given (where
the capability is prompted), and the inputs by content. Media count by hash, wherever they lie, so a
moved file finds its results again; what is found is then made to point at where the file lies now.
The names and wording of steps do not count, except where an agent sees them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any

import numpy as np

from murakkab_jupyter.agents.agent import Inputs
from murakkab_jupyter.core import kinds
from murakkab_jupyter.core.kinds import Evidence, Origin
from murakkab_jupyter.core.media import Media
from murakkab_jupyter.core.plain import only_plain

__all__ = ["canonical", "media_in", "relocated", "reuse_key", "sources_in"]

FORMAT = 1
"""Part of every key: raise it when the meaning of a key changes."""


class NoKey(Exception):  # noqa: N818 - never leaves this module
    """A value that has no content to speak of: nothing made from it is reused."""


def reuse_key(
    *,
    agent: str,
    version: str,
    options: Iterable[tuple[str, Any]],
    inputs: Inputs,
    prompted: bool,
    paths: MutableMapping[str, str] | None = None,
) -> str | None:
    """The key of one item's result, or None where an input has no codec.

    Parameters
    ----------
    agent, version, options
        Who made it, and how it was told to.
    inputs
        What it was made from.
    prompted
        Whether the capability takes words: then the prompt and the sentence count.
    paths
        Hash of each media file known by path: origins, which are paths, count by it.
    """
    own = {media.path: media.sha256 for media in media_in(inputs.values)}
    known = ChainMap(own, paths or {})
    try:
        data = {
            "format": FORMAT,
            "agent": [agent, version],
            "options": canonical(dict(options), known),
            "words": [inputs.prompt, inputs.sentence] if prompted else None,
            "values": {port: canonical(value, known) for port, value in inputs.values.items()},
            "origins": {port: canonical(value, known) for port, value in inputs.origins.items()},
        }
    except NoKey:
        return None
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()


def canonical(value: Any, known: Mapping[str, str]) -> Any:
    """A value as JSON that is equal exactly when the content is; raises `NoKey` where there is no telling."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes() if type(value) is bytes:
            return ["bytes", hashlib.sha256(value).hexdigest()]
        case Media():
            return ["media", value.sha256, value.size_bytes]
        case Origin() | Evidence():
            words = value.text if isinstance(value, Evidence) else ""
            where = [value.place] if value.place else []
            return ["at", known.get(value.source, value.source), value.start_s, value.end_s, words, *where]
        case np.number() | np.bool_():
            return ["scalar", value.dtype.str, value.tobytes().hex()]
        case np.ndarray():
            if not kinds.faithful(value):
                raise NoKey
            whole = np.ascontiguousarray(value).reshape(-1)
            data = hashlib.sha256(whole.view(np.uint8).data if whole.nbytes else b"").hexdigest()
            return ["array", layout(value.dtype), list(value.shape), data]
        case list() | tuple() if only_plain(value):
            return [type(value).__name__, *value]
        case list() | tuple():
            return [type(value).__name__, *(canonical(part, known) for part in value)]
        case dict():
            if not all(isinstance(key, str) for key in value):
                raise NoKey
            return {"dict": {key: canonical(part, known) for key, part in value.items()}}
    if dataclasses.is_dataclass(value) and type(value).__module__ == kinds.__name__:
        fields = {f.name: canonical(getattr(value, f.name), known) for f in dataclasses.fields(value)}
        return [type(value).__name__, fields]
    raise NoKey


def layout(dtype: np.dtype[Any]) -> Any:
    """A type of numpy as JSON, with the names, types and places of its fields; raises `NoKey` where npy has no word for it."""
    if dtype.names is None:
        return dtype.str
    try:
        return np.lib.format.dtype_to_descr(dtype)
    except ValueError as error:  # fields that overlap
        raise NoKey from error


def media_in(value: Any) -> Iterator[Media]:
    """Every media file that a value refers to."""
    return (one for one in references(value) if isinstance(one, Media))


def sources_in(value: Any) -> set[str]:
    """The path of every media file, origin and piece of evidence in a value."""
    return {one.path if isinstance(one, Media) else one.source for one in references(value)}


def references(value: Any) -> Iterator[Media | Origin | Evidence]:
    """All media, origins and evidence within a value."""
    match value:
        case Media() | Origin() | Evidence():
            yield value
        case None | str() | bytes() | int() | float() | np.ndarray() | kinds.Boxes() | kinds.Transcript():
            return
        case Mapping():
            for part in value.values():
                yield from references(part)
        case list() | tuple() if only_plain(value):
            return
        case list() | tuple():
            for part in value:
                yield from references(part)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            for field in dataclasses.fields(value):
                yield from references(getattr(value, field.name))


def relocated(value: Any, moved: Mapping[str, str]) -> Any:
    """A reused value that points at where its files lie now: `moved` maps paths it was made with to theirs."""
    match value:
        case Media():
            return dataclasses.replace(value, path=moved.get(value.path, value.path))
        case Origin() | Evidence():
            return dataclasses.replace(value, source=moved.get(value.source, value.source))
        case list() | tuple() if only_plain(value):
            return value
        case list() | tuple():
            return type(value)(relocated(part, moved) for part in value)
        case None | str() | int() | float() | np.ndarray() | Mapping() | kinds.Boxes() | kinds.Transcript():
            return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: relocated(getattr(value, f.name), moved) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **parts)
    return value
