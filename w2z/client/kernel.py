"""A kernel behind another w2z, as an object to run code with.

::

    async with w2z.client.connect("http://127.0.0.1:8888/", token_file="token") as kernel:
        done = await kernel.run("1 + 1", timeout=60)
        print(done.text)
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from w2z.client.connection import PATIENCE_AGAIN, Connection
from w2z.client.inboxes import Inboxes
from w2z.client.messages import Messages, heard
from w2z.client.remote import Remote, TokenWay
from w2z.client.rest import Rest
from w2z.client.run import Execution, KernelMessage
from w2z.client.running import InputCallback, OutputCallback, Run
from w2z.errors import KernelDead, KernelGone, SessionLost, TimedOut, TooLarge
from w2z.message import Buffer, Channel, Message
from w2z.wire.authored import header
from w2z.wire.json import dump

PATIENCE_AT_FIRST = 10.0
"""Seconds in which the first connection has to work."""

LOST = {
    "KernelLost": KernelDead,
    "SessionLost": SessionLost,
    "Repeated": SessionLost,
    "TooLarge": TooLarge,
    "Refused": TooLarge,
}
"""The errors of w2z's own in a kernel's place, by the name that their reply has."""


class RemoteKernel:
    """One kernel behind a w2z. Make it with :func:`connect`.

    It is for one event loop. Any number of runs and requests may be under way at once: a kernel
    handles those on shell in their order. Each method that talks to w2z raises
    :class:`~w2z.errors.RemoteError` when the session has ended for good.
    """

    def __init__(self, connection: Connection, inboxes: Inboxes, rest: Rest) -> None:
        self._connection = connection
        self._inboxes = inboxes
        self._rest = rest

    @property
    def url(self) -> str:
        """Where w2z is, without the token."""
        return self._connection.remote.url

    @property
    def session_id(self) -> str:
        """The session's id: pass it to :func:`connect` to go on with this session elsewhere."""
        return self._connection.session_id

    @property
    def problem(self) -> str | None:
        """Why there is no connection just now; ``None`` while there is one."""
        return self._inboxes.problem

    async def run(
        self,
        code: str,
        *,
        on_output: OutputCallback | None = None,
        on_input: InputCallback | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 (the kernel is interrupted, too)
        stop_on_error: bool = True,
        silent: bool = False,
        store_history: bool = True,
        into: Execution | None = None,
    ) -> Execution:
        """Run code, and return what it brought.

        ``on_output`` is called with each output, as nbformat has it, when it comes. ``on_input``
        is called with the prompt of ``input()``, and whether it is ``getpass()``; it returns the
        answer. Without it the code gets an error where it asks. Both may be async. What they raise
        is raised here.

        An error of the code is not raised: see :attr:`Execution.status` and
        :attr:`Execution.error`. Nor is the kernel's death: that is an error named ``KernelLost``.
        After ``timeout`` seconds the kernel is interrupted, and what has come is returned with the
        status ``timeout``. Code that still waits for other code then is not interrupted, and may
        run later. A task that is cancelled does not interrupt the kernel.

        With ``stop_on_error`` an error lets the kernel drop what waits behind this code. ``silent``
        code brings no output and is not counted; ``store_history`` lets it be counted. What is
        returned is ``into``, if that is given: somebody else may look at it meanwhile.
        """
        content = {
            "code": code,
            "silent": silent,
            "store_history": store_history and not silent,
            "user_expressions": {},
            "allow_stdin": on_input is not None,
            "stop_on_error": stop_on_error,
        }
        message, msg_id = self._made("execute_request", content)
        inbox = self._inboxes.add(msg_id)
        try:
            run = Run(
                inbox,
                on_output=on_output,
                on_input=on_input,
                interrupt=self.interrupt,
                answer=self._answer,
                into=into,
            )
            await self._inboxes.send(message)
            return await run.finish(timeout)
        finally:
            self._inboxes.remove(msg_id)

    async def request(
        self,
        msg_type: str,
        content: Mapping[str, Any] | None = None,
        *,
        channel: Channel | str = Channel.SHELL,
        timeout: float | None = None,  # noqa: ASYNC109 (part of what is raised)
    ) -> dict[str, Any]:
        """Send any request and return the content of its reply, whatever its ``status``.

        Raises :class:`~w2z.errors.TimedOut` after ``timeout`` seconds, and
        :class:`~w2z.errors.RunError` if the request is lost.
        """
        message, msg_id = self._made(msg_type, content or {}, Channel(channel))
        inbox = self._inboxes.add(msg_id)
        try:
            async with asyncio.timeout(timeout) as limit:
                await self._inboxes.send(message)
                reply = heard(await inbox.take())
                while reply.channel not in (Channel.SHELL, Channel.CONTROL):
                    reply = heard(await inbox.take())
        except TimeoutError:
            if not limit.expired():
                raise
            raise TimedOut(f"no reply to {msg_type} in {timeout:g} seconds") from None
        finally:
            self._inboxes.remove(msg_id)
        name = str(reply.content.get("ename"))
        if reply.header.get("username") == "w2z" and name in LOST:
            raise LOST[name](f"{msg_type}: {reply.content.get('evalue')}")
        return reply.content

    async def kernel_info(self, **more: Any) -> dict[str, Any]:
        """Return what the kernel says about itself: protocol, language, banner."""
        return await self.request("kernel_info_request", **more)

    async def complete(
        self, code: str, cursor_pos: int | None = None, **more: Any
    ) -> dict[str, Any]:
        """Return completions of the code at the cursor, which is at its end by default."""
        content = {"code": code, "cursor_pos": _position(code, cursor_pos)}
        return await self.request("complete_request", content, **more)

    async def inspect(
        self, code: str, cursor_pos: int | None = None, detail_level: int = 0, **more: Any
    ) -> dict[str, Any]:
        """Return the documentation of what is at the cursor."""
        place = {"code": code, "cursor_pos": _position(code, cursor_pos)}
        content = {**place, "detail_level": detail_level}
        return await self.request("inspect_request", content, **more)

    async def is_complete(self, code: str, **more: Any) -> dict[str, Any]:
        """Return whether the code can be run as it is."""
        return await self.request("is_complete_request", {"code": code}, **more)

    async def send(
        self,
        msg_type: str,
        content: Mapping[str, Any] | None = None,
        *,
        channel: Channel | str = Channel.SHELL,
        metadata: Mapping[str, Any] | None = None,
        buffers: tuple[Buffer, ...] = (),
    ) -> str:
        """Send a message that has no reply, such as ``comm_msg``; return its ``msg_id``."""
        message, msg_id = self._made(msg_type, content or {}, Channel(channel))
        await self._inboxes.send(
            message._replace(metadata=dump(dict(metadata or {})), buffers=buffers)
        )
        return msg_id

    def messages(self) -> Messages:
        """Return the messages that come from now on, of all channels, whoever asked for them."""
        return Messages(self._inboxes)

    async def interrupt(self) -> None:
        """Interrupt what the kernel is doing."""
        await self._rest.interrupt()

    async def restart(self) -> None:
        """Restart the kernel; returns when the next one is ready. What was running is lost."""
        await self._rest.restart()

    async def stop(self) -> None:
        """End the kernel for good, if w2z's ``--on-delete`` allows that, and this session."""
        await self._rest.stop()
        self._inboxes.fail(KernelGone(f"the kernel of w2z at {self.url} was stopped"))
        self._connection.close()

    async def _answer(self, question: KernelMessage, text: str) -> None:
        message, _ = self._made("input_reply", {"value": text, "status": "ok"}, Channel.STDIN)
        await self._inboxes.send(message._replace(parent_header=dump(question.parent_header)))

    def _made(
        self, msg_type: str, content: Mapping[str, Any], channel: Channel = Channel.SHELL
    ) -> tuple[Message, str]:
        msg_id = uuid.uuid4().hex
        made = header(msg_type, msg_id, self.session_id, datetime.now(UTC))
        return Message(channel, made, b"{}", b"{}", dump(dict(content))), msg_id


@asynccontextmanager
async def connect(
    url: str,
    *,
    token: str | None = None,
    token_file: str | Path | None = None,
    token_way: TokenWay | str = TokenWay.AUTHORIZATION,
    ca_file: str | Path | None = None,
    client_cert: str | Path | None = None,
    client_key: str | Path | None = None,
    headers: Mapping[str, str] | None = None,
    proxy: str | None = None,
    session_id: str | None = None,
    patience: float = PATIENCE_AGAIN,
    first_patience: float = PATIENCE_AT_FIRST,
) -> AsyncIterator[RemoteKernel]:
    """Connect to the kernel of the w2z at ``url``, which may have ``?token=`` as w2z prints it.

    Without a token here or in the URL, ``W2Z_TOKEN`` and ``W2Z_TOKEN_FILE`` of the environment have
    it. :class:`~w2z.client.remote.Remote` describes the other parameters of the way to w2z.

    A connection that breaks is made anew, and nothing is lost; runs just take longer. After
    ``patience`` seconds without one everything that waits raises
    :class:`~w2z.errors.Unreachable`; before the first connection after ``first_patience``.
    The kernel goes on when the block ends. Raises :class:`~w2z.errors.RemoteError`.
    """
    remote = Remote.at(
        url,
        token=token,
        token_file=token_file,
        token_way=token_way,
        ca_file=ca_file,
        client_cert=client_cert,
        client_key=client_key,
        headers=headers,
        proxy=proxy,
    )
    inboxes = Inboxes()
    connection = inboxes.connection = Connection(
        remote, inboxes, session_id=session_id, patience=patience, first_patience=first_patience
    )
    caught: BaseException | None = None
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_keep(connection, inboxes))
        try:
            await inboxes.first_opening()
            yield RemoteKernel(connection, inboxes, Rest(remote))
        except BaseException as error:  # noqa: BLE001 (raised below, and not as a group)
            caught = error
        connection.close()
    inboxes.fail(KernelGone(f"the session with w2z at {remote.url} is closed"))
    if caught is not None:
        raise caught


async def _keep(connection: Connection, inboxes: Inboxes) -> None:
    """Run the connection; what ends it is raised where somebody waits."""
    try:
        await connection.run()
    except Exception as error:  # noqa: BLE001 (raised again by every inbox)
        inboxes.fail(error)


def _position(code: str, cursor_pos: int | None) -> int:
    return len(code) if cursor_pos is None else cursor_pos
