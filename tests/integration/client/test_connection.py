"""A session outlives its connections; what cannot get better ends it with what to do."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.cable import Cable, Way, cable
from tests.support.fake_kernel import FakeKernel
from tests.support.kernels import within
from tests.support.raw_http import raw_http
from tests.support.remote import (
    Notes,
    begun,
    connected,
    end,
    execute_request,
    id_of,
    remote,
    request,
    running,
    say,
)
from tests.support.serving import TOKEN, Served, serving
from w2z.client import attempt, watch
from w2z.client import connection as module
from w2z.client.remote import TokenWay
from w2z.errors import (
    NotW2z,
    RemoteError,
    RemoteTokenError,
    SessionTaken,
    Unauthorized,
    UnknownKernel,
    Unreachable,
)
from w2z.message import Channel, Message


def where(served: Served, path: str = "/") -> str:
    return f"http://{served.host}:{served.port}{path}"


@pytest.fixture
async def wire(served: Served) -> AsyncIterator[Cable]:
    async with cable(where(served)) as made:
        yield made


def texts(notes: Notes) -> str:
    return "".join(json.loads(one.content)["text"] for one in notes.of("stream"))


async def test_a_request_is_answered(served: Served, kernel: FakeKernel) -> None:
    async with running(kernel, "hello"), connected(remote(where(served))) as (connection, notes):
        asked = execute_request("x")
        assert connection.send(asked), "it may be sent before there is a connection"
        assert (await notes.reply(asked))["status"] == "ok"
        await notes.until(lambda: texts(notes) == "hello")
        opening = notes.openings[0]
        assert (opening.is_new, opening.kernel_start, opening.kernel_id) == (True, 1, None)
        assert connection.is_open


@pytest.mark.parametrize("way", TokenWay)
async def test_the_token_may_travel_in_any_way(served: Served, way: TokenWay) -> None:
    async with connected(remote(where(served), token_way=way)) as (_, notes):
        await notes.open()


async def test_the_kernel_may_be_named(served: Served) -> None:
    url = where(served, "/api/kernels/the-kernel/channels")
    async with connected(remote(url)) as (_, notes):
        assert (await notes.open()).kernel_id == "the-kernel"


async def test_a_cut_loses_nothing_and_repeats_nothing(
    served: Served, kernel: FakeKernel, wire: Cable
) -> None:
    async with connected(remote(wire.url)) as (connection, notes):
        await notes.open()
        asked = execute_request("x")
        connection.send(asked)
        identity, message = await begun(kernel)
        for number in range(20):
            wire.cut()
            await say(kernel, message, f"{number} ")
            await notes.until(lambda at=f"{number} ": texts(notes).endswith(at))  # type: ignore[misc]
        await end(kernel, identity, message)
        await notes.reply(asked)
        assert texts(notes) == "".join(f"{number} " for number in range(20))
        assert not any(one.is_new for one in notes.openings[1:])
        assert kernel.received.empty(), "it was sent once"


async def test_a_request_that_was_lost_on_its_way_is_sent_again(
    served: Served, kernel: FakeKernel, wire: Cable
) -> None:
    async with connected(remote(wire.url)) as (connection, notes):
        await notes.open()
        wire.lose(Way.TO_SERVER)
        asked = execute_request("x")
        connection.send(asked)
        await asyncio.sleep(0)
        wire.cut()
        wire.mend()
        identity, message = await begun(kernel)
        assert id_of(message) == id_of(asked)
        await end(kernel, identity, message)
        await notes.reply(asked)


async def test_a_request_whose_answer_was_lost_runs_once(
    served: Served, kernel: FakeKernel, wire: Cable
) -> None:
    async with running(kernel) as ran, connected(remote(wire.url)) as (connection, notes):
        await notes.open()
        wire.lose_answers()
        asked = execute_request("x")
        connection.send(asked)
        while not ran:
            await asyncio.sleep(0)
        wire.cut()
        await notes.reply(asked)
        assert ran == [id_of(asked)]


async def test_heartbeats_come_back(served: Served) -> None:
    async with connected(remote(where(served))) as (connection, notes):
        await notes.open()
        connection.send(Message(Channel.HB, b"beat", b"", b"", b""))
        await notes.until(lambda: any(one.channel is Channel.HB for one in notes.messages))
        assert notes.messages[-1].header == b"beat"


async def test_a_w2z_that_was_restarted_is_an_error_for_what_was_under_way(
    kernel: FakeKernel,
) -> None:
    port = 0
    async with AsyncExitStack() as stack:
        async with serving(kernel.connection_file) as first:
            port = first.port
            coming = connected(remote(where(first)))
            connection, notes = await stack.enter_async_context(coming)
            await notes.open()
            asked = execute_request("x")
            connection.send(asked)
            await begun(kernel)
        waiting = execute_request("y")
        connection.send(waiting)
        async with serving(kernel.connection_file, port=port), running(kernel) as ran:
            async with within(5, "an answer"):
                reply = await notes.reply(asked)
            assert (reply["status"], reply["ename"]) == ("error", "SessionLost")
            assert "whether this ran is not known" in reply["evalue"]
            assert [json.loads(one.content)["ename"] for one in notes.of("error", asked)] == [
                "SessionLost"
            ]
            assert (await notes.reply(waiting))["status"] == "ok"
            assert ran == [id_of(waiting)], "what had been sent before is not sent again"
            assert notes.openings[-1].is_new
            connection.close()
            await notes.over()


async def test_a_session_that_began_unnoticed_is_a_new_one(kernel: FakeKernel) -> None:
    """The answer to the connection that began it was lost with that connection."""
    async with AsyncExitStack() as stack:
        async with serving(kernel.connection_file) as first:
            port = first.port
            coming = connected(remote(where(first)))
            connection, notes = await stack.enter_async_context(coming)
            await notes.open()
            asked = execute_request("x")
            connection.send(asked)
            await begun(kernel)
            session_id = connection.session_id
        async with serving(kernel.connection_file, port=port) as second:
            # As the lost connection would have done.
            upgrade = (
                f"GET /channels?session_id={session_id}&token={TOKEN} HTTP/1.1\r\nHost: x\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            async with raw_http(second.host, second.port) as raw:
                raw.writer.write(upgrade.encode())
                await raw.reader.readuntil(b"\r\n\r\n")
            async with within(5, "an answer"):
                reply = await notes.reply(asked)
            assert reply["ename"] == "SessionLost"
            connection.close()
            await notes.over()


# What is final.


@pytest.mark.parametrize(
    ("path", "token", "kind"),
    [
        ("/", "wrong", Unauthorized),
        ("/", None, Unauthorized),
        ("/nothing/", TOKEN, UnknownKernel),
        ("/api/kernels/another/", TOKEN, UnknownKernel),
    ],
)
async def test_a_refusal_is_final(
    served: Served, path: str, token: str | None, kind: type[RemoteError]
) -> None:
    async with connected(remote(where(served, path), token=token)) as (_, notes):
        failure = await notes.over()
    assert type(failure) is kind
    assert TOKEN not in str(failure)


async def test_a_session_that_another_takes_over_ends(served: Served) -> None:
    where_to = remote(where(served))
    async with connected(where_to, session_id="a") as (_, first):
        await first.open()
        async with connected(where_to, session_id="a") as (_, second):
            assert isinstance(await first.over(), SessionTaken)
            assert not (await second.open()).is_new


async def test_a_token_that_is_not_valid_any_more(
    tmp_path: Path, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TOKEN_WITHIN", 0.3)
    file, mine = tmp_path / "token", tmp_path / "mine"
    for one in (file, mine):
        one.write_text(TOKEN)
        one.chmod(0o600)
    async with (
        serving(kernel.connection_file, token_file=file) as served,
        connected(remote(where(served), token=None, token_file=mine)) as (_, notes),
    ):
        await notes.open()
        file.write_text("another-token-for-tests")
        assert isinstance(await notes.over(), Unauthorized)


async def test_the_next_token_may_come_a_while_after_the_last_one_went(
    tmp_path: Path, kernel: FakeKernel
) -> None:
    """As where both ends mount the same secret."""
    file, mine = tmp_path / "token", tmp_path / "mine"
    for one in (file, mine):
        one.write_text(TOKEN)
        one.chmod(0o600)
    async with (
        serving(kernel.connection_file, token_file=file) as served,
        connected(remote(where(served), token=None, token_file=mine)) as (_, notes),
    ):
        await notes.open()
        file.write_text("another-token-for-tests")
        await notes.until(lambda: len(notes.cuts) > 1)
        assert "token" in notes.cuts[-1]
        mine.write_text("another-token-for-tests")
        await notes.until(lambda: len(notes.openings) > 1)
        assert not notes.openings[-1].is_new


async def test_a_token_that_was_given_has_no_next_one(tmp_path: Path, kernel: FakeKernel) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o600)
    async with (
        serving(kernel.connection_file, token_file=file) as served,
        connected(remote(where(served))) as (_, notes),
    ):
        await notes.open()
        file.write_text("another-token-for-tests")
        assert isinstance(await notes.over(), Unauthorized)


async def test_a_token_file_without_a_token(served: Served, tmp_path: Path) -> None:
    missing = remote(where(served), token=None, token_file=tmp_path / "none")
    async with connected(missing) as (_, notes):
        assert isinstance(await notes.over(), RemoteTokenError)


async def test_patience_ends() -> None:
    async with connected(remote("http://127.0.0.1:1/"), patience=1) as (_, notes):
        failure = await notes.over()
    assert isinstance(failure, Unreachable)
    assert "Connect call failed" in str(failure)
    assert notes.cuts


async def test_patience_begins_anew_with_each_connection(served: Served, wire: Cable) -> None:
    options: dict[str, Any] = {"patience": 0.2, "first_patience": 10}
    async with connected(remote(wire.url), **options) as (_, notes):
        await notes.open()
        with wire.down():
            failure = await notes.over()
    assert isinstance(failure, Unreachable)
    assert "for 0.2 seconds" in str(failure)


async def test_a_name_that_nobody_has() -> None:
    async with connected(remote("http://nobody.invalid/"), patience=5) as (_, notes):
        assert isinstance(await notes.over(), Unreachable | NotW2z)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 301 Moved\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ],
    ids=["a page", "a redirection", "no HTTP"],
)
async def test_what_is_not_w2z_is_told(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connected(remote(f"http://127.0.0.1:{port}/")) as (_, notes):
            failure = await notes.over()
    assert isinstance(failure, NotW2z)
    assert "check " in str(failure)


async def test_tls_where_there_is_none(served: Served) -> None:
    url = where(served).replace("http", "https")
    async with connected(remote(url)) as (_, notes):
        failure = await notes.over()
    assert isinstance(failure, NotW2z)
    assert "check http:// or https://" in str(failure)


async def test_it_can_be_closed_while_nobody_answers() -> None:
    """The listener accepts nothing, and its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        place = deaf.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        try:
            for one in fillers:
                one.setblocking(False)
                one.connect_ex(place)
            where_to = remote(f"http://127.0.0.1:{place[1]}/")
            async with within(5, "the end"), connected(where_to) as (connection, _):
                while connection._opening is None:
                    await asyncio.sleep(0)
                connection.close()
        finally:
            for one in fillers:
                one.close()


async def test_it_can_be_closed_during_the_opening_handshake() -> None:
    asked = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        where_to = remote(f"http://127.0.0.1:{port}/")
        async with within(5, "the end"), connected(where_to) as (connection, _):
            await asked.wait()
            connection.close()


# Too much.


async def test_a_message_that_is_too_large_is_answered_and_the_session_goes_on(
    kernel: FakeKernel,
) -> None:
    async with (
        serving(kernel.connection_file, max_message_size=2**20) as served,
        running(kernel) as ran,
        connected(remote(where(served))) as (connection, notes),
    ):
        await notes.open()
        large, small = execute_request("a" * 2**21), execute_request("b")
        connection.send(large)
        reply = await notes.reply(large)
        assert reply["ename"] == "TooLarge"
        assert "at most 1048576 are taken" in reply["evalue"]
        connection.send(small)
        assert (await notes.reply(small))["status"] == "ok"
        assert ran == [id_of(small)]


async def test_who_sends_too_much_is_told_when_there_is_room(
    served: Served, kernel: FakeKernel, wire: Cable
) -> None:
    async with connected(remote(wire.url)) as (connection, notes):
        await notes.open()
        wire.stall()
        sent = 0
        while connection.send(request("comm_msg", data="a" * 2**16)):
            sent += 1
        assert sent < 1000, "it is bounded by bytes"
        wire.resume()
        await notes.until(lambda: notes.times_writable)
        assert connection.send(request("comm_msg"))
        for _ in range(sent):
            await kernel.received.get()


async def test_who_does_not_read_gets_it_later(served: Served, kernel: FakeKernel) -> None:
    async with connected(remote(where(served))) as (connection, notes):
        await notes.open()
        connection.stop_reading()
        asked = execute_request("x")
        connection.send(asked)
        identity, message = await begun(kernel)
        before = len(notes.messages)
        for number in range(200):
            await say(kernel, message, f"{number} ")
        await end(kernel, identity, message)
        assert len(notes.messages) == before
        connection.go_on_reading()
        await notes.reply(asked)
        await notes.until(lambda: texts(notes).endswith("199 "))
        assert texts(notes).split() == [str(number) for number in range(200)]


# A network that fails without a word.


async def test_an_end_that_vanished_is_noticed(
    served: Served, kernel: FakeKernel, wire: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "QUIET_FOR", 0.1)
    monkeypatch.setattr(watch, "ANSWER_WITHIN", 0.1)
    async with running(kernel), connected(remote(wire.url)) as (connection, notes):
        await notes.open()
        wire.lose_answers()
        await notes.open(2)
        asked = execute_request("x")
        connection.send(asked)
        await notes.reply(asked)


async def test_a_defect_of_the_listener_is_raised(served: Served, kernel: FakeKernel) -> None:
    class Broken(Notes):
        def received(self, messages: Any) -> None:
            raise ZeroDivisionError

    with pytest.RaisesGroup(ZeroDivisionError):
        async with connected(remote(where(served)), Broken()) as (connection, notes):
            connection.send(execute_request("x"))
            await begun(kernel)
            await notes.over()


async def test_requests_are_proved_to_have_arrived(
    served: Served, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many more than may be unproven follow."""
    monkeypatch.setattr(attempt, "ASK_PAUSE", 0.0)
    async with running(kernel), connected(remote(where(served))) as (connection, notes):
        asked = [execute_request(str(number)) for number in range(500)]
        for one in asked:
            assert connection.send(one)
        for one in asked:
            assert (await notes.reply(one))["status"] == "ok"
