"""Watching: agents over a served model that sees.

Pictures are sent as JPEG in the request itself (`data:` URLs), made smaller by rule: the longer side has at most `side`
pixels. Of more pictures than `pictures` some are taken at even distances, the first and the last among them. A server that
finds a picture too large gets it at half the side, twice at most; one that takes fewer pictures gets fewer. Each of these is
told to the user.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.agents.agent import Failed, Inputs, Option, Tokens
from murakkab_jupyter.agents.language.chat import Reply, Request
from murakkab_jupyter.agents.language.structured import json_in
from murakkab_jupyter.agents.language.writer import Writer
from murakkab_jupyter.agents.media.pictures import jpeg
from murakkab_jupyter.agents.text.answering import question_of
from murakkab_jupyter.agents.text.material import label_of, pieces
from murakkab_jupyter.core.errors import MurakkabError
from murakkab_jupyter.core.kinds import Answer, Evidence, Frame, Image, origin_of

__all__ = ["SEEING", "Describer", "Shown", "Witness", "shown_in"]

SIDE = 768
PICTURES = 8
SMALLEST_SIDE = 64
FENCE = re.compile(r"\A\s*```\w*\s*")

SIDE_OPTION = Option("side", int, SIDE, help="Pixels of a picture's longer side, at most.", least=1)
PICTURES_OPTION = Option(
    "pictures", int, PICTURES, help="Pictures of one item, at most; of more, some at even distances.", least=1
)
SEEING = (SIDE_OPTION, PICTURES_OPTION)

SMALLER = "Some pictures were sent smaller than they are: their longer side has at most {side} pixels (side=PIXELS)."
HALVED = "The server found some pictures too large; they were sent again at half the size."
LIMITED = "The server takes at most {most} pictures of one item."
FEWER = "Of more than {most} pictures of one item, {most} at even distances were looked at (pictures=N)."

AT_MOST = re.compile(
    r"(?:at most|up to|maximum (?:of|is)|limit (?:of|is)) (\d+) image"
    r"|too many images.{0,60}?(?:at most|up to|max\w*|limit)\D{0,20}(\d+)",
    re.IGNORECASE,
)
"""A server's limit of pictures: vLLM's, and those of services."""
UNSEEING = re.compile(
    r"not a multimodal model|at most 0 image|image input is not supported|does not support (?:image|vision)|content part type|mmproj"
    r"|image_url is only supported|missing data required for image input",
    re.IGNORECASE,
)
"""A server whose model does not see, as vLLM, llama.cpp, LM Studio, OpenAI and Ollama say it."""
BLIND = "This model does not see. Pin one that does, or attach its server: murakkab engine attach URL."

DESCRIBE = "Describe what is shown in one to three plain sentences. Say only what can be seen."
ANSWERED: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "answer": {"type": "string"},
        "pictures": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["answer", "pictures"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture of an item, and what its evidence says: where it lies."""

    picture: Frame | Image
    evidence: Evidence


def shown_in(inputs: Inputs, most: int) -> tuple[list[Shown], bool]:
    """The pictures of an item, at most so many of them at even distances; and whether some were left out."""
    value = inputs.values.get("pictures")
    flat = [one for one in walk(value) if isinstance(one, Frame | Image)]
    chosen = flat if len(flat) <= most else [flat[i] for i in spread(len(flat), most)]
    return [Shown(one, place_of(one)) for one in chosen], len(chosen) < len(flat)


def walk(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [one for part in value for one in walk(part)]
    return [value]


def spread(count: int, most: int) -> list[int]:
    """So many places of a longer list, at even distances, its ends among them."""
    if most == 1:
        return [count // 2]
    return sorted({round(n * (count - 1) / (most - 1)) for n in range(most)})


def place_of(picture: Frame | Image) -> Evidence:
    origin = origin_of(picture)
    assert origin is not None
    return Evidence(origin.source, origin.start_s, origin.end_s)


class Watcher(Writer):
    """What agents that send pictures share."""

    limit: int | None = None
    """Pictures of one item that the server takes at most, where it has said so."""

    def call(self, batch: Sequence[Inputs]) -> list[Any]:
        """One value for each item; those of too many pictures for the server are asked again with fewer."""
        made = self.once(batch)
        limits = {n: limit for n, one in enumerate(made) if (limit := picture_limit(one)) is not None}
        fewest = min(limits.values(), default=0)
        if fewest >= 1 and (self.limit is None or fewest < self.limit):
            self.said.pop(FEWER.format(most=self.most), None)
            self.limit, spent = fewest, self.last
            self.said[LIMITED.format(most=fewest)] = None
            for n, value in zip(limits, self.once([batch[n] for n in limits]), strict=True):
                made[n] = value
            self.last = spent + self.last
        return [
            Failed(f"{one.reason} {BLIND}")
            if isinstance(one, Failed) and UNSEEING.search(one.reason)
            else one
            for one in made
        ]

    def once(self, batch: Sequence[Inputs]) -> list[Any]:
        """One value for each item, in one go."""
        raise NotImplementedError

    @property
    def most(self) -> int:
        """Pictures of one item that are sent, at most."""
        stated = max(1, int(self.options.get("pictures", PICTURES)))
        return stated if self.limit is None else min(stated, self.limit)

    def shown(self, inputs: Inputs) -> list[Shown] | Failed:
        """The pictures of an item."""
        found, left_out = shown_in(inputs, self.most)
        if left_out:
            self.said[FEWER.format(most=self.most)] = None
        return found or Failed("There is no picture to look at.")

    def look(self, asked: Sequence[tuple[Request, Sequence[Shown]]]) -> list[Reply | Failed]:
        """Ask about pictures; those that the server finds too large once more, smaller."""
        replies: list[Reply | Failed] = [Failed("not asked")] * len(asked)
        side = max(SMALLEST_SIDE, int(self.options.get("side", SIDE)))
        waiting = list(range(len(asked)))
        spent = Tokens()
        for _ in range(3):
            ready: list[int] = []
            requests: list[Request] = []
            for index in waiting:
                request, pictures = asked[index]
                made = self.with_pictures(request, pictures, side)
                if isinstance(made, Failed):
                    replies[index] = made
                else:
                    ready.append(index)
                    requests.append(made)
            if requests:  # else `last` is what the batch before it used
                for index, reply in zip(ready, self.ask(requests), strict=True):
                    replies[index] = reply
                spent += self.last
            waiting = [index for index in ready if too_large(replies[index])]
            side //= 2
            if not waiting or side < SMALLEST_SIDE:
                break
            self.said[HALVED] = None
        self.last = spent
        return replies

    def with_pictures(self, request: Request, pictures: Sequence[Shown], side: int) -> Request | Failed:
        """A request with its pictures in it, or why one cannot be read."""
        urls = []
        for one in pictures:
            try:
                data, smaller = jpeg(one.picture, side)
            except MurakkabError as error:
                return Failed(" ".join(error.lines()))
            if smaller:
                self.said[SMALLER.format(side=side)] = None
            urls.append(f"data:image/jpeg;base64,{base64.b64encode(data).decode()}")
        return Request(
            request.lead,
            request.frame,
            request.parts,
            request.max_tokens,
            request.temperature,
            request.seed,
            tuple(urls),
            request.schema,
        )

    def request(self, inputs: Inputs, instruction: str, schema: Mapping[str, Any] | None = None) -> Request:
        """What to ask, with the words that the item brings beside its pictures."""
        beside: dict[str, list[str]] = {}
        for piece in pieces(inputs, "context"):
            beside.setdefault(piece.name, []).append(piece.text)
        frame = [
            f"{label_of(name)}:\n" if n == 0 else f"\n\n{label_of(name)}:\n" for n, name in enumerate(beside)
        ]
        frame.append(f"\n\n{instruction}" if frame else instruction)
        parts = tuple("\n".join(texts) for texts in beside.values())
        tokens = int(self.options.get("max_tokens", 160))
        return Request(
            (), tuple(frame), parts, tokens, float(self.options.get("temperature", 0.0)), schema=schema
        )


def picture_limit(made: Any) -> int | None:
    """How many pictures a server takes at most, where an item failed for that; None where it did not."""
    found = AT_MOST.search(made.reason) if isinstance(made, Failed) else None
    return int(found[1] or found[2]) if found else None


def too_large(reply: Reply | Failed) -> bool:
    """Whether a server refused pictures for their size."""
    if isinstance(reply, Reply):
        return False
    said = reply.reason.lower()
    return "answered 413" in said or ("image" in said and ("too large" in said or "exceed" in said))


class Describer(Watcher):
    """Says what pictures show."""

    def once(self, batch: Sequence[Inputs]) -> list[str | Failed]:
        """One description for each item."""
        made: list[str | Failed | None] = []
        asked = []
        for inputs in batch:
            shown = self.shown(inputs)
            made.append(shown if isinstance(shown, Failed) else None)
            if not isinstance(shown, Failed):
                asked.append((self.request(inputs, (inputs.prompt or DESCRIBE).strip()), shown))
        replies = iter(self.look(asked))
        return [one if one is not None else self.told_of(next(replies)) for one in made]


class Witness(Watcher):
    """Answers questions from pictures, and says which of them show it."""

    def once(self, batch: Sequence[Inputs]) -> list[Answer | Failed]:
        """One answer for each item."""
        made: list[Failed | Sequence[Shown]] = []
        asked = []
        for inputs in batch:
            question = question_of(inputs)
            shown = question if isinstance(question, Failed) else self.shown(inputs)
            made.append(shown)
            if not isinstance(shown, Failed):
                asked.append(
                    (self.request(inputs, asking(str(question), inputs, len(shown)), ANSWERED), shown)
                )
        replies = iter(self.look(asked))
        return [one if isinstance(one, Failed) else self.answered(next(replies), one) for one in made]

    def answered(self, reply: Reply | Failed, shown: Sequence[Shown]) -> Answer | Failed:
        """The answer, with the pictures that the model names as evidence; all of them where it names none that is there."""
        said = self.told_of(reply)
        if isinstance(said, Failed):
            return said
        named: list[int] = []
        found = json_in(said)
        if FENCE.sub("", said).startswith("{") or (found is not None and "answer" in found):
            if found is None:
                cut = isinstance(reply, Reply) and not reply.complete
                why = "was cut off: give a larger max_tokens" if cut else "is no JSON object"
                return Failed(f"The model's reply {why} ({said[:60]!r}).")
            answer, pictures = found.get("answer"), found.get("pictures")
            if isinstance(answer, int | float) and not isinstance(answer, bool):
                answer = str(answer)  # how many?
            if not isinstance(answer, str) or not answer.strip():
                return Failed(f"The model's reply holds no answer ({said[:60]!r}).")
            said = answer.strip()
            named = [one for one in pictures if type(one) is int] if isinstance(pictures, list) else []
        # Else a server that does not keep to schemas: its words are the answer.
        evidence = [shown[n - 1].evidence for n in dict.fromkeys(named) if 1 <= n <= len(shown)]
        return Answer(said, tuple(evidence or [one.evidence for one in shown]))


def asking(question: str, inputs: Inputs, count: int) -> str:
    """The instruction for a question."""
    lead = (inputs.prompt or "Answer the question in one short sentence from the pictures alone.").strip()
    which = f"The pictures are numbered from 1 to {count} in their order. " if count > 1 else ""
    return (
        f"{lead}\nQuestion: {question}\n{which}"
        'Reply as JSON: {"answer": the answer, "pictures": the numbers of the pictures that show it}.'
    )
