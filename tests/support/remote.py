"""The client side of w2z in tests: sessions that note what they hear, and kernels that run code."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from tests.support.fake_kernel import FakeKernel, as_json, header
from tests.support.serving import TOKEN
from w2z.client.connection import Connection, Opening
from w2z.client.remote import Remote
from w2z.errors import RemoteError
from w2z.message import Channel, Message


def remote(url: str, **more: Any) -> Remote:
    """Return where a w2z of the tests is."""
    return Remote.at(url, **{"token": TOKEN, "environment": {}, **more})


def request(msg_type: str, channel: Channel = Channel.SHELL, **content: Any) -> Message:
    """Return a request with an id of its own."""
    made = {**header(msg_type), "msg_id": uuid.uuid4().hex}
    return Message(channel, as_json(made), b"{}", b"{}", as_json(content))


def execute_request(code: str, **more: Any) -> Message:
    """Return a request to run code."""
    given = {"silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
    return request("execute_request", code=code, **{**given, "user_expressions": {}, **more})


def id_of(message: Message) -> str:
    """Return the message's id."""
    return str(json.loads(message.header)["msg_id"])


def parent_of(message: Message) -> str:
    """Return the id of the message's parent."""
    return str(json.loads(message.parent_header).get("msg_id", ""))


def type_of(message: Message) -> str:
    """Return the message's type."""
    return str(json.loads(message.header)["msg_type"])


class Notes:
    """A listener that notes everything, and lets a test wait for it."""

    def __init__(self) -> None:
        self.openings: list[Opening] = []
        self.messages: list[Message] = []
        self.cuts: list[str] = []
        self.times_writable = 0
        self.failure: RemoteError | None = None
        self.is_over = False
        self._news = asyncio.Event()

    def opened(self, opening: Opening) -> None:
        self.openings.append(opening)
        self._news.set()

    def received(self, messages: Sequence[Message]) -> None:
        self.messages += messages
        self._news.set()

    def cut(self, reason: str) -> None:
        self.cuts.append(reason)
        self._news.set()

    def writable(self) -> None:
        self.times_writable += 1
        self._news.set()

    def ended(self, failure: RemoteError | None) -> None:
        self.failure, self.is_over = failure, True
        self._news.set()

    async def until(self, happened: Callable[[], object]) -> None:
        """Wait until something has happened."""
        while not happened():
            self._news.clear()
            await self._news.wait()

    async def open(self, times: int = 1) -> Opening:
        """Wait for so many openings, and return the last one."""
        await self.until(lambda: len(self.openings) >= times)
        return self.openings[-1]

    async def over(self) -> RemoteError | None:
        """Wait until the connection has ended for good; return what it ended with."""
        await self.until(lambda: self.is_over)
        return self.failure

    def of(self, msg_type: str, parent: Message | None = None) -> list[Message]:
        """Return the messages of that type, and of that parent."""
        return [
            one
            for one in self.messages
            if type_of(one) == msg_type and (parent is None or parent_of(one) == id_of(parent))
        ]

    async def reply(self, asked: Message) -> dict[str, Any]:
        """Wait for the reply to a request; return its content."""
        name = type_of(asked).replace("_request", "_reply")
        await self.until(lambda: self.of(name, asked))
        content: dict[str, Any] = json.loads(self.of(name, asked)[0].content)
        return content


@asynccontextmanager
async def connected(
    where: Remote, notes: Notes | None = None, **options: Any
) -> AsyncIterator[tuple[Connection, Notes]]:
    """Keep a connection open during the block."""
    notes = notes or Notes()
    connection = Connection(where, notes, **options)

    async def run() -> None:
        failure = None
        try:
            await connection.run()
        except RemoteError as error:
            failure = error
        notes.ended(failure)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run())
        try:
            yield connection, notes
        finally:
            connection.close()


async def begun(kernel: FakeKernel) -> tuple[bytes, Message]:
    """Wait for a request, and let the kernel begin with it."""
    identity, message = await kernel.received.get()
    await kernel.iopub("status", {"execution_state": "busy"}, json.loads(message.header))
    return identity, message


async def end(kernel: FakeKernel, identity: bytes, message: Message, **more: Any) -> None:
    """Let the kernel reply to a request, and be idle."""
    name = type_of(message).replace("_request", "_reply")
    content = {"status": "ok", "execution_count": 1, **more}
    await kernel.reply(identity, message, name, content)
    await kernel.iopub("status", {"execution_state": "idle"}, json.loads(message.header))


async def say(kernel: FakeKernel, message: Message, text: str) -> None:
    """Let the kernel print something."""
    content = {"name": "stdout", "text": text}
    await kernel.iopub("stream", content, json.loads(message.header))


@asynccontextmanager
async def running(kernel: FakeKernel, *texts: str) -> AsyncIterator[list[str]]:
    """Let the kernel answer every request, and print ``texts`` before; gives the ids of the
    requests that it has run.
    """
    ran: list[str] = []

    async def run() -> None:
        while True:
            identity, message = await begun(kernel)
            ran.append(id_of(message))
            for text in texts:
                await say(kernel, message, text)
            await end(kernel, identity, message)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(run())
        try:
            yield ran
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
