"""What a model server's refusals mean: try again, not this item, or nothing at all."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from murakkab_jupyter.agents.language.chat import TooLong
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.agents.served.reading import json_of, plain
from murakkab_jupyter.core.errors import AgentError

__all__ = [
    "Lost",
    "Refused",
    "after_s",
    "distrusted",
    "message_in",
    "raise_for",
    "raise_for_error",
    "said_by",
    "said_in",
    "without_markup",
]

AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses that may pass."""
COUNTED = (
    # vLLM's since 0.11, vLLM's before that and OpenAI's, llama.cpp's, those of text-embeddings-inference and of Anthropic
    re.compile(
        r"maximum context length is (?P<fits>\d+) tokens.*?contains (?P<least>at least )?(?P<has>\d+) input tokens"
    ),
    re.compile(
        r"maximum context length is (?P<fits>\d+) tokens.*?(?:resulted in|you requested|has) (?:about )?(?P<has>\d+) tokens"
    ),
    re.compile(
        r"request \((?P<has>\d+) tokens\) exceeds the available context size \((?P<fits>\d+) tokens\)"
    ),
    re.compile(r"must have less than (?P<fits>\d+) tokens\. Given: (?P<has>\d+)"),
    re.compile(r"prompt is too long: (?P<has>\d+) tokens > (?P<fits>\d+) maximum"),
    # vLLM's of pictures and words together
    re.compile(
        r"prompt \((?:total )?length (?P<has>\d+)\) is .{0,40}(?:context length|maximum model length of) (?P<fits>\d+)"
    ),
)
LIMIT = re.compile(r"(?:maximum context length is|`max_new_tokens` must be <=) (\d+)")
TOO_LONG = re.compile(
    r"context.{0,10}(?:length|size|window)|(?:prompt|input|message)s?.{0,40}too long|exceeds.{0,60}(?:context|token)"
    # llama.cpp's of a text to embed, text-embeddings-inference's, text-generation-inference's
    r"|longer than the maximum model length|input.{0,30}too large to process|must have less than \d+ tokens|`max_new_tokens` must be <="
)
LENGTHS = frozenset({400, 413, 422, 500})
"""Statuses that servers give to what is too long."""
UNPAID = re.compile(rb"insufficient_quota|exceeded your current quota|insufficient balance", re.IGNORECASE)
SHAPE = re.compile(
    r"response_format|Input should be|[Ee]xtra inputs are not permitted"
    # llama.cpp's and Ollama's of pictures, for a model that does not see
    r"|image input is not supported|[Uu]nsupported content part type|missing data required for image input"
)
"""A request that a server does not understand: it will not understand it later, whatever the status."""


class Lost(Exception):  # noqa: N818 - not a fault: the call is tried again
    """A call that came to nothing and may be tried again, after so many seconds where the server says so.

    `crowded`: the server takes no more requests than it has; `unreachable`: nobody was there.
    """

    def __init__(
        self, reason: str, after_s: float | None = None, *, crowded: bool = False, unreachable: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after_s = after_s
        self.crowded = crowded
        self.unreachable = unreachable


class Refused(Exception):  # noqa: N818 - an item's failure, told as one
    """A call that no retry helps; other items may fare better. `advice` is what to do about it, in a run."""

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice

    @property
    def reason(self) -> str:
        """What happened, and what to do about it."""
        return f"{self.what} {self.advice}".rstrip()


def raise_for(endpoint: Endpoint, status: int, headers: Mapping[str, str], raw: bytes) -> None:
    """Raise what a status means: `Lost`, `Refused`, `TooLong`, or `AgentError` where nothing at all can be asked.

    Parameters
    ----------
    endpoint
        Who answered; its key is left out of what is said.
    status, headers, raw
        The answer, and the beginning of its body.
    """
    if 200 <= status < 300:
        return
    said = message_in(endpoint, raw)
    where = f"{endpoint.url} answered {status}"
    if status in LENGTHS and TOO_LONG.search(said):
        raise too_long(said)
    if status == 402 or (status in {403, 429} and UNPAID.search(raw)):
        # Told as a limit that passes by some, it passes when somebody pays.
        msg = f"{where}: {said}."
        raise AgentError(msg, hint="Look at the account's balance and limits, then resume the run.")
    if status in AGAIN and not (status == 500 and SHAPE.search(said)):
        msg = f"answered {status} ({said})"
        raise Lost(msg, after_s(headers.get("retry-after")), crowded=status == 429)
    if status in {401, 403}:
        msg = f"{where}: {said}."
        raise AgentError(msg, hint=endpoint.key_advice)
    if status == 404:
        msg = f"{where}: {said}."
        raise AgentError(
            msg, hint="The URL ends before /chat/completions (often in /v1); check the model's name too."
        )
    if 300 <= status < 400:
        msg = f"{where}, a redirect, which is not followed: it would carry the key to another host."
        raise AgentError(msg, hint="Give the final URL.")
    msg = f"{where}: {said}."
    raise Refused(msg)


def distrusted(said: str) -> str:
    """What to do where a server's certificate is not trusted, as the reason that was given tells; empty for another reason."""
    if "CERTIFICATE_VERIFY_FAILED" not in said:
        return ""
    return (
        "This host does not trust its certificate. Of an authority of your own, name the file of certificates in "
        "SSL_CERT_FILE, before the kernel (and workers) start."
    )


def too_long(said: str) -> TooLong:
    """A refusal for length, with the counts that it states."""
    for pattern in COUNTED:
        if found := pattern.search(said):
            # "At least": the server stopped counting.
            whole = None if found.groupdict().get("least") else int(found["has"])
            return TooLong(whole, int(found["fits"]))
    limit = LIMIT.search(said)
    return TooLong(None, int(limit[1]) if limit else None)


def raise_for_error(endpoint: Endpoint, found: Mapping[str, Any]) -> None:
    """Raise what an error in place of an answer means, or of the rest of one, where the status said that all is well.

    Without a status of its own it is a failure of the server's, which may pass.
    """
    error = found.get("error")
    if not error:
        return
    stated = (
        [error.get(key) for key in ("code", "status", "status_code")] if isinstance(error, Mapping) else []
    )
    status = next((int(str(one)) for one in stated if re.fullmatch(r"[45]\d\d", str(one))), None)
    if status is not None:
        raise_for(endpoint, status, {}, json.dumps(found).encode())
    said = said_by(endpoint, found)
    if TOO_LONG.search(said):
        raise too_long(said)
    msg = f"failed in the middle of an answer ({said})"
    raise Lost(msg)


def message_in(endpoint: Endpoint, raw: bytes) -> str:
    """What a server says went wrong, in one line."""
    return said_in(raw.decode(errors="replace"), endpoint.key())


def without_markup(text: str) -> str:
    """A text; of a web page its title, or that it is one."""
    if not re.match(r"\s*<(?:!doctype|html|head|body)\b", text, re.IGNORECASE):
        return text
    title = re.search(r"<title>([^<]*)", text, re.IGNORECASE)
    return f"a web page ({title[1].strip()})" if title and title[1].strip() else "a web page"


def said_by(endpoint: Endpoint, found: Any) -> str:
    """The message in an error's JSON, or a text, in one line and without the endpoint's key."""
    return said_in(found, endpoint.key())


def said_in(found: Any, key: str) -> str:
    """The message in an error's JSON (an object, or the text of one), or a text, in one line and without a key."""
    if isinstance(found, str):
        with suppress(ValueError):
            read = json_of(found)
            found = read if isinstance(read, Mapping) else found
    if isinstance(found, Mapping):
        error = found.get("error", found)
        found = (
            (error.get("message") or error.get("detail") or error) if isinstance(error, Mapping) else error
        )
    text = without_markup(str(found))
    if key:  # before the cut, which could leave a part of it
        text = text.replace(key, "***")
    return plain(text, 400).rstrip(".") or "without a reason"


def after_s(stated: str | None) -> float | None:
    """Seconds of a Retry-After header, which may be a date; None where it is neither."""
    if not stated:
        return None
    try:
        seconds = float(stated)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(stated).timestamp() - time.time()
        except (ValueError, TypeError):
            return None
        return max(0.0, seconds)
    return seconds if seconds >= 0 else None
