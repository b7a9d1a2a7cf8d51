"""A kernel in one file that starts fast, for tests that need many kernels or one that misbehaves.

``python tiny_kernel.py FILE`` serves the connection file ``FILE``. Cells are Python. In a cell,
``say(text)`` prints to the client; ``print`` prints to the process' own stdout, which the kernel
does not capture.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import uuid
from pathlib import Path
from typing import Any

import zmq

Parts = list[bytes]


class TinyKernel:
    """Serves one connection file until a ``shutdown_request``, one request at a time."""

    def __init__(self, info: dict[str, Any]) -> None:
        self._key = info["key"].encode()
        self._session = uuid.uuid4().hex
        self._context = zmq.Context()
        self._poller = zmq.Poller()
        separator = ":" if info["transport"] == "tcp" else "-"
        for name in ("shell", "control", "stdin", "hb", "iopub"):
            socket = self._context.socket(zmq.PUB if name == "iopub" else zmq.ROUTER)
            socket.sndhwm = 0  # what is missing elsewhere was not dropped here
            socket.bind(f"{info['transport']}://{info['ip']}{separator}{info[name + '_port']}")
            setattr(self, name, socket)
            if name in ("shell", "control", "hb"):
                self._poller.register(socket, zmq.POLLIN)
        self._parent: dict[str, Any] = {}
        self._is_over = False
        self._names: dict[str, Any] = {"say": self.say, "kernel": self}

    def run(self) -> None:
        self.publish("status", {"execution_state": "starting"})
        while not self._is_over:
            for socket, _ in self._poller.poll():
                self._take(socket, socket.recv_multipart())
        self._context.destroy(linger=1000)

    def say(self, text: str) -> None:
        self.publish("stream", {"name": "stdout", "text": text})

    def publish(self, msg_type: str, content: dict[str, Any]) -> None:
        topic = msg_type.encode()
        self.iopub.send_multipart([topic, *self._message(msg_type, content)])  # type: ignore[attr-defined]

    def _message(self, msg_type: str, content: dict[str, Any]) -> Parts:
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": msg_type,
            "username": "kernel",
            "session": self._session,
            "date": "2026-11-22T22:48:07.255026Z",
            "version": "5.4",
        }
        parts = [json.dumps(part).encode() for part in (header, self._parent, {}, content)]
        signature = hmac.new(self._key, b"".join(parts), hashlib.sha256).hexdigest()
        return [b"<IDS|MSG>", signature.encode(), *parts]

    def _take(self, socket: zmq.Socket[bytes], parts: Parts) -> None:
        if b"<IDS|MSG>" not in parts:
            socket.send_multipart(parts)  # a heartbeat
            return
        at = parts.index(b"<IDS|MSG>")
        self._parent, content = json.loads(parts[at + 2]), json.loads(parts[at + 5])
        self.publish("status", {"execution_state": "busy"})
        msg_type = self._parent["msg_type"]
        answer = self._answer(msg_type, content)
        reply = self._message(msg_type.replace("_request", "_reply"), answer)
        socket.send_multipart([*parts[:at], *reply])
        self.publish("status", {"execution_state": "idle"})
        self._parent = {}

    def _answer(self, msg_type: str, content: dict[str, Any]) -> dict[str, Any]:
        if msg_type == "kernel_info_request":
            language = {"name": "python", "mimetype": "text/x-python", "file_extension": ".py"}
            version = {"implementation": "tiny", "protocol_version": "5.4"}
            return {"status": "ok", **version, "language_info": language}
        if msg_type == "execute_request":
            exec(content["code"], self._names)
        if msg_type == "shutdown_request":
            self._is_over = True
            return {"status": "ok", **content}
        return {"status": "ok"}


if __name__ == "__main__":
    TinyKernel(json.loads(Path(sys.argv[1]).read_text())).run()
