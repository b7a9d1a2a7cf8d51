"""The front door: HTTP as real clients speak it, and as nobody should."""

from __future__ import annotations

import asyncio
import errno
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.client import V1, open_client
from tests.support.fake_kernel import FakeKernel
from tests.support.memory import kept
from tests.support.raw_http import Answer, RawHttp, raw_http
from tests.support.serving import TOKEN, Served, serving
from w2z.server.door import SPARE

AUTH = f"Authorization: token {TOKEN}"
UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Version: 13",
)
START = f"POST /api/kernels HTTP/1.1\r\nHost: localhost\r\n{AUTH}\r\n".encode()
EXPECTING = (
    b"POST /api/kernels HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
    b"Expect: 100-continue\r\n"
)


@pytest.fixture
async def http(served: Served) -> AsyncIterator[RawHttp]:
    async with raw_http(served.host, served.port) as found:
        yield found


def shows_an_error(answer: Answer, status: int, reason: str) -> None:
    assert answer.status == status
    assert set(answer.json) == {"message", "reason"}
    assert reason in answer.json["message"]
    assert TOKEN not in answer.body.decode()


async def test_one_connection_serves_many_requests(http: RawHttp) -> None:
    assert (await http.ask("GET /api")).json == {"version": "2.21.1"}
    status = (await http.ask("GET /api/status?1700000000", AUTH)).json
    assert status["kernels"] == 1
    [kernel] = (await http.ask("GET /api/kernels", AUTH)).json
    assert kernel["id"] == "the-kernel"
    assert kernel["name"] == "fake"
    assert kernel["connections"] == 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", kernel["last_activity"])
    assert (await http.ask("GET /api/kernels/the-kernel", AUTH)).json["id"] == "the-kernel"
    assert (await http.ask("GET /api/", "Connection: close")).headers["connection"] == "close"
    assert await http.is_closed()


async def test_requests_may_be_pipelined(http: RawHttp) -> None:
    one = b"GET /api HTTP/1.1\r\nHost: localhost\r\n\r\n"
    other = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
    await http.send(one + other + one)
    assert [(await http.answer()).status for _ in range(3)] == [200, 404, 200]


async def test_head_has_no_body(http: RawHttp) -> None:
    answer = await http.ask("HEAD /api")
    assert answer.status == 200
    assert int(answer.headers["content-length"]) > 0
    assert (await http.ask("GET /api")).status == 200


async def test_bodies_are_read_however_they_come(http: RawHttp) -> None:
    for lines, body in [
        (("Content-Length: 0",), b""),
        (("Content-Length: 2",), b"{}"),
        (("Transfer-Encoding: chunked",), b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"),
    ]:
        assert (await http.ask("POST /api/kernels", AUTH, *lines, body=body)).status == 201
    await http.send(EXPECTING + f"{AUTH}\r\n\r\n".encode())
    assert (await http.answer(has_body=False)).status == 100
    await http.send(b"{}")
    assert (await http.answer()).status == 201


async def test_live_and_ready_need_no_token(served: Served, http: RawHttp) -> None:
    assert (await http.ask("GET /livez")).status == 200
    async with open_client(served.url("a"), "v1") as client:
        await client.send({**_kernel_info()})
        await client.until("kernel_info_reply")
    while (answer := await http.ask("GET /readyz")).status == 503:
        assert answer.json == {"ready": False}
    assert answer.json == {"ready": True}


def _kernel_info() -> dict[str, object]:
    from tests.support.client import request

    return request("kernel_info_request")


@pytest.mark.parametrize(
    ("lines", "query", "status"),
    [
        ((), "", 401),
        (("Authorization: Basic dXNlcjpwYXNz",), "", 401),
        (("Authorization: token wrong",), "", 403),
        (("Authorization: Bearer",), "", 401),
        ((), "?token=", 401),
        ((), "?token=wrong", 403),
        ((f"Authorization: Bearer {TOKEN}",), "", 200),
        ((f"authorization: bearer {TOKEN}",), "", 200),
        ((f"Authorization: TOKEN {TOKEN}",), "", 200),
        ((), f"?token={TOKEN}", 200),
        (("Authorization: Basic dXNlcjpwYXNz",), f"?token={TOKEN}", 200),
    ],
)
async def test_tokens(http: RawHttp, lines: tuple[str, ...], query: str, status: int) -> None:
    answer = await http.ask(f"GET /api/kernels{query}", *lines)
    assert answer.status == status
    assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    ("offer", "answered"),
    [
        (f"{V1}, v1.token.websocket.jupyter.org.{TOKEN}", V1),
        (f"v1.token.websocket.jupyter.org, {TOKEN}", "v1.token.websocket.jupyter.org"),
        (f"v1.token.websocket.jupyter.org, {TOKEN}, {V1}", V1),
        (f"v1.token.websocket.jupyter.org.{TOKEN}", None),
    ],
)
async def test_a_token_among_the_subprotocols(
    http: RawHttp, offer: str, answered: str | None
) -> None:
    answer = await http.ask("GET /channels", *UPGRADE, f"Sec-WebSocket-Protocol: {offer}")
    assert answer.status == 101
    assert answer.headers.get("sec-websocket-protocol") == answered
    assert TOKEN not in str(answer.headers)


@pytest.mark.parametrize(
    ("request_line", "lines", "status", "reason"),
    [
        ("GET /channels", UPGRADE, 401, "token"),
        ("GET /channels?token=wrong", UPGRADE, 403, "token"),
        ("GET /api/kernels/other/channels", (AUTH, *UPGRADE), 404, "other"),
        ("GET /nowhere", (AUTH, *UPGRADE), 404, "nothing"),
        ("POST /channels", (AUTH, *UPGRADE), 405, "POST"),
        ("GET /channels", (AUTH,), 426, "websocket"),
        ("GET /channels", (AUTH, *UPGRADE[:2], UPGRADE[3]), 400, "Sec-WebSocket-Key"),
        ("GET /channels", (AUTH, *UPGRADE[:3], "Sec-WebSocket-Version: 8"), 426, "version 8"),
        ("GET /api/kernels/other/channels", UPGRADE, 401, "token"),
        (f"GET /channels?session_id={'x' * 300}", (AUTH, *UPGRADE), 400, "session_id"),
        ("GET /api/kernels/other", (AUTH,), 404, "Kernel does not exist: other"),
        ("POST /api/kernels/the-kernel", (AUTH, "Content-Length: 0"), 405, "POST"),
        (f"GET /api/kernels?{'a&' * 200}", (AUTH,), 400, "query"),
    ],
)
async def test_what_cannot_be_served_is_said(
    http: RawHttp, request_line: str, lines: tuple[str, ...], status: int, reason: str
) -> None:
    answer = await http.ask(request_line, *lines)
    shows_an_error(answer, status, reason)
    if "Upgrade: websocket" in lines:
        assert answer.headers["connection"] == "close"
        assert await http.is_closed(), "nobody may take what follows for a websocket's"
    else:
        assert (await http.ask("GET /api")).status == 200, "the connection goes on"


async def test_another_websocket_version_is_told_which_one_is_spoken(http: RawHttp) -> None:
    answer = await http.ask("GET /channels", AUTH, *UPGRADE[:3], "Sec-WebSocket-Version: 8")
    assert answer.status == 426
    assert answer.headers["sec-websocket-version"] == "13"
    assert answer.headers["upgrade"] == "websocket"


async def test_a_target_may_be_a_whole_url(http: RawHttp) -> None:
    assert (await http.ask("GET http://localhost/api")).status == 200
    answer = await http.ask(f"GET http://localhost/api/kernels/the-kernel?token={TOKEN}")
    assert answer.json["id"] == "the-kernel"
    assert (await http.ask("GET http://localhost/channels", AUTH, *UPGRADE)).status == 101


async def test_allow_names_the_methods(http: RawHttp) -> None:
    answer = await http.ask("PUT /api/kernels", AUTH, "Content-Length: 0")
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"


async def test_an_upgrade_to_something_else_is_ignored(http: RawHttp) -> None:
    assert (await http.ask("GET /api", "Upgrade: h2c", "Connection: Upgrade")).status == 200
    assert await http.is_closed()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\0\1\2\3\r\n\r\n", 400),
        (b"GET /api\r\n\r\n", 400),
        (b"GET /api HTTP/1.1\r\n\r\n", 400),
        (b"GET /api HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
        (START + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (START + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx", 400),
        (START + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 5000, 400),
        (START + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", 400),
        (START + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
        (START + b"Content-Length: 2, 2\r\n\r\n{}", 400),
        (START.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /api HTTP/1.1\nHost: localhost\n\n", 400),
        (b"GET /api HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n", 400),
        (b"GET /api HTTP/1.1\r\nHost: localhost\r\n X: y\r\n\r\n", 400),
        (b"GET /api HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
        (b"GET /api HTTP/1.2\r\nHost: localhost\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 70_000, 431),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\n\r\n", 413),
        (
            START + b"Transfer-Encoding: chunked\r\n\r\n100001\r\n" + bytes(0x100001),
            413,
        ),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_bad_http_is_answered_and_the_connection_closed(
    served: Served, http: RawHttp, data: bytes, status: int
) -> None:
    await http.send(data)
    answer = await http.answer()
    shows_an_error(answer, status, "")
    assert answer.headers["connection"] == "close"
    assert await http.is_closed()
    async with raw_http(served.host, served.port) as other:
        assert (await other.ask("GET /api")).status == 200


async def test_a_slow_request_is_408_and_silence_just_closed(kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file, handshake_timeout=0.2) as served,
        raw_http(served.host, served.port) as slow,
        raw_http(served.host, served.port) as slow_body,
        raw_http(served.host, served.port) as silent,
    ):
        await slow.send(b"GET /api HTTP/1.1\r\nHo")
        await slow_body.send(START + b"Content-Length: 5\r\n\r\n1")
        shows_an_error(await slow.answer(), 408, "0.2 seconds")
        shows_an_error(await slow_body.answer(), 408, "0.2 seconds")
        assert await silent.is_closed()
        assert await slow.is_closed()


async def test_too_many_connections_with_a_token_are_503_and_probes_are_answered(
    kernel: FakeKernel,
) -> None:
    async with (
        serving(kernel.connection_file, max_connections=2) as served,
        raw_http(served.host, served.port) as first,
        open_client(served.url("a"), "v1"),
    ):
        assert (await first.ask("GET /api/kernels", AUTH)).status == 200
        for upgrade in ((), UPGRADE):
            async with raw_http(served.host, served.port) as third:
                assert (await third.ask("GET /livez")).status == 200
                answer = await third.ask(
                    "GET /channels" if upgrade else "GET /api/me", AUTH, *upgrade
                )
                shows_an_error(answer, 503, "too many")
        assert (await first.ask("GET /api/kernels", AUTH)).status == 200


async def test_a_waiting_session_gives_way_when_all_are_taken(kernel: FakeKernel) -> None:
    async with serving(kernel.connection_file, max_connections=2) as served:
        for session in ("a", "b", "c"):
            async with open_client(served.url(session), "v1"):
                pass
        assert served.bridge.clients.sessions <= 2


async def test_strict_origin_refuses_other_pages(kernel: FakeKernel) -> None:
    async with serving(
        kernel.connection_file, strict_origin=True, allow_origin=("https://lab.example",)
    ) as served:
        here = f"http://{served.host}:{served.port}"
        for origin in (here, "https://lab.example", None):
            async with open_client(served.url(), "v1", origin=origin):
                pass
        with pytest.raises(InvalidStatus) as refused:
            async with open_client(served.url(), "v1", origin="https://evil.example"):
                pass
        assert refused.value.response.status_code == 403


async def test_a_valid_token_is_enough_from_any_origin(served: Served) -> None:
    async with open_client(served.url(), "v1", origin="https://odd.example"):
        pass


async def test_without_tokens_other_pages_are_refused(kernel: FakeKernel) -> None:
    async with serving(kernel.connection_file, token=None, no_auth=True) as served:
        url = f"ws://{served.host}:{served.port}/channels"
        async with open_client(url, "v1"):
            pass
        with pytest.raises(InvalidStatus) as refused:
            async with open_client(url, "v1", origin="https://evil.example"):
                pass
        assert refused.value.response.status_code == 403
        async with raw_http(served.host, served.port) as http:
            assert (await http.ask("GET /api/kernels", "Origin: https://e.example")).status == 403
            for ours in (f"{served.host}:{served.port}", "localhost:1", "lab.localhost", "[::1]:2"):
                answer = await http.ask("GET /api/kernels", f"Origin: http://{ours}", host=ours)
                assert answer.status == 200


@pytest.mark.parametrize("upgrade", [(), UPGRADE])
async def test_without_tokens_a_name_made_to_point_here_is_refused(
    kernel: FakeKernel, upgrade: tuple[str, ...]
) -> None:
    target = "GET /channels" if upgrade else "GET /api/kernels"
    async with serving(
        kernel.connection_file,
        token=None,
        no_auth=True,
        allow_origin=("http://ours.example",),
        allow_host=("kernel.example",),
    ) as served:

        async def asked(host: str, *lines: str) -> Answer:
            async with raw_http(served.host, served.port) as http:
                return await http.ask(target, *lines, *upgrade, host=host)

        for host in ("rebound.example", "ours.example:8888", "kernel"):
            shows_an_error(await asked(host, f"Origin: http://{host}"), 403, "--allow-origin")
        # Browsers send no Origin with a GET of the same origin.
        for host in ("rebound.example", "rebound.example:8888", "kernel", "127.0.0.1.example", ""):
            shows_an_error(await asked(host), 403, "--allow-host")
        for host in ("kernel.example:1", "ours.example:1", "localhost", "127.0.0.1:1", "[::1]"):
            assert (await asked(host)).status == (101 if upgrade else 200)
        for ours in ("ours.example", "kernel.example:8888"):
            answer = await asked(ours, f"Origin: http://{ours}")
            assert answer.status == (101 if upgrade else 200)


@pytest.mark.parametrize(
    ("host", "status"), [("rebound.example", 401), ("localhost", 200), ("127.0.0.1:80", 200)]
)
async def test_on_loopback_a_page_of_another_name_reads_nothing(
    served: Served, http: RawHttp, host: str, status: int
) -> None:
    assert (await http.ask("GET /api", host=host)).status == status
    assert (await http.ask("GET /api", AUTH, host=host)).status == 200
    for probe in ("/livez", "/readyz"):
        assert (await http.ask(f"GET {probe}", host=host)).status in (200, 503)


async def test_pages_of_allowed_origins_may_read_answers(kernel: FakeKernel) -> None:
    origin = "https://lab.example"
    async with (
        serving(kernel.connection_file, allow_origin=(origin,)) as served,
        raw_http(served.host, served.port) as http,
    ):
        preflight = await http.ask(
            "OPTIONS /api/kernels",
            f"Origin: {origin}",
            "Access-Control-Request-Method: GET",
            "Access-Control-Request-Headers: authorization,content-type",
        )
        assert preflight.status == 204
        assert preflight.headers["access-control-allow-origin"] == origin
        assert "authorization" in preflight.headers["access-control-allow-headers"]
        refused = await http.ask("GET /api/kernels", f"Origin: {origin}")
        assert refused.status == 401
        assert refused.headers["access-control-allow-origin"] == origin
        other = await http.ask("OPTIONS /api/kernels", "Origin: https://other.example")
        assert not [name for name in other.headers if name.startswith("access-control")]


async def test_everything_moves_below_the_base_url(kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file, base_url="user/anna") as served,
        raw_http(served.host, served.port) as http,
    ):
        assert (await http.ask("GET /user/anna/api")).status == 200
        assert (await http.ask("GET /api")).status == 404
        assert (await http.ask("GET /user/annabel/api")).status == 404
        async with open_client(served.url(path="/user/anna/channels"), "v1"):
            pass


async def test_a_base_url_may_be_encoded(kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file, base_url="user/anna%20b") as served,
        raw_http(served.host, served.port) as http,
    ):
        assert (await http.ask("GET /user/anna%20b/api")).status == 200
        async with open_client(served.url(path="/user/anna%20b/channels"), "v1"):
            pass


async def test_a_defect_in_a_handler_is_500_without_its_details(
    served: Served, http: RawHttp, caplog: pytest.LogCaptureFixture
) -> None:
    served.bridge.started = None  # type: ignore[assignment]
    shows_an_error(await http.ask("GET /api/status", AUTH), 500, "internal error")
    [told] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "AttributeError" in told.getMessage()
    assert (await http.ask("GET /api")).status == 200


async def test_no_token_in_the_log(
    served: Served, http: RawHttp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    await http.ask(f"GET /api/kernels?token={TOKEN}")
    async with open_client(served.url("a"), "default") as client:
        await client.websocket.send(json.dumps({"header": TOKEN}))
        await client.closed()
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("w2z")]
    assert ours
    assert TOKEN not in "".join(ours)


async def test_a_flood_of_strangers_costs_nobody_else_a_place(kernel: FakeKernel) -> None:
    """The one that has been idle longest goes for the next; who has shown a token stays."""
    async with (
        serving(kernel.connection_file, max_connections=4) as served,
        raw_http(served.host, served.port) as known,
        open_client(served.url("a"), "v1") as client,
        AsyncExitStack() as flood,
    ):
        await known.ask("GET /api/kernels", AUTH)
        room = 4 + SPARE - 2
        peers = [
            await flood.enter_async_context(raw_http(served.host, served.port))
            for _ in range(2 * room)
        ]
        for path in ("/livez", "/readyz", "/api/kernels"):
            async with raw_http(served.host, served.port) as newcomer:
                assert (await newcomer.ask(f"GET {path}", AUTH)).status in (200, 503)
        assert await peers[0].is_closed()
        assert len(served.connections) <= 4 + SPARE
        assert (await known.ask("GET /api/kernels", AUTH)).status == 200
        await client.send({**_kernel_info()})
        await client.until("kernel_info_reply")


async def test_who_has_shown_a_token_is_kept_and_others_are_not(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("w2z.server.http_connection.STRANGERS_KEEP_ALIVE", 0.1)
    async with (
        serving(kernel.connection_file, keep_alive=600) as served,
        raw_http(served.host, served.port) as known,
        raw_http(served.host, served.port) as stranger,
    ):
        answer = await known.ask("GET /api/kernels", AUTH)
        assert answer.headers["keep-alive"] == "timeout=600"
        assert (await stranger.ask("GET /livez")).headers["keep-alive"] == "timeout=1"
        assert await stranger.is_closed()
        assert (await known.ask("GET /livez")).status == 200


async def test_a_trusted_proxy_keeps_its_connections(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What it keeps is its own business; whom it speaks for is what X-Forwarded-For says."""
    async with (
        serving(kernel.connection_file, trust_proxy=("127.0.0.0/8",)) as served,
        raw_http(served.host, served.port) as proxy,
    ):
        assert (await proxy.ask("GET /livez")).headers["keep-alive"] == "timeout=75"
        forged = "X-Forwarded-For: 198.51.100.1, 192.0.2.7"
        assert (await proxy.ask("GET /api/me", forged)).status == 401
        assert "refused a request from 192.0.2.7" in caplog.text


@pytest.mark.parametrize(
    ("line", "lines", "status"),
    [
        ("POST /api/kernels", (), 401),
        ("POST /api/kernels?token=wrong", (), 403),
        ("POST /nothing", (AUTH,), 404),
        ("PUT /api/kernels", (AUTH,), 405),
    ],
)
@pytest.mark.parametrize("body", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
async def test_a_request_is_refused_at_its_head(
    served: Served, http: RawHttp, line: str, lines: tuple[str, ...], status: int, body: str
) -> None:
    await http.send(
        "\r\n".join(
            [f"{line} HTTP/1.1", "Host: h", *lines, body, "Expect: 100-continue", "", ""]
        ).encode()
    )
    answer = await http.answer()
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert await http.is_closed()


async def test_bodies_of_all_together_are_bounded(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("w2z.server.allowance.LEAST", 100_000)
    started = START + b"Content-Length: 40000\r\n\r\n" + b" " * 39_000
    async with (
        serving(kernel.connection_file, max_body_size=50_000) as served,
        AsyncExitStack() as peers,
    ):
        some = [
            await peers.enter_async_context(raw_http(served.host, served.port)) for _ in range(3)
        ]
        for peer in some[:2]:
            await peer.send(started)
        while served.door.allowance.held < 78_000:
            await asyncio.sleep(0)
        await some[2].send(started)
        shows_an_error(await some[2].answer(), 503, "too many unfinished")
        await some[0].send(b" " * 1000)
        assert (await some[0].answer()).status == 201
        async with raw_http(served.host, served.port) as again:
            answer = await again.ask("POST /api/kernels", AUTH, "Content-Length: 2", body=b"{}")
            assert answer.status == 201
        some[1].writer.transport.abort()
        while served.door.allowance.held:
            await asyncio.sleep(0)


async def test_a_later_request_may_not_be_slow_either(kernel: FakeKernel) -> None:
    whole, part = b"GET /api HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /api HT"
    async with serving(kernel.connection_file, handshake_timeout=0.2) as served:
        for pieces in ((whole, part), (whole + part,)):
            async with raw_http(served.host, served.port) as peer:
                for piece in pieces:
                    await peer.send(piece)
                assert [(await peer.answer()).status for _ in range(2)] == [200, 408]


async def test_without_file_descriptors_one_line_is_logged_and_others_are_not_silenced(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(1000):
        error = OSError(errno.EMFILE, "Too many open files")
        told = {"message": "socket.accept() out of system resource", "exception": error}
        loop.call_exception_handler(told)
    assert [
        record.getMessage()[:19] for record in caplog.records if record.levelname == "ERROR"
    ] == ["too many open files"]
    loop.call_exception_handler({"message": "something else"})
    assert caplog.messages[-1].startswith("something else")


async def test_failures_are_counted_logged_once_and_slowed_but_a_right_token_is_not(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    guesses = 14
    async with (
        raw_http(served.host, served.port) as http,
        raw_http(served.host, served.port) as other,
    ):
        for number in range(guesses):
            assert (await http.ask(f"GET /api/kernels?token=guess-{number}")).status == 403
        # The next refusal waits; who has the token does not, though its address is the same.
        async with asyncio.TaskGroup() as tasks:
            slow = tasks.create_task(http.ask("GET /api/kernels?token=guess"))
            assert (await other.ask("GET /api/kernels", AUTH)).status == 200
            assert not slow.done()
        assert slow.result().status == 403
        page = (await other.ask("GET /metrics", AUTH)).body.decode()
    assert f"w2z_tokens_refused_total {guesses + 1}" in page
    told = [line for line in caplog.messages if "refused a request" in line]
    assert told == [
        f"refused a request from {served.host}: the token is not valid (1 such requests so far)"
    ]
    assert "guess" not in caplog.text


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /api/kernels HTTP/1.1\r\nHost: h\r\n\r\n",
        b"OPTIONS /x HTTP/1.1\r\nHost: h\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
async def test_every_answer_has_the_headers_that_keep_it_from_misuse(
    http: RawHttp, request_: bytes
) -> None:
    await http.send(request_)
    headers = (await http.answer()).headers
    assert headers.keys() >= {"date", "content-security-policy", "referrer-policy"}
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("line", ["A" * 60_000 + " /livez", "GET /api/kernels/" + "x" * 60_000])
async def test_what_is_sent_is_not_sent_back_at_length(http: RawHttp, line: str) -> None:
    answer = await http.ask(line, AUTH)
    assert answer.status in (404, 405)
    assert len(answer.body) < 200


async def test_a_broken_line_is_not_repeated(http: RawHttp) -> None:
    await http.send(b"GET /api HTTP/1.1\r\nHost: h\r\nAuthorization s3cret: x\r\n\r\n")
    answer = await http.answer()
    assert answer.json["message"] == "bad request: illegal header line"


async def test_strangers_that_finish_no_request_keep_no_newcomer_out(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("w2z.server.allowance.LEAST", 100_000)
    async with (
        serving(kernel.connection_file, max_body_size=1000) as served,
        AsyncExitStack() as peers,
    ):
        some = [
            await peers.enter_async_context(raw_http(served.host, served.port)) for _ in range(10)
        ]
        for peer in some:
            await peer.send(b"GET /api HTTP/1.1\r\nX: " + b"x" * 20_000)
        for peer in some[:8]:
            assert await peer.is_closed()
        assert served.door.allowance.held < 50_000
        async with raw_http(served.host, served.port) as newcomer:
            head = f"GET /api/me HTTP/1.1\r\nHost: h\r\n{AUTH}\r\nCookie: {'x' * 20_000}".encode()
            await newcomer.send(head)
            await newcomer.send(b"\r\n\r\n")
            assert (await newcomer.answer()).status == 200


@pytest.mark.parametrize(
    "lines",
    [
        ("POST /api/kernels HTTP/1.1", "Content-Length: 900000"),
        ("POST /nothing HTTP/1.1", "Content-Length: 900000"),
        ("POST /api/kernels HTTP/1.1", AUTH, "Content-Length: 9000000"),
        ("GET /livez HTTP/1.1", "Content-Length: 900000"),
        ("GET /channels HTTP/1.1", *UPGRADE),
        ("GET /channels HTTP/1.1", AUTH, *UPGRADE[:2], UPGRADE[3]),
        ("GET /channels HTTP/1.1", AUTH, *UPGRADE[:2], "Sec-WebSocket-Key: \x01"),
        ("GET /channels?replay=x HTTP/1.1", AUTH, *UPGRADE),
        ("GET /channels?" + "x&" * 5000 + " HTTP/1.1", *UPGRADE),
        ("GET /livez",),
        ("GET / HTTP/1.1", "No colon"),
    ],
)
async def test_nothing_is_kept_of_what_came_with_a_refused_request(
    served: Served, lines: tuple[str, ...]
) -> None:
    request = "\r\n".join([*lines, "Host: localhost", "", ""]).encode() + b"x" * 200_000
    peers = 8

    async def refused() -> None:
        async with raw_http(served.host, served.port) as peer:
            await peer.send(request)
            assert (await peer.answer()).status >= 400
        while served.connections:
            await asyncio.sleep(0)

    await refused()
    with kept() as how_much:
        for _ in range(peers):
            await refused()
        assert how_much() < peers * 50_000


@pytest.mark.parametrize("line", ["GET /livez", "GET /api", "OPTIONS /api/kernels"])
async def test_what_needs_no_token_has_no_body(http: RawHttp, line: str) -> None:
    await http.send(f"{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n".encode())
    shows_an_error(await http.answer(), 400, "without a body")
    assert await http.is_closed()


async def test_without_tokens_only_websockets_get_a_place_of_their_own(kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file, token=None, no_auth=True, max_connections=1) as served,
        AsyncExitStack() as peers,
    ):
        for _ in range(SPARE + 10):
            peer = await peers.enter_async_context(raw_http(served.host, served.port))
            assert (await peer.ask("GET /api/kernels")).status == 200
        async with open_client(f"ws://{served.host}:{served.port}/channels", "v1") as client:
            await client.send({**_kernel_info()})
            await client.until("kernel_info_reply")
