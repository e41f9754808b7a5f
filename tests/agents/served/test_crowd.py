"""How many requests are in flight where a server turns some away."""

from __future__ import annotations

import asyncio

from murakkab_jupyter.agents.served.crowd import PATIENCE, Crowd


def played(crowd: Crowd, requests: int, *, away: int = 0) -> int:
    """So many requests through a crowd, of which the first few are turned away; the most that were inside at once."""
    most = 0

    async def one(number: int) -> None:
        nonlocal most
        async with crowd:
            most = max(most, crowd.inside)
            if number < away:
                crowd.fewer()
            await asyncio.sleep(0)

    async def all_of_them() -> None:
        await asyncio.gather(*(one(number) for number in range(requests)))

    asyncio.run(all_of_them())
    assert crowd.inside == 0
    return most


def test_as_many_are_in_flight_as_planned():
    assert played(Crowd(3), 20) == 3


def test_each_that_is_turned_away_was_one_too_many_and_none_is_lost():
    crowd = Crowd(8)
    played(crowd, 8, away=5)
    assert crowd.limit == 3
    assert played(crowd, 8) == 3


def test_there_is_always_one():
    crowd = Crowd(2)
    played(crowd, 6, away=6)
    assert crowd.limit == 1


def test_after_a_while_one_more_is_tried_until_all_are_in_flight_again():
    crowd = Crowd(4)
    played(crowd, 4, away=3)
    limits = []
    for _ in range(PATIENCE * (1 + 2 + 3)):
        played(crowd, 1)
        limits.append(crowd.limit)
    assert limits == sorted(limits)
    assert limits[-1] == 4


def test_who_gives_up_while_it_waits_takes_no_place():
    async def play() -> int:
        crowd = Crowd(1)
        inside = asyncio.Event()
        done = asyncio.Event()

        async def first() -> None:
            async with crowd:
                inside.set()
                await done.wait()

        async def other() -> None:
            async with crowd:
                pass

        holder = asyncio.create_task(first())
        await inside.wait()
        waiter = asyncio.create_task(other())
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        done.set()
        await holder
        await other()
        return crowd.inside

    assert asyncio.run(play()) == 0
