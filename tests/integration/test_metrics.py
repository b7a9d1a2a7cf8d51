"""The metrics page, of an w2z to which things have happened."""

from __future__ import annotations

import hashlib

from tests.support.client import open_client
from tests.support.fake_kernel import FakeKernel
from tests.support.raw_http import raw_http
from tests.support.serving import TOKEN, Served, serving
from tests.support.waiting import until
from w2z.server.rest.metrics import metrics


def read(served: Served) -> dict[str, float]:
    """The values by name and labels, each with its help and its type: a total is a counter."""
    values: dict[str, float] = {}
    told: dict[str, dict[str, str]] = {"HELP": {}, "TYPE": {}}
    for line in metrics(served.bridge).splitlines():
        if line.startswith("# "):
            _, what, name, text = line.split(" ", 3)
            told[what][name] = text
        else:
            name, value = line.rsplit(" ", 1)
            values[name] = float(value)
            family = name.split("{")[0]
            assert told["HELP"][family]
            kind = "counter" if family.endswith("_total") else "gauge"
            assert told["TYPE"][family] == kind
    return values


async def test_what_a_slow_client_costs_and_misses_is_counted(kernel: FakeKernel) -> None:
    name = f'{{session="{hashlib.sha256(b"slow").hexdigest()[:12]}"}}'
    async with serving(
        kernel.connection_file, journal_size=300_000, spill_size=0, replay_size=0
    ) as served:
        async with open_client(served.url("slow"), "v1") as slow:
            await kernel.iopub("status", {"execution_state": "idle"})
            await slow.until("status")
        await until(lambda: not served.bridge.clients.connections, "the client is away")
        for _ in range(8):
            await kernel.iopub("stream", {"name": "stdout", "text": "x" * 100_000})
        await kernel.iopub("status", {"execution_state": "idle"})
        async with open_client(served.url("other"), "v1") as other:
            await kernel.iopub("status", {"execution_state": "last"})
            while (await other.until("status")).content["execution_state"] != "last":
                pass
            before = read(served)
            assert before["w2z_clients"] == 1
            assert before["w2z_sessions"] == 2
            assert 0 < before["w2z_session_queued_bytes" + name] <= 300_000
            assert before["w2z_memory_bytes"] <= 300_000
            async with open_client(served.url("slow"), "v1") as slow:
                while (await slow.until("status")).content["execution_state"] != "last":
                    pass
                after = read(served)
        dropped = after["w2z_session_dropped_messages_total" + name]
        assert after["w2z_session_gaps_total" + name] == 1
        assert after["w2z_session_resumed_total" + name] == 1
        assert 0 < dropped <= 8
        assert after["w2z_session_dropped_bytes_total" + name] > dropped * 100_000
        assert after["w2z_dropped_messages_total"] == dropped
        served.bridge.clients.hub.forget("slow")
        gone = read(served)
        assert gone["w2z_dropped_messages_total"] == dropped
        assert "w2z_session_gaps_total" + name not in gone


async def test_the_page_names_no_session_and_no_token(kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file) as served,
        open_client(served.url("a-secret-session"), "v1"),
    ):
        page = metrics(served.bridge)
    assert "a-secret-session" not in page
    assert TOKEN not in page


async def test_prometheus_gets_it_with_the_token_only(kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file) as served,
        raw_http(served.host, served.port) as peer,
    ):
        await peer.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await peer.answer()).status == 401
        await peer.send(
            f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        answer = await peer.answer()
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert b"\nw2z_clients 0\n" in answer.body
