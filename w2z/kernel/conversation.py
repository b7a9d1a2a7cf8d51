"""w2z's own requests to one kernel, and their replies.

The requests go over the sockets of a session like any client's, whose session_id no client can
name. No caller waits for ever: each wait for a reply ends after a time that the caller sets, and
all waits end when the sockets are replaced.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from w2z.errors import KernelSilent
from w2z.kernel.sockets.channels import Channels
from w2z.message import Channel, Message
from w2z.wire.authored import header
from w2z.wire.json import dump, parse_object, parse_small_object
from w2z.wire.signature import Signer
from w2z.wire.zmq import to_parts

log = logging.getLogger("w2z")


MAX_ANSWER_READ = 2**20
"""Bytes of content that w2z looks into of an answer to itself. A larger one counts as an answer
without content: parsed JSON takes up to thirty times its bytes.
"""


class InfoReply(NamedTuple):
    """A ``kernel_info_reply``: channel, header session, and content, parsed and as sent. The latter
    is ``None`` for a content that is too large to be kept.
    """

    channel: Channel
    kernel_session: object
    content: dict[str, Any]
    as_sent: bytes | None


class Goodbye(NamedTuple):
    """A ``shutdown_reply``: its header session."""

    kernel_session: object


class Conversation:
    """w2z's own requests to one kernel over ``channels``, where they use the sockets of
    :attr:`session_id`.

    ``name`` is the header session of the requests.
    """

    def __init__(self, channels: Channels, signer: Signer, name: str) -> None:
        # Random, so that no client has it or can guess it.
        self.session_id = f"w2z-{uuid.uuid4().hex}"
        self._channels = channels
        self._signer = signer
        self._name = name
        self._asked: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._is_closed = False
        channels.open_session(self.session_id, is_watched=True)

    async def ask(self, msg_type: str, content: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send a request on control and return the reply's content.

        Raises :class:`~w2z.errors.KernelSilent` when no reply comes in time, or :meth:`close` is
        called first.
        """
        msg_id = self.tell(msg_type, content)
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

    def tell(
        self, msg_type: str, content: dict[str, Any], channel: Channel = Channel.CONTROL
    ) -> str:
        """Send a request without waiting for the reply. Returns the ``msg_id`` of the request."""
        msg_id = uuid.uuid4().hex
        head = header(msg_type, msg_id, self._name, datetime.now(UTC))
        message = Message(channel, head, b"{}", b"{}", dump(content))
        self._channels.send(self.session_id, channel, to_parts(message, self._signer))
        return msg_id

    def beat(self) -> None:
        """Send a beat; the echo comes back to :attr:`session_id`."""
        self._channels.beat(self.session_id, b"w2z")

    def close(self) -> None:
        """Give up every request that waits for its reply, because the sockets are closed. A reply
        that is handed in later counts for nothing.
        """
        self._is_closed = True
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(KernelSilent("the kernel ended instead of answering"))

    def on_replies(self, messages: Sequence[Message]) -> Iterator[InfoReply | Goodbye]:
        """Hand the replies that arrived on w2z's own sockets to the callers that wait for them.

        Yields each ``kernel_info_reply`` and ``shutdown_reply``, waited for or not.
        """
        for message in () if self._is_closed else messages:
            as_sent = message.content if len(message.content) <= MAX_ANSWER_READ else None
            try:
                head = parse_object(message.header, "header")
                parent = parse_small_object(message.parent_header, "parent_header")
                content = parse_object(as_sent or b"{}", "content")
            except ValueError as error:
                log.warning("the kernel's answer to w2z cannot be read: %s", error)
                continue
            answer = self._asked.get(str(parent.get("msg_id")))
            if answer is not None and not answer.done():
                answer.set_result(content)
            if head.get("msg_type") == "kernel_info_reply":
                yield InfoReply(message.channel, head.get("session"), content, as_sent)
            elif head.get("msg_type") == "shutdown_reply":
                yield Goodbye(head.get("session"))
