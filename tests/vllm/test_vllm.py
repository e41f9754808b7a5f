"""A real vLLM: found out, streamed, held to a schema, given up, billed, killed, started again, and never left behind.

What it says is not judged: the model is tiny. Nothing here is timed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from murakkab_jupyter.agents.language.chat import Reply, Request
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.agents.served.openai import OpenAIChat
from murakkab_jupyter.cluster.engines.ask import Server, probe_server
from murakkab_jupyter.cluster.engines.config import PYTHON
from murakkab_jupyter.cluster.measuring.engines import Workload, measure_engine
from murakkab_jupyter.core.errors import ClusterError, MurakkabError
from murakkab_jupyter.core.events import ItemFailed, Reconfigured
from murakkab_jupyter.energy.server import listeners
from murakkab_jupyter.run import Run
from murakkab_jupyter.session import Session
from tests.cluster.engines.parts import family, gone, serving
from tests.cluster.hosts import Place
from tests.cluster.parts import wait_for, wait_for_workers
from tests.vllm.conftest import NAME, Kernel, vllm_config


@pytest.fixture
def session(tmp_path: Path, monkeypatch) -> Iterator[Session]:
    monkeypatch.setenv("MURAKKAB_ENGINES", str(tmp_path / "engines.json"))
    library = Library()
    library.load_entry_points()
    with Session(
        library=library, journal=tmp_path / "journal.sqlite", profiles=tmp_path / "profiles.sqlite"
    ) as made:
        yield made


def request(text: str, most: int = 8, **more: object) -> Request:
    return Request((), ("", ""), (text,), max_tokens=most, **more)


def test_it_is_found_out_to_be_vllm_with_its_limits(kernel: Kernel) -> None:
    found = probe_server(kernel.url)
    assert found.models == (NAME,)
    assert (found.endpoint.kind, found.endpoint.context_tokens) == ("vllm", 2048)
    assert found.version.startswith("0.")
    assert found.metrics


def test_every_process_of_it_is_in_one_group(kernel: Kernel) -> None:
    assert len(kernel.family) >= 3
    assert {os.getpgid(one.pid) for one in kernel.family} == {kernel.pid}


def test_an_answer_comes_in_pieces(kernel: Kernel) -> None:
    chat = OpenAIChat(probe_server(kernel.url).endpoint)
    pieces: list[str] = []
    from murakkab_jupyter.agents.served.loops import background

    asked = request("Count from one to ten.", 24)
    reply = background().run(chat.converse(asked.messages(None), asked, pieces.append))
    assert isinstance(reply, Reply)
    assert len(pieces) > 3
    assert "".join(pieces).strip() == reply.text
    assert reply.written == 24


def test_an_answer_keeps_to_a_schema(kernel: Kernel) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}, "mood": {"enum": ["good", "bad"]}},
        "required": ["city", "mood"],
        "additionalProperties": False,
    }
    chat = OpenAIChat(probe_server(kernel.url).endpoint)
    (reply,) = chat.complete([request("Ghent is lovely today. Answer as JSON.", 64, schema=schema)])
    assert isinstance(reply, Reply)
    made = json.loads(reply.text)
    assert set(made) == {"city", "mood"}
    assert made["mood"] in ("good", "bad")


def test_eight_are_answered_at_once_and_its_counters_move(kernel: Kernel) -> None:
    before = kernel.counted("generation_tokens_total")
    most = 0.0
    with ThreadPoolExecutor(1) as pool:
        chat = OpenAIChat(probe_server(kernel.url).endpoint, in_flight=8)
        asked = pool.submit(
            chat.complete, [request(f"Tell a story about the number {n}.", 64) for n in range(8)]
        )
        while not asked.done():
            most = max(most, kernel.counted("num_requests_running"))
        replies = asked.result()
    assert all(isinstance(one, Reply) for one in replies)
    assert most == 8
    # The probe made it write one token.
    assert kernel.counted("generation_tokens_total") - before == sum(one.written for one in replies) + 1


CELL = """%%murakkab notes --minimize latency
said <- write a note about {{words}} @{agent} max_tokens={most} in_flight={flight}
"""


def declared(session: Session, agent: str, count: int, *, most: int = 8, flight: int = 8):
    words = [f"word number {n}" for n in range(count)]
    return session.declare(CELL.format(agent=agent, most=most, flight=flight), {"words": words})


def test_a_stopped_run_is_given_up_by_the_server_too(kernel: Kernel, session: Session) -> None:
    session.engines.attach(kernel.url, name="served")
    started = session.run(declared(session, "served", 8, most=1500), background=True, reuse=False)
    wait_for(lambda: kernel.counted("num_requests_running") > 0, 60)
    started.stop()
    started.wait(60)
    wait_for(lambda: kernel.counted("num_requests_running") == 0, 30)  # the answers would take minutes
    assert kernel.counted("num_requests_waiting") == 0


def test_the_bill_counts_the_tokens_that_the_server_counts(kernel: Kernel, session: Session) -> None:
    session.engines.attach(kernel.url, name="served")
    declaration = declared(session, "served", 24)
    before = [kernel.counted(name) for name in ("prompt_tokens_total", "generation_tokens_total")]
    run = session.run(declaration, reuse=False)
    after = [kernel.counted(name) for name in ("prompt_tokens_total", "generation_tokens_total")]
    assert run.status == "done", run.errors
    assert run.bill is not None
    read, wrote = (late - early for early, late in zip(before, after, strict=True))
    assert (run.bill.total.tokens_in, run.bill.total.tokens_out) == (read, wrote)
    assert not run.bill.total.tokens_wasted


def test_its_joules_a_token_are_those_of_its_processes_and_say_how_they_were_got(
    kernel: Kernel, monkeypatch
) -> None:
    monkeypatch.setattr("murakkab_jupyter.energy.server.LEAST", 0.01)  # others may want the cores
    assert listeners(int(kernel.url.split(":")[2].split("/")[0])) <= {one.pid for one in kernel.family}
    load = Workload(words=16, tokens=16, rounds=1, least=2)
    curve = measure_engine(Endpoint(kernel.url, NAME), host="here", at=[2], workload=load)
    assert curve.metered.method in ("counter", "estimate"), curve.metered.note
    assert curve.j_per_token(2).value > 0
    if curve.metered.method == "estimate":
        assert (curve.j_per_token(2).source, curve.metered.boundary) == ("prior", "node")


# --- the end of it; nothing after this can use the kernel ---------------------------------------------------------


def test_nothing_is_left_10_s_after_its_kernel_was_killed(kernel: Kernel) -> None:
    processes = kernel.family
    assert len(processes) >= 3
    kernel.process.kill()
    kernel.process.wait()
    wait_for(lambda: gone(processes), 10)


# --- one of its own on a cluster, of which everything is killed in turn ---------------------------------------------


@dataclass
class Hosts:
    """A scheduler and two workers as processes of their own, and a session that uses them."""

    place: Place
    workers: dict[str, subprocess.Popen[bytes]]
    session: Session

    def family(self) -> list[psutil.Process]:
        """The engine's processes, wherever it runs."""
        return family(self.session.engines.look(NAME).status.pid)

    def counted(self, name: str) -> float:
        """A counter of the engine's; 0 while it does not answer."""
        endpoint = self.session.engines.look(NAME).endpoint
        return 0.0 if endpoint is None else (Server(endpoint.url).metrics() or {}).get(f"vllm:{name}", 0.0)

    @property
    def at(self) -> str:
        """Name of the worker that has the engine."""
        return self.session.connect().probes[self.session.engines.look(NAME).status.worker].name


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    folder = tmp_path_factory.mktemp("hosts")
    library = Library()
    library.load_entry_points()
    place, python = Place(), os.environ[PYTHON]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MURAKKAB_ENGINES", str(folder / "engines.json"))
        place.scheduler()
        workers = {name: place.worker(name, cores=2, env={PYTHON: python}) for name in ("one", "two")}
        session = Session(
            library=library,
            cluster=place.address,
            journal=folder / "journal.sqlite",
            profiles=folder / "profiles.sqlite",
        )
        cluster = session.connect()
        wait_for_workers(cluster, 2, 60)
        yield Hosts(place, workers, session)
        with contextlib.suppress(MurakkabError):  # its scheduler is gone
            session.close()
        place.close()


def whole(run: Run, count: int) -> bool:
    return len(run.outputs["said"]) == count and all(run.outputs["said"].values())


def once_each(session: Session, run: Run, count: int) -> bool:
    """Whether the journal has every item, and none twice."""
    kept = Counter((step, ancestry) for step, ancestry, _ in session.journal.finished(run.id))
    return len(kept) == count and set(kept.values()) == {1}


def test_killed_in_the_middle_of_200_requests_no_item_is_lost_and_none_doubled(hosts: Hosts) -> None:
    session = hosts.session
    entry = session.engines.start(vllm_config(stop_grace_s=10.0))
    processes = hosts.family()
    started = session.run(declared(session, NAME, 200), background=True, reuse=False)
    wait_for(lambda: hosts.counted("generation_tokens_total") > 300, 120)  # of 1600 at most
    os.kill(entry.status.pid, signal.SIGKILL)
    wait_for(lambda: gone(processes), 10)  # its workers go with it
    started.wait(900)
    assert started.status == "done", started.errors
    assert whole(started, 200)
    assert once_each(session, started, 200)
    assert not [one for one in started.events if isinstance(one, ItemFailed)]
    causes = [one.cause for one in started.events if isinstance(one, Reconfigured)]
    assert any("is gone" in cause for cause in causes)
    assert any("is back" in cause for cause in causes)
    assert session.engines.look(NAME).status.restarts == 1
    # The bill counts what the life that ended wrote, and what came to nothing.
    assert started.bill is not None
    assert started.bill.total.tokens_out > 0


def test_nothing_is_left_10_s_after_its_worker_was_killed_and_the_run_goes_on_with_another(
    hosts: Hosts,
) -> None:
    session = hosts.session
    processes, at = hosts.family(), hosts.at
    before = hosts.counted("generation_tokens_total")
    started = session.run(declared(session, NAME, 60), background=True, reuse=False)
    wait_for(lambda: hosts.counted("generation_tokens_total") > before + 80, 120)  # of 480 at most
    hosts.workers[at].kill()
    hosts.workers[at].wait()
    wait_for(lambda: gone(processes), 10)
    started.wait(900)
    assert started.status == "done", started.errors
    assert whole(started, 60)
    assert once_each(session, started, 60)
    assert hosts.at != at


def test_stopped_it_is_gone(hosts: Hosts) -> None:
    processes = hosts.family()
    assert hosts.session.engines.stop(NAME)
    wait_for(lambda: gone(processes), 10)
    assert hosts.session.engines.find(NAME).state == "stopped"


def test_nothing_is_left_10_s_after_the_scheduler_was_killed_and_the_run_can_be_resumed(
    hosts: Hosts, tmp_path: Path
) -> None:
    """vLLM is loading then, which saves the minute until it answers; the resumed run asks a stand-in of its name."""
    started = hosts.session.run(declared(hosts.session, NAME, 12), background=True, reuse=False)

    def loading() -> bool:
        status = hosts.session.engines.look(NAME).status
        return status is not None and bool(status.pid) and len(family(status.pid)) >= 2

    wait_for(loading, 120)
    processes = hosts.family()
    hosts.place.processes[0].kill()
    hosts.place.processes[0].wait()
    wait_for(lambda: gone(processes), 10)
    with contextlib.suppress(
        ClusterError
    ):  # raised where the run sees that its scheduler is gone before it hears of its engine
        started.wait(60)
    assert started.status == "failed"
    library = Library()
    library.load_entry_points()
    with (
        serving() as server,
        Session(
            library=library, journal=hosts.session.journal.path, profiles=tmp_path / "profiles.sqlite"
        ) as later,
    ):
        later.engines.attach(server.url, name=NAME)
        resumed = later.resume(started.id)
        assert resumed.status == "done", resumed.errors
        assert whole(resumed, 12)
        assert once_each(later, resumed, 12)
