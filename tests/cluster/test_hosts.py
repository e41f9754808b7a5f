"""Runs on two worker hosts: processes with their own homes, working directories and caches."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from murakkab_jupyter.agents.agent import Agent, AgentSpec, Inputs, Needs
from murakkab_jupyter.cluster import connect as connecting
from murakkab_jupyter.cluster.connect import Cluster, connect
from murakkab_jupyter.core.errors import ClusterError
from murakkab_jupyter.core.events import (
    BatchStarted,
    Event,
    FilesBrought,
    ItemFailed,
    Notice,
    Reconfigured,
    WorkerChanged,
)
from murakkab_jupyter.core.kinds import Document
from murakkab_jupyter.core.media import Media, media_cache
from murakkab_jupyter.session import Session
from tests.cluster.hosts import NOBODY, Place
from tests.cluster.parts import (
    Run,
    alive,
    held_after,
    holding,
    instance_pids,
    library,
    one_step,
    setting,
    sleepers,
    wait_for,
    wait_for_workers,
)

as_root = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None,
    reason="only root, with setpriv, can start a worker that may not read a file",
)


class Reader(Agent):
    """Where a document is read, by whom, and what is in it."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        pass

    def call(self, batch: Sequence[Inputs]) -> list[str]:
        made = []
        for inputs in batch:
            file = inputs.values["material"].media.local()
            made.append(f"{file.parent} {os.environ['HOME']} {Path.cwd()} {file.read_text()}")
        return made


def reading() -> Any:
    made = library()
    made.add_agent(AgentSpec("reader", "1", "word", "Reads.", Reader, needs=Needs(memory_bytes=30_000_000)))
    return made


def documents(folder: Path, count: int) -> list[Document]:
    found = []
    for number in range(count):
        file = folder / f"{number}.txt"
        file.write_text(f"page {number}")
        found.append(Document(Media.of(file), ""))
    return found


@as_root
def test_media_that_workers_cannot_see_are_shipped_to_each(place: Place, tmp_path: Path) -> None:
    place.scheduler()
    place.worker("east", blind=True)
    place.worker("west", blind=True, declared=False)
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    pages = documents(private, 12)
    for path in (*private.iterdir(), private):  # ours to read, as root, but not the workers'
        os.chown(path, NOBODY, NOBODY)
        path.chmod(0o700 if path.is_dir() else 0o600)
    with connect(place.address) as cluster:
        cluster.client.wait_for_workers(2, timeout=60)
        ran = Run(
            cluster,
            one_step(),
            {"said": setting("reader", batch=1, instances=2)},
            {"items": pages},
            reading(),
        ).go()
        cluster.look([page.media for page in pages])
        assert not any(worker.sees_files for worker in cluster.view().workers)
    told = ran.of(FilesBrought)
    assert sum(one.bytes for one in told) == sum(page.media.size_bytes for page in pages)
    assert all(one.files == 1 and one.seconds > 0 for one in told)
    assert ran.finish.status == "done", ran.finish.message
    said = list(ran.store.outputs("said").values())
    assert [" ".join(one.split()[-2:]) for one in said] == [f"page {number}" for number in range(12)]
    places = {tuple(one.split()[:3]) for one in said}
    assert places == {
        (str(place.folder / name / "cache" / "media"), str(place.folder / name), str(place.folder / name))
        for name in ("east", "west")
    }
    shipped = list(place.folder.glob("*/cache/media/*"))
    assert all(file.suffix == ".txt" for file in shipped)  # no part is left
    assert len({file.name for file in shipped}) == 12


@as_root
def test_what_a_plan_says_is_brought_is_what_its_run_brings(place: Place, tmp_path: Path) -> None:
    place.scheduler()
    place.worker("east", blind=True)
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for number in range(3):
        (private / f"{number}.txt").write_text(f"The moon pulls the sea. Page {number} says so. " * 40)
    for path in (*private.iterdir(), private):  # ours to read, as root, but not the worker's
        os.chown(path, NOBODY, NOBODY)
        path.chmod(0o700 if path.is_dir() else 0o600)
    with Session(
        cluster=place.address, journal=tmp_path / "j.sqlite", profiles=tmp_path / "p.sqlite"
    ) as session:
        declaration = session.declare(
            "parts <- chunk {pages}\nshort <- summarise {parts} @extractive-summary", {"pages": str(private)}
        )
        plan = session.plan(declaration)
        run = session.run(declaration, plan)
        again = session.plan(declaration)
    assert plan.transfer is not None
    assert any(note.startswith("Files are brought to ") and "prior" in note for note in plan.notes)
    assert run.status == "done"
    assert run.bill is not None
    assert run.bill.transfer is not None
    assert (run.bill.transfer.files, run.bill.transfer.bytes) == (plan.transfer.files, plan.transfer.bytes)
    assert run.bill.transfer.seconds.source == "measured"
    assert run.bill.to_json()["transfer"]["files"] == 3
    assert again.transfer is None, "they are there now"


def test_media_on_shared_storage_are_read_where_they_are(place: Place) -> None:
    place.scheduler()
    place.worker("east")
    shared = place.folder / "shared"
    shared.mkdir()
    pages = documents(shared, 3)
    with connect(place.address) as cluster:
        ran = Run(cluster, one_step(), {"said": setting("reader")}, {"items": pages}, reading()).go()
        cluster.look([page.media for page in pages])
        assert [worker.sees_files for worker in cluster.view().workers] == [True]
        (shared / "2.txt").unlink()
        cluster.look([page.media for page in pages])
        assert [worker.sees_files for worker in cluster.seen().workers] == [False]
        assert not cluster.view().network.known
        cluster.carried(20, 1.0)  # too small to tell anything
        assert not cluster.network.known
        cluster.carried(4_000_000, 0.02)
        cluster.carried(4_000_000, 0.04)
        network = cluster.view().network
        assert (network.value, network.low, network.high, network.source) == (150.0, 100.0, 200.0, "measured")
    assert ran.of(FilesBrought) == []
    assert {one.split()[0] for one in ran.store.outputs("said").values()} == {str(shared)}
    assert not (place.folder / "east" / "cache" / "media").exists()


def moved_away(page: Document) -> Document:
    """Have a file only in this host's own cache, under its hash; its path is nowhere."""
    media = page.media
    media.cached().parent.mkdir(parents=True, exist_ok=True)
    Path(media.path).rename(media.cached())
    return page


def test_a_file_at_no_shared_path_is_shipped_and_one_that_is_gone_fails_alone(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MURAKKAB_CACHE", str(tmp_path / "own"))
    place.scheduler()
    place.worker("east")
    pages = [moved_away(page) for page in documents(tmp_path, 4)]
    pages[2].media.cached().unlink()
    with connect(place.address) as cluster:
        ran = Run(cluster, one_step(), {"said": setting("reader")}, {"items": pages}, reading()).go()
    assert ran.finish.status == "partial"
    assert len(ran.store.outputs("said")) == 3
    (failed,) = ran.of(ItemFailed)
    assert pages[2].media.path in failed.error
    assert "Put it back" in failed.error


def test_a_file_larger_than_the_limit_is_refused_by_name(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MURAKKAB_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("MURAKKAB_SHIP_LIMIT", "5 B")
    place.scheduler()
    place.worker("east")
    (page,) = [moved_away(page) for page in documents(tmp_path, 1)]
    with connect(place.address) as cluster:
        ran = Run(cluster, one_step(), {"said": setting("reader")}, {"items": [page]}, reading()).go()
    (failed,) = ran.of(ItemFailed)
    assert page.media.path in failed.error
    assert "MURAKKAB_SHIP_LIMIT" in failed.error
    assert media_cache() == tmp_path / "own" / "media"


def test_a_users_module_beside_the_notebook_runs_on_a_worker_that_does_not_have_it(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside_me.py").write_text(
        textwrap.dedent(
            """
            from murakkab_jupyter.agents.agent import Agent

            def exclaim(text):
                return text + "!"

            class Exclaimer(Agent):
                def load(self, options, cores):
                    pass

                def call(self, batch):
                    return [exclaim(inputs.values["material"]) for inputs in batch]
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import beside_me

    made = library()
    made.add_agent(AgentSpec("exclaimer", "1", "word", "Exclaims.", beside_me.Exclaimer))
    place.scheduler()
    place.worker("east")
    with connect(place.address) as cluster:
        ran = Run(cluster, one_step(), {"said": setting("exclaimer")}, {"items": ["hey"]}, made).go()
    sys.modules.pop("beside_me")
    assert list(ran.store.outputs("said").values()) == ["hey!"]


# --- workers that die -----------------------------------------------------------------------------------------


def diary_lines(diary: Path) -> list[str]:
    return diary.read_text().splitlines() if diary.exists() else []


def kill_in_mid_run(place: Place, cluster: Cluster, diary: Path, pid: int) -> Any:
    """Run 24 items on two workers; kill one when it is at work, and before the run can end."""
    instances: set[int] = set()
    gate = diary.with_name("gate")

    def murder() -> None:
        def at_work() -> bool:
            instances.update(instance_pids(pid))
            return holding(pid, diary, 6) and bool(instances)

        try:
            wait_for(at_work)
            os.kill(pid, signal.SIGKILL)
        finally:
            gate.touch()

    killer = threading.Thread(target=murder)
    killer.start()
    ran = Run(
        cluster,
        one_step(),
        {"said": held_after(6, diary, gate, batch=2, instances=2)},
        {"items": [str(number) for number in range(24)]},
    ).go()
    killer.join()
    wait_for(lambda: not any(alive(one) for one in instances))
    return ran


def test_a_worker_that_dies_costs_no_item_and_doubles_none(place: Place, tmp_path: Path) -> None:
    place.scheduler()
    doomed = place.worker("east")
    place.worker("west")
    with connect(place.address) as cluster:
        cluster.client.wait_for_workers(2, timeout=60)
        ran = kill_in_mid_run(place, cluster, tmp_path / "diary", doomed.pid)
    assert ran.finish.status == "done", ran.finish.message
    assert list(ran.store.outputs("said").values()) == [str(number) for number in range(24)]
    assert len(ran.recorder.items) == 24
    assert sum(batch.done for batch in ran.batches("said")) == 24
    assert [change.change for change in ran.of(WorkerChanged)] == ["lost"]
    assert "was lost" in ran.of(Reconfigured)[0].cause


def test_the_only_worker_dies_and_its_nanny_brings_it_back(place: Place, tmp_path: Path) -> None:
    place.scheduler()
    place.worker("east", nanny=True)
    with connect(place.address) as cluster:
        (found,) = cluster.probes.values()
        ran = kill_in_mid_run(place, cluster, tmp_path / "diary", found.pid)
    assert ran.finish.status == "done", ran.finish.message
    assert list(ran.store.outputs("said").values()) == [str(number) for number in range(24)]
    assert [change.change for change in ran.of(WorkerChanged)] == ["lost", "joined"]
    assert ran.of(WorkerChanged)[1].host == found.host  # what is known of the host holds for it again


def test_a_worker_that_joins_in_mid_run_is_used_whoever_sees_it_first(place: Place, tmp_path: Path) -> None:
    place.scheduler()
    place.worker("east")
    diary, gate = tmp_path / "diary", tmp_path / "gate"
    started: list[Any] = []
    joined: list[str] = []

    def join(event: Event) -> None:
        if not started and isinstance(event, BatchStarted):
            started.append(place.worker("west"))
            wait_for_workers(cluster, 2)  # as a plan does, or an engine that is placed
        elif isinstance(event, WorkerChanged) and event.change == "joined":
            joined.append(event.worker)
        elif isinstance(event, BatchStarted) and event.worker in joined:
            gate.touch()  # until then no item is made

    with connect(place.address) as cluster:
        ran = Run(
            cluster,
            one_step(),
            {"said": setting("slow", batch=1, instances=1, seconds=0.05, diary=str(diary), gate=str(gate))},
            {"items": [str(number) for number in range(40)]},
            on_event=join,
        ).go()
    assert ran.finish.status == "done", ran.finish.message
    assert [change.change for change in ran.of(WorkerChanged)] == ["joined"]
    assert len({batch.worker for batch in ran.batches("said")}) == 2


# --- workers that are unlike, or busy with something else ------------------------------------------------------


class Picky(Agent):
    """Loads only where nothing is lacking."""

    def load(self, options: Mapping[str, Any], cores: int) -> None:
        if os.environ.get("LACKS"):
            message = "no module named picky"
            raise ImportError(message)

    def call(self, batch: Sequence[Inputs]) -> list[str]:
        return [inputs.values["material"].lower() for inputs in batch]


def picky_run(cluster: Cluster) -> Any:
    made = library()
    made.add_agent(AgentSpec("picky", "1", "word", "Lower case.", Picky))
    return Run(
        cluster,
        one_step(),
        {"said": setting("picky", batch=1, instances=2)},
        {"items": [f"W{number}" for number in range(12)]},
        made,
    ).go()


def test_a_worker_on_which_an_agent_cannot_load_costs_no_item(place: Place) -> None:
    place.scheduler()
    place.worker("bare", env={"LACKS": "1"})
    place.worker("whole")
    with connect(place.address) as cluster:
        cluster.client.wait_for_workers(2, timeout=60)
        ran = picky_run(cluster)
    assert ran.finish.status == "done", ran.finish.message
    assert list(ran.store.outputs("said").values()) == [f"w{number}" for number in range(12)]
    assert sum(batch.done for batch in ran.batches("said")) == 12
    (told,) = [n.message for n in ran.of(Notice) if "other workers" in n.message]
    assert "no module named picky" in told


def test_where_an_agent_loads_nowhere_each_item_fails_for_that_reason(place: Place) -> None:
    place.scheduler()
    for name in ("bare", "barer"):
        place.worker(name, env={"LACKS": "1"})
    with connect(place.address) as cluster:
        cluster.client.wait_for_workers(2, timeout=60)
        ran = picky_run(cluster)
    assert ran.finish.status == "failed"
    failed = ran.of(ItemFailed)
    assert len(failed) == 12
    assert all("no module named picky" in one.error and "died" not in one.error for one in failed)


def others_work(gate: Path) -> Callable[[], None]:
    """Work of somebody else's, which ends when a file is there."""

    def until_there() -> None:  # sent by value: workers need not find these tests where Python looks
        while not gate.exists():
            time.sleep(0.02)

    return until_there


def test_a_call_that_waits_for_others_work_is_told(place: Place, tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    def let_go(event: Event) -> None:
        if isinstance(event, Notice) and "wait" in event.message:
            gate.touch()

    place.scheduler()
    place.worker("east")
    with connect(place.address) as cluster:
        cluster.view()
        held = cluster.client.submit(others_work(gate), resources={"cores": 1}, pure=False)
        wait_for(lambda: any(cluster.client.processing().values()))
        ran = Run(
            cluster,
            one_step(),
            {"said": setting("slow", batch=1, seconds=0.0, diary=str(tmp_path / "diary"))},
            {"items": ["a", "b"]},
            on_event=let_go,
        ).go()
        held.result()
    assert ran.finish.status == "done"
    (told,) = [n.message for n in ran.of(Notice) if "wait" in n.message]
    assert told.startswith("1 call waits for worker")
    assert told.endswith("1 other task is at work there.")


def test_a_plan_does_not_wait_again_for_a_busy_worker_to_be_measured(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(connecting, "SURVEY_S", 5.0)
    gate = tmp_path / "gate"
    place.scheduler()
    place.worker("east")
    with connect(place.address) as cluster:
        held = cluster.client.submit(others_work(gate), pure=False)
        wait_for(lambda: any(cluster.client.processing().values()))
        (worker,) = cluster.view().workers
        assert worker.speed.source == "prior"
        began_s = time.monotonic()
        cluster.view()
        assert time.monotonic() - began_s < 4.5
        gate.touch()
        held.result()
        wait_for(lambda: cluster.view().workers[0].speed.source == "measured")


def test_a_scheduler_that_dies_ends_the_run_with_what_to_do(place: Place, tmp_path: Path) -> None:
    place.scheduler()
    place.worker("east")
    (scheduler, _) = place.processes
    diary = tmp_path / "diary"

    def murder() -> None:
        wait_for(lambda: bool(diary_lines(diary)))
        scheduler.kill()

    killer = threading.Thread(target=murder)
    with connect(place.address) as cluster:
        killer.start()
        with pytest.raises(ClusterError, match="is gone") as caught:
            Run(
                cluster,
                one_step(),
                {"said": setting("slow", seconds=600.0, diary=str(diary))},
                {"items": ["a"]},
            ).go()
    killer.join()
    assert "resume" in str(caught.value)
    pid = int(diary_lines(diary)[0].split()[0])
    wait_for(lambda: not alive(pid))


def test_a_worker_that_is_killed_takes_what_its_instances_started_with_it(place: Place) -> None:
    place.scheduler()
    doomed = place.worker("east")
    seen: set[int] = set()
    gone, stop = threading.Event(), threading.Event()

    def murder() -> None:
        def asleep() -> bool:
            seen.update(sleepers(doomed.pid))
            return bool(seen)

        try:
            wait_for(asleep)
            doomed.kill()
            wait_for(lambda: not any(alive(pid) for pid in seen))
            gone.set()
        finally:
            stop.set()

    killer = threading.Thread(target=murder)
    with connect(place.address) as cluster:
        killer.start()
        ran = Run(cluster, one_step(), {"said": setting("odd")}, {"items": ["wait"]}, stop=stop).go()
    killer.join()
    assert seen
    assert gone.is_set()
    assert ran.finish.status == "stopped"


# --- a client that dies ---------------------------------------------------------------------------------------

CLIENT = """
import sys
from murakkab_jupyter.cluster.connect import connect
from tests.cluster.parts import Run, one_step, setting

if __name__ == "__main__":
    address, diary = sys.argv[1:]
    with connect(address or None, cores=None if address else 2) as cluster:
        plan = {"said": setting("slow", batch=1, seconds=600.0, diary=diary)}
        Run(cluster, one_step(), plan, {"items": ["a"]}).go()
"""


@pytest.mark.parametrize("local", [True, False], ids=["LocalCluster", "remote workers"])
def test_no_instance_outlives_a_client_that_is_killed(place: Place, tmp_path: Path, local: bool) -> None:
    import subprocess

    if not local:
        place.scheduler()
        place.worker("east")
    diary = tmp_path / "diary"
    script = tmp_path / "client.py"
    script.write_text(CLIENT)
    root = Path(__file__).parent.parent.parent
    client = subprocess.Popen(
        [sys.executable, str(script), "" if local else place.address, str(diary)],
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=tmp_path,
    )
    try:
        wait_for(lambda: bool(diary_lines(diary)))
        pid = int(diary_lines(diary)[0].split()[0])
        assert alive(pid)
    finally:
        client.kill()
        client.wait()
    wait_for(lambda: not alive(pid))
