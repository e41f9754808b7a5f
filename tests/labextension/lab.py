"""A real JupyterLab server and a browser page on it, as the tests of this folder use them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import site
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cores import as_on_two_cores

ROOT = Path(__file__).resolve().parents[2]
NAME = "murakkab-jupyter"
INSTALLED = Path(sys.prefix) / "share" / "jupyter" / "labextensions" / NAME
BUILT = ROOT / "murakkab_jupyter" / "labextension"
TOKEN = "t0k"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
OURS = [".jp-murakkab", ".murakkab", "[data-murakkab]", "#murakkab-panel"]
THEMES = "@jupyterlab/apputils-extension:themes"


def asked_for() -> None:
    """Skip where these tests are to be left out."""
    if os.environ.get("MURAKKAB_BROWSER_TESTS") == "off":
        pytest.skip("browser tests are left out: MURAKKAB_BROWSER_TESTS=off")


def lacking(reason: str) -> None:
    """Skip, and say why; fail where these tests may not be left out (MURAKKAB_BROWSER_TESTS=required)."""
    if os.environ.get("MURAKKAB_BROWSER_TESTS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


def chromium() -> str | None:
    """The browser: MURAKKAB_CHROMIUM, else the distribution's."""
    return os.environ.get("MURAKKAB_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def extension() -> Path:
    """The extension of the wheel that is installed, else the one that has been built in this checkout."""
    found = next((path for path in (INSTALLED, BUILT) if (path / "package.json").is_file()), None)
    if found is None:
        lacking("The JupyterLab extension has not been built: python labextension/build.py")
    assert found is not None
    return found


# --- notebooks ------------------------------------------------------------------------------------------------


def code(source: str, outputs: list | None = None) -> dict:
    """A code cell."""
    return {
        "cell_type": "code",
        "source": source,
        "metadata": {},
        "outputs": outputs or [],
        "execution_count": None,
        "id": f"c{abs(hash(source)) % 10**8}",
    }


def shown(data: dict) -> dict:
    """An output that shows something."""
    return {"output_type": "display_data", "data": data, "metadata": {}}


# --- the server -----------------------------------------------------------------------------------------------


@dataclass
class Lab:
    """A JupyterLab server of its own, with settings, journal and profiles of its own."""

    url: str
    home: Path
    process: subprocess.Popen
    log: Path
    environment: dict[str, str]

    def write(self, name: str, *cells: dict) -> str:
        """Write a notebook that nobody trusts; returns its name."""
        spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = {
            "cells": list(cells),
            "metadata": {"kernelspec": spec, "language_info": {"name": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        (self.home / name).write_text(json.dumps(notebook))
        return name

    def trust(self, name: str) -> None:
        """Sign a notebook, as `jupyter trust` does for its owner."""
        sign = "from nbformat.sign import TrustNotebookApp; TrustNotebookApp.launch_instance()"
        command = [sys.executable, "-c", sign, str(self.home / name)]
        subprocess.run(command, env=self.environment, check=True, capture_output=True)

    def read(self, name: str) -> dict[str, Any]:
        """A notebook as it is saved."""
        found: dict[str, Any] = json.loads((self.home / name).read_text())
        return found

    def setting(self, plugin: str, value: dict) -> None:
        """Change a setting of the user's."""
        self.ask(f"lab/api/settings/{plugin}", "PUT", {"raw": json.dumps(value)})

    @contextlib.contextmanager
    def theme(self, name: str) -> Iterator[None]:
        """JupyterLab's Light or Dark theme, for pages opened meanwhile."""
        self.setting(THEMES, {"theme": f"JupyterLab {name}"})
        try:
            yield
        finally:
            self.setting(THEMES, {})

    def ask(self, path: str, method: str = "GET", data: dict | None = None) -> Any:
        """What the server's own interface answers."""
        request = urllib.request.Request(
            f"{self.url}/{path}",
            data=None if data is None else json.dumps(data).encode(),
            method=method,
            headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def forget_runs(self) -> None:
        """Let go of what runs have kept, once no kernel is left: a test that runs once more makes all of it again."""
        journal = Path(self.environment["MURAKKAB_JOURNAL"])
        for file in journal.parent.glob(f"{journal.name}*"):
            if file.is_dir():
                shutil.rmtree(file, ignore_errors=True)
            else:
                file.unlink(missing_ok=True)

    def end_kernels(self) -> None:
        """Shut down every kernel, so that what is shown afterwards is what was saved."""
        for session in self.ask("api/sessions"):
            with contextlib.suppress(urllib.error.HTTPError):  # it has just ended by itself
                self.ask(f"api/sessions/{session['id']}", "DELETE")


def without_extension(folder: Path) -> Path:
    """An environment like this one, but for the extension; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    (packages / "all-of-the-other.pth").write_text("\n".join(lines) + "\n")
    shared = Path(sys.prefix) / "share" / "jupyter"
    own = folder / "share" / "jupyter"
    (own / "labextensions").mkdir(parents=True)
    for one in [*shared.iterdir(), *(shared / "labextensions").iterdir()]:
        if one.name not in {"labextensions", NAME}:
            (own / one.relative_to(shared)).symlink_to(one)
    if (Path(sys.prefix) / "etc").is_dir():
        (folder / "etc").symlink_to(Path(sys.prefix) / "etc")
    return folder / "bin" / "python"


@contextlib.contextmanager
def serve(folder: Path, *, python: str | Path = sys.executable, data: Path | None = None) -> Iterator[Lab]:
    """A server in a folder; `data` is one more place of Jupyter's data."""
    home = folder / "home"
    home.mkdir(parents=True)
    environment = {
        **os.environ,
        **{f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")},
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "MURAKKAB_JOURNAL": str(folder / "journal.sqlite"),
        "MURAKKAB_PROFILES": str(folder / "profiles.sqlite"),
    }
    if data is not None:
        environment["JUPYTER_PATH"] = str(data)
    server = started(str(python), home, environment)
    try:
        while not answers(server):  # somebody has taken its port meanwhile
            server = started(str(python), home, environment)
        # Every cell stays in the page, so that the tests can count them.
        server.setting("@jupyterlab/notebook-extension:tracker", {"windowingMode": "none"})
        server.setting("@jupyterlab/apputils-extension:notification", {"fetchNews": "false"})
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGTERM)
        try:
            server.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait(10)


def started(python: str, home: Path, environment: dict[str, str]) -> Lab:
    """A server that has been started at a free port, and may not answer yet."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    log = home.with_name("server.log")
    command = [python, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url="]
    with log.open("w") as stream, as_on_two_cores():
        process = subprocess.Popen(
            command,
            cwd=home,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=stream,
            start_new_session=True,
        )
    return Lab(f"http://127.0.0.1:{port}", home, process, log, environment)


def answers(server: Lab) -> bool:
    """Wait until it answers; False where its port was taken before it came to it."""
    end = time.monotonic() + 90
    while True:
        try:
            server.ask("api/status")
        except OSError:
            if server.process.poll() is not None and "is already in use" in server.log.read_text():
                return False
            assert server.process.poll() is None, server.log.read_text()
            assert time.monotonic() < end, server.log.read_text()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(0.2)
        else:
            return True


# --- the page -------------------------------------------------------------------------------------------------


@dataclass
class Desk:
    """One browser page on one notebook."""

    lab: Lab
    page: Any
    said: list[str] = field(default_factory=list)
    """Errors of the page, and dialogs that a script opened."""
    elsewhere: list[str] = field(default_factory=list)
    """What the page asked of anybody but its own server: behind a proxy that would not be reached."""
    name: str = ""

    def open(self, name: str, *, kernel: bool = True) -> None:
        """Open a notebook; without `kernel`, none is started for it."""
        page = self.page
        self.name = name
        page.goto(f"{self.lab.url}/lab/tree/{name}?token={TOKEN}&reset", wait_until="domcontentloaded")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=90_000)
        if kernel:
            self.idle()

    def idle(self) -> None:
        """Until this notebook's kernel waits for us, by the server's word and by the page's."""
        end = time.monotonic() + 90
        while not any(
            one["path"] == self.name and (one["kernel"] or {}).get("execution_state") == "idle"
            for one in self.lab.ask("api/sessions")
        ):
            assert time.monotonic() < end, self.lab.ask("api/sessions")
            self.page.wait_for_timeout(100)
        # The status bar, for a narrow window hides the indicator of the toolbar.
        self.page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=60_000)

    def turn_to(self, name: str) -> None:
        """Bring another notebook to the front, opened by the list of files if need be; its kernel waits for us then."""
        tab = self.page.locator("#jp-main-dock-panel .lm-TabBar-tab", has_text=name)
        if tab.count():
            tab.first.click()
        else:
            self.page.locator(".jp-DirListing-item", has_text=name).dblclick()
            tab.first.wait_for()
        self.name = name
        self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell").first.wait_for()
        self.idle()

    def cell(self, index: int):
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell").nth(index)

    def output(self, index: int):
        return self.cell(index).locator(".jp-OutputArea").first

    def select(self, index: int) -> None:
        self.cell(index).locator(".cm-content").click()

    def run(self, index: int, *, wait: bool = True) -> None:
        """Run a cell, and wait until it has ended."""
        self.select(index)
        self.page.keyboard.press("Control+Enter")
        if wait:
            self.ended(index)

    def ended(self, index: int, timeout_s: float = 150) -> None:
        """Until a cell has ended."""
        self.page.wait_for_function(
            "i => { const c = [...document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell')][i];"
            " return /\\[\\d+\\]/.test(c?.querySelector('.jp-InputPrompt')?.textContent ?? '') }",
            arg=index,
            timeout=timeout_s * 1000,
        )

    def menu(self, menu: str, item: str) -> None:
        """Choose from the main menu."""
        self.page.locator(f"#jp-MainMenu .lm-MenuBar-item:has-text('{menu}')").first.click()
        self.page.locator("li.lm-Menu-item", has_text=item).first.click()

    def save(self) -> None:
        """Save the notebook, and wait until it is on disk."""
        self.select(0)
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("Control+S")
        self.page.locator("#jp-main-statusbar, .jp-mod-current.jp-mod-dirty").first.wait_for()
        self.page.wait_for_function(
            "() => !document.querySelector('.lm-TabBar-tab.jp-mod-dirty, .jp-mod-dirty')"
        )

    def command(self, label: str) -> None:
        """By the palette, as a person does it: again where a page that is still being set up takes the palette away."""
        from playwright.sync_api import TimeoutError as LateError

        page = self.page
        box = page.locator(".lm-CommandPalette-input")
        item = page.locator(".lm-CommandPalette-item", has_text=label).first
        for _ in range(12):
            if not box.is_visible():
                page.keyboard.press("Control+Shift+C")
            with contextlib.suppress(LateError):
                box.fill(label, timeout=3_000)
                # Not a click: the list is drawn anew while one types, so that nothing in it stands still.
                item.dispatch_event("click", timeout=3_000)
                return
        pytest.fail(f"The palette offers no {label!r}.")

    def stop(self) -> None:
        """The stop button of the notebook."""
        self.page.locator(
            ".jp-NotebookPanel:not(.lm-mod-hidden) [data-jp-item-name='interrupt'] :is(button, jp-button)"
        ).first.click()

    def restart(self) -> None:
        """Restart the kernel, as a person does it."""
        self.command("Restart Kernel…")
        self.page.locator(".jp-Dialog button", has_text="Restart").click()

    def panel(self):
        """The side panel, opened."""
        found = self.page.locator("#murakkab-panel")
        if not found.is_visible():
            self.page.locator(".jp-SideBar .lm-TabBar-tab[data-id=murakkab-panel]").click()
            found.wait_for(state="visible")
        return found

    def status(self, words: str) -> None:
        """Until the panel says this of its connection."""
        self.page.locator(".jp-murakkab-status", has_text=words).wait_for(timeout=60_000)


def sit_down(lab: Lab, browser: Any, width: int = 1280, height: int = 1000) -> tuple[Desk, Any]:
    """A page of its own, and its context to close; what a script does unasked is noted."""
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.set_default_timeout(90_000)
    one = Desk(lab, page)

    def dialog(found: Any) -> None:
        if found.type == "beforeunload":  # JupyterLab's own, of a notebook that is not saved
            found.accept()
        else:
            one.said.append(f"dialog: {found.message}")
            found.dismiss()

    def asked(request: Any) -> None:
        if not request.url.startswith((lab.url, lab.url.replace("http", "ws"), "data:", "blob:")):
            one.elsewhere.append(request.url)

    page.on("request", asked)
    page.on("websocket", asked)
    page.on("pageerror", lambda error: one.said.append(str(error)))
    page.on("dialog", dialog)
    return one, context


def serious(page: Any) -> list:
    """What axe-core finds serious or critical in our elements, as far as they are in the page."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        lacking("axe is not installed: pip install axe-playwright-python")
    here = [where for where in OURS if page.locator(where).count()]
    assert here
    found = Axe().run(page, context={"include": [[where] for where in here]}).response
    return [
        (one["id"], node["html"][:160], node["failureSummary"][:300])
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]
