"""Connecting: schedulers and workers that fit, that do not, and that are not there."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from distributed import Client

from murakkab_jupyter.cluster import connect as connect_module
from murakkab_jupyter.cluster.connect import connect, is_private
from murakkab_jupyter.cluster.probe import Probe
from murakkab_jupyter.cluster.roll import RollCall
from murakkab_jupyter.cluster.versions import check_probe, series, unfit
from murakkab_jupyter.core.errors import ClusterError
from tests.cluster.hosts import Place
from tests.cluster.parts import Run, alive, one_step, setting, wait_for

ROOT = Path(__file__).parent.parent.parent


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_one_worker_is_started_on_loopback_with_real_resources() -> None:
    with connect(cores=2) as cluster:
        assert cluster.local
        (worker,) = cluster.view().workers
        assert worker.cores == 2
        assert worker.memory_bytes > 10**8
        assert worker.speed.value is not None
        assert cluster.notices == []
        assert "127.0.0.1" in cluster.address
        info = cluster.client.scheduler_info()["workers"][worker.name]
        assert info["resources"] == {"cores": 2}
        assert info["nthreads"] > 2  # remote agents only wait
        assert "cores=2" in repr(cluster)
        (probe,) = cluster.probes.values()
        assert Path(probe.cache).is_dir()
    wait_for(lambda: not alive(probe.pid))


def test_no_cores_are_no_worker() -> None:
    with pytest.raises(ClusterError, match="at least one core, not 0"):
        connect(cores=0)


def test_a_scheduler_that_is_not_there_is_said_quickly() -> None:
    began = time.monotonic()
    with pytest.raises(ClusterError, match=r"No scheduler answers at tcp://127\.0\.0\.1") as caught:
        connect(f"tcp://127.0.0.1:{closed_port()}", timeout_s=2.0)
    assert time.monotonic() - began < 30
    assert "dask scheduler" in str(caught.value)


def test_an_address_with_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(ClusterError, match="may not hold a user or a password") as caught:
        connect("tcp://bob:hunter2@127.0.0.1:8786", timeout_s=2.0)
    assert "hunter2" not in str(caught.value)


def test_what_is_no_address_is_said() -> None:
    with pytest.raises(ClusterError, match="carrier pigeon"):
        connect("carrier pigeon://roof", timeout_s=2.0)


def test_a_scheduler_without_workers_is_said(place: Place) -> None:
    place.scheduler()
    with pytest.raises(ClusterError, match="has no workers") as caught:
        connect(place.address, workers_timeout_s=0.5)
    assert "dask worker" in str(caught.value)
    assert "adapt(minimum=1" in str(caught.value)


def test_a_worker_without_the_package_is_named(place: Place) -> None:
    place.scheduler()
    hidden = place.folder / "hidden"
    hidden.mkdir()
    # What Python finds first: a package of that name with nothing in it.
    (hidden / "murakkab_jupyter").mkdir()
    (hidden / "murakkab_jupyter" / "__init__.py").write_text("")
    place.worker("east", env={"PYTHONPATH": str(hidden)})
    with pytest.raises(
        ClusterError, match=r"Worker tcp://127.0.0.1:\d+ has no usable murakkab-jupyter"
    ) as caught:
        connect(place.address, workers_timeout_s=60)
    assert "pip install murakkab-jupyter==" in str(caught.value)


def test_dasks_thread_that_began_too_late_is_given_another_chance(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.scheduler()
    place.worker("east")
    made, real = [], connect_module.Client

    def late(*args: object, **more: object) -> object:
        made.append(args)
        if len(made) == 1:
            raise AssertionError
        return real(*args, **more)

    monkeypatch.setattr(connect_module, "Client", late)
    with connect(place.address, workers_timeout_s=60) as cluster:
        assert len(made) == 2
        assert cluster.probes


def test_a_worker_of_another_version_is_named_with_both(place: Place) -> None:
    place.scheduler()
    old = place.folder / "old.py"
    old.write_text(
        "from murakkab_jupyter.core import version\nversion.VERSION = '0.0.9'\n"
    )  # a fake old version
    place.worker("east", "--preload", str(old))
    with pytest.raises(ClusterError, match=r"has murakkab-jupyter 0\.0\.9, and here it is") as caught:
        connect(place.address, workers_timeout_s=60)
    assert "Install the same on both" in str(caught.value)


def test_a_worker_that_joins_later_and_does_not_fit_is_left_out(place: Place) -> None:
    place.scheduler()
    place.worker("east")
    old = place.folder / "old.py"
    old.write_text("from murakkab_jupyter.core import version\nversion.VERSION = '0.0.9'\n")
    with connect(place.address, workers_timeout_s=60) as cluster:
        place.worker("west", "--preload", str(old))
        cluster.client.wait_for_workers(2, timeout=60)
        follower, late = RollCall(cluster, cluster.probes), RollCall(cluster, cluster.probes)
        said: tuple[str, ...] = ()
        until = time.monotonic() + 90.0  # on a busy machine a new worker may be too slow for the first look
        while not said and time.monotonic() < until:
            cluster.roll()  # somebody else looks first
            said = follower.roll().refused
            time.sleep(0.0 if said else 0.2)  # between two looks
        (refused,) = said
        assert "0.0.9" in refused
        assert follower.roll().refused == ()  # said once
        assert late.roll().refused == (refused,)  # and to each
        assert len(cluster.view().workers) == 1


def reported(python: str, cloudpickle: str) -> dict[str, object]:
    return {
        "workers": {
            "tcp://10.0.0.7:1": {"host": {"python": python}, "packages": {"cloudpickle": cloudpickle}},
            "tcp://10.0.0.8:1": None,
        }
    }


def test_another_python_is_refused_before_anything_is_sent() -> None:
    (why,) = unfit(reported("3.9.2.final.0", "3.1.0")).values()
    assert "Worker tcp://10.0.0.7:1 runs Python 3.9, and here it is 3." in str(why)


def test_another_cloudpickle_is_refused_before_anything_is_sent() -> None:
    here = ".".join(map(str, sys.version_info[:3]))
    (why,) = unfit(reported(here, "1.6.0")).values()
    assert "has cloudpickle 1.6.0" in str(why)
    assert unfit(reported(here, "3.0.0")) == {}


def test_workers_that_do_not_fit_are_left_out_and_named_where_others_do(place: Place) -> None:
    place.scheduler()
    place.worker("east")
    place.worker("west", "--resources", "cores=0.5", declared=False)
    with Client(place.address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    with connect(place.address, workers_timeout_s=60) as cluster:
        assert [probe.name for probe in cluster.probes.values()] == ["east"]
        (told,) = cluster.unused
        assert "less than one core" in told
        assert "--resources cores=N" in told
        (why,) = cluster.refused.values()
        assert why in told
        assert cluster.notices == []  # it may be mended, or leave, before the next run
        ran = Run(cluster, one_step(), {"said": setting("shouter", loud=True)}, {"items": ["a"]}).go()
    assert ran.finish.status == "done"


def test_a_worker_that_could_never_begin_a_call_is_refused(place: Place) -> None:
    place.scheduler()
    place.worker("west", "--resources", "cores=0.5", declared=False)
    with pytest.raises(ClusterError, match="less than one core"):
        connect(place.address, workers_timeout_s=60)


def test_what_listens_and_never_greets_is_said_in_time() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        pytest.raises(ClusterError, match="does not greet as Dask does"),
    ):
        connect(f"tcp://127.0.0.1:{mute.getsockname()[1]}", timeout_s=1.0)


def test_a_server_of_something_else_is_said() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            for scheme in ("tcp", "ws"):
                with pytest.raises(ClusterError, match="No scheduler answers"):
                    connect(f"{scheme}://127.0.0.1:{server.server_port}", timeout_s=1.0)
        finally:
            server.shutdown()
            thread.join()


def test_a_probe_of_this_very_version_fits(place: Place) -> None:
    import cloudpickle

    import murakkab_jupyter

    found = Probe(
        address="tcp://10.0.0.7:1",
        host="x",
        pid=1,
        cores=1,
        declared=True,
        threads=1,
        memory_bytes=1,
        free_bytes=1,
        python=".".join(map(str, sys.version_info[:3])),
        murakkab=murakkab_jupyter.__version__,
        cloudpickle=cloudpickle.__version__,
        gpus=(),
        cache="",
        cache_error="",
        time_s=0.0,
    )
    check_probe(found)
    assert series(found.python) == f"{sys.version_info.major}.{sys.version_info.minor}"


def test_a_worker_with_fewer_threads_than_cores_or_no_cache_is_noticed(place: Place) -> None:
    place.scheduler()
    blocked = place.folder / "file"
    blocked.write_text("")
    place.worker(
        "east", "--resources", "cores=3", declared=False, env={"MURAKKAB_CACHE": str(blocked / "cache")}
    )
    with connect(place.address, workers_timeout_s=60) as cluster:
        assert cluster.view().cores == 3
        cache, threads = cluster.notices
    assert "cannot keep media" in cache
    assert "--nthreads 3" in threads


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("tcp://127.0.0.1:8786", True),
        ("localhost:8786", True),
        ("tcp://[::1]:8786", True),
        ("inproc://x", True),
        ("tls://10.1.2.3:8786", True),
        ("tcp://10.1.2.3:8786", False),
        ("10.1.2.3:8786", False),
        ("ws://10.1.2.3:8786", False),
        ("tcp://no-such-host.invalid:8786", False),
    ],
)
def test_an_address_is_private_when_encrypted_or_on_this_host(address: str, private: bool) -> None:
    assert is_private(address) is private


def own_address() -> str | None:
    """An address of this host that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            return str(probe.getsockname()[0])
        except OSError:
            return None


@pytest.mark.skipif(own_address() in (None, "127.0.0.1"), reason="this host has only loopback")
def test_a_scheduler_beyond_this_host_without_tls_is_said_loudly(place: Place) -> None:
    address = own_address()
    place.scheduler("--host", f"tcp://{address}")
    place.worker("east")
    with connect(place.address, workers_timeout_s=60) as cluster:
        (notice,) = cluster.notices
    assert notice.startswith("NO TLS: everything sent to")


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")],
        capture_output=True,
        check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl cannot make a certificate here")
    env = {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(tmp_path / "cert.pem")}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        env[f"DASK_DISTRIBUTED__COMM__TLS__{role}__CERT"] = str(tmp_path / "cert.pem")
        env[f"DASK_DISTRIBUTED__COMM__TLS__{role}__KEY"] = str(tmp_path / "key.pem")
    return env


def settings(env: dict[str, str]) -> dict[str, str]:
    """Dask's environment variables as its dotted settings."""
    return {
        name.removeprefix("DASK_").replace("__", ".").replace("_", "-").lower(): env[name] for name in env
    }


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
def test_tls_works_with_dasks_own_settings(place: Place, certificate: dict[str, str]) -> None:
    import dask

    place.scheduler(protocol="tls", env=certificate)
    place.worker("east", env=certificate, protocol="tls")
    with (
        dask.config.set(settings(certificate)),
        connect(place.address, workers_timeout_s=60) as cluster,
    ):
        assert cluster.address.startswith("tls://")
        assert cluster.notices == []
        ran = Run(cluster, one_step(), {"said": setting("odd")}, {"items": ["A"]}).go()
    assert ran.finish.status == "done"


# --- what a user's process sees of it -------------------------------------------------------------------------

UNGUARDED = """
import logging
logging.basicConfig(level=logging.INFO)
from murakkab_jupyter.cluster.connect import connect
from tests.cluster.parts import Run, one_step, setting
cluster = connect(cores=1)
plan = {"said": setting("odd")}
ran = Run(cluster, one_step(), plan, {"items": ["A", "die", "B"]}).go()
cluster.close()
print("ended", ran.finish.status)
"""


def test_a_plain_script_with_logging_on_sees_nothing_of_dask(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.stdout == "ended partial\n"
    assert done.stderr == ""


GROUP = """
import os, signal, threading
from pathlib import Path
import sys
from murakkab_jupyter.cluster.connect import connect
from tests.cluster.parts import Run, one_step, setting, wait_for
diary = Path(sys.argv[1])
cluster = connect(cores=1)
plan = {"said": setting("slow", seconds=600.0, diary=str(diary))}
def press():
    wait_for(diary.exists)
    os.killpg(os.getpgrp(), signal.SIGINT)  # as a terminal, or a notebook's stop button, does
threading.Thread(target=press).start()
print(Run(cluster, one_step(), plan, {"items": ["A"]}).go().finish.status)
print(Run(cluster, one_step(), {"said": setting("odd")}, {"items": ["A"]}).go().finish.status)
print(len(cluster.probes))
cluster.close()
"""


def test_an_interrupt_of_the_whole_process_group_leaves_the_worker_for_the_next_run(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(GROUP)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "diary")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
        start_new_session=True,
    )
    assert done.stdout.split() == ["stopped", "done", "1"], done.stderr


def test_nothing_is_left_when_a_process_with_a_local_worker_is_killed(tmp_path: Path) -> None:
    import psutil

    script = tmp_path / "script.py"
    script.write_text(
        "from murakkab_jupyter.cluster.connect import connect\n"
        "cluster = connect(cores=1)\nprint('up', flush=True)\ninput()\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline() == b"up\n"
        below = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
        assert len(below) >= 2
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdin.close()
        process.stdout.close()
    wait_for(lambda: not any(alive(pid) for pid in below))


def test_a_worker_of_ones_own_has_longer_to_join_than_those_that_should_be_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []

    class Joined:
        def admit(self, timeout_s: float) -> None:
            waited.append(timeout_s)

    monkeypatch.setattr(connect_module, "_start_here", lambda cores, *, dashboard: Joined())
    monkeypatch.setattr(connect_module, "_attach", lambda address, *, timeout_s: Joined())
    connect()
    connect("tcp://127.0.0.1:1")
    connect(workers_timeout_s=2.0)
    assert waited == [connect_module.OWN_WORKER_S, connect_module.WORKERS_S, 2.0]


def test_of_a_worker_of_ones_own_that_does_not_join_nobody_is_told_to_start_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connect_module.Cluster, "present", lambda self: frozenset())
    with pytest.raises(ClusterError, match="started on this machine has not joined") as caught:
        connect(cores=1, workers_timeout_s=0.0)
    assert "dask worker" not in str(caught.value.hint)


def test_of_a_worker_of_ones_own_that_is_gone_nobody_is_told_to_start_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with connect(cores=1) as cluster:
        monkeypatch.setattr(cluster, "roll", cluster._probes.clear)
        with pytest.raises(ClusterError, match="started on this machine is not there") as caught:
            cluster.view()
    assert "dask worker" not in str(caught.value.hint)
