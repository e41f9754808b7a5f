"""ONNX Runtime as the agents that see use it: as many threads as they were given cores, which do not wait busily."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from murakkab_jupyter.core.errors import AgentError

__all__ = ["session"]


def session(path: Path, cores: int) -> Any:
    """An `onnxruntime.InferenceSession` on `cores` cores of the processor; raises `AgentError` where it cannot be made."""
    try:
        import onnxruntime
    except ImportError as error:
        msg = f"ONNX Runtime cannot be loaded: {error}."
        raise AgentError(msg, hint="pip install onnxruntime") from error
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = cores
    settings.inter_op_num_threads = 1
    # Threads that wait busily would take the cores of others.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors have no class of their own
        msg = f"ONNX Runtime cannot read the network {path}: {str(error).splitlines()[0]}"
        raise AgentError(msg, hint="Remove its folder, so that the weights are fetched again.") from error
