"""A client of a REST API that sends the test's own lines and body, over one connection."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.support.raw_http import Answer, RawHttp, raw_http
from tests.support.waiting import TURN, within

LONGEST = 60.0
"""Seconds that a kernel may take for anything; some are slow to start."""


class Rest:
    """A REST client that sends the header ``lines`` with every request."""

    def __init__(self, http: RawHttp, *lines: str, host: str = "here") -> None:
        self.http = http
        self._lines = lines
        self._host = host

    async def ask(self, line: str, body: Any = None, *lines: str) -> Answer:
        """Send a request and return the answer. A body that is not bytes is sent as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        if body is None:
            data = b""
        length = () if line.startswith(("GET", "HEAD")) else (f"Content-Length: {len(data)}",)
        every = (*self._lines, *length, *lines)
        return await self.http.ask(line, *every, body=data, host=self._host)

    async def json(self, line: str, body: Any = None, *, status: int = 200) -> Any:
        """Send a request and return the JSON of the answer, which has to have that status."""
        answer = await self.ask(line, body)
        assert answer.status == status, answer
        return answer.json

    async def done(self, line: str, body: Any = None) -> None:
        """Send a request whose answer has to be an empty 204."""
        answer = await self.ask(line, body)
        assert (answer.status, answer.body) == (204, b""), answer

    async def kernel(self, **fields: Any) -> dict[str, Any]:
        """Wait until the one kernel's model has these fields; return the model."""
        model: dict[str, Any] = {}
        async with within(LONGEST, f"the kernel's model has {fields}"):
            while not (model and fields.items() <= model.items()):
                if model:
                    await asyncio.sleep(TURN)
                [model] = await self.json("GET /api/kernels")
        return model


@asynccontextmanager
async def open_rest(
    url: str, *lines: str, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Rest]:
    """Open a client of the server at ``url``."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    assert host is not None
    assert port is not None
    async with raw_http(host, port, tls) as http:
        yield Rest(http, *lines, host=f"{host}:{port}")
