"""Following a run: a view of the moment at most four times a second, and a stop that comes at once."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from murakkab_jupyter.core.errors import MurakkabError
from murakkab_jupyter.notebook.views.progress import (
    Moment,
    StepMoment,
    busy_steps,
    eta_s,
    happenings,
    steps_done,
)

if TYPE_CHECKING:
    from murakkab_jupyter.run import Run

__all__ = ["EVERY_S", "Follower", "StoppedError", "follow", "moment_of", "steps_of", "stopped_line"]

EVERY_S = 0.25
STOP_S = 0.9
"""After an interrupt, the prompt is back within this time, whether or not the last worker has let go."""


class StoppedError(MurakkabError):
    """The user stopped a run: shown as one line, yet the cells after it do not run."""

    exit_code = 130

    def _render_traceback_(self) -> list[str]:
        return [self.message]


def steps_of(run: Run) -> dict[str, StepMoment]:
    """How far each step is."""
    busy = busy_steps(tuple(run.events))
    return {
        name: StepMoment(one.done, one.failed, one.skipped, one.total, one.expected or 0.0, name in busy)
        for name, one in run.progress().items()
    }


def moment_of(run: Run, elapsed_s: float) -> Moment:
    """Everything a progress view shows of a run now."""
    steps = steps_of(run)
    eta = eta_s(run.plan, steps, elapsed_s) if run.status == "running" else None
    return Moment(run.workflow.name, steps, elapsed_s, eta, run.status, happenings(run.events))


def stopped_line(run: Run | None, total: int = 0, *, again: str = "run the cell again to go on") -> str:
    """`stopped: 4 of 9 steps done; run the cell again to go on`."""
    if run is None:
        return f"stopped: 0 of {total} steps done; {again}"
    steps = steps_of(run)
    return f"stopped: {steps_done(steps)} of {len(steps)} steps done; {again}"


def follow(
    run: Run,
    tell: Callable[[Moment], None],
    *,
    every_s: float = EVERY_S,
    again: str = "run the cell again to go on",
) -> None:
    """Wait for a run and tell how it goes; an interrupt stops the run.

    Raises
    ------
    StoppedError
        After an interrupt, within a second; what is finished is kept.
    """
    begun = time.monotonic()
    try:
        while not run.ended:
            tell(moment_of(run, time.monotonic() - begun))
            with contextlib.suppress(TimeoutError):
                run.wait(every_s)
        run.wait()
        tell(moment_of(run, time.monotonic() - begun))
    except KeyboardInterrupt:
        run.stop()
        with contextlib.suppress(TimeoutError, KeyboardInterrupt, MurakkabError):
            run.wait(STOP_S)
        # The last worker may not have let go yet; what the user sees is a run that does not go on.
        tell(replace(moment_of(run, time.monotonic() - begun), status="stopped", eta_s=None))
        raise StoppedError(stopped_line(run, again=again)) from None


class Follower:
    """Follows a run that goes on in the background, in a thread of its own."""

    def __init__(self, run: Run, tell: Callable[[Moment], None], done: Callable[[], None]) -> None:
        self._run = run
        self._tell = tell
        self._done = done
        self.thread = threading.Thread(target=self._follow, name=f"murakkab-view-{run.id}", daemon=True)
        self.thread.start()

    def _follow(self) -> None:
        begun = time.monotonic()
        while not self._run.ended:
            self._tell(moment_of(self._run, time.monotonic() - begun))
            with contextlib.suppress(TimeoutError, MurakkabError):
                self._run.wait(EVERY_S)
        self._tell(moment_of(self._run, time.monotonic() - begun))
        self._done()
