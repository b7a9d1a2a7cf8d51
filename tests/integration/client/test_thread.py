"""Attach in a thread, as managers have it."""

from __future__ import annotations

import asyncio
from signal import SIGTERM

import pytest

from tests.support.fake_kernel import FakeKernel
from tests.support.remote_kernels import heard, heard_of, local_client
from tests.support.serving import TOKEN, Served
from w2z.client.options import Options
from w2z.client.remote import Remote
from w2z.client.thread import AttachThread
from w2z.errors import ENDED_BY_SIGNAL, ListenError, RemoteError, Unauthorized


def thread_of(served: Served, token: str = TOKEN) -> AttachThread:
    remote = Remote.at(f"http://{served.host}:{served.port}/", token=token)
    return AttachThread(remote, Options(transport="ipc"))


async def ended(thread: AttachThread) -> int | None:
    await asyncio.to_thread(thread.join)
    return thread.exit_code


async def test_it_serves_clients_of_another_loop(served: Served, kernel: FakeKernel) -> None:
    thread = thread_of(served)
    info = await asyncio.to_thread(thread.begin)
    await thread.connected()
    async with local_client(info) as client:
        await heard_of(client, "iopub_welcome")
        client.shell_channel.send(client.session.msg("odd_request", {}))
        identity, message = await kernel.received.get()
        await kernel.reply(identity, message, "odd_reply", {})
        assert (await heard(client, "shell"))["msg_type"] == "odd_reply"
    assert thread.is_alive
    with pytest.raises(RemoteError, match="could not do it"):
        await thread.interrupt()
    await asyncio.to_thread(thread.stop)
    assert thread.exit_code == 0
    # jupyter_client ends what has ended already.
    thread.leave()
    thread.on_signal(SIGTERM)
    thread.stop()


async def test_a_signal_ends_it(served: Served) -> None:
    thread = thread_of(served)
    await thread.start()
    thread.on_signal(SIGTERM)
    assert await ended(thread) == ENDED_BY_SIGNAL + SIGTERM


async def test_why_it_cannot_start_is_raised(served: Served) -> None:
    thread = thread_of(served, token="wrong")
    with pytest.raises(Unauthorized):
        await thread.start()
    assert await ended(thread) == Unauthorized.exit_code
    assert isinstance(thread.failure, Unauthorized)


async def test_an_address_that_is_taken_is_raised(served: Served) -> None:
    first = thread_of(served)
    remote = Remote.at(f"http://{served.host}:{served.port}/", token=TOKEN)
    tcp = AttachThread(remote, Options())
    info = await asyncio.to_thread(tcp.begin)
    second = AttachThread(remote, Options(), info)
    with pytest.raises(ListenError, match="is taken"):
        await asyncio.to_thread(second.begin)
    for thread in (second, tcp):
        thread.leave()
        await ended(thread)
    assert first.is_alive, "it was never begun"


async def test_it_can_be_left_before_it_has_begun(served: Served) -> None:
    thread = thread_of(served)
    thread.leave()
    with pytest.raises(RemoteError, match="ended before"):
        await thread.start()
    assert await ended(thread) == 0
