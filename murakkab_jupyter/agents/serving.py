"""Agents of an endpoint: one for each capability that its model can serve."""

from __future__ import annotations

from murakkab_jupyter.agents.agent import AgentSpec, Needs
from murakkab_jupyter.agents.endpoint import Endpoint
from murakkab_jupyter.agents.library import Library, default_library
from murakkab_jupyter.agents.openai import PARALLEL, VERSION, OpenAIWriter
from murakkab_jupyter.agents.writing import TASKS

__all__ = ["register_endpoint"]


def register_endpoint(
    endpoint: Endpoint, name: str | None = None, *, timeout_s: float = 120.0, library: Library | None = None
) -> tuple[AgentSpec, ...]:
    """Let a served model do whatever steps its abilities allow.

    Parameters
    ----------
    endpoint
        Where it is, and what it can do.
    name
        What pins call it; made of the model's name or the host by default. Its agents for other capabilities than
        `text-generation` have a suffix: `NAME-summary`, `NAME-qa`.
    timeout_s
        Seconds to wait for an answer.
    library
        Where to register; the default library if None.

    Returns
    -------
    tuple of AgentSpec
        The agents, one for each capability. Their quality is unknown until a pilot or a label says it.
    """
    called = name or endpoint.slug()
    into = library if library is not None else default_library()
    made = []
    for capability, task in TASKS.items():
        spec = AgentSpec(
            name=f"{called}{task.suffix}",
            version=f"{VERSION}-{endpoint.model or endpoint.url}",
            capability=capability,
            summary=f"{task.summary} with {endpoint.model or 'the model'} at {endpoint.url}.",
            factory=OpenAIWriter(capability, endpoint.url, endpoint.model, endpoint.key_env or "", timeout_s),
            options=task.options,
            needs=Needs(modules=task.modules, memory_bytes=150_000_000),
            max_batch=PARALLEL,
            remote=True,
            url=endpoint.url,
        )
        into.add_agent(spec, replace=True)
        made.append(spec)
    return tuple(made)
