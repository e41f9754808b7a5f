"""Options of a goal, the same in a cell's header, in `%murakkab` and on the command line."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.workflow.goal import (
    LEAST_CONFIDENCE,
    MOST_CONFIDENCE,
    OBJECTIVES,
    TIERS,
    Goal,
    Objective,
)
from murakkab_jupyter.workflow.language.suggest import near, suggestion

__all__ = [
    "GOAL_OPTIONS",
    "OTHER_OPTIONS",
    "WordError",
    "goal_words",
    "parse_goal_options",
    "parse_money",
    "parse_seconds",
]

Form = Literal["flag", "value", "many"]

GOAL_OPTIONS: Mapping[str, tuple[str, str]] = {
    "minimize": (
        "cost|energy|latency",
        "what to spend least of; several by commas, the most important first",
    ),
    "maximize": ("quality", "plan for the best answers; combines with --minimize in the order given"),
    "quality": ("best|good|fair|basic|FLOAT", "floor: a share of what the agents here can reach, or 0..1"),
    "deadline": ("DURATION", "longest time for the whole run: 90s, 2min, 1.5h"),
    "budget": ("MONEY", "most money for the whole run, in dollars: 0.05usd, $0.05, 12µ$, 73n$"),
    "max-energy": ("ENERGY", "most energy for the whole run: 500J, 2kJ, 1Wh"),
    "arrivals": (
        "RATE",
        "inputs keep arriving: 2/min, 0.5/s, 100/h; budget and energy are then an hour's, a deadline each value's",
    ),
    "confidence": (
        "SHARE",
        "how surely these limits are to be kept: 0.9 or 90% (as without it), 50% by what is expected",
    ),
}
"""For each option of a goal: what it takes, and what it does."""

OTHER_OPTIONS: Mapping[str, Form] = {
    "run": "flag",
    "background": "flag",
    "fresh": "flag",
    "cluster": "value",
    "json": "value",
    "input": "many",
    "writer": "value",
}
"""Options that are no part of a goal, and how many values they take."""

NUMBER = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\W\d]*\$?)\Z")
LONGEST_NUMBER = 40
SECONDS = {
    "": 1.0,
    "ms": 1e-3,
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
DOLLARS = {"": 1.0, "usd": 1.0, **dict.fromkeys(("cent", "cents"), 0.01)}
SMALL_DOLLARS = {"\N{MICRO SIGN}$": 1e-6, "\N{GREEK SMALL LETTER MU}$": 1e-6, "n$": 1e-9}
"""As small costs are shown; in small letters alone, as prefixes of SI are."""
JOULES = {"": 1.0, "j": 1.0, "kj": 1e3, "mj": 1e6, "wh": 3600.0, "kwh": 3.6e6}


class WordError(UsageError):
    """A wrong option; `index` is the word that is wrong."""

    def __init__(self, message: str, *, index: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.index = index


def amount(text: str, units: Mapping[str, float], option: str, example: str) -> float:
    """A number with its unit, finite and more than 0."""
    found = NUMBER.match(text.strip()) if len(text) <= LONGEST_NUMBER else None
    unit = found[2] if found else ""
    unit = unit if unit.endswith("$") else unit.casefold()
    if found is None or unit not in units:
        msg = f"--{option} cannot be {text[:LONGEST_NUMBER]!r}."
        raise UsageError(msg, hint=f"Write, for example, --{option} {example}")
    value = float(found[1]) * units[unit]
    if not (math.isfinite(value) and value > 0):
        msg = f"--{option} must be more than 0."
        raise UsageError(msg, hint=f"Write, for example, --{option} {example}")
    return value


def parse_seconds(text: str, option: str = "deadline") -> float:
    """`90s`, `2min`, `1.5h`; a bare number is seconds."""
    return amount(text, SECONDS, option, "2min")


def parse_money(text: str, option: str = "budget") -> float:
    """`0.05usd`, `$0.05`, `0.05`: dollars; `12µ$`, `73n$`: millionths and billionths of one."""
    number = text.strip().removeprefix("$")
    units = DOLLARS if number != text.strip() else {**DOLLARS, **SMALL_DOLLARS}
    return amount(number, units, option, "0.05usd")


def parse_energy(text: str, option: str = "max-energy") -> float:
    """`500J`, `2kJ`, `1Wh`: joules."""
    if text.strip().endswith("mJ"):
        return amount(text.strip().removesuffix("mJ"), {"": 1e-3}, option, "500J")
    return amount(text, JOULES, option, "500J")


def parse_quality(text: str) -> str | float:
    """A tier, or a number from 0 to 1 (`80%` is 0.8)."""
    if text.casefold() in TIERS:
        return text.casefold()
    number, percent = text.removesuffix("%"), text.endswith("%")
    try:
        value = float(number) if len(number) <= LONGEST_NUMBER else math.nan
    except ValueError:
        value = math.nan
    value = value / 100 if percent else value
    if not 0 <= value <= 1:
        close = near(text, TIERS)
        msg = f"--quality cannot be {text[:LONGEST_NUMBER]!r}."
        also = f"Did you mean {close[0]}? " if close else ""
        raise UsageError(msg, hint=f"{also}Say one of {', '.join(TIERS)}, or a number from 0 to 1.")
    return value


def parse_confidence(text: str) -> float:
    """A share from 0.5 to 0.99 (`90%` is 0.9)."""
    try:
        value = float(text.removesuffix("%")) if len(text) <= LONGEST_NUMBER else math.nan
    except ValueError:
        value = math.nan
    value = value / 100 if text.endswith("%") else value
    if not LEAST_CONFIDENCE <= value <= MOST_CONFIDENCE:
        msg = f"--confidence cannot be {text[:LONGEST_NUMBER]!r}."
        raise UsageError(
            msg, hint="Say a share from 50% (by what is expected) to 99%, for example --confidence 90%."
        )
    return value


def parse_rate(text: str) -> float:
    """`2/min`, `0.5/s`, `100/h`: so many a second."""
    often, slash, every = text.partition("/")
    example = "2/min"
    if not slash or every.strip().casefold() not in SECONDS or not every.strip():
        msg = f"--arrivals cannot be {text[:LONGEST_NUMBER]!r}."
        raise UsageError(msg, hint=f"Write, for example, --arrivals {example}")
    return amount(often, {"": 1.0}, "arrivals", example) / SECONDS[every.strip().casefold()]


def parse_objectives(text: str, option: str) -> list[Objective]:
    found: list[Objective] = []
    fits = ("quality",) if option == "maximize" else tuple(o for o in OBJECTIVES if o != "quality")
    for part in text.split(","):
        name = part.strip().casefold()
        if name not in fits:
            other = "minimize" if option == "maximize" else "maximize"
            msg = f"--{option} cannot be {part.strip()[:LONGEST_NUMBER]!r}."
            hint = f"Write --{other} {name}." if name in OBJECTIVES else suggestion(name, fits)
            raise UsageError(msg, hint=hint)
        found.append(cast("Objective", name))
    return found


def parse_goal_options(
    words: Sequence[str],
    base: Goal | None = None,
    *,
    others: Mapping[str, Form] = OTHER_OPTIONS,
    hinted: bool = True,
) -> tuple[Goal, dict[str, Any]]:
    """Read options.

    Parameters
    ----------
    words
        As a shell would split them; both `--name value` and `--name=value` are read.
    base
        The goal that they change; a plain `Goal()` by default. Objectives are replaced as a whole.
    others
        Options besides those of a goal: `flag` takes no value, `value` one, `many` one each time.
    hinted
        Whether hints may name options of a goal.

    Returns
    -------
    tuple
        The goal, and the other options that were given, by name (`background`, `max_x`); words that are
        no options are under `"words"`.

    Raises
    ------
    UsageError
        For an unknown option (with the nearest), or a value that cannot be read. It is a `WordError`,
        whose `index` says which word is wrong.
    """
    objectives: list[Objective] = []
    changes: dict[str, Any] = {}
    found: dict[str, Any] = {}
    known = [f"--{name}" for name in ((*GOAL_OPTIONS, *others) if hinted else others)]
    index = 0
    setters: dict[str, tuple[str, Callable[[str], Any]]] = {
        "quality": ("quality", parse_quality),
        "deadline": ("deadline_s", parse_seconds),
        "budget": ("budget_usd", parse_money),
        "max-energy": ("max_energy_j", parse_energy),
        "arrivals": ("arrivals_per_s", parse_rate),
        "confidence": ("confidence", parse_confidence),
    }
    while index < len(words):
        word, at = words[index], index
        index += 1
        if not word.startswith("--") or word == "--":
            if word.startswith("-") and len(word) > 1 and not word[1:2].isdigit():
                msg = f"There is no option {word[:60]}."
                raise WordError(msg, index=at, hint=suggestion(f"-{word}", known))
            found.setdefault("words", []).append(word)
            continue
        name, equals, value = word[2:].partition("=")
        name = name.replace("_", "-")
        form = "value" if name in GOAL_OPTIONS else others.get(name)
        if form is None:
            msg = f"There is no option --{name[:60]}."
            raise WordError(msg, index=at, hint=suggestion(f"--{name}", known))
        if form == "flag":
            if equals:
                msg = f"--{name} takes no value."
                raise WordError(msg, index=at, hint=f"Write --{name} alone.")
            found[name.replace("-", "_")] = True
            continue
        if not equals:
            if index >= len(words) or words[index].startswith("--"):
                takes = GOAL_OPTIONS[name][0] if name in GOAL_OPTIONS else "VALUE"
                msg = f"--{name} needs a value."
                raise WordError(msg, index=at, hint=f"Write --{name} {takes}")
            value = words[index]
            at = index
            index += 1
        try:
            if name in {"minimize", "maximize"}:
                for objective in parse_objectives(value, name):
                    if objective in objectives:
                        msg = f"{objective} is given twice."
                        raise UsageError(msg, hint="Give each objective once, the most important first.")
                    objectives.append(objective)
            elif name in setters:
                key, read = setters[name]
                changes[key] = read(value)
            elif form == "many":
                found.setdefault(name.replace("-", "_"), []).append(value)
            else:
                found[name.replace("-", "_")] = value
        except UsageError as error:
            raise WordError(error.message, index=at, hint=error.hint) from None
    if objectives:
        changes["objectives"] = tuple(objectives)
    return replace(base or Goal(), **changes), found


def number(value: float) -> str:
    return repr(value).removesuffix(".0")


def goal_words(goal: Goal) -> list[str]:
    """The options that say a goal, as far as it differs from a plain one."""
    plain = Goal()
    words: list[str] = []
    if goal.objectives != plain.objectives:
        for objective in goal.objectives:
            words += ["--maximize" if objective == "quality" else "--minimize", objective]
    if goal.quality is not None:
        words += ["--quality", goal.quality if isinstance(goal.quality, str) else repr(goal.quality)]
    if goal.deadline_s is not None:
        words += ["--deadline", f"{number(goal.deadline_s)}s"]
    if goal.budget_usd is not None:
        words += ["--budget", f"{number(goal.budget_usd)}usd"]
    if goal.max_energy_j is not None:
        words += ["--max-energy", f"{number(goal.max_energy_j)}J"]
    if goal.arrivals_per_s is not None:
        words += ["--arrivals", f"{number(goal.arrivals_per_s)}/s"]
    if goal.confidence != plain.confidence:
        words += ["--confidence", number(goal.confidence)]
    return words
