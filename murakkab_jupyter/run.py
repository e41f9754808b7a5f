"""A run: what is under way or done, as a normal object."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.core.ancestry import Ancestry, format_ancestry
from murakkab_jupyter.core.errors import AgentError
from murakkab_jupyter.core.events import Event, ItemFailed, Notice, RunStatus
from murakkab_jupyter.core.hosts import ClusterView
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.runtime.bill import Bill
from murakkab_jupyter.runtime.loop import RunLoop
from murakkab_jupyter.runtime.values import ValueStore
from murakkab_jupyter.workflow.model import Workflow

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXIT_CODES", "Outputs", "Run"]

EXIT_CODES: Mapping[RunStatus, int] = {"done": 0, "partial": 3, "failed": 3, "stopped": 130, "running": 0}


class Outputs(Mapping[str, Any]):
    """What the steps made, by name; read only.

    `outputs["summary"]` is a mapping by ancestry, in ancestry order; where the step's level is the root
    it is the plain value.
    """

    def __init__(self, workflow: Workflow, store: ValueStore) -> None:
        self._workflow = workflow
        self._store = store

    def __getitem__(self, name: str) -> Any:
        try:
            step = self._workflow.step(name)
        except KeyError:
            names = ", ".join(step.name for step in self._workflow.steps)
            msg = f"There is no step {name!r}; there are: {names}."
            raise KeyError(msg) from None
        values = self._store.outputs(name)
        if step.level:
            return values
        return values.get((), None)

    def __iter__(self) -> Iterator[str]:
        return (step.name for step in self._workflow.steps)

    def __len__(self) -> int:
        return len(self._workflow.steps)

    def __repr__(self) -> str:
        return f"Outputs({', '.join(self)})"


class Run:
    """One execution of a plan.

    Attributes
    ----------
    id
        Names it in the journal; `resume` takes it.
    workflow, plan, cluster
        What is run, how, and where.
    outputs
        What the steps made so far, by name.
    events
        Every event so far, oldest first.
    status
        `running`, `done`, `partial` (some items failed), `failed` or `stopped`.
    message
        How it ended, in one line.
    bill
        What it used, predicted beside actual; None while it runs.
    """

    def __init__(
        self,
        run_id: str,
        workflow: Workflow,
        plan: Plan,
        cluster: ClusterView,
        loop: RunLoop,
        store: ValueStore,
    ) -> None:
        self.id = run_id
        self.workflow = workflow
        self.plan = plan
        self.cluster = cluster
        self.outputs = Outputs(workflow, store)
        self.store = store
        self.events: list[Event] = []
        self.status: RunStatus = "running"
        self.message = ""
        self.bill: Bill | None = None
        self.error: BaseException | None = None
        self._loop = loop
        self._listeners: list[Callable[[Event], None]] = []
        self._stop = threading.Event()
        self._ended = threading.Event()

    # --- while it runs ----------------------------------------------------------------------------------------

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with every event from now on, in the run's own thread."""
        self._listeners.append(listener)

    def publish(self, event: Event) -> None:
        """Keep an event and pass it on. A listener's own fault ends that listener, not the run."""
        self.events.append(event)
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception as error:  # noqa: BLE001 - a view's fault must not end the run
                self._listeners.remove(listener)
                self.events.append(Notice(event.at_s, f"A view failed and was dropped: {error!r}"))

    def progress(self) -> Mapping[str, Any]:
        """For each step: done, failed, skipped, total when it is known, and the expected total."""
        return self._loop.progress()

    def stop(self) -> None:
        """Stop it: what runs is killed, what is finished is kept. Returns at once; `wait` for the end."""
        self._stop.set()

    def wait(self, timeout_s: float | None = None) -> Run:
        """Block until it has ended; raises `TimeoutError` when it has not in `timeout_s`."""
        if not self._ended.wait(timeout_s):
            msg = f"Run {self.id} has not ended after {timeout_s:g} s."
            raise TimeoutError(msg)
        if self.error is not None:
            raise self.error
        return self

    def __await__(self) -> Iterator[Any]:
        """`await run` waits without blocking the event loop."""
        import asyncio

        return asyncio.to_thread(self.wait).__await__()

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._ended.is_set()

    # --- what came of it --------------------------------------------------------------------------------------

    @property
    def errors(self) -> list[tuple[str, Ancestry, str]]:
        """`(step, ancestry, message)` of every item that failed; items skipped because of them name the step to blame."""
        return [
            (event.step, event.ancestry, event.error)
            for event in self.events
            if isinstance(event, ItemFailed) and event.blame in (None, event.step)
        ]

    @property
    def notices(self) -> list[str]:
        """What the user should know, oldest first."""
        return [event.message for event in self.events if isinstance(event, Notice)]

    @property
    def energy(self) -> Any:
        """Energy of the whole run as a figure, or None while it runs."""
        return None if self.bill is None else self.bill.total.energy_j

    @property
    def exit_code(self) -> int:
        """0 every output, 3 partial, 130 stopped."""
        return EXIT_CODES[self.status]

    def report(self) -> dict[str, Any]:
        """Everything as plain JSON: plan, predicted and actual figures, outputs, events, errors, bill."""
        from murakkab_jupyter.runtime.report import report

        return report(self)

    def to_pandas(self) -> pd.DataFrame:
        """One row an item; needs pandas."""
        from murakkab_jupyter.runtime.export import to_pandas

        return to_pandas(self.workflow, self.store)

    def raise_for_status(self) -> Run:
        """Raise `AgentError` unless every output was made; the message names the first items that failed."""
        if self.status == "done":
            return self
        # The message has the first; what fails alike is told once.
        others = [one for one in self.errors[:20] if one[2] not in self.message][:2]
        failed = "; ".join(f"{step} at {format_ancestry(a)}: {text}" for step, a, text in others)
        ended = "failed" if self.status == "failed" else f"is {self.status}"
        msg = f"Run {self.id} {ended}: {self.message} {failed}".strip()
        raise AgentError(msg)

    def end(
        self, status: RunStatus, message: str, bill: Bill | None, error: BaseException | None = None
    ) -> None:
        """Mark it ended (the session's to call)."""
        self.status = status
        self.message = message
        self.bill = bill
        self.error = error
        self._ended.set()

    @property
    def stopping(self) -> threading.Event:
        """Set once it is asked to stop."""
        return self._stop

    def __repr__(self) -> str:
        return f"<Run {self.id} of {self.workflow.name or 'a workflow'}: {self.status}>"
