"""The rules of levels: at which level a step runs, and how each input reaches it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from murakkab_jupyter.agents.capability import Port
from murakkab_jupyter.core.ancestry import Level, common_level, format_level, is_prefix
from murakkab_jupyter.workflow.language.suggest import listed, near
from murakkab_jupyter.workflow.language.syntax import Place
from murakkab_jupyter.workflow.model import How

__all__ = ["Reference", "fold", "level_named", "level_of_step", "reach"]

IRREGULAR = {
    "people": "person",
    "children": "child",
    "men": "man",
    "women": "woman",
    "indices": "index",
    "matrices": "matrix",
    "analyses": "analysis",
    "series": "series",
    "movies": "movie",
    "hypotheses": "hypothesis",
    "lives": "life",
    "leaves": "leaf",
    "shelves": "shelf",
    "data": "datum",
    "media": "medium",
}
WITH_ES = ("ches", "shes", "sses", "xes", "zzes", "oes")


def fold(name: str) -> str:
    """A name in the singular, to compare: `videos` and `video`, `stories` and `story` are the same.

    >>> fold("scenes"), fold("stories"), fold("boxes"), fold("Class")
    ('scene', 'story', 'box', 'class')
    """
    lead, mark, word = name.casefold().rpartition("_")
    if word in IRREGULAR:
        word = IRREGULAR[word]
    elif word.endswith("ies") and len(word) > 4:
        word = f"{word[:-3]}y"
    elif word.endswith(WITH_ES):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return f"{lead}{mark}{word}"


@dataclass(frozen=True, slots=True)
class Reference:
    """What a step refers to: its name, the level of its values, the port, and where it is written."""

    name: str
    level: Level
    kind: str
    port: Port | None
    place: Place


def name_of(level: Level) -> str:
    return level[-1] if level else "all"


def level_named(name: str, levels: Mapping[str, Level], place: Place) -> Level:
    """The level that `per name` means; an exact name first, then one that is the same but for the plural."""
    if name == "all":
        return ()
    if name in levels:
        return levels[name]
    found = [known for known in levels if fold(known) == fold(name)]
    if len(found) == 1:
        return levels[found[0]]
    names = [*levels, "all"]
    if found:
        msg = f"`{name}` could be {' or '.join(found)}."
        raise place.error(msg, f"Write per {found[0]}.")
    close = near(name, names)
    did = f"Did you mean per {close[0]}? " if close else ""
    msg = f"There is no level `{name}`."
    raise place.error(
        msg,
        f"{did}A level is opened by a list, by media, or by a step that makes many. There are: {listed(names)}.",
    )


def level_of_step(refs: Sequence[Reference], place: Place) -> Level:
    """The level a step runs at when nothing is said: the shallowest of its inputs, if they lie on one chain."""
    deep = sorted({ref.level for ref in refs if ref.level}, key=len)
    if not deep:
        return ()
    if all(is_prefix(a, b) for a, b in itertools.pairwise(deep)):
        return deep[0]
    common = deep[0]
    for level in deep[1:]:
        common = common_level(common, level)
    if common:
        return common
    first = next(ref for ref in refs if ref.level)
    other = next(ref for ref in refs if ref.level and not common_level(ref.level, first.level))
    msg = (
        f"`{first.name}` and `{other.name}` have nothing in common: one is per {name_of(first.level)}, "
        f"the other per {name_of(other.level)}."
    )
    raise other.place.error(
        msg,
        "Write `, per all` after the sentence to bring all of both together once.",
    )


def reach(ref: Reference, at: Level) -> How:
    """How an input reaches a step at a level; an error names the level to use."""
    level = ref.level
    port = ref.port
    if not is_prefix(level, at) and not is_prefix(at, level):
        common = common_level(level, at)
        msg = (
            f"`{ref.name}` is not inside {name_of(at)}: its values live at {format_level(level)}, "
            f"the step runs at {format_level(at)}."
        )
        raise ref.place.error(
            msg,
            f"Write `, per {name_of(common)}` after the sentence.",
        )
    gathered = len(level) > len(at)
    if port is None:
        pass
    elif gathered and port.takes == "one":
        msg = f"There are many `{ref.name}` for each item of {name_of(at)}, and `{port.name}` takes one."
        raise ref.place.error(
            msg,
            f"Write `, per {name_of(level)}` after the sentence.",
        )
    elif not gathered and port.takes == "many" and ref.kind != "any":  # an `any` may be a list itself
        if not level:
            msg = f"`{port.name}` takes many values, and `{ref.name}` is one."
            raise ref.place.error(
                msg,
                f"Give a list, or the step whose values `{ref.name}` was made from.",
            )
        msg = (
            f"`{port.name}` takes many values, and there is one `{ref.name}` for each item of {name_of(at)}."
        )
        raise ref.place.error(
            msg,
            f"Write `, per {name_of(level[:-1])}` after the sentence.",
        )
    if gathered:
        return "gather"
    return "same" if len(level) == len(at) else "broadcast"
