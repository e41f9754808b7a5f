"""Which priors matter: the plan is asked for again with each at either end of its band, by estimates.

A prior that may be off by a factor matters only if another agent would then be chosen. Both answers, as assumed and at the
end of the band, come from the same quick search, so that what differs is the prior's doing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import ClusterView, WorkerView
from murakkab_jupyter.planner.files import pace_of
from murakkab_jupyter.planner.modes import Mode
from murakkab_jupyter.planner.quality import Judge
from murakkab_jupyter.planner.search import Picks, Search
from murakkab_jupyter.profiles.profile import Prediction, Profiles
from murakkab_jupyter.workflow.goal import Goal

__all__ = ["priors_that_matter"]

MOST_WORKERS = 500
"""Workers up to which watts, prices, speed and network are tried: all reservations are made anew for each."""

MOST_AGENTS = 12
"""Agents whose priors are tried, those in the plan first."""

Options = tuple[tuple[str, Any], ...]
End = Literal["low", "high"]
ENDS: tuple[End, End] = ("low", "high")

IT = "that one"
"""The agent that a prior is of, where some share a sentence."""


class Shifted:
    """Profiles in which one agent takes as long as an end of its band says."""

    def __init__(self, base: Profiles, agent: str, end: End) -> None:
        self.base, self.agent, self.end = base, agent, end

    def __getattr__(self, name: str) -> Any:
        return getattr(self.base, name)

    def call(
        self, agent: str, options: Options, *, cores: int, items: float, work: float, speed: float = 1.0
    ) -> Prediction | None:
        """As the base predicts it, or the end of its band."""
        found = self.base.call(agent, options, cores=cores, items=items, work=work, speed=speed)
        if found is None or agent != self.agent:
            return found
        return replace(found, seconds=at_end(found.seconds, self.end), cpu_s=at_end(found.cpu_s, self.end))


def at_end(figure: Figure, end: End) -> Figure:
    """The figure with its value at an end of its band; as it is where it has none."""
    value = figure.low if end == "low" else figure.high
    return figure if value is None else replace(figure, value=value)


HOSTS: Mapping[str, str] = {
    "idle": "idle watts of the hosts were {} times as many as assumed",
    "active": "watts of a busy core were {} times as many as assumed",
    "price": "the price of the hosts was {} times as high as assumed",
    "electricity": "electricity was {} times as dear as assumed",
    "speed": "the hosts were {} times as fast as assumed",
    "network": "the network was {} times as fast as assumed",
}
"""Priors of the hosts, of all of them at once, and how their ends are told."""

FIELDS: Mapping[str, str] = {
    "idle": "idle_w",
    "active": "active_w_per_core",
    "price": "price_usd_per_hour",
    "electricity": "electricity_usd_per_kwh",
}
"""Those of them that are a host's power."""


@dataclass(frozen=True)
class Prior:
    """A prior of an agent, or of the hosts: what it is of, and how far its ends are from its value."""

    agent: str
    what: str
    figure: Figure


def priors_that_matter(search: Search, picks: Picks, goal: Goal) -> tuple[str, ...]:
    """Sentences with each end of a prior's band that would change which agents are chosen, the plan's own first; one if none would.

    Empty where nothing that the plan rests on is a prior.
    """
    priors = [*priors_of(search, picks), *priors_of_hosts(search, goal)]
    if not priors:
        return ()
    assumed = agents_of(search, descended(search, picks, goal))
    found: dict[tuple[str, str, End], list[Prior]] = {}
    """What would change, under which priors: rivals that would each take the same step stand in one sentence."""
    for prior in priors:
        for end in ENDS:
            other = shifted(search, prior, end)
            changed = agents_of(other, descended(other, picks, goal))
            words = [
                f"{name} would be done by {IT if changed[name] == prior.agent else changed[name]} instead of {assumed[name]}"
                for name in search.names
                if changed[name] != assumed[name]
            ]
            if words:
                found.setdefault((" and ".join(words), prior.what, end), []).append(prior)
    if found:
        return tuple(sentence(some, end, words) for (words, _, end), some in found.items())
    many = f"any of {len(priors)} priors" if len(priors) > 1 else "its prior"
    return (f"With {many} at either end of its band the same agents would be chosen (by estimate).",)


def sentence(priors: Sequence[Prior], end: End, words: str) -> str:
    """What one end of each of some priors of a kind would change; `IT` stands for the agent that the prior is of."""
    conditions = [condition(prior, end, first=not n) for n, prior in enumerate(priors)]
    listed = " or ".join([", ".join(conditions[:-1]), conditions[-1]] if conditions[1:] else conditions)
    whose, it = (
        (f"{end} ends of their priors", IT)
        if conditions[1:]
        else (f"{end} end of its prior", priors[0].agent)
    )
    return f"If {listed} ({whose}), {words.replace(IT, it)}."


def condition(prior: Prior, end: End, *, first: bool) -> str:
    value = prior.figure.low if end == "low" else prior.figure.high
    assumed = prior.figure.value or 0.0
    if prior.what == "quality":
        return f"{prior.agent} {'had quality ' if first else ''}{value:.2f} instead of {assumed:.2f}"
    ratio = (value or 0.0) / assumed if assumed else 0.0
    if prior.what in HOSTS:
        return HOSTS[prior.what].format(f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}")
    return f"{prior.agent} {'took ' if first else ''}{ratio:.2g} times as long as assumed"


def priors_of(search: Search, picks: Picks) -> Iterator[Prior]:
    """Time and quality of the agents there are to choose from, those of the plan first, where they are priors with a band."""
    estimator = search.estimator
    expectation = estimator.expectation(picks)
    first: dict[str, tuple[str, int]] = {}
    for name, pick in zip(search.names, picks, strict=False):
        first.setdefault(search.modes[name][pick].configuration.agent, (name, pick))
    for name in search.names:
        for pick, mode in enumerate(search.modes[name]):
            first.setdefault(mode.configuration.agent, (name, pick))
    # A step that only one agent can do has no choice to change.
    contested = {
        mode.configuration.agent
        for name in search.names
        if len({one.configuration.agent for one in search.modes[name]}) > 1
        for mode in search.modes[name]
    }
    for agent, (name, pick) in list(first.items())[:MOST_AGENTS]:
        if agent not in contested:
            continue
        call = estimator.one_call(name, pick, expectation)
        for what, figure in (
            ("time", None if call is None else call.seconds),
            ("quality", search.modes[name][pick].quality),
        ):
            if figure is not None and figure.source == "prior" and banded(figure):
                yield Prior(agent, what, figure)


def priors_of_hosts(search: Search, goal: Goal) -> Iterator[Prior]:
    """Watts, prices, speed and network of the hosts, where they are priors with a band and a choice or goal asks for them."""
    estimator = search.estimator
    if len(estimator.cluster.workers) > MOST_WORKERS:
        return
    if all(len({one.configuration.agent for one in some}) < 2 for some in search.modes.values()):
        return
    asked = {*goal.objectives}
    if goal.budget_usd is not None:
        asked.add("cost")
    if goal.max_energy_j is not None:
        asked.add("energy")
    own = estimator.rent is None and "cost" in asked
    watts = "energy" in asked or own
    matters = {
        "idle": watts,
        "active": watts,
        "price": "cost" in asked and not own,
        "electricity": own
        and (len(asked) > 1 or goal.budget_usd is not None),  # cost alone goes as energy does
        "speed": True,
        "network": bool(estimator.hauled),
    }
    for what in HOSTS:
        if matters[what]:
            figures = [pace_of(estimator.cluster)] if what == "network" else []
            figures += [figure_of(worker, what) for worker in estimator.cluster.workers if what != "network"]
            sure = [one for one in figures if one.source == "prior" and banded(one)]
            if sure:
                yield Prior("", what, sure[0])


def figure_of(worker: WorkerView, what: str) -> Figure:
    """One of a worker's figures."""
    found = worker.speed if what == "speed" else getattr(worker.power, FIELDS[what])
    assert isinstance(found, Figure)
    return found


def cluster_at(cluster: ClusterView, what: str, end: End) -> ClusterView:
    """The cluster with a prior of all its hosts at an end of its band."""
    if what == "network":
        return replace(cluster, network=at_end(pace_of(cluster), end))

    def moved(worker: WorkerView) -> WorkerView:
        figure = figure_of(worker, what)
        if figure.source != "prior":
            return worker
        there = at_end(figure, end)
        if what == "speed":
            return replace(worker, speed=there)
        return replace(worker, power=replace(worker.power, **{FIELDS[what]: there}))

    return replace(cluster, workers=tuple(moved(worker) for worker in cluster.workers))


def banded(figure: Figure) -> bool:
    """Whether a figure has a band that is not just its value."""
    return figure.value is not None and None not in (figure.low, figure.high) and figure.low != figure.high


def shifted(search: Search, prior: Prior, end: End) -> Search:
    """The same search, with a prior at an end of its band."""
    estimator = search.estimator
    if prior.what in HOSTS:
        there = estimator.on(cluster_at(estimator.cluster, prior.what, end))
        other = Search(search.modes, there, search.judge, search.evaluator, effort=search.effort)
        other.margins = search.margins
        return other
    modes: Mapping[str, Sequence[Mode]] = search.modes
    profiles: Profiles = estimator.profiles
    if prior.what == "quality":
        modes = {
            name: [
                replace(mode, quality=at_end(mode.quality, end))
                if mode.configuration.agent == prior.agent
                else mode
                for mode in some
            ]
            for name, some in search.modes.items()
        }
    else:
        profiles = Shifted(profiles, prior.agent, end)
    judge = Judge(modes)
    other = Search(
        modes, estimator.alike(modes, profiles, judge), judge, search.evaluator, effort=search.effort
    )
    other.margins = search.margins  # estimates have none of their own, and one is as good as another
    return other


def descended(search: Search, picks: Picks, goal: Goal) -> Picks:
    """Where a descent by estimates from a plan ends."""
    return search.descend(picks, lambda some: search.guess(some, goal))


def agents_of(search: Search, picks: Picks) -> dict[str, str]:
    """The agent of each step, with the options that tell its modes apart."""
    return {
        name: search.modes[name][pick].configuration.agent
        for name, pick in zip(search.names, picks, strict=False)
    }
