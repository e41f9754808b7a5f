"""What the loop keeps of engines: which steps call them, who heralds their use, how they are.

An engine is started when a step that calls it, or one upstream of such a step, really does something: not at the
beginning of a run that finds everything in its journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from murakkab_jupyter.core.events import Notice, Reconfigured
from murakkab_jupyter.runtime.desk import Desk
from murakkab_jupyter.runtime.messages import EngineLost, EngineReady, StartEngine, StopEngine
from murakkab_jupyter.runtime.placement import Pool
from murakkab_jupyter.runtime.steps import StepState

__all__ = ["Engines"]


@dataclass(slots=True)
class Use:
    """An engine of the run: the steps that call it, and how it is."""

    name: str
    steps: list[StepState] = field(default_factory=list)
    state: Literal["cold", "starting", "ready", "lost", "gone", "let go"] = "cold"


class Engines:
    """The engines that a run's steps call.

    Parameters
    ----------
    desk
        What is decided and told goes there.
    pool
        Where its calls hold the cores that it keeps busy, once it answers.
    steps
        The run's steps.
    """

    def __init__(self, desk: Desk, pool: Pool, steps: Iterable[StepState]) -> None:
        self._desk = desk
        self._pool = pool
        self._uses: dict[str, Use] = {}
        heralds: dict[str, dict[str, None]] = {}
        for state in steps:
            name = state.configuration.engine
            if not name:
                continue
            self._uses.setdefault(name, Use(name)).steps.append(state)
            for step in (*state.upstream, state.step.name):
                heralds.setdefault(step, {})[name] = None
        self.heralds: Mapping[str, tuple[str, ...]] = {step: tuple(names) for step, names in heralds.items()}
        """For each step that calls an engine, or feeds one that does, the engines."""

    def called(self, step: str) -> None:
        """A step really does something: what it heralds is needed soon."""
        for name in self.heralds.get(step, ()):
            use = self._uses[name]
            if use.state == "cold":
                use.state = "starting"
                self._desk.decide(StartEngine(name))

    def ready(self, message: EngineReady) -> None:
        """An engine answers."""
        use = self._uses.get(message.engine)
        if use is None or use.state in ("ready", "let go"):
            return
        before, use.state = use.state, "ready"
        for state in use.steps:
            cores = self._pool.most(state.configuration.held_cores, message.host)
            state.demand = replace(state.demand, host=message.host or state.demand.host, cores=cores)
            self._pool.widen(state.step.name, cores)
        if before == "lost":
            self._desk.tell(
                Reconfigured(
                    self._desk.at_s,
                    f"engine {use.name} is back",
                    "its calls were waiting",
                    f"they go on after {message.took_s:.0f} s",
                )
            )
        elif message.took_s >= 1.0:
            self._desk.tell(
                Notice(self._desk.at_s, f"Engine {use.name} is ready after {message.took_s:.0f} s.")
            )

    def lost(self, message: EngineLost) -> None:
        """An engine is gone, for a while or for good."""
        use = self._uses.get(message.engine)
        if use is None or use.state in ("gone", "let go") or (use.state == "lost" and not message.final):
            return
        use.state = "gone" if message.final else "lost"
        after = "its calls fail" if message.final else "its calls wait until it is started again"
        self._desk.tell(
            Reconfigured(
                self._desk.at_s,
                f"engine {use.name} is gone: {message.error}",
                "its calls were under way",
                after,
            )
        )

    def ended(self, step: str) -> None:
        """A step has ended: an engine that no other step calls is let go."""
        for use in self._uses.values():
            if any(state.step.name == step for state in use.steps) and all(one.ended for one in use.steps):
                self._let_go(use)

    def end(self) -> None:
        """The run is over."""
        for use in self._uses.values():
            self._let_go(use)

    def names(self) -> Iterator[str]:
        """Every engine of the run."""
        return iter(self._uses)

    def _let_go(self, use: Use) -> None:
        if use.state not in ("cold", "let go"):
            self._desk.decide(StopEngine(use.name))
        use.state = "let go"
