"""Properties of the run loop on random workflows, counts, failures, orders of arrival and deaths of workers."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from murakkab_jupyter.core.ancestry import ROOT, Ancestry, child
from murakkab_jupyter.core.events import ItemFailed, LevelClosed, StepEnded
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.loop import RunLoop
from murakkab_jupyter.runtime.messages import Outcome
from murakkab_jupyter.workflow.model import Input, Step, Workflow
from tests.runtime.loop_play import Play, flow, many, worker
from tests.runtime.loop_play import step as stepped


@dataclass
class World:
    """A workflow, what becomes of each item, and how each step is done."""

    workflow: Workflow
    roots: Mapping[str, tuple[Ancestry, ...]]
    bad: Mapping[tuple[str, Ancestry], str]
    seed: int
    failing: float
    raising: float
    dying: float
    configurations: Mapping[str, Configuration] = field(default_factory=dict)

    def fate(self, name: str, key: Ancestry) -> str:
        """`fail`, `raise`, `die` or `done`: the same for an item however often it is asked."""
        chance = random.Random(f"{self.seed} {name} {key}").random()
        for word, share in (("fail", self.failing), ("raise", self.raising), ("die", self.dying)):
            if chance < share:
                return word
            chance -= share
        return "done"

    def children(self, name: str, key: Ancestry) -> int:
        return random.Random(f"{self.seed} {name} {key} n").choice([0, 1, 2, 3])

    def do(self, name: str, key: Ancestry) -> Outcome | str:
        match self.fate(name, key):
            case "fail":
                return Outcome(key, error="no")
            case "done":
                opens = self.workflow.step(name).opens
                return Outcome(key, children=self.children(name, key) if opens else None)
            case word:
                return word


@st.composite
def worlds(draw: st.DrawFn, *, faults: bool = True) -> World:
    variables = {"v": True, "q": False, "u": draw(st.booleans())}
    levels: dict[str, tuple[str, ...]] = {"v": ("v",), "q": (), "u": ("u",) if variables["u"] else ()}
    steps: list[Step] = []
    if draw(st.booleans()):  # deep from the start, so that gathers over several levels are common
        steps += [
            stepped("d0", "v", ("v", "same"), opens=True),
            stepped("d1", "v/d0", ("d0", "same"), opens=True),
        ]
        steps.append(stepped("d2", "v/d0/d1", ("d1", "same")))
        levels |= {one.name: one.level for one in steps}
    for n in range(draw(st.integers(1, 7))):
        known = sorted({(), *levels.values()})
        # A level that somebody lives at, or one above it.
        deepest = draw(st.sampled_from(known))
        at = deepest[: draw(st.integers(0, len(deepest)))] if draw(st.booleans()) else deepest
        fitting = []
        for source, level in levels.items():
            if level == at:
                fitting.append((source, "same"))
            elif at[: len(level)] == level:
                fitting.append((source, "broadcast"))
            elif level[: len(at)] == at:
                fitting.append((source, "gather"))
        chosen = draw(st.lists(st.sampled_from(fitting), min_size=1, max_size=3, unique=True))
        inputs = tuple(Input(source, "material", how) for source, how in chosen)
        name = f"s{n}"
        opens = draw(st.booleans()) and len(at) < 3
        steps.append(Step(name, name, "test", at, opens, "text", inputs))
        levels[name] = steps[-1].level
    workflow = flow(variables, *steps)
    roots = {
        "v": many("v", draw(st.integers(0, 3))),
        "q": (ROOT,),
        "u": many("u", draw(st.integers(0, 2))) if variables["u"] else (ROOT,),
    }
    bad = {}
    if faults and draw(st.booleans()):
        every = [(name, key) for name, keys in roots.items() for key in keys]
        if every:
            bad = dict.fromkeys(draw(st.lists(st.sampled_from(every), max_size=2)), "cannot be read")
    share = st.sampled_from([0.0, 0.1, 0.3, 0.6]) if faults else st.just(0.0)
    configurations = {
        one.name: Configuration(
            "agent",
            cores=draw(st.integers(1, 3)),
            instances=draw(st.integers(1, 3)),
            batch=draw(st.integers(1, 5)),
            siblings=draw(st.booleans()),
            device=draw(st.sampled_from(["cpu", "cpu", "remote"])),
        )
        for one in steps
    }
    return World(
        workflow,
        roots,
        bad,
        draw(st.integers(0, 10_000)),
        draw(share),
        draw(share),
        draw(share),
        configurations,
    )


@dataclass
class Truth:
    """What must come out, by brute force: how each item ends, whom to blame, what each gather sees."""

    state: dict[tuple[str, Ancestry], str] = field(default_factory=dict)
    blame: dict[tuple[str, Ancestry], str] = field(default_factory=dict)
    at: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def failures(self, workflow: Workflow, source: str, below: Ancestry) -> list[tuple[Ancestry, str]]:
        """Every failure that a gather of `source` over `below` goes without, with whom to blame."""
        found = []
        own = self.at[source]
        for name in dict.fromkeys([*own[len(below) :], source]):
            if self.at[name] != own[: len(self.at[name])]:
                continue
            for (step, key), state in self.state.items():
                if step == name and key[: len(below)] == below and state != "done":
                    found.append((key, self.blame[step, key]))
        return sorted(found)


def truth_of(world: World) -> Truth:
    truth = Truth()
    levels: dict[tuple[str, ...], list[Ancestry]] = {(): [ROOT]}
    values: dict[str, set[Ancestry]] = {}
    for variable in world.workflow.variables:
        keys = world.roots[variable.name]
        levels.setdefault(variable.level, list(keys))
        values[variable.name] = {key for key in keys if (variable.name, key) not in world.bad}
        truth.at[variable.name] = variable.level
        for key in keys:
            fine = (variable.name, key) not in world.bad
            truth.state[variable.name, key] = "done" if fine else "failed"
            truth.blame[variable.name, key] = variable.name
    for step in world.workflow.steps:
        truth.at[step.name] = step.at
        values[step.name] = set()
        if step.opens:
            levels[step.level] = []
        for key in levels[step.at]:
            skipped = None
            for one in step.inputs:
                level = world.workflow.level_of(one.source)
                if one.how == "gather":
                    there = [k for k in values[one.source] if k[: len(key)] == key]
                    lost = truth.failures(world.workflow, one.source, key)
                    if lost and not there:
                        skipped = lost[0][1]
                elif key[: len(level)] not in values[one.source]:
                    above = key[: len(truth.at[one.source])]
                    skipped = truth.blame[one.source, above]
                if skipped:
                    break
            fate = "skipped" if skipped else world.fate(step.name, key)
            truth.state[step.name, key] = "done" if fate == "done" else fate if skipped else "failed"
            truth.blame[step.name, key] = skipped or step.name
            if fate == "done":
                if step.opens:
                    made = [child(key, step.name, n) for n in range(world.children(step.name, key))]
                    levels[step.level] += made
                    values[step.name] |= set(made)
                else:
                    values[step.name].add(key)
    return truth


def outcome_of(
    play: Play, world: World
) -> tuple[dict[tuple[str, Ancestry], str], dict[tuple[str, Ancestry], str]]:
    """How each item ended, from what the loop told, and whom it blamed."""
    state: dict[tuple[str, Ancestry], str] = {}
    blame: dict[tuple[str, Ancestry], str] = {}
    for name, outcome in play.recorded:
        if outcome.error is None:
            assert (name, outcome.ancestry) not in state, "an item was recorded twice"
            state[name, outcome.ancestry] = "done"
    for event in play.told(ItemFailed):
        key = (event.step, event.ancestry)
        assert key not in state, "an item ended twice"
        state[key] = "failed" if event.blame is None else "skipped"
        blame[key] = event.blame or event.step
    return state, blame


QUICK = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def play_out(world: World, seed: int | None, losses: Mapping[int, str] | None = None) -> Play:
    loop = RunLoop(world.workflow, world.configurations)
    play = Play(loop, world.do, [worker("w0", 4), worker("w1", 3)], seed=seed, losses=losses)
    play.begin(world.roots, bad=world.bad)
    play.to_the_end(20_000)
    return play


@QUICK
@given(worlds(), st.integers(0, 1000))
def test_every_item_ends_once_as_brute_force_says_in_any_order_of_arrival(world: World, seed: int) -> None:
    truth = truth_of(world)
    steps = {step.name for step in world.workflow.steps}
    for order in (None, seed):
        play = play_out(world, order)
        state, blame = outcome_of(play, world)
        want = {key: how for key, how in truth.state.items() if key[0] in steps or how != "done"}
        assert state == want
        assert blame == {key: truth.blame[key] for key, how in want.items() if how != "done"}
        assert {event.step for event in play.told(StepEnded)} == steps
        counts = {event.step: (event.done, event.failed, event.skipped) for event in play.told(StepEnded)}
        for name in steps:
            ends = [how for (step, _), how in want.items() if step == name]
            assert counts[name] == (ends.count("done"), ends.count("failed"), ends.count("skipped"))
        assert not play.loaded
        assert play.finish is not None
        bad = any(how != "done" for how in want.values())
        assert (play.finish.status == "done") == (not bad)


@QUICK
@given(
    worlds(faults=False),
    st.integers(0, 1000),
    st.lists(st.tuples(st.integers(2, 40), st.booleans()), max_size=4),
)
def test_losing_and_getting_back_workers_loses_no_item(
    world: World, seed: int, when: list[tuple[int, bool]]
) -> None:
    losses: dict[int, str] = {}
    for at, first in when:
        losses.setdefault(at, "w0" if first else "w1")
    # Every second time a worker comes back. Two losses at most: a third death would rightly fail what was on them.
    assume(sum((times + 1) // 2 for times in Counter(losses.values()).values()) <= 2)
    truth = truth_of(world)
    play = Play(
        RunLoop(world.workflow, world.configurations),
        world.do,
        [worker("w0", 4), worker("w1", 4)],
        seed=seed,
        losses=losses,
    )
    play.begin(world.roots)
    for _ in range(20_000):
        if play.finish is not None:
            break
        if not play.running and not play.recording and not play.workers:
            play.toggle("w0")  # joins in time
        else:
            assert play.turn()
    assert play.finish is not None
    state, _ = outcome_of(play, world)
    steps = {step.name for step in world.workflow.steps}
    assert state == {key: how for key, how in truth.state.items() if key[0] in steps}
    assert play.finish.status == "done"


@QUICK
@given(worlds(faults=False), st.integers(0, 1000))
def test_every_opener_says_its_count_once_and_batches_keep_their_bounds(world: World, seed: int) -> None:
    play = play_out(world, seed)
    truth = truth_of(world)
    for step in world.workflow.steps:
        keys = sorted(key for name, key in truth.state if name == step.name)
        closed = [event for event in play.told(LevelClosed) if event.step == step.name]
        if step.opens:
            assert sorted(event.ancestry for event in closed) == keys
        configuration = world.configurations[step.name]
        for batch in (one for one in play.submitted if one.step == step.name):
            assert list(batch.keys) == sorted(batch.keys)
            if configuration.siblings:
                parents = {key[:-1] for key in batch.keys}
                assert len(parents) == 1
                family = [key for key in keys if key[:-1] in parents]
                first = family.index(batch.keys[0])
                assert list(batch.keys) == family[first : first + len(batch.keys)]
                assert len(batch.keys) <= (configuration.part or len(family))
                assert not configuration.whole or list(batch.keys) == family
            else:
                assert len(batch.keys) <= configuration.batch
