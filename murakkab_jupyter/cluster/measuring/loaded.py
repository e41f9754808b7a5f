"""One agent, loaded to be measured, and which agents can be."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cloudpickle

from murakkab_jupyter.agents.agent import AgentSpec, Inputs
from murakkab_jupyter.agents.library import Library
from murakkab_jupyter.agents.weights.resolver import state
from murakkab_jupyter.cluster.instances.process import InstanceProcess, LostError
from murakkab_jupyter.cluster.instances.wire import Load, Loaded, Returned
from murakkab_jupyter.core.errors import AgentError
from murakkab_jupyter.core.events import Usage
from murakkab_jupyter.planner.modes import lacking

__all__ = ["CAPABILITIES", "NEEDS", "Instance", "able", "reason_against"]

NEEDS: Mapping[str, tuple[str, ...]] = {
    "scene-detection": (),
    "frame-extraction": ("scene-detection",),
    "speech-to-text": ("scene-detection",),
    "object-detection": ("frame-extraction",),
    "ocr": ("frame-extraction",),
    "summarisation": ("speech-to-text", "object-detection"),
    "text-generation": ("speech-to-text", "object-detection"),
    "embedding": ("summarisation",),
    "retrieval": ("summarisation",),
    "question-answering": ("summarisation",),
    "chunking": ("summarisation",),
    "classification": ("summarisation",),
    "extraction": ("summarisation",),
    "translation": ("summarisation",),
}
"""For each capability, those that make its inputs."""

CAPABILITIES = tuple(NEEDS)
"""Capabilities for which inputs are known, in an order in which each comes after what it needs."""


class Instance:
    """One agent, loaded in a process of its own; raises `AgentError` when it does not load."""

    def __init__(self, library: Library, spec: AgentSpec, options: Mapping[str, Any], cores: int) -> None:
        self.spec = spec
        self.folder = tempfile.TemporaryDirectory(prefix="murakkab-measure-")
        self.process = InstanceProcess(spec.name, cores=cores, gpus=(), log=Path(self.folder.name) / "log")
        try:
            capability = library.capability(spec.capability)
            order = Load(
                spec.name, cloudpickle.dumps(spec), dict(options), cores, capability.output, capability.opens
            )
            loaded = self.process.load(order, lambda _: None)
            if not isinstance(loaded, Loaded):
                raise AgentError(loaded.error)
        except LostError as error:
            self.close()
            msg = f"{spec.name} does not load: {error.args[0]}"
            raise AgentError(msg) from error
        except BaseException:
            self.close()
            raise
        self.loaded = loaded

    def call(self, batch: Sequence[Inputs]) -> tuple[list[Any], Usage]:
        """The values of a batch, and what it used."""
        try:
            answer = self.process.call(cloudpickle.dumps(tuple(batch)), lambda _: None)
        except LostError as error:
            msg = f"{self.spec.name} died while it was measured: {error.args[0]}"
            raise AgentError(msg) from error
        if not isinstance(answer, Returned):
            msg = f"{self.spec.name} failed while it was measured: {answer.error}"
            raise AgentError(msg)
        return list(cloudpickle.loads(answer.values)), answer.usage

    def close(self) -> None:
        """End the process."""
        self.process.close()
        self.folder.cleanup()

    def __enter__(self) -> Instance:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def able(library: Library, capability: str) -> list[AgentSpec]:
    """Agents of a capability that can be measured here: neither served elsewhere nor lacking anything."""
    return [
        spec
        for spec in library.agents(capability)
        if not spec.fixture and not reason_against(spec, library) and isinstance(spec.factory, str)
    ]


def reason_against(spec: AgentSpec, library: Library) -> str | None:
    """Why an agent cannot be measured here; None where it can."""
    if spec.remote:
        return "its work is done by a server: runs observe it"
    if spec.needs.gpus:
        return "it needs a GPU: runs on one observe it"
    if spec.capability not in NEEDS:
        return f"no sample inputs are known for {spec.capability}: runs observe it"
    missing = lacking(spec, library)
    if missing:
        return f"it lacks {'; '.join(missing)}"
    absent = [name for name in spec.needs.weights if not (state(name).here or state(name).where == "index")]
    return f"weights are not here: {', '.join(absent)}" if absent else None
