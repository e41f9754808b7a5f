"""A reading: energy with its method and its boundary, over some seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from murakkab_jupyter.core.figure import Figure

__all__ = ["Boundary", "Reading"]

Boundary = Literal["node", "package", "gpu"]
"""What a joule was counted around: the whole host, its CPU packages, or its GPUs. Never added or compared across."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one meter read between `start` and `stop`.

    Attributes
    ----------
    energy_j
        Energy (J) with its method: `counter`, `estimate`, or `none` with the reason in its note.
    boundary
        What the energy was counted around.
    seconds
        Wall time between start and stop (s).
    cpu_s
        CPU time of this process and its children in that time (s), None where nobody counted it.
    hosts
        Names and addresses of the host that was read; a reading says nothing about other hosts.
    beside
        Readings of other boundaries over the same time.
    """

    energy_j: Figure
    boundary: Boundary
    seconds: float
    cpu_s: float | None = None
    hosts: tuple[str, ...] = ()
    beside: tuple[Reading, ...] = ()

    def by_boundary(self) -> dict[Boundary, Reading]:
        """The reading itself and those beside it, each under its boundary."""
        return {one.boundary: one for one in (self, *self.beside)}
