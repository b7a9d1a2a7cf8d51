"""What clients send to the front door: requests, and frames behind those that open a websocket."""

from __future__ import annotations

from tests.fuzz.examples import (
    CONTROLS,
    DEFAULT_PAYLOADS,
    FIRST_BYTES,
    JSON_VALUES,
    JSON_WORDS,
    V1,
    V1_PAYLOADS,
    frame,
)
from tests.fuzz.mutate import Mutator
from tests.fuzz.world import KERNEL, TOKEN

_BEARER = f"Authorization: Bearer {TOKEN}"
_UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Version: 13",
)


def _request(line: str, *headers: str, body: bytes = b"") -> bytes:
    head = "\r\n".join([f"{line} HTTP/1.1", "Host: localhost:8888", *headers, "", ""])
    return head.encode("latin-1") + body


def _sized(line: str, body: bytes, *headers: str) -> bytes:
    return _request(line, _BEARER, f"Content-Length: {len(body)}", *headers, body=body)


def _chunked(line: str, *chunks: bytes, trailer: bytes = b"") -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return _request(
        line, _BEARER, "Transfer-Encoding: chunked", body=body + b"0\r\n" + trailer + b"\r\n"
    )


REQUESTS = [
    *(_request(f"GET {path}") for path in ("/", "/livez", "/readyz", "/api", "/nowhere/at/all")),
    *(
        _request(f"GET {path}", _BEARER)
        for path in (
            *("/metrics", "/api/status", "/api/me", "/api/kernels", f"/api/kernels/{KERNEL}"),
            *("/api/kernelspecs", "/api/kernelspecs/kernel", "/api/sessions", "/api/contents"),
            *("/api/kernels/another", "/api/sessions/unknown", "//api//kernels", "/channels"),
        )
    ),
    _request(f"GET /api/kernels?token={TOKEN}"),
    _request("GET /api/kernels", f"Authorization: token {TOKEN}"),
    _request("GET /api/kernels"),
    _request("GET /api/kernels", "Authorization: Bearer another"),
    _request("HEAD /api", _BEARER),
    _request("GET http://localhost:8888/api", "Connection: close"),
    _request("OPTIONS /api/kernels", "Origin: https://a.example", "X-Forwarded-For: 10.0.0.1, ::1"),
    _request("OPTIONS *", "Access-Control-Request-Headers: authorization, x-a"),
    _request(f"DELETE /api/kernels/{KERNEL}", _BEARER),
    _request("GET /api", "X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: unknown, [::1]:80"),
    _request(
        "GET /metrics", _BEARER, "Accept: application/openmetrics-text;version=1.0.0,*/*;q=0.1"
    ),
    b"GET /api HTTP/1.0\r\n\r\n",
    b"GET /api HTTP/1.0\r\nConnection: keep-alive\r\nHost: x\r\n\r\n",
    _sized("POST /api/kernels", b'{"name": "python3", "env": {"A": "b"}}'),
    _sized("POST /api/sessions", b'{"path": "a.ipynb", "type": "notebook", "name": "\xc3\xa9"}'),
    _sized("PATCH /api/sessions/unknown", b'{"name": "b"}', "Expect: 100-continue"),
    _sized(f"POST /api/kernels/{KERNEL}/interrupt", b""),
    _sized(f"POST /api/kernels/{KERNEL}/restart", b"{}"),
    _sized("POST /api/kernels", b"x" * 3000),
    _chunked("POST /api/kernels", b"{", b"}"),
    _chunked("POST /api/sessions", b'{"path": "b",', b'"type": "file"}', trailer=b"A: b\r\n"),
    _request("GET /api", "Content-Length: 2", body=b"{}"),
]
"""Requests of all kinds, whole and right, and some that are to be refused."""

V1_UPGRADES = [
    _request(target, *_UPGRADE, *headers)
    for target, *headers in (
        (f"GET /channels?token={TOKEN}&session_id=a", f"Sec-WebSocket-Protocol: {V1}"),
        ("GET /channels?replay=all", _BEARER, f"Sec-WebSocket-Protocol: x, {V1}"),
        (
            f"GET /api/kernels/{KERNEL}/channels?session_id=b&replay=3",
            f"Sec-WebSocket-Protocol: {V1}, v1.token.websocket.jupyter.org.{TOKEN}",
        ),
    )
]
DEFAULT_UPGRADES = [
    _request(target, *_UPGRADE, *headers)
    for target, *headers in (
        (f"GET /channels?token={TOKEN}&session_id=a",),
        (f"GET /channels?token={TOKEN}", "Origin: null", "Sec-WebSocket-Extensions: a; b=1"),
        (
            "GET /channels",
            f"Sec-WebSocket-Protocol: v1.token.websocket.jupyter.org, {TOKEN}",
            "Cookie: a=b",
        ),
    )
]
UPGRADES = V1_UPGRADES + DEFAULT_UPGRADES

WORDS = (
    *(b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ", b"\t", b": ", b"\0", b"\x7f", b"\xff", b"\xc3\xa9"),
    *(b"?", b"&", b"/", b"//", b"%2f", b"%00", b"%ff", b"..", b"#", b"*", b";", b"=", b",", b'"'),
    *(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"GET ", b"HEAD ", b"POST ", b"CONNECT ", b"PRI * "),
    *(b"Host: ", b"Host: [::1\r\n", b"Host: a:99999\r\n", b"Content-Length: 0\r\n", b"\r\n X: y"),
    *(
        b"Content-Length: 5\r\n",
        b"Content-Length: " + b"9" * 30 + b"\r\n",
        b"content-length:+1\r\n",
    ),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"chunked"),
    *(b"Connection: close\r\n", b"Connection: upgrade\r\n", b"Upgrade: websocket\r\n", b"h2c"),
    *(b"Expect: 100-continue\r\n", b"Origin: https://a.example\r\n", b"Origin: null\r\n"),
    *(b"Origin: http://[\r\n", b"Origin: http://a:99999\r\n", b"Cookie: a=\x01\r\n"),
    *(b"X-Forwarded-For: ", b"X-Forwarded-For: " + b"1.2.3.4, " * 40 + b"\r\n", b"::ffff:1.2.3.4"),
    *(b"0\r\n\r\n", b"0\r\n", b"ffffffff\r\n", b"5;a=b\r\n", b"-1\r\n", b"0x5\r\n", b"1\r\na\r\n"),
    *(
        b"Sec-WebSocket-Version: 8\r\n",
        b"Sec-WebSocket-Key: a\r\n",
        b"Sec-WebSocket-Protocol: ,\r\n",
    ),
    *(
        b"session_id=",
        b"session_id=%ed%a0%80&",
        b"session_id=" + b"s" * 300,
        b"replay=-1",
        b"token=",
    ),
    *(b"X: " + b"y" * 3000 + b"\r\n", b"X: y\r\n" * 120, b"a=&" * 120, f"token={TOKEN}&".encode()),
)
"""What means something in a request."""


def stream(mutator: Mutator) -> bytes:
    """Return what one client sends: requests, and mostly one of them is not right."""
    pieces = [mutator.pick(REQUESTS) for _ in range(mutator.pick((0, 0, 1, 1, 2, 4)))]
    if not pieces or mutator.chance(0.4):
        pieces += _websocket(mutator)
    if mutator.chance(0.7):
        at = mutator.below(len(pieces))
        pieces[at] = mutator.mutate(pieces[at], _ALL, WORDS)
    return b"".join(pieces)


def _websocket(mutator: Mutator) -> list[bytes]:
    is_v1 = mutator.chance(0.5)
    upgrade = mutator.pick(V1_UPGRADES if is_v1 else DEFAULT_UPGRADES)
    payloads = V1_PAYLOADS if is_v1 else DEFAULT_PAYLOADS
    return [upgrade, *(_frame(mutator, payloads) for _ in range(mutator.below(7)))]


def _frame(mutator: Mutator, payloads: list[bytes]) -> bytes:
    """Return a frame; the payload of most is right, or nearly."""
    what = mutator.random()
    if what < 0.2:
        return mutator.pick(CONTROLS)
    payload = mutator.pick(payloads)
    if what < 0.5:
        payload = mutator.mutate(payload, payloads, JSON_WORDS)
    elif what < 0.7 and payload.startswith(b"{"):
        payload = mutator.mutate_json(payload, JSON_VALUES)
    first = 0x81 if payload.startswith(b"{") else 0x82
    if what > 0.95:
        first = mutator.pick(FIRST_BYTES)
    elif what > 0.85:
        middle = mutator.below(len(payload) + 1)
        return frame(payload[:middle], first & 0x0F) + frame(payload[middle:], 0x80)
    return frame(payload, first)


_ALL = REQUESTS + UPGRADES + [frame(payload) for payload in V1_PAYLOADS[:4]]
