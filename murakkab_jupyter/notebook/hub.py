"""The kernel's end of live views: one widget a kernel, which no notebook ever holds.

A view is shown as its static form, in a slot that names it. The widget's script finds the slot in the page and
draws the live view there. What a notebook saves is therefore always the static form: it can be reopened by
anybody, anywhere, without a widget that is not found. Where the script does not come (no widgets in the front
end, another kind of front end, no kernel), the static form is what one sees.

The front end's messages come while a cell runs, too: the widget belongs to no cell, so a kernel with
subshells (ipykernel 7, JupyterLab 4.4 or newer) hears them at once.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import importlib.util
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from murakkab_jupyter.core.errors import MurakkabError
from murakkab_jupyter.notebook.views.html import Bundle, Html, tag

if TYPE_CHECKING:
    import ipywidgets

__all__ = ["KINDS", "MISSING", "Hub", "apart", "hub_module", "slot", "source"]

KINDS = ("plan", "frontier", "run", "results")
"""Views that have a live form; each is drawn by `views/js/KIND.js`."""

MISSING = (
    "This view stands still: live views need anywidget. Install it with "
    "pip install 'murakkab-jupyter[notebook]', and restart the kernel."
)
MOST_VIEWS = 60
"""Live views that are kept for a page that is loaded again; of older ones the static form stays."""

SCRIPTS = Path(__file__).parent / "views" / "js"

Act = Callable[[Mapping[str, Any]], str | None]


@functools.cache
def source(name: str) -> str:
    """A script or style sheet of the views, as text."""
    return (SCRIPTS / name).read_text(encoding="utf-8")


def hub_module() -> str:
    """The hub's script with what it draws with before it: one module, since it may import nothing."""
    return source("kit.js") + source("hub.js")


def installed() -> bool:
    """Whether this kernel has what live views need."""
    return all(importlib.util.find_spec(name) is not None for name in ("anywidget", "ipywidgets"))


def slot(bundle: Bundle, view: str) -> Bundle:
    """A static view in the slot where its live form is drawn."""
    html = tag("div", Html(bundle.html), class_="murakkab-slot", data_murakkab_view=view)
    return Bundle(str(html), bundle.text, bundle.data)


def apart(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call something that sends on a comm, as if no cell asked for it.

    What is sent on behalf of a cell is answered to that cell's shell, which is busy while the cell runs; what
    nobody asked for is answered wherever the front end likes, which is a subshell where there is one.
    """
    from ipykernel.kernelbase import Kernel

    def alone() -> Any:
        if Kernel.initialized():
            forget: Callable[..., None] = Kernel.set_parent  # it has no types
            forget(Kernel.instance(), [], {})
        return call(*arguments, **named)

    return contextvars.copy_context().run(alone)


def said_by(act: Act, message: Mapping[str, Any]) -> str:
    """Do what was done in a view; returns what to say of it."""
    try:
        return act(message) or ""
    except MurakkabError as error:
        return str(error)


class View:
    """A live view: what it shows now, and what to do when the person acts on it."""

    __slots__ = ("act", "data", "kind")

    def __init__(self, kind: str, data: Any, act: Act | None) -> None:
        self.kind = kind
        self.data = data
        self.act = act


class Hub:
    """Sends what live views show, and hears what is done in them.

    Parameters
    ----------
    wanted
        `wanted() -> bool`: whether live views are switched on.
    """

    def __init__(self, wanted: Callable[[], bool] = lambda: True) -> None:
        self._wanted = wanted
        self._widget: ipywidgets.Widget | None = None
        self._views: OrderedDict[str, View] = OrderedDict()
        self._sent: set[str] = set()
        self._lock = threading.RLock()
        self.heard = False
        """Whether a front end has answered: then nothing is sent twice."""

    @property
    def ready(self) -> bool:
        """Whether live views can be shown."""
        return self._wanted() and installed()

    # --- views ------------------------------------------------------------------------------------------------

    def open(self, kind: str, data: Any, act: Act | None = None) -> str:
        """A new live view; returns the name to put in its slot.

        Parameters
        ----------
        kind
            One of `KINDS`.
        data
            What it shows, as plain JSON.
        act
            `act(message) -> words or None`: called in a thread of the kernel's with what was done; the words
            are shown in the view. A `MurakkabError` is shown there as well.
        """
        view = f"{kind}-{uuid4().hex[:12]}"
        with self._lock:
            self._views[view] = View(kind, data, act)
            while len(self._views) > MOST_VIEWS:
                self._views.popitem(last=False)
        self._connect()
        self._tell(view)
        return view

    def update(self, view: str, data: Any, *, again: bool = False) -> None:
        """Show something else in a view; `again` sends its script once more, unless a front end has said that it heard."""
        with self._lock:
            found = self._views.get(view)
            if found is None:
                return
            found.data = data
            if again and not self.heard:
                self._sent.clear()
        self._tell(view)

    def close(self, view: str, text: str = "") -> None:
        """A view has ended; its static form takes its place, and where it cannot, the view stays and says `text`."""
        with self._lock:
            self._views.pop(view, None)
        self._send({"do": "end", "view": view, "text": text})

    def _tell(self, view: str) -> None:
        with self._lock:
            found = self._views.get(view)
            if found is None:
                return
            first = not self._sent
            fresh = found.kind not in self._sent
            self._sent.add(found.kind)
        if first:
            self._send({"do": "style", "source": source("views.css")})
        if fresh:
            self._send({"do": "script", "kind": found.kind, "source": source(f"{found.kind}.js")})
        self._send({"do": "show", "view": view, "kind": found.kind, "data": found.data})

    # --- the widget -------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        with self._lock:
            if self._widget is not None:
                return
            import anywidget

            def make() -> Any:
                widget = anywidget.AnyWidget(_esm=hub_module())
                widget.on_msg(self._hear)
                return widget

            self._widget = apart(make)

    def _send(self, message: dict[str, Any]) -> None:
        if self._widget is None:
            return
        # A front end that is gone must not end a run or a cell.
        with contextlib.suppress(Exception):
            apart(self._widget.send, message)

    def _hear(self, widget: Any, message: Any, buffers: Any = None) -> None:
        """A front end has begun to listen, or something was done in a view."""
        if not isinstance(message, Mapping):
            return
        if message.get("ask") == "all":
            self.heard = True
            with self._lock:
                self._sent.clear()
                known = list(self._views)
            for one in known:
                self._tell(one)
            self._send({"do": "hello"})
        elif message.get("ask") == "act":
            view = message.get("view")
            with self._lock:
                found = self._views.get(view) if isinstance(view, str) else None
            act = None if found is None else found.act
            answer = "This view has ended." if act is None else said_by(act, message)
            self._send({"do": "said", "view": view, "text": answer})
