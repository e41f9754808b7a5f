"""Agents that a plan does not consider, and why: one sentence for all that have the same reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from murakkab_jupyter.agents.agent import AgentSpec

__all__ = ["LeftOut", "left_out_notes", "ways_out"]

HUB = "their weights would come from a model hub (MURAKKAB_HUB=yes allows it)"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An agent that could do a step but for some reasons, each in a few words."""

    agent: str
    reasons: tuple[str, ...]


def left_out_notes(some: Iterable[LeftOut]) -> list[str]:
    """A sentence for each reason, with all agents that it rules out (each named once, whatever the steps)."""
    together: dict[str, dict[str, None]] = {}
    for one in some:
        why, name = reason_of(one)
        together.setdefault(why, {})[name] = None
    return [f"Not considered, because {why}: {', '.join(names)}." for why, names in together.items()]


def ways_out(offered: Iterable[AgentSpec], lacking: Callable[[AgentSpec], tuple[str, ...]]) -> list[str]:
    """What would do a step that nothing does unasked, one line a way: a server, agents that want to be told more, weak ones.

    Parameters
    ----------
    offered
        Agents of the step's capability.
    lacking
        What an agent lacks here; one that lacks anything is no way out.
    """
    lines: list[str] = []
    told: list[str] = []
    weak: list[str] = []
    for agent in offered:
        wants = " ".join(f"{one.name}={one.name.upper()}" for one in agent.options if one.required)
        if agent.remote and wants:
            lines.append("attach a model server: engine attach URL")
        if not agent.remote and lacking(agent):
            continue
        if wants:
            told.append(f"@{agent.name} {wants}")
        elif agent.fixture:
            weak.append(f"pin @{agent.name}, which is not chosen by itself: {agent.fixture}")
    if told:
        lines.append(f"pin one that is told what to load or to ask: {', '.join(told)}")
    return [*dict.fromkeys(lines), *weak]


def reason_of(one: LeftOut) -> tuple[str, str]:
    """What an agent may share with others, and what to call it beside them: with the size of what would be fetched."""
    from murakkab_jupyter.agents.weights.resolver import Withheld

    held = [reason for reason in one.reasons if isinstance(reason, Withheld)]
    sizes = [f"{reason.hub_bytes / 1e9:.1f} GB" for reason in held if reason.hub_bytes is not None]
    if sizes and len(sizes) == len(one.reasons):
        return HUB, f"{one.agent} ({' + '.join(sizes)})"
    # Those of weights differ from agent to agent only by their name.
    shared = dict.fromkeys(
        f"their weights {reason.why}" if isinstance(reason, Withheld) else reason for reason in one.reasons
    )
    return "; ".join(shared), one.agent
