"""What is looked at before an engine is started: its program, model and adapters, and its port."""

from __future__ import annotations

import re
import shutil
import socket
from pathlib import Path

from murakkab_jupyter.cluster.engines.config import EngineConfig, argv
from murakkab_jupyter.core.errors import ClusterError

__all__ = ["check_program", "free_port", "port_is_free"]


def check_program(config: EngineConfig, python: str) -> None:
    """Whether what is to be started is here; raises `ClusterError`."""
    program = argv(config, port=1, python=python)[0]
    if shutil.which(program) is None:
        what = "The program" if config.command else "The Python interpreter"
        msg = f"{what} {program} is not on host {socket.gethostname()}, or may not be run."
        raise ClusterError(msg, hint="Name one that is there: --vllm-python PATH, or --command 'PROGRAM …'.")
    if re.match(r"[/~.]", config.model) and not Path(config.model).expanduser().exists():
        msg = f"There is no model at {config.model} on host {socket.gethostname()}."
        raise ClusterError(
            msg, hint="Give the folder with its weights as that host sees it, or a model's name."
        )
    for name, path in config.lora:
        if re.match(r"[/~.]", path) and not Path(path).expanduser().exists():
            msg = f"There is no adapter {name} at {path} on host {socket.gethostname()}."
            raise ClusterError(msg, hint="Give --lora NAME=PATH as that host sees it.")


def free_port(host: str) -> int:
    """A port that nobody listens on now; raises `ClusterError` where nothing can listen on this host."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        try:
            trial.bind((host, 0))
        except OSError as error:
            msg = f"Nothing can listen on {host} here: {error.strerror}."
            raise ClusterError(msg, hint="Give an address of the worker's host: --host ADDRESS.") from error
        return int(trial.getsockname()[1])


def port_is_free(host: str, port: int) -> bool:
    """Whether nobody listens on a port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        # As servers do: a port whose last connections are still fading is free.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError:
            return False
    return True
