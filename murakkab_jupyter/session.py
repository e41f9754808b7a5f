"""The one place that wires the rooms: declare, plan, run, resume. Magics, command line and Python all call it."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from murakkab_jupyter.agents.agent import Failed
from murakkab_jupyter.agents.functions.python import function_agent
from murakkab_jupyter.agents.library import Library, default_library
from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.errors import JournalError, LanguageError, MurakkabError, UsageError
from murakkab_jupyter.core.events import Event
from murakkab_jupyter.core.hosts import ClusterView, Share
from murakkab_jupyter.core.kinds import Video
from murakkab_jupyter.core.media import find_media
from murakkab_jupyter.execution import Execution, made_before
from murakkab_jupyter.planner.coverage import Frontier
from murakkab_jupyter.planner.evaluate import Evaluation, Evaluator
from murakkab_jupyter.planner.frontier import frontier
from murakkab_jupyter.planner.pipeline import Replay, sampled
from murakkab_jupyter.planner.plan import Configuration, Plan
from murakkab_jupyter.planner.recall import Recall
from murakkab_jupyter.planner.solve import Maker, make_plan
from murakkab_jupyter.planner.told.beforehand import with_fetches, with_keys, with_starts
from murakkab_jupyter.planner.told.explain import explain
from murakkab_jupyter.planner.told.premises import with_premises
from murakkab_jupyter.planner.unmeasured import predictable
from murakkab_jupyter.profiles.book import ProfileBook
from murakkab_jupyter.profiles.described import find_cluster
from murakkab_jupyter.profiles.hardware import beyond_host, host_cores, local_worker_view
from murakkab_jupyter.profiles.offers import Offers, offers
from murakkab_jupyter.run import Run
from murakkab_jupyter.runtime.earlier import as_good, changed_since, makers_that_stay, others_now
from murakkab_jupyter.runtime.journal import Journal, RunRecord, default_path
from murakkab_jupyter.runtime.known import Known, still_whole, unread_before
from murakkab_jupyter.simulate.driver import simulate
from murakkab_jupyter.simulate.predict import evaluation
from murakkab_jupyter.workflow.declaration import Declaration, hashes_of, saved_values
from murakkab_jupyter.workflow.goal import Goal
from murakkab_jupyter.workflow.inputs import gather
from murakkab_jupyter.workflow.language import declare, functions_in

if TYPE_CHECKING:
    from murakkab_jupyter.agents.language.chat import Chat
    from murakkab_jupyter.cluster.connect import Cluster
    from murakkab_jupyter.cluster.engines.roster import Roster
    from murakkab_jupyter.cluster.measuring.agents import Measurement, Progress
    from murakkab_jupyter.profiles.engine import EngineCurve
    from murakkab_jupyter.profiles.served import ServedProfile
    from murakkab_jupyter.workflow.decompose import Draft

__all__ = ["Declaration", "Session"]

LONG_CONTEXT = 4096
"""Tokens for the list of capabilities, a description and its steps."""

LOOK_S = 10.0
"""What a run has made already is looked for so long before its agents stay; every value is read for that."""

MOST_ITEMS = 5000
"""Of so many items every one is looked for in the journal before a plan: about a second."""


class Session:
    """Declares, plans, runs and resumes workflows on one cluster, with one journal and one book of profiles.

    Parameters
    ----------
    library
        Capabilities and agents; by default everything that installed packages offer.
    cluster
        A Dask scheduler's address, or the path of a YAML or JSON file that describes hardware, or the name of
        one that ships with the package (to plan for it only); None for this host, on which a local Dask cluster
        is started when a run needs it.
    journal
        Path of the journal; by default the user's own.
    profiles
        Path of the profile store; by default the user's own.
    cores
        CPU cores of the local cluster to use; all by default.
    """

    def __init__(
        self,
        *,
        library: Library | None = None,
        cluster: str | None = None,
        journal: str | Path | None = None,
        profiles: str | Path | None = None,
        cores: int | None = None,
    ) -> None:
        self.address = cluster
        self._described = None if cluster is None else find_cluster(cluster)
        self.library = library or default_library()
        if self._described is not None:
            # What only this hardware could serve is not to be seen by other sessions.
            self.library = self.library.copy()
        self.cores = cores
        self._journal_path = journal
        self.profiles = ProfileBook.open(profiles, self.library)
        self.runs: dict[str, Run] = {}
        """Runs of this session, by id."""
        self._cluster: Cluster | None = None
        self._lock = threading.Lock()
        self._offers = Offers()
        self.recall = Recall()
        """Plans and points of frontiers made so far: each later search knows them."""
        self._curves: tuple[ServedProfile, ...] = ()
        self._offer()

    def _offer(self) -> None:
        """On a described cluster, let plans know every served model whose published curve is of one of its GPUs."""
        if self._described is None:
            return
        curves = self.profiles.published_now()
        if curves == self._curves:
            return
        self._curves = curves
        for spec in self._offers.agents:
            self.library.remove_agent(spec.name)
        taken = {agent.name for agent in self.library.agents()}
        found = offers(self._described, curves)
        self._offers = replace(found, agents=tuple(one for one in found.agents if one.name not in taken))
        offered = {capability.name for capability in self.library.capabilities()}
        for spec in self._offers.agents:
            if spec.capability in offered:
                self.library.add_agent(spec)

    @functools.cached_property
    def journal(self) -> Journal:
        """The journal, opened when first needed: planning needs none."""
        return Journal(self._journal_path)

    @property
    def cluster(self) -> Cluster | None:
        """The Dask cluster in use; None before one was needed."""
        return self._cluster

    @property
    def described(self) -> ClusterView | None:
        """The hardware that is only described, to plan for; None where the cluster is real."""
        return self._described

    @functools.cached_property
    def engines(self) -> Roster:
        """The model servers this session knows; none is started or asked before it is needed."""
        from murakkab_jupyter.cluster.engines.roster import Roster

        return Roster(self.library, self.connect, lambda: self._cluster)

    # --- declare ----------------------------------------------------------------------------------------------

    def declare(
        self,
        text: str,
        values: Mapping[str, Any] | None = None,
        *,
        goal: Goal | None = None,
        lost: bool = False,
        earlier: bool = False,
    ) -> Declaration:
        """Bind a cell to values; with `lost`, a file of a list that is gone fails alone, as one that cannot be read.

        With `earlier`, the cell ran before, and a sentence that looks like a slip stands.

        Raises
        ------
        LanguageError
            The cell does not parse or bind.
        InputError
            A value is missing or cannot be read.
        """
        given = dict(values or {})
        for name, value in given.items():
            if callable(value) and f"@python:{name}" in text:
                self.library.add_agent(function_agent(value, name), replace=True)
        self.engines.recall()
        self._offer()
        try:
            workflow = declare(text, library=self.library, values=given, goal=goal, earlier=earlier)
        except LanguageError as error:
            # What is down offers no agents, so a pin of it looks like a name that nobody has.
            error.hint = self.engines.why_missing(error.message) or error.hint
            raise
        return Declaration(workflow, gather(workflow, given, lost=lost), given)

    def decompose(
        self,
        description: str,
        values: Mapping[str, Any] | None = None,
        *,
        model: str | Chat | None = None,
        name: str | None = None,
        goal: Goal | None = None,
    ) -> Draft:
        """Turn a description into the text of a cell, to read and to edit; nothing runs.

        Parameters
        ----------
        description
            In the user's words.
        values
            Variables it works on; without any, its nouns say what they are ("the videos").
        model
            An agent with a language model (`smollm2-135m`, one that is served), or a `Chat`, that proposes the
            steps; without one they are found by words, likeness of meaning and kinds.
        name, goal
            Of the workflow.

        Raises
        ------
        UsageError
            It asks for what nobody offers, or for nothing that is known; names the nearest capabilities.
        """
        from murakkab_jupyter.agents.language.chat import Chat
        from murakkab_jupyter.agents.language.writer import Writer
        from murakkab_jupyter.workflow.decompose import ask, decompose

        if model is None:
            return decompose(description, library=self.library, values=values, name=name, goal=goal)
        if isinstance(model, Chat):
            return ask(description, model, library=self.library, values=values, name=name, goal=goal)
        self.engines.recall()
        spec = self.library.agent(model)
        agent = spec.make()
        if not isinstance(agent, Writer):
            msg = f"{model} has no language model, so it cannot make steps of a description."
            raise UsageError(msg, hint="Name one that writes, for example smollm2-135m, or leave it out.")
        context = {"context": LONG_CONTEXT} if spec.option("context") else {}
        agent.load(spec.settings(context), self.cores or host_cores())
        try:
            return ask(description, agent.chat, library=self.library, values=values, name=name, goal=goal)
        finally:
            agent.close()

    # --- plan -------------------------------------------------------------------------------------------------

    @property
    def view(self) -> ClusterView:
        """The workers and engines a plan may use: of the cluster in use, of the described one, else of this host."""
        if self._described is not None:
            return replace(self._described, engines=self._offers.engines)
        if self._cluster is None and self.address is not None:
            self.connect()
        if self._cluster is not None:
            view = self._cluster.view()
        else:
            view = ClusterView((local_worker_view(cores=self.cores),))
        return replace(view, engines=self.engines.views())

    def view_for(self, declaration: Declaration) -> ClusterView:
        """The same, once workers on other hosts were asked whether they see the files of a declaration."""
        view = self.view
        if self._described is None and self._cluster is not None and not self._cluster.local:
            self._cluster.look(list(find_media(declaration.readable())))
            view = replace(self._cluster.seen(), engines=view.engines)
        return view

    def replay(self, declaration: Declaration, view: ClusterView) -> Replay:
        """The simulator: what configurations do with some values of a declaration's variables."""

        def replay(
            roots: Mapping[str, Sequence[Any]],
            configurations: Mapping[str, Configuration],
            reserve: Share,
            arrive_s: Sequence[float] = (),
        ) -> Evaluation:
            simulation = simulate(
                declaration.workflow,
                configurations,
                roots=roots,
                library=self.library,
                profiles=self.profiles,
                cluster=view,
                reserve=reserve,
                arrive_s=arrive_s,
            )
            return evaluation(simulation, declaration.workflow, configurations, self.profiles, view)

        return replay

    def evaluator(self, declaration: Declaration, view: ClusterView) -> Evaluator:
        """What judges configurations: the simulator, replaying them on the declaration's own items (samples of very many)."""
        replay = self.replay(declaration, view)
        return sampled(declaration.workflow, declaration.readable(), self.library, replay)

    def plan(self, declaration: Declaration, goal: Goal | None = None) -> Plan:
        """Choose a configuration for every step; raises `InfeasibleError` when no plan meets the goal."""
        return self._plan(declaration, goal or declaration.workflow.goal)

    def _plan(self, declaration: Declaration, goal: Goal, made_by: Mapping[str, Maker] | None = None) -> Plan:
        view = self.view_for(declaration)
        made = make_plan(
            declaration.workflow,
            goal,
            roots=declaration.readable(),
            library=self.library,
            profiles=self.profiles,
            cluster=view,
            evaluate=self.evaluator(declaration, view),
            replay=self.replay(declaration, view),
            made_by=made_by,
            known=self.recall.of(declaration),
        )
        self.recall.keep(declaration, [made])
        made = with_starts(made, view)
        if not view.described:
            made = with_keys(made, self.library, self.engines.unset_keys)
        made = replace(made, notes=(*made.notes, *self._offers.notes))
        if self.address is None and not view.described:
            made = with_fetches(made, self.library)
        made = predictable(made, declaration.workflow, self.profiles, view)
        return self._counted(made, declaration)

    def _counted(self, plan: Plan, declaration: Declaration) -> Plan:
        """The plan with what it rests on, and what to know before all else, in words."""
        real = None if self._described is not None else self._cluster
        made = with_premises(plan, declaration, self.library, wants=() if real is None else real.wants)
        return replace(made, cautions=(*made.cautions, *self._cautions))

    @property
    def _cautions(self) -> tuple[str, ...]:
        """What to know before all else of a plan made here: that it counts on cores that this host lacks."""
        said = beyond_host(self.cores) if self.address is None else None
        return (said,) if said else ()

    def frontier(self, declaration: Declaration, goal: Goal | None = None) -> Frontier:
        """Plans of which none is better than another in every respect, and how many of how many they are the best of."""
        view = self.view_for(declaration)
        found = frontier(
            declaration.workflow,
            goal or declaration.workflow.goal,
            roots=declaration.readable(),
            library=self.library,
            profiles=self.profiles,
            cluster=view,
            evaluate=self.evaluator(declaration, view),
            known=self.recall.of(declaration),
        )
        self.recall.keep(declaration, found)

        def told(plan: Plan) -> Plan:
            plan = predictable(plan, declaration.workflow, self.profiles, view, judge=False)
            return self._counted(plan, declaration)

        return replace(found.each(told), cautions=self._cautions)

    def explain(self, plan: Plan) -> str:
        """Why a plan is as it is, in words with figures."""
        return explain(plan)

    def known(self, declaration: Declaration, plan: Plan) -> str:
        """What of a plan earlier runs have made already, and which steps are to be made, in a sentence; empty where nothing is."""
        found = self._known(declaration, plan)
        return "" if found is None else str(found)

    def _known(
        self, declaration: Declaration, plan: Plan, *, patience_s: float | None = None
    ) -> Known | None:
        """What of a plan earlier runs have made already; None where that cannot be said."""
        path = default_path() if self._journal_path is None else Path(self._journal_path).expanduser()
        if self._described is not None or not path.exists():
            return None
        try:
            return made_before(declaration, plan, self.journal, self.library, patience_s=patience_s)
        except JournalError:
            return None  # said when something is to be kept

    def as_made(self, declaration: Declaration, plan: Plan) -> Plan:
        """A plan, or one of now by the agents of the latest run of this workflow, where that run has made everything and is as good an answer.

        What a run taught often speaks for other agents the next time; they would do again what is done. Its agents stay
        where the goal is the same, the agents of both plans were to be had then and are now, the quality of what they make
        is not less, and floors and limits are kept as figures are now. As every item is looked for, nothing stays of runs of
        more than `MOST_ITEMS` items, nor where one of two looks takes longer than `LOOK_S`.
        """
        path = default_path() if self._journal_path is None else Path(self._journal_path).expanduser()
        if self._described is not None or not path.exists():
            return plan
        try:
            record = self.journal.latest_of(declaration.workflow.text)
            if record is None or record.status not in ("done", "partial"):
                return plan
            if max(record.items, sum(1 for _ in declaration.items())) > MOST_ITEMS:
                return plan
            last = Plan.from_json(record.plan)
        except (MurakkabError, KeyError, TypeError, ValueError):
            return plan  # kept by another version
        before = makers_that_stay(plan, last)
        if not before or not self._all_made(declaration, last) or self._all_made(declaration, plan):
            return plan
        try:
            again = self._plan(declaration, plan.goal, before)
        except MurakkabError:
            return plan  # they do not keep the goal any more
        return as_good(again, plan, last, record.run_id) or plan

    def _all_made(self, declaration: Declaration, plan: Plan) -> bool:
        """Whether nothing of a plan is left to be made; not where that takes longer than `LOOK_S` to see."""
        found = self._known(declaration, plan, patience_s=LOOK_S)
        return found is not None and found.complete

    # --- measure ----------------------------------------------------------------------------------------------

    def measure(
        self,
        names: Sequence[str] = (),
        *,
        videos: Sequence[str | Path] = (),
        again: bool = False,
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> Measurement:
        """Measure agents on this host, each in a process of its own, and keep what was seen in the profiles.

        Parameters
        ----------
        names
            Agents or capabilities; every agent that can be measured here by default.
        videos
            What inputs are made of; the demo's clips by default, fetched once.
        again
            Whether what was measured today already is measured once more.
        progress
            Told before each case: an agent, its levers and cores.
        """
        from murakkab_jupyter.agents.media.files import probe
        from murakkab_jupyter.cluster.measuring.agents import measure_into
        from murakkab_jupyter.demo import QUESTION, clips

        if self.address is not None:
            msg = "Agents are measured on this host only; on a cluster, runs observe them."
            raise UsageError(msg, hint="Leave --cluster out.")
        return measure_into(
            self.profiles,
            self.library,
            names,
            [one for path in videos or clips() if isinstance(one := probe(path, "video"), Video)],
            QUESTION,
            cores=self.cores or host_cores(),
            again=again,
            progress=progress,
        )

    def measure_engine(
        self,
        target: str,
        *,
        most: int | None = None,
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> EngineCurve:
        """Measure a model server's speed at 1, 2, 4, ... requests in flight, and keep the curve in the profiles.

        Parameters
        ----------
        target
            Its URL, or the name of an engine (started when it is not running) or of an agent that asks it.
        most
            Most requests in flight; by default what the server says, else as long as more are faster.
        progress
            Told before each level.

        Raises
        ------
        UsageError
            Nothing of that name has a server.
        ProfileError
            The server fails requests.
        AgentError
            It cannot be asked at all.
        """
        from murakkab_jupyter.agents.served.endpoint import Endpoint
        from murakkab_jupyter.agents.served.serving import endpoint_behind
        from murakkab_jupyter.cluster.measuring.engines import measure_engine

        if "://" in target:
            endpoint = self.engines.endpoint_at(target) or Endpoint(target, "")
        else:
            known = {entry.name: entry for entry in self.engines.entries()}
            if target in known:
                entry = self.engines.ensure(target)
                if entry.endpoint is None:
                    msg = f"The engine {target} does not answer: {entry.problem or 'it has no address'}."
                    raise UsageError(msg, hint="See murakkab engine list.")
                started = entry.config is not None
                endpoint = replace(entry.endpoint, known_as=f"engine {target}") if started else entry.endpoint
            else:
                endpoint = endpoint_behind(self.library.agent(target))
        curve = measure_engine(endpoint, host=self.profiles.host, most=most, progress=progress)
        self.profiles.add_engine(curve)
        return curve

    # --- run --------------------------------------------------------------------------------------------------

    def connect(self) -> Cluster:
        """The Dask cluster of this session, started or attached when first asked for."""
        from murakkab_jupyter.cluster.connect import connect

        if self._described is not None:
            msg = f"{self.address} only describes hardware: a workflow can be planned for it, not run on it."
            raise UsageError(msg, hint="Give --cluster a scheduler's address, or leave it out.")
        with self._lock:
            if self._cluster is None:
                self._cluster = connect(self.address, cores=self.cores)
                if "engines" in vars(self):
                    self.engines.keys_for(self._cluster)
            return self._cluster

    def run(
        self,
        declaration: Declaration,
        plan: Plan | None = None,
        *,
        background: bool = False,
        on_event: Callable[[Event], None] | None = None,
        goal: Goal | None = None,
        reuse: bool = True,
    ) -> Run:
        """Execute a plan (one is made when none is given).

        Blocks until the run has ended, unless `background`; an interrupt stops the run and keeps what is
        finished. With `reuse`, an item that the same agent made of the same inputs in any earlier run is
        taken from the journal; without it, everything is made anew (to compare what plans really spend).
        """
        cluster = self.connect()
        chosen = plan or self.plan(declaration, goal)
        run_id = uuid4().hex[:12]
        self.journal.start_run(
            run_id,
            name=declaration.workflow.name,
            text=declaration.workflow.text,
            values=saved_values(declaration),
            plan={**chosen.to_json(), "reuse": reuse, "media": hashes_of(declaration)},
        )
        try:
            execution = self._execution(run_id, declaration, chosen, cluster, (), reuse=reuse)
        except BaseException:
            with contextlib.suppress(JournalError):
                self.journal.end_run(run_id, "stopped", "It did not begin.")
            raise
        return self._begin(execution, background=background, on_event=on_event)

    def resume(
        self,
        run_id: str | None = None,
        *,
        values: Mapping[str, Any] | None = None,
        background: bool = False,
        on_event: Callable[[Event], None] | None = None,
    ) -> Run:
        """Go on with a run that was stopped or killed: what it finished is final, the rest is done now.

        Parameters
        ----------
        run_id
            Which run; by default the latest that was stopped, was killed or failed, else the latest that lacks items.
        values
            Values that the journal cannot hold (functions). What it holds may be given too, and must be the same items.

        Raises
        ------
        JournalError
            There is no such run, or nothing to resume, or a variable holds other items now, or a file that some of it
            was made from is another now.
        """
        record = self.journal.find(run_id) if run_id else self.journal.latest_unfinished()
        if record is None:
            msg = (
                f"There is no run {run_id} in the journal."
                if run_id
                else "There is no unfinished run to resume."
            )
            raise JournalError(msg, hint="See the history of runs: murakkab history.")
        given = {**record.values, **(values or {})}
        absent = [name for name in functions_in(record.text) if not callable(given.get(name))]
        if absent:
            msg = f"Run {record.run_id} calls your function {absent[0]}, and no journal holds functions."
            raise JournalError(
                msg,
                hint=f"Define it in a notebook and say %murakkab resume {record.run_id} there, or in Python "
                f"session.resume({record.run_id!r}, values={{{absent[0]!r}: {absent[0]}}}).",
            )
        declaration = self.declare(record.text, given, lost=True, earlier=True)
        if others := others_now(declaration, record.values, (values or {}).keys()):
            msg = f"Run {record.run_id} was begun with other values of {', '.join(others)}, and goes on with the same."
            raise JournalError(
                msg, hint="Run the workflow again instead: what still fits is taken from this run."
            )
        begun = record.plan.get("media") or {}
        if replaced := changed_since(declaration, self.journal.media(record.run_id), begun):
            shown = ", ".join(replaced[:3]) + (f" and {len(replaced) - 3} more" if len(replaced) > 3 else "")
            msg = f"Run {record.run_id} was made in part from files that were changed since: {shown}."
            raise JournalError(
                msg,
                hint="Run the workflow again instead: what was made from other files is taken from this run.",
            )
        chosen = Plan.from_json(record.plan)
        cluster = self.connect()
        record = self.journal.claim(record.run_id)
        try:
            execution, stale = self._rest_of(record, declaration, chosen, cluster)
            self.journal.forget(record.run_id, stale)
        except BaseException:
            with contextlib.suppress(JournalError):
                self.journal.release(record)
            raise
        return self._begin(execution, background=background, on_event=on_event)

    def _rest_of(
        self, record: RunRecord, declaration: Declaration, plan: Plan, cluster: Cluster
    ) -> tuple[Execution, list[tuple[str, Ancestry]]]:
        """A run that goes on, about to begin, and those of its kept items that are to be made again."""
        # What failed is tried again, and with it what was made of a list that lacked it; what else is done is final.
        lost = unread_before(self.journal.events(record.run_id), declaration.roots.values)
        kept = list(self.journal.finished(record.run_id))
        finished = still_whole(declaration.workflow, kept, lost - declaration.roots.bad.keys())
        whole = {(name, ancestry) for name, ancestry, _ in finished}
        stale = [
            (name, key)
            for name, key, value in kept
            if (name, key) not in whole and not isinstance(value, Failed)
        ]
        reuse = bool(record.plan.get("reuse", True))
        return self._execution(record.run_id, declaration, plan, cluster, finished, reuse=reuse), stale

    def _execution(
        self,
        run_id: str,
        declaration: Declaration,
        plan: Plan,
        cluster: Cluster,
        finished: Sequence[tuple[str, Ancestry, Any]],
        *,
        reuse: bool,
    ) -> Execution:
        return Execution.of(
            run_id,
            declaration,
            plan,
            finished,
            cluster=cluster,
            engines=self.engines,
            journal=self.journal,
            library=self.library,
            profiles=self.profiles,
            reuse=reuse,
        )

    def _begin(
        self, execution: Execution, *, background: bool, on_event: Callable[[Event], None] | None
    ) -> Run:
        run = execution.run
        if on_event is not None:
            run.listen(on_event)
        self.runs[run.id] = run
        if background:
            threading.Thread(target=execution.carry_out, name=f"murakkab-run-{run.id}", daemon=True).start()
            return run
        execution.carry_out()
        if run.error is not None:
            raise run.error
        return run

    def close(self) -> None:
        """Close the engines it holds, the cluster (when this session started it), the profiles and the journal."""
        if "engines" in vars(self):
            self.engines.close()
        with self._lock:
            if self._cluster is not None:
                self._cluster.close()
                self._cluster = None
        self.profiles.close()
        if "journal" in vars(self):
            self.journal.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
