"""Sentences: splitting a text into them, and which words of a text carry meaning."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["central", "clean", "content", "coverage", "rarity", "split", "stem", "unwrapped"]

END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"”'’)]))\s+(?=[\"“‘'(\[]?[A-Z0-9])|\n+|(?<=[。！？])")  # noqa: RUF001 - quotes as texts have them
ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|No|vs|etc|e\.g|i\.e|approx|Inc|Ltd|Jr|Sr)|\b[A-Z])\.$"
)
WORD = re.compile(r"[^\W_]+(?:['’.,][^\W_]+)*")  # noqa: RUF001 - quotes as texts have them
LABEL = re.compile(r"^(?:said|read)\s*:\s*", re.IGNORECASE)
WRAPPED = 40
"""A shorter line was not broken at a width: it ends where it wants to."""
OPENS = re.compile(r"\s|[-*+•#>|]|\d+[.)]\s|[=~^_*-]{3,}")
QUOTES = '"“”'

STOP = frozenset(
    """a an and are as at be been being but by can could did do does doing done for from had has have
    having he her hers him his how i if in into is it its itself just me might more most must my no
    nor not now of off on once one only or other our ours out over own s said same say says she should
    so some such t than that the their theirs them then there these they this those through to too under
    until up very was we were what when where which while who whom whose why will with would you your
    yours about after again all also am any because before between both down during each few further
    here let ll re ve don didn isn wasn according us""".split()  # noqa: SIM905 - a list of words reads better as one
)
"""Words that say little by themselves."""

SUFFIXES = (
    "ations",
    "ation",
    "ingly",
    "edly",
    "ings",
    "ing",
    "ies",
    "ied",
    "ers",
    "er",
    "est",
    "ed",
    "es",
    "ly",
    "s",
)
IRREGULAR = {
    "began": "begin", "begun": "begin", "bought": "buy", "built": "build", "came": "come", "children": "child",
    "chose": "choose", "chosen": "choose", "cost": "cost", "costs": "cost", "gave": "give", "given": "give",
    "grew": "grow", "grown": "grow", "held": "hold", "left": "leave", "lost": "lose", "made": "make", "men": "man",
    "met": "meet", "paid": "pay", "people": "person", "ran": "run", "saw": "see", "seen": "see", "sold": "sell",
    "spent": "spend", "spoke": "speak", "taught": "teach", "thought": "think", "told": "tell", "took": "take",
    "taken": "take", "went": "go", "gone": "go", "women": "woman", "won": "win", "wrote": "write", "written": "write",
    "broke": "break", "broken": "break", "caught": "catch", "drove": "drive", "fell": "fall", "found": "find",
    "flew": "fly", "lay": "lie", "led": "lead", "rose": "rise", "sent": "send", "sang": "sing", "stood": "stand",
}  # fmt: skip


ALIKE = {
    stem: group[0]
    for group in (
        ("begin", "start", "commenc"),
        ("finish", "end", "stop"),
        ("fall", "drop", "decrease", "decreas", "declin"),
        ("grow", "rise", "ris", "increas"),
    )
    for stem in group
}
"""Words that mean nearly the same, by their stems."""


def split(text: str) -> list[str]:
    """The sentences of a text, in order; a line break ends one too. Marks no boundary after an abbreviation."""
    parts: list[str] = []
    for part in END.split(text):
        bare = part.strip()
        if not bare:
            continue
        if parts and ABBREVIATION.search(parts[-1]):
            parts[-1] = f"{parts[-1]} {bare}"
        else:
            parts.append(bare)
    return parts


def unwrapped(text: str) -> str:
    """A text whose lines were broken at a width, with each paragraph on one line.

    A line goes on where it is long, ends no sentence, and the next one is neither indented, a list, a heading nor blank.
    """
    lines: list[str] = []
    long = False
    for line in text.split("\n"):
        bare = line.rstrip()
        if lines and long and bare and not OPENS.match(bare):
            lines[-1] = f"{lines[-1]} {bare}"
        else:
            lines.append(bare)
        long = len(bare) >= WRAPPED and not bare[:1].isspace()
    return "\n".join(lines)


def clean(sentence: str) -> str:
    """A sentence without the label `Said:` and without a quotation mark that has lost its partner."""
    bare = LABEL.sub("", sentence.strip())
    for left, right in (('"', '"'), ("“", "”")):
        if left == right:
            if bare.count(left) % 2:
                bare = bare.removeprefix(left) if bare.startswith(left) else bare.removesuffix(right)
        elif bare.count(left) != bare.count(right):
            bare = bare.removeprefix(left).removesuffix(right)
    if len(bare) > 1 and bare[0] in QUOTES and bare[-1] in QUOTES and not set(bare[1:-1]) & set(QUOTES):
        bare = bare[1:-1]
    return bare.strip()


def stem(word: str) -> str:
    """A word's rough stem, in lower case, for comparing words (not for showing); near synonyms share one."""
    found = bare_stem(word)
    return ALIKE.get(found, found)


def bare_stem(word: str) -> str:
    low = word.lower().replace("’", "'")  # noqa: RUF001 - quotes as texts have them
    low = low.removesuffix("'s")
    if low in IRREGULAR:
        return IRREGULAR[low]
    if any(character.isdigit() for character in low):
        return low.replace(",", "")
    for suffix in SUFFIXES:
        if low.endswith(suffix) and len(low) - len(suffix) >= 3 and not low.endswith("ss"):
            low = low[: -len(suffix)]
            if suffix in {"ies", "ied"}:
                low += "y"
            elif low[-1] == low[-2] and low[-1] not in "lsz":
                low = low[:-1]
            break
    return low.removesuffix("e") if len(low) > 3 else low


def content(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order, repeats kept."""
    return [
        stem(word)
        for word in WORD.findall(text)
        if word.lower() not in STOP and (len(word) > 1 or word.isdigit())
    ]


def coverage(of: str, by: str) -> float:
    """The share of one text's content words that another has too; 1 for a text without any."""
    wanted = set(content(of))
    return len(wanted & set(content(by))) / len(wanted) if wanted else 1.0


def rarity(sentences: Iterable[Iterable[str]]) -> Mapping[str, float]:
    """How rare each stem is among some sentences (given as stems): inverse document frequency, at least 0.1."""
    documents = [set(sentence) for sentence in sentences]
    seen = Counter(word for words in documents for word in words)
    number = len(documents)
    return {word: max(0.1, math.log((number + 1) / (count + 0.5))) for word, count in seen.items()}


def central(sentences: Sequence[str]) -> list[float]:
    """How central each sentence is to the others: LexRank's power iteration over word overlap.

    (The idea is TextRank/LexRank, arXiv 1109.2128.) Deterministic; a single sentence scores 1.
    """
    stems = [content(sentence) for sentence in sentences]
    number = len(sentences)
    if number <= 1:
        return [1.0] * number
    rare = rarity(stems)
    weights = [
        {word: (1 + math.log(count)) * rare[word] for word, count in Counter(words).items()}
        for words in stems
    ]
    norms = [math.sqrt(sum(value * value for value in weight.values())) or 1.0 for weight in weights]

    def likeness(a: int, b: int) -> float:
        small, large = sorted((weights[a], weights[b]), key=len)
        return sum(value * large.get(word, 0.0) for word, value in small.items()) / (norms[a] * norms[b])

    graph = [[0.0 if a == b else likeness(a, b) for b in range(number)] for a in range(number)]
    totals = [sum(row) for row in graph]
    scores = [1.0 / number] * number
    for _ in range(30):
        scores = [
            0.15 / number
            + 0.85 * sum(graph[a][b] / totals[a] * scores[a] for a in range(number) if graph[a][b] > 0)
            for b in range(number)
        ]
    # A sentence of three words that says nothing must not win by looking like everything.
    return [score * min(1.0, len(set(words)) / 4) for score, words in zip(scores, stems, strict=True)]
