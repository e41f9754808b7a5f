"""Served models that a described cluster could run: those whose published curve is of a GPU that it has.

Each is an engine that is not running, and an agent for every text capability that a chat model serves. A model whose curve
is of another GPU is offered too, without one: pinned, its figures are unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from murakkab_jupyter.agents.agent import AgentSpec
from murakkab_jupyter.agents.served.described import described_specs
from murakkab_jupyter.core.hosts import ClusterView, EngineView, Gpu
from murakkab_jupyter.profiles.inference import starting
from murakkab_jupyter.profiles.published import shipped_published
from murakkab_jupyter.profiles.served import ServedProfile

__all__ = ["CHAT", "Offers", "is_card", "offers"]

CHAT = frozenset({"lm-arena-chat"})
"""Published workloads that are chat. Others (long chains of thought, pictures) say little of a text step."""

OTHER_FORMS = frozenset({"pcie", "nvl", "mig", "vgpu"})
"""Words in a GPU's name that make it another one than the published: less power, or a part of it."""

SAME_MEMORY = 0.9
"""A GPU with a smaller share of its data sheet's memory than this is another one."""

WEIGHTS_SHARE = 0.7
"""Share of GPU memory that weights may fill, where nobody published how many GPUs a model needs: a guess."""


@dataclass(frozen=True, slots=True)
class Offers:
    """Agents and engines of served models on a described cluster, and what to say of GPUs without any."""

    agents: tuple[AgentSpec, ...] = ()
    engines: tuple[EngineView, ...] = ()
    notes: tuple[str, ...] = ()


def offers(cluster: ClusterView, curves: Iterable[ServedProfile]) -> Offers:
    """What published curves let one plan with on a cluster that is only written down; nothing on a real one."""
    if not cluster.described:
        return Offers()
    latest = {one.name: one for one in curves if one.task in CHAT}
    chat = list(latest.values())
    agents: list[AgentSpec] = []
    engines: list[EngineView] = []
    matched: set[str] = set()
    for called, profile in named(chat):
        there = matching(cluster, profile.gpu)
        most = most_replicas(cluster, there, profile.gpus)
        if not most:
            continue
        matched |= there
        engines.append(engine(called, profile, profile.gpus, there))
        precision = f" ({profile.precision})" if profile.precision else ""
        agents += described_specs(
            called,
            f"{profile.model} on {profile.gpus} x {profile.gpu}{precision}",
            gpus=profile.gpus,
            in_flight=sorted({round(point.in_flight) for point in profile.points}),
            replicas=ladder(most),
            curve=profile.name,
        )
    for gpu in kinds(cluster):
        known = {one.model for one in chat if gpu.name in matched and is_card(gpu, one.gpu)}
        for profile in {one.model: one for one in chat if one.model not in known}.values():
            count = least_gpus(profile, gpu)
            if not most_replicas(cluster, {gpu.name}, count):
                continue
            called = f"{slug(profile.model)}-{cards(count, gpu.name)}"
            engines.append(engine(called, profile, count, {gpu.name}))
            what = f"{profile.model} on {count} x {gpu.name}"
            agents += described_specs(called, what, gpus=count, in_flight=(8,), replicas=(1,), curve="")
    notes = tuple(
        f"Nobody published the speed of a served chat model on {gpu.name}{why_not(gpu, chat)}: its figures there are unknown."
        for gpu in kinds(cluster)
        if gpu.name not in matched
    )
    return Offers(tuple(agents), tuple(engines), notes)


def engine(name: str, profile: ServedProfile, gpus: int, there: set[str]) -> EngineView:
    """The server as one that is not running."""
    start, start_cpu = starting(profile)
    return EngineView(name, False, start, start_cpu, gpus=gpus, gpu_names=tuple(sorted(there)))


def kinds(cluster: ClusterView) -> list[Gpu]:
    """One GPU of each name."""
    return list({gpu.name: gpu for worker in cluster.workers for gpu in reversed(worker.gpus)}.values())


def why_not(gpu: Gpu, chat: Sequence[ServedProfile]) -> str:
    """What is to be said of a GPU that is called like one that was published."""
    alike = {one.gpu for one in chat if one.gpu.lower() in words_of(gpu)}
    return (
        f" of {gpu.memory_bytes / 1e9:.0f} GB (another card than the {min(alike)} that was measured)"
        if alike
        else ""
    )


def words_of(gpu: Gpu) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", gpu.name.lower()))


def is_card(gpu: Gpu, published: str) -> bool:
    """Whether a GPU is the one that a profile names: `H100`, `NVIDIA H100 80GB HBM3`, but no PCIe card and no part of one."""
    words = words_of(gpu)
    sheet = shipped_published().card(published)
    room = sheet is None or gpu.memory_bytes >= SAME_MEMORY * sheet.memory_bytes
    return published.lower() in words and not words & OTHER_FORMS and room


def matching(cluster: ClusterView, published: str) -> set[str]:
    """Names of the cluster's GPUs that are the published one."""
    return {gpu.name for worker in cluster.workers for gpu in worker.gpus if is_card(gpu, published)}


def most_replicas(cluster: ClusterView, cards: set[str], gpus: int) -> int:
    """How many servers of so many GPUs each the cluster holds; those of one are on one worker."""
    return sum(sum(gpu.name in cards for gpu in worker.gpus) // gpus for worker in cluster.workers)


def least_gpus(profile: ServedProfile, gpu: Gpu) -> int:
    """GPUs that a model would take of a kind on which nobody published it, by its size: 1, 2, 4, ...; as published without one."""
    if not profile.params_b:
        return profile.gpus
    count = 1
    while count * gpu.memory_bytes * WEIGHTS_SHARE < profile.params_b * 2e9:
        count *= 2
    return count


def slug(name: str) -> str:
    """A name in kebab case, without the model's owner."""
    return re.sub(r"[^a-z0-9]+", "-", name.rpartition("/")[2].lower()).strip("-")


def named(profiles: Sequence[ServedProfile]) -> list[tuple[str, ServedProfile]]:
    """Each with what its agents are called: `qwen3-32b-2xh100`, and precision, parallelism, workload where names would be the same."""
    called = [f"{slug(one.model)}-{cards(one.gpus, one.gpu)}" for one in profiles]
    for more in ("precision", "parallel", "task"):
        twice = {name for name in called if called.count(name) > 1}
        called = [
            f"{name}-{slug(word)}" if name in twice and (word := getattr(one, more)) else name
            for name, one in zip(called, profiles, strict=True)
        ]
    return list(zip(called, profiles, strict=True))


def cards(count: int, gpu: str) -> str:
    """`h100`, `2xh100`."""
    return f"{'' if count == 1 else f'{count}x'}{slug(gpu)}"


def ladder(most: int) -> list[int]:
    """1, 2, 4, ... and `most` itself."""
    steps = [2**n for n in range(most.bit_length()) if 2**n <= most]
    return steps if steps[-1] == most else [*steps, most]
