"""``w2z wait``: until a kernel is served and ready."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.support.fake_kernel import FakeKernel, header
from tests.support.families import HAS_IPV6, ipv6
from tests.support.serving import serving
from tests.support.waiting import busy, ready, until
from w2z.client.wait import own_urls, wait_ready
from w2z.errors import SettingsError
from w2z.timing import Timing


async def waited(url: str, seconds: float) -> str | None:
    return await asyncio.to_thread(wait_ready, [url], seconds)


async def test_it_ends_when_the_kernel_is_ready(kernel: FakeKernel) -> None:
    held = asyncio.Event()
    answer = kernel.on_kernel_info

    async def answer_later(identity: bytes, message: object) -> None:
        await held.wait()
        await answer(identity, message)  # type: ignore[arg-type]

    kernel.on_kernel_info = answer_later
    async with serving(kernel.connection_file, base_url="/k1/") as served:
        url = f"http://{served.host}:{served.port}/k1"
        assert await waited(url, 0) == "503: the kernel is not ready"
        other = await waited(f"http://{served.host}:{served.port}/k2", 0)
        assert other == "404: there is nothing at this path"
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(waited(url, 60))
            held.set()
        assert waiting.result() is None
        assert await waited(url + "/", 0) is None


async def test_nobody_there_is_told(unused: int) -> None:
    assert "refused" in str(await waited(f"http://127.0.0.1:{unused}", 0))
    assert "refused" in str(await waited(f"http://127.0.0.1:{unused}", 0.2))


@pytest.mark.parametrize("body", [b"<html>a page of somebody</html>", b"[1]", b'{"message": 1}'])
async def test_of_another_server_s_page_nothing_is_shown(body: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        told = await waited(f"http://127.0.0.1:{port}", 0)
    assert told == "404: what answers there is not w2z: check the URL"


@pytest.fixture
def unused() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize("url", ["localhost:8888", "ws://localhost", "http://", ""])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="no URL"):
        wait_ready([url], 0)


def test_without_a_url_it_is_the_own_one() -> None:
    both = ["http://127.0.0.1:8888/", "http://[::1]:8888/"]
    assert own_urls({}) == both
    assert own_urls({"W2Z_HOST": "", "W2Z_PORT": ""}) == both
    assert own_urls({"W2Z_PORT": "1", "W2Z_BASE_URL": "/k1/"})[0] == "http://127.0.0.1:1/k1"


@ipv6
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::"])
async def test_without_a_host_it_is_found_by_its_port(kernel: FakeKernel, host: str) -> None:
    async with serving(kernel.connection_file, host=host) as served:
        await ready(served.bridge.kernel)
        urls = own_urls({"W2Z_PORT": str(served.port)})
        assert await asyncio.to_thread(wait_ready, urls, 0) is None


@ipv6
async def test_an_answer_says_more_than_that_nobody_is_at_the_other_address(
    kernel: FakeKernel,
) -> None:
    async def say_nothing(*_: object) -> None:
        """Never ready."""

    kernel.on_kernel_info = say_nothing
    async with serving(kernel.connection_file, host="::1") as served:
        urls = own_urls({"W2Z_PORT": str(served.port)})
        assert "503" in str(await asyncio.to_thread(wait_ready, urls, 0))
    assert "refused" in str(await asyncio.to_thread(wait_ready, urls, 0))


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.2"),
        ("::1", "[::1]"),
        ("fd00::1", "[fd00::1]"),
        ("localhost", "localhost"),
        ("kernel.example", "kernel.example"),
        ("::", "127.0.0.1"),
        ("0:0:0:0:0:0:0:0", "127.0.0.1"),
        ("*", "127.0.0.1"),
    ],
)
def test_the_own_one_is_where_it_listens(host: str, asked: str) -> None:
    assert own_urls({"W2Z_HOST": host, "W2Z_PORT": "1"}) == [f"http://{asked}:1/"]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "0.0.0.0", "*", "localhost", *([] if not HAS_IPV6 else ["::", "::1"])],
)
async def test_the_own_one_is_found_wherever_it_listens(kernel: FakeKernel, host: str) -> None:
    async with serving(kernel.connection_file, host=host) as served:
        [url] = own_urls({"W2Z_HOST": host, "W2Z_PORT": str(served.port)})
        assert await waited(url, 60) is None


async def test_an_idle_kernel_that_answers_no_heartbeats_is_not_ready(
    kernel: FakeKernel,
) -> None:
    timing = Timing(beat_every=0.02, look=0.002)
    async with serving(kernel.connection_file, timing=timing) as served:
        url = f"http://{served.host}:{served.port}"
        life = served.bridge.kernel.life
        await ready(served.bridge.kernel)
        assert await waited(url, 0) is None
        # Before the first echo none is missed.
        await until(lambda: life._presence.pulse._ever_answered, "a heartbeat was echoed")
        kernel.beats.clear()
        await until(lambda: life.misses_beats, "the heartbeat is missed")
        assert "503" in str(await waited(url, 0))
        # One that is busy may be too busy to answer.
        cell = header("execute_request")
        await kernel.iopub("status", {"execution_state": "busy"}, cell)
        await busy(served.bridge.kernel)
        assert await waited(url, 0) is None
        await kernel.iopub("status", {"execution_state": "idle"}, cell)
        kernel.beats.set()
        assert await waited(url, 60) is None
