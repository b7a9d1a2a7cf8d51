"""A client that costs next to nothing while the clock runs.

It speaks RFC 6455 over a plain socket. During a burst it only moves bytes from the kernel's socket
buffer into memory and looks for the idle status in them; what they were, whether all came and in
which order is found out afterwards, frame by frame (:meth:`Recording.streams`). It offers
``v1.kernel.websocket.jupyter.org`` and nothing else, sets TCP_NODELAY, names a session_id as
JupyterLab does, and answers pings, in bursts, too.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import select
import socket
import struct
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

SUBPROTOCOL = b"v1.kernel.websocket.jupyter.org"
IDLE = b'"idle"'
READ_SIZE = 2**20
SILENCE = 1.0
"""Seconds without a byte after which a burst is over although no idle came: it was lost."""

GIVE_UP = 30.0
"""Seconds after which anything else that does not come is an error."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_OFFSETS = struct.Struct("<7Q")
_NUMBER = re.compile(rb"(\d+)(?:x|\\n|\")")
# A ping with a number, in what the scripted kernels send nothing else looks like.
_PING = re.compile(rb"\x89([\x01-\x14])(\d{1,20})")
LONGEST_PING = 22
"""Bytes of a ping frame with a number."""

_BINARY = 2
_CLOSE = 8


class ClientFailed(Exception):
    """A peer did not do what the measurement needs."""


def request_parts(msg_type: str, content: dict[str, object]) -> list[bytes]:
    """Header, parent_header, metadata and content of a request."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": msg_type,
        "username": "benchmark",
        "session": uuid.uuid4().hex,
        "date": "2026-01-01T00:00:00.000000Z",
        "version": "5.4",
    }
    parts: list[dict[str, object]] = [dict(header), {}, {}, content]
    return [json.dumps(part, separators=(",", ":")).encode() for part in parts]


def execute_parts(code: str) -> list[bytes]:
    """The parts of an ``execute_request``."""
    content: dict[str, object] = {
        "code": code,
        "silent": False,
        "store_history": False,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": True,
    }
    return request_parts("execute_request", content)


def frame(channel: bytes, parts: Sequence[bytes]) -> bytes:
    """A v1 message as one websocket frame, masked with zeros: the payload stays as it is."""
    body = [channel, *parts]
    at = 8 * (len(body) + 2)
    offsets = [at]
    for part in body:
        at += len(part)
        offsets.append(at)
    payload = struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets) + b"".join(body)
    if len(payload) < 126:
        head = struct.pack("!BB", 0x82, 0x80 | len(payload))
    else:
        head = struct.pack("!BBH", 0x82, 0x80 | 126, len(payload))
    return head + bytes(4) + payload


class Link:
    """One websocket."""

    def __init__(self, port: int, path: str, token: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=GIVE_UP)
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._handshake(port, path, token)
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _handshake(self, port: int, path: str, token: str) -> None:
        key = base64.b64encode(os.urandom(16))
        head = (
            f"GET {path}?session_id={uuid.uuid4()} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Authorization: token {token}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {SUBPROTOCOL.decode()}\r\n"
            f"Sec-WebSocket-Key: {key.decode()}\r\n\r\n"
        )
        self.socket.sendall(head.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = self.socket.recv(65536)
            if not data:
                raise ClientFailed(f"no websocket: {answer[:200]!r}")
            answer += data
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())  # RFC 6455 says SHA-1
        head_only = answer.split(b"\r\n\r\n")[0]
        if not head_only.startswith(b"HTTP/1.1 101") or accept not in head_only:
            raise ClientFailed(f"no websocket: {answer[:200]!r}")
        if SUBPROTOCOL not in head_only:
            raise ClientFailed("the v1 subprotocol was not answered")

    def send(self, channel: bytes, parts: Sequence[bytes]) -> None:
        self.socket.sendall(frame(channel, parts))

    def settle(self, silence: float) -> None:
        """Read until nothing came for that many seconds."""
        deadline = time.monotonic() + GIVE_UP
        self.socket.settimeout(silence)
        try:
            while self.socket.recv(READ_SIZE):
                if time.monotonic() > deadline:
                    raise ClientFailed("the connection never falls quiet")
            raise ClientFailed("the connection was closed")
        except TimeoutError:
            self.socket.settimeout(GIVE_UP)

    def round_trip(self, request: bytes, marker: bytes, *, quick_ack: bool = False) -> float:
        """Seconds from sending a framed request until ``marker`` came."""
        received = b""
        begin = time.perf_counter()
        self.socket.sendall(request)
        while marker not in received:
            if quick_ack:
                # The kernel takes it back whenever it likes, so it is said before every read.
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            data = self.socket.recv(65536)
            if not data:
                raise ClientFailed("the connection was closed")
            received += data
        return time.perf_counter() - begin

    def answer_pings(self, data: bytes | bytearray, begin: int, end: int) -> None:
        """Answer what pings there are, one that began in the part before included."""
        for ping in _PING.finditer(data, begin, end):
            (size,), number = ping[1], ping[2]
            if ping.end() <= end and size <= len(number):
                self.socket.sendall(bytes((0x8A, 0x80 | size, 0, 0, 0, 0)) + number[:size])

    def close(self) -> None:
        """Send a close frame and go."""
        try:
            self.socket.sendall(struct.pack("!BBIH", 0x88, 0x82, 0, 1000))
        except OSError:
            pass
        finally:
            self.socket.close()


def numbers_in(content: bytes | bytearray) -> list[int]:
    """The numbers that a ``stream`` message's text consists of."""
    return list(map(int, _NUMBER.findall(content)))


class Memory:
    """Buffers that are reused, so that no run pays for fresh pages."""

    def __init__(self) -> None:
        self._buffers: dict[int, bytearray] = {}

    def get(self, index: int, size: int) -> bytearray:
        if len(self._buffers.get(index, b"")) < size:
            self._buffers[index] = bytearray(b"\1") * size
        return self._buffers[index]


@dataclass(slots=True)
class Recording:
    """What one websocket brought during a burst, and when (seconds of :func:`perf_counter`)."""

    buffer: bytearray
    used: int = 0
    first: float = 0.0
    last: float = 0.0
    is_complete: bool = False

    def add(self, link: Link) -> bool:
        """Read what is there; returns whether that was the last of it."""
        if self.used == len(self.buffer):
            raise ClientFailed("more came than was asked for")
        end = min(self.used + READ_SIZE, len(self.buffer))
        size = link.socket.recv_into(memoryview(self.buffer)[self.used : end])
        self.last = time.perf_counter()
        if not size:
            raise ClientFailed("the connection was closed in a burst")
        if not self.used:
            self.first = self.last
        begin = max(0, self.used - len(IDLE))
        self.used += size
        link.answer_pings(self.buffer, max(0, self.used - size - LONGEST_PING), self.used)
        self.is_complete = self.buffer.find(IDLE, begin, self.used) >= 0
        return self.is_complete

    @property
    def seconds(self) -> float:
        return self.last - self.first

    def streams(self) -> list[int]:
        """The numbers in the ``stream`` messages, in the order of their arrival."""
        numbers: list[int] = []
        for begin, end in self._payloads():
            _, _, header, parent, _, content, _ = _OFFSETS.unpack_from(self.buffer, begin)
            if b'"stream"' in self.buffer[begin + header : begin + parent]:
                numbers += numbers_in(self.buffer[begin + content : end])
        return numbers

    def _payloads(self) -> Iterator[tuple[int, int]]:
        """Where each data frame's payload begins and ends; a last, unfinished one is left out."""
        buffer, at = self.buffer, 0
        while at + 10 <= self.used:
            opcode, size = buffer[at] & 15, buffer[at + 1]
            if size < 126:
                at += 2
            elif size == 126:
                (size,) = struct.unpack_from("!H", buffer, at + 2)
                at += 4
            else:
                (size,) = struct.unpack_from("!Q", buffer, at + 2)
                at += 10
            if opcode == _CLOSE:
                raise ClientFailed("the peer closed the websocket in a burst")
            if at + size > self.used:
                return
            if opcode == _BINARY:
                yield at, at + size
            at += size


def record(links: Sequence[Link], code: str, memory: Memory, size: int) -> list[Recording]:
    """Let the first of ``links`` execute ``code``; record all until each saw idle.

    ``size`` is the most bytes one of them may bring.
    """
    recordings = [Recording(memory.get(index, size)) for index in range(len(links))]
    waiting = select.epoll()
    open_ones: dict[int, tuple[Link, Recording]] = {}
    for link, recording in zip(links, recordings, strict=True):
        open_ones[link.socket.fileno()] = (link, recording)
        waiting.register(link.socket.fileno(), select.EPOLLIN)
    with waiting:
        links[0].send(b"shell", execute_parts(code))
        patience = GIVE_UP
        while open_ones:
            ready = waiting.poll(patience)
            if not ready:
                break
            patience = SILENCE
            for fd, _ in ready:
                link, recording = open_ones[fd]
                if recording.add(link):
                    waiting.unregister(fd)
                    del open_ones[fd]
    return recordings
