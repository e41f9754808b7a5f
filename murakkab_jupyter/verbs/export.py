"""What a run made, written to files; and a workflow as Python."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.core.whole import whole
from murakkab_jupyter.verbs.outcome import write_json

if TYPE_CHECKING:
    from murakkab_jupyter.run import Run
    from murakkab_jupyter.runtime.values import ValueStore
    from murakkab_jupyter.session import Session
    from murakkab_jupyter.workflow.declaration import Declaration
    from murakkab_jupyter.workflow.model import Workflow

__all__ = ["Kept", "check_target", "python_code", "restored", "write_code", "write_run"]

ANOTHER = "Name another file."


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run made: its workflow and values, and the run itself where it is one of this process."""

    workflow: Workflow
    store: ValueStore
    run: Run | None = None


def restored(session: Session, record: Any) -> Kept:
    """The values of a run of the journal; its inputs must still be where they were."""
    from murakkab_jupyter.agents.agent import Failed
    from murakkab_jupyter.runtime.values import ValueStore
    from murakkab_jupyter.workflow.language import functions_in

    absent = {name: unavailable for name in functions_in(record.text) if name not in record.values}
    declaration = session.declare(record.text, {**record.values, **absent}, earlier=True)
    store = ValueStore(declaration.workflow, session.library)
    for name, ancestry, value in declaration.items():
        if (name, ancestry) not in declaration.roots.bad:
            store.put(name, ancestry, value)
    for name, ancestry, value in session.journal.finished(record.run_id, failed=False):
        if not isinstance(value, Failed):
            store.put(name, ancestry, value)
    return Kept(declaration.workflow, store)


def unavailable(*_: object) -> None:
    """Stands for a function of the user's that no journal holds; what it made is there, and it is never called."""
    msg = "The functions of an earlier run are not kept."
    raise UsageError(msg, hint="Define them, and declare the workflow again.")


def check_target(kept: Kept, path: Path) -> None:
    """Raise `UsageError` where a run cannot be written as what the suffix of a file says."""
    suffix = path.suffix
    if suffix == ".json" and kept.run is None:
        msg = "Only a run of this session is written as JSON."
        raise UsageError(msg, hint="Resume it with --json FILE, or export .parquet, .csv or .srt.")
    if suffix not in {".json", ".parquet", ".csv", ".srt"}:
        msg = f"Nothing is exported as {suffix}{', but with --python' if suffix == '.py' else ''}."
        raise UsageError(msg, hint="Name a file that ends in .json, .parquet, .csv or .srt.")


def write_run(kept: Kept, path: Path) -> list[Path]:
    """Write what a run made to a file, whose suffix says how; returns what was written."""
    from murakkab_jupyter.runtime import export

    check_target(kept, path)
    try:
        match path.suffix:
            case ".json":
                assert kept.run is not None
                write_json(kept.run.report(), str(path), hint=ANOTHER)
            case ".parquet":
                with whole(path) as file:
                    export.to_parquet(kept.workflow, kept.store, file)
            case ".csv":
                with whole(path) as file:
                    export.to_pandas(kept.workflow, kept.store).to_csv(file, index=False, errors="replace")
            case ".srt":
                return write_subtitles(kept, path)
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror or error}."
        raise UsageError(msg, hint=ANOTHER) from None
    return [path]


def write_code(code: str, path: Path) -> Path:
    """Write a workflow's Python to a file; returns its path."""
    try:
        with whole(path) as file:
            file.write_text(code, encoding="utf-8")
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror or error}."
        raise UsageError(msg, hint=ANOTHER) from None
    return path


def write_subtitles(kept: Kept, path: Path) -> list[Path]:
    """One file, or for several videos a folder of that name (without `.srt`) with one file each."""
    from murakkab_jupyter.runtime import export

    transcripts = [step.name for step in kept.workflow.steps if step.kind == "transcript"]
    videos = {ancestry[:1] for name in transcripts for ancestry in kept.store.outputs(name)}
    return export.to_srt(kept.workflow, kept.store, path.with_suffix("") if len(videos) > 1 else path)


def python_code(declaration: Declaration) -> str:
    """Python that declares and runs the same workflow."""
    names = list(declaration.values)
    given = ", ".join(f"{name!r}: {name}" for name in names)
    first_line, newline, rest = declaration.workflow.text.partition("\n")
    kept = " ".join(
        word for word in first_line.split(" ") if word not in {"--run", "--background", "--fresh"}
    )
    text = f"{kept}{newline}{rest}".replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    first = f"# Needs these variables: {', '.join(names)}.\n" if names else ""
    return (
        f"from murakkab_jupyter import Session\n\n{first}session = Session()\n"
        f'declaration = session.declare("""\\\n{text}\n""", {{{given}}})\n'
        "run = session.run(declaration)\nrun.outputs\n"
    )
