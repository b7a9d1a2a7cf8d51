"""A fake kernel on real ZMQ sockets, for behaviour that no real kernel shows on demand."""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio

from w2z.message import Channel, Message
from w2z.wire.signature import Signer
from w2z.wire.zmq import from_parts, to_parts

KEY = "the kernel's own key"


def header(msg_type: str, **more: Any) -> dict[str, Any]:
    return {
        "msg_id": uuid.uuid4().hex,
        "msg_type": msg_type,
        "username": "kernel",
        "session": "kernel",
        "date": "2026-11-22T22:48:07.255026Z",
        "version": "5.4",
        **more,
    }


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def own_address() -> str:
    """Return a loopback address that no other program uses: its ports stay free."""
    return "127." + ".".join(str(secrets.randbelow(254) + 1) for _ in range(3))


class FakeKernel:
    """A kernel that answers kernel_info by itself; the test does everything else.

    ``session`` is in the headers of its messages; ``None`` stands, in replies, for the session of
    the request. With ``place`` it takes the key and the endpoints of another fake kernel, which has
    ended. With ``handover`` an identity belongs to the connection that claimed it last, as in
    ipykernel; without, to the first one that is still connected, which is libzmq's default.
    """

    def __init__(
        self,
        folder: Path,
        transport: str = "tcp",
        key: str = KEY,
        *,
        ip: str = "127.0.0.1",
        place: FakeKernel | None = None,
        handover: bool = True,
    ) -> None:
        self._handover = handover
        self._ports: dict[str, int] = {}
        if place is not None:
            transport, key, ip = place.transport, place.key, place.ip
            self._ports = place.ports
        self.transport: str = transport
        self.key: str = key
        self.ip: str = ip
        self.signer = Signer(key.encode(), "hmac-sha256")
        self.received: asyncio.Queue[tuple[bytes, Message]] = asyncio.Queue()
        self.on_kernel_info: Callable[[bytes, Message], Awaitable[None]] = self.answer_info
        self.info: dict[str, Any] = {"status": "ok"}
        self.session: str | None = "kernel"
        self.linger = 0
        self._context = zmq.asyncio.Context()
        kinds = {
            Channel.SHELL: zmq.ROUTER,
            Channel.CONTROL: zmq.ROUTER,
            Channel.STDIN: zmq.ROUTER,
            Channel.IOPUB: zmq.XPUB,
            Channel.HB: zmq.REP,
        }
        self._sockets = {
            channel: self._bind(kind, folder, self._ports.get(f"{channel}_port"))
            for channel, kind in kinds.items()
        }
        self.subscribed = asyncio.Event()
        self.subscriptions = 0
        """How many subscriptions to iopub have arrived."""
        self.reads_shell = asyncio.Event()
        self.reads_shell.set()
        self.beats = asyncio.Event()
        self.beats.set()
        self.connection_file = folder / "connection.json"
        fields: dict[str, Any] = {
            "transport": transport,
            "ip": ip if transport == "tcp" else str(folder / "socket"),
            "key": key,
            "signature_scheme": "hmac-sha256",
            "kernel_name": "fake",
            **self.ports,
        }
        if place is None:
            self.connection_file.write_text(json.dumps(fields))

    @property
    def ports(self) -> dict[str, int]:
        """The ports, as fields of the connection file."""
        return {f"{channel}_port": port for channel, (_, port) in self._sockets.items()}

    def _bind(self, kind: int, folder: Path, port: int | None) -> tuple[zmq.asyncio.Socket, int]:
        socket = self._context.socket(kind)
        socket.linger = 0
        socket.sndhwm = 0
        socket.rcvhwm = 1
        if kind == zmq.ROUTER:
            socket.setsockopt(zmq.ROUTER_HANDOVER, self._handover)
        if kind == zmq.XPUB:
            # Report every subscriber, not only the first.
            socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        if self.transport == "tcp":
            if port is None:
                return socket, socket.bind_to_random_port(f"tcp://{self.ip}")
            socket.bind(f"tcp://{self.ip}:{port}")
            return socket, port
        port = port or len(list(folder.glob("socket-*"))) + 1
        socket.bind(f"ipc://{folder / 'socket'}-{port}")
        return socket, port

    def socket(self, channel: Channel) -> zmq.asyncio.Socket:
        return self._sockets[channel][0]

    async def iopub(
        self, msg_type: str, content: Any, parent: Any = None, buffers: tuple[bytes, ...] = ()
    ) -> None:
        await self.publish(
            Message(
                Channel.IOPUB,
                as_json(header(msg_type, session=self.session or "kernel")),
                as_json(parent or {}),
                b"{}",
                as_json(content),
                buffers,
            )
        )

    async def publish(self, message: Message) -> None:
        parts = to_parts(message, self.signer)
        await self.socket(Channel.IOPUB).send_multipart([b"topic", *parts])

    async def reply(self, identity: bytes, request: Message, msg_type: str, content: Any) -> None:
        session = self.session or json.loads(request.header)["session"]
        await self.send(
            identity,
            Message(
                request.channel,
                as_json(header(msg_type, session=session)),
                request.header,
                b"{}",
                as_json(content),
            ),
        )

    async def send(self, identity: bytes, message: Message) -> None:
        parts = to_parts(message, self.signer)
        await self.socket(message.channel).send_multipart([identity, *parts])

    def burst(self, message: Message, count: int, *envelope: bytes) -> None:
        """Send the same message ``count`` times at once; ``envelope`` goes before its parts."""
        parts = [*envelope, *to_parts(message, self.signer)]
        # Without asyncio, so that nothing else runs in between.
        socket: zmq.Socket[bytes] = zmq.Socket.shadow(self.socket(message.channel).underlying)
        for _ in range(count):
            socket.send_multipart(parts)

    async def answer_info(self, identity: bytes, request: Message) -> None:
        parent = json.loads(request.header)
        await self.iopub("status", {"execution_state": "busy"}, parent)
        await self.reply(identity, request, "kernel_info_reply", self.info)
        await self.iopub("status", {"execution_state": "idle"}, parent)

    async def serve(self, channel: Channel) -> None:
        while True:
            identity, *parts = await self.socket(channel).recv_multipart()
            # After the receive, which may have begun before the test cleared ``reads_shell``.
            if channel is Channel.SHELL:
                await self.reads_shell.wait()
            message = from_parts(channel, parts, self.signer)
            if json.loads(message.header).get("msg_type") == "kernel_info_request":
                await self.on_kernel_info(identity, message)
            else:
                await self.received.put((identity, message))

    async def beat(self) -> None:
        socket = self.socket(Channel.HB)
        while True:
            try:
                beat = await socket.recv_multipart()
            except zmq.Again:
                # A REP socket drops what it has of a peer that has just gone.
                continue
            await self.beats.wait()
            await socket.send_multipart(beat)

    async def watch_subscriptions(self) -> None:
        while True:
            [told] = await self.socket(Channel.IOPUB).recv_multipart()
            self.subscriptions += told[:1] == b"\1"
            self.subscribed.set()

    def close(self) -> None:
        for socket, _ in self._sockets.values():
            socket.close(self.linger)
        self._context.term()


@asynccontextmanager
async def fake_kernel(
    folder: Path, transport: str = "tcp", key: str = KEY, **more: Any
) -> AsyncIterator[FakeKernel]:
    """Run a fake kernel until the end of the block, where it hangs up."""
    kernel = FakeKernel(folder, transport, key, **more)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [
                *(
                    tasks.create_task(kernel.serve(channel))
                    for channel in (Channel.SHELL, Channel.CONTROL, Channel.STDIN)
                ),
                tasks.create_task(kernel.beat()),
                tasks.create_task(kernel.watch_subscriptions()),
            ]
            try:
                yield kernel
            finally:
                for task in running:
                    task.cancel()
    finally:
        kernel.close()
