"""What `profile` does: show what is known of agents, measure them here, hand profiles on and take them in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from murakkab_jupyter.core.errors import UsageError
from murakkab_jupyter.verbs.outcome import Outcome
from murakkab_jupyter.verbs.table import Request

if TYPE_CHECKING:
    from murakkab_jupyter.cluster.measuring.agents import Measurement, Progress
    from murakkab_jupyter.session import Session

__all__ = ["profile"]

ACTIONS = ("measure", "export", "import")
MOST_IN_FLIGHT = 4096


def profile(session: Session, request: Request, progress: Callable[[Progress], None]) -> Outcome:
    """Do what the options ask for; without any, show what is known.

    Raises
    ------
    UsageError
        Two things are asked for at once, or an agent is unknown or cannot be measured here.
    ProfileError
        A file cannot be read, written or understood.
    """
    if request.word == "engine":
        return engine(session, request, progress)
    if request.options.get("in-flight"):
        msg = "--in-flight goes with an engine."
        raise UsageError(msg, hint="murakkab profile engine URL|NAME --in-flight N")
    asked = [one for one in ACTIONS if request.options.get(one)]
    if len(asked) > 1:
        msg = f"--{asked[0]} and --{asked[1]} are two things."
        raise UsageError(msg, hint="Say one after the other.")
    if not asked:
        for option in ("again", "input"):
            if request.options.get(option):
                msg = f"--{option} goes with --measure."
                raise UsageError(msg, hint="murakkab profile --measure [AGENT…]")
        return known(session, request.words)
    if asked != ["measure"] and request.words:
        msg = f"--{asked[0]} is for all profiles, not for {request.words[0][:60]}."
        raise UsageError(msg, hint=f"murakkab profile --{asked[0]} FILE")
    match asked[0]:
        case "export":
            file = request.options["export"]
            count = session.profiles.export(file)
            return Outcome(
                "message", f"Wrote {plural(count, 'observation')} to {file}.", {"observations": count}
            )
        case "import":
            return imported(session, request.options["import"])
        case _:
            return measured(session, request, progress)


def engine(session: Session, request: Request, progress: Callable[[Progress], None]) -> Outcome:
    """Measure a model server at 1, 2, 4, ... requests in flight, and keep its curve."""
    if len(request.words) != 2 or any(request.options.get(one) for one in (*ACTIONS, "input")):
        msg = "profile engine takes one server, by its URL or its name."
        raise UsageError(msg, hint="murakkab profile engine http://localhost:8000/v1")
    most = request.options.get("in-flight")
    if most is not None and (not str(most).isdigit() or not 0 < int(most) <= MOST_IN_FLIGHT):
        msg = f"--in-flight cannot be {str(most)[:40]!r}."
        raise UsageError(msg, hint=f"Give a whole number from 1 to {MOST_IN_FLIGHT}.")
    try:
        curve = session.measure_engine(
            request.words[1], most=None if most is None else int(most), progress=progress
        )
    except KeyboardInterrupt:
        return Outcome(
            "message", "Stopped; nothing was kept of this server.", {"status": "stopped"}, exit_code=130
        )
    held = [{"in_flight": one.in_flight, "error": one.error} for one in curve.held_out()]
    return Outcome("curve", curve, {**curve.to_json(), "held_out": held})


def imported(session: Session, what: str) -> Outcome:
    """Take in a file of another host."""
    found = session.profiles.take_in(what)
    new = [
        plural(count, name)
        for count, name in ((found.observations, "observation"), (found.served, "published profile"))
        if count
    ]
    hosts = [host for host in found.hosts if host != session.profiles.host]
    text = f"Took in {' and '.join(new)}." if new else "Nothing new: all of it is here already."
    if hosts:
        text += f" Priors here, being of {', '.join(hosts)}."
    return Outcome(
        "message",
        text,
        {"observations": found.observations, "served": found.served, "hosts": list(found.hosts)},
    )


def measured(session: Session, request: Request, progress: Callable[[Progress], None]) -> Outcome:
    """Measure agents; an interrupt keeps the cases that are done."""
    try:
        found = session.measure(
            request.words,
            videos=videos_in(request.options.get("input", ())),
            again=bool(request.options.get("again")),
            progress=progress,
        )
    except KeyboardInterrupt:
        text = "Stopped; what was measured is kept. The same command goes on from here."
        return Outcome("message", text, {"status": "stopped"}, exit_code=130)
    shown = known(session, found.agents)
    return Outcome("measured", (told(found), shown.data), {**as_json(found), "profiles": shown.json})


def told(found: Measurement) -> str:
    """What was measured, in words."""
    words = [
        f"Measured {plural(found.cases, 'case')} ({plural(found.calls, 'call')}) in {found.seconds:.0f} s."
    ]
    if found.kept:
        words.append(f"{plural(found.kept, 'case')} measured earlier today: kept (--again measures anew).")
    words += [f"{case} could not be measured: {why}" for case, why in found.failed.items()]
    if found.busy is not None:
        words.append(
            f"The machine was busy with other things (load {found.busy:.1f}): times are longer than on an idle one."
        )
    return " ".join(words)


def as_json(found: Measurement) -> dict[str, Any]:
    return {
        "cases": found.cases,
        "calls": found.calls,
        "kept": found.kept,
        "seconds": found.seconds,
        "load": found.busy,
        "failed": dict(found.failed),
    }


def videos_in(given: Sequence[str]) -> list[str]:
    """The files of `--input videos=FILE`."""
    files: list[str] = []
    for one in given:
        name, equals, value = one.partition("=")
        if name not in ("video", "videos") or not equals or not value:
            msg = f"--input cannot be {one[:60]!r} here."
            raise UsageError(msg, hint="Inputs are made of videos: --input videos=clip.mp4, again for more.")
        files.append(value)
    return files


def known(session: Session, names: Sequence[str]) -> Outcome:
    """What is known of agents: one call of one item of ordinary size, on one core."""
    session.engines.recall()
    agents = [session.library.agent(name) for name in names] or list(session.library.agents())
    speed = session.profiles.host_speed
    rows = []
    for agent in agents:
        options = tuple(sorted(agent.settings({}).items()))
        work = session.profiles.typical_work(agent.name, options) or 1.0
        call = session.profiles.call(agent.name, options, cores=1, items=1, work=work, speed=speed)
        load = session.profiles.load(agent.name, options, speed=speed)
        rows.append(
            {
                "agent": agent.name,
                "capability": agent.capability,
                "work": work,
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


def plural(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"
