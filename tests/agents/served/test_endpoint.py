"""What is known of a served model, as data."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.core.errors import AgentError


def test_the_url_ends_before_the_path_of_a_call():
    assert Endpoint("http://localhost:8000/v1/chat/completions", "m").url == "http://localhost:8000/v1"
    assert Endpoint("http://localhost:8000/v1/", "m").root == "http://localhost:8000"


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://host/v1", "http://", "http://host:0/v1", "http://host:x/v1"]
)
def test_what_is_no_base_url_is_refused(url):
    with pytest.raises(AgentError, match="starts with http"):
        Endpoint(url, "m")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("HTTPS://API.Example.org/V1", "https://api.example.org/V1"),
        ("http://0.0.0.0:8000/v1", "http://127.0.0.1:8000/v1"),
        ("http://[::]:8000/v1", "http://[::1]:8000/v1"),
        ("http://10.0.0.0:8000", "http://10.0.0.0:8000"),
    ],
)
def test_one_server_has_one_address(given, meant):
    assert Endpoint(given, "m").url == meant


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.2", True), ("[::1]", True), ("localhost", True), ("10.0.0.1", False), ("gpu", False)],
)
def test_what_is_on_this_host(host, here):
    assert Endpoint(f"http://{host}:8000/v1", "m").loopback is here


@pytest.mark.parametrize("url", ["http://me:sk-secret@host/v1", "http://host/v1?key=sk-secret"])
def test_a_secret_in_the_url_is_refused_and_not_repeated(url):
    with pytest.raises(AgentError) as caught:
        Endpoint(url, "m")
    assert "sk-secret" not in str(caught.value)


def test_the_key_itself_is_no_name_of_a_variable():
    with pytest.raises(AgentError) as caught:
        Endpoint("http://host/v1", "m", key_env="sk-secret-1")
    assert "sk-secret-1" not in str(caught.value)


@pytest.mark.parametrize("limit", [0, -1, 1.5, True])
def test_a_limit_is_a_whole_number(limit):
    with pytest.raises(AgentError, match="max_in_flight"):
        Endpoint("http://host/v1", "m", max_in_flight=limit)


def test_a_key_that_could_be_a_name_is_refused_and_not_repeated(monkeypatch):
    for key in ("hf_AbCdEfGhIj0123456789", "gsk_abcdefghij0123456789", "c0ffee1234567890abcdef12"):
        with pytest.raises(AgentError, match="looks like a key") as caught:
            Endpoint("http://host/v1", "m", key_env=key)
        assert key not in str(caught.value)
        assert caught.value.hint
        monkeypatch.setenv(key, "x")  # then it is a name after all
        assert Endpoint("http://host/v1", "m", key_env=key).key() == "x"


def test_the_variable_of_a_typed_key_is_a_name_in_every_process():
    own = Endpoint("https://a1b2c3d4e5f6g7h8.example.org/v1", "m")
    assert Endpoint(own.url, "m", key_env=own.typed_key).key() == ""


def test_the_key_is_read_when_it_is_needed_and_travels_nowhere(monkeypatch):
    endpoint = Endpoint("http://host/v1", "m", key_env="THEIR_KEY")
    monkeypatch.setenv("THEIR_KEY", "sk-secret-2")
    assert endpoint.key() == "sk-secret-2"
    assert b"sk-secret-2" not in pickle.dumps(endpoint)
    assert "sk-secret-2" not in repr(endpoint)


def test_no_key_goes_where_it_was_not_named(monkeypatch):
    monkeypatch.setenv("MURAKKAB_API_KEY", "sk-secret-4")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-3")
    assert Endpoint("http://localhost:8000/v1", "m").key() == ""
    assert Endpoint("https://elsewhere.example/v1", "m").key() == ""
    assert Endpoint("https://elsewhere.example/v1", "m", "MURAKKAB_API_KEY").key() == "sk-secret-4"


def test_a_typed_key_is_of_one_server_alone(monkeypatch):
    urls = [
        "https://a-b.example/v1", "https://a.b.example/v1", "http://a-b.example/v1", "https://a-b.example:8443/v1",
    ]  # fmt: skip
    names = [Endpoint(url, "m").typed_key for url in urls]
    assert len(set(names)) == len(urls)
    monkeypatch.setenv(names[0], "sk-secret-5")
    assert [Endpoint(url, "m").key() for url in urls] == ["sk-secret-5", "", "", ""]
    assert Endpoint("https://A-B.example/v1/", "another").key() == "sk-secret-5"


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("http://gpu-host:8000/v1", True),
        ("https://gpu-host/v1", False),
        ("http://localhost:8000/v1", False),
        ("http://[::1]:8000/v1", False),
        ("http://127.0.0.1.evil.example/v1", True),
    ],
)
def test_a_key_goes_over_plain_http_to_this_very_host_only(monkeypatch, url, refused):
    monkeypatch.setenv("THEIR_KEY", "sk-secret-6")
    endpoint = Endpoint(url, "m", "THEIR_KEY")
    if refused:
        with pytest.raises(AgentError, match="plain http") as caught:
            endpoint.check_key()
        assert "sk-secret-6" not in str(caught.value)
        replace(endpoint, key_over_http=True).check_key()
        monkeypatch.delenv("THEIR_KEY")
    endpoint.check_key()


def test_the_key_of_openai_goes_to_openai_alone(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-3")
    assert Endpoint("https://api.openai.com/v1", "m").key() == "sk-secret-3"
    assert Endpoint("https://elsewhere.example/v1", "m").key() == ""


def test_a_name_for_its_agents():
    assert Endpoint("http://host:8000/v1", "Qwen/Qwen3-8B").slug() == "qwen3-8b"
    assert Endpoint("http://host:8000/v1", "").slug() == "host-8000"


def test_an_address_without_its_scheme_is_completed_in_the_hint():
    with pytest.raises(AgentError) as caught:
        Endpoint("localhost:8000/v1", "m")
    assert "Did you mean http://localhost:8000/v1?" in str(caught.value)
    with pytest.raises(AgentError) as caught:
        Endpoint("sk-secret@host:8000", "m")
    assert "secret" not in str(caught.value)
