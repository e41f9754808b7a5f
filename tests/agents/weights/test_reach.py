"""Whether missing weights could be fetched: a server on this machine, a port nobody listens on, and how pip is configured."""

from __future__ import annotations

import http.server
import socket
import threading
import time

import pytest

from murakkab_jupyter.agents.library import default_library
from murakkab_jupyter.agents.weights import reach
from murakkab_jupyter.agents.weights import resolver as weights
from murakkab_jupyter.agents.weights.catalogue import Hub, Package, Piece, Weight
from murakkab_jupyter.core.errors import InfeasibleError
from murakkab_jupyter.core.hosts import ClusterView
from murakkab_jupyter.planner.modes import usable
from murakkab_jupyter.profiles.hardware import local_worker_view
from murakkab_jupyter.workflow.language import declare

THING = Package("some-thing", "1.0", "some_thing", "0" * 64, 10)
REPO = Hub("someone/thing", ("model.bin",), 10)


@pytest.fixture
def server():
    """A place that answers 404 to everything, and counts."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            asked.append(self.path)
            self.send_error(self.server.code)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.code, server.asked = 404, asked
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def closed():
    """The address of a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(autouse=True)
def nothing_known(tmp_path, monkeypatch):
    monkeypatch.setattr(reach, "_asked", {})
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HF_HUB_OFFLINE", "HF_ENDPOINT", "MURAKKAB_OFFLINE", "MURAKKAB_HUB", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MURAKKAB_WEIGHTS", str(tmp_path / "own"))
    monkeypatch.setenv("MURAKKAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    configured(monkeypatch)


def configured(monkeypatch, **settings):
    """Pip as if it were configured so."""
    wanted = {name.replace("_", "-"): value for name, value in settings.items()}
    monkeypatch.setattr(reach, "pip_settings", lambda: wanted)


def test_an_index_that_answers_anything_may_be_fetched_from(server, monkeypatch):
    configured(monkeypatch, index_url=f"{server.url}/simple")
    assert reach.index_lack([THING]) is None
    assert server.asked == ["/simple/some-thing/"]


def test_a_port_that_nobody_listens_on_is_told_by_its_host(closed, monkeypatch):
    configured(monkeypatch, index_url=closed.replace("//", "//user:secret@"))
    lack = reach.index_lack([THING])
    assert lack == "the package index (127.0.0.1) cannot be reached"


def test_a_second_index_is_enough(server, closed, monkeypatch):
    configured(monkeypatch, index_url=closed, extra_index_url=server.url)
    assert reach.index_lack([THING]) is None


def test_credentials_in_an_address_are_no_matter(server, monkeypatch):
    configured(monkeypatch, index_url=server.url.replace("//", "//user:secret@"))
    assert reach.index_lack([THING]) is None


@pytest.mark.parametrize(("code", "there"), [(401, True), (405, True), (502, False), (503, False)])
def test_what_a_place_answers(server, code, there):
    server.code = code
    assert reach.answers(server.url) is there


def test_a_place_is_asked_once_in_a_while(server, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(reach.time, "monotonic", lambda: now[0])
    assert [reach.answers(f"{server.url}/{n}") for n in range(50)] == [True] * 50
    assert len(server.asked) == 1
    now[0] += reach.YES_S + 1
    server.code = 503
    assert not reach.answers(server.url)
    now[0] += reach.NO_S / 2
    server.code = 200
    assert not reach.answers(server.url), "not asked again yet"
    now[0] += reach.NO_S
    assert reach.answers(server.url), "a network that comes back is noticed"
    assert len(server.asked) == 3


def test_a_place_that_never_answers_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(reach, "TIMEOUT_S", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begun = time.perf_counter()
        assert not reach.answers(f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert time.perf_counter() - begun < 30.0


def test_wheels_in_a_folder_need_no_index(closed, tmp_path, monkeypatch):
    configured(monkeypatch, index_url=closed, find_links=str(tmp_path))
    assert "cannot be reached" in reach.index_lack([THING])
    (tmp_path / "some_thing-1.0-py3-none-any.whl").touch()
    assert reach.index_lack([THING]) is None
    assert "cannot be reached" in reach.index_lack([THING, Package("other", "1.0", "other", "", 1)])


def test_pip_told_to_use_no_index_or_absent_altogether(monkeypatch):
    configured(monkeypatch, no_index="1")
    assert reach.index_lack([THING]) == "pip is configured to use no package index"
    monkeypatch.setattr(reach, "pip_settings", lambda: None)
    assert "no pip" in reach.index_lack([THING])


def test_pips_own_configuration_is_read_and_the_environment_goes_first(tmp_path, monkeypatch):
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = http://127.0.0.1:1/file\nextra-index-url =\n  http://a/\n  http://b/\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    found = reach.read_settings()
    assert found["index-url"] == "http://127.0.0.1:1/file"
    assert found["extra-index-url"].split() == ["http://a/", "http://b/"]
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/environment")
    assert reach.read_settings()["index-url"] == "http://127.0.0.1:1/environment"


def test_the_hub(server, closed, monkeypatch):
    monkeypatch.setattr(reach.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    assert reach.hub_lack(REPO) is None
    assert server.asked == ["/api/models/someone/thing"]
    monkeypatch.setenv("HF_ENDPOINT", closed)
    assert reach.hub_lack(REPO) == "the hub (127.0.0.1) cannot be reached"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE" in reach.hub_lack(REPO)
    monkeypatch.setattr(reach.importlib.util, "find_spec", lambda name: None)
    assert "not installed" in reach.hub_lack(REPO)


# --- what a plan makes of it ----------------------------------------------------------------------------------


def one_step():
    cell = "%%murakkab t\nobjects <- detect the objects in {pictures}\n"
    library = default_library()
    workflow = declare(cell, library=library, values={"pictures": ["a.png"]})
    return workflow.steps[0], library, ClusterView((local_worker_view(cores=2),))


def test_agents_whose_weights_cannot_be_had_are_left_out_with_a_note(server, closed, monkeypatch):
    monkeypatch.setattr(weights, "package_roots", lambda _: {})
    monkeypatch.setenv("MURAKKAB_HUB", "yes")
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    configured(monkeypatch, index_url=closed)
    agents, _, left_out = usable(*one_step())
    assert [agent.name for agent in agents] == ["clip-vit-b32"]
    assert (
        "ssd-mobilenet-v2 are not on this machine, and the package index (127.0.0.1) cannot be reached"
        in left_out[0].reasons[0]
    )
    monkeypatch.setenv("HF_ENDPOINT", closed)
    configured(monkeypatch, index_url=server.url)
    agents, _, left_out = usable(*one_step())
    assert [agent.name for agent in agents] == ["ssd-mobilenet-v2", "ssd-mobilenet-v2-192"]
    assert "and the hub (127.0.0.1) cannot be reached" in left_out[0].reasons[0]


def test_where_no_agent_can_be_had_the_error_says_why(closed, monkeypatch):
    monkeypatch.setattr(weights, "package_roots", lambda _: {})
    configured(monkeypatch, index_url=closed)
    with pytest.raises(InfeasibleError, match="cannot be done here") as caught:
        usable(*one_step())
    assert "the package index (127.0.0.1) cannot be reached" in caught.value.message
    assert "MURAKKAB_HUB=yes" in caught.value.message
    assert "$MURAKKAB_WEIGHTS/NAME" in caught.value.hint


def test_nobody_is_asked_while_everything_is_here(closed, tmp_path, monkeypatch):
    def never(*args):
        raise AssertionError("asked")

    monkeypatch.setattr(weights, "index_lack", never)
    monkeypatch.setattr(weights, "hub_lack", never)
    for name in ("ssd-mobilenet-v2", "clip-vit-base-patch32"):
        (tmp_path / "own" / name).mkdir(parents=True)
    agents, _, left_out = usable(*one_step())
    assert len(agents) == 3
    assert left_out == []


def test_parts_in_installed_packages_need_no_network(closed, tmp_path, monkeypatch):
    made = Weight(
        "halves", "", "MIT", "", "", packages=(THING,),
        pieces=(Piece("whole.bin", ("some_thing/a", "some_thing/b"), "0" * 64, 5),),
    )  # fmt: skip
    monkeypatch.setattr(weights, "CATALOGUE", (made,))
    monkeypatch.setattr(weights, "package_roots", lambda _: {"some_thing": tmp_path})
    configured(monkeypatch, index_url=closed)
    assert "cannot be reached" in weights.withheld("halves")
    (tmp_path / "some_thing").mkdir()
    (tmp_path / "some_thing/a").write_bytes(b"abc")
    (tmp_path / "some_thing/b").write_bytes(b"de")
    assert weights.withheld("halves") is None
    monkeypatch.setenv("MURAKKAB_OFFLINE", "1")
    assert weights.withheld("halves") is None
