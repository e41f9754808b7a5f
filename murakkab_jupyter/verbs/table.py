"""The table of verbs and options, its parser and its help."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.workflow.goal import Goal

__all__ = [
    "OPTIONS",
    "VERBS",
    "Face",
    "Option",
    "Request",
    "Verb",
    "help_text",
    "parse_request",
    "usage",
    "verb_named",
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
    only: str = ""
    """The one verb whose help lists it, where the table of all would be too long with it."""


def of_engine(form: Form, takes: str, text: str, faces: tuple[Face, ...] = ("magic", "cli")) -> Option:
    return Option(form, takes, text, faces, only="engine")


OPTIONS: Mapping[str, Option] = {
    "cluster": Option(
        "value",
        "ADDRESS|FILE|NAME",
        "a Dask scheduler; or a file, or the name of a shipped one, that describes hardware (to plan only)",
    ),
    "cores": Option("value", "N", "CPU cores of this machine to use; all by default"),
    "run": Option("flag", "", "run the cell, not only plan it", ("magic",)),
    "background": Option("flag", "", "do not wait: the run goes on while you work", ("magic",)),
    "fresh": Option("flag", "", "make everything anew: nothing is taken from earlier runs", ("magic",)),
    "reuse": Option(
        "flag", "", "take from earlier runs what the same agents made of the same inputs", ("cli",)
    ),
    "fetch": Option("flag", "", "fetch what is not here from the package index, licences shown"),
    "input": Option(
        "many", "NAME=VALUE", "a variable's value: a text, file, folder or glob; again for more", ("cli",)
    ),
    "take": Option("value", "N", "take plan N of the frontier for the next run", ("magic",)),
    "writer": Option(
        "value",
        "AGENT",
        "the language model that makes steps of a description; without one, words and kinds do",
    ),
    "json": Option("value", "FILE", "write everything as JSON to FILE (- for standard output)"),
    "python": Option("flag", "", "as Python code"),
    "measure": Option(
        "flag", "", "measure agents on this host (all without a name); goes on where it was stopped"
    ),
    "in-flight": Option("value", "N", "profile engine: measure up to so many requests in flight"),
    "again": Option("flag", "", "measure also what was measured today"),
    "export": Option("value", "FILE", "write all that was observed here, for another host"),
    "import": Option(
        "value", "FILE", "take in what another host exported (priors here), or mlenergy: published models"
    ),
    "help": Option("flag", "", "show this help"),
    # engine attach, start
    "rated": of_engine(
        "value", "0..1", "how well its model does its steps, as you state it; a floor needs it"
    ),
    # engine attach
    "name": of_engine("value", "NAME", "what to call the engine: @NAME pins its agent"),
    "model": of_engine("value", "NAME", "attach: which of the server's models"),
    "key-env": of_engine(
        "value", "VAR", "attach: environment variable that holds the key; it is never stored"
    ),
    "key-over-http": of_engine("flag", "", "attach: send its key also without encryption"),
    "keep": of_engine("flag", "", "attach: later sessions know it too", ("magic",)),
    # engine start
    "vllm-python": of_engine(
        "value", "PATH", "start: interpreter with vLLM on the worker, else MURAKKAB_VLLM_PYTHON, else its own"
    ),
    "command": of_engine(
        "value", "WORDS", "start: another server, with {host} {port} {model} {name} filled in"
    ),
    "worker": of_engine("value", "NAME", "start: on this worker"),
    "gpus": of_engine("value", "N", "start: GPUs to hold; by default as its parts need, 0 without any"),
    "tensor-parallel": of_engine("value", "N", "start: GPUs that share one copy of the model"),
    "replicas": of_engine("value", "N", "start: copies of the model behind the one address"),
    "max-num-seqs": of_engine("value", "N", "start: requests it works on at once"),
    "max-model-len": of_engine("value", "N", "start: tokens of prompt and answer together"),
    "dtype": of_engine("value", "NAME", "start: precision, e.g. bfloat16"),
    "quantization": of_engine("value", "NAME", "start: e.g. awq, fp8"),
    "lora": of_engine("many", "NAME=PATH", "start: an adapter, again for more"),
    "eager": of_engine("flag", "", "start: do not compile: starts sooner, answers more slowly"),
    "gpu-memory": of_engine("value", "SHARE", "start: share of each GPU's memory to take, 0.9 by default"),
    "memory-gb": of_engine("value", "N", "start: memory of the host it needs, where the estimate is wrong"),
    "host": of_engine("value", "ADDRESS", "start: address to listen on; 127.0.0.1 by default"),
    "port": of_engine("value", "N", "start: a free one by default"),
    "keep-alive": of_engine(
        "value", "DURATION", "start: how long it stays idle; by what a start costs by default"
    ),
    "when-needed": of_engine("flag", "", "start: not now, but when a run needs it"),
    "arg": of_engine("many", "WORD", "start: a word more for the server: --arg=--enable-prefix-caching"),
    # engine logs
    "lines": of_engine("value", "N", "logs: how many of the last lines"),
}


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing a user can ask for; `words` are those of a notebook, `cli_words` where a terminal wants others."""

    name: str
    summary: str
    words: str = ""
    options: tuple[str, ...] = ()
    goal: bool = False
    faces: tuple[Face, ...] = ("magic", "cli")
    most_words: int = 1
    cli_words: str | None = None

    def words_for(self, face: Face) -> str:
        """What stands after the verb: in a notebook the latest workflow needs no name, in a terminal it is a file."""
        return self.words if face == "magic" or self.cli_words is None else self.cli_words


VERBS: tuple[Verb, ...] = (
    Verb(
        "plan",
        "choose how each step is done, and show it; of a description alone, its steps to edit",
        "[WORKFLOW]",
        ("cluster", "cores", "input", "json", "writer"),
        goal=True,
        cli_words="FILE",
    ),
    Verb(
        "run",
        "do it, and show answers and bill",
        "[WORKFLOW]",
        ("background", "cluster", "cores", "fresh", "input", "json", "reuse"),
        goal=True,
        cli_words="FILE",
    ),
    Verb("stop", "stop a run; what is finished is kept", "[RUN]", faces=("magic",)),
    Verb(
        "resume",
        "go on with a run that was stopped or killed",
        "[RUN]",
        ("background", "cluster", "cores", "input", "json"),
    ),
    Verb("status", "runs of this session", faces=("magic",), most_words=0),
    Verb(
        "explain",
        "why the plan is as it is",
        "[WORKFLOW]",
        ("cluster", "cores", "input"),
        goal=True,
        cli_words="FILE",
    ),
    Verb(
        "frontier",
        "plans of which none is better in every respect",
        "[WORKFLOW]",
        ("cluster", "cores", "input", "json", "take"),
        goal=True,
        cli_words="FILE",
    ),
    Verb("history", "earlier runs", options=("json",), most_words=0),
    Verb("bill", "what a run used, predicted beside actual", "[RUN]", ("json",)),
    Verb("agents", "capabilities, and the agents that offer them here", "[NAME]", ("cluster", "json")),
    Verb("models", "weights: origin, licence, size, and whether they are here", "[NAME]", ("fetch", "json")),
    Verb(
        "profile",
        "what is known of agents' speed, memory and quality; measure them here; hand it on",
        "[AGENT… | engine URL|NAME]",
        ("again", "cores", "export", "import", "in-flight", "input", "json", "measure"),
        most_words=100,
    ),
    Verb(
        "engine",
        "model servers: attach URL, start MODEL, list, status, stop NAME, logs NAME, detach NAME",
        "[ACTION] [URL|MODEL|NAME]",
        ("cluster", "cores", "json", *(name for name, one in OPTIONS.items() if one.only == "engine")),
        most_words=2,
    ),
    Verb("cluster", "the workers a plan may use", "", ("cluster", "cores", "json"), most_words=0),
    Verb(
        "export",
        "write a run to .json .parquet .csv .srt files, or a workflow as Python (.py)",
        "[RUN] FILE…",
        ("python", "input"),
        most_words=20,
    ),
    Verb(
        "demo",
        "the whole job on two short clips, fetched once",
        "",
        ("cluster", "cores", "json", "reuse"),
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
        refuse_goal(verb, given, face)
    allowed = {name: form for name, form in forms(verb).items() if face in OPTIONS[name].faces}
    _, found = parse_goal_options(given, Goal(), others=allowed, hinted=verb.goal)
    loose = tuple(found.pop("words", ()))
    if len(loose) > verb.most_words:
        most = {0: "no words", 1: "one word"}.get(verb.most_words, f"at most {verb.most_words} words")
        msg = f"{verb.name} takes {most}, not {len(loose)}."
        raise UsageError(msg, hint=usage(verb, face))
    return Request(verb, loose, {key.replace("_", "-"): value for key, value in found.items()}, tuple(given))


def refuse_goal(verb: Verb, words: Sequence[str], face: Face) -> None:
    from murakkab_jupyter.workflow.language.options import GOAL_OPTIONS

    for word in words:
        name = word[2:].partition("=")[0] if word.startswith("--") else ""
        if name in GOAL_OPTIONS:
            msg = f"{verb.name} takes no goal, so --{name} means nothing to it."
            raise UsageError(msg, hint=usage(verb, face))


# --- help -----------------------------------------------------------------------------------------------------


def usage(verb: Verb, face: Face) -> str:
    """`Usage: plan [WORKFLOW] [options]`."""
    words = verb.words_for(face)
    return (
        f"Usage: {verb.name}{f' {words}' if words else ''}{' [options]' if verb.options or verb.goal else ''}"
    )


def help_text(face: Face, name: str | None = None) -> str:
    """The table of verbs and options, or one verb's."""
    from murakkab_jupyter.workflow.language.options import GOAL_OPTIONS

    def lines_of(pairs: Sequence[tuple[str, str]]) -> list[str]:
        width = min(37, max(len(left) for left, _ in pairs))
        return [f"  {left:<{width}}  {right}" for left, right in pairs]

    goal = [(f"--{key} {takes}", what) for key, (takes, what) in GOAL_OPTIONS.items()]
    own = [
        (f"--{key} {option.takes}".rstrip(), option.help)
        for key, option in OPTIONS.items()
        if face in option.faces and key != "help" and option.only in ("", name)
    ]
    prefix = "murakkab" if face == "cli" else "%murakkab"
    if name is not None:
        verb = verb_named(name, face)
        pairs = [pair for pair in own if pair[0].split()[0][2:] in verb.options]
        pairs += goal if verb.goal else []
        head = [f"{prefix} {usage(verb, face).removeprefix('Usage: ')}", f"  {verb.summary}"]
        return "\n".join([*head, *(["", *lines_of(pairs)] if pairs else [])])
    verbs = [
        (f"{verb.name} {verb.words_for(face)}".strip(), verb.summary) for verb in VERBS if face in verb.faces
    ]
    return "\n".join(
        [f"{prefix} VERB [words] [options]", "", *lines_of(verbs), "", "Options", *lines_of([*goal, *own])]
    )
