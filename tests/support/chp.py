"""A real configurable-http-proxy, which has no routes at first."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import TOKEN, Process, running
from tests.support.proxies import (
    CHP_TOKEN,
    CONFIGURATIONS,
    NODE,
    certificate,
    free_port,
    own_address,
)
from tests.support.raw_http import raw_http


@dataclass
class Chp:
    """The proxy's addresses; it runs with the configuration of containers/proxies."""

    folder: Path
    address: str = field(default_factory=own_address)

    def __post_init__(self) -> None:
        self.port, self.api_port = free_port(self.address), free_port(self.address)
        self.folder.mkdir()
        certificate(self.folder, self.address)
        self.tls = ssl.create_default_context(cafile=self.folder / "tls.pem")
        self.api = f"http://{self.address}:{self.api_port}"
        self.url = f"https://{self.address}:{self.port}"

    def websocket(self, base_url: str, session_id: str) -> str:
        return (
            f"wss://{self.address}:{self.port}{base_url}channels"
            f"?token={TOKEN}&session_id={session_id}"
        )

    async def until(self, targets: dict[str, str]) -> None:
        """Wait until the proxy has exactly these routes."""
        while await self.targets() != targets:
            pass

    @asynccontextmanager
    async def up(self) -> AsyncIterator[Process]:
        """Run the proxy from when its API listens until the end of the block, which kills it."""
        file = str(self.folder / "tls.pem")
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(NODE), os.environ["PATH"]]),
            "CONFIGPROXY_AUTH_TOKEN": CHP_TOKEN,
            "ADDRESS": self.address,
            "PORT": str(self.port),
            "API_ADDRESS": self.address,
            "API_PORT": str(self.api_port),
            "CERTIFICATE": file,
            "KEY": file,
        }
        script = str(CONFIGURATIONS / "configurable-http-proxy.sh")
        async with running(script, env=environment) as process:
            await process.line("Proxy API at")
            yield process

    async def targets(self) -> dict[str, str]:
        """Return where the proxy's routes lead, by their paths."""
        lines = ["GET /api/routes HTTP/1.0", f"Authorization: token {CHP_TOKEN}", "", ""]
        async with raw_http(self.address, self.api_port) as http:
            await http.send("\r\n".join(lines).encode())
            # Node closes the connection after an answer whose length it does not know.
            head, _, body = (await http.reader.read(-1)).partition(b"\r\n\r\n")
        assert b" 200 " in head, head
        table = json.loads(body)
        return {path: route["target"] for path, route in table.items()}
