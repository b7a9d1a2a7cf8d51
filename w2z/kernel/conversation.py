"""What w2z itself asks the kernel: is it ready, would it stop, would it end.

Its requests go over sockets of a session like any client's, one that no client can name. Nothing
waits for ever: every question has a time after which it is given up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from w2z.errors import KernelSilent
from w2z.kernel.readiness import Readiness
from w2z.kernel.sockets.channels import Channels
from w2z.message import Channel, Message
from w2z.wire.authored import header
from w2z.wire.json import dump, parse_object
from w2z.wire.signature import Signer
from w2z.wire.zmq import to_parts

log = logging.getLogger("w2z")

TICK = 0.1
"""Seconds between looks at the clock while the kernel is starting."""


class Conversation:
    """Questions to one kernel and the answers, for which :attr:`session_id` is the address.

    ``changed`` is called whenever readiness may have become another.
    """

    def __init__(
        self, channels: Channels, signer: Signer, name: str, changed: Callable[[], None]
    ) -> None:
        self.readiness = Readiness(time.monotonic(), is_first=True)
        self.kernel_info: dict[str, Any] | None = None
        self.kernel_info_content: bytes | None = None
        # Random, so that no client has it, or can have it.
        self.session_id = f"w2z-{uuid.uuid4().hex}"
        self._channels = channels
        self._signer = signer
        self._name = name
        self._changed = changed
        self._asked: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._kernel_session: object = None
        self._session_before: object = None
        self._passed_on: object = None
        self._is_quiet = False
        self._is_ready = asyncio.Event()
        self._is_another = asyncio.Event()

    async def run(self) -> None:
        """Ask until the kernel is ready, and again for each kernel that takes its place."""
        self._channels.open_session(self.session_id)
        while True:
            while not self.readiness.is_ready:
                if not self._is_quiet:
                    for channel in self.readiness.poll(time.monotonic()):
                        self._send(channel, "kernel_info_request", {})
                self._changed()
                await asyncio.sleep(TICK)
            if self.readiness.is_silent:
                log.warning("the kernel answers but is silent on iopub; serving it all the same")
            log.info("the kernel is ready")
            self._is_another.clear()
            self._is_ready.set()
            await self._is_another.wait()

    async def wait_ready(self, seconds: float) -> bool:
        """Wait so long for the kernel to be ready; returns whether it is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_ready.wait()
        return self.readiness.is_ready

    async def ask(self, msg_type: str, content: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Ask on control and wait for the reply's content.

        Raises :class:`~w2z.errors.KernelSilent` when none comes in time.
        """
        msg_id = self._send(Channel.CONTROL, msg_type, content)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[msg_id] = answer
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            raise KernelSilent(
                f"the kernel did not answer {msg_type} within {seconds:g} seconds"
            ) from None
        finally:
            del self._asked[msg_id]

    def be_quiet(self) -> None:
        """Ask nothing until :meth:`begin`: the kernel is ending, or has ended."""
        self._is_quiet = True

    @property
    def is_same_kernel(self) -> bool:
        """Whether the kernel is the process it was before :meth:`begin`, as far as one can tell."""
        # Some kernels put the asker's session into their headers instead of one of their own.
        return self._kernel_session == self._session_before not in (None, self._name)

    @property
    def is_another_kernel(self) -> bool:
        """Whether the kernel surely is another process than before :meth:`begin`."""
        told = (self._session_before, self._kernel_session)
        return told[0] != told[1] and not any(session in (None, self._name) for session in told)

    def begin(self, channels: Channels, signer: Signer) -> None:
        """Talk to the kernel at other sockets from now on; what was asked is not answered."""
        self._channels = channels
        self._signer = signer
        channels.open_session(self.session_id)
        self.accept_same_kernel()
        self._session_before = self._kernel_session
        self._is_quiet = False
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(KernelSilent("the kernel ended instead of answering"))
        self._restart_asking(Readiness(time.monotonic()))

    def beat(self) -> None:
        """Let the kernel's heartbeat answer w2z."""
        self._channels.send_heartbeat(self.session_id, b"w2z")

    def tell(self, msg_type: str, content: dict[str, Any]) -> None:
        """Send a request on control without waiting for its answer."""
        self._send(Channel.CONTROL, msg_type, content)

    def expect_another_kernel(self) -> None:
        """Begin anew: only a kernel process other than the one known so far counts as ready."""
        self._passed_on = self._kernel_session
        self._restart_asking(Readiness(time.monotonic(), restarted=True))

    def _restart_asking(self, readiness: Readiness) -> None:
        self.readiness = readiness
        self._is_ready.clear()
        self._is_another.set()
        self._changed()

    def accept_same_kernel(self) -> None:
        """The kernel was not replaced after all: what answers now counts as ready again."""
        self._passed_on = None

    def on_replies(self, messages: Sequence[Message]) -> None:
        """Take what arrived on w2z's own sockets."""
        for message in messages:
            try:
                head = parse_object(message.header, "header")
                parent = parse_object(message.parent_header, "parent_header")
                content = parse_object(message.content, "content")
            except ValueError as error:
                log.warning("the kernel's answer to w2z cannot be read: %s", error)
                continue
            if head.get("msg_type") == "kernel_info_reply":
                self._on_kernel_info(head.get("session"), content, message.content)
            elif head.get("msg_type") == "shutdown_reply" and content.get("restart"):
                self._on_shutdown(head.get("session"))
            answer = self._asked.get(str(parent.get("msg_id")))
            if answer is not None and not answer.done():
                answer.set_result(content)

    def _on_kernel_info(
        self, kernel_session: object, content: dict[str, Any], as_sent: bytes
    ) -> None:
        if self._passed_on is not None and kernel_session == self._passed_on:
            return
        self._passed_on = None
        self._kernel_session = kernel_session
        self.kernel_info = content
        self.kernel_info_content = as_sent
        self.readiness.on_reply(time.monotonic())
        self._changed()

    def _on_shutdown(self, kernel_session: object) -> None:
        # One that was told to end before it was ready may have become ready since.
        if self._passed_on is None and self._kernel_session in (None, kernel_session):
            self._kernel_session = kernel_session
            self.expect_another_kernel()

    def _send(self, channel: Channel, msg_type: str, content: dict[str, Any]) -> str:
        msg_id = uuid.uuid4().hex
        head = header(msg_type, msg_id, self._name, datetime.now(UTC))
        message = Message(channel, head, b"{}", b"{}", dump(content))
        self._channels.send(self.session_id, channel, to_parts(message, self._signer))
        return msg_id
