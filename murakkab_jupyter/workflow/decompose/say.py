"""What a stretch of a description says beside its task: labels, fields, a language, a question."""

from __future__ import annotations

import re

__all__ = ["asks", "fields_in", "labels_in", "language_in", "quoted", "written_out"]

LANGUAGES = (
    "Arabic|Bengali|Bulgarian|Catalan|Chinese|Croatian|Czech|Danish|Dutch|English|Estonian|Finnish|French|German|Greek|Hebrew|Hindi|"
    "Hungarian|Icelandic|Indonesian|Irish|Italian|Japanese|Korean|Latin|Latvian|Lithuanian|Malay|Norwegian|Persian|Polish|Portuguese|"
    "Romanian|Russian|Serbian|Slovak|Slovenian|Spanish|Swahili|Swedish|Thai|Turkish|Ukrainian|Urdu|Vietnamese|Welsh"
)
LANGUAGE = re.compile(rf"\b(?:into|to|in)\s+(?:\w+\s+)?({LANGUAGES})\b", re.IGNORECASE)
LIST = r"[\w' -]{2,30}?(?:\s*,\s*[\w' -]{2,30}?)*\s*,?\s+(?:and|or)\s+[\w' -]{2,30}?"
LABELS = re.compile(
    rf"(?:\b(?:as|into|either)\s+|:\s*|\()(?P<list>{LIST}|[\w' -]{{2,30}}(?:\s*,\s*[\w' -]{{2,30}})+)(?=\s*(?:[.;:?!)]|\Z|,?\s+and\s+\w+\s+(?:them|it)\b|,\s+then\b))",
    re.IGNORECASE,
)
FIELDS = re.compile(
    rf"\b(?:extract|note|collect|list|get|pull|record|gather|fill\s+in|pick\s+out)\s+(?:the\s+|every\s+|all\s+(?:the\s+)?)?(?P<list>{LIST}|[\w' -]{{2,40}}?)"
    r"(?=\s+(?:out\s+of|from|of\s+each|in\s+each|with|for\s+each|that|which|mentioned|named|shown|seen|said|in)\b|\s*[.;:?!]|\s*\Z)",
    re.IGNORECASE,
)
MOST_WORDS = 4
"""Of a field's name: more is a clause, not a name."""
VAGUE = frozenset(
    {"everything", "anything", "all", "it", "them", "data", "information", "details", "facts", "fields"}
)
SHOWN = re.compile(r"\b(?:shown|seen|said|heard|mentioned|named|visible)\b.*")
ARTICLE = re.compile(r"^(?:the|a|an|its|their|his|her|every|each|all)\s+", re.IGNORECASE)
LEAD = re.compile(
    r"^(?:and|then|also|please|first|finally|next|i want you to|can you|could you)\s+", re.IGNORECASE
)


def parts(text: str) -> list[str]:
    """The members of a list in words."""
    found = [
        ARTICLE.sub("", one.strip()).strip()
        for one in re.split(r"\s*,\s*(?:and\s+|or\s+)?|\s+(?:and|or)\s+", text)
    ]
    return [one for one in found if one]


def labels_in(text: str) -> str:
    """Labels that a stretch names ("as billing, delivery or technical"), or ""."""
    best = ""
    for hit in LABELS.finditer(text):
        members = list(dict.fromkeys(parts(hit["list"])))
        if len(members) >= 2 and all(len(one.split()) <= 3 for one in members):
            best = ", ".join(members)
    return best


def fields_in(text: str) -> str:
    """Fields that a stretch names ("extract the name, the date and the total"), or ""."""
    hit = FIELDS.search(text)
    if hit is None:
        return ""
    names = [re.sub(r"\W+", "_", SHOWN.sub("", one.lower())).strip("_") for one in parts(hit["list"])]
    good = [one for one in dict.fromkeys(names) if one and not one[0].isdigit() and one not in VAGUE]
    return ", ".join(good) if all(name.count("_") < MOST_WORDS for name in good) else ""


def language_in(text: str) -> str:
    """The language that a stretch names, or ""."""
    hit = LANGUAGE.search(text)
    return hit[1].capitalize() if hit else ""


def asks(description: str) -> str:
    """The first question of a description, or ""; what stands in quotes is taken without the words around it."""
    hit = re.search(r"[\"“«„](?P<asked>[^\"“”«»„]*\?)", description) or re.search(
        r"(?P<asked>[^.!?]*\?)", description
    )
    return " ".join(hit["asked"].split()) if hit else ""


def quoted(text: str) -> str:
    """A text in quotes, as a sentence holds it."""
    return '"' + text.replace('"', "'") + '"'


def written_out(clause: str) -> str:
    """A stretch as the sentence of a step that writes: signs of the language doubled, no full stop."""
    bare = LEAD.sub("", clause.strip().rstrip(".!?;:, "))
    bare = bare[:1].lower() + bare[1:]
    return bare.replace("{", "{{").replace("}", "}}").replace("@", "@@").replace("<-", "< -")
