"""A remote kernel, scripted, as jupyter_client sees it through the local sockets of attach."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient

from tests.support.cable import cable
from tests.support.fake_kernel import FakeKernel
from tests.support.kernels import kernels_in
from tests.support.remote_kernels import Attached, attached, heard, heard_of, local_client
from tests.support.serving import Served, serving
from w2z.client import attach as module
from w2z.client import unsettled
from w2z.errors import ENDED_BY_SIGNAL, ExitCode, Unauthorized, Unreachable
from w2z.message import Message


def url_of(served: Served) -> str:
    return f"http://{served.host}:{served.port}/"


@pytest.fixture
async def joined(served: Served) -> AsyncIterator[Attached]:
    async with attached(url_of(served)) as made:
        yield made


@pytest.fixture
async def client(joined: Attached) -> AsyncIterator[AsyncKernelClient]:
    async with local_client(joined.info) as made:
        await heard_of(made, "iopub_welcome")
        yield made


async def asked(
    client: AsyncKernelClient, kernel: FakeKernel, channel: str = "shell", **content: Any
) -> tuple[bytes, Message]:
    """Send an unusual request; return the identity and the message that reach the kernel."""
    sent = client.session.msg("odd_request", content)
    getattr(client, f"{channel}_channel").send(sent)
    identity, message = await kernel.received.get()
    assert json.loads(message.header)["msg_id"] == sent["header"]["msg_id"]
    return identity, message


async def control(client: AsyncKernelClient, msg_type: str, **content: Any) -> dict[str, Any]:
    """Send a request on control, and return its reply."""
    sent = client.session.msg(msg_type, content)
    client.control_channel.send(sent)
    reply = await heard(client, "control")
    assert reply["parent_header"]["msg_id"] == sent["header"]["msg_id"]
    return reply


async def test_it_is_ready_as_a_local_kernel_is(
    client: AsyncKernelClient, kernel: FakeKernel
) -> None:
    kernel.info = {"status": "ok", "protocol_version": "5.4"}
    await client.wait_for_ready(timeout=20)
    assert await client.is_alive()


async def test_requests_and_replies_pass_unchanged(
    client: AsyncKernelClient, kernel: FakeKernel
) -> None:
    for channel in ("shell", "control"):
        identity, message = await asked(client, kernel, channel, text="ü", more=[1.5, None])
        assert message.channel == channel
        assert json.loads(message.content) == {"text": "ü", "more": [1.5, None]}
        await kernel.reply(identity, message, "odd_reply", {"answer": 42})
        reply = await heard(client, channel)
        assert (reply["msg_type"], reply["content"]) == ("odd_reply", {"answer": 42})


async def test_a_question_reaches_who_asked_and_its_answer_the_kernel(
    client: AsyncKernelClient, joined: Attached, kernel: FakeKernel
) -> None:
    async with local_client(joined.info) as other:
        identity, message = await asked(client, kernel)
        await kernel.reply(identity, message._replace(channel="stdin"), "input_request", {})  # type: ignore[arg-type]
        assert (await heard(client, "stdin"))["msg_type"] == "input_request"
        client.input("yes")
        _, answer = await kernel.received.get()
        assert json.loads(answer.content) == {"value": "yes"}
        assert not await other.stdin_channel.msg_ready()


async def test_output_reaches_all_and_each_reply_its_asker(
    client: AsyncKernelClient, joined: Attached, kernel: FakeKernel
) -> None:
    async with local_client(joined.info) as other:
        await heard_of(other, "iopub_welcome")
        requests = [(one, *await asked(one, kernel)) for one in (client, other)]
        await kernel.iopub("stream", {"name": "stdout", "text": "to all"}, buffers=(b"\0\1",))
        for one, identity, message in requests:
            await kernel.reply(identity, message, "odd_reply", {})
            assert (await heard_of(one, "stream"))["buffers"] == [b"\0\1"]
            reply = await heard(one, "shell")
            assert reply["parent_header"]["msg_id"] == json.loads(message.header)["msg_id"]


async def test_a_message_that_w2z_would_refuse_is_dropped(
    client: AsyncKernelClient, kernel: FakeKernel, caplog: pytest.LogCaptureFixture
) -> None:
    odd = client.session.msg("odd_request", {})
    client.session.send_raw(client.shell_channel.socket, [b"{}", b"{}", b"{}", b"[]"])
    odd["header"]["msg_type"] = 5
    client.shell_channel.send(odd)
    await asked(client, kernel)
    assert caplog.text.count("is dropped") == 2


async def test_an_interrupt_that_fails_is_told(client: AsyncKernelClient) -> None:
    # w2z has no way to interrupt this kernel.
    reply = await control(client, "interrupt_request")
    assert reply["msg_type"] == "interrupt_reply"
    assert reply["content"]["status"] == "error"
    assert reply["content"]["ename"] == "NotInterrupted"


@pytest.mark.parametrize("one_kernel", [True, False])
async def test_a_shutdown_leaves_the_kernel_alone(
    served: Served, kernel: FakeKernel, one_kernel: bool
) -> None:
    async with (
        attached(url_of(served), one_kernel=one_kernel) as joined,
        local_client(joined.info) as client,
    ):
        await asked(client, kernel)
        reply = await control(client, "shutdown_request", restart=False)
        assert reply["content"] == {"status": "ok", "restart": False}
        assert await joined.ended() == 0
    assert kernel.received.empty()


async def test_an_interrupt_right_before_it_does_not_reach_the_running_cell(
    served: Served, kernel: FakeKernel, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        attached(url_of(served), one_kernel=True) as joined,
        local_client(joined.info) as client,
    ):
        await asked(client, kernel)
        client.control_channel.send(client.session.msg("interrupt_request", {}))
        await control(client, "shutdown_request", restart=False)
        assert await joined.ended() == 0
    assert "interrupted" not in caplog.text, "it would have failed"


@pytest.mark.parametrize("restart", [True, False])
async def test_a_shutdown_can_reach_the_kernel(
    served: Served, kernel: FakeKernel, restart: bool
) -> None:
    async with (
        attached(url_of(served), on_shutdown="stop") as joined,
        local_client(joined.info) as client,
    ):
        await heard_of(client, "iopub_welcome")
        client.control_channel.send(client.session.msg("shutdown_request", {"restart": restart}))
        identity, message = await kernel.received.get()
        assert json.loads(message.content) == {"restart": restart}
        await kernel.reply(identity, message, "shutdown_reply", {"status": "ok"})
        assert (await heard(client, "control"))["msg_type"] == "shutdown_reply"
        if restart:
            await asked(client, kernel)
        else:
            assert await joined.ended() == 0


async def test_a_kernel_that_does_not_answer_is_not_waited_for(
    served: Served, kernel: FakeKernel, caplog: pytest.LogCaptureFixture
) -> None:
    async with attached(url_of(served), on_shutdown="stop") as joined:
        await joined.until("idle")
        joined.attach.on_signal(signal.SIGTERM)
        _, message = await kernel.received.get()
        assert json.loads(message.header)["msg_type"] == "shutdown_request"
        assert await joined.ended() == ENDED_BY_SIGNAL + signal.SIGTERM
        assert "may still run" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_it(joined: Attached, kernel: FakeKernel, number: int) -> None:
    joined.attach.on_signal(number)
    assert await joined.ended() == ENDED_BY_SIGNAL + number
    assert kernel.received.empty()


async def test_nothing_is_lost_or_repeated_over_a_cut(served: Served, kernel: FakeKernel) -> None:
    async with (
        cable(url_of(served)) as line,
        attached(line.url) as joined,
        local_client(joined.info) as client,
    ):
        await heard_of(client, "iopub_welcome")
        identity, message = await asked(client, kernel)
        for number in range(200):
            await kernel.iopub("stream", {"number": number}, json.loads(message.header))
            if number % 20 == 10:
                line.cut()
        await kernel.reply(identity, message, "odd_reply", {})
        for number in range(200):
            assert (await heard_of(client, "stream"))["content"] == {"number": number}
        assert (await heard(client, "shell"))["msg_type"] == "odd_reply"
        await asked(client, kernel)
        assert not await client.shell_channel.msg_ready()


async def test_what_a_client_sends_during_a_cut_arrives_once(
    served: Served, kernel: FakeKernel
) -> None:
    async with (
        cable(url_of(served)) as line,
        attached(line.url) as joined,
        local_client(joined.info) as client,
    ):
        await joined.until("idle")
        with line.down():
            await joined.until("cut")
            for number in range(5):
                client.shell_channel.send(client.session.msg("odd_request", {"number": number}))
            assert await client.is_alive(), "heartbeats are answered"
        for number in range(5):
            _, message = await kernel.received.get()
            assert json.loads(message.content) == {"number": number}
        assert kernel.received.empty()


async def test_what_is_too_much_to_wait_for_w2z_is_refused(
    served: Served, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a connection, what the session itself keeps for w2z comes first."""
    monkeypatch.setattr(unsettled, "MOST_WAITING", 2)
    monkeypatch.setattr(module, "MOST_MESSAGES", 3)
    async with (
        cable(url_of(served)) as line,
        attached(line.url) as joined,
        local_client(joined.info) as client,
    ):
        await joined.until("idle")
        with line.down():
            await joined.until("cut")
            sent = [client.session.msg("odd_request", {"number": number}) for number in range(7)]
            for one in sent:
                client.shell_channel.send(one)
            for one in sent[5:]:
                reply = await heard(client, "shell")
                assert reply["parent_header"]["msg_id"] == one["header"]["msg_id"]
                assert reply["content"]["ename"] == "NotSent"
        for number in range(5):
            _, message = await kernel.received.get()
            assert json.loads(message.content) == {"number": number}
        assert kernel.received.empty()


async def test_w2z_that_was_started_again_has_lost_what_ran(kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file) as first,
        cable(url_of(first)) as line,
        attached(line.url) as joined,
        local_client(joined.info) as client,
        serving(kernel.connection_file) as second,
    ):
        await heard_of(client, "iopub_welcome")
        sent = client.session.msg("execute_request", {"code": ""})
        client.shell_channel.send(sent)
        await kernel.received.get()
        # The same address, another w2z.
        line.lead_to(second.port)
        line.cut()
        reply = await heard(client, "shell")
        assert reply["parent_header"]["msg_id"] == sent["header"]["msg_id"]
        assert reply["content"]["ename"] == "SessionLost"
        assert (await heard_of(client, "error"))["content"]["ename"] == "SessionLost"
        status = await heard_of(client, "status")
        assert status["content"]["execution_state"] == "idle"
        await asked(client, kernel)


async def test_as_one_kernel_it_ends_with_the_kernel(tmp_path: Path) -> None:
    async with (
        kernels_in(tmp_path) as kernels,
        serving(kernels.now.connection_file) as served,
        attached(url_of(served), one_kernel=True) as joined,
        local_client(joined.info) as client,
    ):
        await heard_of(client, "iopub_welcome")
        identity, message = await asked(client, kernels.now)
        await kernels.now.reply(identity, message, "odd_reply", {})
        client.shell_channel.send(client.session.msg("execute_request", {"code": ""}))
        await kernels.now.received.get()
        await kernels.replace()
        assert (await heard_of(client, "error"))["content"]["ename"] == "KernelLost"
        # What w2z announces comes right behind this.
        while "another kernel" not in (await heard_of(client, "stream"))["content"]["text"]:
            pass
        assert await joined.ended() == ExitCode.KERNEL_DEAD
        # It is the frontend that tells its user that the kernel has ended.
        while await client.iopub_channel.socket.poll(100):
            said = await heard(client, "iopub")
            assert said["content"].get("execution_state") != "restarting"


async def test_as_a_command_it_outlives_the_kernel(tmp_path: Path) -> None:
    async with (
        kernels_in(tmp_path) as kernels,
        serving(kernels.now.connection_file) as served,
        attached(url_of(served)) as joined,
        local_client(joined.info) as client,
    ):
        await heard_of(client, "iopub_welcome")
        await asked(client, kernels.now)
        await kernels.hang_up()
        await joined.until("dead")
        while client.hb_channel.is_beating():
            await asyncio.sleep(0.01)
        await kernels.start("second")
        await joined.until("idle")
        await asked(client, kernels.now)


async def test_a_wrong_token_is_told(served: Served) -> None:
    async with attached(url_of(served), token="wrong") as joined:
        await joined.ended()
    assert isinstance(joined.failure, Unauthorized)


async def test_it_gives_up_when_patience_is_over(served: Served) -> None:
    async with cable(url_of(served)) as line, attached(line.url, patience=0.5) as joined:
        await joined.until("idle")
        with line.down():
            await joined.ended()
    assert isinstance(joined.failure, Unreachable)
