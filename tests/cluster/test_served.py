"""Runs whose steps ask a model server: a fake that keeps to the protocol, over real HTTP, from real instances on Dask."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.served.serving import register_openai
from murakkab_jupyter.core.events import event_to_json
from murakkab_jupyter.session import Session
from tests.agents.served.fake_openai import FakeServer, breaks_off, endless, error, fake_server, wait_until

SECRET = "sk-very-secret-0123456789"
CELL = """%%murakkab notes --minimize latency
said <- write a note about {{words}} @openai url="{url}" model=fake-model key_env=THEIR_KEY in_flight=3
"""


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server() as fake:
        yield fake


@pytest.fixture
def session(tmp_path: Path, monkeypatch) -> Iterator[Session]:
    monkeypatch.setenv("MURAKKAB_ENGINES", str(tmp_path / "engines.json"))
    monkeypatch.setenv("THEIR_KEY", SECRET)
    library = Library()
    library.load_entry_points()
    with Session(
        library=library, journal=tmp_path / "journal.sqlite", profiles=tmp_path / "profiles.sqlite", cores=2
    ) as made:
        yield made


def declared(session: Session, server: FakeServer, words: list[str]):
    return session.declare(CELL.format(url=server.url), {"words": words})


def test_nothing_is_lost_or_doubled_every_token_is_billed_and_no_key_is_kept(server, session, tmp_path):
    server.most_characters = 1600
    server.hold_s = 0.2  # the three meet, however busy the machine is
    server.script = [error(429, f"slow down, {SECRET}", Retry_After="0"), breaks_off("heard", " half")]
    words = [f"word number {n}" for n in range(8)] + ["long " * 400]
    run = session.run(declared(session, server, words), reuse=False)
    assert run.status == "done", run.errors
    texts = list(run.outputs["said"].values())
    assert len(texts) == len(words)
    assert all(text.startswith("heard:") for text in texts)
    assert 1 < server.most_in_flight <= 3  # how soon the three meet is up to the machine
    total = run.bill.total
    # Each answer counts 5 tokens; two pieces came of the one that broke off.
    assert total.tokens_out == 5 * len(words) + 2
    assert total.tokens_wasted == 2
    assert total.tokens_in > 0
    assert any("shortened in their middle" in notice for notice in run.notices)
    assert set(server.keys) == {f"Bearer {SECRET}"}
    seen = json.dumps([event_to_json(one) for one in run.events]) + str(run.errors)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert SECRET not in seen
    assert SECRET.encode() not in kept


def test_stopping_a_run_closes_its_connections(server, session):
    server.script = [endless] * 3
    run = session.run(declared(session, server, ["a", "b", "c"]), background=True, reuse=False)
    assert wait_until(lambda: server.in_flight == 3, 60)
    run.stop()
    run.wait(60)
    assert run.status == "stopped"
    assert server.over.wait(60)
    assert wait_until(lambda: server.in_flight == 0)


def test_a_server_that_is_gone_fails_items_that_a_resumed_run_does(server, session):
    server.script = [error(400, "no such luck")]
    declaration = declared(session, server, ["a", "b"])
    run = session.run(declaration, reuse=False)
    assert run.status == "partial"
    again = session.resume(run.id)
    assert again.status == "done", again.errors
    assert len(again.outputs["said"]) == 2
    assert len(server.asked) == 3


VIDEO = """%%murakkab watched --minimize latency
scenes <- split {videos} into scenes
frames <- take 2 frames from {scenes}
shown  <- describe {frames}, per scene
answer <- answer {question} from {frames}, per video
"""


@pytest.mark.media
def test_a_video_is_watched_by_a_model_that_sees(server, session, three_scenes):
    """What it says is the fake's; that pictures go out and evidence comes back is not."""
    register_openai(server.url, "fake-model", "vlm", abilities=("chat", "images"), library=session.library)
    values = {"videos": str(three_scenes), "question": "Which colours are there?"}
    run = session.run(session.declare(VIDEO, values), reuse=False)
    assert run.status == "done", run.errors
    chosen = {name: step.configuration.agent for name, step in run.plan.steps.items()}
    assert (chosen["shown"], chosen["answer"]) == ("vlm-eyes", "vlm-eyes-qa")
    assert len(run.outputs["shown"]) == 3
    (answer,) = run.outputs["answer"].values()
    assert [one.source for one in answer.evidence] == [str(three_scenes)] * 6
    pictures = [
        sum(part["type"] == "image_url" for part in body["messages"][-1]["content"]) for body in server.asked
    ]
    assert sorted(pictures) == [2, 2, 2, 6]
    assert run.bill.total.tokens_out == 5 * 4
