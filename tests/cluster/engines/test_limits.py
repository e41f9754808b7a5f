"""What servers say of their limits. Bodies as their documentation and a real vLLM show them."""

from __future__ import annotations

import pytest

from murakkab_jupyter.cluster.engines.ask import probe_server
from murakkab_jupyter.cluster.engines.limits import cache_tokens, limits_of
from tests.agents.served.fake_openai import fake_server

METRICS = (
    'vllm:cache_config_info{block_size="128",cache_dtype="auto",engine="0",num_gpu_blocks="364"} 1.0\n'
    'vllm:num_requests_running{engine="0",model_name="m"} 0.0\n'
)


def limits(bodies: dict[str, object], listed: dict[str, object] | None = None, page: str = ""):
    return limits_of(bodies.get, listed or {}, page)


def test_llama_cpp_tells_its_slots_and_the_context_of_each() -> None:
    found = limits({"/props": {"total_slots": 4, "default_generation_settings": {"n_ctx": 8192}}})
    assert (found.max_in_flight, found.context_tokens) == (4, 8192)
    assert "4 requests at once, as its /props says" in found.notes[0]


def test_sglang_and_tgi_tell_theirs() -> None:
    found = limits({"/get_server_info": {"max_running_requests": 48, "context_length": 4096}})
    assert (found.max_in_flight, found.context_tokens) == (48, 4096)
    found = limits({"/info": {"max_concurrent_requests": 128, "max_total_tokens": 2048}})
    assert (found.max_in_flight, found.context_tokens) == (128, 2048)


def test_vllm_tells_its_cache_and_in_development_mode_its_limit() -> None:
    listed = {"owned_by": "vllm", "max_model_len": 2048}
    found = limits({}, listed, METRICS)
    assert (found.max_in_flight, found.context_tokens) == (None, 2048)
    assert "does not say how many" in found.notes[0]
    assert "46592 tokens: 22 requests of full length" in found.notes[1]
    told = {"vllm_config": {"scheduler_config": {"max_num_seqs": 8}}}
    assert limits({"/server_info?config_format=json": told}, listed, METRICS).max_in_flight == 8


def test_two_engines_have_two_caches() -> None:
    assert cache_tokens(METRICS + METRICS) == 2 * 46592


@pytest.mark.parametrize(
    "body",
    [None, [], {"total_slots": 0}, {"total_slots": True}, {"total_slots": "4"}, {"total_slots": 10**12}],
)
def test_nonsense_is_no_limit(body) -> None:
    found = limits({"/props": body})
    assert (found.max_in_flight, found.context_tokens) == (None, None)
    assert "murakkab profile engine {name}" in found.notes[0]


def test_a_server_is_asked_for_them_when_it_is_attached() -> None:
    with fake_server() as fake:
        fake.pages["/props"] = {"total_slots": 2}
        assert probe_server(fake.url).endpoint.max_in_flight == 2
