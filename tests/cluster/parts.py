"""Small agents, a workflow of them, and one call that runs it on a real cluster."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Failed, Inputs, Needs, Option, Tokens
from murakkab_jupyter.agents.capability import Capability, Port
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.cluster.connect import Cluster
from murakkab_jupyter.cluster.driver import DaskDriver
from murakkab_jupyter.core.ancestry import child
from murakkab_jupyter.core.events import BatchEnded, Event
from murakkab_jupyter.planner.plan import Configuration
from murakkab_jupyter.runtime.loop import RunLoop
from murakkab_jupyter.runtime.messages import Begin, Finish
from murakkab_jupyter.runtime.recorder import MemoryRecorder, Recorder
from murakkab_jupyter.runtime.values import ValueStore
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.model import Input, Step, Variable, Workflow

ANY = frozenset({"any"})


class Split(Agent):
    """The words of a text."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        self.loads = 1

    def call(self, batch: Sequence[Inputs]) -> list[list[str]]:
        return [inputs.values["material"].split() for inputs in batch]


class Shout(Agent):
    """A word in capitals, with the process and the load that did it."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        self.mark = f"{os.getpid()}/{os.environ['OMP_NUM_THREADS']}/{cores}/{options['loud']}"

    def call(self, batch: Sequence[Inputs]) -> list[str]:
        return [f"{inputs.values['material'].upper()} {self.mark}" for inputs in batch]

    def tokens(self) -> Tokens:
        return Tokens(7, 3)


class Join(Agent):
    """All words again."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        pass

    def call(self, batch: Sequence[Inputs]) -> list[str]:
        return [" ".join(word.split()[0] for word in inputs.values["material"]) for inputs in batch]


class Odd(Agent):
    """Does what a word says: raise, return too few, die, hang, or come back in lower case."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        if options["how"] == "unloadable":
            message = "no weights on this host"
            raise RuntimeError(message)

    def call(self, batch: Sequence[Inputs]) -> list[Any]:
        made: list[Any] = []
        for inputs in batch:
            match inputs.values["material"]:
                case "raise":
                    message = "this word is poison"
                    raise ValueError(message)
                case "few":
                    return []
                case "kind":
                    made.append(42)
                case "fail":
                    made.append(Failed("too quiet to hear"))
                case "die":
                    sys.stderr.write("the last words of an instance\n")
                    sys.stderr.flush()
                    os.kill(os.getpid(), signal.SIGKILL)
                case "wait":
                    subprocess.run(["sleep", "600"], check=True)  # longer than any test waits
                case word:
                    made.append(word.lower())
        return made


class Locked(Agent):
    """Returns what cannot be written down."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        pass

    def call(self, batch: Sequence[Inputs]) -> list[Any]:
        return [threading.Lock() for _ in batch]


class Slow(Agent):
    """Takes as many seconds of wall time as its option says; writes each item it does to a file.

    Until another file is there it does not end an item, or, where some are named, not one of these.
    """

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        self.seconds = options["seconds"]
        self.diary = Path(options["diary"])
        self.gate = Path(options.get("gate", "/"))
        self.held = options.get("held", "").split()

    def call(self, batch: Sequence[Inputs]) -> list[str]:
        made = []
        for inputs in batch:
            with self.diary.open("a") as diary:
                diary.write(f"{os.getpid()} {inputs.values['material']}\n")
            time.sleep(self.seconds)
            if not self.held or inputs.values["material"] in self.held:
                wait_for(self.gate.exists, 240.0)
            made.append(inputs.values["material"])
        return made


def library() -> Library:
    """Capabilities `split`, `word` and `join`, and the agents above."""
    made = Library()
    made.add_capability(Capability("split", "Words of a text", (Port("material", ANY),), "text", opens=True))
    made.add_capability(
        Capability(
            "word",
            "A word of a word",
            (Port("material", ANY),),
            "text",
            unit="tokens",
            work=lambda inputs, options: inputs["material"]["tokens"],
        )
    )
    made.add_capability(Capability("join", "One text of words", (Port("material", ANY, "many"),), "text"))
    made.add_capability(Capability("loose", "Anything", (Port("material", ANY),), "any"))
    small = Needs(memory_bytes=30_000_000)
    made.add_agent(AgentSpec("splitter", "1", "split", "Splits.", Split, needs=small))
    made.add_agent(
        AgentSpec(
            "shouter", "1", "word", "Shouts.", Shout, options=(Option("loud", bool, True),), needs=small
        )
    )
    made.add_agent(AgentSpec("locked", "1", "loose", "Locks.", Locked, needs=small))
    made.add_agent(AgentSpec("joiner", "1", "join", "Joins.", Join, needs=small))
    made.add_agent(AgentSpec("odd", "1", "word", "Odd.", Odd, options=(Option("how", str, ""),), needs=small))
    made.add_agent(
        AgentSpec(
            "slow",
            "1",
            "word",
            "Slow.",
            Slow,
            options=(
                Option("seconds", float, 0.1),
                Option("diary", str, "/dev/null"),
                Option("gate", str, "/"),
                Option("held", str, ""),
            ),
            needs=small,
        )
    )
    return made


def words_flow() -> Workflow:
    """texts -> words (opens) -> said -> joined, per text."""
    return Workflow(
        name="words",
        description="",
        variables=(Variable("texts", "text", ("texts",)),),
        steps=(
            Step(
                "words",
                "split {texts}",
                "split",
                ("texts",),
                True,
                "text",
                (Input("texts", "material", "same"),),
            ),
            Step(
                "said",
                "say {words}",
                "word",
                ("texts", "words"),
                False,
                "text",
                (Input("words", "material", "same"),),
            ),
            Step(
                "joined",
                "join {said}",
                "join",
                ("texts",),
                False,
                "text",
                (Input("said", "material", "gather"),),
            ),
        ),
        goal=Goal(),
        text="",
    )


def one_step(capability: str = "word") -> Workflow:
    """items -> said."""
    return Workflow(
        name="one",
        description="",
        variables=(Variable("items", "text", ("items",)),),
        steps=(
            Step(
                "said",
                "say {items}",
                capability,
                ("items",),
                False,
                "text",
                (Input("items", "material", "same"),),
            ),
        ),
        goal=Goal(),
        text="",
    )


def setting(agent: str, **options: Any) -> Configuration:
    """A configuration of one core, batches of 4; the other fields by their names."""
    fields = {
        key: options.pop(key) for key in ("cores", "gpus", "instances", "batch", "device") if key in options
    }
    return Configuration(agent, tuple(sorted(options.items())), **{"batch": 4, **fields})


def held_after(first: int, diary: Path, gate: Path, **fields: Any) -> Configuration:
    """`slow` for items that are called by their number: the first few end, the others up to 100 wait for a file."""
    held = " ".join(str(number) for number in range(first, 100))
    return setting("slow", seconds=0.1, diary=str(diary), gate=str(gate), held=held, **fields)


@dataclass
class Ran:
    """A run and what it left."""

    finish: Finish
    store: ValueStore
    events: list[Event]
    recorder: Recorder

    def batches(self, step: str) -> list[BatchEnded]:
        return [e for e in self.events if isinstance(e, BatchEnded) and e.step == step]

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@dataclass
class Run:
    """A run that is about to begin."""

    cluster: Cluster
    workflow: Workflow
    configurations: Mapping[str, Configuration]
    values: Mapping[str, Sequence[Any]]
    library: Library = field(default_factory=library)
    stop: threading.Event = field(default_factory=threading.Event)
    recorder: Recorder = field(default_factory=MemoryRecorder)
    on_event: Callable[[Event], None] = lambda event: None

    def go(self) -> Ran:
        store = ValueStore(self.workflow, self.library)
        roots = {}
        for name, values in self.values.items():
            roots[name] = tuple(child((), name, index) for index in range(len(values)))
            for key, value in zip(roots[name], values, strict=True):
                store.put(name, key, value)
        events: list[Event] = []

        def publish(event: Event) -> None:
            events.append(event)
            self.on_event(event)

        loop = RunLoop(self.workflow, self.configurations)
        finish = DaskDriver(self.cluster, library=self.library).drive(
            loop,
            Begin(roots, self.cluster.view().workers),
            store=store,
            recorder=self.recorder,
            publish=publish,
            stop=self.stop,
        )
        return Ran(finish, store, events, self.recorder)


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):  # the latter where it ends between opening and reading
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition; fails when it does not come true in time.

    Give a shorter time only where that is what is tested: the usual one is for machines that are slow and busy.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(0.02)


def wait_for_workers(cluster: Cluster, count: int, seconds: float = 60.0) -> None:
    """Wait until a cluster knows so many workers."""

    def there() -> bool:
        cluster.roll()
        return len(cluster.probes) == count

    wait_for(there, seconds)


def sleepers(ancestor: int) -> set[int]:
    """Processes called `sleep` under one process."""
    import psutil

    found = set()
    with contextlib.suppress(psutil.NoSuchProcess):  # it has ended itself
        for process in psutil.Process(ancestor).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # it ended between the list and the question
                if process.name() == "sleep":
                    found.add(process.pid)
    return found


def holding(ancestor: int, diary: Path, first: int) -> bool:
    """Whether an instance under a process has begun an item that `held_after` has wait, by its diary."""
    if not diary.exists():
        return False
    begun = [line.split() for line in diary.read_text().splitlines()]
    held = {int(pid) for pid, item in begun if int(item) >= first}
    return bool(held and held & instance_pids(ancestor))


def instance_pids(ancestor: int | None = None) -> set[int]:
    """Processes of instances: all, or those under one process."""
    import psutil

    found = set()
    for process in psutil.process_iter(["pid", "cmdline"]):
        if "murakkab_jupyter.cluster.instances.instance" not in (process.info["cmdline"] or ()):
            continue
        try:
            if ancestor is None or ancestor in (parent.pid for parent in process.parents()):
                found.add(process.info["pid"])
        except psutil.NoSuchProcess:
            continue
    return found
