"""A moment's refusal: it ends by itself, early where there is no reason any more, and once."""

from __future__ import annotations

import asyncio

from w2z.bridge.waits import Waits

NEVER = 3600.0


async def test_a_session_is_refused_for_a_moment_and_then_retries_once():
    retried: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()
    waits = Waits(lambda session_id: retried.put_nowait((session_id, waits.refuses("a", 0))))
    assert waits.refuses("a", 0)
    assert waits.refuses("a", 0)
    # What is retried is not refused again.
    assert await retried.get() == ("a", False)
    assert not waits
    assert retried.empty()


async def test_sessions_wait_each_for_themselves():
    retried: list[str] = []
    waits = Waits(retried.append)
    assert waits.refuses("a", NEVER)
    assert waits.refuses("b", NEVER)
    waits.end()
    assert retried == ["a", "b"]
    assert not waits


async def test_another_reason_begins_another_moment():
    retried: asyncio.Queue[str] = asyncio.Queue()
    waits = Waits(retried.put_nowait)
    assert waits.refuses("a", NEVER)
    assert waits.refuses("a", 0)
    assert await retried.get() == "a"


async def test_nobody_retries_after_the_close():
    retried: list[str] = []
    waits = Waits(retried.append)
    waits.refuses("a", 0)
    waits.close()
    await asyncio.sleep(0)
    assert retried == []
