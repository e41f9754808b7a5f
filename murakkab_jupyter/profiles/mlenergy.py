"""All of ML.ENERGY's served models, through its own package `mlenergy-data`, for those who have access.

A selection ships with this package (`published.json`). The whole table does not: its data repository states
no licence, and the Hub's copy asks for one's own access.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from murakkab_jupyter.core.errors import ProfileError
from murakkab_jupyter.profiles.served import ServedPoint, ServedProfile

__all__ = ["from_mlenergy", "grouped"]

SOURCE = "ML.ENERGY Benchmark v3.0 (arXiv 2505.06371)"

APART = 1.05
"""Points whose requests in flight differ by less than this factor are one operating point: the first is kept."""


def from_mlenergy(folder: str | Path | None = None) -> tuple[ServedProfile, ...]:
    """Read the benchmark's runs from a folder (a copy of the data set), or from the Hub when None.

    Raises
    ------
    ProfileError
        The package is not installed, or it cannot read the runs (no access, no network, another layout).
    """
    try:
        from mlenergy.data.records import LLMRuns
    except ImportError as error:
        msg = "The published profiles of ML.ENERGY need the package mlenergy-data, which is not installed."
        raise ProfileError(
            msg,
            hint="pip install mlenergy-data; then ask for access at huggingface.co/datasets/ml-energy/benchmark-v3 "
            "and set HF_TOKEN, or name a folder that has it: --import mlenergy:FOLDER.",
        ) from error
    try:
        runs: Iterable[Any] = list(
            LLMRuns.from_hf() if folder is None else LLMRuns.from_directory(Path(folder).expanduser())
        )
    except Exception as error:
        # Whatever its readers and the Hub raise means the same to the user: it cannot be read.
        msg = f"mlenergy-data cannot read the runs: {type(error).__name__}: {str(error)[:300]}"
        raise ProfileError(
            msg, hint="The data set asks for access: see https://ml.energy/data and set HF_TOKEN."
        ) from error
    found = grouped(runs)
    if not found:
        msg = "mlenergy-data knows no model with two operating points or more there."
        raise ProfileError(msg)
    return found


def grouped(runs: Iterable[Any]) -> tuple[ServedProfile, ...]:
    """Runs that differ only in load, as curves; a setting with a single point makes none."""
    by_setting: dict[tuple[Any, ...], list[Any]] = {}
    for run in runs:
        key = (
            run.model_id, run.task, run.gpu_model, run.num_gpus, run.weight_precision,
            run.tensor_parallel, run.expert_parallel, run.data_parallel,
        )  # fmt: skip
        by_setting.setdefault(key, []).append(run)
    made: list[ServedProfile] = []
    for key in sorted(by_setting, key=str):
        points: list[ServedPoint] = []
        for run in sorted(by_setting[key], key=load):
            if points and load(run) < points[-1].in_flight * APART:
                continue
            points.append(
                ServedPoint.from_json(
                    {
                        "in_flight": load(run),
                        "tokens_per_s": float(run.output_throughput_tokens_per_sec),
                        "j_per_token": float(run.energy_per_token_joules),
                        "itl_s": float(run.p50_itl_ms) / 1000,
                        "itl_p90_s": float(run.p90_itl_ms) / 1000,
                        "power_w": float(run.avg_power_watts),
                    }
                )
            )
        if len(points) < 2:
            continue
        model, task, gpu, gpus, precision, *parallel = key
        lengths = [float(run.avg_output_len) for run in by_setting[key] if run.avg_output_len]
        made.append(
            ServedProfile(
                model=model,
                task=task,
                gpu=gpu,
                gpus=int(gpus),
                source=f"{SOURCE}, {task}",
                points=tuple(points),
                precision=precision,
                parallel=" ".join(
                    f"{word}={n}"
                    for word, n in zip(("tensor", "expert", "data"), parallel, strict=True)
                    if n != 1
                ),
                engine="vLLM",
                output_tokens=math.fsum(lengths) / len(lengths) if lengths else None,
                params_b=billions(by_setting[key], "total_params_billions"),
                active_params_b=billions(by_setting[key], "activated_params_billions"),
            )
        )
    return tuple(made)


def billions(runs: Iterable[Any], of: str) -> float | None:
    """Billions of parameters of the model that some runs are of; None where they do not say."""
    return next((float(value) for run in runs if (value := getattr(run, of, None))), None)


def load(run: Any) -> float:
    """Requests in flight: the average where it was recorded, else the most allowed."""
    average = run.avg_batch_size
    return float(average if average is not None and average > 0 else run.max_num_seqs)
