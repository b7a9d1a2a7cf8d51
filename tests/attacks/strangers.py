"""Attacks of whoever reaches the port: no right token is presented, but where it says so."""

from __future__ import annotations

import asyncio
import contextlib
import time

from tests.attacks.peers import ENDED, SECONDS, crowd, pour, stop_reading
from tests.attacks.target import AUTH, MIB, Attacks, Target, counted
from tests.support.raw_http import RawHttp

STRANGERS = Attacks("stranger")

LIVEZ = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /api/kernels HTTP/1.1\r\nHost: localhost\r\n"


async def answers(http: RawHttp, *, most: int = 100) -> str:
    """Return the statuses of the answers that come, and whether the connection ends then."""
    found: list[str] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            while len(found) < most:
                try:
                    found.append(str((await http.answer()).status))
                except ENDED:
                    return " ".join([*found, "closed"])
    return " ".join([*found, "kept"])


async def said(target: Target, *pieces: bytes) -> str:
    """Say something on a connection of its own; return what is answered."""
    async with target.http() as http:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                await http.send(piece)
        return await answers(http)


async def a_client_gets_in(target: Target) -> str:
    """Return how a request with the token is answered now, and how soon."""
    began = time.monotonic()
    async with asyncio.timeout(5), target.http() as http:
        status = (await http.ask("GET /api/kernels", AUTH)).status
    assert status == 200, status
    return f"a client gets in after {(time.monotonic() - began) * 1000:.0f} ms"


@STRANGERS.add("200 bodies of 1 MiB without a token, and chunks without end")
async def huge_bodies(target: Target) -> str:
    body = b"x" * (MIB - 1)
    sized = POST + b"Content-Length: %d\r\n\r\n" % MIB + body
    chunks = POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"x" * 65536 + b"\r\n"
    endless = POST + b"Content-Length: 999999999999\r\n\r\n"
    found = []
    for sent in (sized, chunks, endless):
        async with asyncio.TaskGroup() as tasks:
            asked = [
                tasks.create_task(said(target, sent)) for _ in range(200 if sent is sized else 50)
            ]
        found += [task.result() for task in asked]
    return counted(found)


@STRANGERS.add("300 heads, a byte every 50 ms (slow loris)")
async def slow_heads(target: Target) -> str:
    async with crowd(target, 300) as found, asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(_drip(http)) for http in found]
        during = await a_client_gets_in(target)
    return f"{counted(task.result() for task in asked)}; {during}"


async def _drip(http: RawHttp) -> str:
    began = time.monotonic()
    head = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1000
    try:
        for at in range(len(head)):
            await http.send(head[at : at + 1])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    status = (await http.answer()).status
                    return f"{status} after {time.monotonic() - began:.0f} s"
    except ENDED:
        pass
    return f"cut after {time.monotonic() - began:.0f} s"


@STRANGERS.add("700 idle connections, each asked /livez once")
async def all_places(target: Target) -> str:
    async with crowd(target, 700) as found:
        kept = 0
        for http in found:
            with contextlib.suppress(*ENDED):
                await http.send(LIVEZ)
                kept += (await http.answer()).status == 200
        return f"{kept} answered; {await a_client_gets_in(target)}"


@STRANGERS.add("connections opened and dropped at full speed for 3 s")
async def churn(target: Target) -> str:
    number, until = 0, time.monotonic() + SECONDS
    while time.monotonic() < until:
        _, writer = await asyncio.open_connection(target.host, target.port)
        writer.write(LIVEZ[: number % len(LIVEZ)])
        writer.transport.abort()
        number += 1
    return f"{number} of them; {await a_client_gets_in(target)}"


@STRANGERS.add("10 peers that pipeline requests for 3 s and read no answer")
async def unread_answers(target: Target) -> str:
    long = b"A" * 60_000 + b" /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    kinds = (long, LIVEZ * 1000, LIVEZ.replace(b"/livez", b"/api/kernels") * 1000)
    async with crowd(target, 10) as found, asyncio.TaskGroup() as tasks:
        for http in found:
            stop_reading(http)
        pouring = [tasks.create_task(pour(http, kinds[n % 3])) for n, http in enumerate(found)]
    return f"{sum(task.result() for task in pouring) / MIB:.0f} MiB taken"


@STRANGERS.add("control characters and bytes beyond ASCII in origins, headers, methods and paths")
async def odd_bytes(target: Target) -> str:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    found = []
    for byte in [*range(0x20), 0x7F, 0x80, 0xE9, 0xFF]:
        odd = bytes([byte])
        for head in (
            b"GET /livez HTTP/1.1\r\nHost: localhost\r\nOrigin: http://a%b\r\n\r\n" % odd,
            LIVEZ + b"GET /channels HTTP/1.1\r\nHost: a\r\n%bCookie: a=%b\r\n\r\n" % (upgrade, odd),
            b"GET /api/%b?token=%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (odd, odd),
            b"G%bT /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" % odd,
            b"GET /livez HTTP/1.1\r\nHost: local%bhost\r\nX%b: 1\r\n\r\n" % (odd, odd),
        ):
            async with target.http() as http:
                await http.send(head)
                http.writer.write_eof()
                found.append(await answers(http))
    return counted(found)


@STRANGERS.add("bodies that end in two places: lengths, chunks, bare line ends, folded lines")
async def bad_framing(target: Target) -> str:
    smuggled = b"GET /api HTTP/1.1\r\nHost: localhost\r\n\r\n"
    fields = (
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"Content-Length: 5, 5\r\n\r\nhello",
        b"Content-Length: +5\r\n\r\nhello",
        b"Content-Length: 0x5\r\n\r\nhello",
        b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 10_000,
        b"X: 1\r\n folded\r\n\r\n",
        b"X: 1\nY: 2\r\n\r\n",
        b"X: 1\rY: 2\r\n\r\n",
        b"X: " + b"x" * 70_000 + b"\r\n\r\n",
        b"X: 1\r\n" * 20_000 + b"\r\n",
    )
    heads = [POST + AUTH.encode() + b"\r\n" + field for field in fields]
    found = [await said(target, head, smuggled) for head in heads]
    assert not [one for one in found if one.startswith("2")], found
    return counted(found)


@STRANGERS.add("tokens guessed on 8 connections at full speed for 3 s")
async def guessing(target: Target) -> str:
    until = time.monotonic() + SECONDS
    async with crowd(target, 8) as found, asyncio.TaskGroup() as tasks:
        begun = asyncio.Barrier(len(found) + 1)
        guessing = [tasks.create_task(_guess(http, until, begun)) for http in found]
        await begun.wait()
        during = await a_client_gets_in(target)
    return f"{sum(task.result() for task in guessing) / SECONDS:.0f} guesses/s; {during}"


async def _guess(http: RawHttp, until: float, begun: asyncio.Barrier) -> int:
    """Guess until then; the first guess is answered when all others have begun, too."""
    await http.ask("GET /api/kernels", "Authorization: token x")
    await begun.wait()
    number = 1
    while time.monotonic() < until:
        tries = b"".join(
            b"GET /api/kernels HTTP/1.1\r\nHost: a\r\nAuthorization: token %d\r\n\r\n" % n
            for n in range(number, number + 50)
        )
        await http.send(tries)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.01, until - time.monotonic())):
                for _ in range(50):
                    assert (await http.answer()).status in (401, 403)
                    number += 1
    return number


@STRANGERS.add("1000 connections, with 256 file descriptors for w2z", files=256)
async def descriptors(target: Target) -> str:
    lines = len(target.w2z.process.lines)
    async with crowd(target, 1000) as found:
        for http in found:
            with contextlib.suppress(ConnectionError):
                await http.send(LIVEZ)
        answered = [await answers(http, most=1) for http in found[:20]]
        more = len(target.w2z.process.lines) - lines
        for http in found:
            http.writer.transport.abort()
    later = await a_client_gets_in(target)
    return f"the first 20: {counted(answered)}; {more} lines of log; afterwards {later}"
