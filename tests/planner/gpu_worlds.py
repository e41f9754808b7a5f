"""Small random worlds with model servers on GPUs, judged by the real simulator: starts, shared engines, GPUs held."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from murakkab_jupyter.agents.agent import AgentSpec, Needs, Option
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import ClusterView, EngineView, Gpu, HostPower, WorkerView
from murakkab_jupyter.profiles import inference
from murakkab_jupyter.profiles.profile import Prediction
from murakkab_jupyter.profiles.served import ServedPoint, ServedProfile
from tests.planner.worlds import MadeUpProfiles, RandomWorld, random_world

CARD = "Made-up"


@dataclass
class ServedProfiles(MadeUpProfiles):
    """Made-up agents on cores, and others whose calls a server with GPUs does."""

    curves: Mapping[str, ServedProfile]
    qualities: Mapping[str, float]

    def call(self, agent, options, *, cores, items, work, speed=1.0):
        if agent not in self.curves:
            return super().call(agent, options, cores=cores, items=items, work=work, speed=speed)
        chosen = dict(options)
        return inference.call(
            self.curves[agent],
            requests=items,
            read=work / max(1.0, items),
            written=6.0,
            in_flight=chosen["in_flight"],
            replicas=chosen["replicas"],
        )

    def load(self, agent, options, *, speed=1.0):
        if agent in self.curves:
            return Prediction(Figure(0.1, "s"), Figure(0.1, "s"))
        return super().load(agent, options, speed=speed)

    def quality(self, agent, options):
        if agent in self.curves:
            return Figure(self.qualities[agent], "1")
        return super().quality(agent, options)


def gpu_world(seed: int) -> RandomWorld:
    """The same world for the same seed: one or two models that some steps could call, on one or two hosts with GPUs."""
    world = random_world(seed, most_items=4)
    dice = random.Random(seed)
    start = Figure(dice.choice((0.5, 3.0)), "s")
    curves: dict[str, ServedProfile] = {}
    qualities: dict[str, float] = {}
    engines = []
    there = dice.choice((2, 4))
    for model in ("m", "n")[: dice.choice((1, 2))]:
        gpus = dice.choice((1, 2))
        watts = dice.choice((60.0, 300.0)) * gpus
        speed = dice.choice((8.0, 40.0))
        points = tuple(
            ServedPoint(n, speed * factor, watts / (speed * factor), n / (speed * factor))
            for n, factor in ((1.0, 1.0), (2.0, 1.8), (4.0, 2.5))
        )
        curve = ServedProfile(model, "chat", CARD, gpus, "made up", points)
        warm = dice.random() < 0.2
        engines.append(EngineView(model, warm, start, start, gpus=gpus, gpu_names=(CARD,)))
        for step in world.workflow.steps:
            if dice.random() < 0.4 and engines:
                continue
            name = f"{model}-{step.name}"
            curves[name] = curve
            qualities[name] = dice.choice((0.6, 0.9, 0.97))
            world.library.add_agent(
                AgentSpec(
                    name,
                    "1",
                    step.capability,
                    "synthetic",
                    "synthetic:none",
                    (
                        Option("in_flight", int, 2, (2, 4), lever=True),
                        Option("replicas", int, 1, (1, 2) if 2 * gpus <= there else (1,), lever=True),
                    ),
                    Needs(memory_bytes=10**8, gpus=gpus),
                    max_batch=8,
                    remote=True,
                    engine=model,
                )
            )
    idle = Figure(dice.choice((5.0, 40.0)), "W")
    price = Figure(dice.choice((4.0, 20.0)), "USD/h") if dice.random() < 0.5 else Figure(None, "USD/h")
    cards = tuple(Gpu(n, CARD, 10**10, idle) for n in range(there))
    power = HostPower(
        Figure(10.0 + there * (idle.value or 0.0), "W"), Figure(4.0, "W"), price, Figure(0.2, "USD/kWh")
    )
    workers = [WorkerView("w0", "h0", dice.choice((2, 4)), 8 * 10**9, cards, power=power)]
    if dice.random() < 0.4:
        workers.append(
            WorkerView("w1", "h1", 2, 8 * 10**9, cards[:2] if dice.random() < 0.5 else (), power=power)
        )
    old = world.profiles
    return replace(
        world,
        cluster=ClusterView(tuple(workers), engines=tuple(engines)),
        profiles=ServedProfiles(old.agents, old.dispatch_s, old.interference, curves, qualities),
    )
