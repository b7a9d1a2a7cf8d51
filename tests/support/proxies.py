"""Real proxies with the configurations of containers/proxies, in front of real w2z."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.processes import TINY, TOKEN, Process, W2z, launched, running
from tests.support.rest import Rest, open_rest

ROOT = Path(__file__).parent.parent.parent
CONFIGURATIONS = ROOT / "containers" / "proxies"
VENV = Path(sys.executable).parent
NODE = ROOT / "tests" / "node" / "node_modules" / ".bin"
CHP_TOKEN = "a-token-for-the-routes"


def own_address() -> str:
    """A loopback address of a test's own: nobody takes a port of it while it is not listened on."""
    return "127." + ".".join(str(secrets.randbelow(254) + 1) for _ in range(3))


def free_port(address: str) -> int:
    with socket.create_server((address, 0)) as found:
        port: int = found.getsockname()[1]
        return port


def certificate(folder: Path, address: str) -> None:
    """A certificate for ``address`` that is its own authority, and its key, in tls.pem."""
    made = str(folder / "tls.pem")
    subject = ["-subj", "/CN=w2z", "-addext", f"subjectAltName=IP:{address}"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    command = ["openssl", "req", "-x509", *curve, *subject, "-keyout", made, "-out", made]
    subprocess.run(command, check=True, capture_output=True)


@dataclass
class Place:
    """Where a proxy listens, and what is behind it."""

    kind: str
    folder: Path
    kernels: tuple[W2z, W2z]
    idle: int = 60
    """Seconds after which the proxy cuts a silent connection."""
    address: str = field(default_factory=own_address)

    def __post_init__(self) -> None:
        self.port, self.api_port = free_port(self.address), free_port(self.address)
        certificate(self.folder, self.address)
        self.tls = ssl.create_default_context(cafile=self.folder / "tls.pem")
        self.url = f"https://{self.address}:{self.port}/"
        self.api = f"http://{self.address}:{self.api_port}"

    @property
    def variables(self) -> dict[str, str]:
        """Those of the configurations."""
        one, two = (urlsplit(kernel.url).netloc for kernel in self.kernels)
        file = str(self.folder / "tls.pem")
        return {
            "ADDRESS": self.address,
            "HOST": self.address,
            "PORT": str(self.port),
            "API_ADDRESS": self.address,
            "API_PORT": str(self.api_port),
            "CERTIFICATE": file,
            "KEY": file,
            "KERNEL_1": one,
            "KERNEL_2": two,
            "IDLE_TIMEOUT": f"{self.idle}s",
        }

    def websocket(self, session_id: str | None = None, path: str = "k1/channels") -> str:
        session = f"&session_id={session_id}" if session_id else ""
        return f"{self.url.replace('http', 'ws', 1)}{path}?token={TOKEN}{session}"

    @asynccontextmanager
    async def rest(self, *lines: str) -> AsyncIterator[Rest]:
        """A client of the proxy."""
        async with open_rest(self.url, *lines, tls=self.tls) as rest:
            yield rest

    @asynccontextmanager
    async def routes(self) -> AsyncIterator[Rest]:
        """A client of the API in which configurable-http-proxy is told its routes."""
        async with open_rest(self.api, f"Authorization: token {CHP_TOKEN}") as rest:
            yield rest

    @asynccontextmanager
    async def up(self) -> AsyncIterator[Process]:
        """The proxy, killed at the end; it must not have logged the token."""
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(VENV), str(NODE), os.environ["PATH"], "/usr/sbin"]),
            "HOME": str(self.folder),
            "CONFIGPROXY_AUTH_TOKEN": CHP_TOKEN,
            **self.variables,
        }
        async with running(*COMMANDS[self.kind](self), env=environment) as process:
            if self.kind == "configurable-http-proxy":
                await self._add_routes(process)
            for path in ("k1", "k2"):
                while await self._status(process, path) != 200:
                    pass
            yield process
            assert TOKEN not in process.output

    async def _status(self, process: Process, path: str) -> int:
        """What the proxy answers for a kernel; 0 before it listens."""
        assert process.process.returncode is None, process.output
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            async with self.rest() as rest:
                return (await rest.ask(f"GET /{path}/livez")).status
        return 0

    async def _add_routes(self, process: Process) -> None:
        while True:
            assert process.process.returncode is None, process.output
            try:
                async with self.routes() as rest:
                    for path, name in (("k1", "KERNEL_1"), ("k2", "KERNEL_2")):
                        target = {"target": f"http://{self.variables[name]}"}
                        await rest.ask(f"POST /api/routes/{path}", target)
                    return
            except ConnectionRefusedError:
                await asyncio.sleep(0)


def _nginx(place: Place) -> list[str]:
    """The template filled in as the image's start script does, below the smallest main file."""
    text = (CONFIGURATIONS / "nginx.conf.template").read_text()
    filled = re.sub(r"\$\{(\w+)\}", lambda found: place.variables[found[1]], text)
    (place.folder / "kernels.conf").write_text(filled)
    main = place.folder / "nginx.conf"
    main.write_text(
        "daemon off; worker_processes 1; error_log stderr;"
        f" pid {place.folder}/nginx.pid;"
        f" events {{}} http {{ include {place.folder}/kernels.conf; }}"
    )
    return ["nginx", "-p", str(place.folder), "-e", "stderr", "-c", str(main)]


def _caddy(_: Place) -> list[str]:
    file = str(CONFIGURATIONS / "Caddyfile")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", file]


COMMANDS: dict[str, Callable[[Place], list[str]]] = {
    "nginx": _nginx,
    "haproxy": lambda _: ["haproxy", "-f", str(CONFIGURATIONS / "haproxy.cfg")],
    "traefik": lambda _: [str(CONFIGURATIONS / "traefik.sh")],
    "caddy": _caddy,
    "configurable-http-proxy": lambda _: [str(CONFIGURATIONS / "configurable-http-proxy.sh")],
}


@asynccontextmanager
async def two_kernels(
    kind: str,
    folder: Path,
    *options: str,
    first: tuple[str, ...] = TINY,
    **more: int,
) -> AsyncIterator[Place]:
    """A place for a proxy with w2z at /k1/ and /k2/, each with a kernel of its own.

    ``options`` are w2z's; ``first`` starts the first kernel, the second is a tiny one.
    """
    folders = [folder / name for name in ("one", "two", "proxy")]
    for one in folders:
        one.mkdir()
    async with (
        launched(folders[0], "--base-url", "/k1/", *options, *first) as one,
        launched(folders[1], "--base-url", "/k2/", *options, *TINY) as two,
    ):
        yield Place(kind, folders[2], (one, two), **more)
