"""A test that fails by accident has a second run, which is shown: what tests/all.sh runs all tests with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pytest_rerunfailures", reason="only the test extra brings it")

ONCE = """
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def fails_once(name):
    mark = HERE / name
    if not mark.exists():
        mark.touch()
        raise RuntimeError(f"the accident of {name}")
"""


def ran(folder: Path, tests: str) -> subprocess.CompletedProcess[str]:
    """Pytest on some tests in a folder of their own, with what tests/conftest.py does."""
    shutil.copy(Path(__file__).with_name("conftest.py"), folder)
    (folder / "test_it.py").write_text(ONCE + tests)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--reruns", "1", "test_it.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.mark.parametrize(("accidents", "code"), [(3, 0), (4, 1)])
def test_accidents_are_shown_and_more_than_a_few_fail_the_whole(tmp_path, accidents, code) -> None:
    tests = f"""
@pytest.mark.parametrize("number", range({accidents}))
def test_it(number):
    fails_once(f"number {{number}}")
"""
    done = ran(tmp_path, tests)
    assert done.returncode == code, done.stdout
    for number in range(accidents):
        assert f"failed at first: test_it.py::test_it[{number}]" in done.stdout
        assert f"the accident of number {number}" in done.stdout
    assert f"{accidents} second runs; more than 3 fail the whole" in done.stdout


def test_what_fails_twice_has_failed_and_a_test_and_its_end_are_one_accident(tmp_path) -> None:
    tests = """
@pytest.fixture
def ends():
    yield
    fails_once("the end")


def test_both(ends):
    fails_once("the test")


def test_always():
    assert False
"""
    done = ran(tmp_path, tests)
    assert done.returncode == 1, done.stdout
    assert "1 failed, 1 passed" in done.stdout
    assert "2 second runs" in done.stdout


def test_a_second_run_finds_what_a_module_shares_and_it_ends_once(tmp_path) -> None:
    tests = """
@pytest.fixture(scope="module")
def kept():
    (HERE / "made").open("a").write("made ")
    yield "kept"
    (HERE / "made").open("a").write("ended ")


@pytest.fixture(scope="module")
def late(kept):
    fails_once("the start")
    return kept


def test_first(late):
    assert late == "kept"


def test_last(late):
    fails_once("the last")
"""
    done = ran(tmp_path, tests)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "made").read_text() == "made ended "


def test_a_second_run_has_a_time_limit_of_its_own(tmp_path) -> None:
    tests = """
@pytest.mark.timeout(1)
def test_hangs():
    time.sleep(600)
"""
    done = ran(tmp_path, tests)
    assert done.returncode == 1, done.stdout
    assert "1 failed" in done.stdout
    assert "1 second runs" in done.stdout


def test_what_many_share_and_cannot_be_started_is_not_tried_again_for_each(tmp_path) -> None:
    tests = """
@pytest.fixture(scope="session")
def never():
    with (HERE / "starts").open("a") as starts:
        starts.write("x")
    raise RuntimeError("it does not start")


@pytest.mark.parametrize("number", range(12))
def test_it(never, number):
    pass
"""
    done = ran(tmp_path, tests)
    assert done.returncode == 1, done.stdout
    assert "12 errors" in done.stdout
    assert "4 second runs; more than 3 fail the whole" in done.stdout
    assert len((tmp_path / "starts").read_text()) == 5


def test_what_a_first_run_said_is_shown(tmp_path) -> None:
    tests = """
def test_says():
    import logging

    print("what it printed")
    logging.getLogger("it").warning("what it logged")
    fails_once("the sayer")
"""
    done = ran(tmp_path, tests)
    assert done.returncode == 0, done.stdout
    _, shown = done.stdout.split("failed at first: test_it.py::test_says")
    assert "what it printed" in shown
    assert "what it logged" in shown
