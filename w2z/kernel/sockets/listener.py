"""The callbacks for what happens on a kernel's sockets."""

from __future__ import annotations

from typing import Protocol

from w2z.message import Channel


class ChannelsListener(Protocol):
    """The object that a kernel's :class:`~w2z.kernel.sockets.channels.Channels` call."""

    def from_kernel(
        self, session_id: str | None, channel: Channel, batch: list[list[bytes]]
    ) -> None:
        """Called when messages arrived on ``channel``, for one session or for all (``None``)."""

    def writable(self, session_id: str) -> None:
        """Called when a session's socket that refused a message takes messages again, and when the
        kernel can ask the session for input.
        """

    def echo(self, session_id: str, payload: bytes) -> None:
        """Called when the kernel echoed a heartbeat's ``payload`` to the session that sent it."""

    def reached(self) -> None:
        """Called when the iopub socket is connected and ZMQ's own handshake is done."""

    def hung_up(self) -> None:
        """Called when iopub's connection ended: the kernel ended, or the network failed."""

    def refused(self, size: int) -> None:
        """Called when iopub's connection ended because of a message that libzmq did not receive,
        mostly one of more than ``size`` bytes, and another connection is being made.
        """

    def overran(self) -> None:
        """Called when the output that waited in libzmq was dropped, because memory has no room for
        it. How much that was is not known.
        """

    def shell_reached(self, *, is_up: bool) -> None:
        """Called when the watched session's shell socket is connected and ZMQ's own handshake is
        done, and with ``is_up`` false when that connection ended.
        """

    def heart_stopped(self) -> None:
        """Called when the heartbeat's connection ended: the kernel ended, or the network failed."""
