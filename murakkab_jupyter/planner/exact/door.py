"""Problems and solutions as JSON: what `python -m murakkab_jupyter.planner FILE.json` reads and prints."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from murakkab_jupyter.core.errors import InputError, MurakkabError
from murakkab_jupyter.core.pairs import Twice, once_each
from murakkab_jupyter.planner.exact.problem import (
    LATENCY,
    Activity,
    BadProblem,
    Infeasible,
    Mode,
    Problem,
    Solution,
    Undecided,
)
from murakkab_jupyter.planner.exact.solve import solve

__all__ = ["Question", "main", "read_question", "solution_record"]

ASKED = ("objectives", "time_limit_s")
PROBLEM = ("activities", "capacity", "budgets", "deadline_s", "min_quality")
ACTIVITY = ("name", "modes", "predecessors")
MODE = ("duration_s", "demand", "consumes", "quality")

INTERRUPTED = 130
"""The exit code that shells know for an interrupt."""

Question = tuple[Problem, tuple[str, ...], float]
"""A problem, its objectives, and the time limit in seconds."""


def read_question(text: str) -> Question:
    """A problem written as JSON; raises `BadProblem` that says where it is wrong."""
    try:
        data = json.loads(text, parse_constant=refuse_constant, object_pairs_hook=once_each)
    except json.JSONDecodeError as error:
        msg = f"line {error.lineno}, column {error.colno}: this is not JSON: {error.msg}."
        raise BadProblem(msg) from None
    except RecursionError:
        msg = "This JSON is nested too deeply."
        raise BadProblem(msg) from None
    except BadProblem:
        raise
    except Twice as error:
        msg = f"{error.key!r} is written twice in one object."
        raise BadProblem(msg) from None
    except ValueError:  # what Python says of an integer that it does not convert
        msg = "This JSON has a whole number of thousands of digits: too large to be meant."
        raise BadProblem(msg) from None
    known(data, (*PROBLEM, *ASKED), "The problem", needed=("activities",))
    activities = data["activities"]
    if not isinstance(activities, list):
        msg = "The activities must be a list."
        raise BadProblem(msg)
    problem = Problem(
        [read_activity(one, at) for at, one in enumerate(activities)],
        given(data, "capacity", {}),
        given(data, "budgets", {}),
        data.get("deadline_s"),
        data.get("min_quality"),
    )
    objectives = given(data, "objectives", [LATENCY])
    if isinstance(objectives, str):
        objectives = [objectives]
    if not isinstance(objectives, list) or not all(isinstance(one, str) for one in objectives):
        msg = "The objectives must be a list of names."
        raise BadProblem(msg)
    return problem, tuple(objectives), given(data, "time_limit_s", 5.0)


def read_activity(data: Any, at: int) -> Activity:
    where = f"Activity {at}"
    known(data, ACTIVITY, where, needed=("name", "modes"))
    where = f"Activity {data['name']!r:.60}"
    if not isinstance(data["modes"], list):
        msg = f"{where}: the modes must be a list."
        raise BadProblem(msg)
    modes = []
    for k, one in enumerate(data["modes"]):
        known(one, MODE, f"{where}, mode {k}", needed=("duration_s",))
        try:
            modes.append(
                Mode(**{key: one[key] for key in one if one[key] is not None or key == "duration_s"})
            )
        except BadProblem as error:
            msg = f"{where}, mode {k}: {error.message}"
            raise BadProblem(msg, hint=error.hint) from None
    return Activity(data["name"], modes, given(data, "predecessors", ()))


def given(data: Mapping[str, Any], name: str, default: Any) -> Any:
    """What stands under a name; null says as little as leaving it out."""
    value = data.get(name)
    return default if value is None else value


def known(data: Any, names: Sequence[str], where: str, *, needed: Sequence[str] = ()) -> None:
    """Only names that mean something, and all that are needed."""
    if not isinstance(data, Mapping):
        msg = f"{where} must be an object with {', '.join(names)}."
        raise BadProblem(msg)
    for name in data:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            msg = f"{where} has {name!r}, which means nothing here."
            raise BadProblem(msg, hint=f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}")
    for name in needed:
        if name not in data:
            msg = f"{where} has no {name!r}."
            raise BadProblem(msg)


def refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not a figure; leave a limit out if there is none."
    raise BadProblem(msg)


def solution_record(solution: Solution) -> dict[str, Any]:
    """A solution as plain data."""
    return {"feasible": True, **asdict(solution), "gap": solution.gap}


def infeasible_record(error: Infeasible) -> dict[str, Any]:
    return {
        "feasible": False,
        "constraint": error.constraint,
        "limit": error.limit,
        "nearest": error.nearest,
        "choices": error.choices,
        "others": list(error.others),
        "together": error.together,
        "proven": error.proven,
        "proof": error.proof,
        "message": error.message,
        "hint": error.hint,
    }


def undecided_record(error: Undecided) -> dict[str, Any]:
    """What is known where neither a schedule nor a proof was found: `feasible` is null."""
    return {
        "feasible": None,
        "breaks": {name: {"limit": most, "value": value} for name, (most, value) in error.breaks.items()},
        "bounds": error.bounds,
        "earliest_s": error.earliest_s,
        "nearest": None if error.nearest is None else asdict(error.nearest),
        "message": error.message,
        "hint": error.hint,
    }


def main(words: Sequence[str] | None = None) -> int:
    """Solve the problem in a file and print the answer as JSON; returns the exit code.

    0 a schedule, 4 infeasible, 3 undecided in time (both said as JSON too), 2 a mistake in the file, 130 interrupted before any
    schedule was found (later an interrupt brings the best so far, with its gap).
    """
    parser = argparse.ArgumentParser(
        prog="python -m murakkab_jupyter.planner",
        description="Solve a scheduling problem with modes, capacity and limits (docs/planning.md, 'The exact problem').",
    )
    parser.add_argument("file", help="a problem as JSON; - reads standard input")
    parser.add_argument("--objectives", help="names in order of priority, for example energy,latency")
    parser.add_argument("--time-limit", type=float, metavar="SECONDS", help="for everything (default 5)")
    asked = parser.parse_args(words)
    try:
        problem, objectives, limit_s = read_question(read_text(asked.file))
        if asked.objectives is not None:
            objectives = tuple(name.strip() for name in asked.objectives.split(",") if name.strip())
        for said in idle_budgets(problem):
            sys.stderr.write(f"{said}\n")
        solution = solve(problem, objectives, limit_s if asked.time_limit is None else asked.time_limit)
    except Infeasible as error:
        show(infeasible_record(error))
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except Undecided as error:
        show(undecided_record(error))
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except MurakkabError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted before any schedule was found.\n")
        return INTERRUPTED
    show(solution_record(solution))
    return 0


def idle_budgets(problem: Problem) -> list[str]:
    """What to say of budgets that limit nothing, since no mode consumes what they are of: a slip of the pen, more often than not."""
    found = []
    for name in sorted(set(problem.budgets) - set(problem.consumed)):
        near = difflib.get_close_matches(name, problem.consumed, n=1)
        did = f" Did you mean {near[0]!r}?" if near else ""
        found.append(f"Nothing consumes {name!r:.60}, so its budget limits nothing.{did}")
    return found


def read_text(name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).expanduser().read_bytes()
    except OSError as error:
        msg = f"{name} cannot be read: {error.strerror or error}."
        raise InputError(msg) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        msg = f"{name} is not text in UTF-8."
        raise InputError(msg) from None


def show(record: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(record, indent=2, allow_nan=False) + "\n")
