"""A session is that of the principal who made it; here the request says who that is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.support.client import open_client, request
from tests.support.fake_kernel import FakeKernel
from tests.support.kernels import ready, rest_of
from tests.support.raw_http import raw_http
from tests.support.raw_websocket import upgrade
from tests.support.serving import Served, serving
from w2z.server import app
from w2z.server.access.policy import AccessPolicy
from w2z.server.handshake import Accepted, accept
from w2z.server.request import Request


@pytest.fixture
async def served(kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    def accept_as_told(asked: Request, policy: AccessPolicy) -> Accepted:
        return replace(accept(asked, policy), principal=asked.query.get("principal", ["nobody"])[0])

    monkeypatch.setattr(app, "accept", accept_as_told)
    async with serving(kernel.connection_file, max_connections=3) as found:
        async with rest_of(found) as rest:
            await ready(rest)
        yield found


def url(served: Served, session_id: str, principal: str) -> str:
    return f"{served.url(session_id)}&principal={principal}"


async def status_of(served: Served, session_id: str, principal: str) -> int:
    """What an upgrade is answered."""
    async with raw_http(served.host, served.port) as http:
        return (await upgrade(http, url(served, session_id, principal))).status


async def test_somebody_elses_session_is_forbidden_and_its_client_stays(
    served: Served, kernel: FakeKernel
) -> None:
    async with open_client(url(served, "a", "ann"), "v1") as client:
        assert await status_of(served, "a", "ben") == 403
        sent = await client.send(request("comm_msg"))
        _, got = await kernel.received.get()
        assert sent["msg_id"] in got.header.decode()
    assert await status_of(served, "a", "ben") == 403, "while it waits, too"
    assert await status_of(served, "a", "ann") == 101


async def test_somebody_elses_session_is_not_forgotten_for_a_newcomer(served: Served) -> None:
    for number in range(3):
        assert await status_of(served, f"a{number}", "ann") == 101
    assert await status_of(served, "b", "ben") == 503
    assert "a0" in served.bridge.clients.hub
    assert await status_of(served, "a3", "ann") == 101, "her own is"
    assert "a0" not in served.bridge.clients.hub
