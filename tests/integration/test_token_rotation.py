"""A token file that changes: who may go on, who may come, and who is sent away."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.support.client import open_client
from tests.support.fake_kernel import FakeKernel
from tests.support.rest import open_rest
from tests.support.serving import TOKEN, Served, serving


def put(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.chmod(0o600)
    fresh.replace(path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    put(path, "old\n")
    return path


@pytest.fixture
async def served(kernel: FakeKernel, file: Path) -> AsyncIterator[Served]:
    async with serving(kernel.connection_file, token_file=file) as found:
        yield found


def url(served: Served, token: str, session_id: str | None = None) -> str:
    return served.url(session_id).replace(TOKEN, token)


async def status(served: Served, token: str) -> int:
    authorization = f"Authorization: token {token}"
    async with open_rest(f"http://{served.host}:{served.port}", authorization) as rest:
        return (await rest.ask("GET /api/kernels")).status


async def test_a_websocket_that_the_last_token_opened_is_closed_while_nobody_asks(
    served: Served, file: Path
) -> None:
    async with (
        open_client(url(served, "old"), "v1") as one,
        open_client(url(served, "old"), "default") as other,
    ):
        put(file, "new\n")
        assert await one.closed() == (4401, "the token is not valid any more")
        assert await other.closed() == (4401, "the token is not valid any more")


async def test_one_that_the_new_token_opened_stays(served: Served, file: Path) -> None:
    async with open_client(url(served, "old", "a"), "v1") as old:
        put(file, "new\n")
        # Before the watcher looks: this is the request that notices the change.
        async with open_client(url(served, "new", "b"), "v1") as new:
            assert (await old.closed())[0] == 4401
            await (await new.websocket.ping())
            assert await status(served, "new") == 200
            assert await status(served, "old") == 403


@pytest.mark.parametrize("spoil", [os.unlink, lambda file: put(file, "")])
async def test_without_a_token_in_the_file_nobody_gets_in(
    served: Served, file: Path, spoil: Callable[[Path], object]
) -> None:
    async with open_client(url(served, "old"), "v1") as client:
        spoil(file)
        assert await status(served, "old") == 403
        assert (await client.closed())[0] == 4401
        put(file, "old\n")
        assert await status(served, "old") == 200


async def test_the_session_is_resumed_with_the_new_token(
    served: Served, file: Path, kernel: FakeKernel
) -> None:
    async with open_client(url(served, "old", "a"), "v1") as old:
        put(file, "new\n")
        assert (await old.closed())[0] == 4401
    await kernel.iopub("stream", {"name": "stdout", "text": "meanwhile"})
    async with open_client(url(served, "new", "a"), "v1") as new:
        assert (await new.until("stream")).content["text"] == "meanwhile"


async def test_the_same_token_in_another_file_closes_nothing(served: Served, file: Path) -> None:
    async with open_client(url(served, "old"), "v1") as client:
        put(file, "old\n# another comment\n")
        assert await status(served, "old") == 200
        await (await client.websocket.ping())
