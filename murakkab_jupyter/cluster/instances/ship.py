"""Agents and user functions as bytes for another process, with a limit on their size.

Installed code travels by name. Code of the user's own (the notebook, a module beside it) travels whole, so
that a worker with another working directory can run it.
"""

from __future__ import annotations

import contextlib
import os
import site
import sys
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import cloudpickle

from murakkab_jupyter.agents.agent import AgentSpec
from murakkab_jupyter.core.errors import AgentError, UsageError

__all__ = ["FUNCTION_LIMIT_BYTES", "limit_bytes", "own_modules", "pack_agent"]

FUNCTION_LIMIT_BYTES = 10 * 1024 * 1024
_registry = threading.Lock()


def limit_bytes(variable: str, default: int) -> int:
    """A size limit from the environment, `500MB` or a number of bytes."""
    stated = os.environ.get(variable)
    if stated is None:
        return default
    from dask.utils import parse_bytes

    try:
        return int(parse_bytes(stated))
    except ValueError:
        msg = f"{variable}={stated!r} is no size."
        raise UsageError(msg, hint="Write it as 500MB or 2GiB.") from None


def pack_agent(spec: AgentSpec) -> bytes:
    """A spec as bytes; raises `AgentError` when it cannot be packed or is too large to send."""
    try:
        if isinstance(spec.factory, str):
            data = bytes(cloudpickle.dumps(spec))
        else:
            try:
                with by_value(own_modules()):
                    data = bytes(cloudpickle.dumps(spec))
            except Exception:  # noqa: BLE001 - a module may hold what cannot be packed: then it goes by name
                data = bytes(cloudpickle.dumps(spec))
    except Exception as error:
        msg = f"Agent {spec.name} cannot be sent to a worker: {type(error).__name__}: {error}"
        raise AgentError(
            msg, hint="Open files, locks and connections inside the function, not outside of it."
        ) from error
    most = limit_bytes("MURAKKAB_FUNCTION_LIMIT", FUNCTION_LIMIT_BYTES)
    if len(data) > most:
        msg = (
            f"Agent {spec.name} is {len(data) / 1e6:.1f} MB when packed, more than the {most / 1e6:.1f} MB "
            "that are sent to workers."
        )
        raise AgentError(
            msg,
            hint="Its function refers to something large: load that inside the function, from a file, "
            "or set MURAKKAB_FUNCTION_LIMIT.",
        )
    return data


def own_modules() -> list[ModuleType]:
    """Imported modules that are the user's own files: not installed, not Python's, not ours."""
    installed = [
        Path(path).resolve()
        for path in (
            *sysconfig.get_paths().values(),
            *site.getsitepackages(),
            site.getusersitepackages(),
            sys.prefix,
            sys.base_prefix,
        )
        if path and Path(path).resolve() != Path("/")
    ]
    # A user's folder may lie under one of these only by way of an environment kept beside the notebook.
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not file or name == "__main__" or name.split(".")[0] == "murakkab_jupyter":
            continue
        path = Path(file).resolve()
        if path.suffix == ".py" and not any(path.is_relative_to(place) for place in installed):
            found.append(module)
    return found


@contextlib.contextmanager
def by_value(modules: list[ModuleType]) -> Iterator[None]:
    """Have cloudpickle write these modules' functions and classes whole, for as long as it lasts."""
    with _registry:
        known = cloudpickle.list_registry_pickle_by_value()
        added = [module for module in modules if module.__name__ not in known]
        try:
            for module in added:
                cloudpickle.register_pickle_by_value(module)
            yield
        finally:
            for module in added:
                cloudpickle.unregister_pickle_by_value(module)
