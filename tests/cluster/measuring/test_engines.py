"""Measuring a server: here a fake that takes its time, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.cluster.measuring.engines import Workload, levels, measure_engine
from murakkab_jupyter.core.errors import AgentError, ProfileError
from murakkab_jupyter.notebook.views.curve import curve_view
from murakkab_jupyter.profiles.engine import EngineCurve
from tests.agents.served.fake_openai import FakeServer, answers, error, fake_server

SHORT = Workload(words=8, tokens=4, rounds=2, least=4)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server() as fake:
        yield fake


def test_a_server_that_works_on_several_at_once_is_faster_with_more_in_flight(server):
    server.hold_s = 0.3  # much more than a call takes of this machine, however busy
    told = []
    found = measure_engine(
        Endpoint(server.url, "fake-model"), host="here", at=[1, 4], workload=SHORT, progress=told.append
    )
    one, four = found.points
    assert four.tokens_per_s > 2 * one.tokens_per_s
    assert one.ttft_s >= 0.3
    assert one.request_s >= one.ttft_s
    assert (found.name, found.host, found.output_tokens) == (f"{server.url} fake-model", "here", 5.0)
    assert one.j_per_token is None
    assert [(one.done, one.total) for one in told] == [(0, 2), (1, 2), (2, 2)]


def test_no_two_requests_are_alike(server):
    measure_engine(Endpoint(server.url, "fake-model"), host="here", at=[2], workload=SHORT)
    asked = [body["messages"][-1]["content"] for body in server.asked]
    assert len(set(asked)) == len(asked) == 5


def test_levels_end_where_more_in_flight_bring_nothing(server):
    server.most_at_once(1)
    server.hold_s = 0.02
    found = measure_engine(Endpoint(server.url, "fake-model"), host="here", most=64, workload=SHORT)
    assert found.range[1] < 64


def test_levels_may_be_measured_in_any_order(server):
    found = measure_engine(Endpoint(server.url, "fake-model"), host="here", at=[2, 1], workload=SHORT)
    assert [one.in_flight for one in found.points] == [1, 2]


def test_a_server_that_can_be_told_so_writes_answers_of_one_length(server):
    server.models = [{"id": "fake-model", "owned_by": "vllm"}]
    measure_engine(Endpoint(server.url, "fake-model"), host="here", at=[1], workload=SHORT)
    assert server.asked[-1]["ignore_eos"]
    assert server.asked[-1]["min_tokens"] == 4


def test_a_server_that_fails_requests_has_no_curve(server):
    server.script = [answers(400, {"error": {"message": "no"}})]
    with pytest.raises(ProfileError, match="1 of 1 requests failed"):
        measure_engine(Endpoint(server.url, "fake-model"), host="here", at=[1], workload=SHORT)


def test_a_context_too_small_for_the_workload_is_told(server):
    said = "This model's maximum context length is 16 tokens. However, your prompt contains 90 input tokens."
    server.script = [error(400, said)]
    with pytest.raises(ProfileError, match="does not fit into the model's context"):
        measure_engine(Endpoint(server.url, "fake-model"), host="here", at=[1], workload=SHORT)


def test_a_model_that_spends_its_tokens_on_thinking_is_measured_by_its_thoughts(server):
    thought = {"choices": [{"delta": {"reasoning_content": "hm"}, "finish_reason": None}]}
    last = {"choices": [{"delta": {}, "finish_reason": "length"}]}
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    server.script = [lambda handler, _: handler.stream(*[thought] * 4, last, usage, "[DONE]")] * 9
    found = measure_engine(Endpoint(server.url, "fake-model"), host="here", at=[1], workload=SHORT)
    assert found.points[0].tokens_per_s > 0
    assert found.output_tokens == 4


def test_a_server_that_turns_requests_away_is_not_planned_with_so_many(server):
    server.hold_s = 0.3  # they meet, however busy the machine is
    server.turn_away_above(2)
    found = measure_engine(Endpoint(server.url, "fake-model"), host="here", most=8, workload=SHORT)
    assert ([one.in_flight for one in found.points], found.refused_at) == ([1, 2], 4)
    assert EngineCurve.from_json(found.to_json()) == found
    assert "With 4 in flight the server turned requests away" in curve_view(found).text


def test_nobody_there_is_told_with_what_to_check():
    with pytest.raises(AgentError, match="cannot be reached") as caught:
        measure_engine(Endpoint("http://127.0.0.1:9/v1", ""), host="here", workload=SHORT)
    assert "Check that the server runs" in str(caught.value)


def test_a_wrong_key_is_told_before_anything_is_measured(server):
    server.models_step = error(401, "who are you")
    with pytest.raises(AgentError, match="401"):
        measure_engine(Endpoint(server.url, "fake-model"), host="here", workload=SHORT)


def test_the_levels():
    assert levels(1) == [1]
    assert levels(8) == [1, 2, 4, 8]
    assert levels(12) == [1, 2, 4, 8, 12]
