"""Agents of an endpoint: one for each capability that its model can serve, and those that ask whatever a step pins."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Needs, Option
from murakkab_jupyter.agents.language.chat import TOO_LONG, Chat
from murakkab_jupyter.agents.language.writing import TASKS, Writer, writer_of
from murakkab_jupyter.agents.library import Library, default_library
from murakkab_jupyter.agents.media.pictures import READING
from murakkab_jupyter.agents.served.calls import DEADLINE_S
from murakkab_jupyter.agents.served.endpoint import Ability, Endpoint, name_problem, url_problem
from murakkab_jupyter.agents.served.openai import IN_FLIGHT, OpenAIChat
from murakkab_jupyter.agents.served.vectors import ServedVectors
from murakkab_jupyter.agents.served.watching import SEEING, Describer, Witness
from murakkab_jupyter.agents.text.search import TOP_K
from murakkab_jupyter.core.errors import AgentError, UsageError

__all__ = ["EndpointWriter", "in_flight", "register", "register_endpoint", "register_openai"]

VERSION = "3"
SEEING_VERSION = f"{VERSION}+{READING}"
MOST_IN_FLIGHT = 64
"""In flight where the server does not say how many it works on at once."""
BATCHES = 4
"""A call may hold so many times the requests in flight: the fewer calls, the less often the server runs empty."""
MEMORY_BYTES = 150_000_000

URL = Option(
    "url",
    str,
    "",
    help="Base URL of the server, e.g. http://localhost:8000/v1.",
    required=True,
    check=url_problem,
)
MODEL = Option("model", str, "", help="Name of the model; may be left out where the server has only one.")
KEY_ENV = Option(
    "key_env",
    str,
    "",
    help="Environment variable that holds its key.",
    check=name_problem,
)
KEY_OVER_HTTP = Option(
    "key_over_http", bool, False, help="Send the key also without encryption, where others can read it."
)
TIMEOUT = Option("timeout", float, DEADLINE_S, help="Seconds that an answer may take, with all its tries.")


CHAT: frozenset[Ability] = frozenset({"chat"})
SEEING_TASK = (Option("max_tokens", int, 160, help="Most tokens to write.", least=1), *SEEING)
SEEING_AGENTS: Mapping[str, tuple[str, str, type[Writer]]] = {
    "visual-description": ("-eyes", "Says what pictures show", Describer),
    "visual-question-answering": ("-eyes-qa", "Answers from pictures", Witness),
}
VECTOR_AGENTS: Mapping[str, tuple[str, str, tuple[Option, ...]]] = {
    "embedding": ("-vectors", "Turns texts into vectors", ()),
    "retrieval": ("-search", "Finds passages by their vectors", (TOP_K,)),
}


def in_flight(most: int | None) -> Option:
    """The lever: how many requests an instance has in flight."""
    top = most or MOST_IN_FLIGHT
    steps = [2**n for n in range(top.bit_length()) if 2**n <= top]
    choices = tuple(steps if steps[-1] == top else [*steps, top])
    return Option(
        "in_flight",
        int,
        min(IN_FLIGHT, top),
        choices,
        lever=True,
        help="Requests in flight at once.",
    )


@dataclass(frozen=True)
class EndpointWriter:
    """Makes, in the instance's process, an agent of one capability for a served model. Holds no key."""

    capability: str
    endpoint: Endpoint | None = None

    def __call__(self) -> Agent:
        """The agent."""
        if self.capability in SEEING_AGENTS:
            return SEEING_AGENTS[self.capability][2](self.open)
        return writer_of(self.capability, self.open)

    def open(self, options: Mapping[str, Any], cores: int) -> Chat:
        """The model."""
        return chat_of(self.endpoint, options)


def chat_of(endpoint: Endpoint | None, options: Mapping[str, Any]) -> OpenAIChat:
    """The model of an endpoint, or of the one that options name; what it serves is asked once."""
    chat = OpenAIChat(
        endpoint_of(endpoint, options),
        in_flight=int(options.get("in_flight") or IN_FLIGHT),
        deadline_s=float(options.get("timeout") or DEADLINE_S),
    )
    if chat.endpoint.model and chat.endpoint.kind == "openai":
        chat.probe_or_close()
    return chat


def endpoint_of(endpoint: Endpoint | None, options: Mapping[str, Any]) -> Endpoint:
    """An endpoint, with what a step pins on top of it; raises `AgentError` where neither names a server."""
    if endpoint is not None:
        return endpoint
    url = str(options.get("url") or "")
    if not url:
        msg = "No server is named."
        raise AgentError(msg, hint="Pin it in the step: @openai url=http://localhost:8000/v1 model=NAME")
    return Endpoint(
        url,
        str(options.get("model") or ""),
        str(options.get("key_env") or "") or None,
        key_over_http=bool(options.get("key_over_http")),
    )


def endpoint_behind(spec: AgentSpec) -> Endpoint:
    """The endpoint that an agent asks; raises `UsageError` for one that asks none, or only what a step pins."""
    found = getattr(spec.factory, "endpoint", None)
    if isinstance(found, Endpoint):
        return found
    msg = f"{spec.name} has no server of its own to measure."
    raise UsageError(msg, hint="Give the server's URL: murakkab profile engine http://localhost:8000/v1")


def specs_of(endpoint: Endpoint, called: str, timeout_s: float) -> list[AgentSpec]:
    """The agents of an endpoint: of each ability, those of the capabilities that it serves."""
    lever = in_flight(endpoint.max_in_flight)
    shared = (lever, TOO_LONG, replace(TIMEOUT, default=timeout_s))

    def spec(
        capability: str, suffix: str, summary: str, factory: Callable[[], Agent], task: tuple[Option, ...],
        modules: tuple[str, ...] = (), asked: Endpoint = endpoint, version: str = VERSION,
    ) -> AgentSpec:  # fmt: skip
        return AgentSpec(
            name=f"{called}{suffix}",
            version=f"{version}-{asked.model or asked.url}",
            capability=capability,
            summary=f"{summary} with {asked.model or 'the model'} at {asked.url}.",
            factory=factory,
            options=(*task, *shared),
            needs=Needs(modules=("httpx2", *modules), memory_bytes=MEMORY_BYTES),
            max_batch=BATCHES * lever.choices[-1],
            remote=True,
            url=asked.url,
            curve=asked.curve,
        )

    made: list[AgentSpec] = []
    if "chat" in endpoint.abilities:
        made += [
            spec(name, task.suffix, task.summary, EndpointWriter(name, endpoint), task.options, task.modules)
            for name, task in TASKS.items()
        ]
    if "images" in endpoint.abilities:
        made += [
            spec(
                name,
                suffix,
                summary,
                EndpointWriter(name, endpoint),
                SEEING_TASK,
                ("PIL", "av"),
                version=SEEING_VERSION,
            )
            for name, (suffix, summary, _) in SEEING_AGENTS.items()
        ]
    if "embeddings" in endpoint.abilities:
        vectors = endpoint.for_vectors
        made += [
            spec(name, suffix, summary, ServedVectors(name, vectors, timeout_s), options, asked=vectors)
            for name, (suffix, summary, options) in VECTOR_AGENTS.items()
        ]
    return made


def register_endpoint(
    endpoint: Endpoint,
    name: str | None = None,
    *,
    timeout_s: float = DEADLINE_S,
    library: Library | None = None,
) -> tuple[AgentSpec, ...]:
    """Let a served model do whatever steps its abilities allow.

    Parameters
    ----------
    endpoint
        Where it is, and what it can do.
    name
        What pins call it; made of the model's name or the host by default. Its agents for other capabilities than
        `text-generation` have a suffix: `NAME-summary`, `NAME-qa`, `NAME-eyes`, `NAME-eyes-qa`, `NAME-vectors`,
        `NAME-search`.
    timeout_s
        Seconds an answer may take, with all its tries.
    library
        Where to register; the default library if None.

    Returns
    -------
    tuple of AgentSpec
        The agents, one for each capability. Their quality is unknown until a pilot or a label says it.
    """
    into = library if library is not None else default_library()
    offered = {capability.name for capability in into.capabilities()}
    made = [
        spec for spec in specs_of(endpoint, name or endpoint.slug(), timeout_s) if spec.capability in offered
    ]
    for spec in made:
        into.add_agent(spec, replace=True)
    return tuple(made)


def register_openai(
    url: str,
    model: str = "",
    name: str | None = None,
    *,
    key_env: str = "",
    key_over_http: bool = False,
    abilities: Collection[Ability] = CHAT,
    timeout_s: float = DEADLINE_S,
    library: Library | None = None,
) -> tuple[AgentSpec, ...]:
    """Let a served model write, summarise and answer: one line in a notebook.

    Parameters
    ----------
    url
        Base URL, e.g. `http://localhost:8000/v1`.
    model
        Its name there; may be left out where the server has only one.
    name, timeout_s, library
        As of `register_endpoint`.
    key_env
        Environment variable that holds its key, on the workers; a key goes nowhere but where it is named
        (and `OPENAI_API_KEY` to api.openai.com).
    key_over_http
        Whether the key may be sent without encryption.
    abilities
        What the model can do: `chat`; `images` when it sees; `embeddings`.

    Returns
    -------
    tuple of AgentSpec
        The agents, one for each capability.
    """
    endpoint = Endpoint(
        url, model, key_env or None, abilities=frozenset(abilities), key_over_http=key_over_http
    )
    return register_endpoint(endpoint, name, timeout_s=timeout_s, library=library)


def register(library: Library) -> None:
    """Register agents that ask whatever server a step pins."""
    lever = in_flight(None)
    pinned = (URL, MODEL, KEY_ENV, KEY_OVER_HTTP, TIMEOUT, TOO_LONG, lever)
    rows = [(name, task.suffix, task.summary, task.options, task.modules) for name, task in TASKS.items()]
    rows += [
        (name, suffix, summary, SEEING_TASK, ("PIL", "av"))
        for name, (suffix, summary, _) in SEEING_AGENTS.items()
    ]
    for capability, suffix, summary, options, modules in rows:
        library.add_agent(
            AgentSpec(
                name=f"openai{suffix}",
                version=SEEING_VERSION if capability in SEEING_AGENTS else VERSION,
                capability=capability,
                summary=f"{summary} with a served model that the step pins: url=URL model=NAME (OpenAI API).",
                factory=EndpointWriter(capability),
                options=(*options, *pinned),
                needs=Needs(modules=("httpx2", *modules), memory_bytes=MEMORY_BYTES),
                max_batch=BATCHES * MOST_IN_FLIGHT,
                remote=True,
                fixture="Needs a server: pin it with url=URL, or call register_openai(URL).",
            )
        )
