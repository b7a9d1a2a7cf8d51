"""What an attack gets: a w2z that runs as a user starts it, its kernel and its files."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack
from urllib.parse import urlsplit

from tests.attacks.bystander import Bystander
from tests.support.client import Client, execute_request, open_client
from tests.support.processes import TOKEN, Process, W2z
from tests.support.raw_http import RawHttp, raw_http
from tests.support.raw_websocket import RawWebsocket, raw_websocket

AUTH = f"Authorization: token {TOKEN}"
MIB = 2**20


@dataclass
class Target:
    """One w2z that is attacked."""

    w2z: W2z
    kernel: Process
    connection_file: Path
    token_file: Path
    bystander: Bystander

    @property
    def host(self) -> str:
        return "127.0.0.1"

    @property
    def port(self) -> int:
        port = urlsplit(self.w2z.url).port
        assert port is not None
        return port

    def url(self, session_id: str | None = None) -> str:
        """Return the URL of a session's websocket, with the token."""
        return self.w2z.websocket(session_id)

    def http(self) -> AbstractAsyncContextManager[RawHttp]:
        """Open a connection."""
        return raw_http(self.host, self.port)

    def websocket(
        self, session_id: str | None = None, wire: str = "v1"
    ) -> AbstractAsyncContextManager[RawWebsocket]:
        """Open a websocket with the token, on which only the attack reads and writes."""
        return raw_websocket(self, session_id, wire)

    def client(
        self, session_id: str | None = None, wire: str = "v1"
    ) -> AbstractAsyncContextManager[Client]:
        """Open a websocket with the token that behaves as clients do."""
        return open_client(self.url(session_id), wire)

    async def cell(self, code: str) -> None:
        """Run code in the kernel, and wait until the bystander has heard what came of it."""
        async with self.client() as client:
            await client.send(execute_request(code))
        await self.bystander.through()

    async def metric(self, name: str) -> float:
        """Return the sum of a metric's samples."""
        async with self.http() as http:
            page = (await http.ask("GET /metrics", AUTH)).body.decode()
        return sum(map(float, re.findall(rf"^w2z_{name}(?:\{{.*\}})? (\S+)$", page, re.MULTILINE)))

    @asynccontextmanager
    async def stopped_kernel(self) -> AsyncIterator[None]:
        """Let the kernel take nothing until the end of the block."""
        os.kill(self.kernel.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.kernel.process.pid, signal.SIGCONT)


Run = Callable[[Target], Awaitable[str]]
"""An attack: returns what came of it, in a few words."""


@dataclass(frozen=True)
class Attack:
    """One attack, and what may come of it besides."""

    name: str
    who: str
    words: str
    run: Run
    files: int | None = None
    """w2z's limit of file descriptors."""
    is_unready: bool = False
    """Whether ``/readyz`` may answer 503 meanwhile."""
    is_revoked: bool = False
    """Whether the bystander's connection is closed with 4401, and its session goes on later."""
    loses: bool = False
    """Whether output may be missing, with a notice that says so (see docs/delivery.md)."""


class Options(TypedDict, total=False):
    """The optional fields of an :class:`Attack`."""

    files: int
    is_unready: bool
    is_revoked: bool
    loses: bool


class Attacks(dict[str, Attack]):
    """The attacks of one kind of attacker, by name."""

    def __init__(self, who: str) -> None:
        super().__init__()
        self._who = who

    def add(self, words: str, **options: Unpack[Options]) -> Callable[[Run], Run]:
        """Add a function, whose name with dashes is the attack's; ``words`` say what it does."""

        def added(run: Run) -> Run:
            name = getattr(run, "__name__", "").replace("_", "-")
            self[name] = Attack(name, self._who, words, run, **options)
            return run

        return added


def counted(outcomes: Iterable[object]) -> str:
    """Say how often each outcome came, the most frequent one first."""
    numbers = Counter(map(str, outcomes)).most_common()
    return ", ".join(f"{what} ×{number}" if number > 1 else what for what, number in numbers)
