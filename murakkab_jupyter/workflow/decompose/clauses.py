"""A description in clauses: what is asked for, what is asked, and what is only told beside it.

Without a parser: a clause that begins with a verb of doing, asks ("could you", "I need") or has no finite verb is
a request; one with a subject and a finite verb is a remark. What a clause does not want ("no descriptions",
"don't bother finding the cars") is cut out of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

__all__ = ["Clause", "clauses", "without_unwanted"]

Mood = Literal["request", "question", "remark"]


@dataclass(frozen=True, slots=True)
class Clause:
    """A stretch of a description: as written, without what it does not want, and what it is."""

    said: str
    text: str
    mood: Mood


VERBS = frozenset(
    """add analyse analyze annotate answer arrange assign boil break bring build calculate caption categorise categorize check chop chunk
    classify collect combine compare compile compose condense convert copy count create crop cut decide decipher derive describe detect
    determine digitise distil distill divide do draft draw embed estimate examine explain extract fetch fill filter find flag formulate gather
    generate get give go grab group have hear highlight identify index inspect judge keep label let list listen locate look make mark mention
    merge note observe organise organize outline paraphrase phrase pick pinpoint point prepare produce provide pull put quote rank rate read
    recap recognise recognize reduce render rephrase reply report respond retrieve return reword rewrite route run save say scan search segment select
    send separate shorten show shrink simplify sketch skim slice sort split spot state sum summarise summarize tabulate tag take tell tidy trace
    track transcribe transform translate trim triage turn type use vectorise vectorize watch work write""".split()  # noqa: SIM905 - a list of words reads better as one
)
"""Bare forms with which people ask for something to be done."""
NOUNS_TOO = frozenset(
    [
        "sum",
        "note",
        "list",
        "record",
        "label",
        "tag",
        "rate",
        "rank",
        "count",
        "score",
        "mark",
        "group",
        "type",
        "find",
        "search",
        "read",
        "report",
        "use",
        "work",
        "run",
        "show",
        "watch",
        "state",
        "name",
        "place",
        "file",
        "turn",
        "cut",
        "match",
        "help",
        "point",
        "build",
        "quote",
        "sketch",
    ]
)
"""Verbs of doing that may as well end a list: "company, product and sum"."""
OBJECT = re.compile(
    r"(?:the|a|an|it|them|this|that|these|those|each|every|all|any|their|its|his|her|my|our|me|us|what|which|who|whether|how|up|down|out|in)\b",
    re.IGNORECASE,
)
LEAD = re.compile(
    r"^(?:(?:and|then|also|so|but|now|first|second|third|next|finally|lastly|afterwards?|after that|separately|please|pls|plz|kindly|just|simply|only|hi|hello|hey|ok|okay|"
    r"can you|could you|would you|will you|can i|could i|may i|i(?:'d| would)? (?:also )?(?:want|need|like|love)(?: you)?(?: to)?|we(?:'d| would)? (?:also )?(?:want|need|like|love)(?: you)?(?: to)?|"
    r"i want|we want|let's|how about|what about|help me(?: to)?|go and|have a|to|it should|you should|your (?:job|task) is to|the task is to)\b[\s,!:-]*)+",
    re.IGNORECASE,
)
SETTING = re.compile(
    r"^(?:for|from|in|of|on|with|by|using|out of|based on|going by|after|at|per)\b[^,:]{2,70}[,:]\s+",
    re.IGNORECASE,
)
"""What stands before a request: "for each of them," """
SHORT_SETTING = re.compile(
    r"^(?:for|from|with|using|out of|based on)\s+(?:[\w'-]+\s+){1,4}?(?=(?:"
    + "|".join(sorted(VERBS))
    + r")\b)",
    re.IGNORECASE,
)
ASKS = re.compile(
    r"\b(?:please|pls|plz|plese|(?:can|could|would|will) you|(?:i|we)(?:'d|'ll| would| also)? (?:also |just |only |really )*(?:want|need|wish|require|like|love)\b|i'm (?:after|looking for)|give (?:me|us)|tell (?:me|us)|"
    r"let (?:me|us) know|i am (?:after|looking for)|what i (?:want|need) is|(?:i|we)(?:'d| would) be (?:glad|happy|grateful|pleased)|how about|what about|(?:should|must|has to|have to|needs? to) be (?:in|into) (?-i:[A-Z])|is (?:wanted|needed)|would be (?:nice|great|good|enough|useful))\b",
    re.IGNORECASE,
)
INTERROGATIVE = re.compile(
    r"^(?:who|whom|whose|what|what's|whats|which|when|where|where's|why|how|is|are|was|were|does|do|did|has|have|had|can|could|will|would|should|any|anyone|anybody|anything)\b",
    re.IGNORECASE,
)
INDIRECT = re.compile(
    r"\b(?:tell|know|say|see|find out|check|wonder|wondering|decide|judge|explain|answer|determine|ask|work out|figure out|note|look|learn|establish|verify|curious)\b[^,;]{0,45}?(?:,[^,;:]{2,45},)?\s(?P<asked>(?:whether|if|who|what|which|when|where|why|how)\b.*)",
    re.IGNORECASE | re.DOTALL,
)
PERCEIVE = re.compile(
    r"^(?:can|could) (?:you|we|one|i) (?:see|make out|spot|recogni[sz]e|hear|tell (?:if|whether))\b",
    re.IGNORECASE,
)
"""Who asks "can you see …?" wants to know."""
AUXILIARY = re.compile(
    r"(?:do|does|did|is|are|was|were|has|have|can|could|will|would|should)\b", re.IGNORECASE
)
FINITE = (
    r"is|isn't|are|aren't|was|wasn't|were|has|have|had|will|won't|would|can|can't|could|couldn't|should|may|might|must|do|does|doesn't|don't|did|didn't|left|kept|keep|keeps|sent|send|sends|took|take|takes|"
    r"gave|gives|made|makes|wrote|writes|wants|want|needs|need|likes|comes|come|came|go|goes|went|knows|know|lives|works|work|watches|recorded|records|record|filmed|films|photographed|scanned|got|gets|get|arrived|arrive|"
    r"asked|asks|said|says|told|hits|keep|speak|speaks|talk|talks|spoke|dictate|dictates|dictated|bought|found|lost|won|started|starts|ended|said|think|thinks|thought|used|use|uses|put|puts|read|reads|collected|paid|pays|run|runs|ran|"
    r"called|calls|met|hold|holds|held|looks|stand|stands|hate|love|loves|prefer|prefers|already|always|usually|never|normally|often|just"
)
PRONOUN = re.compile(
    r"^(?:i|we|they|he|she|it|you|there|here|that|this|these|those|everyone|everybody|someone|somebody|nobody|people|some|most|all|both|one)(?:'s|'re|'m|'ve|'ll|'d)?\s+(?:\w+\s+){0,3}?(?:"
    + FINITE
    + r")\b|^(?:i|we|they|he|she|it|you|there|here|that)(?:'s|'re|'m|'ve|'ll|'d)\b|^(?:i|we|they|he|she|it|here|there)\s+\w+",
    re.IGNORECASE,
)
SUBJECT = re.compile(
    r"^(?:\S+\s+){1,6}?(?:"
    + FINITE
    + r")\b|^(?:the|my|our|their|his|her|some|many|most|all)\s+(?:\w+\s+){1,2}\w+\s+(?:us|me|you|them|it|him)\b",
    re.IGNORECASE,
)
ADVERBIAL = re.compile(
    r"^(?:after|before|when|while|since|because|as|if|every|each|last|during|on|in|at|most|about)\b(?:\s+\S+){0,5}?\s+(?:i|we|they|he|she|you)\s+\w+",
    re.IGNORECASE,
)
PURPOSE = re.compile(
    r"^(?:i|we) (?:want|need|would like|'d like|like|plan|have|hope|mean) to\b.*:\s*$", re.IGNORECASE
)

SENTENCE = re.compile(r"(?<=[.;!?])(?:\s+|[\"”'\u2019)]+\s+(?![a-z]))|\n+|\s*(?:->|→|=>)\s*")
"""Between sentences; one that is quoted may stand within another ("answer 'who pays?' for each")."""
DASH = re.compile(r"(?<=\S)\s+[-–—]\s+(?=\S)")
"""A dash introduces as a colon does."""
ABBREVIATED = re.compile(r"\b(e\.g|i\.e|etc|approx|Dr|Mr|Mrs|Ms|St|No|vs)\.(?=\s)", re.IGNORECASE)
DOT = "\u2024"
"""A dot that ends no sentence."""

UNWANTED = re.compile(
    r"(?:,?\s*\b(?:but|and|so)\s+)?\b(?:(?:please\s+)?(?:do not|don't|dont|never|need not|needn't|no need (?:to|for)|there is no need (?:to|for)|there's no need (?:to|for)|without|(?<!\bor )not|nothing|instead of|rather than|"
    r"never mind|forget(?: about)?|skip|ignore|leave out|leave aside|except(?: for)?|apart from|(?:i|we|you) (?:do not|don't|dont|won't|needn't) (?:want|need|have|like|care)(?: to| for| about| any)*|(?:is|are) not (?:needed|wanted|of interest))\b"
    r"|\bno\s+(?!matter\b|more than\b|longer than\b|later than\b|one\b)(?=\w+))[^,;.!?:()]*?(?=\s+(?:but|just|only)\b|[,;.!?:()]|\s+-\s|$)",
    re.IGNORECASE,
)
"""What is not wanted, up to the end of the phrase."""
ASIDE = re.compile(
    r"\((?=(?:it|they|that|this|i|we|he|she|there|sorry|see|the|which)\b)[^()]*\)", re.IGNORECASE
)


def clauses(description: str) -> list[Clause]:
    """The clauses of a description, in order."""
    bare = ABBREVIATED.sub(
        rf"\1{DOT}",
        "\n".join(" ".join(line.split()) for line in description.replace("\u2019", "'").splitlines()),
    )
    made: list[Clause] = []
    for sentence in SENTENCE.split(DASH.sub(": ", bare)):
        if sentence and sentence.strip(" .,;!?:-"):
            made.extend(of_sentence(ASIDE.sub("", sentence.replace(DOT, ".")).strip()))
    return made


def of_sentence(sentence: str) -> list[Clause]:
    """The clauses of one sentence; the mood of the first is that of those which have none of their own."""
    found: list[Clause] = []
    question = sentence.rstrip().endswith("?")
    pieces = cut(sentence)
    for number, piece in enumerate(pieces):
        wanted = without_unwanted(piece, asked=question).strip(" ,")
        last = number == len(pieces) - 1
        aside = mood_of(piece) == "remark"
        mood = (
            "remark"
            if aside and not (question and last)
            else mood_of(wanted, ended="?" if question and last else "")
        )
        if mood == "remark" and last and question:
            mood = "question"
        if mood == "request" and PURPOSE.match(piece) and not last:
            mood = "remark"
        found.append(Clause(piece, wanted, mood))
    return [one for one in found if one.said.strip(" .,;!?:-")]


def cut(sentence: str) -> list[str]:
    """A sentence where it begins to ask for another thing: at `then`, and before a verb of doing."""
    tokens = list(re.finditer(r"\S+", sentence))
    at: list[int] = []
    for number, token in enumerate(tokens[1:], 1):
        word = token[0].strip(",.;:!?()\"'").lower()
        before = tokens[number - 1][0].lower()
        joined = before in {"and", "or", "but", "so", "then", "also", "plus", "&", "to"}
        paused = before.endswith((",", ":", ";")) or before.strip(",") in {
            "then",
            "please",
            "also",
            "finally",
            "separately",
            "first",
            "next",
            "afterwards",
        }
        start = number
        if before.strip(",") in {
            "and",
            "or",
            "but",
            "so",
            "then",
            "also",
            "please",
            "separately",
            "finally",
            "first",
            "next",
            "afterwards",
        }:
            # "and then also write": the joints belong to neither.
            while start > 0 and tokens[start - 1][0].lower().strip(",") in {
                "and",
                "or",
                "but",
                "so",
                "then",
                "also",
                "please",
                "separately",
                "finally",
                "first",
                "next",
                "afterwards",
            }:
                start -= 1
        noun = (
            before == "and"
            and word in NOUNS_TOO
            and any("," in earlier[0] for earlier in tokens[max(0, number - 5) : number - 1])
            and not (number + 1 < len(tokens) and OBJECT.match(tokens[number + 1][0]))
        )
        if (
            (
                word in VERBS
                and not noun
                and before != "to"
                and (paused or joined)
                and not (before == "or" and tokens[number - 2][0].lower().strip(",") not in VERBS)
            )
            or (before.strip(",") == "then" and word not in VERBS)
            or (
                joined
                and before in {"and", "but"}
                and tokens[number - 2][0].endswith(",")
                and word
                in {
                    "from",
                    "for",
                    "with",
                    "i",
                    "we",
                    "in",
                    "on",
                    "by",
                    "after",
                    "who",
                    "what",
                    "how",
                    "going",
                    "using",
                    "whether",
                    "can",
                    "could",
                    "i'd",
                }
            )
            or (
                before == "and"
                and word in {"from", "with", "using"}
                and any(later[0].strip(",").lower() in VERBS for later in tokens[number + 2 : number + 7])
            )
        ):
            at.append(start)
        elif before == "so" and number > 1 and tokens[number - 2][0].endswith(","):
            at.append(number - 1)
        elif (
            before.endswith(",")
            and word in {"what", "who", "how", "where"}
            and number + 1 < len(tokens)
            and AUXILIARY.match(tokens[number + 1][0])
        ) or (before.endswith(":") and INTERROGATIVE.match(word)):
            at.append(number)
    edges = [0, *(tokens[one].start() for one in sorted(set(at)) if one > 0), len(sentence)]
    return [sentence[a:b].strip() for a, b in pairwise(edges) if sentence[a:b].strip(" ,")]


def without_unwanted(piece: str, *, asked: bool = False) -> str:
    """A clause without what it says is not wanted; a question keeps its "without" and "not"."""
    if asked or INTERROGATIVE.match(stripped(piece)) or INDIRECT.search(piece):
        return piece
    return UNWANTED.sub(" ", piece)


def stripped(text: str) -> str:
    """A clause without the words that only lead to it."""
    before = ""
    bare = text.strip(" ,")
    while bare != before:
        before = bare
        bare = LEAD.sub("", bare)
        rest = SETTING.sub("", bare) if SETTING.match(bare) else SHORT_SETTING.sub("", bare)
        if rest and rest != bare and first_word(LEAD.sub("", rest)) in VERBS:
            bare = rest
    return bare


def first_word(text: str) -> str:
    found = re.match(r"[\w'-]+", text.strip(" ,("))
    return found[0].lower() if found else ""


def mood_of(text: str, *, ended: str = "") -> Mood:
    """Whether a clause requests, asks or only remarks."""
    bare = stripped(text)
    if ended and PERCEIVE.match(text):
        return "question"
    if first_word(bare) in VERBS and not re.match(r"(?:have|do)\b", bare, re.IGNORECASE):
        return "request"
    if ended or (INTERROGATIVE.match(bare) and not bare.endswith((".", ":"))):
        return "question"
    if ASKS.search(text):
        return "request"
    if INTERROGATIVE.match(bare) and first_word(bare) in {
        "which",
        "who",
        "what",
        "why",
        "how",
        "where",
        "when",
        "whether",
    }:
        return "question"
    if PRONOUN.match(bare) or ADVERBIAL.match(bare) or SUBJECT.match(bare):
        return "remark"
    return "request"


def asked_in(clause: Clause) -> str:
    """The question of a clause, direct or not ("tell me whether …"), or ""."""
    if clause.mood == "question":
        return stripped(clause.said)
    found = INDIRECT.search(clause.said)
    return found["asked"] if found else ""


def texts(found: Sequence[Clause]) -> list[str]:
    """What clauses want, those that only remark left out."""
    return [one.text for one in found if one.mood != "remark"]
