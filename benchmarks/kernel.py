"""A scripted kernel: five sockets, signed messages, and nothing behind them that could be slow.

Run as a file, ``kernel.py CONNECTION_FILE [MARK]``. It listens where the file says; if there is
none, it writes one when its sockets are bound.

- ``kernel_info_request`` (shell, control): busy, the reply, idle.
- ``echo`` (shell): the same content back at once, and not a word on iopub.
- ``execute_request`` with the code ``burst N SIZE [RATE]`` (shell): busy, N ``stream`` messages
  with SIZE bytes of text each, RATE a second or as fast as they go, idle, the reply. Every text
  begins with its number, so loss, repetition and order can be told; all are built and signed
  before the first one leaves.

MARK is the PUB socket's high-water mark, beyond which ZMQ drops what a bridge does not take.
Without it there is none: what is missing at a client was lost on the way, not here.
"""

from __future__ import annotations

import hmac
import json
import sys
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import zmq

CHANNELS = ("shell", "control", "stdin", "hb", "iopub")
DELIMITER = b"<IDS|MSG>"
STEPS = 500
"""Parts of a second in which a rate is kept."""

LEAST_SIZE = 16
"""Bytes of a stream text: its number has to fit."""

_MORE = int(zmq.SNDMORE)
_INFO = {
    "status": "ok",
    "protocol_version": "5.4",
    "implementation": "scripted",
    "implementation_version": "1",
    "language_info": {"name": "none", "version": "1", "mimetype": "text/plain"},
    "banner": "",
    "help_links": [],
}


def dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def sign(key: bytes, json_parts: bytes) -> bytes:
    return hmac.digest(key, json_parts, "sha256").hex().encode()


class Kernel:
    """The sockets, and the answers to what comes in on them."""

    def __init__(self, mark: int, given: Mapping[str, Any]) -> None:
        self._key = str(given.get("key", uuid.uuid4().hex)).encode()
        self._session = uuid.uuid4().hex
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self._ports: dict[str, int] = {}
        for name in CHANNELS:
            socket = self._context.socket(zmq.PUB if name == "iopub" else zmq.ROUTER)
            socket.setsockopt(zmq.SNDHWM, mark if name == "iopub" else 0)
            socket.setsockopt(zmq.RCVHWM, 0)
            port = given.get(f"{name}_port")
            if port is None:
                self._ports[name] = socket.bind_to_random_port("tcp://127.0.0.1")
            else:
                socket.bind(f"tcp://127.0.0.1:{port}")
            self._sockets[name] = socket

    def write_connection_file(self, path: Path) -> None:
        content: dict[str, object] = {f"{name}_port": port for name, port in self._ports.items()}
        content |= {
            "transport": "tcp",
            "ip": "127.0.0.1",
            "key": self._key.decode(),
            "signature_scheme": "hmac-sha256",
            "kernel_name": "scripted",
        }
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(content))
        unfinished.rename(path)

    def run(self) -> None:
        poller = zmq.Poller()
        for name in ("shell", "control", "hb"):
            poller.register(self._sockets[name], zmq.POLLIN)
        names = {socket: name for name, socket in self._sockets.items()}
        while True:
            for socket, _ in poller.poll():
                parts = socket.recv_multipart()
                if names[socket] == "hb":
                    socket.send_multipart(parts)
                else:
                    self._answer(names[socket], parts)

    def _answer(self, channel: str, parts: list[bytes]) -> None:
        at = parts.index(DELIMITER)
        identities, (_, header, _, _, content) = parts[:at], parts[at + 1 : at + 6]
        msg_type = json.loads(header)["msg_type"]
        if msg_type == "echo":
            self._reply(channel, identities, "echo_reply", header, content)
        elif msg_type == "kernel_info_request":
            self._status("busy", header)
            self._reply(channel, identities, "kernel_info_reply", header, dump(_INFO))
            self._status("idle", header)
        elif msg_type == "execute_request":
            count, size, *rate = map(int, json.loads(content)["code"].split()[1:])
            burst = self._build(count, size, header)
            self._status("busy", header)
            self._publish_at(rate[0] if rate else 0, burst)
            self._status("idle", header)
            reply = dump({"status": "ok", "execution_count": 1})
            self._reply(channel, identities, "execute_reply", header, reply)

    def _build(self, count: int, size: int, parent: bytes) -> list[list[bytes]]:
        """The stream messages of a burst, ready to leave."""
        header = self._header("stream")
        filler = "x" * (max(size, LEAST_SIZE) - 8)
        texts = (f"{number:08}{filler}" for number in range(count))
        contents = (dump({"name": "stdout", "text": text}) for text in texts)
        return [self._parts(b"stream", header, parent, content) for content in contents]

    def _publish(self, messages: Iterable[Sequence[bytes]]) -> None:
        # The compiled class's own send: pyzmq's Python layer on top costs as much again.
        socket = self._sockets["iopub"]
        send = super(zmq.Socket, socket).send
        for parts in messages:
            last = len(parts) - 1
            for index, part in enumerate(parts):
                send(part, _MORE if index < last else 0)

    def _publish_at(self, rate: int, messages: Sequence[Sequence[bytes]]) -> None:
        """Publish so many a second; at once, if the rate is 0."""
        step = rate // STEPS or len(messages)
        begin = time.perf_counter()
        for at in range(0, len(messages), step):
            if rate:
                time.sleep(max(0, begin + at / rate - time.perf_counter()))
            self._publish(messages[at : at + step])

    def _status(self, state: str, parent: bytes) -> None:
        content = dump({"execution_state": state})
        self._publish([self._parts(b"status", self._header("status"), parent, content)])

    def _reply(
        self, channel: str, identities: list[bytes], msg_type: str, parent: bytes, content: bytes
    ) -> None:
        parts = self._parts(b"", self._header(msg_type), parent, content)
        self._sockets[channel].send_multipart([*identities, *parts[1:]])

    def _parts(self, topic: bytes, header: bytes, parent: bytes, content: bytes) -> list[bytes]:
        signature = sign(self._key, header + parent + b"{}" + content)
        return [topic, DELIMITER, signature, header, parent, b"{}", content]

    def _header(self, msg_type: str) -> bytes:
        return dump(
            {
                "msg_id": uuid.uuid4().hex,
                "msg_type": msg_type,
                "username": "scripted",
                "session": self._session,
                "date": "2026-01-01T00:00:00.000000Z",
                "version": "5.4",
            }
        )


def main() -> None:
    path = Path(sys.argv[1])
    given = json.loads(path.read_bytes()) if path.exists() else {}
    kernel = Kernel(int(sys.argv[2]) if len(sys.argv) > 2 else 0, given)
    if not given:
        kernel.write_connection_file(path)
    kernel.run()


if __name__ == "__main__":
    main()
