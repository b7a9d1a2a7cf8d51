"""What becomes of a request: it is known for what it is, answered once, and not executed twice."""

from __future__ import annotations

import json

import pytest

from tests.support.client import open_client, request, v1_payload
from tests.support.fake_kernel import FakeKernel
from tests.support.serving import Served

# Its type.


@pytest.mark.parametrize("restart", [True, False])
async def test_the_end_is_asked_for_by_a_type_however_it_is_spelled(
    served: Served, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, restart: bool
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(
        served.keeper, "on_shutdown_request", lambda *, restart: asked.append(restart)
    )
    async with open_client(served.url("a"), "v1") as client:
        header = b'{"msg_id":"1","msg_type":"shutdown\\u005frequest"}'
        content = json.dumps({"restart": restart}).encode()
        await client.websocket.send(v1_payload([b"control", header, b"", b"", content]))
        await kernel.received.get()
        assert asked == [restart]


async def test_the_end_is_not_asked_for_by_what_only_mentions_it(
    served: Served, kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(
        served.keeper, "on_shutdown_request", lambda *, restart: asked.append(restart)
    )
    async with open_client(served.url("a"), "default") as client:
        sent = request("comm_msg", {"msg_type": "shutdown_request"}, channel="control")
        sent["header"]["parent"] = {"msg_type": "shutdown_request"}
        await client.send(sent)
        await kernel.received.get()
        assert asked == []
