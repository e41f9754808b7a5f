"""Calls of an endpoint over HTTP: retries with jitter, deadlines, answers as they come.

Rules: a call has one deadline, with all its tries. What may pass (408, 409, 425, 429, 5xx, a connection that is lost or
falls silent in the middle of an answer) is tried again, after the time that the server states, else after one that doubles,
with jitter. A server that says 429 or 503 makes every other call of this process wait as well. Giving a call up closes
its connection, by which servers know that nobody waits any more.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.agents.served.reading import json_of
from murakkab_jupyter.agents.served.refusals import (
    Lost,
    Refused,
    distrusted,
    raise_for,
    raise_for_error,
    said_by,
)
from murakkab_jupyter.core.errors import AgentError

if TYPE_CHECKING:
    import httpx2

__all__ = [
    "ATTEMPTS",
    "DEADLINE_S",
    "Caller",
    "body_of",
    "event_of",
    "events_in",
    "object_in",
    "object_of",
    "read_events",
]

ATTEMPTS = 5
DEADLINE_S = 120.0
CONNECT_S = 10.0
SILENCE_S = 60.0
"""How long an answer that has begun may pause."""
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
LARGEST_ANSWER = 16 * 2**20
LARGEST_STREAM = 64 * 2**20
"""Each piece of a stream brings some hundred bytes of its own."""
LONGEST_NAME = 500

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[object]]


class Caller:
    """Calls one endpoint, from one event loop.

    Parameters
    ----------
    endpoint
        Where.
    deadline_s
        Seconds that a call may take, with all its tries.
    attempts
        How often it is tried at most.
    sleep
        Waits between tries.

    Raises
    ------
    AgentError
        When the endpoint names a variable for its key that is not set here, or the key would be sent in the clear.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        deadline_s: float = DEADLINE_S,
        attempts: int = ATTEMPTS,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        if endpoint.key_env and not endpoint.key():
            msg = f"The environment variable {endpoint.key_env} is not set on the host that asks {endpoint.host}."
            raise AgentError(
                msg,
                hint=f"Set {endpoint.key_env} before the workers start; keys are read from the environment only.",
            )
        endpoint.check_key()
        self.endpoint = endpoint
        self.deadline_s = deadline_s
        self.attempts = max(1, attempts)
        self.sleep = sleep
        self.pause_until_s = 0.0
        self.down = False
        """Whether nobody was there at the last of a call's tries: until somebody answers, each call is tried once."""
        self.crowded: Callable[[], None] = lambda: None
        """Told when the server takes no more requests than it has (429), once for each call that it turned away."""
        self._client: httpx2.AsyncClient | None = None

    async def ask(
        self,
        method: str,
        path: str,
        body: object | None,
        read: Callable[[httpx2.Response], Awaitable[T]],
    ) -> T:
        """One call with its tries; `read` makes something of an answer of status 2xx, and may raise `Lost`.

        Raises
        ------
        Refused
            The call came to nothing: refused, never answered, lost too often.
        TooLong
            The model's context is too small for it.
        AgentError
            No other call would fare better: a wrong key, a wrong URL.
        """
        problems: list[str] = []
        try:
            async with asyncio.timeout(self.deadline_s):
                return await self._tries(method, path, body, read, problems)
        except TimeoutError:
            last = f" At its last try it {problems[-1]}." if problems else ""
            msg = f"{self.endpoint.url} gave no whole answer within {self.deadline_s:g} s.{last}"
            advice = "Is the server busy, or stuck? Allow more with timeout=SECONDS."
            raise Refused(msg, advice) from None

    async def _tries(
        self,
        method: str,
        path: str,
        body: object | None,
        read: Callable[[httpx2.Response], Awaitable[T]],
        problems: list[str],
    ) -> T:
        loop = asyncio.get_running_loop()
        attempts = 1 if self.down else self.attempts
        for attempt in range(attempts):
            held_s = self.pause_until_s - loop.time()
            if held_s > 0 and attempt == 0:
                await self.sleep(held_s)
            try:
                made = await self._once(method, path, body, read)
                self.down = False
                return made
            except Lost as lost:
                problems.append(lost.reason)
                if not lost.unreachable:
                    attempts = self.attempts
                if lost.crowded and attempt == 0:
                    self.crowded()
                if attempt + 1 == attempts:
                    self.down = lost.unreachable
                    break
                # Jitter, so that many workers do not come back at once.
                wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret
                if lost.after_s is not None:
                    wait_s = min(LONGEST_WAIT_S, lost.after_s + random.uniform(0.0, 0.1) * lost.after_s)  # noqa: S311 - jitter, no secret
                    self.pause_until_s = max(self.pause_until_s, loop.time() + wait_s)
                await self.sleep(wait_s)
        times = "once" if attempts == 1 else f"{attempts} times"
        msg = f"{self.endpoint.url} {problems[-1]}, {times}."
        raise Refused(msg, "Check the server, then resume the run.")

    async def _once(
        self,
        method: str,
        path: str,
        body: object | None,
        read: Callable[[httpx2.Response], Awaitable[T]],
    ) -> T:
        import httpx2

        headers = {"Content-Type": "application/json"}
        if key := self.endpoint.key():
            headers["Authorization"] = f"Bearer {key}"
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        try:
            async with self.client.stream(
                method, self.endpoint.url + path, content=content, headers=headers
            ) as answer:
                if not answer.is_success:
                    raise_for(self.endpoint, answer.status_code, answer.headers, await head_of(answer, 65536))
                return await read(answer)
        except httpx2.RequestError as error:
            why = said_by(self.endpoint, str(error)) if str(error) else "no reason given"
            if advice := distrusted(why):
                msg = f"{self.endpoint.url} cannot be reached ({why})."
                raise AgentError(msg, hint=advice) from None
            msg = f"cannot be reached, or broke off ({type(error).__name__}: {why})"
            raise Lost(
                msg, unreachable=isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
            ) from None

    @property
    def client(self) -> httpx2.AsyncClient:
        """The connections, opened when first needed."""
        if self._client is None:
            import httpx2

            self._client = httpx2.AsyncClient(
                timeout=httpx2.Timeout(None, connect=CONNECT_S),
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=64),
                # A proxy of the environment never stands between a host and itself; certificates are trusted as of others.
                trust_env=not self.endpoint.loopback,
                verify=httpx2.create_ssl_context() if self.endpoint.url.startswith("https:") else True,
            )
        return self._client

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()


async def head_of(answer: httpx2.Response, most: int) -> bytes:
    """At most so many bytes of an answer's body."""
    raw = b""
    async for part in answer.aiter_bytes():
        raw += part
        if len(raw) >= most:
            break
    return raw[:most]


async def body_of(endpoint: Endpoint, answer: httpx2.Response) -> bytes:
    """An answer's whole body."""
    raw = await head_of(answer, LARGEST_ANSWER + 1)
    if len(raw) > LARGEST_ANSWER:
        msg = f"{endpoint.url} answered more than 16 MiB, which no completion has."
        raise Refused(msg)
    return raw


async def object_of(endpoint: Endpoint, answer: httpx2.Response) -> dict[str, Any]:
    """An answer's whole body as a JSON object."""
    return object_in(endpoint, await body_of(endpoint, answer))


def models_in(found: object) -> tuple[Mapping[str, Any], ...] | None:
    """The models in an answer of `/models`, each with an `id` of its own; some list them bare. None where it is no such list."""
    listed = found.get("data") if isinstance(found, Mapping) else found
    if not isinstance(listed, list) or not all(
        isinstance(one, Mapping) and is_name(one.get("id")) for one in listed
    ):
        return None
    return tuple({one["id"]: one for one in reversed(listed)}.values())[::-1]


def is_name(found: object) -> bool:
    """Whether something can name a model: a line of text that is shown as it is."""
    return isinstance(found, str) and 0 < len(found) <= LONGEST_NAME and found.isprintable()


def events_in(raw: bytes) -> list[str] | None:
    """The data of server-sent events in a body that is not said to be of them; None where it is not."""
    if not raw.lstrip().startswith((b"data:", b"event:", b":")):
        return None
    lines = raw.decode(errors="replace").splitlines()
    return [said for line in lines if line.startswith("data:") and (said := line[5:].strip())]


def object_in(endpoint: Endpoint, raw: bytes) -> dict[str, Any]:
    """A body as a JSON object; raises `Refused` for what is none, and what an error in its place means."""
    try:
        found = json_of(raw)
    except ValueError as error:
        msg = f"{endpoint.url} answered something that is not JSON ({said_by(endpoint, str(error))})."
        raise Refused(msg) from None
    if isinstance(found, list):  # some services list their models so
        return {"data": found}
    if not isinstance(found, dict):
        msg = f"{endpoint.url} answered JSON that is no object."
        raise Refused(msg)
    raise_for_error(endpoint, found)
    return found


async def read_events(
    endpoint: Endpoint, answer: httpx2.Response, take: Callable[[dict[str, Any]], None]
) -> bool:
    """Hand on the objects of a stream of server-sent events, up to `[DONE]` or its end; whether it said `[DONE]`.

    Raises `Lost` when it falls silent or the server reports a failure of its own, `Refused` for what is no JSON,
    and what an error within it means.
    """
    from httpx2 import EventSource

    loop = asyncio.get_running_loop()
    length = 0
    try:
        async with asyncio.timeout(None) as silence:
            async for event in EventSource(answer):
                silence.reschedule(loop.time() + SILENCE_S)
                said = event.data.strip()
                length += len(said)
                if length > LARGEST_STREAM:
                    msg = f"{endpoint.url} went on for more than {LARGEST_STREAM // 2**20} MiB, which no answer has."
                    raise Refused(msg)
                if said == "[DONE]":
                    return True
                if said:  # one without is a sign of life
                    take(event_of(endpoint, said))
    except TimeoutError:
        msg = f"said nothing for {SILENCE_S:g} s in the middle of an answer"
        raise Lost(msg) from None
    return False


def event_of(endpoint: Endpoint, data: str) -> dict[str, Any]:
    """The object of one event; raises `Refused` for what is none, and what an error in its place means."""
    try:
        found = json_of(data)
    except ValueError:
        msg = f"{endpoint.url} sent an event that is not JSON."
        raise Refused(msg) from None
    if not isinstance(found, dict):
        msg = f"{endpoint.url} sent an event that is no object."
        raise Refused(msg)
    raise_for_error(endpoint, found)
    return found
