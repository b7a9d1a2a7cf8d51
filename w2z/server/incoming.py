"""The bytes that a connection receives, cut where a request's head and its body end.

h11 gets one head, then the body of that request, and never a byte of the next one. So what is
behind a request waits here, where its bytes are counted, and what h11 would let pass although two
servers may read it in two ways is refused before h11 sees it: line ends that are not CRLF, folded
lines, lengths said twice, a length beside a transfer coding (RFC 9112 sections 2.2, 5.2, 6.1 and
6.3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from w2z.errors import HttpError

VERSIONS = ("1.0", "1.1")
"""The versions of HTTP that are spoken here."""

MAX_CHUNKS = 4096
"""Chunks that a body may have. Each costs time, however few bytes it has; few clients send any."""

MAX_CHUNK_LINE = 256
"""Bytes of the line before a chunk, and of a trailer line."""

MAX_TRAILER_LINES = 16
"""Lines behind the last chunk. Nobody reads them."""

_END = b"\r\n\r\n"
_CR = b"\r"[0]
_FOLDED = re.compile(rb"\r\n[ \t]")
_LENGTH = re.compile(rb"\r\ncontent-length:([^\r]*)", re.IGNORECASE)
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")


class Body(Protocol):
    """The rest of a request's body, ``size`` bytes as far as its head tells.

    ``is_complete`` once all of it was taken.
    """

    size: int
    is_complete: bool

    def take(self, received: bytearray) -> bytes:
        """Remove what is there of the body from ``received`` and return it, as it was received.

        Raises :class:`~w2z.errors.HttpError` (400) for what is no body.
        """


class SizedBody:
    """A body of as many bytes as ``Content-Length`` says."""

    def __init__(self, size: int) -> None:
        self.size = self._left = size
        self.is_complete = size == 0

    def take(self, received: bytearray) -> bytes:
        """Remove and return what is there of the body."""
        taken = bytes(received[: self._left])
        del received[: len(taken)]
        self._left -= len(taken)
        self.is_complete = self._left == 0
        return taken


class ChunkedBody:
    """A body in chunks (RFC 9112 section 7.1)."""

    size = 0

    def __init__(self) -> None:
        self.is_complete = False
        self._left = 0
        """Bytes of the present chunk that have not come, those of its line end included."""
        self._chunks = 0
        self._trailer_lines: int | None = None

    def take(self, received: bytearray) -> bytes:
        """Remove and return what is there of the body: whole lines, and data."""
        taken = bytearray()
        while not self.is_complete:
            piece = self._data(received) if self._left else self._line(received)
            if not piece:
                break
            taken += piece
        return bytes(taken)

    def _data(self, received: bytearray) -> bytes:
        piece = bytes(received[: self._left])
        del received[: len(piece)]
        self._left -= len(piece)
        return piece

    def _line(self, received: bytearray) -> bytes:
        end = received.find(b"\r\n", 0, MAX_CHUNK_LINE)
        if end < 0:
            if len(received) >= MAX_CHUNK_LINE or b"\n" in received:
                raise HttpError(400, "bad request: a line of the chunked body does not end")
            return b""
        line = bytes(received[:end])
        if b"\n" in line or b"\r" in line:
            raise HttpError(400, "bad request: a line of the chunked body ends in a bare CR or LF")
        self._understand(line)
        del received[: end + 2]
        return line + b"\r\n"

    def _understand(self, line: bytes) -> None:
        if self._trailer_lines is not None:
            self._trailer_lines += 1
            self.is_complete = not line
            if self._trailer_lines > MAX_TRAILER_LINES:
                raise HttpError(400, "bad request: too many lines behind the last chunk")
            return
        found = _CHUNK_LINE.fullmatch(line)
        self._chunks += 1
        if found is None or self._chunks > MAX_CHUNKS:
            raise HttpError(400, f"bad request: no chunk's size, or more than {MAX_CHUNKS} chunks")
        size = int(found[1], 16)
        self._left = size + len(b"\r\n") if size else 0
        self._trailer_lines = None if size else 0


class Incoming:
    """The received bytes of one connection that nobody has taken yet."""

    def __init__(self, max_head: int) -> None:
        self._max_head = max_head
        self._received = bytearray()
        self._scanned = 0
        """Bytes of an incomplete head that have been looked at."""
        self._body: Body | None = None

    @property
    def held(self) -> int:
        """The number of bytes that wait here."""
        return len(self._received)

    def add(self, data: bytes) -> None:
        """Add bytes that were received."""
        self._received += data

    def expect(self, body: Body) -> None:
        """What follows is the body of the request whose head was taken last."""
        self._body = None if body.is_complete else body

    def rest(self) -> bytes:
        """Return everything, as it was received."""
        return bytes(self._received)

    def clear(self) -> None:
        """Drop everything."""
        self._received.clear()
        self._scanned = 0

    def take(self) -> bytes:
        """Remove a whole head, or what is there of a body; return nothing if more has to come.

        Raises :class:`~w2z.errors.HttpError` (400 or 431) for what no request may be.
        """
        if self._body is None:
            return self._head()
        taken = self._body.take(self._received)
        if self._body.is_complete:
            self._body = None
        return taken

    def _head(self) -> bytes:
        data = self._received
        # The end may have begun with the last three bytes that were looked at before.
        found = data.find(_END, max(0, self._scanned - 3))
        end = len(data) if found < 0 else found + len(_END)
        if end > self._max_head:
            raise HttpError(431, f"the request head is larger than {self._max_head} bytes")
        # h11 says of a control character what is wrong with it, but waits for the head's end.
        if data and data[0] <= 0x20 and found < 0 and not data.startswith(b"\r"):
            raise HttpError(400, "bad request: no request line")
        self._check_line_ends(end)
        if found < 0:
            self._scanned = end
            return b""
        head = bytes(data[:end])
        del data[:end]
        self._scanned = 0
        _check_lines(head)
        return head

    def _check_line_ends(self, end: int) -> None:
        """Refuse a CR or LF alone, up to ``end``; a CR that is last may still be followed by LF."""
        data, start = self._received, self._scanned
        if start and data[start - 1] == _CR:
            start -= 1
        returns = data.count(b"\r", start, end) - (end > start and data[end - 1] == _CR)
        # Counted, not searched with an expression: that would take longer than all the rest.
        if not data.count(b"\n", start, end) == data.count(b"\r\n", start, end) == returns:
            raise HttpError(400, "bad request: lines of the head have to end in CRLF")


def body_of(headers: Sequence[tuple[bytes, bytes]], version: str) -> Body:
    """Return the body that a head announces; its fields have been checked one by one by h11.

    Raises :class:`~w2z.errors.HttpError`: 505 for a version that is not spoken here, 400 for a body
    that may end in two places.
    """
    if version not in VERSIONS:
        raise HttpError(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
    fields = dict(headers)
    size = fields.get(b"content-length")
    if b"transfer-encoding" not in fields:
        return SizedBody(int(size or b"0"))
    if size is not None:
        raise HttpError(400, "bad request: Content-Length and Transfer-Encoding in one request")
    if version == "1.0":
        raise HttpError(400, "bad request: HTTP/1.0 has no Transfer-Encoding")
    return ChunkedBody()


def _check_lines(head: bytes) -> None:
    if _FOLDED.search(head, 0, len(head) - 2):
        raise HttpError(400, "bad request: a header goes on in the next line")
    lengths = _LENGTH.findall(head)
    if len(lengths) > 1 or b"," in b"".join(lengths):
        raise HttpError(400, "bad request: more than one Content-Length")
