"""The handshake: what must be alike on both sides before anything is sent."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from typing import Any

import cloudpickle

from murakkab_jupyter.cluster.probe import Probe
from murakkab_jupyter.core.errors import ClusterError
from murakkab_jupyter.core.version import VERSION

__all__ = ["check_probe", "missing_package", "series", "unfit"]


def series(version: str, parts: int = 2) -> str:
    """`3.11` of `3.11.7`: functions packed by one series of Python do not run in another."""
    return ".".join(re.findall(r"\d+", version)[:parts])


def unfit(found: Mapping[str, Any]) -> dict[str, ClusterError]:
    """The workers that do not fit by what Dask itself reports of them, before any code of ours goes there, each with why.

    `found` is `Client.get_versions()`.
    """
    made: dict[str, ClusterError] = {}
    for address, facts in found.get("workers", {}).items():
        if facts is None:  # it went away while it was asked
            continue
        try:
            check_python(address, str(facts.get("host", {}).get("python", "")))
            check_cloudpickle(address, str(facts.get("packages", {}).get("cloudpickle") or ""))
        except ClusterError as error:
            made[address] = error
    return made


def check_probe(found: Probe) -> None:
    """Check what a worker says of itself; raises `ClusterError` naming it, with both versions or what it lacks."""
    check_python(found.address, found.python)
    check_cloudpickle(found.address, found.cloudpickle)
    if found.murakkab != VERSION:
        msg = f"Worker {found.address} has murakkab-jupyter {found.murakkab}, and here it is {VERSION}."
        raise ClusterError(
            msg,
            hint=f"Install the same on both: pip install murakkab-jupyter=={VERSION}",
        )
    if found.cores < 1:
        # The scheduler would hold every call back for ever.
        msg = f"Worker {found.address} declares less than one core as the resource `cores`."
        raise ClusterError(
            msg, hint="Start it with --resources cores=N, N being its cores, or without --resources."
        )


def check_python(address: str, version: str) -> None:
    here = platform.python_version()
    if version and series(version) != series(here):
        msg = f"Worker {address} runs Python {series(version)}, and here it is {series(here)}."
        raise ClusterError(
            msg, hint=f"Functions cannot travel between them: start the worker with Python {series(here)}."
        )


def check_cloudpickle(address: str, version: str) -> None:
    here = str(cloudpickle.__version__)
    if version and series(version, 1) != series(here, 1):
        msg = f"Worker {address} has cloudpickle {version}, and here it is {here}."
        raise ClusterError(msg, hint=f"Install the same on both: pip install cloudpickle=={here}")


def missing_package(address: str, error: BaseException) -> ClusterError:
    """The error for a worker that cannot import this package, or has one without what is asked for."""
    msg = f"Worker {address} has no usable murakkab-jupyter: {error}."
    return ClusterError(
        msg,
        hint=f"Install it in the worker's environment: pip install murakkab-jupyter=={VERSION}",
    )
