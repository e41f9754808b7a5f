"""The workbench: what has been declared in a session, and what a verb does with it."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.core.errors import JournalError, LanguageError, UsageError
from murakkab_jupyter.verbs import answers, engines, profiles
from murakkab_jupyter.verbs.cells import placed
from murakkab_jupyter.verbs.export import Kept, check_target, python_code, restored, write_code, write_run
from murakkab_jupyter.verbs.outcome import Outcome
from murakkab_jupyter.verbs.table import Face, Request, help_text

if TYPE_CHECKING:
    from murakkab_jupyter.cluster.measuring.agents import Progress
    from murakkab_jupyter.core.hosts import ClusterView
    from murakkab_jupyter.planner.plan import Plan
    from murakkab_jupyter.run import Run
    from murakkab_jupyter.session import Session
    from murakkab_jupyter.workflow.declaration import Declaration
    from murakkab_jupyter.workflow.goal import Goal
    from murakkab_jupyter.workflow.language import Cell

__all__ = ["Declared", "Workbench"]


@dataclass
class Declared:
    """A workflow on the bench: its declaration, and the plan that was last made for it."""

    declaration: Declaration
    session: Session
    plan: Plan | None = None
    notices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The workflow's name."""
        return self.declaration.workflow.name

    def take(self, plan: Plan, number: int) -> Plan:
        """Take plan `number` of the frontier: the next run carries it out, whatever the goal would have chosen."""
        taken = (
            f"plan {number} of the frontier{f' ({plan.standing.best})' if plan.standing is not None else ''}"
        )
        self.plan = replace(plan, goal=self.declaration.workflow.goal, taken=taken)
        return self.plan


class Workbench:
    """What has been declared, and the sessions it is done in.

    Parameters
    ----------
    make
        `make(cluster=..., cores=...) -> Session`; by default `murakkab_jupyter.session.Session`.
    """

    def __init__(self, make: Callable[..., Session] | None = None) -> None:
        self._make = make
        self._sessions: dict[tuple[str | None, int | None], Session] = {}
        self.declared: dict[str, Declared] = {}
        self.cells: dict[str, Mapping[str, Cell]] = {}
        """The cells of each workflow, by their identity."""
        self.latest: str | None = None
        self.unready = ""
        """Why the cell that was run last declares nothing (yet), and what to do; empty where it does."""
        self.run: Run | None = None
        """The latest run of this bench."""
        self.reuses = False
        """Whether runs of this face take what earlier ones made, as a notebook's do."""
        self.measuring: Callable[[Progress], None] = lambda _: None
        """Told how far measuring is; a face puts its progress bar here."""
        self.starting: engines.Telling = lambda _: None
        """Told how far the start of an engine is."""

    def session(self, cluster: str | None = None, cores: int | None = None) -> Session:
        """The session on a cluster, made when first asked for."""
        key = (cluster, cores)
        if key not in self._sessions:
            if self._make is None:
                from murakkab_jupyter.session import Session

                self._make = Session
            self._sessions[key] = self._make(cluster=cluster, cores=cores)
        return self._sessions[key]

    @property
    def opened(self) -> tuple[Session, ...]:
        """Every session so far."""
        return tuple(self._sessions.values())

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Every session so far; one is made when there is none."""
        return self.opened or (self.session(),)

    def session_of(self, request: Request) -> Session:
        """The session that a request's options ask for."""
        # An engine's --cores are its own: they make no session.
        cores = None if request.verb.name == "engine" else request.cores
        return self.session(request.options.get("cluster"), cores)

    def close(self) -> None:
        """Let go of every session's cluster and files."""
        for session in self.opened:
            session.close()
        self._sessions.clear()

    # --- workflows --------------------------------------------------------------------------------------------

    def joined(
        self, text: str, cell_id: str | None = None
    ) -> tuple[str, tuple[str, ...], Mapping[str, Cell]]:
        """A cell together with the other cells of the same workflow: text, notices, and the cells to keep."""
        from murakkab_jupyter.workflow.language import parse
        from murakkab_jupyter.workflow.language.merge import cell_key, merge

        cell = parse(text)
        before = self.cells.get(cell.name or "", {})
        merged = merge(before, cell, cell_id)
        own = {step.name for step in cell.steps}
        key = cell_key(cell, cell_id)
        lost = [s.name for other, one in before.items() if other != key for s in one.steps if s.name in own]
        notices = (f"Replaced what an earlier cell said of: {', '.join(lost)}.",) if lost else ()
        return merged.cell.text, notices, merged.cells

    def declare(
        self,
        text: str,
        values: Mapping[str, Any],
        *,
        session: Session,
        goal: Goal | None = None,
        cell_id: str | None = None,
    ) -> Declared:
        """Bind a cell (with the other cells of the same workflow) to values and keep it under its name."""
        whole, notices, cells = self.joined(text, cell_id)
        try:
            declaration = session.declare(whole, values, goal=goal)
        except LanguageError as error:
            raise (error if len(cells) == 1 else placed(error, text)) from None
        one = Declared(declaration, session, notices=notices)
        self.cells[next(iter(cells.values())).name or ""] = cells
        self.declared[one.name] = one
        self.latest = one.name
        self.unready = ""
        return one

    def find(self, name: str | None) -> Declared:
        """A declared workflow by name, by default the latest; raises `UsageError`."""
        if name is None:
            if self.unready:
                # To take an earlier one instead would run what nobody looks at.
                msg = f"The cell that was run last {self.unready}"
                raise UsageError(msg, hint=f"Or name what is meant: {self.latest}." if self.latest else None)
            if self.latest is None:
                msg = "No workflow has been declared yet."
                raise UsageError(msg, hint="Write a %%murakkab cell and run it first.")
            return self.declared[self.latest]
        if name in self.declared:
            return self.declared[name]
        near = difflib.get_close_matches(name, self.declared, n=1, cutoff=0.5)
        msg = f"There is no workflow {name[:60]!r}."
        hint = f"Did you mean {near[0]}?" if near else f"Declared: {', '.join(self.declared) or 'none yet'}."
        raise UsageError(msg, hint=hint)

    def plan(
        self, one: Declared, goal: Goal | None = None, *, fresh: bool = False, reuse: bool = False
    ) -> Plan:
        """Plan a workflow and keep the plan and its goal; raises `InfeasibleError`, and keeps nothing then.

        Where runs take what earlier ones made (or this one will, with `reuse`), and unless `fresh`, the plan is that of the
        latest run where it made everything, and says what will be taken.
        """
        declaration = one.declaration
        if goal is not None and goal != declaration.workflow.goal:
            declaration = replace(declaration, workflow=replace(declaration.workflow, goal=goal))
        plan = one.session.plan(declaration)
        takes = (self.reuses or reuse) and not fresh
        if takes:
            plan = one.session.as_made(declaration, plan)
        said = one.session.known(declaration, plan) if takes else ""
        one.plan = replace(plan, cautions=(*plan.cautions, said)) if said else plan
        one.declaration = declaration
        return one.plan

    @contextlib.contextmanager
    def moved(self, one: Declared, request: Request) -> Iterator[None]:
        """With a workflow in the session of the cluster or cores that a request names; back where it was after an error."""
        before = one.session, one.declaration, one.plan
        try:
            if "cluster" in request.options or "cores" in request.options:
                session = self.session_of(request)
                if session is not one.session:
                    workflow = one.declaration.workflow
                    one.declaration = session.declare(
                        workflow.text, one.declaration.values, goal=workflow.goal
                    )
                    one.session, one.plan = session, None
            yield
        except Exception:
            one.session, one.declaration, one.plan = before
            raise

    def runs(self) -> dict[str, Run]:
        """Runs of every session, oldest first."""
        return {run_id: run for session in self.sessions for run_id, run in session.runs.copy().items()}

    def run_named(self, run_id: str | None) -> Run | None:
        """A run of this process by id or by its workflow's name; by default the latest; None when there is none."""
        runs = self.runs()
        if run_id is None:
            return self.run or (list(runs.values())[-1] if runs else None)
        if run_id in runs:
            return runs[run_id]
        of_name = [run for run in runs.values() if run.workflow.name == run_id]
        return of_name[-1] if of_name else None

    # --- verbs that answer at once ----------------------------------------------------------------------------

    def do(self, request: Request, face: Face) -> Outcome:
        """Do any verb but `run`, `resume` and `demo`, which a face must follow while they are under way."""
        if request.options.get("help"):
            return Outcome("help", help_text(face, request.verb.name))
        match request.verb.name:
            case "help":
                return Outcome("help", help_text(face, request.word))
            case "plan":
                return self._plan(request)
            case "explain":
                one = self.find(request.word)
                with self.moved(one, request):
                    plan = self._planned(one, request)
                return Outcome("words", ("Why this plan", one.session.explain(plan)))
            case "frontier":
                return self._frontier(request)
            case "status":
                return Outcome("status", list(self.runs().values()))
            case "stop":
                return self._stop(request)
            case "history":
                records = self.session_of(request).journal.runs()
                return Outcome("history", records, [answers.record_json(one) for one in records])
            case "bill":
                return self._bill(request)
            case "agents":
                return answers.agents(self.session_of(request), request.word)
            case "models":
                return answers.models(self.session_of(request), request.word)
            case "profile":
                return profiles.profile(self.session_of(request), request, self.measuring)
            case "engine":
                return engines.engine(self.session_of(request), request, self.starting, keep=face == "cli")
            case "cluster":
                return self._cluster(request)
            case "export":
                return self._export(request)
        msg = f"{request.verb.name} is followed by its face."
        raise UsageError(msg)

    def _cluster(self, request: Request) -> Outcome:
        """The cluster that is named, else that of the latest workflow: plans and runs of it are made there."""
        said = request.options.get("cluster") or ""
        latest = self.declared.get(self.latest or "")
        if latest is None or {"cluster", "cores"} & request.options.keys():
            session = self.session_of(request)
        else:
            session = latest.session
            if session.address is not None:
                said = f"{session.address}, where {latest.name} is declared"
        view: ClusterView = session.view
        return Outcome("cluster", (view, said), answers.cluster_json(view))

    def _planned(self, one: Declared, request: Request) -> Plan:
        goal = request.goal(one.declaration.workflow.goal)
        if one.plan is None or one.plan.goal != goal:
            return self.plan(one, goal)
        return one.plan

    def _plan(self, request: Request) -> Outcome:
        from murakkab_jupyter.runtime.report import plan_report

        one = self.find(request.word)
        with self.moved(one, request):
            workflow = one.declaration.workflow
            plan = self.plan(one, request.goal(workflow.goal))
        return Outcome("plan", (plan, workflow), plan_report(plan, workflow))

    def _frontier(self, request: Request) -> Outcome:
        from murakkab_jupyter.runtime.report import frontier_report

        one = self.find(request.word)
        with self.moved(one, request):
            workflow = one.declaration.workflow
            goal = request.goal(workflow.goal)
            plans = one.session.frontier(one.declaration, goal)
        wanted = request.options.get("take")
        if wanted is not None:
            if not str(wanted).isdigit() or not 1 <= int(wanted) <= len(plans):
                msg = f"There is no plan {str(wanted)[:40]} on this frontier."
                raise UsageError(msg, hint=f"Give a number from 1 to {len(plans)}.")
            one.take(plans[int(wanted) - 1], int(wanted))
        return Outcome("frontier", (plans, one.plan, one.name), frontier_report(plans, workflow, goal))

    def _stop(self, request: Request) -> Outcome:
        run = self.run_named(request.word)
        if run is None:
            msg = (
                "Nothing is running."
                if request.word is None
                else f"There is no run {request.word[:60]!r} here."
            )
            raise UsageError(msg, hint="See %murakkab status.")
        if run.ended:
            return Outcome("message", f"Run {run.id} has ended already: {run.status}.")
        run.stop()
        return Outcome("message", f"Run {run.id} is being stopped; what is finished is kept.")

    def _bill(self, request: Request) -> Outcome:
        run = self.run_named(request.word)
        if run is not None:
            if run.bill is None:
                return Outcome("message", f"Run {run.id} is still running; its bill comes at its end.")
            return Outcome("bill", (run.bill, run.workflow.name or run.id), run.bill.to_json())
        session = self.session_of(request)
        records = session.journal.runs()
        record = next((one for one in records if request.word in (None, one.run_id, one.name)), None)
        if record is not None:
            bill = answers.past_bill(session, record)
            return Outcome("bill", (bill, record.name or record.run_id), bill.to_json())
        msg = f"There is no run {request.word!r}." if request.word else "Nothing has been run yet."
        raise JournalError(msg, hint="See the history of runs: murakkab history.")

    def _export(self, request: Request) -> Outcome:
        if request.options.get("python"):
            files = [word for word in request.words if Path(word).suffix == ".py"]
            names = [word for word in request.words if not Path(word).suffix]
            other = next((word for word in request.words if word not in (*files, *names[:1])), None)
            if other is not None:
                msg = f"Python is written to a file that ends in .py, not to {other[:60]!r}."
                raise UsageError(msg, hint="Name one: export --python out.py.")
            code = python_code(self.find(names[0] if names else None).declaration)
            if not files:
                return Outcome("code", code)
            written = [str(write_code(code, Path(file).expanduser())) for file in files]
            return Outcome("message", f"Wrote {', '.join(written)}.", written)
        files = [word for word in request.words if Path(word).suffix]
        ids = [word for word in request.words if not Path(word).suffix]
        if not files:
            msg = "export needs a file to write."
            raise UsageError(
                msg, hint="Name one: out.json, out.parquet, out.csv or out.srt; or --python out.py."
            )
        kept = self.kept(request, ids[0] if ids else None)
        paths = [Path(file).expanduser() for file in files]
        for path in paths:  # all of them before any is written
            check_target(kept, path)
        written = [str(one) for path in paths for one in write_run(kept, path)]
        return Outcome("message", f"Wrote {', '.join(written)}.", written)

    def kept(self, request: Request, run_id: str | None) -> Kept:
        """What a run made: of this process, else what the journal holds of it."""
        run = self.run_named(run_id)
        if run is not None:
            return Kept(run.workflow, run.store, run)
        session = self.session_of(request)
        record = next((one for one in session.journal.runs() if run_id in (None, one.run_id, one.name)), None)
        if record is None:
            msg = f"There is no run {run_id!r}." if run_id else "Nothing has been run yet."
            raise JournalError(msg, hint="See the history of runs: murakkab history.")
        return restored(session, record)
