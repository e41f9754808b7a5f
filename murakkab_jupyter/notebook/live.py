"""Following a run: a view of the moment at most four times a second, and a stop that comes at once."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.core.ancestry import format_ancestry
from murakkab_jupyter.core.errors import MurakkabError
from murakkab_jupyter.notebook.hub import Hub, slot
from murakkab_jupyter.notebook.views.html import Bundle, shorten
from murakkab_jupyter.notebook.views.progress import steps_done
from murakkab_jupyter.notebook.views.results import HIDDEN
from murakkab_jupyter.notebook.views.run import Latest, run_sheet, run_view
from murakkab_jupyter.notebook.views.state import RunState
from murakkab_jupyter.notebook.views.values import value_words

if TYPE_CHECKING:
    from murakkab_jupyter.run import Run

__all__ = ["EVERY_S", "Follower", "Shown", "StoppedError", "follow", "state_of", "stopped_line"]

EVERY_S = 0.25
SHARE = 0.015
"""Of its thread's time that showing a run may take: a run that is slow to show is shown less often."""
BARS_S = 1.0
"""Between two time lines, and two looks at values, of a live view; counts move faster."""
VALUE_CHARS = 160
"""Characters of a value that is shown as it comes."""
STATIC_S = 2.0
"""Between two static forms under a live view that nobody may be drawing."""
HEARD_STATIC_S = 20.0
"""The same, once a front end has said that it draws it: they are what a notebook saved now would hold."""
STOP_S = 0.9
"""After an interrupt, the prompt is back within this time, whether or not the last worker has let go."""


class StoppedError(MurakkabError):
    """The user stopped a run: shown as one line, yet the cells after it do not run."""

    exit_code = 130

    def _render_traceback_(self) -> list[str]:
        return [self.lines()[0]]


def state_of(run: Run, *, stopped: bool = False) -> RunState:
    """A run as its events have told it so far; of an ended one, what was used is as its bill says.

    With `stopped`, a run that has been stopped is shown so although its last worker has not let go yet.
    """
    state = RunState(run.workflow, run.plan, run.cluster)
    state.read(run.events)
    if run.ended:
        state.end(run.status, run.message, None if run.bill is None else run.bill.total)
    elif stopped:
        state.end("stopped", "")
    return state


def latest_of(run: Run) -> Latest:
    """Of each step that says something in words, the value that came last; so much is done for it however many came."""
    found = []
    for step in run.workflow.steps:
        one = None if step.kind in HIDDEN else run.store.latest(step.name)
        if one is not None:
            found.append(
                (step.name, format_ancestry(one[0]), shorten(value_words(one[1], VALUE_CHARS), VALUE_CHARS))
            )
    return found


def stopped_line(run: Run | None, total: int = 0, *, again: str = "run the cell again to go on") -> str:
    """`stopped: 4 of 9 steps done; run the cell again to go on`."""
    if run is None:
        return f"stopped: 0 of {total} steps done; {again}"
    steps = state_of(run).steps()
    return f"stopped: {steps_done(steps)} of {len(steps)} steps done; {again}"


class Pace:
    """Reads a run's events and tells how it goes, no oftener than agreed and no more than a share of the time."""

    def __init__(self, run: Run, tell: Callable[[RunState], None], every_s: float) -> None:
        self.run = run
        self.state = RunState(run.workflow, run.plan, run.cluster)
        self._tell = tell
        self._every_s = every_s
        self._begun: float | None = None

    def step(self) -> float:
        """Tell how it goes now; returns the seconds to wait until the next time."""
        before = time.thread_time()
        self.state.read(self.run.events)
        now = time.monotonic()
        if self._begun is None:
            self._begun = now - self.state.seconds
        if not self.run.ended:
            self.state.seconds = max(self.state.seconds, now - self._begun)
        self._tell(self.state)
        return max(self._every_s, (time.thread_time() - before) / SHARE)


def follow(
    run: Run,
    tell: Callable[[RunState], None],
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
    pace = Pace(run, tell, every_s)
    try:
        while not run.ended:
            pause = pace.step()
            with contextlib.suppress(TimeoutError):
                run.wait(pause)
        run.wait()
        pace.step()
    except KeyboardInterrupt:
        run.stop()
        with contextlib.suppress(TimeoutError, KeyboardInterrupt, MurakkabError):
            run.wait(STOP_S)
        # The last worker may not have let go yet; what the user sees is a run that does not go on.
        pace.state.read(run.events)
        pace.state.end("stopped", "")
        tell(pace.state)
        raise StoppedError(stopped_line(run, again=again)) from None


class Follower:
    """Follows a run that goes on in the background, in a thread of its own."""

    def __init__(self, run: Run, tell: Callable[[RunState], None], done: Callable[[], None]) -> None:
        self._pace = Pace(run, tell, EVERY_S)
        self._done = done
        self.thread = threading.Thread(target=self._follow, name=f"murakkab-view-{run.id}", daemon=True)
        self.thread.start()

    def _follow(self) -> None:
        run = self._pace.run
        while not run.ended:
            pause = self._pace.step()
            # What ended the run is in the run, for whoever waits for it: also a kernel that goes down under it.
            with contextlib.suppress(Exception):
                run.wait(pause)
        self._pace.step()
        self._done()


class Shown:
    """A run under way in an output of the notebook: live where the front end can, static where it cannot.

    Parameters
    ----------
    run
        The run.
    put
        Puts a bundle in the place of what the output shows.
    hub
        Draws live views; None for a front end that redraws nothing.
    named
        `named(run) -> str`: the variable that holds a run.
    """

    def __init__(
        self, run: Run, put: Callable[[Bundle], None], hub: Hub | None, named: Callable[[Run], str]
    ) -> None:
        self._named = named
        self._run = run
        self._put = put
        self._hub = hub
        state = RunState(run.workflow, run.plan, run.cluster)
        self._view = hub.open("run", run_sheet(state), self._act) if hub is not None and hub.ready else None
        self._moved = self._drawn = self._static = time.monotonic()
        if hub is not None:
            self._show(state)

    def _act(self, message: Mapping[str, Any]) -> str | None:
        """The stop button was pressed."""
        if message.get("what") != "stop":
            return None
        self._run.stop()
        return "The run is being stopped; what is finished is kept."

    def tell(self, state: RunState) -> None:
        """Show how it goes now."""
        now = time.monotonic()
        # What a run that has ended leaves is put in its place at once.
        if self._hub is None or self._run.ended or now - self._moved < 0.9 * EVERY_S:
            return
        self._moved = now
        if self._view is None:
            self._show(state)
            return
        bars = now - self._drawn >= BARS_S
        self._drawn = now if bars else self._drawn
        still = now - self._static >= (HEARD_STATIC_S if self._hub.heard else STATIC_S)
        latest = latest_of(self._run) if bars else None
        self._hub.update(self._view, run_sheet(state, bars=bars, latest=latest), again=still)
        if still:
            self._static = now
            self._show(state)

    def _show(self, state: RunState) -> None:
        told = "" if state.status != "running" else f"As it stood at {time.strftime('%H:%M:%S')}."
        bundle = run_view(state, told=told, latest=latest_of(self._run))
        self._put(bundle if self._view is None else slot(bundle, self._view))

    def end(self, bundle: Bundle) -> None:
        """The run has ended: this, which needs nobody to draw it, stays in its place."""
        if self._hub is not None and self._view is not None:
            # A page that was loaded since cannot put the static form in its place: there the live one stays as it is now.
            self._hub.update(self._view, run_sheet(state_of(self._run, stopped=True)))
            name = self._named(self._run)
            self._hub.close(
                self._view, f"The run has ended. {name} in a cell shows what it made, and its bill."
            )
            self._view = None
        self._put(bundle)
