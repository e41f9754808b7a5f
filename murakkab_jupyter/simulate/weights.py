"""How long each step is expected to keep its instances busy: what makes one path through a workflow longer than another.

The run loop does first what the longest remaining path waits for. A real run and its simulation weigh
steps alike, or the simulated order would not be the real one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.planner.expect import expect
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.profiles.profile import Profiles
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["step_memory", "step_seconds"]


def step_seconds(
    workflow: Workflow,
    configurations: Mapping[str, Configuration],
    *,
    roots: Mapping[str, Sequence[Any]],
    library: Library,
    profiles: Profiles,
) -> dict[str, float]:
    """Expected seconds of each step: items x seconds of a call of one, over its instances; 0 where nobody knows."""
    options = {name: dict(one.options) for name, one in configurations.items()}
    expected = expect(workflow, roots, library, options).steps
    seconds: dict[str, float] = {}
    for name, one in configurations.items():
        step = expected[name]
        call = profiles.call(one.agent, one.options, cores=max(1, one.cores), items=1, work=step.work)
        each = (call.seconds.value or 0.0) if call is not None else 0.0
        seconds[name] = each * step.items / max(1, one.instances)
    return seconds


def step_memory(
    configurations: Mapping[str, Configuration], *, library: Library, profiles: Profiles
) -> dict[str, float]:
    """Memory that an instance of each step holds while it is loaded (B): as profiled, else as its agent states; 0 of a server's client."""
    held: dict[str, float] = {}
    for name, one in configurations.items():
        if not one.waits:
            known = profiles.memory(one.agent, one.options).value
            held[name] = float(library.agent(one.agent).needs.memory_bytes) if known is None else known
    return held
