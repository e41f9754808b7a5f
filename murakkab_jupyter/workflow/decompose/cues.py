"""How people say tasks: cues and paraphrases by the name of a capability.

A cue is words in order, compared by their stems: `a|b` is either, `*` stands for up to four words between, `^` for
the beginning of a clause. Paraphrases are for the match by meaning, where no cue is found. Tasks that no built-in
capability offers are here too: a description that asks for one is refused by name, unless a package offers a
capability of that name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["HEARD_OF", "SEEN_IN", "TASKS", "TEXT_BEARING", "Task"]


@dataclass(frozen=True, slots=True)
class Task:
    """Cues that mean a task, and sentences that ask for it."""

    cues: tuple[str, ...]
    examples: tuple[str, ...] = ()


CUT = "cut|split|chop|break|divide|slice|segment|separate|carve"
GET = "get|give|take|grab|pull|capture|fetch|want|need|show|bring|save|make|extract|pick"
WORDS = "word|sentence|line|paragraph|bullet"
WRITE = "write|draft|compose|word|pen|formulate|prepare|generate|produce|make|create|craft|turn|knock|put"
WRITING = (
    "letter|email|e-mail|mail|report|note|memo|article|story|newsletter|post|reply|response|advert|ad|essay|blog|log|poem|speech|"
    "announcement|invitation|invite|reminder|handout|agenda|message|press|tweet|quiz|checklist|section|introduction|obituary|slogan|headline|"
    "leaflet|flyer|brochure|review|proposal|plan|guide|recipe|faq|flashcard|card|entry|bulletin|thank-you|blurb|notice|statement|comment|"
    "bid|quotation|tender|listing|manual|briefing|column|script|apology|account|worksheet|exercise|question|lesson|song|joke|tagline|pitch|biography|bio|profile|portrait|warning|instruction|"
    "dossier|greeting|congratulation|answer|paper|pamphlet|dialogue|sermon|tutorial|welcome|feedback|verdict"
)
SEE = "picture|photo|image|still|frame|photograph|shot|scan|camera|footage|clip|drawing|painting"
FIND = "find|list|spot|locate|count|identify|recognise|recognize|mark|outline|name|note|track|which|what"

TASKS: Mapping[str, Task] = {
    "scene-detection": Task(
        (
            "scene", "shot|cut change", "into|each|every|per|the|of shot", "shots", "into|each|every|the|by|per chapter", "chapters",
            f"{CUT} the|this|my|our|each|every video|film|movie|clip|footage|broadcast|programme|programm|show", "change|changes of|in picture|scene|camera|image|setting|the", "camera|scene change", "where * picture|camera|image|setting change", "cut *  into clip",
        ),
        ("split the film where the picture changes", "divide the video into its shots", "find the cuts in the film"),
    ),
    "frame-extraction": Task(
        (
            "frame", "still", "keyframe", "screenshot", "snapshot", "thumbnail", f"{GET}|one|a picture|image|photo|pic|shot from|out|every|off",
            "picture|image|photo|pic every|per", f"{GET} * picture|image|pic from|out|of|every", "screengrab", "freeze",
        ),
        ("take a few still pictures from the video", "save an image of the film every ten seconds", "grab some stills"),
    ),
    "speech-to-text": Task(
        (
            "transcrib", "transcript", "transcription", "speech", "spoken", "say", "saying", "says", "said", "speaker", "listen", "hear", "heard", "talk about",
            "conversation", "dialogue", "voice", "narrat", "narration", "mention", "write|type|put|take|jot|note|copy out|down|up", "write|type|jot|copy it|them|this|that|these|those|each|everything out|down|up", "put in writing",
            "word for word", "to|into text|writing", "on paper", "verbatim", "utter", "discuss", "commentary", "lyrics", "subtitles for", "dictat", "speak", "audio", "sound track", "soundtrack",
            "the|his|her|their word", "interview", "remark", "quote", "explains", "announc", "sing",
        ),
        (
            "type up what was said in the interview", "put the spoken words into writing", "note what the people talk about",
            "make a written version of the recording", "what does the man say in the recording", "put the recording on paper", "turn the talk into text", "make a protocol of every word",
        ),
    ),
    "object-detection": Task(
        (
            "object", "detect", "^count", "and count", "bounding box", "box|boxes|rectangle around|round|for|on", "with|as box|boxes|rectangle|rectangles", "mark|outline|draw|put|frame * box|boxes|rectangle|rectangles|frame", "where is|are the|my|our",
            "locat", f"{FIND} * person|people|vehicle|animal|player|furniture", f"~{FIND} * thing|product|item|face", "thing in", "intruder",
            "person|people|vehicle|animal|thing|item in|on * still|frame|picture|photo|image", "how many * in each|every",
        ),
        ("find the people and cars in the pictures", "which things does the camera see", "draw rectangles around the items", "how many boats are there in each picture", "where in the image are the players", "mark every animal with a box", "count the boxes on the shelf"),
    ),
    "ocr": Task(
        (
            "ocr", "^read", "and read", "read the|any|every|each|all|what|off|number|out", "text|word|writing|letter|number|wording|message|lettering in|on|off * image|picture|photo|sign|screen|slide|scan|page|wall|door|label|board|package|still|frame",
            "text|words on", "written on|in|there", "printed", "printed|written|stands|say|says on", "the|same wording", "lettering", "inscription", "licence|license|number plate", "plate number",
            "sign|signs say", "slide", "on|on-screen screen", "on-screen", "ticker", "banner", "price tag", "handwrit", "handwriting", "screen text",
            "whiteboard", "blackboard", "lower third", "jersey number", "credits", "scoreboard", "surtitle", "subtitle burn|burnt", "serial number", "decipher",
            "digitise", "digitize", "business card",
        ),
        ("read the words that stand in the picture", "what is written on the signs", "type off the text of the photographed page", "what does the label on the bottle say"),
    ),
    "visual-description": Task(
        (
            "describe", "^description", "descriptions|description of", "alt text", "alt-text", "caption for|of|each|every", "^caption", "and caption", "write * caption",
            f"into|in words what * {SEE}|show|see|seen|shows|shown", f"into|in words * {SEE}", "what * show|shows|shown|depict|depicts", "what|how * look|looks like", "how * look|looks",
            "what is|are|goes going on", "what is|are|goes on in", "report * what|how", "what happen|happens|happening", "what can|could be seen", "what is|are|can * see|seen|visible|in it|them",
            "what is|are in the|each|every|my|our picture|photo|image|still|frame", "what * see|sees in|on", "what * can see", "paint * in words", "what|everything * visible",
        ),
        ("say in words what the pictures show", "tell a blind person how the photo looks", "write a caption for each image", "describe what can be seen in the stills", "give a verbal picture of the photo", "tell what each image shows", "how does the room look in the photo", "put the image into a sentence"),
    ),
    "visual-question-answering": Task(
        (f"question|ask about|to the|these|each|every|my|our {SEE}",),
        ("is anybody in the picture wearing a hat", "look at the photo and tell me whether the door is open", "how many of the people in the image are sitting"),
    ),
    "chunking": Task(
        (
            "chunk", f"{CUT}|turn|put * into|in|to|by passage|paragraph|section|piece|part|block|bit|segment|page", "cut|chop|split|break|slice it|them|this|that|everything up|apart|smaller", "into passage", "passages|pieces|paragraphs|sections first",
        ),
        ("cut the long documents into passages", "break the text into smaller pieces", "divide the book into sections"),
    ),
    "embedding": Task(
        (
            "embed", "embedding", "vector", "vectoris", "vectoriz", "for later search", "semantic index", "similarity search", "search|searchable|search|find * by meaning",
            "index * search|searched|searchable|meaning", "numeric|numerical representation|form", "encode",
        ),
        ("turn every text into a vector", "make the texts searchable by meaning", "compute a vector for each passage"),
    ),
    "retrieval": Task(
        (
            "retriev", "^find what|where", "search", "look|looks up|through", "look it|them|that|this up", "look for", "^find * in|among", "dig out|up", "hunt",
            f"{GET}|find|locate|spot|list|which|what passage|part|place|spot|section|moment|paragraph|bit|excerpt|quote|point where|that|about|on|in|which",
            f"{GET}|find|locate|list the|all|every|any|me passage|part|place|spot|section|moment|paragraph|bit|excerpt|quote|point|clause",
            "find those|the|all|ones that", "where * is|are|was discussed|mentioned|talked", "where * come|comes up", "relevant|best|right part|passage|section|place",
            "find me|us the spot|spots|place|part|passage", "go|comb through",
        ),
        ("find the passages that deal with a subject", "search the archive for a topic", "get me every place that deals with it", "where in the book is it treated", "show me the places where the flood is mentioned"),
    ),
    "question-answering": Task(
        (
            "^answer", "and|then|to answer", "answer the|it|this|that|my|our|his|her|their|from|each|every|from", "answer * question", "the|my|a|this question", "respond|reply to the question", "find out",
            "^check whether|if", "check whether|if", "let|let's me|us know", "look|check whether|if",
        ),
        ("answer what the user wants to know", "find out from the notes who is responsible", "tell me why the mayor is against the bridge"),
    ),
    "summarisation": Task(
        (
            "summar", "summary", "overview", "gist", "condens", "digest of", "a digest", "shorten", "short|shorter|brief|concise|one-sentence|one-line|one-paragraph|half-page version|form", "make|keep|be|get|have|want|need * shorter|brief|briefer|concise|short", "key|main|central|important|chief|essential point|idea|message|fact|finding|news",
            "recap", "abstract of", "abridg", "in a nutshell", "in short|brief", "brief of|me", "highlights", "essence", "tl;dr", "tldr",
            "boil|cut|trim|bring|get|narrow|whittle|reduce * down", "boil|reduc|shrink|compress|squeez|trim|distil|distill * to|into|in", "in|into|to|of a few|couple line|sentence|word",
            f"~{GET}|me|in|into|to|at|most|than * {WORDS} on|about|per|for|each", f"~a|one|two|three|four|five|single|short {WORDS} on|about|per|for|what|each", f"~in|into|to|as * {WORDS}", f"me|us * {WORDS} on|about|per",
            "sum up", "sum * up", "takeaway", "what * is|was|are|were about", "synopsis", "outline of", "compress", "distil", "bullet point", "in plain|simple|few word", "skim", "simplify",
        ),
        (
            "give a short version of the long report", "tell me the main points in a few lines", "sum the talk up", "make it much shorter", "bring it down to one page", "keep only the essentials", "only what matters, please", "the long report in brief",
            "what is the talk about, briefly",
        ),
    ),
    "text-generation": Task(
        (
            "^write|draft|compose|pen|formulate|craft|phrase|reword|paraphrase", "and|then|also|me|to|please write|draft|compose|craft a|an|the|every|each|me|us|one|some|up|to", f"{WRITE} * a|an|into|some|one * {WRITING}", f"^a|an|one|some|two|three|four|five|ten * {WRITING}", "make|turn|create|build|produce|prepare|generate * out of|from it|this|that|them|those|these",
            f"need|want|get|give|like|as|have|then|me a|an {WRITING}", f"need|want|get|give|like|as|have|then|me a|an|one|some * {WRITING} to|for|from|out|about|inviting|that", "make|take note|notes from|that|for|of", f"make|write|produce|generate|create|draft {WRITING}",
            "write|draft|compose * reply|answer|response", "^answer|reply|respond to each|every|all|them|the|this", "^answer each|every|all|them|the|my|our|these * letter|mail|email|e-mail|review|message|comment|post|ticket|complaint|enquiry|inquiry", "use it|that|this|them for|to * "+WRITING, "compos", "compar", "comparison", "list|name|note|show * difference|similarity|pro|argument", "rewrite", "rephrase", "recommend",
            "suggest", "advise", "come up with", "explain", "slogan", "cover letter", "minutes of", "story about|from|out", "describe", "description of",
        ),
        ("draft a message to the team", "write a report about the findings", "compose a reply", "prepare a written account", "think of a text to go with it", "make an article out of the notes", "turn it into a newsletter"),
    ),
    "classification": Task(
        (
            "classif", "categor", "^label|tag|sort|group|rate|grade|flag|triage|route|bucket|rank|file|assign", "~^mark", "and|then|also|or|to|please label|tag|sort|group|rate|grade|flag|triage|route|bucket|file",
            "label|tag|mark|file it|them|each|every|as|one|everything * as|under|by|into", "sort|group|arrange|separate * by|into|under|in", "mood", "sentiment", "emotion", "tone of", "positive|negative or|and negative|positive",
            "urgent", "urgency", "priorit", "spam", "triage", "satisfied", "happy or", "angry ones", "decide|judge|say|tell|determine for each|every|any", "decide|judge|determine whether|which|if", "mark|flag as",
            "assign", "type|kind|sort of|category of", "which|what category|class|group|label|pile|bucket|type|kind|department|topic|genre|mood|language", "which * about * which", "which|what of * and|or * which|what", "complaint or", "toxic",
            "by topic|subject|theme|mood|type|kind|reason|category|language|urgency|department", "topic: ", "pile|piles|bucket|buckets",
        ),
        ("sort the messages by subject", "say whether the writer is happy or annoyed", "which pile does each letter belong to", "is it good, bad or neutral", "put them under one of these headings", "how serious is each case"),
    ),
    "extraction": Task(
        (
            "extract", "pull * out", "pull the|every|all", "^collect", "and|to|also collect", "note|record|log the|every|each|all|down", "fill|filled in|out", "list the|every|all|of", "list * mention|mentioned|named", "names|dates|amounts of|and",
            "^gather", "and|to gather", "action item", "who|which|what is|was|were|are named|mentioned", "named in", "due date", "pick out", "as json|csv|table|record", "into a table|form|spreadsheet",
            "a|in|into table|tables|spreadsheet|csv|columns|rows|cells", "structured", "key data|field", "detail such as", "order|invoice|policy|insurance number", "make|build|create|need|want * table|list|spreadsheet of|with",
            "~field", "capture the", "out|off of|each|every|all * cv|form|letter|one", "who|which|what * come|comes up", "dig out the",
        ),
        ("note the names and dates in each letter", "make a table of amounts and due dates", "get the name, the price and the date", "I need the address and the phone number", "put the figures into columns", "which data does each form hold", "which people and places are named"),
    ),
    "translation": Task(
        ("translat", "another language", "mother tongue", "localis", "localiz", "bilingual", "other|foreign language"),
        ("put the letter into another language", "I need it in Dutch", "the foreign text in our language", "make it readable for people who only speak French", "say the same in Italian"),
    ),
    "speech-synthesis": Task(
        ("read aloud", "read * aloud", "read it out loud", "text to speech", "voice over", "voiceover", "narrate the summary", "speak the", "audiobook", "synthesise speech",
         "synthesize speech", "make * podcast from", "as spoken audio", "dub"),
        ("read the article out loud with a natural voice",),
    ),
    "image-generation": Task(
        ("generate an image", "generate image", "generate a picture", "draw", "paint", "illustrat", "design a logo", "create an image", "create a picture",
         "make a picture", "render an image"),
        ("draw a picture of the scene",),
    ),
    "video-generation": Task(
        ("generate a video", "make a video", "create a video", "animate", "make a trailer", "edit the video", "cut a trailer", "highlight reel"),
        ("make a short film of the story",),
    ),
    "music-generation": Task(
        ("compose music", "compose a song", "background music", "soundtrack", "a melody", "write a song tune"), ("compose a tune for the film",)
    ),
    "face-recognition": Task(
        ("face recognition", "recognise face", "recognize face", "identify face", "identify the person by", "whose face", "facial"),
        ("find out who the person is by the face",),
    ),
    "speaker-diarisation": Task(
        ("who spoke when", "diari", "separate the speakers", "tell the speakers apart", "which speaker said"), ("separate the voices of the speakers",)
    ),
    "web-search": Task(
        ("search the web", "search the internet", "google", "browse the web", "look online", "on the internet"), ("look it up on the web",)
    ),
    "sending-messages": Task(
        ("send an email", "send the email", "send it to", "send a message", "post it to", "upload", "publish to", "notify by", "send me"),
        ("send the report to the team by mail",),
    ),
    "forecasting": Task(
        ("forecast", "predict * price", "predict * sales", "predict * demand", "predict the next", "extrapolat"), ("predict next month's sales",)
    ),
    "code-execution": Task(("run the code", "execute the code", "run the script", "fix the bug", "compile"), ("run the program and fix its bugs",)),
    "audio-separation": Task(("remove the noise", "noise reduction", "separate the instruments", "isolate the vocals", "denoise"), ("clean the sound of noise",)),
}  # fmt: skip
"""By the name of a capability, built in or not."""

SEEN_IN = Task(
    (
        "see", "seen", "show", "shown", "visible", "look", "picture", "photo", "still", "frame", "image", "camera", "wear", "stand", "sit", "lie", "colour", "color", "appear", "enter", "leave",
        "walk", "move", "come in|by|to|into", "carry", "hold", "door", "person", "people", "vehicle", "animal", "smile", "dress", "fall", "happen", "in the background", "on camera", "watch",
    ),
    ("is the door open", "how many people stand at the counter", "what colour is the car", "when does somebody enter the room", "does anyone wear a helmet"),
)  # fmt: skip
"""What is asked of pictures."""
HEARD_OF = Task(
    (
        "say", "said", "mention", "speak", "spoken", "talk", "discuss", "explain", "argue", "tell", "claim", "promise", "announce", "justify", "agree", "decide", "opinion", "name", "topic", "subject",
        "voice", "word", "speech", "speaker", "lecture", "interview", "meeting", "podcast", "why", "reason", "suggest", "recommend", "complain", "quote", "conversation", "debate",
    ),
    ("what does she say about the price", "why are they against it", "which topics do they discuss", "what was decided"),
)  # fmt: skip
"""What is asked of speech."""
TEXT_BEARING = frozenset(
    ["receipt", "form", "letter", "page", "document", "scan", "invoice", "bill", "sign", "label", "poster", "menu", "slide", "screenshot", "note", "card", "certificate", "register", "diary", "contract", "waybill", "ticket", "plate", "book", "newspaper", "leaflet", "flyer", "sheet", "chart", "whiteboard", "blackboard", "board", "text", "writing", "handwriting", "wording", "list", "bon", "cheque", "passport", "license", "licence", "id", "record", "file", "prescription", "report", "postcard", "packaging", "package", "tag", "banner", "headline", "subtitle", "caption", "inscription", "gravestone", "tombstone", "map", "manual", "recipe", "questionnaire", "survey", "statement", "log", "ledger", "word", "message", "print", "print-out", "printout", "table", "exam", "worksheet", "homework", "envelope", "paperwork"]
)  # fmt: skip
"""Nouns of things whose pictures are there to be read."""
