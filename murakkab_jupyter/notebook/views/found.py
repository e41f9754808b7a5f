"""Results as data for front ends that can draw more than HTML: what can be searched, opened and followed.

It says what the HTML beside it says, in longer words. Stills are not repeated: they are in the HTML, marked with
the item they show, so that a saved notebook holds each once.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.core.ancestry import Ancestry, Level, format_ancestry, format_level, is_prefix
from murakkab_jupyter.core.kinds import Answer, Evidence, Passage, Transcript
from murakkab_jupyter.notebook.views.failures import MOST_FAILURES
from murakkab_jupyter.notebook.views.html import clean, cleaned, shorten
from murakkab_jupyter.notebook.views.results import (
    FEW_ROWS,
    HIDDEN,
    MISSING,
    MOST_CARDS,
    MOST_ROWS,
    ROW_BYTES,
    Results,
    asked,
    by_level,
    card_level,
    fitting,
    merged,
    owner,
    scene_at,
    share_of,
)
from murakkab_jupyter.notebook.views.values import NAMES, evidence_words, value_words
from murakkab_jupyter.workflow.model import Step

__all__ = ["RESULTS_TYPE", "results_json"]

RESULTS_TYPE = "application/vnd.murakkab.results+json"
FORMAT = 1
ALL_CHARS = 10_000
"""Characters that all values of a view share."""
LONGEST = 4000
SHORTEST = 80
MOST_EVIDENCE = 20
ITEM_BYTES, VALUE_BYTES = 150, 100
"""What an item and a value of it take in a saved notebook besides their words, indentation included."""


def results_json(results: Results, *, title: str = "Results") -> dict[str, Any]:
    """Answers with their evidence, one group of items a level, values of the whole workflow, and what failed."""
    workflow = results.workflow
    cards = card_level(workflow)
    # An answer for each scene stands on its scene's card; any other stands on top.
    answers = [step for step in workflow.steps if step.kind == "answer" and step.level != cards]
    said = [(step, key, one) for step in answers for key, one in results.values.get(step.name, {}).items()]
    rest = [step for step in workflow.steps if step not in answers and step.kind not in HIDDEN]
    groups = grouped(results, cards, rest)
    values = sum(len(one.names) * len(one.shown) for one in groups)
    longest = share_of(ALL_CHARS, values, SHORTEST, LONGEST)
    places = {
        key: (number, index) for number, one in enumerate(groups) for index, key in enumerate(one.shown)
    }
    root = [step for step in rest if step.level == () and () in results.values.get(step.name, {})]
    told: dict[str, Any] = {
        "format": FORMAT,
        "title": title,
        "workflow": workflow.name,
        "variable": results.variable,
        "answers": [answer(results, *one, places) for one in said[:MOST_ROWS]],
        "answers_left_out": max(0, len(said) - MOST_ROWS),
        "whole": [
            value_json(step.name, results.values[step.name][()], LONGEST, results.names) for step in root
        ],
        "groups": [group_json(results, one, longest) for one in groups],
        "failures": [
            {"step": step, "item": format_ancestry(where), "why": clean(why)[:600]}
            for step, where, why in results.failures[:MOST_FAILURES]
        ],
        "failures_left_out": max(0, len(results.failures) - MOST_FAILURES),
    }
    said_cleanly: dict[str, Any] = cleaned(told)
    return said_cleanly


@dataclass(frozen=True, slots=True)
class Group:
    """The items of one level: names of the values each has, those that are shown, and how many are not."""

    level: Level
    names: tuple[str, ...]
    shown: tuple[Ancestry, ...]
    left_out: int


def grouped(results: Results, cards: Level | None, steps: Sequence[Step]) -> list[Group]:
    """The level that gets cards takes in what lies under it; every other stands for itself, shallow ones first."""
    workflow = results.workflow
    carded = [s.name for s in steps if cards is not None and is_prefix(cards, s.level)]
    others = [s.name for s in steps if s.name not in carded and s.level != ()]
    found = by_level(workflow, others)
    if cards is not None:
        found.append((cards, carded))
    sinks = {step.name for step in workflow.sinks()}
    groups = []
    for level, names in found:
        keys = {key[: len(level)] for name in names for key in results.values.get(name, {})}
        if level == cards:
            keys |= set(results.values.get(level[-1], {}))
        held = [
            name
            for name in names
            if results.values.get(name) and name != level[-1] and workflow.kind_of(name) not in HIDDEN
        ]
        if level == cards:  # ends say most, so they come first on a card; the order of the workflow otherwise
            held.sort(key=lambda name: name not in sinks)
        ordered = sorted(keys)
        most = MOST_CARDS if level == cards else rows_that_fit(results, held, ordered[:MOST_ROWS])
        if ordered:
            groups.append(Group(level, tuple(held), tuple(ordered[:most]), max(0, len(ordered) - most)))
    return groups


def rows_that_fit(results: Results, names: Sequence[str], keys: Sequence[Ancestry]) -> int:
    """How many items of a table are kept: many with short values, or fewer with long ones."""
    longest = share_of(ALL_CHARS, FEW_ROWS * len(names), SHORTEST, LONGEST)
    sizes = (
        ITEM_BYTES
        + sum(
            VALUE_BYTES + len(value_words(results.values[name].get(key), longest, results.names))
            for name in names
        )
        for key in keys
    )
    return fitting(sizes, ROW_BYTES, FEW_ROWS)


def group_json(results: Results, one: Group, longest: int) -> dict[str, Any]:
    """A group: for each item where it lies and its values."""
    items = []
    for key in one.shown:
        values: list[dict[str, Any]] = []
        for name in one.names:
            value = merged(results, name, key)
            if value is MISSING:
                values.append({"name": name, "failed": True})
            elif value is not None:
                values.append(value_json(name, value, longest, results.names))
        source = results.values.get(key[-1][0], {}).get(key)
        plain = format_ancestry(key)
        where = owner(results, key)
        if where == plain and source is not None:
            where = shorten(value_words(source, 160, results.names), min(80, longest))
        items.append({"item": plain, "where": where, "values": values})
    return {"level": format_level(one.level), "items": items, "left_out": one.left_out}


def value_json(name: str, value: Any, longest: int, names: Mapping[str, str] = NAMES) -> dict[str, Any]:
    """A value in words; where these are cut, `of` says how many characters there are. `names` as in `place_of`."""
    said: dict[str, Any] = {"name": name, "text": words(value, longest, names)}
    whole = characters(value, names)
    if whole is not None and whole > longest:
        said["of"] = whole
    return said


def characters(value: Any, names: Mapping[str, str] = NAMES) -> int | None:
    """How long a text is, with where it comes from; None for values of other kinds."""
    match value:
        case str():
            return len(value.strip())
        case Transcript() | Answer():
            return len(value.text.strip())
        case Passage():
            return len(value_words(value, sys.maxsize, names))
    return None


def words(value: Any, longest: int, names: Mapping[str, str] = NAMES) -> str:
    """A value in words; a record is one line a field."""
    if isinstance(value, Mapping) and value:
        return "\n".join(
            f"{clean(key)}: {value_words(one, longest, names)}" for key, one in list(value.items())[:30]
        )
    return value_words(value, longest, names)


def answer(
    results: Results,
    step: Step,
    key: Ancestry,
    value: Any,
    places: Mapping[Ancestry, tuple[int, int]],
) -> dict[str, Any]:
    """An answer; each piece of evidence with the item that it was found in, where that is shown."""
    said = value if isinstance(value, Answer) else Answer(value_words(value, names=results.names))
    return {
        "step": step.name,
        "where": owner(results, key),
        "question": asked(results, step.name),
        **value_json("", said, LONGEST),
        "evidence": [
            {
                "where": evidence_words(one, results.names),
                "text": shorten(one.text, 400),
                "at": list(found) if (found := place(results, one, places)) else None,
            }
            for one in said.evidence[:MOST_EVIDENCE]
        ],
        "evidence_left_out": max(0, len(said.evidence) - MOST_EVIDENCE),
    }


def place(
    results: Results, evidence: Evidence, places: Mapping[Ancestry, tuple[int, int]]
) -> tuple[int, int] | None:
    """The shown scene in which evidence begins."""
    key = scene_at(results, evidence, places)
    return None if key is None else places[key]
