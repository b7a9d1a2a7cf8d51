"""Ask w2z for its health all the time, and measure its stalls and its memory from outside.

``python prober.py PORT PID`` asks for ``/livez`` and ``/readyz`` in turn, on one connection that is
kept, until its standard input ends; then it prints a :class:`Found` as JSON. It is a process of its
own, with nothing but the standard library, so that the attacker's work does not delay it.

What a stall is. Between a question and its answer w2z's event loop, which is the main thread of
w2z's process, computes, or sleeps, or waits for a processor that other programs have. The last is
not w2z's fault, and on a busy machine it is most of the time. Linux counts it for each thread, in
``/proc/PID/task/TID/schedstat``, and so it does for the prober. So an answer's *own time* is the
time from the question to the answer, less the longer of the two waits for a processor. (Not less
both: they may have been at the same time, and then a stall would be missed.) A step that held the
loop was never longer than the own time of the question that met it, because the next question
follows within :data:`PAUSE`. So the longest own time is an upper bound for the longest stall: what
w2z computed or slept in its blocking calls, with the turns of other peers that came in between.

By the clock, too, an answer may not be late, unless w2z and the prober were kept waiting for a
processor most of the time.

``w2z_event_loop_lag_seconds`` is less true: it looks once a second, and counts the waits for a
processor. Nor does it count here.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

PAUSE = 0.003
"""Seconds between an answer and the next question. More of them would take w2z's time."""

GIVEN_UP = 8.0
"""Seconds without an answer after which the prober says so, and ends."""

ROUTES = ("/livez", "/readyz")


@dataclass
class Found:
    """What the prober saw. Times are in seconds, memory in KiB."""

    asked: int = 0
    connections: int = 0
    slowest: float = 0.0
    """The longest time to an answer, whatever it waited for."""
    stall: float = 0.0
    """The longest own time to an answer."""
    late: float = 0.0
    """The longest time to an answer for less than half of which w2z or the prober waited for a
    processor.
    """
    rss: int = 0
    """The most memory that was seen."""
    statuses: dict[str, dict[int, int]] = field(default_factory=dict)
    """By route, how often each status was answered."""
    failure: str = ""
    """Why there was no answer any more."""


class Prober:
    """Asks one w2z until it is told to stop."""

    def __init__(self, port: int, pid: int) -> None:
        self.found = Found(statuses={route: {} for route in ROUTES})
        self._port = port
        self._status = Path(f"/proc/{pid}/status")
        self._waits = [Path(f"/proc/{one}/task/{one}/schedstat") for one in (pid, os.getpid())]
        self._connection: socket.socket | None = None

    def look(self) -> None:
        """Ask once for each route."""
        for route in ROUTES:
            before, began = self._waited(), time.monotonic()
            status = self._answer(route, began + GIVEN_UP)
            took = time.monotonic() - began
            waited = max(b - a for a, b in zip(before, self._waited(), strict=True))
            found, counts = self.found, self.found.statuses[route]
            counts[status] = counts.get(status, 0) + 1
            found.asked += 1
            found.slowest = max(found.slowest, took)
            found.stall = max(found.stall, took - waited)
            found.late = max(found.late, took if waited < took / 2 else 0.0)
        self.found.rss = max(self.found.rss, memory(self._status)[0])

    def _waited(self) -> list[float]:
        """Return the seconds that w2z's main thread, and this one, have waited for a processor."""
        return [int(path.read_text().split()[1]) / 1e9 for path in self._waits]

    def _answer(self, route: str, until: float) -> int:
        """Return the status of the answer. A connection that w2z cuts is opened anew."""
        while True:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                status = self._ask(route, until)
                if status:
                    return status
            self._connection = None

    def _ask(self, route: str, until: float) -> int:
        """Return the status, or 0 if the connection ended without an answer."""
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no answer to {route} in {GIVEN_UP:g} s")
        if self._connection is None:
            self._connection = socket.create_connection(("127.0.0.1", self._port), left)
            self.found.connections += 1
        self._connection.settimeout(left)
        self._connection.sendall(f"GET {route} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        received = b""
        while b"\r\n\r\n" not in received or not _is_whole(received):
            piece = self._connection.recv(2**16)
            if not piece:
                return 0
            received += piece
        return int(received.split(b" ", 2)[1])


def _is_whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    lengths = [line[15:] for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"]
    return len(body) >= int(lengths[0] if lengths else b"0")


def memory(status: Path) -> tuple[int, int]:
    """Return the present and the largest memory of a process, by its file in /proc, in KiB."""
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(fields["VmRSS"].split()[0]), int(fields["VmHWM"].split()[0])


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(port: int, pid: int) -> None:
    """Ask until standard input ends, and print what was found."""
    prober = Prober(port, pid)
    with contextlib.suppress(OSError):
        os.nice(-5)  # where that is allowed: others' work delays it less
    try:
        prober.look()
        say("asking")
        while not select.select([sys.stdin], [], [], PAUSE)[0]:
            prober.look()
    except (OSError, KeyError) as error:
        prober.found.failure = str(error) or type(error).__name__
    say(json.dumps(asdict(prober.found)))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
