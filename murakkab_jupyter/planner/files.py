"""Which files each item of a step reads: those of the inputs that it, or what was cut out of them, refers to.

Scenes and frames are references into a file, so whoever works on them reads the whole of it. What steps make (texts, boxes,
vectors) goes with the calls, and is not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from murakkab_jupyter.core.ancestry import Ancestry
from murakkab_jupyter.core.figure import Figure
from murakkab_jupyter.core.hosts import ClusterView, Share
from murakkab_jupyter.core.media import Media, find_media
from murakkab_jupyter.core.transfer import PRIOR_NETWORK, Transfer
from murakkab_jupyter.workflow.model import Workflow

__all__ = [
    "BYTES_PER_MB",
    "Files",
    "Haul",
    "files_to_bring",
    "haul_of",
    "made_note",
    "pace_of",
    "transfer_note",
]

CARRIERS = frozenset({"video", "audio", "image", "document", "scene", "frame"})
"""Kinds of value that refer to a file, so that it must be where they are read."""

BYTES_PER_MB = 1e6


def pace_of(cluster: ClusterView) -> Figure:
    """How fast files come to hosts of a cluster that do not see them (MB/s): as stated or measured, else a guess."""
    return cluster.network if cluster.network.value else PRIOR_NETWORK


class Files:
    """The files of a run's inputs.

    Parameters
    ----------
    workflow
        What is run.
    roots
        For each variable, its values in order (one for a scalar).
    """

    def __init__(self, workflow: Workflow, roots: Mapping[str, Sequence[Any]]) -> None:
        self._scalars = {one.name for one in workflow.variables if not one.level}
        self._media: dict[str, list[tuple[Media, ...]]] = {}
        for variable in workflow.variables:
            values = list(roots.get(variable.name, ()))[: 1 if not variable.level else None]
            some = [tuple(dict.fromkeys(find_media(value))) for value in values]
            if any(some):
                self._media[variable.name] = some
        self._whole = {
            name: tuple(dict.fromkeys(one for some in each for one in some))
            for name, each in self._media.items()
        }
        self._reads: dict[str, tuple[str, ...]] = {}
        kinds = {step.name: step.kind for step in workflow.steps}
        for step in workflow.steps:
            found: list[str] = []
            for one in step.inputs:
                if one.source in self._media:
                    found.append(one.source)
                elif kinds.get(one.source) in CARRIERS:
                    found += self._reads[one.source]
            self._reads[step.name] = tuple(dict.fromkeys(found))

    def __bool__(self) -> bool:
        return any(self._reads.values())

    @property
    def steps(self) -> tuple[str, ...]:
        """All steps, in the workflow's order."""
        return tuple(self._reads)

    def reads(self, step: str) -> tuple[str, ...]:
        """Variables whose files a step reads."""
        return self._reads[step]

    def of(self, step: str, ancestry: Ancestry) -> Iterable[Media]:
        """The files that one item of a step reads."""
        for name in self._reads[step]:
            if name in self._scalars or not ancestry or ancestry[0][0] != name:
                yield from self._whole[name]  # all of them, where it gathers
            else:
                yield from self._media[name][ancestry[0][1]]

    def all_of(self, step: str) -> tuple[Media, ...]:
        """Every file that a step reads, once."""
        return tuple({one.sha256: one for name in self._reads[step] for one in self._whole[name]}.values())

    def least(self, step: str) -> int:
        """Bytes that any item of a step must have at least before it can start."""
        return max(
            (
                min((sum(one.size_bytes for one in some) for some in self._media[name]), default=0)
                for name in self._reads[step]
            ),
            default=0,
        )


@dataclass(frozen=True, slots=True)
class Haul:
    """What it takes to bring the files of a step to one host, over a link that nothing else uses.

    Attributes
    ----------
    first_s
        No item has its files sooner (s).
    all_s
        All of them (s).
    files
        How many there are.
    """

    first_s: float
    all_s: float
    files: int


def files_to_bring(
    workflow: Workflow, roots: Mapping[str, Sequence[Any]], cluster: ClusterView
) -> Files | None:
    """The files of a workflow, if some host does not see them."""
    if all(worker.sees_files for worker in cluster.workers):
        return None
    return Files(workflow, roots)


def haul_of(files: Files | None, cluster: ClusterView) -> dict[str, Haul]:
    """For each step that reads files, what it takes to bring them."""
    if files is None:
        return {}
    rate = (pace_of(cluster).value or 1.0) * BYTES_PER_MB
    found: dict[str, Haul] = {}
    for step in files.steps:
        some = files.all_of(step)
        if some:
            whole = sum(one.size_bytes for one in some)
            found[step] = Haul(files.least(step) / rate, whole / rate, len(some))
    return found


def transfer_note(
    transfer: Transfer | None, cluster: ClusterView, share: Share | None = None
) -> tuple[str, ...]:
    """What is brought to other hosts (of a share, where one is reserved), how fast, and what is not counted."""
    if transfer is None:
        return ()
    kept = Share.of(share)
    blind = list(
        dict.fromkeys(
            worker.host for worker in cluster.workers if not worker.sees_files and kept.covers(worker.host)
        )
    )
    where = ", ".join(blind) if len(blind) <= 3 else f"{len(blind)} hosts"
    do = "does" if len(blind) == 1 else "do"
    pace = pace_of(cluster)
    band = "" if pace.low in (None, pace.value) else f", {pace.low:g} to {pace.high:g}"
    return (
        f"Files are brought to {where}, which {do} not see them, each once to a host: {transfer.words} at "
        f"{pace.value:.3g} MB/s ({pace.source}{band}).",
    )


def made_note(workflow: Workflow, cluster: ClusterView, share: Share | None = None) -> tuple[str, ...]:
    """That what one step makes may have to go to another's host, where several hosts are reserved: nobody knows how large it is."""
    kept, steps = Share.of(share), {step.name for step in workflow.steps}
    hosts = {worker.host for worker in cluster.workers if kept.covers(worker.host)}
    read = dict.fromkeys(one.source for step in workflow.steps for one in step.inputs if one.source in steps)
    if len(hosts) < 2 or not read:
        return ()
    return (
        f"What comes of {', '.join(read)} goes to whichever of {len(hosts)} hosts reads it, with the calls: how large it is "
        "is unknown, and it is not counted.",
    )
