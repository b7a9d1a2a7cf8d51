"""What a client asks over HTTP, and what it hears when that cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.fake_kernel import FakeKernel
from tests.support.remote import remote
from tests.support.serving import Served, serving
from w2z.client import rest as module
from w2z.client.rest import Rest
from w2z.errors import NotDone, NotW2z, RemoteError, Unauthorized, UnknownKernel, Unreachable


def rest(served: Served, path: str = "/", **more: object) -> Rest:
    return Rest(remote(f"http://{served.host}:{served.port}{path}", **more))


async def test_the_model_and_the_spec(served: Served, kernel: FakeKernel) -> None:
    assert (await rest(served).model())["id"] == "the-kernel"
    assert (await rest(served, "/api/kernels/the-kernel/").model())["id"] == "the-kernel"
    spec = await rest(served).kernelspec()
    assert {"name", "spec"} <= spec.keys()


async def test_the_logos(
    kernel: FakeKernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "share" / "kernels" / "fake"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text('{"argv": ["x"], "display_name": "X", "language": "x"}')
    (folder / "logo-64x64.png").write_bytes(b"a picture")
    (folder / "kernel.js").write_bytes(b"no picture")
    (folder / "logo-svg.svg").write_bytes(b"gone")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    async with serving(kernel.connection_file, base_url="/k/") as served:
        there = rest(served, "/k/")
        spec = await there.kernelspec()
        (folder / "logo-svg.svg").unlink()
        assert await there.logos(spec) == {"logo-64x64.png": b"a picture"}
        odd = {"logo-x": "/kernelspecs/fake/../logo-x.png", "logo-y": 7, "z": "http://elsewhere/"}
        assert await there.logos({"resources": odd}) == {}
        assert await there.logos({}) == {}


@pytest.mark.parametrize(
    ("path", "token", "kind"),
    [
        ("/", "wrong", Unauthorized),
        ("/", None, Unauthorized),
        ("/nothing/", "a-token-for-tests", UnknownKernel),
        ("/api/kernels/another", "a-token-for-tests", UnknownKernel),
    ],
)
async def test_refusals(
    served: Served, path: str, token: str | None, kind: type[RemoteError]
) -> None:
    with pytest.raises(kind):
        await rest(served, path, token=token).model()


async def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_FOR", 0.0)
    with pytest.raises(Unreachable, match="Connection refused"):
        await Rest(remote("http://127.0.0.1:1/")).interrupt()


@asynccontextmanager
async def answering(answer: bytes | None, path: str = "") -> AsyncIterator[Rest]:
    """Something else than w2z; ``None``: it never answers."""
    silent = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await silent.wait()
        else:
            writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield Rest(remote(f"http://127.0.0.1:{port}/{path}"))
        silent.set()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", NotW2z),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", NotW2z),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]", NotW2z),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", NotW2z),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", NotDone),
        (b"SSH-2.0\r\n", Unreachable),
        (b"", Unreachable),
    ],
)
async def test_another_server(answer: bytes, kind: type[RemoteError]) -> None:
    async with answering(answer) as asking:
        with pytest.raises(kind):
            await asking.model()


async def test_w2z_says_why_it_could_not_do_it() -> None:
    told = b'{"message": "the kernel does not answer", "reason": null}'
    answer = b"HTTP/1.1 504 No\r\nContent-Length: %d\r\n\r\n%s" % (len(told), told)
    async with answering(answer, "api/kernels/k") as asking:
        for work in (asking.interrupt, asking.restart, asking.stop):
            with pytest.raises(NotDone, match="could not do it: the kernel does not answer"):
                await work()


async def test_a_spec_that_is_none() -> None:
    model = b'[{"id":"k","name":"n"}]'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(model), model)
    async with answering(answer) as asking:
        with pytest.raises(NotW2z):
            await asking.kernelspec()


async def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    remote_rest = module.request
    monkeypatch.setattr(
        module, "request", lambda where, method, path, _: remote_rest(where, method, path, 0.1)
    )
    async with answering(None) as asking:
        with pytest.raises(NotDone, match=r"did not answer GET /api/kernels in 0\.1 seconds"):
            await asking.model()
