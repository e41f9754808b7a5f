"""Whether attached servers still answer: one cheap question to each, all at once, before a plan counts on them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from murakkab_jupyter.agents.served.calls import models_in
from murakkab_jupyter.agents.served.endpoint import Endpoint
from murakkab_jupyter.cluster.engines.ask import NO_LIST, Server, some_of
from murakkab_jupyter.core.errors import AgentError

__all__ = ["ailment", "ailments"]

HEALTH_S = 4.0
"""How long a server may take to list its models, before plans do without it: some services have hundreds."""
AT_ONCE = 16


def ailments(endpoints: Sequence[Endpoint]) -> list[str]:
    """Of each endpoint, as `ailment` says; together they take no longer than the slowest of them."""
    if not endpoints:
        return []
    with ThreadPoolExecutor(min(AT_ONCE, len(endpoints)), thread_name_prefix="murakkab-health") as pool:
        return list(pool.map(ailment, endpoints))


def ailment(endpoint: Endpoint) -> str:
    """Why nothing should be planned with a server now, in a sentence; empty where it is well.

    A server that is only busy (429), or lists no models at all, is well.
    """
    try:
        endpoint.check_key()
    except AgentError as error:
        return error.message
    answer = Server(endpoint.url, endpoint.key()).ask(f"{endpoint.url}/models", timeout_s=HEALTH_S)
    if answer.status in (401, 403):
        return f"{endpoint.url} wants a key, or another one ({answer.problem}). {endpoint.key_advice}"
    if answer.status in (*NO_LIST, 429):
        return ""
    if answer.problem:
        return f"{endpoint.url} {answer.problem}."
    listed = models_in(answer.body)
    if listed is None:
        return f"{endpoint.url} does not answer as a server of the OpenAI API does any more."
    names = {str(one["id"]) for one in listed}
    lost = [one for one in (endpoint.model, endpoint.vectors_model) if one and one not in names]
    if not lost:
        return ""
    return f"{endpoint.url} serves {lost[0]} no more; now it has {some_of(sorted(names))}."
