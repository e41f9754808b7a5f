"""An endpoint: a served model that speaks the OpenAI API, as plain data.

Whoever attaches or starts a server makes one of these and hands it to `murakkab_jupyter.agents.served.serving.register_endpoint`,
which turns it into agents. It holds the name of an environment variable, never a key.

A key goes only to the server it was meant for: the one whose endpoint names its variable, or the one it was typed in for.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from murakkab_jupyter.core.errors import AgentError
from murakkab_jupyter.core.redact import key_like

__all__ = [
    "KEY",
    "OWN_KEY",
    "TYPED",
    "Ability",
    "Endpoint",
    "checked_url",
    "key_problem",
    "name_problem",
    "url_problem",
]

KEY = "MURAKKAB_API_KEY"
"""What people often call the variable with their key. It is sent nowhere unless it is named for a server, as any other."""
TYPED = "MURAKKAB_KEY_"
"""How variables begin that hold keys which were typed in."""
OWN_KEY = "OPENAI_API_KEY"
"""Used for api.openai.com alone, so that it is never sent to somebody else."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
KEY_AGAIN = "Copy it once more: most keys are one line of letters and digits."
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - read, not bound
"""Addresses that a server listens on for everybody, and where it is found on its own host."""

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
        Environment variable that holds the key, in the process that asks. None for no key but one that was typed in
        for this very server (and `OPENAI_API_KEY` for api.openai.com alone).
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
    key_over_http
        Whether the user agrees that the key is sent without encryption, where anybody on the way can read it.
    vectors_model
        Name there of the model that makes vectors, where another one than `model` does.

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
    key_over_http: bool = False
    vectors_model: str = ""

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
        if self.host in LOOPBACK:
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def typed_key(self) -> str:
        """Environment variable for a key that is typed in for this server: no other server's has that name."""
        parts = urlsplit(self.url)
        origin = f"{parts.scheme}://{parts.netloc.lower()}"
        plain = re.sub(r"[^A-Z0-9]+", "_", parts.netloc.upper()).strip("_")
        return f"{TYPED}{plain}_{hashlib.sha256(origin.encode()).hexdigest()[:8].upper()}"

    @property
    def key_names(self) -> tuple[str, ...]:
        """Environment variables that may hold the key, in order."""
        if self.key_env:
            return (self.key_env,)
        return (self.typed_key, OWN_KEY) if self.host == "api.openai.com" else (self.typed_key,)

    def key(self) -> str:
        """The key, read from the environment when it is needed and kept nowhere; empty without one."""
        return next((value for name in self.key_names if (value := os.environ.get(name, "").strip())), "")

    def check_key(self, *, wanted: bool = False) -> None:
        """Refuse to send a key (one that is set, or one that is `wanted`) where others could read it, or one that cannot be.

        Raises `AgentError`.
        """
        if problem := key_problem(self.key()):
            raise AgentError(problem, hint=KEY_AGAIN)
        if self.url.startswith("https:") or self.loopback or self.key_over_http:
            return
        if wanted or self.key():
            msg = f"{self.url} is plain http: a key sent there can be read on the way."
            port = urlsplit(self.url).port or 80
            tunnel = f"ssh -L {port}:localhost:{port} {self.host}"
            hint = (
                f"Use https, or a tunnel ({tunnel}, then http://localhost:{port}). If the network is yours alone, say so: "
                "--key-over-http (in a pin: key_over_http=true)."
            )
            raise AgentError(msg, hint=hint)

    @property
    def key_advice(self) -> str:
        """What to do about a key that is missing or refused, in one sentence."""
        if self.key_env:
            return f"Set a valid key in the environment variable {self.key_env} of the process that asks (of workers, too)."
        named = f" {KEY} is set, and goes only where it is named." if os.environ.get(KEY) else ""
        return (
            f"Name the environment variable that holds its key: --key-env VAR (in a pin: key_env=VAR).{named}"
        )

    @property
    def curve(self) -> str:
        """What its curve of speed is kept under."""
        return f"{self.known_as or self.url} {self.model}".strip()

    @property
    def for_vectors(self) -> Endpoint:
        """The endpoint of the model that makes vectors."""
        if not self.vectors_model:
            return self
        # The limits are those of the model that chats.
        return replace(self, model=self.vectors_model, vectors_model="", context_tokens=None)

    def slug(self) -> str:
        """A name for its agents, of the model or else the host, in kebab case."""
        stem = self.model.rpartition("/")[2] or urlsplit(self.url).netloc
        return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")


def checked_url(url: str) -> str:
    """A base URL without the path of a call; raises `AgentError` that says what is wrong with it.

    That is another scheme than http or https, no host, or a user, a password or a query within.
    """
    bare = url.strip().rstrip("/")
    for path in ("/chat/completions", "/embeddings", "/models"):  # people paste what they asked last
        bare = bare.removesuffix(path)
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
        meant = f"http://{bare}" if re.fullmatch(r"[\w.-]+(?::\d+)?(?:/[\w./-]*)?", bare) else ""
        raise AgentError(
            msg, hint=f"Did you mean {meant}?" if meant else "For example http://localhost:8000/v1"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        msg = "The URL of a model server may not hold a user, a password or a query."
        raise AgentError(msg, hint="Keys belong into the environment, never into a workflow.")
    netloc = parts.netloc.lower()
    for anywhere, here in EVERYWHERE.items():
        # Servers print where they listen, and people paste that.
        if parts.hostname == anywhere.strip("[]"):
            netloc = netloc.replace(anywhere, here, 1)
    return f"{parts.scheme}://{netloc}{parts.path}"


def url_problem(value: object) -> str:
    """What is wrong with a base URL, in a sentence that does not hold it; empty when nothing is."""
    try:
        checked_url(str(value))
    except AgentError as error:
        return f"{error.message} {error.hint}"
    return ""


def key_problem(key: str) -> str:
    """Why a text cannot be sent as a key, in a sentence that does not hold it; empty where it can.

    Whoever sends headers would refuse it too, and repeat it in doing so.
    """
    if key.isascii() and key.isprintable():
        return ""
    return "The key holds a line break, or a character that no header of a request can carry."


def name_problem(value: object) -> str:
    """Why a text is no name of an environment variable, in a sentence that does not hold it: people put the key itself there.

    Many keys could be names; one that looks like a key is taken for a name only where a variable is called so.
    """
    name = str(value)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return "This is no name of an environment variable. The key itself belongs into the environment."
    if name not in os.environ and not name.startswith(TYPED) and key_like(name):
        return "This looks like a key, and no environment variable is called so. The key itself belongs into the environment."
    return ""
