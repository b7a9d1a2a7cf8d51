"""The metrics page, of an w2z to which things have happened."""

from __future__ import annotations

import hashlib
from time import time

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from tests.support.client import execute_request, open_client
from tests.support.fake_kernel import FakeKernel
from tests.support.raw_http import Answer, raw_http
from tests.support.serving import TOKEN, Served, serving
from tests.support.waiting import ready, until
from w2z import __version__
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


async def test_for_whom_what_is_kept_is_told_and_until_when(served: Served) -> None:
    name = hashlib.sha256(b"a").hexdigest()[:12]
    gauge = f'w2z_session_waits_seconds{{principal="shared",session="{name}"}}'
    async with open_client(served.url("a"), "v1"):
        assert gauge not in read(served)
    await until(lambda: not served.bridge.clients.connections, "the client is away")
    assert 0 < read(served)[gauge] <= 60


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
        assert b"\nw2z_clients 0.0\n" in answer.body
        assert answer.headers["cache-control"] == "no-store"


async def ask(served: Served, accept: str) -> Answer:
    async with raw_http(served.host, served.port) as http:
        return await http.ask("GET /metrics", f"Authorization: token {TOKEN}", f"Accept: {accept}")


async def test_who_asks_for_openmetrics_gets_it(served: Served) -> None:
    await ask(served, "*/*")
    answer = await ask(served, "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1")
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {one.name: one for one in openmetrics(answer.body.decode())}
    assert families["w2z_build"].type == "info"
    assert families["w2z_build"].samples[0].labels["version"] == __version__
    assert families["w2z_http_requests"].type == "counter"
    assert answer.body.endswith(b"# EOF\n")


async def test_both_pages_are_read_by_prometheus_own_parsers(served: Served) -> None:
    async with open_client(served.url("anna"), "v1"):
        text = metrics(served.bridge)
        families = {one.name: one for one in plain(text)}
    for name in ("process_resident_memory_bytes", "process_open_fds", "w2z_kernel_busy"):
        assert families[name].type == "gauge"
    for name in ("process_cpu_seconds", "w2z_kernel_restarts", "w2z_event_loop_late_seconds"):
        assert families[name].type == "counter"
    assert abs(families["w2z_last_activity_timestamp_seconds"].samples[0].value - time()) < 60


async def test_messages_and_bytes_are_counted_by_channel_and_direction(
    served: Served, kernel: FakeKernel
) -> None:
    def of(channel: str, direction: str, what: str = "messages") -> float:
        return read(served)[f'w2z_{what}_total{{channel="{channel}",direction="{direction}"}}']

    await ready(served.bridge.kernel)
    async with open_client(served.url(), "v1") as client:
        before = of("iopub", "to_clients"), of("iopub", "to_clients", "message_bytes")
        shell = of("shell", "to_kernel")
        await client.send(execute_request("1"))
        await until(lambda: of("shell", "to_kernel") == shell + 1, "the request is counted")
        assert of("shell", "to_kernel", "message_bytes") > 100
        await kernel.iopub("stream", {"name": "stdout", "text": "x" * 1000})
        await client.until("stream")
        assert of("iopub", "to_clients") >= before[0] + 1
        size = of("iopub", "to_clients", "message_bytes") - before[1]
        assert 1000 < size < 3000


async def test_requests_refusals_and_closes_are_counted_by_what_they_were(served: Served) -> None:
    async with raw_http(served.host, served.port) as http:
        await http.ask("GET /api/kernels/anything")
        await http.ask("BREW /livez")
    async with open_client(served.url(), "v1"):
        pass
    await until(lambda: bool(served.bridge.counts.websockets), "the websocket has ended")
    values = read(served)
    route = 'method="GET",route="/api/kernels/{kernel_id}",status="401"'
    assert values[f"w2z_http_requests_total{{{route}}}"] == 1
    assert values['w2z_http_requests_total{method="other",route="/livez",status="405"}'] == 1
    assert values['w2z_http_requests_total{method="GET",route="/channels",status="101"}'] == 1
    assert values['w2z_refusals_total{reason="no_token"}'] == 1
    assert values['w2z_websockets_closed_total{code="1000"}'] == 1


async def test_a_kernel_in_the_place_of_a_lost_one_is_a_restart(served: Served) -> None:
    await ready(served.bridge.kernel)
    served.bridge.lost("the kernel ended")
    served.bridge.opened()
    assert read(served)["w2z_kernel_restarts_total"] == 1
    assert read(served)["w2z_kernels_lost_total"] == 1
