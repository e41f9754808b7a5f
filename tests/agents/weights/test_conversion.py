"""What agents load in another format is made of what was found, once, and is whole or not there."""

import hashlib
import subprocess
import sys
from dataclasses import replace

import pytest

from murakkab_jupyter.agents.weights import resolver as weights
from murakkab_jupyter.agents.weights.catalogue import Conversion, Package, Piece, Weight
from murakkab_jupyter.agents.weights.protobuf import bytes_field, fields, int_field
from murakkab_jupyter.agents.weights.ssd_onnx import convert
from murakkab_jupyter.core.errors import WeightsError

GRAPH = b"a frozen graph"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def shouted(source, target):
    target.write_bytes(source.read_bytes().upper())


def killed(source, target):
    import os
    import signal

    target.write_bytes(source.read_bytes()[:3])
    os.kill(os.getpid(), signal.SIGKILL)


NET = Weight(
    "net",
    "a test",
    licence="MIT",
    upstream="nothing",
    origin="this test",
    packages=(Package("no-such-net", "1.0", "no_such_net", "", 10),),
    pieces=(Piece("net.pb", ("no_such_net/net.pb",), sha(GRAPH), len(GRAPH)),),
    conversion=Conversion("net.onnx", sha(GRAPH.upper()), len(GRAPH), shouted),
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MURAKKAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MURAKKAB_OFFLINE", "1")
    monkeypatch.delenv("MURAKKAB_WEIGHTS", raising=False)
    monkeypatch.setattr(weights, "CATALOGUE", (NET,))
    return tmp_path / "cache/weights"


@pytest.fixture
def old(cache):
    """The folder that a version left which loaded the graph as it is."""
    folder = cache / "net-0123abcd"
    folder.mkdir(parents=True)
    (folder / "net.pb").write_bytes(GRAPH)
    (folder / "net.pbtxt").write_text("more")
    return folder


def test_a_cache_of_an_earlier_version_is_converted_once_without_a_network(old, monkeypatch):
    assert weights.state("net").here
    made = weights.resolve("net")
    assert made.name == "net.onnx"
    assert made.read_bytes() == GRAPH.upper()
    assert [file.name for file in made.parent.iterdir()] == ["net.onnx"]
    assert (old / "net.pb").exists(), "a version that loads it may still be in use"
    again = replace(NET, conversion=replace(NET.conversion, convert=killed))
    monkeypatch.setattr(weights, "CATALOGUE", (again,))
    assert weights.resolve("net") == made


def test_a_graph_in_an_installed_package_is_converted(cache, tmp_path, monkeypatch):
    (tmp_path / "site/no_such_net").mkdir(parents=True)
    (tmp_path / "site/no_such_net/net.pb").write_bytes(GRAPH)
    monkeypatch.setattr(weights, "package_roots", lambda _: {"no_such_net": tmp_path / "site"})
    assert weights.resolve("net").is_relative_to(cache)
    assert weights.state("net").where == "cache"


def test_ones_own_graph_is_converted_and_ones_own_converted_file_taken(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("MURAKKAB_WEIGHTS", str(tmp_path / "own"))
    own = tmp_path / "own/net"
    own.mkdir(parents=True)
    (own / "net.pb").write_bytes(GRAPH)
    assert weights.resolve("net").is_relative_to(cache)
    assert weights.resolve("net", path=own / "net.pb").is_relative_to(cache)
    (own / "net.pb").write_bytes(b"another graph.")
    with pytest.raises(WeightsError, match=r"is not the file that net\.onnx of net can be made of"):
        weights.resolve("net")
    (own / "net.onnx").write_bytes(b"mine")
    assert weights.resolve("net") == own / "net.onnx"


@pytest.mark.parametrize("fault", ["another hash", "unknown"])
def test_what_is_not_the_file_that_is_expected_is_not_kept(old, cache, monkeypatch, fault):
    def unknown(source, target):
        msg = "no such node"
        raise ValueError(msg)

    conversion = replace(NET.conversion, sha256="0" * 64)
    if fault == "unknown":
        conversion = replace(NET.conversion, convert=unknown)
    monkeypatch.setattr(weights, "CATALOGUE", (replace(NET, conversion=conversion),))
    with pytest.raises(WeightsError, match="SHA-256" if fault == "another hash" else "no such node"):
        weights.resolve("net")
    assert {path.name for path in cache.iterdir()} == {old.name, "net.lock"}


def test_a_conversion_that_is_killed_leaves_nothing_that_is_taken_for_whole(old, cache):
    code = (
        "from dataclasses import replace\n"
        "from murakkab_jupyter.agents.weights import resolver\n"
        "from tests.agents.weights.test_conversion import NET, killed\n"
        "resolver.CATALOGUE = (replace(NET, conversion=replace(NET.conversion, convert=killed)),)\n"
        "resolver.resolve('net')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=120, capture_output=True)
    assert done.returncode == -9, done.stderr
    assert list(cache.glob(".net-*")), "it was killed at work"
    made = weights.resolve("net")
    assert made.read_bytes() == GRAPH.upper()
    assert not list(cache.glob(".net-*")), "and what it left is gone"


def test_fields_are_read_as_they_were_written():
    message = int_field(1, 300) + int_field(2, -1) + bytes_field(7, "text")
    one, two, three = fields(memoryview(message))
    assert one == (1, 300)
    assert two == (2, 2**64 - 1)
    assert (three[0], bytes(three[1])) == (7, b"text")


@pytest.mark.parametrize("data", [b"", b"no graph at all", b"\x0a\xff", b"\xff" * 40])
def test_what_is_no_frozen_graph_is_refused(tmp_path, data):
    source, target = tmp_path / "x.pb", tmp_path / "x.onnx"
    source.write_bytes(data)
    with pytest.raises(ValueError, match=r"graph|protocol|longer"):
        convert(source, target)
    assert not target.exists()
