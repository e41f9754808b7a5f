"""A seeded family of workflows with agents, profiles and clusters, to plan for and to simulate: every figure is made up."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from truth import SPEED_SPREAD, Counted, Turned

from murakkab_jupyter.agents.agent import AgentSpec, Needs, Option
from murakkab_jupyter.agents.capability import Capability, Port, Yield
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import ClusterView, HostPower, Share, WorkerView
from murakkab_jupyter.planner.evaluate import Evaluation
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.profiles.profile import Prediction
from murakkab_jupyter.simulate.driver import simulate
from murakkab_jupyter.simulate.predict import evaluation
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow

__all__ = ["Case", "Rates", "case", "replayed"]

POWER = HostPower(
    Figure(6.0, "W", source="prior"), Figure(3.0, "W", source="prior"),
    electricity_usd_per_kwh=Figure(0.2, "USD/kWh", source="prior"),
)  # fmt: skip


@dataclass(frozen=True)
class Rates:
    """How fast and how good one made-up agent is."""

    call_s: float
    item_s: float
    load_s: float
    parallel: float
    quality: float
    lever_s: float
    lever_quality: float


@dataclass(frozen=True)
class FamilyProfiles:
    """Profiles of the family's agents; a lever makes an agent slower and better."""

    rates: Mapping[str, Rates]

    def call(
        self, agent: str, options: tuple[tuple[str, Any], ...], *, cores: int, items: float, work: float, speed: float = 1.0
    ) -> Prediction:  # fmt: skip
        """Amdahl's law, with a tenth more CPU time for each further core."""
        one = self.rates[agent]
        effort = int(dict(options).get("effort", 1))
        alone = (one.call_s + items * one.item_s) * (1.0 + one.lever_s * (effort - 1)) / speed
        seconds = alone * ((1.0 - one.parallel) + one.parallel / cores)
        cpu = alone * (1.0 + 0.1 * (cores - 1))
        return Prediction(banded(seconds), banded(cpu))

    def tells_apart(self, agent: str, option: str) -> bool:
        return True

    def load(self, agent: str, options: tuple[tuple[str, Any], ...], *, speed: float = 1.0) -> Prediction:
        """The same for every instance."""
        seconds = self.rates[agent].load_s / speed
        return Prediction(banded(seconds), banded(seconds))

    def memory(self, agent: str, options: tuple[tuple[str, Any], ...]) -> Figure:
        """Little."""
        return figure(2e8, "B")

    def quality(self, agent: str, options: tuple[tuple[str, Any], ...]) -> Figure:
        """Better with effort."""
        one = self.rates[agent]
        return figure(
            min(0.99, one.quality + one.lever_quality * (int(dict(options).get("effort", 1)) - 1)), "1"
        )


def banded(seconds: float) -> Figure:
    """Seconds that lie in their band in eight worlds of ten (`truth`)."""
    factor = math.exp(1.2816 * SPEED_SPREAD)
    return Figure(seconds, "s", seconds / factor, seconds * factor, "prior")


def figure(value: float, unit: str) -> Figure:
    return Figure(value, unit, value, value, "prior")


@dataclass(frozen=True)
class Case:
    """One workflow on one cluster, with everything a planner asks for."""

    workflow: Workflow
    library: Library
    profiles: FamilyProfiles
    cluster: ClusterView
    roots: Mapping[str, Sequence[Any]]

    def evaluate(self, configurations: Mapping[str, Configuration], reserve: Share) -> Evaluation:
        """By the simulator."""
        return replayed(
            self.workflow, configurations, reserve, self.roots, self.library, self.profiles, self.cluster
        )

    def turned(self, configurations: Mapping[str, Configuration], reserve: Share, world: int) -> Evaluation:
        """The same in a world that no planner has seen."""
        library: Any = Counted(self.library, world)
        profiles = Turned(self.profiles, world)
        return replayed(self.workflow, configurations, reserve, self.roots, library, profiles, self.cluster)

    def arguments(self) -> dict[str, Any]:
        """What `prepare` and `make_plan` take."""
        return {
            "roots": self.roots, "library": self.library, "profiles": self.profiles, "cluster": self.cluster,
            "evaluate": self.evaluate,
        }  # fmt: skip


def replayed(
    workflow: Workflow,
    configurations: Mapping[str, Configuration],
    reserve: Share,
    roots: Mapping[str, Sequence[Any]],
    library: Library,
    profiles: Any,
    cluster: ClusterView,
) -> Evaluation:
    """Figures of a simulated run."""
    found = simulate(
        workflow, configurations, roots=roots, library=library, profiles=profiles, cluster=cluster, reserve=reserve
    )  # fmt: skip
    return evaluation(found, workflow, configurations, profiles, cluster)


def agents_of(chance: random.Random, step: str) -> list[tuple[AgentSpec, Rates]]:
    """Two to four agents of one step: on the whole the better the slower, with exceptions."""
    made = []
    scale = 10 ** chance.uniform(-1.3, 0.3)
    for n in range(chance.randint(2, 4)):
        good = chance.uniform(0.0, 1.0)
        rates = Rates(
            call_s=scale * chance.uniform(0.0, 0.5),
            item_s=scale * (0.2 + 2.0 * good) * chance.uniform(0.6, 1.6),
            load_s=chance.uniform(0.1, 1.5),
            parallel=chance.choice((0.0, 0.5, 0.8, 0.95)),
            quality=0.6 + 0.35 * good,
            lever_s=chance.uniform(0.1, 0.8),
            lever_quality=chance.uniform(0.005, 0.03),
        )
        levers = (Option("effort", int, 1, (1, 3), lever=True),) if chance.random() < 0.4 else ()
        spec = AgentSpec(
            f"{step}-{n}", "1", f"cap-{step}", "made up", "made:up", levers, Needs(memory_bytes=200_000_000),
            max_cores=chance.choice((1, 2, 4)), max_batch=chance.choice((1, 4, 16)),
        )  # fmt: skip
        made.append((spec, rates))
    return made


def case(seed: int) -> Case:
    """One member of the family: 4 to 8 steps, levels that open, joins and gathers, 2 to 8 cores."""
    chance = random.Random(seed)
    library, rates = Library(), {}
    levels: dict[str, tuple[str, ...]] = {"data": ("data",)}
    steps: list[Step] = []
    names = [f"s{n}" for n in range(chance.randint(4, 8))]
    for n, name in enumerate(names):
        opens = chance.random() < 0.3 and n < len(names) - 1
        before = ["data", *names[:n]]
        sources = {before[-1] if n and chance.random() < 0.6 else chance.choice(before)}
        if n > 1 and chance.random() < 0.5:
            sources.add(chance.choice(before[1:]))
        ordered = sorted(sources, key=lambda one: (len(levels[one]), one))
        at = levels[ordered[0]]
        # An input that lies neither above nor below would be an error of the language.
        ordered = [one for one in ordered if levels[one][: len(at)] == at]
        if len(at) > 2:
            opens = False
        count = float(chance.randint(2, 5))
        library.add_capability(
            Capability(
                f"cap-{name}",
                "made up",
                (Port("x", frozenset({"any"}), takes="either", several=True),),
                "text",
                opens=opens,
                yields=lambda inputs, options, count=count, opens=opens: Yield(
                    count if opens else 1.0, {"tokens": 10.0, "count": 1.0}
                ),
            )
        )
        for spec, rate in agents_of(chance, name):
            library.add_agent(spec)
            rates[spec.name] = rate
        inputs = tuple(Input(one, "x", "gather" if len(levels[one]) > len(at) else "same") for one in ordered)
        steps.append(Step(name, name, f"cap-{name}", at, opens, "text", inputs))
        levels[name] = (*at, name) if opens else at
    workflow = Workflow(
        f"family-{seed}", "", (Variable("data", "text", ("data",)),), tuple(steps), Goal(), ""
    )
    cores = chance.choice((2, 4, 8))
    view = WorkerView("w0", "h0", cores, 32 * 10**9, power=POWER)
    items = chance.randint(1, 4)
    return Case(workflow, library, FamilyProfiles(rates), ClusterView((view,)), {"data": ["text"] * items})
