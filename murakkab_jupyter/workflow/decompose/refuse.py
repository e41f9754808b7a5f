"""Refusals: what was understood, why it cannot be, and sentences that would work."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.agents.text.sentences import STOP
from murakkab_jupyter.agents.text.vectors import Encoder
from murakkab_jupyter.core.errors import LanguageError, UsageError
from murakkab_jupyter.workflow.decompose.clauses import VERBS
from murakkab_jupyter.workflow.decompose.guess import EVERY_KIND
from murakkab_jupyter.workflow.decompose.hear import Heard, hear, task_of
from murakkab_jupyter.workflow.language.meaning import WORDLESS
from murakkab_jupyter.workflow.language.pattern import QUOTED, example
from murakkab_jupyter.workflow.language.suggest import listed

__all__ = ["foreign", "misfit", "nearest", "refusal", "unknown"]

SHOWN = 4
FEW_WORDS = 3
"""So few may do without a small word: "Mow lawns"."""
RARE = 8
"""At least one word of so many is a small one in English."""
ELSEWHERE = frozenset(
    """der das den dem des und oder eine einen einer ein ist mit für von zu zum zur auf aus bei sie
    les le la une du aux et ou dans pour avec entre
    el los las y del por para una het een voor uit il gli lo che di""".split()  # noqa: SIM905 - a list of words reads better as one
)
"""Small words of German, French, Spanish, Dutch and Italian that are none of English."""
OFTEN = 4
"""At least one word of so many is such a one."""


def nearest(words: str, capabilities: Mapping[str, Capability], encoder: Encoder | None) -> list[str]:
    """Names of the capabilities by likeness of meaning, the nearest first."""
    names = list(capabilities)
    if encoder is None or not names:
        return names
    rows = [
        (name, text)
        for name in names
        for text in (capabilities[name].summary, *task_of(capabilities[name]).examples)
    ]
    vectors = encoder.encode([words, *(text for _, text in rows)])
    scores = vectors[1:] @ vectors[0]
    best: dict[str, float] = {}
    for (name, _), score in zip(rows, scores, strict=True):
        best[name] = max(best.get(name, -1.0), float(score))
    return sorted(best, key=lambda name: -best[name])


def refusal(
    wanted: str, clause: str, capabilities: Mapping[str, Capability], encoder: Encoder | None
) -> UsageError:
    """The error of a description that needs what nobody offers."""
    close = nearest(f"{wanted.replace('-', ' ')}: {clause}", capabilities, encoder)[:SHOWN]
    msg = f"Nobody offers {wanted} here, and the description asks for it: “{clause.strip('. ')}”."
    return UsageError(
        msg,
        hint=f"The nearest are {listed(close)}. Leave it out, say it otherwise, or add an agent of yours "
        f"(@agent(capability=…), docs/extending.md).",
    )


def unknown(
    description: str,
    capabilities: Mapping[str, Capability],
    encoder: Encoder | None,
    media: Mapping[str, str],
) -> UsageError:
    """The error of a description in which nothing was understood, or nothing that its inputs allow."""
    there = listed(f"{name} ({kind})" for name, kind in media.items())
    barred = [
        one.capability
        for one in hear(description, EVERY_KIND, capabilities)
        if one.capability in capabilities
    ]
    if barred:
        takes = "; ".join(f"{name} takes {kinds_of(capabilities[name])}" for name in barred)
        msg = f"What was understood cannot be done with what there is, {there}: {takes}."
    else:
        msg = f"Nothing in this description is a task that is known here; it was read as being about {there}."
    hint = "Say it like one of these, or write the steps: " + "; ".join(
        workable(description, capabilities, encoder, media)
    )
    if foreign(description):
        hint = f"Without a language model descriptions are read in English only: --writer AGENT has one read yours. {hint}"
    return UsageError(msg, hint=hint)


def foreign(description: str) -> bool:
    """Whether a description does not look like English: no verb that asks, and hardly any of the small words that every sentence has.

    >>> foreign("Fasse die Briefe zusammen, bitte."), foreign("Mow the lawn by noon."), foreign("Extract names, dates")
    (True, False, False)
    """
    words = re.findall(r"[^\W\d_]+", re.sub(QUOTED, " ", description.lower()))
    small = sum(word in STOP for word in words)
    other = sum(word in ELSEWHERE for word in words)
    if other > max(1, small) and other * OFTEN >= len(words):
        return True
    if any(word in VERBS for word in words):
        return False
    return (not description.isascii() and not small) or (len(words) > FEW_WORDS and small * RARE < len(words))


def kinds_of(capability: Capability) -> str:
    """What the first port of a capability takes, in words."""
    kinds = sorted(capability.ports[0].kinds) if capability.ports else []
    return "anything" if "any" in kinds else " or ".join(kinds)


def workable(
    description: str,
    capabilities: Mapping[str, Capability],
    encoder: Encoder | None,
    media: Mapping[str, str],
) -> list[str]:
    """Sentences that these inputs allow, the nearest to the description first."""
    made = []
    for name in nearest(description, capabilities, encoder):
        capability = capabilities[name]
        port = next((one for one in capability.ports if one.name != "question" and not one.stated), None)
        source = next(
            (
                one
                for one, kind in media.items()
                if port is not None and port.accepts(kind) and not ("any" in port.kinds and kind in WORDLESS)
            ),
            None,
        )
        if port is not None and source is not None and capability.patterns:
            made.append(example(capability.patterns[0]).replace(f"{{{port.name}}}", f"{{{source}}}"))
    return made[:SHOWN]


def misfit(heard: Sequence[Heard], error: LanguageError) -> UsageError:
    """The error of steps that were found and cannot be bound together."""
    names = listed(dict.fromkeys(one.capability for one in heard))
    msg = f"What was understood ({names}) does not fit together with these inputs: {error.message}"
    return UsageError(msg, hint="Ask for fewer things at once, or write the steps.")
