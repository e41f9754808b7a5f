"""How far measuring is: one bar, and what is being measured."""

from __future__ import annotations

from murakkab_jupyter.cluster.measuring.agents import Progress
from murakkab_jupyter.notebook.views.html import ACCENT, BORDER, Bundle, clean, frame, shorten, tag

__all__ = ["measuring_line", "measuring_view"]

CELLS = 20


def measuring_line(progress: Progress, width: int = 79) -> str:
    """One line for a terminal."""
    full = CELLS * progress.done // max(1, progress.total)
    count = f"{progress.done} of {progress.total}"
    return shorten(f"{'█' * full}{'░' * (CELLS - full)} {count}  {progress.doing}".rstrip(), width)


def measuring_view(progress: Progress) -> Bundle:
    """The same for a notebook."""
    percent = 100 * progress.done / max(1, progress.total)
    count = f"{progress.done} of {progress.total} cases measured"
    fill = tag("div", "", style=f"width:{percent:.1f}%;height:10px;background:{ACCENT};border-radius:5px")
    bar = tag(
        "div",
        fill,
        role="progressbar",
        aria_valuenow=round(percent),
        aria_valuemin=0,
        aria_valuemax=100,
        aria_label=count,
        style=f"width:260px;height:10px;border:{BORDER};border-radius:6px;overflow:hidden;background:rgba(128,128,128,.12)",
    )
    doing = f"now: {shorten(progress.doing, 100)}" if progress.doing else "done"
    html = frame("Measuring", bar, tag("div", f"{count}; {doing}"))
    return Bundle(html, clean(measuring_line(progress)))
