"""What a peer was sent, read strictly: HTTP answers, then perhaps a websocket's frames."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

_STATUS = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [ -~]*\r\n")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([!-~](?:[ -~]*[!-~])?)?\r\n")
_ONCE = ("content-length", "content-type", "connection", "date", "location")
_BODILESS = (101, 204)
_PONG = b"\x8a"


class Answer(NamedTuple):
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def read_answers(data: bytes, *, is_head: bool) -> tuple[list[Answer], list[Frame]]:
    """Read all of it; any AssertionError says what is wrong. ``is_head`` says that a request may
    have been for the head alone, whose answer has the length of the body and no body.
    """
    answers: list[Answer] = []
    at = 0
    while at < len(data):
        answer, at = _answer(data, at, is_head=is_head)
        answers.append(answer)
        if answer.status == 101:
            return answers, _frames(data[at:])
        if answer.headers.get("connection") == "close":
            assert at == len(data), "nothing follows the last answer"
    return answers, []


def _answer(data: bytes, at: int, *, is_head: bool) -> tuple[Answer, int]:
    line = _STATUS.match(data, at)
    assert line is not None, f"no status line: {data[at : at + 80]!r}"
    status, at = int(line[1]), line.end()
    headers: dict[str, str] = {}
    while not data.startswith(b"\r\n", at):
        field = _FIELD.match(data, at)
        assert field is not None, f"no header: {data[at : at + 80]!r}"
        name, at = field[1].decode().lower(), field.end()
        assert name not in headers or name not in _ONCE, f"{name} twice"
        headers[name] = (field[2] or b"").decode()
    at += 2
    if status in _BODILESS or status == 100:
        assert "content-length" not in headers
        return Answer(status, headers, b""), at
    size = int(headers["content-length"])
    is_bodiless = is_head and (at == len(data) or data.startswith(b"HTTP/1.1 ", at))
    body = b"" if is_bodiless else data[at : at + size]
    assert len(body) == size or is_bodiless, "the body is cut"
    if not is_bodiless and headers.get("content-type") == "application/json":
        json.loads(body)
    return Answer(status, headers, body), at + len(body)


def _frames(data: bytes) -> list[Frame]:
    protocol = Protocol(Side.CLIENT, state=State.OPEN, max_size=None)
    protocol.receive_data(data)
    assert protocol.parser_exc is None, f"a client fails: {protocol.parser_exc!r}"
    frames = [event for event in protocol.events_received() if isinstance(event, Frame)]
    size = 0
    for frame in frames:
        length = len(frame.data)
        size += 2 + length + (0 if length < 126 else 2 if length < 2**16 else 8)
        if frame.opcode is Opcode.TEXT:
            bytes(frame.data).decode()
        elif frame.opcode is Opcode.CLOSE:
            assert frame is frames[-1]
    is_closed = bool(frames) and frames[-1].opcode is Opcode.CLOSE
    # A ping is answered until the peer's own close frame comes (RFC 6455 section 5.5.2).
    while is_closed and data[size : size + 1] == _PONG:
        size += 2 + data[size + 1]
    assert size == len(data), "frames are whole, and none but pongs comes behind the close"
    return frames
