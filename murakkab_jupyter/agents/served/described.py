"""Agents of model servers that are only written down: to plan with on hardware that one does not have.

They have what agents of a real server have, and nothing to call: whoever runs them is told so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Needs, Option
from murakkab_jupyter.agents.language.writing import TASKS
from murakkab_jupyter.core.errors import AgentError

__all__ = ["NoServer", "described_specs"]

VERSION = "1"
MEMORY_BYTES = 150_000_000


@dataclass(frozen=True)
class NoServer:
    """In place of what makes an agent: there is no server, it was only planned with."""

    name: str

    def __call__(self) -> Agent:
        """Raise `AgentError`, always."""
        msg = f"{self.name} is a model server on hardware that is only described: it can be planned with, not run."
        raise AgentError(
            msg, hint="Start or attach a real one: murakkab engine start MODEL, or engine attach URL."
        )


def described_specs(
    name: str,
    what: str,
    *,
    gpus: int,
    in_flight: Sequence[int],
    replicas: Sequence[int],
    curve: str,
) -> list[AgentSpec]:
    """The agents of a chat model on so many GPUs: one for each text capability that a chat model serves.

    Parameters
    ----------
    name
        What pins call it, and its engine.
    what
        Model and GPUs in words, for the summary.
    gpus
        GPUs of one replica.
    in_flight, replicas
        Values of the two levers, ascending.
    curve
        Name of the curve of its speed and energy; empty where none was published.
    """
    levers = (
        Option("in_flight", int, in_flight[0], tuple(in_flight), lever=True, help="Requests in flight at each replica."),
        Option("replicas", int, replicas[0], tuple(replicas), lever=True, help="Servers that share the requests."),
    )  # fmt: skip
    return [
        AgentSpec(
            name=f"{name}{task.suffix}",
            version=VERSION,
            capability=capability,
            summary=f"{task.summary} with {what}; to plan with only.",
            factory=NoServer(name),
            options=(*task.options, *levers),
            needs=Needs(memory_bytes=MEMORY_BYTES, gpus=gpus),
            max_batch=8 * in_flight[-1] * replicas[-1],
            remote=True,
            engine=name,
            curve=curve,
        )
        for capability, task in TASKS.items()
    ]
