"""A synthetic world: workflows, agents, profiles and an evaluator whose figures are made up and called so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from murakkab_jupyter.agents.agent import AgentSpec, Needs, Option
from murakkab_jupyter.agents.capability import Capability, Port, Yield
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import ClusterView, HostPower, Share, WorkerView, allotted, host_cores
from murakkab_jupyter.planner.evaluate import Evaluation
from murakkab_jupyter.planner.expect import expect
from murakkab_jupyter.planner.modes import load_of
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.profiles.profile import Prediction
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow

POWER = HostPower(Figure(2.0, "W"), Figure(4.0, "W"), unknown("USD/h"), Figure(0.2, "USD/kWh"))


@dataclass(frozen=True)
class Made:
    """A synthetic agent: seconds an item on one core, parallel share, quality."""

    name: str
    step: str
    item_s: float
    quality: float | None = 0.9
    parallel: float = 0.8
    max_cores: int = 2
    max_batch: int = 1
    load_s: float = 0.1
    call_s: float = 0.0
    memory_bytes: int = 100_000_000
    options: tuple[Option, ...] = ()
    modules: tuple[str, ...] = ()
    gpus: int = 0
    fixture: str = ""
    siblings: bool = False
    neighbours: bool = False
    remote: bool = False


@dataclass
class SyntheticProfiles:
    """Profiles of synthetic agents."""

    agents: Mapping[str, Made]
    quality_of: Mapping[tuple[str, Any], float] = field(default_factory=dict)

    def call(self, agent, options, *, cores, items, work, speed=1.0):
        made = self.agents[agent]
        one = made.call_s + made.item_s * items
        beam = dict(options).get("beam", 1)
        one *= 1 + 0.25 * (beam - 1)
        wall = one * ((1 - made.parallel) + made.parallel / cores) / speed
        cpu = one * (1 + 0.1 * (cores - 1)) / speed
        return Prediction(
            Figure(wall, "s", wall * 0.9, wall * 1.2, "prior", note="synthetic"),
            Figure(cpu, "s", cpu * 0.9, cpu * 1.2, "prior", note="synthetic"),
            guess="synthetic" if agent.startswith("guessed") else "",
        )

    def tells_apart(self, agent: str, option: str) -> bool:
        return True

    def load(self, agent, options, *, speed=1.0):
        made = self.agents[agent]
        figure = Figure(made.load_s, "s", made.load_s, made.load_s, "prior", note="synthetic")
        return Prediction(figure, figure)

    def memory(self, agent, options):
        return Figure(float(self.agents[agent].memory_bytes), "B")

    def quality(self, agent, options):
        beam = dict(options).get("beam")
        value = self.quality_of.get((agent, beam), self.agents[agent].quality)
        if value is None:
            return unknown("1")
        return Figure(value, "1", max(0, value - 0.05), min(1, value + 0.05), "prior", note="synthetic")


def cluster_of(*cores: int, memory_gb: float = 8.0, power: HostPower = POWER) -> ClusterView:
    """Some workers, each on a host of its own."""
    return ClusterView(
        tuple(
            WorkerView(f"w{n}", f"h{n}", count, int(memory_gb * 1e9), power=power)
            for n, count in enumerate(cores)
        )
    )


def library_of(
    steps: Sequence[str], agents: Sequence[Made], *, opens: Mapping[str, float] | None = None
) -> Library:
    """A capability for each step, and the agents."""
    library = Library()
    for name in steps:
        count = (opens or {}).get(name)
        library.add_capability(
            Capability(
                f"cap-{name}",
                "synthetic",
                (Port("x", frozenset({"any"}), takes="either", several=True),),
                "text",
                opens=count is not None,
                yields=lambda inputs, options, count=count: Yield(
                    count or 1.0, {"tokens": 10.0, "count": 1.0}
                ),
            )
        )
    for made in agents:
        library.add_agent(
            AgentSpec(
                made.name,
                "1",
                f"cap-{made.step}",
                "synthetic",
                "synthetic:none",
                made.options,
                Needs(modules=made.modules, memory_bytes=made.memory_bytes, gpus=made.gpus),
                max_cores=made.max_cores,
                max_batch=made.max_batch,
                fixture=made.fixture,
                siblings=made.siblings,
                neighbours=made.neighbours,
                remote=made.remote,
            )
        )
    return library


def workflow_of(
    edges: Mapping[str, Sequence[str]], *, opens: Sequence[str] = (), goal: Goal | None = None
) -> Workflow:
    """Steps by name and what each refers to (`data` is the variable); gathers where a source lies deeper."""
    levels: dict[str, tuple[str, ...]] = {"data": ("data",)}
    steps: list[Step] = []
    for name, sources in edges.items():
        at = min((levels[source] for source in sources), key=len)
        inputs = tuple(
            Input(source, "x", "gather" if len(levels[source]) > len(at) else "same") for source in sources
        )
        steps.append(Step(name, name, f"cap-{name}", at, name in opens, "text", inputs))
        levels[name] = (*at, name) if name in opens else at
    return Workflow("synthetic", "", (Variable("data", "text", ("data",)),), tuple(steps), goal or Goal(), "")


@dataclass
class World:
    """Everything a plan needs, and a synthetic evaluator that counts how often it is asked."""

    workflow: Workflow
    library: Library
    profiles: SyntheticProfiles
    cluster: ClusterView
    roots: Mapping[str, Sequence[Any]]
    asked: int = 0

    def evaluate(
        self, configurations: Mapping[str, Configuration], reserve: Share | int | None = None
    ) -> Evaluation:
        """Steps one after another or side by side, greedily placed by their order on the reserved cores."""
        self.asked += 1
        options = {name: dict(one.options) for name, one in configurations.items()}
        expected = expect(self.workflow, self.roots, self.library, options)
        total = sum(allotted(self.cluster.workers, reserve).values())
        end: dict[str, float] = {}
        free = [0.0] * total
        steps: dict[str, dict[str, Figure]] = {}
        cpu = 0.0
        for step in self.workflow.steps:
            mode = configurations[step.name]
            here = expected.steps[step.name]
            groups = max(1.0, expected.level_counts.get(step.at[:-1], 1.0))
            load = load_of(mode, self.profiles, items=here.items, work=here.work, groups=groups, speed=1.0)
            width = min(total, mode.cores * mode.instances)
            free.sort()
            start = max([free[width - 1], *(end.get(i.source, 0.0) for i in step.inputs)])
            end[step.name] = start + load.wall_s
            for n in range(width):
                free[n] = end[step.name]
            cpu += load.cpu_s
            steps[step.name] = {
                "latency": Figure(load.wall_s, "s"),
                "start": Figure(start, "s"),
                "end": Figure(end[step.name], "s"),
                "cpu": Figure(load.cpu_s, "s"),
                "energy": Figure(4.0 * load.cpu_s, "J", method="estimate"),
            }
        makespan = max(end.values())
        share = Share.of(reserve)
        shares = [
            min(share.cores or size, size) / size if share.covers(host) else 0.0
            for host, size in host_cores(self.cluster.workers).items()
        ]
        energy = 4.0 * cpu + 2.0 * makespan * sum(shares)
        watts = self.cluster.workers[0].power
        price = watts.price_usd_per_hour.value
        known = watts.idle_w.known
        cost = price * makespan / 3600 * sum(shares) / len(shares) if price else energy / 3.6e6 * 0.2
        return Evaluation(
            steps,
            {
                "latency": Figure(makespan, "s"),
                "cpu": Figure(cpu, "s"),
                "energy": Figure(energy, "J", method="estimate") if known else unknown("J"),
                "cost": Figure(cost, "USD", method="estimate") if known or price else unknown("USD"),
            },
        )

    def arguments(self) -> dict[str, Any]:
        return {
            "roots": self.roots,
            "library": self.library,
            "profiles": self.profiles,
            "cluster": self.cluster,
            "evaluate": self.evaluate,
        }


def world_of(
    edges: Mapping[str, Sequence[str]],
    agents: Sequence[Made],
    *,
    items: int = 3,
    cluster: ClusterView | None = None,
    opens: Mapping[str, float] | None = None,
    quality_of: Mapping[tuple[str, Any], float] | None = None,
) -> World:
    """A world of these steps and agents."""
    return World(
        workflow_of(edges, opens=tuple(opens or ())),
        library_of(tuple(edges), agents, opens=opens),
        SyntheticProfiles({one.name: one for one in agents}, quality_of or {}),
        cluster or cluster_of(2),
        {"data": ["some text"] * items},
    )
