"""Structured writing: a language model that chooses a label, fills in a record, or translates.

What it writes is held to a JSON schema by the model's server, and read and checked here all the same: a
server may not know `response_format`, and a reply may be cut off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from murakkab_jupyter.agents.agent import Failed, Inputs, Tokens
from murakkab_jupyter.agents.language.chat import Message, Reply, Request, wrote_nothing
from murakkab_jupyter.agents.language.writer import Writer
from murakkab_jupyter.agents.text.classify import stated_labels
from murakkab_jupyter.agents.text.extract import stated_fields
from murakkab_jupyter.agents.text.fields import fitted, schema_of
from murakkab_jupyter.agents.text.labels import labels_of
from murakkab_jupyter.agents.text.material import pieces
from murakkab_jupyter.agents.text.sentences import split
from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.core.kinds import text_of

__all__ = ["ClassWriter", "RecordWriter", "TranslationWriter", "ask_in_form", "json_in"]

PIECE = 1200
"""Most characters translated in one request: a model that is given more leaves sentences out."""
MOST_BRACES = 100
"""So many braces are tried as the beginning of an object."""


def json_in(text: str) -> dict[str, Any] | None:
    """The JSON object in a reply, with or without words around it; None where there is none."""
    for start in islice(re.finditer(r"\{", text), MOST_BRACES):
        try:
            found, _ = json.JSONDecoder().raw_decode(text, start.start())
        except json.JSONDecodeError as error:
            if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
                return None  # cut off: an object within it is not the one that was meant
            continue
        except RecursionError:
            return None
        if isinstance(found, dict):
            return found
    return None


def ask_in_form(writer: Writer, requests: Sequence[Request]) -> list[Reply | Failed]:
    """Ask with a schema; a server that refuses one is asked again without."""
    replies = list(writer.ask(requests)) if requests else []
    spent = writer.last if requests else Tokens()
    again = [
        n for n, one in enumerate(replies) if isinstance(one, Failed) and "response_format" in one.reason
    ]
    if again:
        answers = writer.ask([replace(requests[n], schema=None) for n in again])
        spent += writer.last
        for n, answer in zip(again, answers, strict=True):
            replies[n] = answer
    writer.last = spent
    return replies


class StructuredWriter(Writer):
    """One request for each item, whose reply is read by `read`; an item that cannot be asked fails alone."""

    def call(self, batch: Sequence[Inputs]) -> list[Any]:
        """One value for each item."""
        requests: list[Request | Failed] = []
        for inputs in batch:
            try:
                requests.append(self.request(inputs))
            except UsageError as error:
                requests.append(Failed(str(error)))
        asked = [n for n, one in enumerate(requests) if isinstance(one, Request)]
        replies = ask_in_form(self, [one for one in requests if isinstance(one, Request)])
        made: list[Any] = list(requests)
        for n, reply in zip(asked, replies, strict=True):
            made[n] = reply if isinstance(reply, Failed) else self.read(batch[n], reply)
        return made

    def request(self, inputs: Inputs) -> Request:
        """What to ask for one item; raises `UsageError` where the step does not say enough."""
        raise NotImplementedError

    def read(self, inputs: Inputs, reply: Reply) -> Any:
        """The value that a reply means, or `Failed`."""
        raise NotImplementedError

    def words(self, inputs: Inputs) -> str:
        """The text of an item; raises `UsageError` where it has none."""
        found = "\n".join(piece.text for piece in pieces(inputs, "text"))
        if not found.strip():
            msg = "There are no words to read."
            raise UsageError(msg, hint="Refer to a text, a transcript or a document.")
        return found

    def lead(self, inputs: Inputs, otherwise: str) -> tuple[Message, ...]:
        """The system's message: the step's body, where it has one."""
        return ({"role": "system", "content": inputs.prompt or otherwise},)


class ClassWriter(StructuredWriter):
    """Chooses one of the labels."""

    def request(self, inputs: Inputs) -> Request:
        """What to ask for one item."""
        labels = stated_labels(inputs, self.options)
        told = "\n".join(
            f"- {name}: {meaning}" if meaning else f"- {name}" for name, meaning in labels.items()
        )
        return Request(
            self.lead(inputs, "You classify texts. Reply with the one label that fits best."),
            ("Text:\n", f'\n\nLabels:\n{told}\n\nReply as JSON: {{"label": "..."}}'),
            (self.words(inputs),),
            int(self.options.get("max_tokens", 32)),
            schema={
                "type": "object",
                "properties": {"label": {"enum": list(labels)}},
                "required": ["label"],
                "additionalProperties": False,
            },
        )

    def read(self, inputs: Inputs, reply: Reply) -> str | Failed:
        """The label; a reply without JSON is a label too, when it is exactly one."""
        labels = labels_of(inputs.values.get("labels") or self.options.get("labels"))
        record = json_in(reply.text)
        said = str(record.get("label", "")) if record else reply.text.strip().strip("\"'.`")
        by_folded = {name.casefold(): name for name in labels}
        found = by_folded.get(said.strip().casefold())
        return found or Failed(f"The model replied {reply.text[:60]!r}, which is none of the labels.")


class RecordWriter(StructuredWriter):
    """Fills in a record's fields; what the text does not say is None."""

    def request(self, inputs: Inputs) -> Request:
        """What to ask for one item."""
        fields = stated_fields(inputs, self.options)
        told = "\n".join(
            f"- {one.name} ({one.type}){f': {one.meaning}' if one.meaning else ''}" for one in fields
        )
        return Request(
            self.lead(
                inputs,
                "You extract data from texts as JSON. You copy what the text says, and write null for what it does not say.",
            ),
            ("Text:\n", f"\n\nFields:\n{told}\n\nReply as a JSON object with exactly these fields."),
            (self.words(inputs),),
            int(self.options.get("max_tokens", 256)),
            schema=schema_of(fields),
        )

    def read(self, inputs: Inputs, reply: Reply) -> dict[str, Any] | Failed:
        """The record, with exactly the fields asked for."""
        record = json_in(reply.text)
        if record is None:
            why = "was cut off: give a larger max_tokens" if not reply.complete else "is no JSON object"
            return Failed(f"The model's reply {why} ({reply.text[:60]!r}).")
        return fitted(record, stated_fields(inputs, self.options))


class TranslationWriter(Writer):
    """Translates, a few sentences at a time, so that nothing of a long text is left out."""

    def call(self, batch: Sequence[Inputs]) -> list[str | Failed]:
        """One text for each item."""
        requests: list[Request] = []
        spans: list[tuple[int, int] | Failed] = []
        for inputs in batch:
            language, source = self.named(inputs, "language"), self.named(inputs, "source")
            if not language:
                why = "No language to translate into is named. Say it: translate {text} into French"
                spans.append(Failed(why))
                continue
            begin = len(requests)
            requests += [
                self.request(part, language, source) for part in parts_of(text_of(inputs.values.get("text")))
            ]
            spans.append((begin, len(requests)))
        replies = self.ask(requests) if requests else []
        if not requests:
            self.last = Tokens()
        return [span if isinstance(span, Failed) else self.whole(replies[slice(*span)]) for span in spans]

    def named(self, inputs: Inputs, which: str) -> str:
        """A language of an item: of a variable, else as the step says it; empty for none."""
        return text_of(inputs.values.get(which) or self.options.get(which) or "").strip()

    def request(self, text: str, language: str, source: str = "") -> Request:
        """What to ask for one part."""
        told = f"You translate {f'from {source} ' if source else ''}into {language}. Reply with the translation only."
        return Request(
            ({"role": "system", "content": told},),
            (f"Translate into {language}:\n\n", ""),
            (text,),
            int(self.options.get("max_tokens") or 0) or max(64, len(text)),
        )

    def whole(self, replies: Sequence[Reply | Failed]) -> str | Failed:
        """The parts as one text; one that failed or was cut off fails the whole, which would lack it."""
        texts: list[str] = []
        for reply in replies:
            if isinstance(reply, Failed):
                return reply
            if not reply.complete:
                return Failed("A part of the translation was cut off. Give a larger max_tokens.")
            if not reply.text:
                return wrote_nothing(reply)
            texts.append(reply.text)
        return "\n".join(texts)


def parts_of(text: str, most: int = PIECE) -> list[str]:
    """Paragraphs or runs of sentences of at most so many characters (a longer sentence stays whole)."""
    parts: list[str] = []
    for paragraph in filter(str.strip, text.split("\n")):
        waiting = ""
        for sentence in split(paragraph):
            if waiting and len(waiting) + len(sentence) + 1 > most:
                parts.append(waiting)
                waiting = ""
            waiting = f"{waiting} {sentence}".strip()
        if waiting:
            parts.append(waiting)
    return parts
