"""The outputs of a run as a table (pandas, Parquet) and as subtitles (SRT)."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.core.kinds import KINDS, Audio, Origin, Transcript, Video, kind_of, origin_of, text_of
from murakkab_jupyter.runtime.readable import readable
from murakkab_jupyter.runtime.report import Stored
from murakkab_jupyter.runtime.srt import write_srt
from murakkab_jupyter.workflow.model import Workflow

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["to_pandas", "to_parquet", "to_srt"]

WORDS = frozenset({"transcript", "boxes", "answer", "passage", "scene", "frame", "document"})
PLAIN = frozenset({"text", "record", "vector", "any"})


def need(module: str) -> Any:
    """Import what an export needs; raises `UsageError`, which says how to get it, where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        msg = f"This export needs {module}, which is not installed."
        raise UsageError(msg, hint="pip install 'murakkab-jupyter[export]'") from error


def to_pandas(workflow: Workflow, store: Stored, *, raw: bool = False) -> pd.DataFrame:
    """One row an item, with a column for the index at each level, one for where it lies, and one a step.

    Items of all levels stand in one table, parents before their children: the row `videos 0` has the
    answer, the row `videos 0 / scenes 3` the transcript and the summary. Cells of steps that live at
    another level are empty.

    Parameters
    ----------
    workflow
        What was run.
    store
        Its values (`run.store`).
    raw
        Whether cells hold the values themselves; else transcripts, boxes, answers, scenes and the like
        are put in words.

    Returns
    -------
    pandas.DataFrame
        Columns `NAME_index` for each level, `source`, `start_s`, `end_s` (where in the media the item
        lies), then the steps in the workflow's order.

    Raises
    ------
    UsageError
        pandas is not installed.
    """
    pandas = need("pandas")
    names = [step.name for step in workflow.steps]
    cells: dict[Ancestry, dict[str, Any]] = {}
    origins: dict[Ancestry, Origin] = {}
    for name in [*(variable.name for variable in workflow.variables if variable.level), *names]:
        for ancestry, value in store.outputs(name).items():
            row = cells.setdefault(ancestry, {})
            if name in names:
                row[name] = value if raw else in_words(value)
            found = origin_of(value)
            if found is not None:
                origins.setdefault(ancestry, found)
    # Rows of variables alone hold nothing that a step made.
    rows = sorted(ancestry for ancestry, row in cells.items() if row)
    openers = list(dict.fromkeys(opener for ancestry in rows for opener, _ in ancestry))
    data: dict[str, Any] = {}
    for opener in openers:
        indices = [dict(ancestry).get(opener) for ancestry in rows]
        data[free(f"{opener}_index", names)] = pandas.array(indices, dtype="Int64")
    placed = [origins.get(ancestry) for ancestry in rows]
    data[free("source", names)] = pandas.Series([one and one.source for one in placed], dtype=object)
    for name in ("start_s", "end_s"):
        times = [None if one is None else getattr(one, name) for one in placed]
        data[free(name, names)] = pandas.array(times, dtype="Float64")
    for name in names:
        column = np.empty(len(rows), dtype=object)
        for number, ancestry in enumerate(rows):
            column[number] = cells[ancestry].get(name)
        data[name] = pandas.Series(column, dtype=object)
    table: pd.DataFrame = pandas.DataFrame(data)
    return table


def to_parquet(workflow: Workflow, store: Stored, path: str | Path) -> Path:
    """Write the table of `to_pandas` as a Parquet file.

    Text stays text, numbers numbers, vectors lists of numbers; records, and columns of several kinds, are
    written as JSON text. Raises `UsageError` when pandas or pyarrow is not installed.
    """
    arrow = need("pyarrow")
    parquet = need("pyarrow.parquet")
    table = to_pandas(workflow, store)
    steps = {step.name for step in workflow.steps}
    columns: dict[str, Any] = {}
    for name in table.columns:
        values = [None if missing(value) else utf8(value) for value in table[name]]
        columns[name] = arrow.array(uniform(values) if name in steps else values)
    target = Path(path).expanduser()
    target.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.table(columns), target)
    return target


def to_srt(workflow: Workflow, store: Stored, path: str | Path, *, step: str | None = None) -> list[Path]:
    """Write the transcripts of a run as subtitles, one file a video.

    Parameters
    ----------
    workflow, store
        What was run, and its values.
    path
        A folder, or a file ending in `.srt`; several videos are written beside it, as `FILE.VIDEO.srt`.
    step
        Whose transcripts; needed only when several steps make some.

    Returns
    -------
    list of Path
        The files written, in the order of the videos.

    Raises
    ------
    UsageError
        No step, or more than one, made transcripts.
    """
    made = {one.name: store.outputs(one.name) for one in workflow.steps if step in (None, one.name)}
    found = {
        name: outputs
        for name, outputs in made.items()
        if outputs and all(isinstance(value, Transcript) for value in outputs.values())
    }
    if not found:
        msg = "There are no transcripts to make subtitles from."
        raise UsageError(msg, hint="Subtitles need a finished speech-to-text step.")
    if len(found) > 1:
        msg = f"Several steps made transcripts: {', '.join(found)}."
        raise UsageError(msg, hint="Say which one (step=...).")
    media = {
        ancestry: value
        for variable in workflow.variables
        for ancestry, value in store.outputs(variable.name).items()
        if isinstance(value, Video | Audio)
    }
    return write_srt(next(iter(found.values())), path, media=media)


def in_words(value: Any) -> Any:
    """A value as a cell shows it."""
    kind = kind_of(value)
    if kind in WORDS:
        return text_of(value)
    if kind in PLAIN or kind not in KINDS:
        return value
    return value.media.path


def missing(value: Any) -> bool:
    """Whether a cell is empty; pandas says so in several ways."""
    import pandas as pd

    return value is None or value is pd.NA or (isinstance(value, float) and value != value)  # NaN


def utf8(value: Any) -> Any:
    """A text that can be written: a file's name need not be UTF-8."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def uniform(values: list[Any]) -> list[Any]:
    """Values of one type that a column can have, else JSON text."""
    present = [value for value in values if value is not None]
    if all(isinstance(value, str) for value in present):
        return values
    if all(isinstance(value, bool) for value in present):
        return values
    if all(
        isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 for value in present
    ):
        return values
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in present):
        return [None if value is None else float(value) for value in values]
    if all(
        isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "fiu" for value in present
    ):
        return [None if value is None else value.tolist() for value in values]
    return [None if value is None else json.dumps(readable(value), ensure_ascii=False) for value in values]


def free(name: str, taken: list[str]) -> str:
    """The name of a column that no step has."""
    while name in taken:
        name = f"{name}_"
    return name
