"""A fake of configurable-http-proxy's REST API, whose answers a test can replace."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any


@dataclass
class Asked:
    method: str
    path: str
    head: str
    body: Any


def answer(status: int, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d Done\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


class FakeApi:
    """A table of routes. ``instead`` may return an answer to send in place of the table's."""

    def __init__(self, routes: dict[str, str] | None = None) -> None:
        self.routes = routes or {}
        self.instead: Callable[[Asked], bytes | None] = lambda asked: None
        self.asked: list[Asked] = []
        self.news = asyncio.Condition()
        self.url = ""

    async def until(self, method: str, number: int = 1) -> Asked:
        """Wait for the ``number``-th request with that method, and return it."""
        async with self.news:
            while len(found := [a for a in self.asked if a.method == method]) < number:
                await self.news.wait()
        return found[number - 1]

    @property
    def methods(self) -> list[str]:
        return [asked.method for asked in self.asked]

    def say(self, asked: Asked) -> bytes:
        said = self.instead(asked)
        if said is not None:
            return said
        key = asked.path.removeprefix("/api/routes")
        if asked.method == "GET" and key == "/":
            table = {key: {"target": target} for key, target in self.routes.items()}
            return answer(200, json.dumps(table).encode())
        if asked.method == "POST":
            self.routes[key] = asked.body["target"]
            return answer(201)
        if key not in self.routes:
            return answer(404)
        if asked.method == "DELETE":
            del self.routes[key]
            return answer(204)
        return answer(200, json.dumps({"target": self.routes[key]}).encode())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
            body = await reader.readexactly(length)
            method, path, _ = head.split(" ", 2)
            asked = Asked(method, path, head, json.loads(body) if body else None)
            writer.write(self.say(asked))
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            async with self.news:
                self.asked.append(asked)
                self.news.notify_all()
        finally:
            writer.close()


@asynccontextmanager
async def listening(api: FakeApi, **options: Any) -> AsyncIterator[FakeApi]:
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0, **options)
    async with server:
        scheme = "https" if options else "http"
        api.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield api
