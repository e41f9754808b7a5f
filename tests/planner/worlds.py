"""Small random worlds judged by the real simulator: for what must hold whatever the workflow."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from murakkab_jupyter.agents.agent import AgentSpec, Needs, Option
from murakkab_jupyter.agents.capability import Capability, Port, Yield
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import ClusterView, HostPower, Share, WorkerView
from murakkab_jupyter.planner.evaluate import Evaluation
from murakkab_jupyter.planner.pipeline import Replay
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.profiles.profile import Prediction
from murakkab_jupyter.simulate.driver import evaluation, simulate
from murakkab_jupyter.workflow.model import Workflow
from tests.planner.synthetic import workflow_of

SHAPES: tuple[dict[str, list[str]], ...] = (
    {"a": ["data"]},
    {"a": ["data"], "b": ["a"]},
    {"a": ["data"], "b": ["data"], "c": ["a", "b"]},
    {"a": ["data"], "b": ["a"], "c": ["b"]},
    {"a": ["data"], "b": ["a"], "c": ["data", "b"]},
    {"a": ["data"], "b": ["a"], "c": ["a"], "d": ["b", "c"]},
)


@dataclass(frozen=True)
class MadeUp:
    """A made-up agent: seconds a call, an item and a unit of work on one core, and the rest."""

    call_s: float
    item_s: float
    unit_s: float
    load_s: float
    parallel: float
    quality: float


@dataclass
class MadeUpProfiles:
    """A fake book of made-up agents, with the costs that a real one has."""

    agents: Mapping[str, MadeUp]
    dispatch_s: float
    interference: Figure

    def call(self, agent, options, *, cores, items, work, speed=1.0):
        made = self.agents[agent]
        cpu = (made.call_s + items * made.item_s + work * made.unit_s) * dict(options).get("effort", 1)
        wall = cpu * ((1 - made.parallel) + made.parallel / cores)
        return Prediction(Figure(wall / speed, "s"), Figure(cpu / speed, "s"))

    def load(self, agent, options, *, speed=1.0):
        figure = Figure(self.agents[agent].load_s / speed, "s")
        return Prediction(figure, figure)

    def tells_apart(self, agent, option):
        return True

    def memory(self, agent, options):
        return Figure(1e8, "B")

    def quality(self, agent, options):
        effort = dict(options).get("effort", 1)
        return Figure(1 - (1 - self.agents[agent].quality) / effort, "1")


@dataclass
class RandomWorld:
    """A workflow with agents, hosts and texts."""

    workflow: Workflow
    library: Library
    profiles: MadeUpProfiles
    cluster: ClusterView
    roots: Mapping[str, list[str]]

    def evaluate(self, configurations: Mapping[str, Configuration], reserve: Share) -> Evaluation:
        """What the simulator says."""
        return replay_of(self)(self.roots, configurations, reserve)

    def arguments(self) -> dict[str, Any]:
        return {
            "roots": self.roots,
            "library": self.library,
            "profiles": self.profiles,
            "cluster": self.cluster,
            "evaluate": self.evaluate,
        }


def replay_of(world: Any, asked: list[int] | None = None) -> Replay:
    """What the simulator says of other values than a world's own; how many there were each time is added to `asked`."""

    def replay(
        roots: Mapping[str, Sequence[Any]],
        configurations: Mapping[str, Configuration],
        reserve: Share,
        arrive_s: Sequence[float] = (),
    ) -> Evaluation:
        if asked is not None:
            asked.append(len(roots["data"]))
        made = simulate(
            world.workflow,
            configurations,
            roots=roots,
            library=world.library,
            profiles=world.profiles,
            cluster=world.cluster,
            reserve=reserve,
            arrive_s=arrive_s,
        )
        assert made.status == "done", made.message
        return evaluation(made, world.workflow, configurations, world.profiles, world.cluster)

    return replay


def random_world(seed: int, *, most_items: int = 5, branching: bool = False) -> RandomWorld:
    """The same world for the same seed; in a branching one a step that tries harder finds more."""
    dice = random.Random(seed)
    edges = dice.choice(SHAPES)
    opens = {name: dice.choice((0.6, 1.0, 1.5, 2.0, 3.0)) for name in edges if dice.random() < 0.35}
    drop_crossing(edges, opens)
    library = Library()
    agents: dict[str, MadeUp] = {}
    for name in edges:
        count = opens.get(name)

        def yields(inputs, options, count=count):
            tokens = sum(one.get("tokens", 0.0) for one in inputs.values())
            more = dict(options).get("effort", 1) if branching and count else 1
            return Yield((count or 1.0) * more, {"tokens": 3.0 + 0.3 * tokens, "count": 1.0})

        library.add_capability(
            Capability(
                f"cap-{name}",
                "synthetic",
                (Port("x", frozenset({"any"}), takes="either", several=True),),
                "text",
                opens=count is not None,
                yields=yields,
                work=lambda inputs, options: sum(one.get("tokens", 0.0) for one in inputs.values()),
            )
        )
        for n in range(dice.choice((1, 2))):
            agents[f"{name}{n}"] = MadeUp(
                dice.choice((0.0, 0.05, 0.3)),
                dice.choice((0.01, 0.2, 1.0)),
                dice.choice((0.0, 0.02, 0.1)),
                dice.choice((0.0, 0.2, 1.0)),
                dice.choice((0.0, 0.5, 0.9)),
                dice.choice((0.5, 0.8, 0.9, 0.99)),
            )
            levers = (
                (Option("effort", int, 1, (1, 2), lever=True),)
                if dice.random() < (0.6 if branching else 0.2)
                else ()
            )
            library.add_agent(
                AgentSpec(
                    f"{name}{n}",
                    "1",
                    f"cap-{name}",
                    "synthetic",
                    "synthetic:none",
                    levers,
                    Needs(memory_bytes=100_000_000),
                    max_cores=dice.choice((1, 2, 4)),
                    max_batch=dice.choice((1, 2, 4)),
                    siblings=dice.random() < 0.3,
                    remote=dice.random() < 0.1,
                )
            )
    rent = Figure(dice.choice((0.5, 2.0)), "USD/h") if dice.random() < 0.3 else unknown("USD/h")
    idle = dice.choice((0.0, 2.0, 40.0))
    power = HostPower(Figure(idle, "W"), Figure(4.0, "W"), rent, Figure(0.2, "USD/kWh"))
    workers = tuple(
        WorkerView(
            f"w{n}", f"h{n}", cores, 8_000_000_000, speed=Figure(dice.choice((1.0, 1.3)), "1"), power=power
        )
        for n, cores in enumerate(dice.choice(((1,), (2,), (4,), (2, 2), (1, 4))))
    )
    texts = ["word " * dice.randint(1, 40) for _ in range(dice.randint(1, most_items))]
    return RandomWorld(
        workflow_of(edges, opens=tuple(opens)),
        library,
        MadeUpProfiles(agents, dice.choice((0.0, 0.012)), Figure(dice.choice((1.0, 1.4)), "1")),
        ClusterView(workers),
        {"data": texts},
    )


def unlike_world(seed: int) -> RandomWorld:
    """The same with hosts of other speeds, watts and prices each."""
    world = random_world(seed)
    dice = random.Random(seed)
    rented = dice.random() < 0.5

    def other(worker: WorkerView) -> WorkerView:
        power = HostPower(
            Figure(dice.choice((0.0, 2.0, 10.0, 40.0)), "W"),
            Figure(dice.choice((1.0, 4.0, 10.0)), "W"),
            Figure(dice.choice((0.1, 0.5, 2.0)), "USD/h") if rented else unknown("USD/h"),
            Figure(0.2, "USD/kWh"),
        )
        return replace(worker, speed=Figure(dice.choice((0.5, 1.0, 2.0)), "1"), power=power)

    return replace(world, cluster=replace(world.cluster, workers=tuple(map(other, world.cluster.workers))))


def drop_crossing(edges: Mapping[str, list[str]], opens: dict[str, float]) -> None:
    """Leave out levels that some step could not join: its sources must lie on one chain."""
    while True:
        levels: dict[str, tuple[str, ...]] = {"data": ("data",)}
        crossing = ""
        for name, sources in edges.items():
            at = min((levels[source] for source in sources), key=len)
            crossing = crossing or next(
                (one for one in sources if levels[one][: len(at)] != at and one in opens), ""
            )
            levels[name] = (*at, name) if name in opens else at
        if not crossing:
            return
        del opens[crossing]
