"""What may stand between a client and w2z: an HTTP proxy that tunnels, and an end of TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int
) -> None:
    there_reader, there_writer = await asyncio.open_connection(host, port)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_copy(reader, there_writer))
            tasks.create_task(_copy(there_reader, writer))
    finally:
        writer.close()
        there_writer.close()


class HttpProxy:
    """A proxy that does nothing but CONNECT, and notes what it was asked."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and be a tunnel then."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head)
            method, target, _ = head.split(" ", 2)
            writer.write(self.answer)
            if method == "CONNECT" and b" 200 " in self.answer:
                host, _, port = target.rpartition(":")
                await _join(reader, writer, host, int(port))
        writer.close()


@asynccontextmanager
async def http_proxy(proxy: HttpProxy) -> AsyncIterator[HttpProxy]:
    """Let the proxy listen."""
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield proxy


def certificate(path: Path) -> Path:
    """Write a certificate for 127.0.0.1 that nobody has signed, and its key, to one file."""
    subject = ["-subj", "/CN=w2z", "-addext", "subjectAltName=IP:127.0.0.1"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    command = ["openssl", "req", "-x509", *curve, *subject, "-keyout", str(path), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


@asynccontextmanager
async def tls_end(
    host: str, port: int, own: Path, asks_for: Path | None = None
) -> AsyncIterator[str]:
    """Take TLS off what is carried to a server; gives the URL. ``asks_for``: from clients, too."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own)
    if asks_for is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(asks_for)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _join(reader, writer, host, port)

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
