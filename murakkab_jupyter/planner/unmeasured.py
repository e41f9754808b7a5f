"""Plans for hardware that is only written down say what cannot be predicted, instead of showing a guess.

Here, a guess is good enough to plan with: the first run replaces it. For hardware that one does not have no
run comes, so a step whose agent nobody measured on such a device has unknown figures, and so have the totals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from murakkab_jupyter.core.errors import InfeasibleError
from murakkab_jupyter.core.figure import Figure, unknown
from murakkab_jupyter.core.hosts import ClusterView
from murakkab_jupyter.planner.plan import Alternative, Configuration, Plan, StepPlan
from murakkab_jupyter.profiles.profile import Profiles
from murakkab_jupyter.workflow.model import Workflow

__all__ = ["predictable"]

TIMES = frozenset({"latency", "start", "end"})
NO_PART = "a step of it has no profile"


def predictable(
    plan: Plan, workflow: Workflow, profiles: Profiles, cluster: ClusterView, *, judge: bool = True
) -> Plan:
    """The plan with every figure unknown that rests on a guess; the same plan on a cluster that is real.

    Parameters
    ----------
    plan, workflow
        What was planned.
    profiles, cluster
        What is known, and the hardware.
    judge
        Whether limits that cannot be judged are an error.

    Raises
    ------
    InfeasibleError
        The goal has a deadline, budget or limit on energy, and nobody can say whether the plan keeps it.
    """
    if not cluster.described:
        return plan
    missing = {
        name: str(reason)
        for name, step in plan.steps.items()
        if (reason := lack(step.configuration, profiles, cluster)) is not None
    }
    if not missing:
        return plan
    below = downstream(workflow, missing)
    steps = {
        name: blank(step, missing.get(name), late=name in below, profiles=profiles, cluster=cluster)
        for name, step in plan.steps.items()
    }
    totals = {
        key: one if key == "quality" else unknown(one.unit, NO_PART) for key, one in plan.predicted.items()
    }
    notes = [f"Step {name} cannot be predicted: {reason}." for name, reason in missing.items()]
    notes += [note for note in plan.notes if plan.rate is None or note != plan.rate.words]
    reserves = None if plan.reserves is None else replace(plan.reserves, reason="")
    made = replace(
        plan.unproven(),
        steps=steps,
        predicted=totals,
        notes=tuple(notes),
        reserves=reserves,
        rate=None,
        standing=None,
    )
    limits = {
        "deadline": plan.goal.deadline_s,
        "budget": plan.goal.budget_usd,
        "max-energy": plan.goal.max_energy_j,
        "rate of arrivals": plan.goal.arrivals_per_s,
    }
    for limit, value in limits.items():
        if judge and value is not None:
            names = ", ".join(missing)
            msg = f"Nobody can say whether a plan keeps the {limit}: {names} cannot be predicted there."
            raise InfeasibleError(
                msg,
                binding=limit,
                nearest=made,
                hint="Leave the limit out, pin agents that were measured (`murakkab profile` lists them), or "
                "import profiles of such a host with `murakkab profile --import FILE`.",
            )
    return made


@dataclass(frozen=True, slots=True)
class Unprofiled:
    """That an agent has no profile, and where it has none (` on a GPU (A100)`, or nowhere at all)."""

    agent: str
    where: str = ""

    def __str__(self) -> str:
        return f"there is no profile of {self.agent}{self.where}"

    @property
    def shared(self) -> str:
        """The same of any agent."""
        return f"there is no profile{self.where}"


def lack(configuration: Configuration, profiles: Profiles, cluster: ClusterView) -> Unprofiled | None:
    """Why calls of a configuration cannot be predicted on a cluster; None where they can."""
    agent = configuration.agent
    call = profiles.call(agent, configuration.options, cores=max(1, configuration.cores), items=1, work=1)
    guessed = call is None or call.seconds.value is None or bool(call.guess)
    # What is known of an agent without an engine is what was seen of it on CPUs.
    if configuration.gpus and (guessed or not configuration.engine):
        cards = ", ".join(dict.fromkeys(gpu.name for worker in cluster.workers for gpu in worker.gpus))
        return Unprofiled(agent, f" on a GPU ({cards or 'of any kind'})")
    return Unprofiled(agent) if guessed else None


def downstream(workflow: Workflow, names: Mapping[str, str]) -> set[str]:
    """The steps that wait for any of some steps."""
    late: set[str] = set()
    for step in workflow.steps:  # in topological order
        if any(one.source in names or one.source in late for one in step.inputs):
            late.add(step.name)
    return late


def blank(
    step: StepPlan, reason: str | None, *, late: bool, profiles: Profiles, cluster: ClusterView
) -> StepPlan:
    """One step without what is not known of it."""

    def told(key: str, one: Figure) -> Figure:
        if key == "quality":
            return one
        if reason is not None:
            return unknown(one.unit, reason)
        # When it begins depends on all that shares the workers with it; how long it lasts, on what it waits for.
        if key in ("start", "end") or (late and key in TIMES):
            return unknown(one.unit, NO_PART)
        return one

    runner_up = step.runner_up
    if runner_up is not None:
        guessed = reason is not None or lack(runner_up.configuration, profiles, cluster) is not None
        why = "one of the two has no profile" if guessed else "the plan's own figures are unknown"
        runner_up = Alternative(
            runner_up.configuration, f"{runner_up.configuration} was not compared: {why}."
        )
    return replace(
        step, predicted={key: told(key, one) for key, one in step.predicted.items()}, runner_up=runner_up
    )
