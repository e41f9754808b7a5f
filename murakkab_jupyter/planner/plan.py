"""A plan: a value that can be printed, compared, written down and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import Share
from murakkab_jupyter.core.transfer import Transfer
from murakkab_jupyter.planner.rate import Rate
from murakkab_jupyter.planner.standing import Standing
from murakkab_jupyter.workflow.goal import Goal

__all__ = ["Alternative", "Configuration", "Plan", "Regime", "Reservation", "StepPlan"]

Regime = Literal["schedule", "pipeline"]


@dataclass(frozen=True, slots=True)
class Configuration:
    """How one step is done: every lever.

    Attributes
    ----------
    agent
        Name of the agent.
    options
        Its options as sorted pairs, every one of them (pinned, by slot, by lever or default).
    device
        `cpu`, `gpu` or `remote`.
    cores, gpus
        Of each instance; of an engine, the GPUs that all its replicas hold.
    instances
        How many instances may run at once.
    batch
        Most items in a call.
    siblings
        Whether a call holds items of one parent alone, neighbours of each other: all of them where `batch` is 1, else at most so many.
    engine
        Model server that its agent calls, where the session may have to start one.
    engine_cores
        CPU cores that this server keeps busy while it answers, beside the caller; 0 for one with GPUs, or elsewhere.
    """

    agent: str
    options: tuple[tuple[str, Any], ...] = ()
    device: Literal["cpu", "gpu", "remote"] = "cpu"
    cores: int = 1
    gpus: int = 0
    instances: int = 1
    batch: int = 1
    siblings: bool = False
    engine: str = ""
    engine_cores: int = 0

    @property
    def part(self) -> int:
        """Most items of one parent in a call, where it holds such alone; 0 for all of them."""
        return self.batch if self.siblings and self.batch > 1 else 0

    @property
    def whole(self) -> bool:
        """Whether a call holds all items of one parent, however many."""
        return self.siblings and not self.part

    @property
    def held_cores(self) -> int:
        """Cores that a call holds: an instance's own, or those of the server that it asks; none of a server elsewhere."""
        return self.engine_cores if self.waits else self.cores

    @property
    def waits(self) -> bool:
        """Whether a server does its calls: an instance then holds neither cores nor GPUs, it only waits."""
        return self.device == "remote" or bool(self.engine)

    def __str__(self) -> str:
        words = [self.agent]
        words += [f"{key}={value}" for key, value in self.options]
        batch = f"batch {self.batch}"
        if self.siblings:
            batch = "all siblings in a call" if self.whole else f"{self.part} siblings in a call"
        place = f"{self.instances} x {self.cores} {'core' if self.cores == 1 else 'cores'}"
        if self.engine_cores:
            place = f"{self.engine_cores} {'core' if self.engine_cores == 1 else 'cores'} of {self.engine}"
        if self.gpus:
            place = f"{self.gpus} {'GPU' if self.gpus == 1 else 'GPUs'}" + (
                "" if self.waits else f", {place}"
            )
        return f"{' '.join(words)} on {self.device} ({place}, {batch})"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `options` as an object."""
        return {
            "agent": self.agent,
            "options": dict(self.options),
            "device": self.device,
            "cores": self.cores,
            "gpus": self.gpus,
            "instances": self.instances,
            "batch": self.batch,
            "siblings": self.siblings,
            "engine": self.engine,
            "engine_cores": self.engine_cores,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Configuration:
        """Inverse of `to_json`; keys it does not know are ignored."""
        return cls(
            agent=str(data["agent"]),
            options=tuple(sorted(data["options"].items())),
            device=data["device"],
            cores=int(data["cores"]),
            gpus=int(data.get("gpus", 0)),
            instances=int(data["instances"]),
            batch=int(data["batch"]),
            siblings=bool(data.get("siblings", False)),
            engine=str(data.get("engine", "")),
            engine_cores=int(data.get("engine_cores", 0)),
        )


@dataclass(frozen=True, slots=True)
class Reservation:
    """Cores that a plan keeps for itself: its run uses no more, and is charged for the idle of these alone.

    Attributes
    ----------
    cores
        Of each of these hosts; of a smaller one, all.
    hosts
        Cores that each of them has.
    reason
        Why not more or fewer, in one sentence with figures; empty where there was no choice.
    gpus, gpus_of
        Of each host, GPUs that engines hold for the plan, and GPUs that it has; hosts without either are left out.
    spared
        Other hosts of the cluster, of whose cores it keeps none, and how many they have.
    """

    cores: int
    hosts: Mapping[str, int]
    reason: str = ""
    gpus: Mapping[str, int] = field(default_factory=dict)
    gpus_of: Mapping[str, int] = field(default_factory=dict)
    spared: Mapping[str, int] = field(default_factory=dict)

    @property
    def share(self) -> Share:
        """What its run may use of the cluster."""
        return Share(self.cores, tuple(self.hosts) if self.spared else ())

    def __str__(self) -> str:
        cards = [
            f"{held} of {self.gpus_of.get(host, held)} {'GPU' if self.gpus_of.get(host, held) == 1 else 'GPUs'} of host {host}"
            for host, held in self.gpus.items()
            if held
        ]
        if self.spared:
            few = len(self.spared) <= 3
            cards.append(
                f"no core of {'host ' if few else ''}{', '.join(self.spared) if few else f'{len(self.spared)} others'}"
            )
        return " and ".join([self.cores_words, *cards])

    @property
    def cores_words(self) -> str:
        """`1 of 2 cores of host X`."""
        kept = {host: (min(self.cores, of), of) for host, of in self.hosts.items()}
        shares = set(kept.values())
        if len(kept) > 3 and len(shares) > 1:
            return (
                f"at most {self.cores} {'core' if self.cores == 1 else 'cores'} of each of {len(kept)} hosts"
            )
        if len(kept) > 1 and len(shares) == 1:
            cores, of = shares.pop()
            return f"{cores} of {of} {'core' if of == 1 else 'cores'} of each of {len(kept)} hosts"
        return ", ".join(
            f"{cores} of {of} {'core' if of == 1 else 'cores'} of host {host}"
            for host, (cores, of) in kept.items()
        )

    @property
    def words(self) -> str:
        """One sentence: `Reserves 1 of 2 cores of host X: with 2, energy would be 25 J instead of 19 J.` and the like."""
        return f"Reserves {self}{f': {self.reason}' if self.reason else ''}."

    def to_json(self) -> dict[str, Any]:
        """`{cores, hosts: {HOST: {cores, of}}, spared: {HOST: of}, reason}`, with `gpus` and `gpus_of` of hosts whose GPUs are held."""
        return {
            "cores": self.cores,
            "hosts": {
                host: {"cores": min(self.cores, of), "of": of}
                | ({"gpus": self.gpus[host], "gpus_of": self.gpus_of[host]} if self.gpus.get(host) else {})
                for host, of in self.hosts.items()
            }
            | {
                host: {"cores": 0, "of": self.spared[host], "gpus": held, "gpus_of": self.gpus_of[host]}
                for host, held in self.gpus.items()
                if held and host in self.spared
            },
            "spared": dict(self.spared),
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reservation:
        """Inverse of `to_json`."""
        spared = {str(host): int(of) for host, of in data.get("spared", {}).items()}
        hosts = {str(host): int(one["of"]) for host, one in data["hosts"].items() if host not in spared}
        cards = {str(host): one for host, one in data["hosts"].items() if one.get("gpus")}
        return cls(
            int(data["cores"]),
            hosts,
            str(data.get("reason", "")),
            {host: int(one["gpus"]) for host, one in cards.items()},
            {host: int(one["gpus_of"]) for host, one in cards.items()},
            spared,
        )


@dataclass(frozen=True, slots=True)
class Alternative:
    """The runner-up of a step and why it lost, in one sentence with figures."""

    configuration: Configuration
    reason: str


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step of a plan.

    Attributes
    ----------
    configuration
        What was chosen.
    items
        Items it is expected to do.
    predicted
        `latency` (s, from its first start to its last end), `cpu` (s), `energy` (J), `cost` (USD),
        `quality` (1), `start` and `end` (s from the start of the run).
    runner_up
        The next best, or None where there was no other.
    """

    configuration: Configuration
    items: float
    predicted: Mapping[str, Figure]
    runner_up: Alternative | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A configuration for every step, predicted totals, and why.

    Attributes
    ----------
    workflow
        Its name.
    goal
        What it was made for.
    steps
        By name, in the workflow's order.
    reserves
        Cores that it keeps of each host; None for whole hosts.
    predicted
        Totals: `latency` (s), `cpu` (s), `energy` (J), `cost` (USD), `quality` (1).
    regime
        `schedule` (few items) or `pipeline` (many items or arrivals).
    binding
        The limit that keeps it from doing better at its objective, in words; None when none binds.
    bound
        A proven bound on the first objective in its unit, None where none is proven: no plan of the modes considered
        does better under these profiles. Of arrivals it is of an hour, or of what 95 % of the values take at most.
    gap
        How far the plan may be from that bound, as a share of its value (of quality: points of 1); 0 where it is optimal.
    proof
        Bound and gap in a sentence.
    trades
        What a little more of one thing would save of another, as sentences.
    priors
        Which priors, at an end of their band, would change the choice of an agent, as sentences.
    notes
        What the user should know: substitutes, priors that matter, what is not installed.
    cautions
        What to know before all else: a limit that is at risk, figures that count on something that is not there.
    margins
        For each limit, the share by which a run may exceed what is expected with the goal's confidence: what the limit was
        planned with, as far as there was room.
    transfer
        Files that are brought to hosts that do not see them; None where there are none.
    rate
        How it keeps up with inputs that keep arriving; None for a job now. What is predicted is always of the inputs at hand.
    standing
        What it is best in and gives up among the plans of a frontier; None for a plan that is in none.
    taken
        Which plan of a frontier it is, in words, where a person took it; empty for the one that its goal chose.
    considered
        Agents that it was chosen among, of all steps, sorted.
    """

    workflow: str
    goal: Goal
    steps: Mapping[str, StepPlan]
    predicted: Mapping[str, Figure]
    regime: Regime = "schedule"
    binding: str | None = None
    bound: float | None = None
    gap: float | None = None
    proof: str | None = None
    trades: tuple[str, ...] = ()
    priors: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    reserves: Reservation | None = None
    cautions: tuple[str, ...] = ()
    margins: Mapping[str, float] = field(default_factory=dict)
    transfer: Transfer | None = None
    rate: Rate | None = None
    taken: str = ""
    standing: Standing | None = None
    considered: tuple[str, ...] = ()

    @property
    def chosen_by(self) -> str:
        """What chose it, in words: its goal, or a person who took it from a frontier."""
        return self.taken or str(self.goal)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Its notes, and where it stands among the plans of a frontier."""
        return self.notes if self.standing is None else (*self.notes, self.standing.words)

    def unproven(self) -> Plan:
        """The same without what was said of other plans beside it: it was not chosen freely among them, or not by known figures."""
        return replace(self, binding=None, bound=None, gap=None, proof=None, trades=(), priors=())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: `steps[NAME] = {agent, device, cores, instances, batch, ..., predicted}`, and `reserves`."""
        return {
            "workflow": self.workflow,
            "goal": self.goal.to_json(),
            "taken": self.taken,
            "considered": list(self.considered),
            "regime": self.regime,
            "binding": self.binding,
            "bound": self.bound,
            "gap": self.gap,
            "proof": self.proof,
            "trades": list(self.trades),
            "priors": list(self.priors),
            "notes": list(self.notes),
            "cautions": list(self.cautions),
            "margins": dict(self.margins),
            "rate": None if self.rate is None else self.rate.to_json(),
            "standing": None if self.standing is None else self.standing.to_json(),
            "transfer": None if self.transfer is None else self.transfer.to_json(),
            "reserves": None if self.reserves is None else self.reserves.to_json(),
            "predicted": {name: figure.to_json() for name, figure in self.predicted.items()},
            "steps": {
                name: {
                    **step.configuration.to_json(),
                    "items": step.items,
                    "predicted": {key: figure.to_json() for key, figure in step.predicted.items()},
                    "runner_up": None
                    if step.runner_up is None
                    else {
                        **step.runner_up.configuration.to_json(),
                        "reason": step.runner_up.reason,
                    },
                }
                for name, step in self.steps.items()
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Inverse of `to_json`."""

        def figures(raw: Mapping[str, Any]) -> dict[str, Figure]:
            return {key: Figure.from_json(value) for key, value in raw.items()}

        def step(raw: Mapping[str, Any]) -> StepPlan:
            other = raw.get("runner_up")
            return StepPlan(
                Configuration.from_json(raw),
                float(raw["items"]),
                figures(raw["predicted"]),
                None if other is None else Alternative(Configuration.from_json(other), str(other["reason"])),
            )

        return cls(
            workflow=str(data["workflow"]),
            goal=Goal.from_json(data["goal"]),
            steps={name: step(raw) for name, raw in data["steps"].items()},
            predicted=figures(data["predicted"]),
            regime=data["regime"],
            binding=data["binding"],
            bound=data["bound"],
            gap=data.get("gap"),
            proof=data.get("proof"),
            trades=tuple(data.get("trades", ())),
            priors=tuple(data.get("priors", ())),
            notes=tuple(data["notes"]),
            cautions=tuple(data.get("cautions", ())),
            margins={str(name): float(share) for name, share in data.get("margins", {}).items()},
            taken=str(data.get("taken", "")),
            rate=None if data.get("rate") is None else Rate.from_json(data["rate"]),
            considered=tuple(str(name) for name in data.get("considered", ())),
            standing=None if data.get("standing") is None else Standing.from_json(data["standing"]),
            transfer=None if data.get("transfer") is None else Transfer.from_json(data["transfer"]),
            # Plans of earlier versions reserved whole hosts.
            reserves=None if data.get("reserves") is None else Reservation.from_json(data["reserves"]),
        )
