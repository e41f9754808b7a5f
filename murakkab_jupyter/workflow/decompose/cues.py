"""How people say tasks: cues and examples by the name of a capability.

A cue is words in order, compared by their stems; `*` stands for up to four words between them. Examples
are for the match by meaning, where no cue is found. Tasks that no built-in capability offers are here too:
a description that asks for one is refused by name, unless a package offers a capability of that name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["TASKS", "Task"]


@dataclass(frozen=True, slots=True)
class Task:
    """Cues that mean a task, and sentences that ask for it."""

    cues: tuple[str, ...]
    examples: tuple[str, ...] = ()


TASKS: Mapping[str, Task] = {
    "scene-detection": Task(
        (
            "scene", "shot", "each chapter", "every chapter", "chapter of", "into chapter", "chapters", "segment the video",
            "camera change", "cut *  into clip", "where the picture change",
        ),
        ("split the film where the picture changes", "divide the video into its shots"),
    ),
    "frame-extraction": Task(
        ("frame", "still from", "stills", "keyframe", "screenshot", "snapshot from", "thumbnail"),
        ("take a few still pictures from the video",),
    ),
    "speech-to-text": Task(
        (
            "transcrib", "transcript", "transcription", "speech", "spoken", "say", "said", "speaker", "listen", "hear",
            "heard", "talk about", "conversation", "voice", "narrat", "mention", "write out", "write down * word",
            "put in writing", "word for word", "verbatim", "told", "utter", "discuss", "commentary", "lyrics", "subtitles for",
        ),
        ("type up what was said in the interview", "put the spoken words into writing", "note what the people talk about"),
    ),
    "object-detection": Task(
        (
            "object", "detect", "see", "seen", "visible", "shown in", "appear", "spot", "recogni", "count the",
            "how many", "what is in the picture", "what is in the photo", "depict", "people in", "vehicle", "animal", "furniture",
            "product in", "what * photo show", "what * picture show", "look like", "visual", "on camera",
            "who * enter", "intruder", "was there", "is there a", "things in", "from its photo", "from their photo", "content of the image", "pictured",
        ),
        ("find the people and cars in the pictures", "which things does the camera see", ),
    ),
    "ocr": Task(
        (
            "ocr", "read the text", "text in the image", "text on", "written on", "printed", "caption", "sign", "licence plate",
            "license plate", "plate", "slide", "on screen", "on the screen", "ticker", "banner", "label on",
            "price tag", "receipt", "handwrit", "scan", "scanned", "poster", "screen text", "read the", "letters on", "whiteboard",
            "blackboard", "form", "business card", "menu", "lower third", "jersey number", "credits", "sheet",
        ),
        ("read the words that stand in the picture", "what is written on the signs"),
    ),
    "chunking": Task(
        (
            "chunk", "into passage", "into paragraph", "into section", "into piece", "into part", "split the document",
            "split the text", "split * transcript", "cut * into block",
        ),
        ("cut the long documents into passages",),
    ),
    "embedding": Task(
        ("embed", "embedding", "vector", "vectoris", "vectoriz", "for later search", "semantic index", "similarity search"),
        ("turn every text into a vector", "make the texts searchable by meaning"),
    ),
    "retrieval": Task(
        (
            "retriev", "search", "look up", "look * up", "look for", "find * passage", "find the part", "find where", "find those that",
            "find the place", "passage about", "passage that", "where * is discussed", "where * is mentioned", "relevant part",
            "relevant passage", "relevant section", "best passage", "sections that",
        ),
        ("find the passages that deal with a subject", "search the archive for a topic"),
    ),
    "question-answering": Task(
        (
            "answer", "question", "reply to the question", "explain what",
            "respond to the question", "find out whether", "find out what", "find out who", "check whether", "ask",
        ),
        ("answer what the user wants to know", ),
    ),
    "summarisation": Task(
        (
            "summar", "summary", "overview", "gist", "condens", "digest of", "a digest", "shorten", "short version", "key point", "main point",
            "recap", "abstract of", "abridg", "in a nutshell", "brief of", "brief me", "highlights", "essence",
            "tl;dr", "tldr", "in a few line", "in a few sentence", "in one paragraph", "to a paragraph", "in * sentence", "in * line",
            "to * sentence", "sum up", "takeaway", "what * is about", "what * are about", "synopsis", "outline of",
            "compress",
        ),
        ("give a short version of the long report", "tell me the main points in a few lines", "sum the talk up"),
    ),
    "text-generation": Task(
        (
            "write a", "write an", "write the", "write me", "writ * report", "report", "draft", "compos", "e-mail to", "an email", "email that",
            "letter", "memo", "minutes", "note for", "notes from", "make notes", "article", "blog", "essay", "story", "newsletter", "press release",
            "post about", "social media", "reply to each", "write * reply", "response to each", "generate", "a log", "caption for", "describe",
            "description of", "compare", "comparison", "headline for", "explain", "rewrite", "rephrase", "checklist", "recommend", "suggest",
            "advertis", "slogan", "tweet", "quiz", "flashcard", "cover letter", "proposal",
        ),
        ("draft a message to the team", "write a report about the findings", "compose a reply", "describe the product in one sentence"),
    ),
    "classification": Task(
        (
            "classif", "categor", "label", "sort", "group * by", "into group", "into class", "tag", "mood", "sentiment", "tone",
            "positive or negative", "positive and negative", "urgent", "urgency", "priorit", "spam", "triage", "which of",
            "satisfied", "happy or", "angry", "decide whether", "decide for each", "judge whether", "say whether", "mark as",
            "flag", "assign", "type of", "kind of", "which * about", "route", "bucket", "rate", "polite", "complaint or", "toxic",
            "topic: ", "by topic",
        ),
        ("sort the messages by subject", "say whether the writer is happy or annoyed", ),
    ),
    "extraction": Task(
        (
            "extract", "pull * out", "pull the", "collect", "note the", "note every", "record the", "fill in", "fill out", "list the name",
            "list every", "list all", "list * mention", "list product", "name and", "names of", "dates of", "get the", "gather", "action item", "who is named",
            "who was named", "named in", "due date", "deadline", "pick out", "parties", "as json", "into a table", "as a table",
            "spreadsheet", "structured", "key data", "details such as", "amount", "order number", "invoice",
        ),
        ("note the names and dates in each letter", "make a table of amounts and due dates", ),
    ),
    "translation": Task(
        (
            "translat", "into english", "into french", "into german", "into spanish", "to english", "to spanish", "to french", "to german",
            "in english", "in french", "in german", "in spanish", "another language", "mother tongue", "localis", "localiz", "bilingual",
        ),
        ("put the letter into another language",),
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
