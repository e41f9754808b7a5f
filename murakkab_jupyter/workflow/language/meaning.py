"""What a sentence means: which capability, and which reference goes to which port.

In this order: the pin; a built-in capability's pattern; a pattern of the user's own capabilities (defined
in this session); the only built-in capability whose kinds allow it; a pattern of another package's
capability. So installing a package never changes what a step means. Likeness of words only orders what
an error suggests.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.errors import LanguageError
from murakkab_jupyter.workflow.language.pattern import QUOTED, Match, Token, match, tokens_of, well_formed
from murakkab_jupyter.workflow.language.pins import literal
from murakkab_jupyter.workflow.language.sorts import Sort
from murakkab_jupyter.workflow.language.suggest import listed
from murakkab_jupyter.workflow.language.syntax import KeyNode, Place, Ref, StepNode

__all__ = [
    "COMMENT",
    "PYTHON",
    "WORDLESS",
    "Meaning",
    "assignments",
    "best_pattern",
    "comment_in",
    "forms",
    "meaning_of",
    "overlap",
]

PYTHON = "python"
"""Name of the capability of functions, which is reached by pins only."""

WORDLESS = frozenset({"video", "audio", "image", "scene", "frame", "vector"})
"""Kinds that a port of `any` kind does not really take: they are not words."""

SHOWN = frozenset({"video", "audio", "image", "frame", "vector"})
"""Kinds that a text capability would only see the name of: a sentence never means that, a pin may."""

COMMENT = re.compile(
    r"(?<!\b(?:as|by|in|of|or))(?<!\b(?:the|and|for|use))(?<!\bwith)(?<!\busing)(?<!\ba)"
    r"\s(?P<comment>#)(?=\s|\Z)(?!\s+(?:of\b|\d|\{))",
    re.IGNORECASE,
)
"""Where a comment behind a step begins, as it is written in Python; "the # of rooms", "chapter # 2" and "with # for headings" are none."""
LONGEST_FORM = 400
"""Of a longer line, a form shows the pin only."""
SHOWN_FORMS = 8
MOST_QUOTED = 20
"""Words that are tried in quotes, to find out what a sentence was meant to be."""
SAID_NAME = "words in quotes"
QUOTES = re.compile(r"[\"“”„«»]|(?<!\w)['‘’]|['’](?!\w)")  # noqa: RUF001 - quotes as word processors make them
UNLISTED = re.compile(
    r"\A\W*(?:whether|if|how|what|which|who)\b|\bor not\W*\Z|\b(?:either|vs)\b|\w/\w", re.IGNORECASE
)
"""Words of which nobody knows which labels are meant."""
ARTICLE = re.compile(r"\b(?:an?|the)\s*\Z", re.IGNORECASE)
TRIED_FORMS = 24
MOST_STEPS = 20_000


@dataclass(frozen=True, slots=True)
class Meaning:
    """A capability, `(port, source)` pairs in the order of the sentence, and the values of slots."""

    capability: Capability
    bound: tuple[tuple[str, str], ...]
    slots: Mapping[str, Any] = field(default_factory=dict)


Sorts = Mapping[str, Sort]
Legal = Callable[[Capability, tuple[tuple[str, str], ...]], bool]
"""Whether a step could run with such an assignment: whether levels allow it."""


def fits(port: Port, sort: Sort) -> bool:
    return sort.narrowed(port) is not None


def unread(capability: Capability, port: Port, sort: Sort) -> bool:
    """Whether a capability that writes from words would get something that is no words."""
    return capability.prompted and "any" in port.kinds and bool(set(sort.likely[:1]) & SHOWN)


def wrong_kind(
    capability: Capability, bound: Sequence[tuple[str, Ref]], sorts: Sorts
) -> tuple[Port, Ref] | None:
    """The first reference whose kind its port does not take, or that is one too many for it."""
    taken: dict[str, str] = {}
    for name, ref in bound:
        port = capability.port(name)
        if port is None:
            continue
        if (
            not fits(port, sorts[ref.name])
            or unread(capability, port, sorts[ref.name])
            or (not port.several and taken.setdefault(name, ref.name) != ref.name)
        ):
            return port, ref
    return None


def natural(capability: Capability, bound: Sequence[tuple[str, Ref]], sorts: Sorts) -> int:
    """2 where each reference is read as what it most likely is, 1 where as something likely, else 0.

    So `a.png` is a picture before it is a text, and a text is no path of a file.
    """
    pairs = [(capability.port(name), sorts[ref.name]) for name, ref in bound]
    likely = all(port is None or any(port.accepts(kind) for kind in sort.likely) for port, sort in pairs)
    first = all(port is None or any(port.accepts(kind) for kind in sort.likely[:1]) for port, sort in pairs)
    return int(likely) + int(first)


def unique(pairs: Iterator[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(dict.fromkeys(pairs))


def best_pattern(
    capabilities: Sequence[Capability], tokens: Sequence[Token], sorts: Sorts
) -> tuple[list[tuple[Capability, Match]], tuple[Capability, Port, Ref] | None]:
    """Capabilities whose patterns fit words and kinds, only the most exact; and what came close but for a kind."""
    found: dict[str, tuple[tuple[int, int, int], Capability, Match]] = {}
    close: tuple[int, tuple[Capability, Port, Ref]] | None = None
    for capability in capabilities:
        for pattern in capability.patterns:
            fit = match(capability, pattern, tokens) if well_formed(capability, pattern) else None
            if fit is None:
                if close is None and well_formed(capability, pattern):
                    close = crowded(capability, pattern, tokens)
                continue
            wrong = wrong_kind(capability, fit.bound, sorts)
            if wrong is not None:
                if close is None or fit.literals > close[0]:
                    close = (fit.literals, (capability, *wrong))
                continue
            said = {*dict(fit.bound), *(name for name, _ in fit.slots)}
            missing = [p for p in capability.ports if not p.optional and p.name not in said]
            score = (natural(capability, fit.bound, sorts), fit.literals, -fit.wild)
            if not missing and (capability.name not in found or score > found[capability.name][0]):
                found[capability.name] = (score, capability, fit)
    if not found:
        return [], close[1] if close else None
    top = max(score for score, _, _ in found.values())
    return [(c, fit) for score, c, fit in found.values() if score == top], None


def crowded(
    capability: Capability, pattern: str, tokens: Sequence[Token]
) -> tuple[int, tuple[Capability, Port, Ref]] | None:
    """A sentence that would fit if a port of one took several: the port, and the second reference to it."""
    fit = match(capability, pattern, tokens, lists=True)
    taken: dict[str, str] = {}
    for name, ref in fit.bound if fit else ():
        port = capability.port(name)
        if port and not port.several and taken.setdefault(name, ref.name) != ref.name:
            return 0, (capability, port, ref)
    return None


def assignments(
    capability: Capability,
    names: Sequence[str],
    sorts: Sorts,
    fixed: Sequence[tuple[str, str]] = (),
    *,
    limit: int = 2,
    strict: bool = False,
    stated: Collection[str] = (),
) -> list[tuple[tuple[str, str], ...]]:
    """Ways to give each name a port of its kind, with every required port filled; at most `limit`.

    `strict`: a port of `any` kind does not take what is no words (pictures, sound, vectors).
    `stated`: ports whose value is said outright, and takes no reference.
    """
    taken = {name for name, _ in fixed} | set(stated)
    choices: list[list[str]] = []
    for name in names:
        sort = sorts[name]
        ports = [
            port.name
            for port in capability.ports
            if fits(port, sort)
            and not (strict and "any" in port.kinds and set(sort.likely[:1]) & WORDLESS)
            and not (strict and not any(port.accepts(kind) for kind in sort.likely[:1]))
        ]
        if not ports:
            return []
        choices.append(ports)
    several = {port.name for port in capability.ports if port.several}
    required = [port.name for port in capability.ports if not port.optional]
    if len(names) > len(capability.ports) and not several:
        return []
    results: list[tuple[tuple[str, str], ...]] = []
    picks = [-1] * len(names)
    steps = 0
    at = 0
    used: list[str] = []
    # Depth first without recursion: a sentence may hold thousands of references.
    while at >= 0 and steps < MOST_STEPS and len(results) < limit:
        steps += 1
        if at == len(names):
            if all(port in taken or port in used for port in required):
                results.append(unique(iter([*fixed, *zip(used, names, strict=True)])))
            at -= 1
            if used:
                used.pop()
            continue
        picks[at] += 1
        if picks[at] >= len(choices[at]):
            picks[at] = -1
            at -= 1
            if used:
                used.pop()
            continue
        port = choices[at][picks[at]]
        if port not in several and (port in taken or port in used[-len(capability.ports) :]):
            continue
        used.append(port)
        at += 1
    return results


def by_kinds(
    capabilities: Sequence[Capability], names: Sequence[str], sorts: Sorts
) -> tuple[Capability, tuple[tuple[str, str], ...]] | None:
    """The only capability and assignment that kinds allow, or None."""
    found: tuple[Capability, tuple[tuple[str, str], ...]] | None = None
    for capability in capabilities:
        ways = assignments(capability, names, sorts, strict=True)
        if len(ways) > 1 or (ways and found is not None):
            return None
        if ways:
            found = (capability, ways[0])
    return found


def meaning_of(
    node: StepNode, sorts: Sorts, library: Library, pinned: Capability | None, legal: Legal | None = None
) -> Meaning:
    """Bind a sentence to a capability and its ports.

    Raises
    ------
    LanguageError
        When it means nothing or more than one thing; the hint holds pinned forms of the very line to paste.
    """
    if pinned is not None:
        return meaning_of_pinned(node, sorts, pinned, legal)
    tokens = tokens_of(node.parts)
    names = list(dict.fromkeys(ref.name for ref in node.refs))
    known = [c for c in library.capabilities() if c.name != PYTHON]
    builtin = [c for c in known if library.is_builtin(c.name)]
    own = [c for c in known if library.package_of(c.name) == "session"]
    others = [c for c in known if c not in builtin and c not in own]
    close: tuple[Capability, Port, Ref] | None = None
    for group, then_kinds in ((builtin, False), (own, True), (others, False)):
        best, nearly = best_pattern(group, tokens, sorts)
        close = close or nearly
        if len(best) > 1:
            raise ambiguous(node, [c.name for c, _ in best], sorts, [c for c, _ in best], legal)
        if best:
            capability, fit = best[0]
            return Meaning(
                capability, unique((port, ref.name) for port, ref in fit.bound), checked_slots(node, fit)
            )
        if then_kinds and close is None:
            only = by_kinds(builtin, names, sorts)
            if only is not None:
                return Meaning(*only)
    if close is not None:
        raise kind_error(close, sorts, node, known, legal)
    possible = [c for c in known if assignments(c, names, sorts, limit=1)]
    if not possible:
        first = node.refs[0].place if node.refs else node.sentence_place
        kinds = listed(f"{{{name}}} is {told(sorts[name])}" for name in names)
        msg = f"No capability takes these references together: {kinds}."
        raise first.error(
            msg,
            "Split it into steps that each take some of them.",
        )
    raise ambiguous(node, [], sorts, possible, legal, known)


def checked_slots(node: StepNode, fit: Match) -> dict[str, Any]:
    slots = dict(fit.slots)
    for name, value in slots.items():
        if isinstance(value, int | float) and value <= 0:
            msg = f"`{name}` is {value} in this sentence."
            raise node.sentence_place.error(msg, "Say a number that is more than 0.")
    return slots


def meaning_of_pinned(node: StepNode, sorts: Sorts, capability: Capability, legal: Legal | None) -> Meaning:
    keys = node.pin.keys if node.pin else ()
    fixed: list[tuple[str, str]] = []
    for key in keys:
        if isinstance(key.value, Ref):
            fixed.append((key.name, pinned_port(key, key.value, fixed, sorts, capability)))
    names = list(dict.fromkeys(ref.name for ref in node.refs))
    best, _ = best_pattern([capability], tokens_of(node.parts), sorts)
    slots: dict[str, Any] = {}
    if best:
        fit = best[0][1]
        slots = checked_slots(node, fit)
        bound = unique((port, ref.name) for port, ref in fit.bound)
        if set(fixed) <= set(bound):
            return Meaning(capability, bound, slots)
    # Pins keep the place that the sentence gives them: "References, in the order of the sentence".
    said = {name for _, name in fixed}
    left = [name for name in names if name not in said]
    stated = stated_ports(capability, keys, slots)
    ways = assignments(capability, left, sorts, fixed, stated=stated)
    if len(ways) == 1:
        order = {name: index for index, name in enumerate(names)}
        pairs = sorted(ways[0], key=lambda pair: order.get(pair[1], len(order)))
        return Meaning(capability, tuple(pairs), slots)
    if not ways:
        raise misfit(node, capability, left, sorts, fixed, stated)
    raise ambiguous(node, [], sorts, [capability], legal)


def stated_ports(capability: Capability, keys: Sequence[KeyNode], slots: Mapping[str, Any]) -> set[str]:
    """Ports whose value the sentence or the pin states, so that they take no reference."""
    said = {*slots, *(key.name for key in keys if not isinstance(key.value, Ref))}
    return {port.name for port in capability.ports if port.stated and port.name in said}


def pinned_port(
    key: KeyNode, ref: Ref, fixed: Sequence[tuple[str, str]], sorts: Sorts, capability: Capability
) -> str:
    port = capability.port(key.name)
    if port is None:
        msg = f"{capability.name} has no port `{key.name}`."
        raise key.place.error(
            msg,
            f"Its ports: {listed(p.name for p in capability.ports)}.",
        )
    if not fits(port, sorts[ref.name]):
        raise ref.place.error(*kind_words(port, ref.name, sorts, capability))
    if not port.several and any(name == key.name for name, _ in fixed):
        msg = f"`{key.name}` is given twice, and takes one reference."
        raise key.place.error(msg, "Leave one out.")
    return ref.name


def comment_in(node: StepNode) -> int | None:
    """Where a comment begins in a step's sentence: a sign in quotes, or before a reference, is a part of it."""
    bare = re.sub(QUOTED, lambda words: "_" * len(words[0]), node.sentence)
    last = node.refs[-1].place.column - node.sentence_place.column if node.refs else 0
    found = COMMENT.search(bare, max(0, last))
    return found.start("comment") if found else None


# --- errors --------------------------------------------------------------------------------------------------


def told(sort: Sort) -> str:
    """A sort in words: `text`, `many text or video`."""
    return f"{'a list of ' if sort.many else ''}{' or '.join(sort.likely[:2])}"


MOVING = " An animated image is taken as one image: make a video of it, ffmpeg -i x.gif x.mp4"


def kind_words(port: Port, name: str, sorts: Sorts, capability: Capability) -> tuple[str, str]:
    moving = "video" in port.kinds and "image" in sorts[name].likely
    return (
        f"`{port.name}` of {capability.name} takes {' or '.join(sorted(port.kinds))}, "
        f"and {{{name}}} is {told(sorts[name])}.",
        f"Refer to something that is {' or '.join(sorted(port.kinds))}.{MOVING if moving else ''}",
    )


def kind_error(
    close: tuple[Capability, Port, Ref],
    sorts: Sorts,
    node: StepNode,
    known: Sequence[Capability],
    legal: Legal | None,
) -> LanguageError:
    capability, port, ref = close
    if unread(capability, port, sorts[ref.name]):
        msg = f"{capability.name} reads words, and {{{ref.name}}} is {told(sorts[ref.name])}."
        hint = "Make words of it first (transcribe the speech, detect the objects, read the text), and refer to those."
        pasted = forms(node, sorts, [one for one in known if one.name != capability.name], legal)
        if pasted:
            hint += "\nOr say which capability you mean:\n" + "\n".join(f"  {form}" for form in pasted[:3])
        return ref.place.error(msg, hint)
    if fits(port, sorts[ref.name]):
        return ref.place.error(
            f"`{port.name}` of {capability.name} takes one reference.", "Make a step for each of them."
        )
    message, hint = kind_words(port, ref.name, sorts, capability)
    usable = [name for name, sort in sorts.items() if fits(port, sort) and name != node.name]
    if usable:
        hint = f"Refer to {' or '.join(f'{{{name}}}' for name in usable[:4])}."
    pasted = forms(node, sorts, known, legal)
    if pasted:
        hint += "\nOr say which capability you mean:\n" + "\n".join(f"  {form}" for form in pasted[:3])
    return ref.place.error(message, hint)


def misfit(
    node: StepNode,
    capability: Capability,
    left: Sequence[str],
    sorts: Sorts,
    fixed: Sequence[tuple[str, str]],
    stated: Collection[str] = (),
) -> LanguageError:
    places: dict[str, Place] = {ref.name: ref.place for ref in node.refs}
    for name in left:
        if not any(fits(port, sorts[name]) for port in capability.ports):
            takes = sorted({kind for port in capability.ports for kind in port.kinds})
            return places[name].error(
                f"{capability.name} takes {listed(takes) if takes else 'no references'}, "
                f"and {{{name}}} is {told(sorts[name])}.",
                f"Its ports: {listed(p.name for p in capability.ports)}.",
            )
    filled = {port for port, _ in fixed} | set(stated)
    required = [p for p in capability.ports if not p.optional and p.name not in filled]
    where = node.pin.place if node.pin else node.sentence_place
    if len(left) < len(required):
        lacks = listed(f"{p.name} ({' or '.join(sorted(p.kinds))})" for p in required)
        state = f', or state it: {required[-1].name}="…"' if required[-1].stated else ""
        return where.error(
            f"{capability.name} needs {lacks}, which this step does not give.",
            f"Refer to it in the sentence, or pin it: {required[-1].name}={{name}}{state}",
        )
    return where.error(
        f"{capability.name} cannot take these references together.",
        f"Its ports: {listed(p.name for p in capability.ports)}.",
    )


def ambiguous(
    node: StepNode,
    names: Sequence[str],
    sorts: Sorts,
    capabilities: Sequence[Capability],
    legal: Legal | None,
    known: Sequence[Capability] = (),
) -> LanguageError:
    pasted = forms(node, sorts, capabilities, legal)
    if names:
        message = f"This sentence could mean {' or '.join(names)}."
    elif len(capabilities) == 1:
        message = f"It is not clear which reference goes to which port of {capabilities[0].name}."
    else:
        message = "It is not clear what this sentence asks for."
    more = len(pasted) - SHOWN_FORMS
    lines = [f"  {form}" for form in pasted[:SHOWN_FORMS]]
    if more > 0:
        lines.append(f"  … and {more} more")
    hint = "Say it by pasting one of these lines:\n" + "\n".join(lines)
    if not names and (slips := slips_of(node, capabilities)):
        hint = f"Did you mean {' and '.join(slips)}? Or say it by pasting one of these lines:\n" + "\n".join(
            lines
        )
    if not names and (better := said_otherwise(node, sorts, known)):
        hint = better
    return node.sentence_place.error(message, hint)


def said_otherwise(node: StepNode, sorts: Sorts, capabilities: Sequence[Capability]) -> str:
    """What to write where a sentence would be understood but for a comment, a question in quotes, or labels without them."""
    text = node.sentence
    tokens = tokens_of(node.parts)
    head = re.match(r"(.*?\S)\s+#\s", text)
    signs = [n for n, token in enumerate(tokens) if token.text == "#"]
    if signs and any(token.ref is not None for token in tokens[signs[0] :]):
        head = None  # a sign before a reference begins no comment
    if head and signs and best_pattern(capabilities, tokens[: signs[0]], sorts)[0]:
        return f"A comment stands on a line of its own. Write {node.name} <- {head[1]}"
    if head and signs:
        text, tokens = head[1], tokens[: signs[0]]
    place = node.sentence_place
    for n, token in enumerate(tokens):
        if not re.fullmatch(QUOTED, token.text):
            continue
        ref = Token("{}", ref=Ref(SAID_NAME, place))
        trial = [*tokens[:n], ref, *tokens[n + 1 :]]
        best, _ = best_pattern(capabilities, trial, {**sorts, SAID_NAME: Sort(("text",))})
        ports = [port for _, fit in best for port, one in fit.bound if one.name == SAID_NAME]
        if ports:
            written = text.replace(typed(token.text), f"{{{ports[0]}}}", 1)
            value = json.dumps(token.text[1:-1], ensure_ascii=False)
            return f"Put the words in quotes into a variable, {ports[0]} = {value}, and write {node.name} <- {written}"
    for begin in range(len(tokens)):
        for end in range(begin + 1, min(len(tokens), begin + MOST_QUOTED) + 1):
            if any(token.ref is not None for token in tokens[begin:end]):
                break
            trial = [*tokens[:begin], Token('"x"', '"x"'), *tokens[end:]]
            if best_pattern([one for one in capabilities if any(s.quoted for s in one.slots)], trial, sorts)[
                0
            ]:
                written = written_as(node, tokens, begin, end)
                if UNLISTED.search(written):
                    return ""
                quoted = f'"{typed(enumerated(written))}"'
                return f"Put it in quotes: {quoted}" if quoted not in text else ""
    return ""


def written_as(node: StepNode, tokens: Sequence[Token], begin: int, end: int) -> str:
    """The tokens from `begin` to `end`, which hold no reference, as they stand in the sentence."""
    behind = sum(token.ref is not None for token in tokens[:begin])
    texts = [""]
    for part in node.parts:
        if isinstance(part, Ref):
            texts.append("")
        else:
            texts[-1] = part.text
    text, start = texts[behind], tokens[begin].start
    if article := ARTICLE.search(text, 0, start):
        start = article.start()  # "A" is no token, and may be a label
    return text[start : tokens[end - 1].start + len(tokens[end - 1].text)]


def typed(words: str) -> str:
    """Words as they are typed in a sentence: the signs of the language doubled.

    >>> typed("{x} at y@z")
    '{{x}} at y@@z'
    """
    return re.sub(r"[{}@]", lambda sign: sign[0] * 2, words)


def enumerated(words: str) -> str:
    """Things that are named in words as a list that a slot takes, without quotes, articles and the last "and" or "or".

    >>> enumerated("'praise', 'complaint' or the “rest”")
    'praise, complaint, rest'
    """
    bare = QUOTES.sub("", words).strip(" ,;:.")
    bare = re.sub(r"(?:\s*,)?\s+(?:and|or)\s+(?=[^,]*\Z)", ", ", bare)
    return re.sub(r"(\A|,\s*)(?:an?|the)\s+", r"\1", bare)


def slips_of(node: StepNode, capabilities: Iterable[Capability]) -> list[str]:
    """Words of sentences that are known and look like one that is not: slips of the pen."""
    patterns = " ".join(pattern for one in capabilities for pattern in one.patterns)
    known = set(re.findall(r"[a-z]{4,}", re.sub(r"\{[^}]*\}|<[^>]*>", " ", patterns).casefold()))
    words = re.findall(r"\w+", re.sub(r"\{[^}]*\}", " ", node.sentence).casefold())
    found = [
        difflib.get_close_matches(word, known, n=1, cutoff=0.8)
        for word in words
        if 4 <= len(word) <= 30 and word not in known
    ]
    return list(dict.fromkeys(one[0] for one in found if one))


def overlap(words: set[str], capability: Capability) -> int:
    """How many words a sentence shares with a capability's name, summary and patterns."""
    own = set(
        re.findall(r"\w+", " ".join((capability.name, capability.summary, *capability.patterns)).casefold())
    )
    return len(words & own)


def is_likely(capability: Capability, port_name: str, sort: Sort) -> bool:
    port = capability.port(port_name)
    return port is None or any(port.accepts(kind) for kind in sort.likely[:1])


def forms(
    node: StepNode, sorts: Sorts, capabilities: Sequence[Capability], legal: Legal | None = None
) -> list[str]:
    """Every legal pinned form of a line, the likeliest first.

    Forms that read a text as the path of a file are shown only where there are no others. A comment behind the
    step, which would be refused, is left out.
    """
    if (comment := comment_in(node)) is not None:
        node = replace(node, sentence=node.sentence[:comment].rstrip(), per=None)
    words = {token.word for token in tokens_of(node.parts)}
    names = list(dict.fromkeys(ref.name for ref in node.refs))
    head = f"{node.name} <- {node.sentence}" + (f", per {node.per}" if node.per else "")
    if len(head) > LONGEST_FORM:
        head = "…"
    target = node.pin.target if node.pin else None
    keys = node.pin.keys if node.pin else ()
    fixed = [(k.name, k.value.name) for k in keys if isinstance(k.value, Ref)]
    options = "".join(f" {k.name}={literal(k.value)}" for k in keys if isinstance(k.value, str))
    said = {name for _, name in fixed}
    left = [name for name in names if name not in said]
    ranked = sorted(capabilities, key=lambda c: -overlap(words, c))
    for strict, likely in ((True, True), (False, True), (False, False)):
        found: list[tuple[str, bool]] = []
        for capability in ranked:
            if node.body is not None and not capability.prompted:
                continue
            stated = stated_ports(capability, keys, {})
            for way in assignments(
                capability, left, sorts, fixed, limit=TRIED_FORMS, strict=strict, stated=stated
            ):
                if likely and not all(is_likely(capability, port, sorts[name]) for port, name in way):
                    continue
                ports = "".join(f" {port}={{{name}}}" for port, name in way)
                line = f"{head} @{target or capability.name}{ports}{options}"
                found.append((line, legal is None or legal(capability, way)))
        if found:
            return [line for line, good in found if good] or [line for line, _ in found]
    return []
