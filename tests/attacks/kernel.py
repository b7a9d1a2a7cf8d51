"""The kernel that is attacked through, and attacks: ``python -m tests.attacks.kernel FILE``.

It is tests/support/tiny_kernel.py with heartbeats while a cell runs, as real kernels have them, and
an iopub socket that drops nothing, so that whatever is missing was lost by w2z.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import zmq

from tests.support.tiny_kernel import TinyKernel

DELIMITER = b"<IDS|MSG>"


class AttackedKernel(TinyKernel):
    """Answers heartbeats in a thread. Cells have two names more.

    ``raw(*parts)`` sends a multipart on iopub as it is; ``reply(content)`` sends a reply to the
    cell.
    """

    hb: zmq.Socket[bytes]
    iopub: zmq.Socket[bytes]
    shell: zmq.Socket[bytes]

    def __init__(self, info: dict[str, Any]) -> None:
        super().__init__(info)
        self._poller.unregister(self.hb)
        self._asker: list[bytes] = []
        self._names |= {"raw": self.raw, "reply": self.reply}
        threading.Thread(target=self._beat, daemon=True).start()

    def raw(self, *parts: bytes) -> None:
        self.iopub.send_multipart(parts)

    def reply(self, content: dict[str, Any]) -> None:
        self.shell.send_multipart([*self._asker, *self._message("execute_reply", content)])

    def _take(self, socket: zmq.Socket[bytes], parts: list[bytes]) -> None:
        self._asker = parts[: parts.index(DELIMITER)]
        super()._take(socket, parts)

    def _beat(self) -> None:
        while True:
            self.hb.send_multipart(self.hb.recv_multipart())


if __name__ == "__main__":
    AttackedKernel(json.loads(Path(sys.argv[1]).read_text())).run()
