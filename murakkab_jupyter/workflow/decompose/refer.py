"""What a clause refers back to: "from the transcript", "the short version", "both", "the full letter"."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

__all__ = ["originals", "referred"]

ARTICLES = r"(?:the|that|those|this|these|its|their|his|her|your|my|our|each|every|same)"
SOURCES = r"from|using|based on|account|given|knowing|considering|with"
NAMED: Mapping[str, str] = {
    "speech-to-text": r"transcript\w*|speech|spoken words?|dialogue|(?:his|her|their) words|what (?:\w+ ){0,4}?(?:said|says?|saying|spoken|heard|told)",
    "ocr": r"slides?|wording|lettering|printed text|text (?:on|in|from) |what (?:\w+ ){0,3}?(?:written|printed|read)|plates|signs?",
    "object-detection": r"detections?|boxes|objects?(?: found| detected)?|what (?:was|were|is) (?:found|detected)|counts?",
    "visual-description": r"descriptions?|captions?|what (?:\w+ ){0,4}?(?:shows?|seen|visible)|picture words",
    "summarisation": r"summar(?:y|ies)|short(?:er|ened)? (?:version|one|text|form)s?|paragraph|gist|digest|overview|recap|main points|key points",
    "text-generation": r"report|letter|article|draft|advert|newsletter|story|e-?mail|memo|essay|notes",
    "question-answering": r"answers?|reply|response|finding",
    "visual-question-answering": r"answers?|reply|finding",
    "translation": r"translations?|translated \w+|(?:english|german|french|spanish|italian|dutch) (?:version|text|one)?",
    "extraction": r"fields|details|records?|data|table|facts|(?:two|three|four|five|six) things|filled-in \w+|names|figures|list",
    "classification": r"labels?|piles?|category|categories|class|mood|group",
    "retrieval": r"passages?|hits|excerpts|parts (?:you )?found|places",
}
"""What results are called, by the capability that makes them."""
ORIGINAL = re.compile(
    r"\b(?:originals?|full (?:text|letter|version|transcript|\w+)|whole (?:text|letter|thing|transcript|\w+)|same (?:text|wording|words|transcript|source)|untranslated|unabridged|raw (?:text|\w+))\b",
    re.IGNORECASE,
)
BOTH = re.compile(
    r"\b(?:both|the two|the three|all three|all of (?:it|them|this|that)|(?:them|these|those) together|together)\b",
    re.IGNORECASE,
)


def referred(clause: str, made: Mapping[str, str], own: str, same: Collection[str] = ()) -> list[str]:
    """Steps that a clause names by what they made, in the order of their making.

    Parameters
    ----------
    clause
        What asks for a step.
    made
        Names of steps by capability.
    own
        The capability that is asked for: its product is no source.
    same
        Capabilities that this clause asks for itself: only "from the summary" means that of one of these.
    """
    low = clause.lower()
    spans: dict[str, re.Match[str]] = {}
    for capability in made:
        what = NAMED.get(capability)
        if capability == own or what is None or (capability in same and own == "translation"):
            continue
        if capability in same:
            pattern = rf"\b(?:{SOURCES})\s+(?:{ARTICLES}\s+(?:\w+\s+)?)?(?P<what>{what})\b"
        else:
            pattern = rf"(?:\b(?:{ARTICLES}|from|of|by|and|with)\s+(?:\w+\s+)?|(?:^|\b(?:on|about)\s+))(?P<what>{what})\b"
        if hit := re.search(pattern, low):
            spans[capability] = hit
    ends = [hit.end("what") for hit in spans.values()]

    def inner(hit: re.Match[str]) -> bool:
        """Whether it only says of what another is: "the key points of the speech"."""
        return any(
            re.fullmatch(r"\s+(?:of|in|on|for)\s+(?:\w+\s+){0,2}", low[end : hit.start("what")])
            for end in ends
        )

    return [made[capability] for capability, hit in spans.items() if not inner(hit)]


def originals(clause: str) -> bool:
    """Whether a clause wants what there was at first, not what was made of it."""
    return bool(ORIGINAL.search(clause))


def together(clause: str, fresh: Sequence[str]) -> list[str]:
    """What "both" and "the two" mean: the latest results that nothing has used."""
    found = BOTH.search(clause)
    if found is None:
        return []
    many = 2 if re.search(r"both|two", found[0], re.IGNORECASE) else 3
    return list(fresh[-many:])
