"""What w2z itself asks the kernel, and what it makes of the answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from tests.support.client import open_client, request
from tests.support.fake_kernel import FakeKernel, as_json, header
from tests.support.serving import Served, serving
from tests.support.waiting import kernel_has, ready
from w2z.errors import KernelSilent
from w2z.kernel.conversation import Conversation
from w2z.message import Channel, Message

SOON = 0.01
"""Seconds for an answer that does not come."""

LONG = 60.0
"""Seconds for one that does."""


@pytest.fixture
async def talk(served: Served) -> Conversation:
    """The conversation of a kernel that is ready."""
    await ready(served.bridge.kernel)
    return served.bridge.kernel.link.conversation


def info_reply(asked: Message, session: str, **content: str) -> Message:
    """A kernel process's answer to kernel_info_request, by the session in its header."""
    head = as_json(header("kernel_info_reply", session=session))
    return Message(asked.channel, head, asked.header, b"{}", as_json({"status": "ok", **content}))


async def test_a_question_goes_over_control_and_its_answer_comes_back(
    talk: Conversation, kernel: FakeKernel
) -> None:
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(talk.ask("shutdown_request", {"restart": True}, LONG))
        identity, asked = await kernel.received.get()
        assert asked.channel is Channel.CONTROL
        assert json.loads(asked.header)["msg_type"] == "shutdown_request"
        assert json.loads(asked.content) == {"restart": True}
        await kernel.reply(identity, asked, "shutdown_reply", {"status": "ok", "restart": True})
    assert asking.result() == {"status": "ok", "restart": True}


async def test_each_question_gets_its_own_answer(talk: Conversation, kernel: FakeKernel) -> None:
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(talk.ask("a_request", {}, LONG))
        asked_first = await kernel.received.get()
        second = tasks.create_task(talk.ask("a_request", {}, LONG))
        asked_second = await kernel.received.get()
        await kernel.reply(*asked_second, "a_reply", {"to": "second"})
        await kernel.reply(*asked_second, "a_reply", {"to": "second, again"})
        await kernel.reply(*asked_first, "a_reply", {"to": "first"})
    assert (first.result(), second.result()) == ({"to": "first"}, {"to": "second"})


async def test_a_kernel_that_does_not_answer_is_silent_and_may_answer_too_late(
    talk: Conversation, kernel: FakeKernel
) -> None:
    with pytest.raises(KernelSilent, match=r"^the kernel did not answer x_request within 0\.01 s"):
        await talk.ask("x_request", {}, SOON)
    late = await kernel.received.get()
    await kernel.reply(*late, "x_reply", {"late": True})
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(talk.ask("x_request", {}, LONG))
        await kernel.reply(*await kernel.received.get(), "x_reply", {"late": False})
    assert asking.result() == {"late": False}


async def test_who_gives_up_asking_is_not_told_that_the_kernel_is_silent(
    talk: Conversation, kernel: FakeKernel
) -> None:
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(talk.ask("x_request", {}, LONG))
        asked = await kernel.received.get()
        asking.cancel()
    assert asking.cancelled()
    await kernel.reply(*asked, "x_reply", {})
    await answered(talk, kernel)


async def answered(talk: Conversation, kernel: FakeKernel) -> None:
    """Ask and be answered: what the kernel sent on control before has been read then."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(talk.ask("are_you_there", {}, LONG))
        await kernel.reply(*await kernel.received.get(), "yes", {})


@pytest.mark.parametrize(
    "wrong",
    [
        lambda right: right._replace(header=b"not JSON"),
        lambda right: right._replace(parent_header=b"not JSON"),
        lambda right: right._replace(content=b"not JSON"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_told_and_passed_over(
    talk: Conversation,
    kernel: FakeKernel,
    caplog: pytest.LogCaptureFixture,
    wrong: Callable[[Message], Message],
) -> None:
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(talk.ask("x_request", {}, LONG))
        identity, asked = await kernel.received.get()
        right = Message(
            Channel.CONTROL, as_json(header("x_reply")), asked.header, b"{}", b'{"good": 1}'
        )
        await kernel.send(identity, wrong(right))
        await kernel.send(identity, right)
    assert asking.result() == {"good": 1}
    told = [one for one in caplog.messages if "answer to w2z cannot be read" in one]
    assert len(told) == 1


async def test_the_kernels_own_description_is_known_when_it_is_ready(
    kernel: FakeKernel,
) -> None:
    asked_for = asyncio.Event()

    async def describe(identity: bytes, asked: Message) -> None:
        await asked_for.wait()
        await kernel.iopub("status", {"execution_state": "busy"})
        await kernel.send(identity, info_reply(asked, "kernel", banner="a fake"))

    kernel.on_kernel_info = describe
    async with serving(kernel.connection_file) as served:
        assert served.bridge.kernel.info is None
        asked_for.set()
        await ready(served.bridge.kernel)
        assert served.bridge.kernel.info == {"status": "ok", "banner": "a fake"}


async def test_what_w2z_asks_is_answered_to_no_client_and_what_clients_ask_not_to_w2z(
    talk: Conversation, served: Served, kernel: FakeKernel
) -> None:
    async with open_client(served.url(talk.session_id[:-1]), "v1") as client:
        await client.send(request("x_request", {}, channel="control"))
        asked = await kernel.received.get()
        await answered(talk, kernel)
        await kernel.reply(*asked, "x_reply", {"to": "client"})
        seen = await client.collect("x_reply")
        assert "yes" not in [message.msg_type for message in seen]


async def test_no_two_bridges_have_the_same_address_for_it(
    talk: Conversation, kernel: FakeKernel
) -> None:
    async with serving(kernel.connection_file) as other:
        assert other.bridge.kernel.link.conversation.session_id != talk.session_id


# Another kernel


def expect_another(served: Served) -> None:
    """As a restart does: the kernel is asked to end, and another is to come."""
    served_kernel = served.bridge.kernel
    served_kernel.do(served_kernel.life.ask_to_end(served_kernel.now()))
    served_kernel.do(served_kernel.life.expect_another(served_kernel.now()))


class Questions:
    """The kernel_info_requests, for the test to answer."""

    def __init__(self, kernel: FakeKernel) -> None:
        self._kernel = kernel
        self._asked: dict[Channel, asyncio.Queue[tuple[bytes, Message]]] = {
            Channel.SHELL: asyncio.Queue(),
            Channel.CONTROL: asyncio.Queue(),
        }
        kernel.on_kernel_info = self._note

    async def _note(self, identity: bytes, asked: Message) -> None:
        await self._asked[asked.channel].put((identity, asked))

    async def answer(self, channel: Channel, session: str) -> None:
        """Answer the next one of a channel as the kernel process of that session."""
        identity, asked = await self._asked[channel].get()
        await self._kernel.send(identity, info_reply(asked, session, from_=session))


async def described(served: Served, session: str) -> None:
    """The kernel of that session has told what it is."""
    kernel, told = served.bridge.kernel, {"status": "ok", "from_": session}
    await kernel_has(kernel, lambda: kernel.info == told, f"{session} tells what it is")


async def test_only_another_kernel_is_ready_after_a_restart(
    talk: Conversation, served: Served, kernel: FakeKernel
) -> None:
    questions = Questions(kernel)
    expect_another(served)
    assert not served.bridge.kernel.is_ready
    async with open_client(served.url("a"), "v1") as client:
        # The kernel before: its answer to the question, and its last words.
        await questions.answer(Channel.CONTROL, "kernel")
        await answered(talk, kernel)
        await kernel.iopub("stream", {"text": "last words"})
        await client.until("stream")
        assert not served.bridge.kernel.is_ready
        assert served.bridge.kernel.info == {"status": "ok"}
        # Clients' requests wait for the next one.
        await client.send(request("execute_request", {}))
        await client.websocket.ping()
        assert kernel.received.empty()
        await questions.answer(Channel.SHELL, "another")
        await described(served, "another")
        assert not served.bridge.kernel.is_ready
        assert kernel.received.empty()
        await kernel.iopub("status", {"execution_state": "idle"})
        _, asked = await kernel.received.get()
        assert json.loads(asked.header)["msg_type"] == "execute_request"
        assert served.bridge.kernel.is_ready


async def test_the_kernel_after_the_next_is_another_again(
    talk: Conversation, served: Served, kernel: FakeKernel
) -> None:
    for session, before in (("second", "kernel"), ("third", "second")):
        questions = Questions(kernel)
        expect_another(served)
        await questions.answer(Channel.CONTROL, before)
        await answered(talk, kernel)
        assert not served.bridge.kernel.is_ready
        await questions.answer(Channel.SHELL, session)
        await described(served, session)
        assert not await served.bridge.kernel.wait_ready(SOON)
        await kernel.iopub("status", {"execution_state": "idle"})
        assert await served.bridge.kernel.wait_ready(LONG)
        assert served.bridge.kernel.is_ready


async def test_the_same_kernel_counts_again_when_it_was_not_replaced(
    talk: Conversation, served: Served, kernel: FakeKernel
) -> None:
    questions = Questions(kernel)
    expect_another(served)
    await questions.answer(Channel.CONTROL, "kernel")
    await answered(talk, kernel)
    assert served.bridge.kernel.info == {"status": "ok"}
    served.bridge.kernel.do(served.bridge.kernel.life.stay(served.bridge.kernel.now()))
    await questions.answer(Channel.SHELL, "kernel")
    await described(served, "kernel")
    await kernel.iopub("status", {"execution_state": "idle"})
    assert await served.bridge.kernel.wait_ready(LONG)
