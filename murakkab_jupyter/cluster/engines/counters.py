"""Whether a model server is in use, by the counters that its `/metrics` shows. Each kind names them in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Use", "use_of"]

NOW = (
    "vllm:num_requests_running", "vllm:num_requests_waiting",
    "llamacpp:requests_processing", "llamacpp:requests_deferred",
    "sglang:num_running_reqs", "sglang:num_queue_reqs",
    "tgi_batch_current_size", "tgi_queue_size",
)  # fmt: skip
"""Gauges of requests that are worked on, or wait."""

SO_FAR = (
    "vllm:prompt_tokens_total", "vllm:generation_tokens_total",
    "llamacpp:prompt_tokens_total", "llamacpp:tokens_predicted_total",
    "sglang:prompt_tokens_total", "sglang:generation_tokens_total",
    "tgi_request_count",
)  # fmt: skip
"""Counters that grow with every request; what begins and ends between two looks shows here alone."""


@dataclass(frozen=True, slots=True)
class Use:
    """Requests that a server has in hand now, and a sum that grows with every request it has served."""

    now: float
    so_far: float


def use_of(counters: Mapping[str, float]) -> Use | None:
    """The use of a server whose counters these are; None where it cannot be seen: it needs a gauge and a counter."""
    now = [counters[name] for name in NOW if name in counters]
    so_far = [counters[name] for name in SO_FAR if name in counters]
    return Use(sum(now), sum(so_far)) if now and so_far else None
