"""What is found out about servers that run already. They are stand-ins, over real HTTP."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
from types import SimpleNamespace

import pytest

from murakkab_jupyter.agents.language.chat import Request
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.agents.served.openai import OpenAIChat
from murakkab_jupyter.cluster.engines.ask import TRIES, Answer, Server, probe_server, put_together
from murakkab_jupyter.cluster.engines.health import ailment
from murakkab_jupyter.core.errors import AgentError, ClusterError
from tests.agents.served.fake_openai import FakeServer, Handler, answers, error, fake_server, whole
from tests.cluster.engines.parts import KEY, serving


def test_a_server_is_known_by_its_models_limits_metrics_and_a_real_answer() -> None:
    with serving() as server:
        found = probe_server(server.url)
        assert found.endpoint.model == "stand-in"
        assert found.endpoint.context_tokens == 2048
        assert (found.endpoint.kind, found.version, found.metrics, found.busy) == (
            "vllm",
            "0.0.0+standin",
            True,
            0,
        )
        assert server.wrote > 0  # it was made to answer


@pytest.mark.parametrize("sees", [True, False])
def test_whether_a_model_sees_is_found_out_by_what_a_picture_costs(sees) -> None:
    with fake_server() as fake:
        fake.sees, fake.embeds = sees, False
        abilities = probe_server(fake.url).endpoint.abilities
    assert abilities == ({"chat", "images"} if sees else {"chat"})


def test_one_model_that_chats_and_makes_vectors_offers_both() -> None:
    with fake_server() as fake:
        endpoint = probe_server(fake.url).endpoint
    assert endpoint.abilities == {"chat", "embeddings"}
    assert endpoint.for_vectors == endpoint


def test_of_two_models_of_which_one_makes_vectors_both_are_offered_and_no_other_pair_is_guessed_at() -> None:
    with fake_server() as fake:
        fake.models, fake.only_vectors = [{"id": "bge"}, {"id": "llama"}], {"bge"}
        endpoint = probe_server(fake.url).endpoint
        assert (endpoint.model, endpoint.vectors_model) == ("llama", "bge")
        assert endpoint.abilities == {"chat", "embeddings"}
        assert (endpoint.for_vectors.model, endpoint.for_vectors.vectors_model) == ("bge", "")
        # One that is named is the one that is meant.
        assert probe_server(fake.url, model="llama").endpoint.vectors_model == ""
        fake.embeds = False  # the other does neither
        with pytest.raises(ClusterError, match="serves 2 models, so one has to be named"):
            probe_server(fake.url)
        fake.embeds, fake.only_vectors = True, {"bge", "llama"}  # none chats
        with pytest.raises(ClusterError, match="serves 2 models, so one has to be named"):
            probe_server(fake.url)


@pytest.mark.parametrize("names", [("llama", "qwen3:8b"), ("nomic-embed-text", "multilingual-e5-large")])
def test_of_two_models_whose_names_do_not_tell_them_apart_none_is_asked_before_one_has_to_be_named(
    names,
) -> None:
    with fake_server() as fake:
        fake.models = [{"id": name} for name in names]
        with pytest.raises(ClusterError, match="serves 2 models, so one has to be named"):
            probe_server(fake.url)
        assert not fake.asked


@pytest.mark.parametrize("data", [[], [{}], [{"embedding": []}], "x", [None]])
def test_what_is_no_vector_is_no_sign_of_vectors(data) -> None:
    with fake_server() as fake:
        fake.sees = True
        chat = answers(200, {"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 1}})
        fake.script = [chat, chat, answers(200, {"data": data})]
        assert probe_server(fake.url).endpoint.abilities == {"chat"}


def test_metrics_are_read_by_name() -> None:
    with serving() as server:
        Server(server.url).complete("stand-in")
        counters = Server(server.url).metrics()
        assert counters["vllm:generation_tokens_total"] == server.wrote == 5


def test_a_server_that_answers_every_path_with_a_web_page_has_no_metrics() -> None:
    page = b"<html>\nconst e=5\nHello -\nversion 1.2.3\n</html>"
    with fake_server() as fake:
        fake.models_step = lambda handler, _: handler.answer(
            200, {"data": fake.models} if handler.path == "/v1/models" else page
        )
        assert probe_server(fake.url).metrics is False


def test_what_is_no_model_server_is_said() -> None:
    with (
        serving("web") as server,
        pytest.raises(ClusterError, match="not as a server of the OpenAI API does"),
    ):
        probe_server(server.url)


def test_nobody_there_is_said() -> None:
    with serving() as server:
        url = server.url
    with pytest.raises(ClusterError, match="cannot be reached"):
        probe_server(url)


def test_a_server_that_lists_a_model_but_cannot_answer_is_refused() -> None:
    with (
        serving("sick") as server,
        pytest.raises(ClusterError, match="lists stand-in, but answers 500") as caught,
    ):
        probe_server(server.url)
    assert "no sign that it can answer" in str(caught.value)


def test_a_redirect_is_not_followed_and_says_where_it_leads() -> None:
    with fake_server() as fake:
        fake.models_step = answers(301, {}, Location="https://elsewhere.example/v1/models")
        with pytest.raises(ClusterError, match=r"a redirect to https://elsewhere\.example/v1") as caught:
            probe_server(fake.url, key=KEY, key_env="MINE")
    assert "give the final address" in str(caught.value)


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """How long was waited between tries, without the waiting."""
    made: list[float] = []
    clock = SimpleNamespace(sleep=made.append, monotonic=time.monotonic)
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.ask.time", clock)
    return made


def test_one_that_takes_no_more_requests_now_says_to_wait(waits) -> None:
    with fake_server() as fake:
        fake.script = [error(429, "rate limit reached")] * TRIES
        with pytest.raises(ClusterError, match="answers 429: rate limit reached") as caught:
            probe_server(fake.url)
    assert "wait" in str(caught.value)
    assert waits == [0.5, 1.0, 2.0]


def test_an_account_without_money_is_not_asked_again(waits) -> None:
    with fake_server() as fake:
        fake.script = [error(429, "You exceeded your current quota")]
        with pytest.raises(ClusterError, match="exceeded your current quota"):
            probe_server(fake.url)
    assert not waits


def hangs_up(handler: Handler, _: object) -> None:
    handler.close_connection = True


def test_what_passes_is_asked_again_by_whoever_attaches_and_once_by_whoever_only_looks(waits) -> None:
    with fake_server() as fake:
        fake.script = [
            error(429, "slow down", Retry_After="1"),
            error(503, "loading", Retry_After="3600"),
            hangs_up,
        ]
        assert probe_server(fake.url).endpoint.model == "fake-model"
        assert waits == [1.0, 5.0, 2.0]
        fake.script = [hangs_up]
        assert "cannot be reached" in Server(fake.url).chat("fake-model", "Hi").problem
        assert len(waits) == 3


def test_what_else_a_server_may_say_is_asked_for_once_whatever_it_answers(waits) -> None:
    with fake_server() as fake:
        away = answers(503, {"error": "no such path"}, Retry_After="30")
        fake.script = [answers(200, whole("x")), away, away]  # no picture, no vector
        fake.models_step = lambda handler, body: (
            handler.answer(200, {"data": fake.models})
            if handler.path == "/v1/models"
            else away(handler, body)
        )
        assert probe_server(fake.url).endpoint.abilities == {"chat"}
        assert len(fake.asked) == 3
    assert not waits


def test_all_tries_together_have_one_time(monkeypatch) -> None:
    now_s = [0.0]
    clock = SimpleNamespace(
        sleep=lambda wait_s: now_s.append(now_s[-1] + wait_s), monotonic=lambda: now_s[-1]
    )
    monkeypatch.setattr("murakkab_jupyter.cluster.engines.ask.time", clock)
    given: list[float] = []

    def slow(server: Server, url: str, body: object, timeout_s: float) -> Answer:
        given.append(timeout_s)
        now_s.append(now_s[-1] + 60.0)
        return Answer(504, problem="answers 504: gateway timeout", passing=True)

    monkeypatch.setattr(Server, "_within", slow)
    server = Server("http://127.0.0.1:9/v1", patient=True)
    assert server.chat("m", "Hi").status == 504
    assert given == [120.0, 59.5]
    # Nor is a try begun that has no time to be answered.
    assert server.ask(f"{server.url}/models", timeout_s=64.0).status == 504
    assert given[2:] == [64.0]


def streams_only(fake: FakeServer) -> None:
    """From now on it refuses calls for a whole answer."""

    class StreamsOnly(fake.RequestHandlerClass):
        def answer(self, status: int, body: object, **headers: str) -> None:
            if status == 200 and isinstance(body, dict) and "choices" in body:
                status, body = 400, {"error": {"message": "This model only supports the stream mode."}}
            super().answer(status, body, **headers)

    fake.RequestHandlerClass = StreamsOnly


def test_one_that_answers_in_a_stream_only_is_attached(waits) -> None:
    with fake_server() as fake:
        streams_only(fake)
        found = probe_server(fake.url)
    assert found.endpoint.abilities == {"chat", "embeddings"}
    assert fake.asked[-2]["stream"] is True


def test_the_pieces_of_a_stream_are_one_answer_or_its_error() -> None:
    pieces = ['{"choices": [{"delta": {"content": "a"}}]}', '{"choices": [{"delta": {"content": "b"}}]}']
    made = put_together([*pieces, '{"choices": [], "usage": {"prompt_tokens": 7}}', "[DONE]", "7"])
    assert made == {"choices": [{"message": {"content": "ab"}}], "usage": {"prompt_tokens": 7}}
    assert put_together([*pieces, '{"error": {"message": "out of memory"}}']) == {
        "error": {"message": "out of memory"}
    }
    assert put_together(["[DONE]"])["choices"] == []


def test_a_model_without_a_chat_template_is_told_how_to_get_one() -> None:
    said = "default chat template is no longer allowed, so you must provide a chat template"
    with fake_server() as fake:
        fake.embeds, fake.script = False, [error(400, said)]
        with pytest.raises(ClusterError, match="must provide a chat template") as caught:
            probe_server(fake.url)
    assert "--chat-template FILE" in str(caught.value)


def test_one_without_a_model_says_so() -> None:
    with fake_server() as fake:
        fake.models = []
        with pytest.raises(ClusterError, match="serves no model"):
            probe_server(fake.url)


@pytest.mark.parametrize("key", ["sk-one\nX-Two: 2", "sk-\u20ac", "sk-\x1b[31m"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(monkeypatch, key) -> None:
    monkeypatch.setenv("MINE", key)
    with fake_server() as fake:
        endpoint = Endpoint(fake.url, "fake-model", key_env="MINE")
        for ask in (
            lambda: probe_server(fake.url, key=key, key_env="MINE"),  # typed in
            lambda: probe_server(fake.url, key_env="MINE"),
            lambda: OpenAIChat(endpoint),
        ):
            with pytest.raises(AgentError, match="no header of a request can carry") as caught:
                ask()
            assert "sk-" not in f"{caught.value} {caught.value.__context__}"
        assert ailment(endpoint).startswith("The key holds")
        assert not fake.keys


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
def test_a_certificate_of_an_authority_of_ones_own_is_trusted_by_ssl_cert_file(
    monkeypatch, tmp_path, waits
) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    more = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*made, *more], check=True, capture_output=True)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(cert, key)
    with fake_server() as fake:
        fake.socket = served.wrap_socket(fake.socket, server_side=True)
        url = f"https://localhost:{fake.server_address[1]}/v1"
        with pytest.raises(ClusterError, match="CERTIFICATE_VERIFY_FAILED") as caught:
            probe_server(url)
        assert "SSL_CERT_FILE" in str(caught.value)
        chat = OpenAIChat(Endpoint(url, "fake-model"), sleep=never_again)
        with pytest.raises(AgentError, match="CERTIFICATE_VERIFY_FAILED") as caught:
            chat.probe()
        chat.close()
        assert "SSL_CERT_FILE" in str(caught.value)
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        assert probe_server(url).endpoint.model == "fake-model"
        chat = OpenAIChat(Endpoint(url, "fake-model"))
        request = Request(lead=(), frame=("Say ", ""), parts=("this",), max_tokens=9)
        assert chat.complete([request])[0].text == "heard: Say this"
        chat.close()


async def never_again(seconds: float) -> None:
    pytest.fail("what cannot pass was tried again")


def test_a_key_is_not_sent_in_the_clear_by_whoever_probes() -> None:
    with pytest.raises(AgentError, match="plain http"):
        probe_server("http://gpu-host.invalid:8000/v1", key=KEY, key_env="MINE")


def test_a_model_that_is_not_there_is_said_with_those_that_are() -> None:
    with serving() as server, pytest.raises(ClusterError, match="has no model 'other'") as caught:
        probe_server(server.url, model="other")
    assert "It has stand-in" in str(caught.value)


@pytest.mark.parametrize("key", ["", KEY])
def test_a_wrong_or_missing_key_is_said_and_not_shown(monkeypatch, key) -> None:
    monkeypatch.setenv("STANDIN_KEY", "another")
    with (
        serving("keyed") as server,
        pytest.raises(ClusterError, match="wants a key, or another one") as caught,
    ):
        probe_server(server.url, key=key)
    assert "--key-env" in str(caught.value)
    assert KEY not in str(caught.value)
    assert KEY not in repr(Server("http://h/v1", KEY))


@pytest.mark.parametrize("before", [270, 290, 375, 399])
def test_no_part_of_a_key_that_a_server_repeats_is_shown(before) -> None:
    said = "x" * before + " " + KEY
    for step in (error(400, said), answers(200, {"error": {"message": said}}), answers(500, said.encode())):
        with fake_server() as fake:
            fake.script = [step] * 3
            with pytest.raises(ClusterError) as caught:
                probe_server(fake.url, key=KEY)
        assert "xxx" in str(caught.value)
        assert not any(KEY[:n] in str(caught.value) for n in range(6, len(KEY) + 1))


def test_the_right_key_opens(monkeypatch) -> None:
    monkeypatch.setenv("STANDIN_KEY", KEY)
    with serving("keyed") as server:
        assert probe_server(server.url, key=KEY, key_env="MINE").endpoint.key_env == "MINE"


# --- servers that do it in their own way --------------------------------------------------------------------------


def test_a_list_of_models_may_stand_alone() -> None:
    with fake_server() as fake:
        fake.models_step = lambda handler, _: handler.answer(
            200 if handler.path == "/v1/models" else 404, fake.models
        )
        assert probe_server(fake.url).endpoint.model == "fake-model"


def test_a_server_without_a_list_is_attached_by_the_models_name() -> None:
    with fake_server() as fake:
        fake.models_step = error(404, "not found")
        with pytest.raises(ClusterError, match="answers 404") as caught:
            probe_server(fake.url)
        assert "--model NAME" in str(caught.value)
        assert probe_server(fake.url, model="mine").endpoint.model == "mine"


def test_an_encoder_without_chat_or_a_list_is_found_out() -> None:
    with fake_server() as fake:
        fake.models_step = error(404, "not found")
        fake.script = [error(404, "not found")]
        assert probe_server(fake.url, model="bge").endpoint.abilities == {"embeddings"}


def test_of_hundreds_of_models_those_of_a_like_name_are_said() -> None:
    with fake_server() as fake:
        fake.models = [{"id": f"model-{n}"} for n in range(300)] + [{"id": "meta-llama/Llama-3.3-70B"}]
        with pytest.raises(ClusterError, match="has no model") as caught:
            probe_server(fake.url, model="Llama-3.3-70B")
        assert "It has meta-llama/Llama-3.3-70B, " in str(caught.value)
        assert "and 281 more" in str(caught.value)


def test_a_page_in_place_of_an_error_is_said_by_its_title() -> None:
    page = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>nginx</body></html>"
    with fake_server() as fake:
        fake.models_step = lambda handler, _: handler.answer(404, page)
        with pytest.raises(ClusterError) as caught:
            probe_server(fake.url)
    assert "a web page (404 Not Found)" in str(caught.value)
    assert "<html>" not in str(caught.value)


def test_what_is_wrong_may_be_said_with_status_200() -> None:
    with fake_server() as fake:
        fake.script = [answers(200, {"error": {"message": "model is not loaded"}})]
        with pytest.raises(ClusterError, match="lists fake-model, but answers model is not loaded"):
            probe_server(fake.url)


def newest(handler, body) -> None:
    """As the newest models of api.openai.com: they take no `max_tokens`, and more than one token to think."""
    if "max_tokens" in body:
        message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    elif "temperature" in body:
        message = "Unsupported value: 'temperature' does not support 0 with this model."
    elif body["max_completion_tokens"] < 16:
        message = "Could not finish the message because max_tokens or model output limit was reached."
    else:
        read = 9 if isinstance(body["messages"][0]["content"], str) else 94
        choices = [{"message": {"content": "", "reasoning_content": "hm"}, "finish_reason": "length"}]
        return handler.answer(200, {"choices": choices, "usage": {"prompt_tokens": read}})
    return handler.answer(400, {"error": {"message": message}})


def test_a_model_that_thinks_before_it_writes_is_attached_and_seen_to_see() -> None:
    with fake_server() as fake:
        fake.script, fake.embeds = [newest] * 4, False
        assert probe_server(fake.url).endpoint.abilities == {"chat", "images"}
        assert len(fake.asked) == 5  # what it takes is found out once; and whether it makes vectors


def test_it_does_not_call_itself_by_a_name_that_services_turn_away() -> None:
    with fake_server() as fake:
        names = []
        fake.models_step = lambda handler, _: (
            names.append(handler.headers["User-Agent"]),
            handler.answer(200, {"data": fake.models}),
        )
        probe_server(fake.url)
        assert set(names) == {"murakkab-jupyter"}
