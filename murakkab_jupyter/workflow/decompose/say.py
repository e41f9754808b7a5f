"""What a stretch of a description says beside its task: labels, fields, a language, a question."""

from __future__ import annotations

import re
from collections.abc import Sequence

from murakkab_jupyter.workflow.decompose.clauses import INDIRECT, INTERROGATIVE
from murakkab_jupyter.workflow.language.meaning import COMMENT

__all__ = [
    "asks",
    "fields_in",
    "labels_in",
    "language_in",
    "languages_asked",
    "quoted",
    "target_language",
    "written_out",
]

LANGUAGES = (
    "Afrikaans|Albanian|Amharic|Arabic|Armenian|Assamese|Azerbaijani|Azeri|Basque|Belarusian|Bengali|"
    "Bosnian|Breton|Bulgarian|Burmese|Cantonese|Catalan|Chinese|Croatian|Czech|Danish|Dutch|English|"
    "Esperanto|Estonian|Farsi|Filipino|Finnish|Flemish|French|Frisian|Gaelic|Galician|Georgian|German|"
    "Greek|Guarani|Gujarati|Hausa|Hawaiian|Hebrew|Hindi|Hungarian|Icelandic|Igbo|Indonesian|Irish|"
    "Italian|Japanese|Javanese|Kannada|Kazakh|Khmer|Kinyarwanda|Korean|Kurdish|Kyrgyz|Lao|Latin|Latvian|"
    "Lithuanian|Luxembourgish|Macedonian|Malagasy|Malay|Malayalam|Maltese|Mandarin|Maori|Marathi|"
    "Mongolian|Nepali|Norwegian|Oromo|Pashto|Persian|Polish|Portuguese|Punjabi|Quechua|Romanian|Romansh|"
    "Russian|Sanskrit|Serbian|Sesotho|Shona|Sindhi|Sinhala|Slovak|Slovenian|Somali|Spanish|Sundanese|"
    "Swahili|Swedish|Tagalog|Tajik|Tamil|Tatar|Telugu|Thai|Tibetan|Tigrinya|Turkish|Turkmen|Ukrainian|"
    "Urdu|Uyghur|Uzbek|Vietnamese|Welsh|Wolof|Xhosa|Yiddish|Yoruba|Zulu"
)
NOBODY = r"(?!\s+(?:speakers?|students?|people|team|office|class|teachers?|pupils)\b)"
GOES_ON = (
    "and|or|then|too|as|for|with|so|but|by|per|please|pls|plz|thanks|first|now|only|also|instead|again|next|later|"
    "before|after|afterwards|once|when|while|where|which|that|who|because|since|if|unless|until|though|not|plus|both|"
    "using|saying|keeping|leaving|followed|without|via|from|in|into|on|at|to|of|is|are|was|were|the|this|these|those|"
    "it|them|they|he|she|we|i|you|me|us|my|our|your|his|her|its|their|all|each|every|everything|any|some|no|a|an|"
    "what|how|why|whether|whose|will|can|could|would|should|has|have|had|do|does|just|already|here|there|today|tomorrow|"
    "rather|except|including|about|one|two|three|four|five|\\d+|say|tell|give|write|answer|asking|telling|explain\\w*|"
    "describ\\w+|summari\\w+|translat\\w+|transcri\\w+|literally|faithfully|exactly|directly|quickly|briefly|"
    "languages?|texts?|words?|versions?|translations?|subtitles|captions|prose|script|sentences?|bullets?"
)
ENDS = rf"(?=\s*(?:$|[^\w\s'\u2019-]|['\u2019-](?!\w)|(?:{GOES_ON})\b))"
"""What may follow a language: names of languages are names of peoples too, and "Kurdish refugees" are no language."""
RENDERS = r"\b(?:translat|convert|render|chang|turn|switch|localis|localiz)\w*\b[^.;:?!]*?"
INTO = re.compile(
    rf"\b(?:into\s+(?:\w+\s+){{0,2}}?({LANGUAGES})\b{NOBODY}|to\s+(?:\w+\s+){{0,2}}?({LANGUAGES})\b{ENDS})|\b({LANGUAGES})\s+(?:version|translation|summar\w+|rendering|copy|equivalent|subtitles)\b|"
    rf"^\W*({LANGUAGES})\W*$|\b(?:need|want|prefer|make\s+it|same\s+in|same\s+for|reply\s+in|wants?\s+it\s+in)\s+({LANGUAGES})\b",
    re.IGNORECASE,
)
"""What is to become another language."""
RENDERED = re.compile(rf"{RENDERS}\bto\s+(?:\w+\s+){{0,2}}?({LANGUAGES})\b{NOBODY}", re.IGNORECASE)
"""Where a verb says that it is a language, anything may follow it."""
PUT = (INTO, RENDERED)
IN = re.compile(rf"\bin\s+(?:\w+\s+)?({LANGUAGES})\b{ENDS}", re.IGNORECASE)
HEARD_IN = re.compile(
    rf"\b(?:transcri\w+|written|spoken|said|speaks?|kept|recorded|type|read|listen)\b[^,;.]*\bin\s+(?:\w+\s+)?(?:{LANGUAGES})$",
    re.IGNORECASE,
)
"""What is in a language already."""
LANGUAGE = re.compile(
    rf"\b(?:into\s+(?:\w+\s+)?({LANGUAGES})\b|(?:to|in)\s+(?:\w+\s+)?({LANGUAGES})\b{ENDS})", re.IGNORECASE
)
ALONE = re.compile(rf"[^\w\s'\u2019-]\s*({LANGUAGES})\b{ENDS}", re.IGNORECASE)
"""Said by itself: "letters -> French", "target language: Dutch"."""
LANGUAGE_RENDERED = re.compile(rf"{RENDERS}\b(?:to|in)\s+(?:\w+\s+)?({LANGUAGES})\b", re.IGNORECASE)
ITEM = r"[\w'/-]+(?: [\w'/-]+){0,4}?"
LIST = rf"{ITEM}(?:\s*,\s*{ITEM})*\s*,?\s+(?:and|or)\s+{ITEM}|{ITEM}(?:\s*,\s*{ITEM})+"
LABELS = re.compile(
    rf"(?:\b(?:as|into|either|under|between)\s+(?:one of\s+)?|:\s*|\()(?P<list>{LIST})(?=\s*(?:[.;:?!)]|\Z|,?\s+and\s+\w+\s+(?:them|it)\b|,\s+then\b|\bby\b))",
    re.IGNORECASE,
)
TOLD_APART = re.compile(
    rf"\b(?:whether|if)\s+(?:(?:it|they|he|she|each|this|that|the \w+|each \w+|every \w+)\s+(?:is|are|was|were|sounds?|seems?|feels?|belongs? to)|it's|they're|he's|she's|that's)\s+(?:about\s+)?(?P<list>{LIST})(?=\s*(?:[.;:?!(),]|\Z))",
    re.IGNORECASE,
)
"""Alternatives: "whether it is food, clothing or other"."""
CHOICE = re.compile(
    r"^(?:is|are|was|were|does|do)\b[^,?]*?\b(?P<first>(?:(?:on|off|in|out of|for|against|not|too|very) )?[\w'-]+)(?P<rest>(?:\s*,\s*[\w' -]+)+\s*,?\s+or\s+[\w' -]+|\s+or\s+[\w'-]+(?: [\w'-]+)?)\s*(?:[?,]|\Z)",
    re.IGNORECASE,
)
"""A question with its answers in it: "Are they happy, mixed or cross?"."""
PAIR = re.compile(
    r"\b(?:tell|distinguish|separate|know)\s+(?:the\s+)?(?!me\b|us\b)(?P<one>\w+)\s+from\s+(?:the\s+)?(?P<other>\w+)\b|\b(?P<a>for|yes|true|positive|good|pro|right|spam|pass) or (?P<b>against|no|false|negative|bad|con|contra|wrong|ham|fail)\b",
    re.IGNORECASE,
)
"""Two that are told apart."""
APIECE = re.compile(
    r"\bwhich\b[^,?]*?\b(?:are|is)\s+(?:about\s+)?(?P<one>[\w-]+)\b[^?]*\bwhich\b\s*(?:can\s+|are\s+|is\s+)?(?:about\s+)?(?P<other>[\w-]+)",
    re.IGNORECASE,
)
SORTS = re.compile(
    r"\b(?:label|tag|mark|flag|rate|grade|call)\s+(?:(?:each|every|the)\s+(?:\w+\s+){1,2}(?:as|with|either)\b|it|them|each|each one|every \w+|each \w+|the \w+)(?:\s+(?:as|with|either))?\s+(?P<list>"
    + LIST
    + r")(?=\s*(?:[.;:?!)]|\Z))",
    re.IGNORECASE,
)
GETS = (
    r"extract|noted?(?:\s+down)?|collect|list|get|pull(?:\s+out)?|record|log|gather|fill\s+in|fill\s+out|pick\s+out|give|need|want|like|find|take|capture|fetch|write\s+down|jot\s+down|tell|name|show|read\s+off|"
    r"find\s+out|table\s+(?:of|with)|spreadsheet\s+(?:of|with)|fields?|columns?|record\s+(?:of|with)|details|as\s+well\s+as|after|grab|put\s+down|have|such\s+as|namely|with"
)
DETERMINERS = r"(?:me\s+|us\s+|for\s+me\s+|just\s+|only\s+|out\s+|the\s+|their\s+|its\s+|his\s+|her\s+|every\s+|each\s+|all\s+(?:the\s+)?|any\s+|a\s+|an\s+|separately\s+)*"
STOPS = (
    r"(?=\s+(?:out\s+of|out|off|from|of\s+each|of\s+every|in\s+each|in\s+every|with|for\s+each|for\s+every|per|that|which|mentioned|named|shown|seen|said|in|they|he|she|it|we|are|is|can|come|comes|into|as|to|on|i|you|so|plus)\b"
    r"|\s*,?\s*(?:please|pls)\b|\s*[.;:?!()]|\s*\Z|\s*,\s*(?:they|it|he|she|we|i|all|everything)\b)"
)
FIELDS = re.compile(rf"\b(?:{GETS})\s*:?\s+{DETERMINERS}(?P<list>{LIST}){STOPS}", re.IGNORECASE)
ONE_FIELD = re.compile(
    rf"\b(?:extract|note|collect|list|pull|record|gather|fill\s+in|pick\s+out)\s+{DETERMINERS}(?P<list>[\w' -]{{2,40}}?){STOPS}",
    re.IGNORECASE,
)
"""One name alone counts only after a verb of collecting."""
LISTED = re.compile(
    rf"(?:^|:\s*)(?:(?:and|then)\s+)*(?:(?:from|out\s+of)\s+(?:the|that|this|it|those)\s+(?:\w+\s+)?)?(?:the\s+)?(?P<list>{LIST})(?=\s+(?:out\s+of|off|from|of\s+each|for\s+each|in\s+each|per)\b|\s*,?\s*(?:please|pls)?\s*[.;!]?\s*\Z)",
    re.IGNORECASE,
)
"""A bare list: "contract: rent, deposit, start date", "Name and age out of each form"."""
PLEASE = re.compile(r",?\s*\b(?:please|pls|plz)\b", re.IGNORECASE)
OUT_OF = re.compile(r":\s*(?:the\s+)?$|\b(?:from|out of)\b", re.IGNORECASE)
OF_WHAT = re.compile(r"\s+(?:out|off|from|of|for|in|per)\b", re.IGNORECASE)
"""What makes a bare list one of fields."""
MOST_WORDS = 5
"""Of a field's name: more is a clause, not a name."""
VAGUE = frozenset(
    {
        "everything",
        "anything",
        "all",
        "it",
        "them",
        "data",
        "information",
        "details",
        "facts",
        "fields",
        "me",
        "us",
        "that",
        "both",
        "then",
        "one",
        "this",
        "what",
        "those",
        "these",
        "you",
        "each",
    }
)
MOST_LABEL_WORDS = 3
DOING = r"write|translate|summari\w+|shorten|transcribe|describe|detect|answer|classify|label|sort|put|tell|give|draft|compose|read|find|search|cut|split|say|make|take|turn|boil|condense|send|embed|and|or|going|using|based|from|with|by|for|in|on|at|to|than|only|just|but|first|so|after"
"""Verbs that begin another clause, not the name of a field."""
SHOWN = re.compile(r"\b(?:shown|seen|said|heard|mentioned|named|visible)\b.*")
APART = re.compile(r"\s+(?:separately|individually)\s*$")
ARTICLE = re.compile(r"^(?:(?:the|a|an|its|their|his|her|every|each|all|also)\s+)+", re.IGNORECASE)
LEAD = re.compile(
    r"^(?:and|then|also|please|first|finally|next|i want you to|can you|could you)\s+", re.IGNORECASE
)


NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
COUNT = re.compile(
    rf"\b(?P<count>[1-9]\d?|{'|'.join(NUMBERS)})\s+(?:[a-z-]+\s+)?(?:frames?|stills?|pictures?|images?|photos?|snapshots?|screenshots?)\b"
    r"\s+(?:out\s+of|of|from|in|per|for|at)\s+(?:each|every|any|the|a|an|all)?\b",
    re.IGNORECASE,
)
"""How many pictures are taken, and of what."""


def parts(text: str) -> list[str]:
    """The members of a list in words."""
    found = [
        ARTICLE.sub("", one.strip()).strip()
        for one in re.split(r"\s*,\s*(?:and\s+|or\s+)?|\s+(?:and|or)\s+", text)
    ]
    return [one for one in found if one]


def labels_in(text: str) -> str:
    """Labels that a stretch names ("as billing, delivery or technical"), or ""."""
    bare = text.strip()
    for pattern in (TOLD_APART, SORTS):
        hit = pattern.search(bare)
        if hit and (names := good_labels(hit["list"])):
            return names
    chosen = CHOICE.search(bare)
    if chosen and (names := good_labels(f"{chosen['first']}{chosen['rest']}")):
        return names
    pair = PAIR.search(bare)
    best = ", ".join(one for one in pair.groups() if one) if pair else ""
    for hit in LABELS.finditer(bare):
        best = good_labels(hit["list"]) or best
    apart = APIECE.search(bare)
    return best or (f"{apart['one']}, {apart['other']}" if apart else "")


def good_labels(text: str) -> str:
    """The members of a list, where they can be labels: two or more, of few words."""
    members = list(dict.fromkeys(parts(text)))
    good = len(members) >= 2 and all(len(one.split()) <= MOST_LABEL_WORDS for one in members)
    return ", ".join(members) if good else ""


def fields_in(text: str) -> str:
    """Fields that a stretch names ("extract the name, the date and the total"), or ""."""
    bare = re.sub(r"\([^()]*\)", "", text).strip()
    polite = PLEASE.search(bare)
    bare = PLEASE.sub("", bare)
    for pattern in (FIELDS, LISTED, ONE_FIELD):
        for hit in pattern.finditer(bare):
            # "The owners ring and leave messages" is no list: a bare one follows a colon, or says out of what, or please.
            whole = (
                pattern is not LISTED
                or polite
                or OUT_OF.search(bare[: hit.start("list")])
                or OF_WHAT.match(bare[hit.end("list") :])
            )
            if (names := good_fields(hit["list"])) and whole:
                return names
    return ""


def named_list(text: str) -> str:
    """Fields, where a text is nothing but a list of them."""
    hit = re.fullmatch(LIST, text.strip(" .?!"), re.IGNORECASE)
    return good_fields(hit[0]) if hit else ""


def good_fields(text: str) -> str:
    """The members of a list as names of fields, or ""."""
    text = re.sub(
        r"\b(how (?:many|much|long|old|often) [\w-]+)\b[^,]*", r"\1", re.sub(r"\bwhen [^,]*", "time", text)
    )
    text = re.sub(r"\bhow (many|much|long|old|often)\b", r"\1", text)
    if re.search(
        r"\b(?:whether|whose|who|how|why|sentences?|lines?|words?|points?|me what|i|we|he|she|they|is|are|was|were|be|don't|not)\b",
        text,
        re.IGNORECASE,
    ):
        return ""
    bare = (APART.sub("", SHOWN.sub("", one.lower())) for one in parts(text))
    names = [re.sub(r"\W+", "_", one).strip("_") for one in bare]
    good = [one for one in dict.fromkeys(names) if one and not one[0].isdigit() and one not in VAGUE]
    if any(re.match(rf"(?:{DOING})(?:_|$)", one) for one in good):
        return ""
    return ", ".join(good) if all(name.count("_") < MOST_WORDS for name in good) else ""


def language_in(text: str) -> str:
    """The language that a stretch names, or ""."""
    return first_of((LANGUAGE, LANGUAGE_RENDERED), text)


def first_of(patterns: Sequence[re.Pattern[str]], text: str) -> str:
    """The language that the first pattern that fits finds, or ""."""
    for pattern in patterns:
        if hit := pattern.search(text):
            return next(one for one in hit.groups() if one).capitalize()
    return ""


def languages_asked(text: str) -> set[str]:
    """Every language that a text may want something in; not one that it only translates from.

    >>> languages_asked("from English to French, and a Dutch summary") == {"French", "Dutch"}
    True
    """
    found = (hit for one in (*PUT, LANGUAGE, LANGUAGE_RENDERED, ALONE) for hit in one.finditer(text))
    return {one.capitalize() for hit in found for one in hit.groups() if one}


def target_language(text: str, description: str = "") -> str:
    """The language that a stretch wants something in, or "": one that the words are in already is none.

    >>> target_language("put the German into English"), target_language("transcribe the calls in Spanish")
    ('English', '')
    """
    put = first_of(PUT, text)
    if put:
        return put
    said = IN.search(text)
    if said is None or HEARD_IN.search(text[: said.start()] + said[0]):
        return ""
    language = said[1].capitalize()
    return "" if first_of(PUT, description) not in {"", language} else language


def asks(description: str) -> str:
    """The first question of a description, or ""; what stands in quotes, or behind a colon, is taken without the words around it.

    >>> asks("Read them and answer: who pays?"), asks("Tell me which year was worst.")
    ('who pays?', 'which year was worst?')
    """
    hit = re.search(
        r"[\"“«„](?P<asked>[^\"“”«»„]*\?)|(?<!\w)['\u2018](?P<said>[^'\u2018\u2019]*\?)['\u2019]", description
    )
    if hit:
        return " ".join((hit["asked"] or hit["said"]).split())
    hit = re.search(r"(?P<asked>[^.!?]*\?)", description)
    if hit:
        before, _, after = hit["asked"].rpartition(":")
        return " ".join((after if before and INTERROGATIVE.match(after.strip()) else hit["asked"]).split())
    inner = INDIRECT.search(description)
    return " ".join(re.split(r"[.!;\n]", inner["asked"])[0].split()) + "?" if inner else ""


def count_in(description: str) -> int | None:
    """How many pictures a description wants taken ("three frames of each scene"), or None.

    >>> count_in("Take five stills from every film"), count_in("Take frames"), count_in("Look at the 40 photos")
    (5, None, None)
    """
    hit = COUNT.search(description)
    if hit is None:
        return None
    said = hit["count"].lower()
    return int(said) if said.isdigit() else NUMBERS.index(said) + 1


def quoted(text: str) -> str:
    """A text in quotes, as a sentence holds it."""
    return '"' + text.replace('"', "'") + '"'


def written_out(clause: str) -> str:
    """A stretch as the sentence of a step that writes: signs of the language doubled, no full stop, no sign of a comment."""
    bare = COMMENT.sub("", LEAD.sub("", clause.strip().rstrip(".!?;:, ")))
    bare = bare[:1].lower() + bare[1:]
    return bare.replace("{", "{{").replace("}", "}}").replace("@", "@@").replace("<-", "< -")
