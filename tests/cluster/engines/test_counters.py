"""Whether a page of metrics shows that a server is in use."""

from __future__ import annotations

import pytest

from murakkab_jupyter.cluster.engines.counters import Use, use_of


@pytest.mark.parametrize(
    ("counters", "use"),
    [
        ({"vllm:num_requests_running": 2, "vllm:num_requests_waiting": 1, "vllm:prompt_tokens_total": 9}, Use(3, 9)),
        ({"llamacpp:requests_processing": 1, "llamacpp:tokens_predicted_total": 5, "other": 7}, Use(1, 5)),
        ({"sglang:num_running_reqs": 0, "sglang:prompt_tokens_total": 4}, Use(0, 4)),
        ({"tgi_queue_size": 0, "tgi_batch_current_size": 0, "tgi_request_count": 4}, Use(0, 4)),
        ({"vllm:num_requests_running": 0}, None),  # a short request between two looks would be missed
        ({"tgi_request_count": 4}, None),  # a long one would be
        ({"http_requests_total": 4}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_use_is_seen_where_running_and_served_requests_are_counted(counters, use) -> None:
    assert use_of(counters) == use
