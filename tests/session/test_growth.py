"""Many rows through a short function that nobody has measured: the run itself makes its calls larger."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from murakkab_jupyter.core.events import BatchEnded, BatchStarted, Event, ItemsRestored, Reconfigured
from murakkab_jupyter.planner.plan import Plan
from murakkab_jupyter.runtime import growth
from murakkab_jupyter.session import Session
from murakkab_jupyter.workflow.declaration import Declaration
from tests.cluster.parts import wait_for

CELL = "%%murakkab many\ntwice <- double {rows} @python:double\n"
ROWS = 150


@pytest.fixture(autouse=True)
def _any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the host, and however little 150 rows save."""
    monkeypatch.setattr(growth, "CALL_S", 600.0)
    monkeypatch.setattr(growth, "WORTH_S", 0.0)


def alone(session: Session, declaration: Declaration) -> Plan:
    """The plan with one instance, also on a host with many cores, that makes a call for each row."""
    plan = session.plan(declaration)
    step = plan.steps["twice"]
    configuration = replace(step.configuration, instances=1, batch=1)
    return replace(plan, steps={"twice": replace(step, configuration=configuration)})


def sizes(events: list[Event]) -> list[int]:
    return [event.items for event in events if isinstance(event, BatchStarted)]


def test_calls_grow_rows_that_fail_do_so_alone_and_the_next_plan_begins_with_large_ones(
    session: Session,
) -> None:
    def double(text: str) -> int:
        row = int(text)
        if row % 50 == 7:
            msg = f"no {row}"
            raise ValueError(msg)
        return 2 * row

    declaration = session.declare(CELL, {"rows": [str(row) for row in range(ROWS)], "double": double})
    run = session.run(declaration, alone(session, declaration), reuse=False)

    assert run.status == "partial"
    bad = {7, 57, 107}
    assert {ancestry[0][1] for _, ancestry, _ in run.errors} == bad
    assert all("no " in message for _, _, message in run.errors)
    assert {key[0][1]: value for key, value in run.outputs["twice"].items()} == {
        row: 2 * row for row in range(ROWS) if row not in bad
    }
    events = list(run.events)
    [told] = [event for event in events if isinstance(event, Reconfigured)]
    assert "(measured)" in told.cause
    assert told.before == "1 item in a call"
    assert told.after.startswith("up to 16 items in a call")
    taken = sizes(events)
    assert taken[: growth.CALLS] == [1] * growth.CALLS
    assert max(taken) == 16
    assert sum(taken) == ROWS
    ended = [event for event in events if isinstance(event, BatchEnded)]
    assert sum(event.done for event in ended) == ROWS - len(bad)
    assert sum(event.failed for event in ended) == len(bad)

    assert session.plan(declaration).steps["twice"].configuration.batch > 1


def test_a_run_that_is_stopped_among_large_calls_goes_on_with_what_it_had(
    session: Session, tmp_path: Path
) -> None:
    made, stay = tmp_path / "made", tmp_path / "stay"
    stay.touch()
    grown = threading.Event()

    def double(text: str) -> int:
        import time

        row = int(text)
        if row >= 100:  # not before: calls grow where a row takes no time, and a disk may be slow
            with made.open("a") as file:
                file.write(f"{row}\n")
        while row >= 120 and stay.exists():  # the run is held until it has been stopped
            time.sleep(0.01)
        return 2 * row

    def watch(event: Event) -> None:
        if isinstance(event, BatchStarted) and event.items == 16:
            grown.set()

    given = {"rows": [str(row) for row in range(ROWS)], "double": double}
    declaration = session.declare(CELL, given)
    plan = alone(session, declaration)
    run = session.run(declaration, plan, reuse=False, background=True, on_event=watch)
    assert grown.wait(120)
    wait_for(made.exists, 120)
    run.stop()
    run.wait(60)
    assert run.status == "stopped"

    stay.unlink()
    again = session.resume(run.id, values={"double": double})
    assert again.status == "done", again.errors[:3]
    assert list(again.outputs["twice"].values()) == [2 * row for row in range(ROWS)]
    calls = Counter(int(line) for line in made.read_text().split())
    assert set(calls) == set(range(100, ROWS))
    assert (
        sum(calls.values()) <= ROWS - 100 + 2 * 16
    )  # one call under way, and one that was being written down
    assert sum(event.done for event in again.events if isinstance(event, ItemsRestored)) > 0
