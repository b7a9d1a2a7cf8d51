"""What goes where, between real ZMQ sockets and real websockets."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import zmq

from tests.support.client import Client, Received, open_client, request, v1_payload
from tests.support.fake_kernel import FakeKernel, as_json, fake_kernel, header
from tests.support.serving import Served, serving
from tests.support.waiting import until
from w2z.message import Channel, Message

both = pytest.mark.parametrize("wire", ["v1", "default"])


async def ask(client: Client, kernel: FakeKernel, **more: Any) -> tuple[bytes, Message]:
    """Send a request and see it arrive at the kernel."""
    await client.send(request("execute_request", {"code": "1"}, **more))
    return await kernel.received.get()


@both
async def test_a_request_arrives_as_it_was_sent(
    served: Served, kernel: FakeKernel, wire: str
) -> None:
    async with open_client(served.url("a"), wire) as client:
        sent = request("comm_msg", {"data": {"ünï": "☃ 𝒳"}}, buffers=[b"", b"\0\xff" * 10])
        sent["header"]["subshell_id"] = "JEP 91"
        sent["metadata"] = {"vendor": [1, 2.5, None]}
        await client.send(sent)
        _, message = await kernel.received.get()
        assert message.channel is Channel.SHELL
        assert json.loads(message.header) == sent["header"]
        assert json.loads(message.metadata) == sent["metadata"]
        assert json.loads(message.content) == sent["content"]
        assert message.buffers == (b"", b"\0\xff" * 10)


@both
async def test_output_arrives_as_it_was_published(
    served: Served, kernel: FakeKernel, wire: str
) -> None:
    async with open_client(served.url("a"), wire) as client:
        await ask(client, kernel)
        sent = {"msg_id": "1", "msg_type": "display_data", "nobody": ["knows", "this"]}
        buffers = (b"", bytes(3_000_000), b"end")
        await kernel.publish(
            Message(Channel.IOPUB, as_json(sent), b"", b'{"a": 1}', '{"ü": "☃"}'.encode(), buffers)
        )
        found = await client.until("display_data")
        assert found.header == sent
        assert found.parent_header == {}
        assert found.metadata == {"a": 1}
        assert found.content == {"ü": "☃"}
        assert tuple(found.buffers) == buffers


async def test_a_v1_client_gets_the_kernels_bytes_unchanged(
    served: Served, kernel: FakeKernel
) -> None:
    odd = b'{ "msg_type":"stream",  "msg_id" : "1"}'
    async with open_client(served.url("a"), "v1") as client:
        await ask(client, kernel)
        await kernel.publish(Message(Channel.IOPUB, odd, odd, b"{ }", b'{"x":\t1.0}'))
        while odd not in (payload := await client.websocket.recv()):
            pass
        assert isinstance(payload, bytes)
        assert payload.endswith(b"iopub" + odd + odd + b"{ }" + b'{"x":\t1.0}')


async def test_a_reply_goes_to_its_asker_and_output_to_all(
    served: Served, kernel: FakeKernel
) -> None:
    async with (
        open_client(served.url("a"), "v1") as anna,
        open_client(served.url("b"), "default") as ben,
    ):
        identity_a, request_a = await ask(anna, kernel)
        identity_b, request_b = await ask(ben, kernel)
        assert identity_a != identity_b
        await kernel.reply(identity_a, request_a, "execute_reply", {"for": "anna"})
        await kernel.reply(identity_b, request_b, "execute_reply", {"for": "ben"})
        await kernel.iopub("stream", {"for": "all"})
        for client, name in ((anna, "anna"), (ben, "ben")):
            seen: list[Received] = []
            while {"execute_reply", "stream"} - {m.msg_type for m in seen}:
                seen.append(await client.recv())
            assert [m.content for m in seen if m.msg_type == "execute_reply"] == [{"for": name}]


async def test_a_reply_comes_after_output_that_had_to_wait_and_one_on_control_does_not(
    served: Served, kernel: FakeKernel
) -> None:
    """Output that comes all at once is received ahead of the work on it."""
    count = 5000
    async with open_client(served.url("a"), "v1") as client:
        cell = await ask(client, kernel)
        await client.send(request("interrupt_request", {}, channel="control"))
        interrupt = await kernel.received.get()
        for _ in range(count):
            await kernel.iopub("stream", {})
        await client.until("stream")
        await kernel.reply(*cell, "execute_reply", {})
        await kernel.reply(*interrupt, "interrupt_reply", {})
        found = [m.msg_type for m in await client.collect("execute_reply")]
        assert found.count("stream") == count - 1
        assert "interrupt_reply" in found


async def test_equal_message_ids_of_two_clients_do_no_harm(
    served: Served, kernel: FakeKernel
) -> None:
    same = request("execute_request", {})
    async with (
        open_client(served.url("a"), "v1") as anna,
        open_client(served.url("b"), "v1") as ben,
    ):
        await anna.send(same)
        asked_a = await kernel.received.get()
        await ben.send(same)
        asked_b = await kernel.received.get()
        await kernel.reply(*asked_b, "execute_reply", {"for": "ben"})
        await kernel.reply(*asked_a, "execute_reply", {"for": "anna"})
        assert (await anna.until("execute_reply")).content == {"for": "anna"}
        assert (await ben.until("execute_reply")).content == {"for": "ben"}


async def test_an_input_request_finds_its_asker_over_stdin(
    served: Served, kernel: FakeKernel
) -> None:
    async with (
        open_client(served.url("a"), "v1") as anna,
        open_client(served.url("b"), "v1") as ben,
    ):
        identity, asked = await ask(anna, kernel)
        prompt = as_json({"prompt": "?", "password": False})
        await kernel.send(
            identity,
            Message(Channel.STDIN, as_json(header("input_request")), asked.header, b"{}", prompt),
        )
        found = await anna.until("input_request")
        assert found.channel == "stdin"
        answer = request("input_reply", {"value": "42"}, channel="stdin")
        await anna.send(answer)
        answered_by, answered = await kernel.received.get()
        assert answered_by == identity
        assert answered.channel is Channel.STDIN
        await kernel.iopub("stream", {"text": "done"})
        assert all(m.msg_type != "input_request" for m in await ben.collect("stream"))


@both
async def test_hb_is_answered_by_the_kernels_heartbeat(
    served: Served, kernel: FakeKernel, wire: str
) -> None:
    async with open_client(served.url("a"), wire) as client:
        kernel.beats.clear()
        beat = request("ping", {"n": 1}, channel="hb")
        await client.send(beat)
        await ask(client, kernel)
        await kernel.iopub("stream", {"text": "no echo before the kernel beats"})
        assert all(m.channel != "hb" for m in await client.collect("stream"))
        kernel.beats.set()
        found = await client.until("ping")
        assert (found.channel, found.header, found.content) == ("hb", beat["header"], {"n": 1})


@pytest.mark.parametrize(
    "parts",
    [
        [b'{"msg_id": "1"}', b"", b"{ }", b'{"n": 1}', b"buffer", b""],
        [b"", b"", b"", b""],
        [b"no", b"JSON", b"\xff", b"[]"],
    ],
)
async def test_what_a_v1_client_sends_on_hb_comes_back_byte_for_byte(
    served: Served, parts: list[bytes]
) -> None:
    payload = v1_payload([b"hb", *parts])
    async with open_client(served.url("a"), "v1") as client:
        await client.websocket.send(payload)
        while (got := await client.websocket.recv()) != payload:
            assert b"iopub" in got


async def test_an_echo_that_the_default_format_cannot_carry_is_dropped_for_it(
    served: Served, kernel: FakeKernel
) -> None:
    """The session that asked for it has come back in the other format."""
    kernel.beats.clear()
    async with open_client(served.url("a"), "v1") as client:
        await client.websocket.send(v1_payload([b"hb", b"no JSON", b"", b"", b""]))
        await ask(client, kernel)
    async with open_client(served.url("a"), "default") as client:
        kernel.beats.set()
        await until(lambda: served.bridge.reports.dropped == 1, "one is dropped")
        await client.send(request("ping", {"n": 1}, channel="hb"))
        assert (await client.until("ping")).content == {"n": 1}


async def test_many_heartbeats_of_one_client_delay_nobody_elses(
    served: Served, kernel: FakeKernel
) -> None:
    async with (
        open_client(served.url("a"), "v1") as flooding,
        open_client(served.url("b"), "v1") as other,
    ):
        await ask(other, kernel)
        kernel.beats.clear()
        sent = [request("ping", {"n": number}, channel="hb") for number in range(2000)]
        for one in sent:
            await flooding.send(one)
        await ask(flooding, kernel)
        await other.send(request("ping", {"n": "mine"}, channel="hb"))
        await ask(other, kernel)
        kernel.beats.set()
        assert (await other.until("ping")).content == {"n": "mine"}
        assert [(await flooding.until("ping")).content["n"] for _ in range(2)] == [0, 1999]


async def test_w2zs_own_heartbeat_comes_through_whatever_clients_send(
    served: Served, kernel: FakeKernel
) -> None:
    echoes = 0

    def count() -> None:
        nonlocal echoes
        echoes += 1

    served.bridge.kernel.on_echo = count  # type: ignore[method-assign]
    async with open_client(served.url("a"), "v1") as flooding:
        for number in range(2000):
            await flooding.send(request("ping", {"n": number}, channel="hb"))
        await ask(flooding, kernel)
        before = echoes
        served.bridge.kernel.link.conversation.beat()
        await until(lambda: echoes > before, "an echo of w2z's own")


@both
@pytest.mark.parametrize("place", ["content", "buffers"])
async def test_a_long_heartbeat_is_refused(
    served: Served, kernel: FakeKernel, wire: str, place: str
) -> None:
    async with open_client(served.url("a"), wire) as client:
        long = {"text": "x" * 2000} if place == "content" else {}
        buffers = [bytes(2000)] if place == "buffers" else []
        await client.send(request("ping", long, channel="hb", buffers=buffers))
        assert (await client.closed())[0] == 1009


async def test_a_request_waits_until_its_output_would_be_seen(tmp_path: Path) -> None:
    async with fake_kernel(tmp_path) as kernel:
        asked = asyncio.Event()

        async def never_answer(identity: bytes, message: Message) -> None:
            asked.set()

        kernel.on_kernel_info = never_answer
        async with serving(kernel.connection_file) as served:
            await asked.wait()
            async with open_client(served.url("a"), "v1") as client:
                await client.send(request("execute_request", {}))
                await client.websocket.ping()
                assert kernel.received.empty()
                assert not served.bridge.kernel.is_ready
                # iopub_welcome has no topic, and is enough to know that output arrives.
                welcome = Message(
                    Channel.IOPUB, as_json(header("iopub_welcome")), b"{}", b"{}", b"{}"
                )
                await kernel.subscribed.wait()
                await kernel.publish(welcome)
                await kernel.received.get()


async def test_a_client_that_comes_back_gets_what_it_missed(
    served: Served, kernel: FakeKernel
) -> None:
    async with open_client(served.url("a"), "v1") as client:
        identity, asked = await ask(client, kernel)
    await until(lambda: served.bridge.clients.connections == 0, "the client is away")
    for number in range(10):
        await kernel.iopub("stream", {"number": number})
    await kernel.reply(identity, asked, "execute_reply", {"status": "ok"})
    async with open_client(served.url("a"), "default") as client:
        seen: list[Received] = []
        while len([m for m in seen if m.msg_type in ("stream", "execute_reply")]) < 11:
            seen.append(await client.recv())
        assert [m.content["number"] for m in seen if m.msg_type == "stream"] == list(range(10))
        again, _ = await ask(client, kernel)
        assert again == identity, "a reconnect does not touch the kernel's side"


async def test_a_client_without_session_id_leaves_nothing_behind(
    served: Served, kernel: FakeKernel
) -> None:
    async with open_client(served.url(), "v1") as client:
        first, _ = await ask(client, kernel)
    async with open_client(served.url(), "v1") as client:
        second, _ = await ask(client, kernel)
    assert first != second


async def test_a_second_connection_of_a_session_replaces_the_first(
    served: Served, kernel: FakeKernel
) -> None:
    async with open_client(served.url("a"), "v1") as first:
        identity, asked = await ask(first, kernel)
        async with open_client(served.url("a"), "v1") as second:
            assert (await first.closed())[0] == 4409
            await kernel.reply(identity, asked, "execute_reply", {"status": "ok"})
            await second.until("execute_reply")
            assert served.bridge.clients.connections == 1


async def test_a_slow_client_does_not_slow_another_and_misses_nothing(
    served: Served, kernel: FakeKernel
) -> None:
    text = "x" * 100_000
    async with (
        open_client(served.url("slow"), "v1", max_queue=1) as slow,
        open_client(served.url("fast"), "v1") as fast,
    ):
        await ask(fast, kernel)
        for number in range(300):
            await kernel.iopub("stream", {"number": number, "text": text})
        for client in (fast, slow):
            numbers: list[int] = []
            while len(numbers) < 300:
                message = await client.recv()
                if message.msg_type == "stream":
                    numbers.append(message.content["number"])
            assert numbers == list(range(300))


async def test_a_newcomer_that_reads_slowly_hears_what_the_kernel_does_after_the_replay(
    kernel: FakeKernel,
) -> None:
    """The replay is larger than what the connection holds."""
    text, count = "x" * 100_000, 200
    async with serving(kernel.connection_file, replay_size=30_000_000) as served:
        async with open_client(served.url("a"), "v1") as client:
            await ask(client, kernel)
            await kernel.iopub("status", {"execution_state": "busy"})
            for number in range(count):
                await kernel.iopub("stream", {"number": number, "text": text})
            while (await client.recv()).content.get("number") != count - 1:
                pass
        newcomer = f"{served.url('b')}&replay=all"
        async with open_client(newcomer, "v1", max_queue=1) as client:
            await until(
                lambda: not all(one.writable for one in served.bridge.clients), "one is stalled"
            )
            seen = [await client.recv()]
            while seen[-1].content.get("number") != count - 1:
                seen.append(await client.recv())
            assert [m.content["number"] for m in seen if "number" in m.content] == [*range(count)]
            assert seen[-2].content["number"] == count - 2, "nothing in the midst of it"
            greeting = await client.recv()
            assert greeting.content == {"execution_state": "busy"}


async def test_what_a_client_could_not_keep_up_with_is_named(
    kernel: FakeKernel,
) -> None:
    text = "x" * 100_000
    async with (
        serving(kernel.connection_file, journal_size=2_000_000, spill_size=0) as served,
        open_client(served.url("slow"), "v1", max_queue=1) as slow,
        open_client(served.url("fast"), "v1") as fast,
    ):
        asked = await ask(slow, kernel)
        for number in range(300):
            await kernel.iopub("stream", {"number": number, "text": text})
        await kernel.reply(*asked, "execute_reply", {"status": "ok"})
        await kernel.iopub("status", {"execution_state": "idle", "last": True})
        while not (await fast.until("status")).content.get("last"):
            pass
        seen: list[Received] = []
        # The reply behind all output that was there with it, the last status too.
        while "execute_reply" not in [m.msg_type for m in seen]:
            seen.append(await slow.recv())
        assert any(m.content.get("last") for m in seen)
        numbers = [m.content["number"] for m in seen if "number" in m.content]
        gaps = [m for m in seen if "were dropped here" in m.content.get("text", "")]
        assert numbers == sorted(numbers)
        assert 0 < len(numbers) < 300
        dropped = sum(int(m.content["text"].split()[1]) for m in gaps)
        assert dropped + len(numbers) == 300
        assert gaps[0].content["name"] == "stderr"


async def test_a_kernel_that_takes_no_more_stops_only_its_own_client(
    served: Served, kernel: FakeKernel
) -> None:
    kernel.reads_shell.clear()
    body = {"code": "x" * 500_000}
    async with (
        open_client(served.url("a"), "v1") as eager,
        open_client(served.url("b"), "v1") as other,
        asyncio.TaskGroup() as tasks,
    ):

        async def send_much() -> None:
            for _ in range(300):
                await eager.send(request("execute_request", body))

        sending = tasks.create_task(send_much())
        await other.send(request("interrupt_request", {}, channel="control"))
        assert (await kernel.received.get())[1].channel is Channel.CONTROL
        await other.send(request("ping", {}, channel="hb"))
        await other.until("ping")
        assert not sending.done(), "150 MB went where nobody reads"
        kernel.reads_shell.set()
        for _ in range(300):
            await kernel.received.get()
        await sending


async def test_messages_with_a_wrong_signature_or_shape_are_dropped(
    served: Served, kernel: FakeKernel, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_client(served.url("a"), "v1") as client:
        await ask(client, kernel)
        iopub = kernel.socket(Channel.IOPUB)
        empty_parts = [b"{}"] * 4
        bad = [
            [b"topic", b"<IDS|MSG>", b"", *empty_parts],
            [b"<IDS|MSG>", b"0" * 64, *empty_parts],
            [b"<IDS|MSG>", b"short"],
            [b"no delimiter"] * 8,
        ]
        for number, parts in enumerate(bad):
            await iopub.send_multipart(parts)
            # Whether or not a short one comes glued to it, the good one behind it arrives.
            await kernel.iopub("stream", {"number": number})
            assert (await client.until("stream")).content == {"number": number}
        assert served.bridge.reports.dropped == len(bad)
        warnings = [r for r in caplog.records if "dropped a kernel message" in r.message]
        assert len(warnings) == 1, "logged once a burst"


async def test_a_message_the_default_format_cannot_carry_is_dropped_for_it_alone(
    served: Served, kernel: FakeKernel
) -> None:
    async with (
        open_client(served.url("a"), "default") as client,
        open_client(served.url("b"), "v1") as v1_client,
    ):
        await ask(client, kernel)
        await kernel.publish(Message(Channel.IOPUB, b"not JSON", b"{}", b"{}", b"{}"))
        await kernel.iopub("stream", {"text": "still here"})
        await client.until("stream")
        while b"not JSON" not in (await v1_client.websocket.recv()):
            pass


@pytest.mark.parametrize("key", ["", "secret"])
async def test_ipc_and_unsigned_kernels(tmp_path: Path, key: str) -> None:
    async with (
        fake_kernel(tmp_path, "ipc", key) as kernel,
        serving(kernel.connection_file) as served,
        open_client(served.url("a"), "v1") as client,
    ):
        identity, asked = await ask(client, kernel)
        await kernel.reply(identity, asked, "execute_reply", {"status": "ok"})
        await client.until("execute_reply")


@pytest.mark.parametrize("window", [0, 0.05])
@pytest.mark.parametrize("hands_over", [False, True])
async def test_a_session_ends_with_its_resume_window(
    kernel: FakeKernel, window: float, hands_over: bool
) -> None:
    if hands_over:
        kernel.socket(Channel.SHELL).setsockopt(zmq.ROUTER_HANDOVER, 1)
        kernel.info = {"status": "ok", "implementation": "ipython"}
    async with serving(kernel.connection_file, resume_window=window) as served:
        async with open_client(served.url("a"), "v1") as client:
            first, _ = await ask(client, kernel)
        await until(lambda: served.bridge.clients.sessions == 0, "its session ends")
        async with open_client(served.url("a"), "v1") as client:
            second, _ = await ask(client, kernel)
        # The sockets are others. A kernel that would not tell the second one from the first is
        # not given the same identity.
        assert (first == second) is hands_over
