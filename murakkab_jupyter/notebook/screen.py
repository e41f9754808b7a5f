"""What stands in the notebook's outputs: static views, live ones in their slots, and what is done in these."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython import display as ipython_display

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.notebook.hub import MISSING, Hub, installed, slot
from murakkab_jupyter.notebook.room import Place, Room, saved_bytes
from murakkab_jupyter.notebook.show import RESULTS_TYPE, brief_bundle, run_bundle
from murakkab_jupyter.notebook.views.frontier import frontier_sheet, frontier_view
from murakkab_jupyter.notebook.views.html import Bundle
from murakkab_jupyter.notebook.views.plan import plan_view
from murakkab_jupyter.notebook.views.plan_sheet import plan_sheet
from murakkab_jupyter.notebook.views.tables import message_view

if TYPE_CHECKING:
    from murakkab_jupyter.planner.plan import Plan
    from murakkab_jupyter.run import Run
    from murakkab_jupyter.verbs import Declared

__all__ = ["Screen", "bundle_data", "display", "put", "put_text"]


@functools.cache
def has_extension() -> bool:
    """Whether the JupyterLab extension is installed where this kernel's Jupyter looks for it."""
    try:
        from jupyter_core.paths import jupyter_path
    except ImportError:
        return False
    return any(Path(folder, "murakkab-jupyter").is_dir() for folder in jupyter_path("labextensions"))


def bundle_data(bundle: Bundle) -> dict[str, object]:
    """A bundle as IPython wants it; what only the extension reads is left out, and out of the saved notebook, without it."""
    whole = bundle._repr_mimebundle_()
    if has_extension():
        return whole
    return {kind: data for kind, data in whole.items() if kind.startswith("text/")}


def put(bundle: Bundle, handle: Any = None) -> None:
    """Show a bundle, or put it in the place of what a handle shows."""
    if handle is None:
        display(bundle_data(bundle), raw=True)
    else:
        handle.update(bundle_data(bundle), raw=True)


def put_text(text: str) -> None:
    """Show plain text."""
    display({"text/plain": text}, raw=True)


display: Any = ipython_display.display
"""IPython's, which is not typed."""


class Output:
    """An output whose content may change, counted where it stands."""

    def __init__(self, room: Room, place: Place, bundle: Bundle, *, redraws: bool) -> None:
        self._room = room
        self._place = place
        data = bundle_data(bundle)
        self._bytes = saved_bytes(data)
        room.take(place, self._bytes)
        self.handle: Any = display(data, raw=True, display_id=redraws)

    def put(self, bundle: Bundle) -> None:
        """Show another bundle in its place, where the front end can."""
        if self.handle is None:
            return
        data = bundle_data(bundle)
        size = saved_bytes(data)
        self._room.replace(self._place, self._bytes, size)
        self._bytes = size
        self.handle.update(data, raw=True)


class Screen:
    """The outputs of one notebook.

    Parameters
    ----------
    redraws
        Whether the front end can put an update in the place of what it shows; a terminal cannot.
    wanted
        `wanted() -> bool`: whether live views are switched on.
    limit_bytes
        `limit_bytes() -> int`: what the saved notebook may take; 0 for no limit.
    place
        `place() -> Place`: the cell that runs now.
    declared
        `declared(name)`: what stands under a workflow's name now; by default what a plan or a frontier was shown of last.
    named
        `named(run) -> str`: the variable that holds a run; empty where only its workflow's name tells.
    """

    def __init__(
        self,
        *,
        redraws: bool,
        wanted: Callable[[], bool] = lambda: True,
        limit_bytes: Callable[[], int] = lambda: 0,
        place: Callable[[], Place] = Place,
        declared: Callable[[str], Declared | None] | None = None,
        named: Callable[[Run], str] = lambda _: "",
    ) -> None:
        self.redraws = redraws
        self.room = Room(limit_bytes)
        self.place = place
        self.hub = Hub(wanted)
        self._wanted = wanted
        self._latest: dict[str, Declared] = {}
        self._declared = self._latest.get if declared is None else declared
        self._named = named
        self._plans: dict[str, tuple[Output, str | None]] = {}
        self._told = False

    @property
    def live(self) -> bool:
        """Whether live views can be shown here."""
        return self.redraws and self.hub.ready

    def say_still(self) -> None:
        """Say once why views stand still, where they could move."""
        if self.redraws and not self._told and self._wanted() and not installed():
            self._told = True
            put(message_view(MISSING))

    # --- plans ------------------------------------------------------------------------------------------------

    def plan(self, one: Declared, plan: Plan) -> None:
        """Show the plan of a workflow; a plan that is taken from the frontier later stands in its place."""
        self._latest[one.name] = one
        workflow = one.declaration.workflow
        view = self.hub.open("plan", plan_sheet(plan, workflow)) if self.live else None
        bundle = plan_view(plan, workflow)
        shown = bundle if view is None else slot(bundle, view)
        output = Output(self.room, self.place(), shown, redraws=self.redraws)
        self._plans[one.name] = (output, view)
        self.say_still()

    def replan(self, one: Declared, plan: Plan) -> None:
        """Put another plan in the place of the one that was shown last."""
        output, view = self._plans.get(one.name, (None, None))
        if output is None:
            return
        workflow = one.declaration.workflow
        bundle = plan_view(plan, workflow)
        if view is not None:
            self.hub.update(view, plan_sheet(plan, workflow))
        output.put(bundle if view is None else slot(bundle, view))

    # --- frontiers --------------------------------------------------------------------------------------------

    def frontier(self, one: Declared, plans: Sequence[Plan]) -> None:
        """Show a frontier on which a click takes a plan, as long as the workflow is what it was made of."""
        name, session, declaration = one.name, one.session, one.declaration
        self._latest[name] = one

        def static(of: Declared) -> Bundle:
            return frontier_view(plans, chosen=of.plan, name=name)

        if not self.live or len(plans) < 2:
            self.put(static(one))
            return

        def current() -> Declared:
            now = self._declared(name)
            # Its cell may have been run again since, or its variables bound anew: these plans are of other items then.
            if now is None or now.session is not session or not now.declaration.same(declaration):
                msg = "This frontier is of the workflow as it was; show it again."
                raise UsageError(msg, hint=f"%murakkab frontier {name}")
            return now

        def take(message: Mapping[str, Any]) -> str | None:
            number = message.get("plan")
            if message.get("what") != "take" or not isinstance(number, int) or not 1 <= number <= len(plans):
                msg = "There is no such plan on this frontier."
                raise UsageError(msg)
            now = current()
            self.replan(now, now.take(plans[number - 1], number))
            self.hub.update(view, frontier_sheet(plans, chosen=now.plan, name=name))
            output.put(slot(static(now), view))
            return (
                f"Plan {number} is taken: %murakkab run {name} runs it. "
                f"In a cell, %murakkab frontier {name} --take {number} does the same."
            )

        view = self.hub.open("frontier", frontier_sheet(plans, chosen=one.plan, name=name), take)
        output = Output(self.room, self.place(), slot(static(one), view), redraws=True)

    def put(self, bundle: Bundle) -> None:
        """Show what stays as it is."""
        display(self.counted(bundle), raw=True)

    def counted(self, bundle: Bundle) -> dict[str, object]:
        """What IPython shows of a bundle, counted in the cell that runs: also what a person asked for by its name."""
        data = bundle_data(bundle)
        self.room.take(self.place(), saved_bytes(data))
        return data

    # --- results ----------------------------------------------------------------------------------------------

    def results(self, run: Run, place: Place, *, pictures: bool = True) -> Bundle:
        """The results, course and bill of a run that has ended; live, with a search among its cards.

        In brief where a notebook with all of it, saved, would become too large.
        """
        variable = self._named(run)
        bundle = run_bundle(run, pictures=pictures, variable=variable)
        if self.redraws and not self.room.fits(place, saved_bytes(bundle_data(bundle))):
            bundle = brief_bundle(run, variable=variable)
        self.room.take(place, saved_bytes(bundle_data(bundle)))
        told = bundle.data.get(RESULTS_TYPE)
        # Where there is nothing to look among, the static form says it all.
        if not self.live or not isinstance(told, dict) or not told["groups"]:
            return bundle
        return slot(bundle, self.hub.open("results", told))
