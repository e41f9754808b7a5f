"""The magics: `%%murakkab NAME [options]` declares, `%murakkab VERB` does.

They read and show; what is done is done by the bench and the session.
"""

from __future__ import annotations

import builtins
import contextlib
import difflib
import logging
import os
import shlex
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from traitlets import Bool, Enum, Int
from traitlets import default as default_of

from murakkab_jupyter import __version__
from murakkab_jupyter.core.errors import InfeasibleError, UsageError
from murakkab_jupyter.core.kinds import Answer
from murakkab_jupyter.notebook import tips
from murakkab_jupyter.notebook.errors import nearest_plan
from murakkab_jupyter.notebook.fill import filled
from murakkab_jupyter.notebook.link import Link, connect
from murakkab_jupyter.notebook.live import Follower, Shown, StoppedError, follow, state_of, stopped_line
from murakkab_jupyter.notebook.room import Place
from murakkab_jupyter.notebook.scope import Scope
from murakkab_jupyter.notebook.screen import Screen, bundle_data, display, put, put_text
from murakkab_jupyter.notebook.show import picked, run_bundle, show
from murakkab_jupyter.notebook.views.answer import answer_view
from murakkab_jupyter.notebook.views.html import Bundle
from murakkab_jupyter.notebook.views.plan import plan_view
from murakkab_jupyter.notebook.views.run import run_view
from murakkab_jupyter.notebook.views.tables import message_view
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.run import Run
from murakkab_jupyter.runtime.records import kept_as
from murakkab_jupyter.verbs import (
    VERBS,
    Declared,
    Outcome,
    Request,
    Workbench,
    check_target,
    draft,
    header_options,
    help_text,
    is_description,
    meant,
    parse_request,
    steps_in,
    write_json,
)
from murakkab_jupyter.workflow.inputs import unchanged
from murakkab_jupyter.workflow.language import functions_in
from murakkab_jupyter.workflow.language.sorts import as_listed

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from murakkab_jupyter.cluster.engines.status import EngineStatus

__all__ = ["MurakkabMagics", "load"]


PARTIAL = ("show", "error")
"""What may be done where some items of a run failed."""
HELP = ("--help", "-h", "help")
UNDECLARED = "declares no workflow, and no other is taken in its place: mend it and run it again."
DRAFTED = "was a description: run the cell with its steps, which stands below it."
DRAFTED_HERE = "was a description: run a cell with the steps that were shown for it."
"""In a terminal, where no cell is put below."""
LACKING = "still lacks {}: set it, and run the cell again."


def partial_said() -> str:
    return os.environ.get("MURAKKAB_PARTIAL") or PARTIAL[0]


def partial_mistake() -> str:
    """What is wrong with the environment's word on partial runs, or nothing."""
    said = partial_said()
    return (
        ""
        if said in PARTIAL
        else f"MURAKKAB_PARTIAL cannot be {said[:40]!r}: it is taken as show. Say show or error."
    )


@magics_class
class MurakkabMagics(Magics):
    """`%murakkab` and `%%murakkab` of one shell."""

    live_views = Bool(
        True,
        help="Views that move and can be clicked, where the front end can draw them; else their static form.",
    ).tag(config=True)
    pictures = Bool(
        True,
        help="Stills in results; without them a saved notebook is smaller and shows nothing of your media.",
    ).tag(config=True)
    saved_kb = Int(
        300,
        min=0,
        help="kB that what we show may take in the saved notebook: runs beyond that are shown in brief. 0 for no limit.",
    ).tag(config=True)

    partial = Enum(
        PARTIAL,
        help="What a run does to its cell when some items failed: show says so and goes on; error ends the cell with an "
        "error, so that nbconvert and papermill end with a failure. MURAKKAB_PARTIAL sets it for programs.",
    ).tag(config=True)

    @default_of("partial")
    def _partial(self) -> str:
        return PARTIAL[0] if partial_mistake() else partial_said()

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self.bench = Workbench()
        self.bench.reuses = True
        self.space: dict[str, Any] = shell.user_ns
        self.scope = Scope(self.bench, self.space)
        self.link = Link(self.bench, self.space)
        self.followers: list[Follower] = []
        self.screen = Screen(
            redraws=getattr(shell, "kernel", None) is not None,
            wanted=lambda: bool(self.live_views),
            limit_bytes=lambda: 1000 * int(self.saved_kb),
            place=self.place,
            declared=self.bench.declared.get,
            named=self.scope.name_of,
        )

    @no_var_expand
    @line_cell_magic
    def murakkab(self, line: str, cell: str | None = None) -> Run | None:
        """Say what a workflow should do; it is planned, run and billed for you.

        %%murakkab NAME [options]  declares the workflow in the cell, and plans it
        %murakkab VERB [words] [options]

        Example of a cell (NAME is news):

            %%murakkab news --minimize energy --quality good --deadline 2min
            scenes     <- split {videos} into scenes
            transcript <- transcribe the speech in {scenes}
            summary    <- summarise the scene from {transcript}

        {videos} is a Python variable: a path, folder, glob, or a list. Then:

            %murakkab run            runs the latest workflow; `news` is its Run
            news.outputs["summary"]  results; also news.bill, news.to_pandas()

        A cell with a description alone shows its steps to edit, and runs nothing.

        Verbs:   plan run stop resume status explain frontier history bill
                 agents models profile engine cluster export help
        Options: --minimize cost|energy|latency   --maximize quality
                 (several: in order of priority)
                 --quality best|good|fair|basic|FLOAT   --deadline 2min
                 --budget 0.05usd   --max-energy 500J   --confidence 90%
                 --arrivals 2/min (inputs keep coming)
                 --cluster ADDRESS|FILE   --cores N   --json FILE
                 --run (on a cell)   --background (do not wait)
                 --fresh (take nothing from earlier runs)
                 A value may be a variable: --minimize {goal}

        `%murakkab help` explains them all, `%murakkab help VERB` one.
        """
        try:
            word = next(iter(line.split()), "")
            # A verb with two percent signs is a slip of the pen: nothing was to be declared.
            if cell is not None and word not in {*HELP, *(verb.name for verb in VERBS)}:
                self.bench.unready = UNDECLARED
            line = filled(line, self.space)
            if cell is not None:
                return self.declare(line, cell)
            return self.do(line)
        except InfeasibleError as error:
            found = nearest_plan(error)
            if found is not None:
                self.screen.put(found)
            raise

    # --- a cell ---------------------------------------------------------------------------------------------------

    def declare(self, line: str, cell: str) -> Run | None:
        """Read a cell, show its plan or what is missing, and run it when it says so."""
        text = f"%%murakkab {line}".rstrip() + "\n" + cell.rstrip("\n")
        if line.strip() in HELP:
            put(show(Outcome("help", help_text("magic"))))
            return None
        options = header_options(text)
        wanted = bool(options.get("run") or options.get("background"))
        check_target(options.get("json"))
        cell_id = self.cell_id()
        whole, _, _ = self.bench.joined(text, cell_id)
        if is_description(whole):
            self.draft(text, options)
            self.bench.unready = DRAFTED_HERE if getattr(self.shell, "kernel", None) is None else DRAFTED
            return None
        values, missing = self.scope.values_for(whole)
        if missing and not wanted and not self.slips(missing, whole):
            self.say_missing(missing, whole)
            return None
        if missing:
            # The language says which name is wrong, where it stands, and what may have been meant.
            values = self.scope.named()
        session = self.bench.session(options.get("cluster"))
        one = self.bench.declare(text, values, session=session, cell_id=cell_id)
        plan = self.bench.plan(one, fresh=bool(options.get("fresh")))
        self.screen.plan(one, plan)
        for notice in one.notices:
            put(message_view(notice))
        if not wanted:
            return None
        return self.run(
            one,
            plan,
            background=bool(options.get("background")),
            json=options.get("json"),
            reuse=not options.get("fresh"),
        )

    def draft(self, text: str, options: dict[str, Any]) -> None:
        """Show the steps of a description, and put them into a new cell below; nothing runs."""
        session = self.bench.session(options.get("cluster"))
        outcome = draft(session, text, meant(text, self.scope.named()), options.get("writer"))
        self.finish(outcome, options.get("json"))
        if self.shell is not None and getattr(self.shell, "kernel", None) is not None:
            cell = outcome.data.text.rstrip("\n")
            self.shell.set_next_input(cell if cell.startswith("%%") else f"%%murakkab\n{cell}", replace=False)

    def cell_id(self) -> str | None:
        """The front end's id of the cell that runs, where it sends one."""
        kernel = getattr(self.shell, "kernel", None)
        parent = kernel.get_parent() if kernel is not None else {}
        found = parent.get("metadata", {}).get("cellId")
        return found if isinstance(found, str) else None

    def place(self) -> Place:
        """The cell that runs now."""
        return Place(self.cell_id() or "", int(getattr(self.shell, "execution_count", 0)))

    def refresh(self, one: Declared) -> Declared:
        """The workflow with its variables as they are now, bound again when one, or what lies in its folder, has changed."""
        workflow = one.declaration.workflow
        values, missing = self.scope.values_for(workflow.text)
        given = one.declaration.values
        if missing:
            listed = ", ".join(missing)
            have = "have" if len(missing) > 1 else "has"
            put(
                message_view(
                    f"{listed} {have} no value any more: what it had when its cell was run is taken."
                )
            )
            values |= {name: given[name] for name in missing if name in given}
        if all(values[name] is given.get(name) for name in values) and unchanged(
            workflow, values, one.declaration.roots
        ):
            return one
        one.declaration = one.session.declare(workflow.text, values, goal=workflow.goal)
        one.plan = None
        return one

    def say_missing(self, missing: list[str], text: str) -> None:
        """What the cell still needs before it can be planned."""
        undefined = [name for name in missing if name in functions_in(text)]
        self.bench.unready = LACKING.format(
            f"the function {undefined[0]}" if undefined else f"a value of {missing[0]}"
        )
        if undefined:
            one = undefined[0]
            put(
                message_view(
                    f"Not planned yet: the notebook has no function {one}. "
                    f"Define it in a cell above, def {one}(…): …, and run this cell again."
                )
            )
            return
        listed = ", ".join(missing)
        put(
            message_view(
                f"Not planned yet: {listed} {'have' if len(missing) > 1 else 'has'} no value. "
                f"Set {missing[0]} = … in a cell above, and run this cell again."
            )
        )

    def slips(self, missing: list[str], text: str) -> bool:
        """Whether a missing name looks like a slip of the pen: a step, or a name with a value, is close to it.

        A builtin of Python that is pinned is one too: no value of its own is to come.
        """
        known = [*self.scope.named(), *steps_in(text)]
        pinned = functions_in(text)
        if any(name in pinned and hasattr(builtins, name) for name in missing):
            return True
        return any(difflib.get_close_matches(name, known, n=1, cutoff=0.8) for name in missing)

    # --- a line ---------------------------------------------------------------------------------------------------

    def do(self, line: str) -> Run | None:
        """Read a line and do its verb."""
        try:
            words = shlex.split(line)
        except ValueError as error:
            msg = f"This line cannot be read: {error}."
            raise UsageError(msg, hint="Close the quote.") from None
        try:
            request = parse_request(words, "magic")
        except UsageError as error:
            # One name for every mistake of this kind, whatever part of the parser found it.
            raise UsageError(error.message, hint=error.hint) from error
        check_target(request.options.get("json"))
        if request.options.get("help") or request.verb.name not in {"run", "resume"}:
            if request.verb.name in {"plan", "explain", "frontier"} and not request.options.get("help"):
                self.refresh(self.bench.find(request.word))
            if request.verb.name == "profile" and (
                request.options.get("measure") or request.word == "engine"
            ):
                self.show_measuring()
            if request.verb.name == "engine":
                self.show_starting()
            outcome = self.bench.do(request, "magic")
            self.finish(outcome, request.options.get("json"))
            if outcome.kind == "frontier" and request.options.get("take") is not None:
                # As a click on it would: the plan stands in the place of the cell's.
                _, taken, name = outcome.data
                self.screen.replan(self.bench.find(name), taken)
            return None
        background = bool(request.options.get("background"))
        if request.verb.name == "resume":
            return self.resume(request, background=background)
        one = self.refresh(self.bench.find(request.word))
        with self.bench.moved(one, request):
            goal = request.goal(one.declaration.workflow.goal)
            fresh = one.plan is None or one.plan.goal != goal
            anew = bool(request.options.get("fresh"))
            plan = self.bench.plan(one, goal, fresh=anew) if fresh or one.plan is None else one.plan
        if fresh:
            self.screen.plan(one, plan)
        return self.run(
            one,
            plan,
            background=background,
            json=request.options.get("json"),
            reuse=not request.options.get("fresh"),
        )

    def finish(self, outcome: Outcome, target: str | None) -> None:
        """Show an outcome, and write its JSON where that was asked for."""
        if target == "-":
            put_text(write_json(outcome.json, target) or "")
            return
        if outcome.kind == "frontier":
            plans, _, name = outcome.data
            self.screen.frontier(self.bench.find(name), plans)
        elif outcome.kind == "plan":
            plan, workflow = outcome.data
            self.screen.plan(self.bench.find(workflow.name), plan)
        else:
            self.screen.put(show(outcome))
        if target is not None:
            write_json(outcome.json, target)

    def show_measuring(self) -> None:
        """A bar that shows how far measuring is, where the front end can redraw it."""
        if not self.screen.redraws:
            self.bench.measuring = lambda _: None
            return
        from murakkab_jupyter.notebook.views.measuring import measuring_view

        handle = display({"text/plain": "Measuring begins."}, raw=True, display_id=True)
        self.bench.measuring = lambda progress: put(measuring_view(progress), handle)

    def show_starting(self) -> None:
        """A line that shows how the start of an engine goes, where the front end can redraw it."""
        shown: dict[str, Any] = {}

        def tell(status: EngineStatus) -> None:
            if not self.screen.redraws or shown.get("state") == status.state:
                return
            shown["state"] = status.state
            view = message_view(f"Engine {status.name} is {status.state}.")
            if "handle" in shown:
                put(view, shown["handle"])
            else:
                shown["handle"] = display(bundle_data(view), raw=True, display_id=True)

        self.bench.starting = tell

    # --- runs -----------------------------------------------------------------------------------------------------

    def run(
        self,
        one: Declared,
        plan: Plan,
        *,
        background: bool = False,
        json: str | None = None,
        reuse: bool = True,
    ) -> Run | None:
        """Run a workflow by its plan."""
        steps = len(plan.steps)
        try:
            run = one.session.run(one.declaration, plan, background=True, reuse=reuse)
        except KeyboardInterrupt:
            raise StoppedError(stopped_line(None, steps)) from None
        again = "run the cell again to go on" if reuse else "%murakkab resume goes on"
        return self.watch(run, background=background, json=json, again=again)

    def resume(self, request: Request, *, background: bool) -> Run | None:
        """Go on with an earlier run."""
        session = self.bench.session_of(request)
        run_id = request.word
        record = session.journal.find(run_id) if run_id else session.journal.latest_unfinished()
        values = {} if record is None else self.scope.values_for(record.text)[0]
        if record is not None:
            # The run goes on with the items that it was begun with, though a glob may mean other files by now; what the
            # journal does not hold of them (functions, keys) is the kernel's.
            values = {
                name: value
                for name, value in values.items()
                if not record.values.get(name) or kept_as(as_listed(value), record.values[name])
            }
        if record is not None and run_id is None:
            put(message_view(picked(record)))
            run_id = record.run_id  # that one, whatever ends in the meantime
        try:
            run = session.resume(run_id, values=values, background=True)
        except KeyboardInterrupt:
            raise StoppedError(stopped_line(None, again="%murakkab resume goes on")) from None
        return self.watch(
            run, background=background, json=request.options.get("json"), again="%murakkab resume goes on"
        )

    def watch(self, run: Run, *, background: bool, json: str | None, again: str) -> Run | None:
        """Show a run until it has ended, then its results in the same place; `again` says how to go on with a stopped one."""
        self.bench.run = run
        self.keep(run)
        place = self.place()
        self.link.follow(run)
        handle = display({"text/plain": f"Run {run.id} is starting."}, raw=True, display_id=True)
        shown = Shown(
            run,
            lambda bundle: put(bundle, handle),
            self.screen.hub if self.screen.redraws else None,
            self.scope.name_of,
        )

        def done() -> None:
            shown.end(self.screen.results(run, place, pictures=bool(self.pictures)))
            if json is not None:
                written = write_json(run.report(), json)
                if written is not None:
                    put_text(written)

        if background:
            self.followers = [one for one in self.followers if one.thread.is_alive()]
            self.followers.append(Follower(run, shown.tell, done))
            return run
        try:
            follow(run, shown.tell, again=again)
        except StoppedError:
            pictures = bool(self.pictures)
            shown.end(
                self.screen.results(run, place, pictures=pictures)
                if run.ended
                else run_view(state_of(run, stopped=True))
            )
            raise
        except Exception:  # it could not be carried out to its end: the view is not to say that it goes on
            if run.ended:
                done()
            raise
        done()
        if run.status == "stopped":  # by the view's button, or from the side panel
            raise StoppedError(stopped_line(run, again=again))
        if run.status == "failed" or (run.status == "partial" and self.partial == "error"):
            run.raise_for_status()
        return None

    def keep(self, run: Run) -> None:
        """Bind the run to its workflow's name, unless that name holds something else of the user's; and to `murakkab_run`."""
        name = run.workflow.name
        self.space["murakkab_run"] = run
        if name not in self.space and hasattr(builtins, name):
            put(message_view(f"{name} is a name of Python's own, so this run is in murakkab_run."))
            return
        if name in self.space and not isinstance(self.space[name], Run):
            kind = type(self.space[name]).__name__
            put(message_view(f"Your variable {name} ({kind}) is left alone; this run is in murakkab_run."))
            return
        self.space[name] = run


# --- loading ----------------------------------------------------------------------------------------------------


def hello() -> str:
    """One line: version, workers, GPUs; starts nothing."""
    from murakkab_jupyter.profiles.hardware import host_cores

    cores = host_cores()
    gpus = gpu_names()
    found = ", ".join(gpus) if gpus else "no GPU: using small CPU models; estimated numbers are marked"
    return f"Murakkab {__version__}: this host, {cores} core{'s' if cores != 1 else ''}; {found}"


def gpu_names() -> list[str]:
    """Names of this host's NVIDIA GPUs; none where there is no driver."""
    with contextlib.suppress(Exception):
        import pynvml

        pynvml.nvmlInit()
        try:
            names = []
            for index in range(pynvml.nvmlDeviceGetCount()):
                name = pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(index))
                names.append(name.decode() if isinstance(name, bytes) else str(name))
            return names
        finally:
            pynvml.nvmlShutdown()
    return []


def not_empty(lines: list[str]) -> list[str]:
    """A cell of ours that is its first line alone gets a second one: IPython itself would refuse it, and go on as if nothing were wrong."""
    if len(lines) == 1 and lines[0].split()[:1] == ["%%murakkab"]:
        return [lines[0].rstrip("\n") + "\n", "\n"]
    return lines


# Not asked while a cell is being typed: its first line would look finished.
vars(not_empty)["has_side_effects"] = True


def under_way(run: Run) -> Bundle:
    """A run that goes on, in one line: its own view follows it."""
    return message_view(
        f"Run {run.id} of {run.workflow.name or 'a workflow'} goes on: %murakkab status, %murakkab stop."
    )


def load(shell: InteractiveShell) -> None:
    """Register the magics; again and again changes nothing but the code."""
    first = "MurakkabMagics" not in shell.magics_manager.registry
    if not first:
        return
    shell.register_magics(MurakkabMagics(shell))
    display_formatter: Any = shell.display_formatter
    formatter = display_formatter.mimebundle_formatter
    magics = shell.magics_manager.registry["MurakkabMagics"]
    counted = magics.screen.counted
    formatter.for_type(Plan, lambda plan, **_: counted(plan_view(plan)))
    formatter.for_type(
        Run,
        lambda run, **_: counted(
            run_bundle(run, pictures=bool(magics.pictures), variable=magics.scope.name_of(run))
            if run.ended
            else under_way(run)
        ),
    )
    formatter.for_type(Answer, lambda said, **_: counted(answer_view(said)))
    from murakkab_jupyter.notebook.complete import matcher

    shell.Completer.custom_matchers.append(matcher(magics.scope))
    connect(magics.link, shell)
    tips.connect(magics.scope, shell)
    for name in ("distributed", "distributed.worker", "distributed.nanny", "distributed.scheduler"):
        logging.getLogger(name).setLevel(logging.ERROR)
    put_text(hello())
    if mistake := partial_mistake():
        put(message_view(mistake))
    transformers = shell.input_transformer_manager.cleanup_transforms
    if not_empty not in transformers:
        transformers.append(not_empty)  # after prompts are taken off, before cell magics are read
