"""The local end: five ZMQ sockets that look like a kernel's to any Jupyter client.

https://jupyter-client.readthedocs.io/en/stable/messaging.html#introduction: ROUTER for shell,
control and stdin, XPUB for iopub, and a heartbeat that echoes. They have a key of their own; the
remote kernel's never gets here.

- A ROUTER hands an identity over to whoever connects with it last (``ROUTER_HANDOVER``), as
  ipykernel's does, and has no mark at which it would drop replies (``SNDHWM``).
- A new subscription to iopub is answered with ``iopub_welcome``
  (https://github.com/jupyter/enhancement-proposals/blob/master/65-jupyter-xpub/jupyter-xpub.md).
- Output has a topic frame, as a kernel's has: its ``msg_type``.
- What a subscriber does not take waits: see :mod:`w2z.client.waiting`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import secrets
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import zmq

from w2z.client.own import own_message
from w2z.client.waiting import Outgoing, Waiting
from w2z.errors import KernelMessageError, ListenError
from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.sockets.drained import DrainedSocket
from w2z.message import Buffer, Channel, Message
from w2z.threads import within
from w2z.wire.zmq import from_parts, to_parts

log = logging.getLogger("w2z")

ADDRESS = "127.0.0.1"

KEY_SIZE = 32
"""Random bytes of the key: as many as its HMAC, SHA-256, has."""

LARGEST_REQUEST = 2**28
"""Bytes of a local client's message that are taken at all. w2z's own limit is mostly lower."""

LAST_MS = 500
"""Milliseconds that the last messages have to leave at the end."""

_SUBSCRIBE = b"\x01"

Transport = Literal["tcp", "ipc"]


class LocalListener(Protocol):
    """What local clients do; called on the event loop."""

    def requested(self, channel: Channel, identity: bytes, message: Message) -> None:
        """A client sent a message, whose signature is right."""

    def beats(self) -> bool:
        """Whether heartbeats are answered now."""

    def crowded(self, is_full: bool) -> None:
        """Much output waits for local clients; or there is room again."""


class Endpoints:
    """The five sockets, bound when made. An async context manager that closes them.

    ``info`` says where to listen and with which key. Without it that is chosen: free ports of the
    loopback interface, or Unix sockets in a directory that only this user can enter.
    Raises :class:`~w2z.errors.ListenError` if an address is taken, or is not this machine's.
    """

    def __init__(
        self,
        listener: LocalListener,
        info: ConnectionInfo | None = None,
        *,
        transport: Transport = "tcp",
        kernel_name: str = "",
    ) -> None:
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._folder: Path | None = None
        self._sockets: dict[Channel, DrainedSocket] = {}
        self._waiting = Waiting()
        self._is_full = False
        self._again: asyncio.TimerHandle | None = None
        with contextlib.ExitStack() as undo:
            undo.callback(self._undo)
            bound = {channel: self._socket(channel, info) for channel in Channel}
            self.info = info or self._chosen(bound, transport, kernel_name)
            if info is not None:
                for channel, socket in bound.items():
                    _bind(socket, info.endpoint(channel))
            undo.pop_all()
        self._signer = self.info.signer()
        self._iopub = bound[Channel.IOPUB]
        for channel, socket in bound.items():
            self._sockets[channel] = DrainedSocket(
                socket, self._receiver(channel), max_size=LARGEST_REQUEST
            )

    async def __aenter__(self) -> Endpoints:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def reply(self, identity: bytes, message: Message) -> None:
        """Send a message of shell, control or stdin to the client with that identity."""
        self._hand_out(message.channel, identity, message)

    def publish(self, msg_type: str, message: Message) -> None:
        """Send a message of iopub to all subscribers."""
        self._hand_out(Channel.IOPUB, msg_type.encode(errors="replace"), message)

    async def close(self) -> None:
        """Close the sockets. What was handed out last has :data:`LAST_MS` to leave."""
        if self._again is not None:
            self._again.cancel()
            self._again = None
        for socket in self._sockets.values():
            socket.close(LAST_MS)
        self._sockets.clear()
        with contextlib.suppress(TimeoutError):
            await within(LAST_MS / 1000 + 0.1, self._context.term)
        self._remove_files()

    def _undo(self) -> None:
        self._context.destroy(linger=0)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _remove_files(self) -> None:
        """Remove the Unix sockets, which libzmq leaves behind."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        elif self.info.transport == "ipc":
            for channel in Channel:
                Path(self.info.endpoint(channel).removeprefix("ipc://")).unlink(missing_ok=True)

    def _socket(self, channel: Channel, info: ConnectionInfo | None) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.XPUB if channel is Channel.IOPUB else zmq.ROUTER)
        if channel is Channel.IOPUB:
            socket.setsockopt(zmq.XPUB_VERBOSE, 1)
            socket.setsockopt(zmq.XPUB_NODROP, 1)
        else:
            socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
            socket.setsockopt(zmq.SNDHWM, 0)
        if info is not None:
            socket.setsockopt(zmq.IPV6, info.is_ipv6)
            if info.curve_secretkey:
                socket.setsockopt(zmq.CURVE_SERVER, 1)
                socket.setsockopt_string(zmq.CURVE_SECRETKEY, info.curve_secretkey)
        return socket

    def _chosen(
        self, sockets: dict[Channel, zmq.Socket[bytes]], transport: Transport, kernel_name: str
    ) -> ConnectionInfo:
        """Bind the sockets to free places, and return these with a new key."""
        ports: dict[str, int] = {}
        ip = ADDRESS
        if transport == "ipc":
            self._folder = Path(tempfile.mkdtemp(prefix="w2z-"))
            ip = str(self._folder / "kernel")
        for number, (channel, socket) in enumerate(sockets.items(), 1):
            _bind(socket, f"ipc://{ip}-{number}" if transport == "ipc" else f"tcp://{ip}:*")
            place = socket.getsockopt_string(zmq.LAST_ENDPOINT)
            ports[f"{channel}_port"] = number if transport == "ipc" else _port(place)
        fields = {"ip": ip, "transport": transport, "key": secrets.token_hex(KEY_SIZE), **ports}
        return ConnectionInfo.model_validate({**fields, "kernel_name": kernel_name})

    def _receiver(self, channel: Channel) -> Callable[[list[list[bytes]]], None]:
        if channel is Channel.HB:
            return self._echo
        if channel is Channel.IOPUB:
            return self._welcome
        return partial(self._receive, channel)

    def _receive(self, channel: Channel, batch: list[list[bytes]]) -> None:
        for identity, *parts in batch:
            try:
                message = from_parts(channel, parts, self._signer)
            except KernelMessageError as error:
                log.warning("a local client's message on %s is dropped: %s", channel, error)
            else:
                self._listener.requested(channel, identity, message)

    def _echo(self, batch: list[list[bytes]]) -> None:
        if self._listener.beats():
            for parts in batch:
                self._sockets[Channel.HB].send(parts)

    def _welcome(self, batch: list[list[bytes]]) -> None:
        for parts in batch:
            if not parts[0].startswith(_SUBSCRIBE):
                continue
            topic = parts[0].removeprefix(_SUBSCRIBE)
            content = {"subscription": topic.decode(errors="replace")}
            message = own_message(Channel.IOPUB, "iopub_welcome", content)
            # Without a topic only those get it who want everything, as the subscriber does.
            self._hand_out(Channel.IOPUB, topic or None, message)

    def _hand_out(self, channel: Channel, first: bytes | None, message: Message) -> None:
        parts: list[Buffer] = to_parts(message, self._signer)
        if first is not None:
            parts.insert(0, first)
        if self._waiting or not self._send(channel, parts):
            self._waiting.add(Outgoing(channel, parts, sum(map(len, parts))))
            if self._again is None:
                self._try_again()
            self._tell_if_crowded()

    def _send(self, channel: Channel, parts: list[Buffer]) -> bool:
        # A ROUTER takes and drops what is for a client that has gone.
        return self._sockets[channel].send(parts)

    def _try_again(self) -> None:
        self._again = None
        waiting = self._waiting
        while waiting and self._send(*waiting.first()[:2]):
            waiting.sent()
        if waiting:
            now = self._loop.time()
            pause = waiting.refused(now)
            for one in waiting.overtaking(now):
                self._send(one.channel, one.parts)
            if waiting.is_lost(now):
                self._give_up_first()
            self._again = self._loop.call_later(pause, self._try_again)
        self._tell_if_crowded()

    def _give_up_first(self) -> None:
        """Send what is first to the subscribers that take it."""
        log.warning("a local client has not read its output for long, and loses some of it")
        self._iopub.setsockopt(zmq.XPUB_NODROP, 0)
        self._send(*self._waiting.first()[:2])
        self._waiting.sent()
        self._iopub.setsockopt(zmq.XPUB_NODROP, 1)

    def _tell_if_crowded(self) -> None:
        is_full = self._waiting.is_full
        if is_full != self._is_full:
            self._is_full = is_full
            self._listener.crowded(is_full)


def _bind(socket: zmq.Socket[bytes], endpoint: str) -> None:
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        what = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used: {error}"
        raise ListenError(
            f"{endpoint} {what}: remove the connection file, or name another one"
        ) from None


def _port(endpoint: str) -> int:
    return int(endpoint.rpartition(":")[2])
