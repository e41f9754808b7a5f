"""The verbs: one table and one parser for the magics, the command line and Python.

A `Desk` holds what has been declared in a session and does what a verb asks; what it answers is an
`Outcome`: data, not text, so that each face shows it in its own way.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from murakkab_jupyter.core.errors import JournalError, UsageError
from murakkab_jupyter.workflow.goal import Goal

if TYPE_CHECKING:
    from murakkab_jupyter.core.hosts import ClusterView
    from murakkab_jupyter.planner.plan import Plan
    from murakkab_jupyter.run import Run
    from murakkab_jupyter.runtime.bill import Bill
    from murakkab_jupyter.session import Declaration, Session

__all__ = [
    "OPTIONS",
    "VERBS",
    "Declared",
    "Desk",
    "Face",
    "Option",
    "Outcome",
    "Request",
    "Verb",
    "header_options",
    "help_text",
    "names_in",
    "parse_request",
    "verb_named",
    "write_json",
]

Face = Literal["magic", "cli"]
Form = Literal["flag", "value", "many"]


@dataclass(frozen=True, slots=True)
class Option:
    """An option besides those of a goal: how many values it takes, what they are called, what it does."""

    form: Form
    takes: str
    help: str
    faces: tuple[Face, ...] = ("magic", "cli")


OPTIONS: Mapping[str, Option] = {
    "cluster": Option(
        "value", "ADDRESS|FILE", "a Dask scheduler, or a file that describes hardware (to plan only)"
    ),
    "cores": Option("value", "N", "CPU cores of this machine to use; all by default"),
    "run": Option("flag", "", "run the cell, not only plan it", ("magic",)),
    "background": Option("flag", "", "do not wait: the run goes on while you work", ("magic",)),
    "input": Option(
        "many", "NAME=VALUE", "a variable's value: a text, file, folder or glob; again for more", ("cli",)
    ),
    "json": Option("value", "FILE", "write everything as JSON to FILE (- for standard output)"),
    "python": Option("flag", "", "as Python code"),
    "help": Option("flag", "", "show this help"),
}


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing a user can ask for."""

    name: str
    summary: str
    words: str = ""
    options: tuple[str, ...] = ()
    goal: bool = False
    faces: tuple[Face, ...] = ("magic", "cli")
    most_words: int = 1


VERBS: tuple[Verb, ...] = (
    Verb(
        "plan",
        "choose how each step is done, and show it",
        "WORKFLOW",
        ("cluster", "cores", "input", "json"),
        goal=True,
    ),
    Verb(
        "run",
        "do it, and show answers and bill",
        "WORKFLOW",
        ("background", "cluster", "cores", "input", "json"),
        goal=True,
    ),
    Verb("stop", "stop a run; what is finished is kept", "[RUN]", faces=("magic",)),
    Verb(
        "resume",
        "go on with a run that was stopped or killed",
        "[RUN]",
        ("background", "cluster", "cores", "input", "json"),
    ),
    Verb("status", "runs of this session", faces=("magic",), most_words=0),
    Verb("explain", "why the plan is as it is", "WORKFLOW", ("cluster", "cores", "input"), goal=True),
    Verb(
        "frontier",
        "plans of which none is better in every respect",
        "WORKFLOW",
        ("cluster", "cores", "input", "json"),
        goal=True,
    ),
    Verb("history", "earlier runs", options=("json",), most_words=0),
    Verb("bill", "what a run used, predicted beside actual", "[RUN]", ("json",)),
    Verb("agents", "capabilities, and the agents that offer them here", "[NAME]", ("json",)),
    Verb("models", "weights: origin, licence, size, and whether they are here", "[NAME]", ("json",)),
    Verb("profile", "what is known of an agent's speed, memory and quality", "[AGENT]", ("json",)),
    Verb("cluster", "the workers a plan may use", "", ("cluster", "cores", "json"), most_words=0),
    Verb(
        "export",
        "write a run to .json .parquet .csv .srt files, or a workflow as Python",
        "[RUN] FILE…",
        ("python", "input"),
        most_words=20,
    ),
    Verb(
        "demo",
        "the whole job on two short clips, fetched once",
        "",
        ("cluster", "cores", "json"),
        goal=True,
        faces=("cli",),
        most_words=0,
    ),
    Verb("help", "this table, or the help of a verb", "[VERB]"),
)


def verb_named(name: str, face: Face = "cli") -> Verb:
    """A verb by name; raises `UsageError` with the nearest one."""
    known = {verb.name: verb for verb in VERBS if face in verb.faces}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    msg = f"There is no verb {name[:60]!r}."
    hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
    raise UsageError(msg, hint=hint)


@dataclass(frozen=True, slots=True)
class Request:
    """A verb with its words and options, read but not yet done.

    Attributes
    ----------
    verb
        What is asked for.
    words
        Names, ids, files.
    options
        Options besides the goal's, by name without dashes.
    goal_words
        Every word as given, for reading the goal on top of a workflow's own.
    """

    verb: Verb
    words: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    goal_words: tuple[str, ...] = ()

    def goal(self, base: Goal) -> Goal:
        """The base with what the options change."""
        from murakkab_jupyter.workflow.language import parse_goal_options

        return parse_goal_options(self.goal_words, base, others=forms(self.verb))[0]

    @property
    def word(self) -> str | None:
        """The first word, if there is one."""
        return self.words[0] if self.words else None

    @property
    def cores(self) -> int | None:
        """`--cores` as a number."""
        given = self.options.get("cores")
        if given is None:
            return None
        if not str(given).isdigit() or not 0 < int(given) < 100_000:
            msg = f"--cores cannot be {str(given)[:40]!r}."
            raise UsageError(msg, hint="Give a whole number of cores, for example --cores 2.")
        return int(given)


def forms(verb: Verb) -> dict[str, Form]:
    return {name: OPTIONS[name].form for name in (*verb.options, "help")}


def parse_request(words: Sequence[str], face: Face) -> Request:
    """Read a verb, its words and its options.

    Raises
    ------
    UsageError
        For an unknown verb or option, with the nearest; for a value that cannot be read; for words too many.
    """
    from murakkab_jupyter.workflow.language import parse_goal_options

    if not words or words[0] in {"-h", "--help"}:
        return Request(verb_named("help", face))
    verb = verb_named(words[0], face)
    given = ["--help" if word == "-h" else word for word in words[1:]]
    if not verb.goal:
        refuse_goal(verb, given)
    allowed = {name: form for name, form in forms(verb).items() if face in OPTIONS[name].faces}
    _, found = parse_goal_options(given, Goal(), others=allowed)
    loose = tuple(found.pop("words", ()))
    if len(loose) > verb.most_words:
        msg = f"{verb.name} takes {'no words' if not verb.most_words else 'one word'}, not {len(loose)}."
        raise UsageError(msg, hint=usage(verb))
    return Request(verb, loose, {key.replace("_", "-"): value for key, value in found.items()}, tuple(given))


def refuse_goal(verb: Verb, words: Sequence[str]) -> None:
    from murakkab_jupyter.workflow.language.options import GOAL_OPTIONS

    for word in words:
        name = word[2:].partition("=")[0] if word.startswith("--") else ""
        if name in GOAL_OPTIONS:
            msg = f"{verb.name} takes no goal, so --{name} means nothing to it."
            raise UsageError(msg, hint=usage(verb))


# --- help -----------------------------------------------------------------------------------------------------


def usage(verb: Verb) -> str:
    """`Usage: plan WORKFLOW [options]`."""
    return f"Usage: {verb.name}{f' {verb.words}' if verb.words else ''}{' [options]' if verb.options or verb.goal else ''}"


def help_text(face: Face, name: str | None = None) -> str:
    """The table of verbs and options, or one verb's."""
    from murakkab_jupyter.workflow.language.options import GOAL_OPTIONS

    def lines_of(pairs: Sequence[tuple[str, str]]) -> list[str]:
        width = min(32, max(len(left) for left, _ in pairs))
        return [f"  {left:<{width}}  {right}" for left, right in pairs]

    goal = [(f"--{key} {takes}", what) for key, (takes, what) in GOAL_OPTIONS.items()]
    own = [
        (f"--{key} {option.takes}".rstrip(), option.help)
        for key, option in OPTIONS.items()
        if face in option.faces and key != "help"
    ]
    prefix = "murakkab" if face == "cli" else "%murakkab"
    if name is not None:
        verb = verb_named(name, face)
        pairs = [pair for pair in own if pair[0].split()[0][2:] in verb.options]
        pairs += goal if verb.goal else []
        head = [f"{prefix} {usage(verb).removeprefix('Usage: ')}", f"  {verb.summary}"]
        return "\n".join([*head, *(["", *lines_of(pairs)] if pairs else [])])
    verbs = [(f"{verb.name} {verb.words}".strip(), verb.summary) for verb in VERBS if face in verb.faces]
    return "\n".join(
        [f"{prefix} VERB [words] [options]", "", *lines_of(verbs), "", "Options", *lines_of([*goal, *own])]
    )


# --- what a verb answers --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a verb answers.

    Attributes
    ----------
    kind
        Which view shows it: `plan`, `run`, `frontier`, `history`, `agents`, `models`, …
    data
        What that view takes.
    json
        The same as plain JSON, for `--json`.
    exit_code
        0 every output, 3 partial, 4 infeasible, 2 usage, 130 stopped.
    """

    kind: str
    data: Any
    json: Any = None
    exit_code: int = 0


@dataclass
class Declared:
    """A workflow on the desk: its declaration, and the plan that was last made for it."""

    declaration: Declaration
    session: Session
    plan: Plan | None = None

    @property
    def name(self) -> str:
        """The workflow's name."""
        return self.declaration.workflow.name


def names_in(text: str) -> list[str]:
    """Variables and functions that a cell refers to and does not make itself, in the order of the text."""
    from murakkab_jupyter.workflow.language import parse

    cell = parse(text)
    made = {step.name for step in cell.steps}
    found: dict[str, None] = {}
    for step in cell.steps:
        for ref in step.all_refs():
            if ref.name not in made:
                found.setdefault(ref.name)
        if step.pin is not None and step.pin.function is not None:
            found.setdefault(step.pin.function)
    return list(found)


def header_options(text: str) -> dict[str, Any]:
    """Options of a cell's first line besides its goal; a wrong one is a `LanguageError` that points at it."""
    from murakkab_jupyter.workflow.language import parse, parse_goal_options
    from murakkab_jupyter.workflow.language.bind import goal_of

    cell = parse(text)
    if cell.name in {verb.name for verb in VERBS}:
        msg = f"`{cell.name}` is a verb, so a workflow cannot be called that."
        raise UsageError(
            msg, hint=f"Name it otherwise, or write the line %murakkab {cell.name} (one percent sign)."
        )
    goal_of(cell)
    return parse_goal_options([word.text for word in cell.options])[1]


def write_json(data: Any, target: str) -> str | None:
    """Write JSON to a file; for `-` the text comes back instead. Raises `UsageError` when it cannot be written."""
    import json

    text = json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False)
    if target == "-":
        return text
    try:
        Path(target).expanduser().write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        msg = f"{target} cannot be written: {error.strerror or error}."
        raise UsageError(msg, hint="Give --json another file, or - to print it.") from None
    return None


class Desk:
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
        self.latest: str | None = None
        self.run: Run | None = None
        """The latest run of this desk."""

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
    def sessions(self) -> tuple[Session, ...]:
        """Every session so far; one is made when there is none."""
        return tuple(self._sessions.values()) or (self.session(),)

    def session_of(self, request: Request) -> Session:
        """The session that a request's options ask for."""
        return self.session(request.options.get("cluster"), request.cores)

    def close(self) -> None:
        """Let go of every session's cluster and files."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    # --- workflows --------------------------------------------------------------------------------------------

    def declare(
        self, text: str, values: Mapping[str, Any], *, session: Session, goal: Goal | None = None
    ) -> Declared:
        """Bind a cell to values and keep it under its name."""
        declaration = session.declare(text, values, goal=goal)
        one = Declared(declaration, session)
        self.declared[one.name] = one
        self.latest = one.name
        return one

    def find(self, name: str | None) -> Declared:
        """A declared workflow by name, by default the latest; raises `UsageError`."""
        if name is None:
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

    def plan(self, one: Declared, goal: Goal | None = None) -> Plan:
        """Plan a workflow and keep the plan; raises `InfeasibleError`."""
        workflow = one.declaration.workflow
        if goal is not None and goal != workflow.goal:
            one.declaration = replace(one.declaration, workflow=replace(workflow, goal=goal))
        one.plan = one.session.plan(one.declaration)
        return one.plan

    def runs(self) -> dict[str, Run]:
        """Runs of every session, oldest first."""
        return {run_id: run for session in self.sessions for run_id, run in session.runs.items()}

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
                plan = self._planned(one, request)
                return Outcome("words", ("Why this plan", one.session.explain(plan)))
            case "frontier":
                one = self.find(request.word)
                plans = one.session.frontier(one.declaration, request.goal(one.declaration.workflow.goal))
                return Outcome("frontier", (plans, one.plan), [plan.to_json() for plan in plans])
            case "status":
                return Outcome("status", list(self.runs().values()))
            case "stop":
                return self._stop(request)
            case "history":
                records = self.session_of(request).journal.runs()
                return Outcome("history", records, [record_json(one) for one in records])
            case "bill":
                return self._bill(request)
            case "agents":
                return self._agents(request)
            case "models":
                return self._models(request)
            case "profile":
                return self._profile(request)
            case "cluster":
                session = self.session_of(request)
                view: ClusterView = session.view
                return Outcome("cluster", (view, request.options.get("cluster") or ""), cluster_json(view))
            case "export":
                return self._export(request)
        msg = f"{request.verb.name} is followed by its face."
        raise UsageError(msg)

    def _planned(self, one: Declared, request: Request) -> Plan:
        goal = request.goal(one.declaration.workflow.goal)
        if one.plan is None or one.plan.goal != goal:
            return self.plan(one, goal)
        return one.plan

    def _plan(self, request: Request) -> Outcome:
        one = self.find(request.word)
        plan = self.plan(one, request.goal(one.declaration.workflow.goal))
        return Outcome("plan", (plan, one.declaration.workflow), plan.to_json())

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
            bill = past_bill(session, record)
            return Outcome("bill", (bill, record.name or record.run_id), bill.to_json())
        msg = f"There is no run {request.word!r}." if request.word else "Nothing has been run yet."
        raise JournalError(msg, hint="See the history of runs: murakkab history.")

    def _agents(self, request: Request) -> Outcome:
        library = self.session_of(request).library
        names = [*(c.name for c in library.capabilities()), *(a.name for a in library.agents())]
        if request.word is not None and request.word not in names:
            near = difflib.get_close_matches(request.word, names, n=1, cutoff=0.5)
            msg = f"There is no capability or agent {request.word[:60]!r}."
            raise UsageError(msg, hint=f"Did you mean {near[0]}?" if near else "See all: murakkab agents.")
        rows = [
            {
                "capability": agent.capability,
                "agent": agent.name,
                "version": agent.version,
                "summary": agent.summary,
                "options": {option.name: option.default for option in agent.options},
                "missing": list(library.availability(agent).missing),
                "package": library.package_of(agent.name),
            }
            for agent in library.agents()
            if request.word in (None, agent.name, agent.capability)
        ]
        return Outcome("agents", (library, request.word), rows)

    def _models(self, request: Request) -> Outcome:
        from murakkab_jupyter.agents import weights

        known = weights.catalogue() if request.word is None else (weights.weight(request.word),)
        rows = [(one, weights.state(one.name)) for one in known]
        return Outcome(
            "models",
            rows,
            [
                {
                    "name": one.name,
                    "summary": one.summary,
                    "licence": one.licence,
                    "upstream": one.upstream,
                    "origin": one.origin,
                    "source": one.source,
                    "size_bytes": one.size_bytes or None,
                    "here": state.here,
                    "where": state.where,
                }
                for one, state in rows
            ],
        )

    def _profile(self, request: Request) -> Outcome:
        session = self.session_of(request)
        agents = list(session.library.agents())
        if request.word is not None:
            agents = [session.library.agent(request.word)]
        rows = []
        for agent in agents:
            options = tuple(sorted(agent.settings({}).items()))
            call = session.profiles.call(agent.name, options, cores=1, items=1, work=1)
            load = session.profiles.load(agent.name, options)
            rows.append(
                {
                    "agent": agent.name,
                    "capability": agent.capability,
                    "unit": session.library.capability(agent.capability).unit,
                    "call_s": None if call is None else call.seconds,
                    "call_cpu_s": None if call is None else call.cpu_s,
                    "load_s": None if load is None else load.seconds,
                    "memory": session.profiles.memory(agent.name, options),
                    "quality": session.profiles.quality(agent.name, options),
                }
            )
        json = [{k: v.to_json() if hasattr(v, "to_json") else v for k, v in row.items()} for row in rows]
        return Outcome("profile", rows, json)

    def _export(self, request: Request) -> Outcome:
        if request.options.get("python"):
            one = self.find(request.word)
            return Outcome("code", python_code(one.declaration))
        files = [word for word in request.words if Path(word).suffix]
        ids = [word for word in request.words if not Path(word).suffix]
        if not files:
            msg = "export needs a file to write."
            raise UsageError(
                msg, hint="Name one: out.json, out.parquet, out.csv or out.srt; or say --python."
            )
        run = self.run_named(ids[0] if ids else None)
        if run is None:
            msg = (
                f"There is no run {ids[0]!r} in this session."
                if ids
                else "Nothing has been run in this session."
            )
            raise UsageError(
                msg, hint="Run a workflow first, or resume a run: its results are taken from the journal."
            )
        written = [str(write_run(run, Path(file))) for file in files]
        return Outcome("message", f"Wrote {', '.join(written)}.", written)


def write_run(run: Run, path: Path) -> Path:
    """Write a run to a file; its suffix says how."""
    import json

    from murakkab_jupyter.runtime import export

    match path.suffix:
        case ".json":
            path.write_text(json.dumps(run.report(), ensure_ascii=False, indent=1), encoding="utf-8")
        case ".parquet":
            export.to_parquet(run.workflow, run.store, path)
        case ".csv":
            run.to_pandas().to_csv(path, index=False)
        case ".srt":
            export.to_srt(run.workflow, run.store, path)
        case other:
            msg = f"Nothing is exported as {other}."
            raise UsageError(msg, hint="Name a file that ends in .json, .parquet, .csv or .srt.")
    return path


def past_bill(session: Session, record: Any) -> Bill:
    """The bill of a run of the journal, at the watts and prices of the cluster as it is now."""
    from murakkab_jupyter.planner.plan import Plan
    from murakkab_jupyter.runtime.bill import Bill

    return Bill.of(session.journal.events(record.run_id), Plan.from_json(record.plan), session.view)


def python_code(declaration: Declaration) -> str:
    """Python that declares and runs the same workflow."""
    names = list(declaration.values)
    given = ", ".join(f"{name!r}: {name}" for name in names)
    text = declaration.workflow.text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    first = f"# Needs these variables: {', '.join(names)}.\n" if names else ""
    return (
        f"from murakkab_jupyter import Session\n\n{first}session = Session()\n"
        f'declaration = session.declare("""\\\n{text}\n""", {{{given}}})\n'
        "run = session.run(declaration)\nrun.outputs\n"
    )


def record_json(record: Any) -> dict[str, Any]:
    return {
        "run": record.run_id,
        "workflow": record.name,
        "status": record.status,
        "started": record.started,
        "ended": record.ended,
        "message": record.message,
    }


def cluster_json(view: ClusterView) -> dict[str, Any]:
    return {
        "described": view.described,
        "workers": [
            {
                "name": worker.name,
                "host": worker.host,
                "cores": worker.cores,
                "memory_bytes": worker.memory_bytes,
                "gpus": [{"name": gpu.name, "memory_bytes": gpu.memory_bytes} for gpu in worker.gpus],
                "speed": worker.speed.to_json(),
            }
            for worker in view.workers
        ],
    }
