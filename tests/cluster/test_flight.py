"""What is told of a batch that Dask or the network failed."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from murakkab_jupyter.cluster.flight import Flight, Landed, Orders
from murakkab_jupyter.runtime.messages import InstanceId

ERROR = RuntimeError("GET http://me:pa55@host/v1?api_key=abc123 failed")


def orders() -> tuple[Any, list[Landed]]:
    """Orders without a cluster, and what they report."""
    made: Any = object.__new__(Orders)
    landed: list[Landed] = []
    made._over, made.report, made._noted = False, landed.append, set()
    made.cluster = SimpleNamespace(paused=frozenset())
    return made, landed


def flight() -> Flight:
    batch: Any = SimpleNamespace(step="a", task=1, instance=InstanceId("a", 0, "tcp://east"))
    step: Any = None
    return Flight(batch, step, ())


def check(landed: list[Landed]) -> None:
    (one,) = landed
    assert one.reply is not None
    assert one.reply.ending == "gone"
    assert one.reply.error.startswith("RuntimeError: GET http://")
    assert "host/v1" in one.reply.error
    assert "pa55" not in one.reply.error
    assert "abc123" not in one.reply.error


def test_a_batch_that_cannot_be_sent_tells_no_key() -> None:
    made, landed = orders()

    def go(_: Flight) -> None:
        raise ERROR

    made._go = go
    made._launch(flight())
    check(landed)


def test_a_batch_that_does_not_come_back_tells_no_key() -> None:
    made, landed = orders()

    async def gather(*_: Any, **__: Any) -> None:
        raise ERROR

    made.client = SimpleNamespace(gather=gather)
    asyncio.run(made._follow(flight(), {}))
    check(landed)
