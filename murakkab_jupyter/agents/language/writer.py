"""What the agents with a language model share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.agents.agent import Agent, Failed, Option, Tokens
from murakkab_jupyter.agents.language.chat import TOO_LONG, Chat, Reply, Request, total, wrote_nothing
from murakkab_jupyter.agents.language.paths import Similar, agreed, similarities, spread

__all__ = ["Opener", "Task", "Writer"]

Opener = Callable[[Mapping[str, Any], int], Chat]
"""`opener(options, cores)` loads a model."""

REPLACED = (
    "Some texts of the model did not stand in the material: sentences of the material are given instead "
    "(grounded=false takes the model's words as they are)."
)
CUT_OFF = "Some answers were cut off at their most tokens. For longer ones give more: max_tokens=N."


@dataclass(frozen=True, slots=True)
class Task:
    """What a language model can do for a step: the suffix of the agents' names, options, and needs beyond the model."""

    suffix: str
    summary: str
    options: tuple[Option, ...]
    modules: tuple[str, ...] = ()
    memory_bytes: int = 450_000_000


class Writer(Agent):
    """An agent over a language model, wherever that runs."""

    def __init__(self, opener: Opener) -> None:
        self.opener = opener
        self.options: Mapping[str, Any] = {}
        self.model: Chat | None = None
        self.last = Tokens()
        self.before: Tokens | None = None
        self.similar: Similar | None = None
        self.cut_off = False
        """Whether a text was given that is cut off."""
        self.extracted = 0
        """Texts that did not stand in the material, and were replaced by sentences of it, since loading."""
        self.extracted_before = 0
        self.said: dict[str, None] = {}
        """What else there is to say of the last call, each thing once."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        """Load the model."""
        self.options = dict(options)
        self.model = self.opener(options, cores)
        self.model.too_long = "fail" if options.get(TOO_LONG.name) == "fail" else "shorten"

    @property
    def chat(self) -> Chat:
        """The model, loaded now if it was not."""
        if self.model is None:
            self.load({}, 1)
        assert self.model is not None
        return self.model

    @property
    def shortened(self) -> int:
        """Requests whose material had to be shortened, since loading."""
        return 0 if self.model is None else self.model.shortened

    def tokens(self) -> Tokens:
        """As the model counted them."""
        return self.last

    def tokens_so_far(self) -> Tokens | None:
        """As the model counts them while it writes."""
        before, now = self.before, None if self.model is None else self.model.spent()
        return None if before is None or now is None else now - before

    def notes(self) -> Sequence[str]:
        """What there is to say of the last call beside its texts, each thing once; the next call begins anew."""
        said = [] if self.model is None else list(self.model.notes)
        if self.model is not None:
            self.model.notes.clear()
        said += [CUT_OFF] if self.cut_off else []
        said += [REPLACED] if self.extracted > self.extracted_before else []
        said += self.said
        self.cut_off, self.extracted_before = False, self.extracted
        self.said.clear()
        return said

    def told_of(self, reply: Reply | Failed) -> str | Failed:
        """The text of a reply; an empty one fails its item, and one that was cut off is told of."""
        if isinstance(reply, Failed):
            return reply
        self.cut_off = self.cut_off or bool(reply.text and not reply.complete)
        return reply.text or wrote_nothing(reply)

    def close(self) -> None:
        """Let go of the model."""
        if self.model is not None:
            self.model.close()
            self.model = None

    def ask(self, requests: Sequence[Request]) -> list[Reply | Failed]:
        """Ask the model, by several paths where that is asked for, and keep count."""
        paths = max(1, int(self.options.get("paths", 1)))
        self.before = before = self.chat.spent()
        try:
            replies = self.chat.complete(spread(requests, paths))
        finally:
            after = self.chat.spent()
            if before is not None and after is not None:
                self.last = after - before
            self.before = None
        if before is None:
            self.last = total(replies)
        if paths == 1:
            return replies
        if self.similar is None:
            self.similar = similarities()
        return [agreed(replies[n : n + paths], self.similar) for n in range(0, len(replies), paths)]
