"""Real proxies with the configurations of containers/proxies, in front of a real w2z."""

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

from tests.support.processes import IPYKERNEL, TINY, TOKEN, Process, W2z, launched, running
from tests.support.rest import Rest, open_rest

ROOT = Path(__file__).parent.parent.parent
CONFIGURATIONS = ROOT / "containers" / "proxies"
VENV = Path(sys.executable).parent
NODE = ROOT / "tests" / "node" / "node_modules" / ".bin"
CHP_TOKEN = "a-token-for-the-routes"
READY = 30
"""Seconds that a proxy may take until the kernels can be reached through it."""


def own_address() -> str:
    """Return a loopback address of a test's own: no other program takes its free ports."""
    return "127." + ".".join(str(secrets.randbelow(254) + 1) for _ in range(3))


def free_port(address: str) -> int:
    with socket.create_server((address, 0)) as found:
        port: int = found.getsockname()[1]
        return port


def certificate(folder: Path, address: str) -> None:
    """Write a self-signed certificate for ``address``, and its key, to tls.pem in ``folder``."""
    made = str(folder / "tls.pem")
    subject = ["-subj", "/CN=w2z", "-addext", f"subjectAltName=IP:{address}"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    command = ["openssl", "req", "-x509", *curve, *subject, "-keyout", made, "-out", made]
    subprocess.run(command, check=True, capture_output=True)


@dataclass
class Place:
    """A proxy: where it listens, and which kernels are behind it."""

    kind: str
    folder: Path
    kernels: tuple[str, str]
    """Where /k1/ and /k2/ lead, as ADDRESS:PORT."""
    idle: int = 60
    """Seconds after which the proxy cuts a silent connection, if it can do that."""
    address: str = field(default_factory=own_address)

    def __post_init__(self) -> None:
        self.port, self.api_port = free_port(self.address), free_port(self.address)
        certificate(self.folder, self.address)
        self.tls = ssl.create_default_context(cafile=self.folder / "tls.pem")
        self.url = f"https://{self.address}:{self.port}/"
        self.api = f"http://{self.address}:{self.api_port}"

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that the configurations use."""
        file = str(self.folder / "tls.pem")
        return {
            "ADDRESS": self.address,
            "HOST": self.address,
            "PORT": str(self.port),
            "API_ADDRESS": self.address,
            "API_PORT": str(self.api_port),
            "CERTIFICATE": file,
            "KEY": file,
            "KERNEL_1": self.kernels[0],
            "KERNEL_2": self.kernels[1],
            "IDLE_TIMEOUT": f"{self.idle}s",
        }

    def websocket(self, path: str = "k1/channels", session_id: str | None = None) -> str:
        session = f"&session_id={session_id}" if session_id else ""
        return f"{self.url.replace('http', 'ws', 1)}{path}?token={TOKEN}{session}"

    @asynccontextmanager
    async def rest(self, *lines: str) -> AsyncIterator[Rest]:
        """Open an HTTP client of the proxy."""
        async with open_rest(self.url, *lines, tls=self.tls) as rest:
            yield rest

    @asynccontextmanager
    async def routes(self) -> AsyncIterator[Rest]:
        """Open a client of the API that sets the routes of configurable-http-proxy."""
        async with open_rest(self.api, f"Authorization: token {CHP_TOKEN}") as rest:
            yield rest

    @asynccontextmanager
    async def up(self, *paths: str) -> AsyncIterator[Process]:
        """Run the proxy, and wait until the kernels of ``paths`` (by default both) are reached.

        The proxy is killed at the end of the block, and must not have printed the token.
        """
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(VENV), str(NODE), os.environ["PATH"], "/usr/sbin"]),
            "HOME": str(self.folder),
            "CONFIGPROXY_AUTH_TOKEN": CHP_TOKEN,
            **self.variables,
        }
        async with running(*COMMANDS[self.kind](self), env=environment) as process:
            async with asyncio.timeout(READY):
                if self.kind == "configurable-http-proxy":
                    await self._add_routes(process)
                for path in paths or ("k1", "k2"):
                    while await self._status(process, path) != 200:
                        pass
            yield process
        # After its end, when all its output is known.
        assert TOKEN not in process.output

    async def _status(self, process: Process, path: str) -> int:
        """Return the proxy's status for a kernel; 0 until it listens with the right certificate."""
        assert process.process.returncode is None, process.output
        # Traefik listens before it has read the file that names the certificate.
        early = ConnectionError, asyncio.IncompleteReadError, ssl.SSLCertVerificationError
        with contextlib.suppress(*early):
            async with self.rest() as rest:
                return (await rest.ask(f"GET /{path}/livez")).status
        return 0

    async def _add_routes(self, process: Process) -> None:
        while True:
            assert process.process.returncode is None, process.output
            with contextlib.suppress(ConnectionRefusedError):
                async with self.routes() as rest:
                    for path, target in zip(("k1", "k2"), self.kernels, strict=True):
                        route = {"target": f"http://{target}"}
                        assert (await rest.ask(f"POST /api/routes/{path}", route)).status == 201
                    return


def _nginx(place: Place) -> list[str]:
    """Fill in the template as the image's start script does, and write a minimal main file."""
    text = (CONFIGURATIONS / "nginx.conf.template").read_text()
    filled = re.sub(r"\$\{(\w+)\}", lambda found: place.variables[found[1]], text)
    (place.folder / "kernels.conf").write_text(filled)
    main = place.folder / "nginx.conf"
    # The main file sets the logs, as in Debian and in the image.
    main.write_text(
        f"daemon off; worker_processes 1; error_log stderr; pid {place.folder}/nginx.pid;"
        " events {} http { access_log /dev/stdout; error_log stderr;"
        f" include {place.folder}/kernels.conf; }}"
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
async def two_kernels(folder: Path) -> AsyncIterator[tuple[W2z, W2z]]:
    """Run one w2z at /k1/ with a tiny kernel, and one at /k2/ with an ipykernel.

    Only the first one pings often (every 0.5 s). Both refuse web pages of other origins.
    """
    options = ("--strict-origin", "--ping-interval")
    folders = folder / "one", folder / "two"
    for each in folders:
        each.mkdir()
    async with (
        launched(folders[0], "--base-url", "/k1/", *options, "0.5", *TINY) as one,
        launched(folders[1], "--base-url", "/k2/", *options, "600", *IPYKERNEL) as two,
    ):
        for kernel in (one, two):
            await kernel.ready()
        yield one, two
