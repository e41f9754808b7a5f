"""A real JupyterLab with the built extension, and a real browser; nothing is built here."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import pytest

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


def extension() -> Path | None:
    """The extension of the wheel that is installed, else the one that has been built in this checkout."""
    return next((path for path in (INSTALLED, BUILT) if (path / "package.json").is_file()), None)


def chromium() -> str | None:
    return os.environ.get("MURAKKAB_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def code(source: str, outputs: list | None = None) -> dict:
    return {
        "cell_type": "code",
        "source": source,
        "metadata": {},
        "outputs": outputs or [],
        "execution_count": None,
        "id": f"c{abs(hash(source)) % 10**8}",
    }


def shown(data: dict) -> dict:
    return {"output_type": "display_data", "data": data, "metadata": {}}


@dataclass
class Lab:
    """A JupyterLab server of its own."""

    url: str
    home: Path
    process: subprocess.Popen
    log: Path

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

    def setting(self, plugin: str, value: dict) -> None:
        """Change a setting of the user's."""
        request = urllib.request.Request(
            f"{self.url}/lab/api/settings/{plugin}",
            data=json.dumps({"raw": json.dumps(value)}).encode(),
            method="PUT",
            headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=10).close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    found = extension()
    if found is None:
        pytest.skip("The JupyterLab extension has not been built: python labextension/build.py")
    pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")
    home = tmp_path_factory.mktemp("lab")
    places = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    environment = {
        **os.environ,
        **{f"JUPYTER_{name}": str(tmp_path_factory.mktemp(name.lower())) for name in places},
        "IPYTHONDIR": str(tmp_path_factory.mktemp("ipython")),
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path_factory.mktemp("settings")),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path_factory.mktemp("workspaces")),
        "MURAKKAB_JOURNAL": str(home / "journal.sqlite"),
        "MURAKKAB_PROFILES": str(home / "profiles.sqlite"),
    }
    if found == BUILT:
        data = tmp_path_factory.mktemp("data")
        shutil.copytree(BUILT, data / "labextensions" / NAME)
        environment["JUPYTER_PATH"] = str(data)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    log = home / "server.log"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url="]
    with log.open("w") as stream:
        process = subprocess.Popen(
            command,
            cwd=home,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            start_new_session=True,
        )
    server = Lab(f"http://127.0.0.1:{port}", home, process, log)
    try:
        wait_for(server)
        # Every cell stays in the page, so that the tests can count them.
        server.setting("@jupyterlab/notebook-extension:tracker", {"windowingMode": "none"})
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def wait_for(server: Lab) -> None:
    """Until it answers."""
    import time

    end = time.monotonic() + 90
    while True:
        try:
            urllib.request.urlopen(f"{server.url}/api/status?token={TOKEN}", timeout=2).close()
        except OSError:
            assert server.process.poll() is None, server.log.read_text()
            assert time.monotonic() < end, server.log.read_text()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(0.2)
        else:
            return


@pytest.fixture(scope="session")
def browser():
    where = chromium()
    if where is None:
        pytest.skip("There is no chromium: install it, or set MURAKKAB_CHROMIUM to its path")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as play:
        one = play.chromium.launch(executable_path=where, headless=True, args=FLAGS)
        yield one
        one.close()


@dataclass
class Desk:
    """One browser page on one notebook."""

    lab: Lab
    page: object
    said: list[str] = field(default_factory=list)
    name: str = ""

    def open(self, name: str) -> None:
        page = self.page
        self.name = name
        page.goto(f"{self.lab.url}/lab/tree/{name}?token={TOKEN}&reset", wait_until="domcontentloaded")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=90_000)
        self.idle()

    def idle(self) -> None:
        """Until this notebook's kernel waits for us, by the server's word and by the page's."""
        self.page.wait_for_function(
            "async ([url, name]) => (await (await fetch(url)).json())"
            ".some(one => one.path === name && one.kernel?.execution_state === 'idle')",
            arg=[f"{self.lab.url}/api/sessions?token={TOKEN}", self.name],
            timeout=90_000,
        )
        # The status bar, for a narrow window hides the indicator of the toolbar.
        self.page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=60_000)

    def cell(self, index: int):
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell").nth(index)

    def select(self, index: int) -> None:
        self.cell(index).locator(".cm-content").click()

    def run(self, index: int, *, wait: bool = True) -> None:
        self.select(index)
        self.page.keyboard.press("Control+Enter")
        if wait:
            self.page.wait_for_function(
                "i => { const c = [...document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell')][i];"
                " return /\\[\\d+\\]/.test(c.querySelector('.jp-InputPrompt')?.textContent ?? '') }",
                arg=index,
                timeout=120_000,
            )

    def command(self, label: str) -> None:
        """By the palette, as a person does it."""
        page = self.page
        page.keyboard.press("Control+Shift+C")
        box = page.locator(".lm-CommandPalette-input")
        box.fill(label)
        page.locator(".lm-CommandPalette-item", has_text=label).first.click()

    def panel(self):
        """The side panel, opened."""
        found = self.page.locator("#murakkab-panel")
        if not found.is_visible():
            self.page.locator(".jp-SideBar .lm-TabBar-tab[data-id=murakkab-panel]").click()
            found.wait_for(state="visible")
        return found

    def status(self, words: str) -> None:
        self.page.locator(".jp-murakkab-status", has_text=words).wait_for(timeout=60_000)


@pytest.fixture
def desk(lab, browser):
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(30_000)
    one = Desk(lab, page)
    page.on("pageerror", lambda error: one.said.append(str(error)))
    yield one
    context.close()
