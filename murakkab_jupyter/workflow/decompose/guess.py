"""What a description works on, where nobody has given it: of what is named, that with which the tasks can be done."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from murakkab_jupyter.agents.capability import Capability
from murakkab_jupyter.workflow.decompose.draft import guessed_inputs, nouns_in
from murakkab_jupyter.workflow.decompose.hear import Heard, can_be, hear

__all__ = ["EVERY_KIND", "inputs_for"]

EVERY_KIND = {
    "recordings": "audio",
    "images": "image",
    "videos": "video",
    "documents": "document",
    "texts": "text",
}
"""An input of each kind, the plainest first."""
TELLING = frozenset(
    {"speech-to-text", "scene-detection", "frame-extraction", "object-detection", "ocr", "visual-description"}
)
"""Tasks that tell the kind of what they are done with: texts are read, whatever they come from."""
WRITTEN = re.compile(r"\btext\s+(?:in|on|from)\b", re.IGNORECASE)
"""Text that is no input of its own: "the text in the photos"."""
SAID = re.compile(
    r"\b(?:(?:text|words)\s+(?:\w+\s+)?(?:in|on|from|of)|(?:messages|comments)\s+(?:\w+\s+)?in)\s+(?P<where>(?:\w+\s+){0,2}\w+)",
    re.IGNORECASE,
)
"""Such as "the messages in the voice recordings"; comments *on* a video are texts of their own."""
SEEN = frozenset({"video", "audio", "image"})


def inputs_for(description: str, capabilities: Mapping[str, Capability]) -> dict[str, str]:
    """The input that a description names, with its kind; another one, where what it asks for cannot be done with that.

    >>> from murakkab_jupyter.agents.library import default_library
    >>> every = {one.name: one for one in default_library().capabilities()}
    >>> inputs_for("Summarise the tapes.", every), inputs_for("Transcribe the tapes.", every)
    ({'texts': 'text'}, {'recordings': 'audio'})
    """
    named = nouns_in(description)
    heard = hear(description, EVERY_KIND, capabilities)
    telling = [
        one.capability
        for one in heard
        if one.capability in TELLING and one.how == "cue" and not of_texts(one, heard)
    ]

    def done(kind: str) -> int:
        return sum(can_be(task, {kind}) for task in telling)

    media = {name: kind for name, kind in named.items() if kind != "text"}
    if not telling and not (media and (WRITTEN.search(description) or held_in_media(description))):
        return guessed_inputs(description)  # "the reviews of the film" are what is read
    # What is called by no name ("the tapes") is what the tasks need.
    there = media or guessed_inputs(description)
    if not any(done(kind) for kind in there.values()):
        there = {**there, **{name: kind for name, kind in EVERY_KIND.items() if kind not in there.values()}}
    name = max(there, key=lambda one: done(there[one]))
    return {name: there[name]}


def held_in_media(description: str) -> bool:
    """Whether texts are what is said or seen in media: "the comments spoken in the video", not "… in the video reviews".

    >>> held_in_media("Summarise the comments spoken in the video."), held_in_media("Sort the comments on the video.")
    (True, False)
    """
    for found in SAID.finditer(description):
        behind = re.findall(r"\w+", description[found.start("where") :])[:4]
        kinds = [next(iter(nouns_in(word).values()), "") for word in behind]
        first = next((at for at, kind in enumerate(kinds[:3]) if kind), None)
        if first is None:
            continue
        while first + 1 < len(kinds) and kinds[first + 1]:
            first += 1  # the last of nouns in a row says what they are
        if kinds[first] in SEEN:
            return True
    return False


def of_texts(one: Heard, heard: Sequence[Heard]) -> bool:
    """Whether speech is only what texts do as well: "sort the messages by whether they mention it"."""
    others = any(other.number == one.number and other.capability not in TELLING for other in heard)
    first = next(iter(nouns_in(one.clause).values()), "")
    return one.capability == "speech-to-text" and first == "text" and others
