"""An endpoint: a served model that speaks the OpenAI API, as plain data.

Whoever attaches or starts a server makes one of these and hands it to `murakkab_jupyter.agents.served.serving.register_endpoint`,
which turns it into agents. It holds the name of an environment variable, never a key.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from murakkab_jupyter.core.errors import AgentError

__all__ = ["KEY", "OWN_KEY", "Ability", "Endpoint", "checked_url", "name_problem", "url_problem"]

KEY = "MURAKKAB_API_KEY"
"""Environment variable that holds the key, unless another is named."""
OWN_KEY = "OPENAI_API_KEY"
"""Used for api.openai.com alone, so that it is never sent to somebody else."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

Ability = Literal["chat", "images", "embeddings"]
"""What a served model can do: chat, chat about pictures, turn texts into vectors."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is served, and what is known of it.

    Attributes
    ----------
    url
        Base URL, e.g. `http://localhost:8000/v1`: it ends before `/chat/completions`.
    model
        Its name there; empty where the server has only one.
    key_env
        Environment variable that holds the key, in the process that asks; None for `MURAKKAB_API_KEY` (and
        `OPENAI_API_KEY` for api.openai.com alone).
    max_in_flight
        Requests the server works on at once (vLLM: `--max-num-seqs`); None when unknown.
    context_tokens
        Tokens that fit, question and answer together (vLLM: `max_model_len`); None when unknown.
    kind
        What serves: `openai` for anything that speaks the API, `vllm` where that is known.
    abilities
        What the model can do.
    known_as
        What its curve of speed is kept under, for servers that come back at another port; the URL when empty.

    Raises
    ------
    AgentError
        When the URL is no base URL, or holds a secret; when `key_env` is no name; when a limit is not above 0.
    """

    url: str
    model: str
    key_env: str | None = None
    max_in_flight: int | None = None
    context_tokens: int | None = None
    kind: str = "openai"
    abilities: frozenset[Ability] = frozenset({"chat"})
    known_as: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", checked_url(self.url))
        if self.key_env is not None and (problem := name_problem(self.key_env)):
            raise AgentError(problem, hint="Give the variable's name: key_env=MY_KEY.")
        for name in ("max_in_flight", "context_tokens"):
            limit = getattr(self, name)
            if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
                msg = f"{name} is a whole number from 1, not {limit!r}."
                raise AgentError(msg, hint="Leave it out where it is unknown.")

    @property
    def host(self) -> str:
        """Name of the host that serves."""
        return urlsplit(self.url).hostname or ""

    @property
    def root(self) -> str:
        """The server itself, without `/v1`: where vLLM has `/metrics` and `/health`."""
        return self.url.removesuffix("/v1")

    @property
    def loopback(self) -> bool:
        """Whether it is served on this very host."""
        return self.host in LOOPBACK

    @property
    def key_names(self) -> tuple[str, ...]:
        """Environment variables that may hold the key, in order."""
        if self.key_env:
            return (self.key_env,)
        return (KEY, OWN_KEY) if self.host == "api.openai.com" else (KEY,)

    def key(self) -> str:
        """The key, read from the environment when it is needed and kept nowhere; empty without one."""
        return next((value for name in self.key_names if (value := os.environ.get(name, "").strip())), "")

    @property
    def curve(self) -> str:
        """What its curve of speed is kept under."""
        return f"{self.known_as or self.url} {self.model}".strip()

    def slug(self) -> str:
        """A name for its agents, of the model or else the host, in kebab case."""
        stem = self.model.rpartition("/")[2] or urlsplit(self.url).netloc
        return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")


def checked_url(url: str) -> str:
    """A base URL, or an error that says what is wrong with it."""
    bare = url.strip().rstrip("/").removesuffix("/chat/completions")
    try:
        parts = urlsplit(bare)
        good = (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        good = False
    if not good:
        msg = "A model server's URL starts with http:// or https:// and names a host."
        raise AgentError(msg, hint="For example url=http://localhost:8000/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        msg = "The URL of a model server may not hold a user, a password or a query."
        raise AgentError(msg, hint="Keys belong into the environment, never into a workflow.")
    return bare


def url_problem(value: object) -> str:
    """What is wrong with a base URL, in a sentence that does not hold it; empty when nothing is."""
    try:
        checked_url(str(value))
    except AgentError as error:
        return f"{error.message} {error.hint}"
    return ""


def name_problem(value: object) -> str:
    """Whether a text cannot name an environment variable: people put the key itself there."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(value)):
        return ""
    return "This is no name of an environment variable. The key itself belongs into the environment."
