"""Where a request's head and body end, and what may be read in two ways."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.errors import HttpError
from w2z.server.incoming import (
    MAX_CHUNK_LINE,
    MAX_CHUNKS,
    MAX_TRAILER_LINES,
    ChunkedBody,
    Incoming,
    SizedBody,
    body_of,
)

HEAD = b"POST /api HTTP/1.1\r\nHost: h\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\n\r\n"


def taken(data: bytes, body: SizedBody | ChunkedBody, size: int) -> tuple[bytes, bytes, bytes]:
    """Head, body and next head of what arrives in pieces of a size."""
    incoming = Incoming(1000)
    found = [b"", b"", b""]
    part = 0
    for at in range(0, len(data), size):
        incoming.add(data[at : at + size])
        while piece := incoming.take():
            found[part] += piece
            if part == 0:
                incoming.expect(body)
                part = 2 if body.is_complete else 1
            elif part == 1 and body.is_complete:
                part = 2
    return found[0], found[1], found[2]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_what_arrives_is_cut_where_heads_and_bodies_end(size):
    assert taken(HEAD + b"12345" + NEXT, SizedBody(5), size) == (HEAD, b"12345", NEXT)
    assert taken(HEAD + NEXT, SizedBody(0), size) == (HEAD, b"", NEXT)
    chunks = b"3;a=b\r\nabc\r\n1 \r\n\n\r\n0\r\nTrailer: x\r\n\r\n"
    assert taken(HEAD + chunks + NEXT, ChunkedBody(), size) == (HEAD, chunks, NEXT)


def refused(data: bytes, body: ChunkedBody | None = None, *, size: int = 2**16) -> HttpError:
    """The error that this is answered with, in pieces of a size."""
    incoming = Incoming(1000)
    if body is not None:
        incoming.expect(body)

    def receive() -> None:
        for at in range(0, len(data), size):
            incoming.add(data[at : at + size])
            while incoming.take():
                pass

    with pytest.raises(HttpError) as error:
        receive()
    return error.value


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\nHost: h\n\n",
        b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: y\rz\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n X: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: y\r\n\tz\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2,2\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"\n",
        b" GET / HTTP/1.1",
    ],
)
def test_a_head_that_may_be_read_in_two_ways_is_400(data, size):
    assert refused(data, size=size).status == 400


@pytest.mark.parametrize("size", [1, 100, 2**16])
@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_a_head_that_is_too_large_is_431_whether_it_ends_or_not(size, end):
    assert refused(b"GET /" + b"x" * 1000 + end, size=size).status == 431


@pytest.mark.parametrize("size", [1, 2**16])
@pytest.mark.parametrize(
    "data",
    [
        b"xyz\r\n",
        b"\r\n",
        b"-1\r\n",
        b"0x1\r\n",
        b"123456789\r\n",
        b"1\n",
        b"1;\nX\r\n",
        b"1;a=\x01\r\n",
        b"1\rX\r\n",
        b"1;" + b"x" * MAX_CHUNK_LINE,
        b"1\r\na\r\n" * (MAX_CHUNKS + 1),
        b"0\r\n\nGET",
        b"0\r\nA: b\nC: d\r\n\r\n",
        b"0\r\n" + b"A: b\r\n" * (MAX_TRAILER_LINES + 1),
    ],
)
def test_chunks_that_may_be_read_in_two_ways_are_400(data, size):
    assert refused(data, ChunkedBody(), size=size).status == 400


def test_what_waits_is_counted_and_may_be_dropped():
    incoming = Incoming(1000)
    incoming.add(HEAD + b"rest")
    assert incoming.held == len(HEAD) + 4
    assert incoming.take() == HEAD
    assert (incoming.held, incoming.rest()) == (4, b"rest")
    incoming.clear()
    assert (incoming.held, incoming.take()) == (0, b"")


TE = (b"transfer-encoding", b"chunked")


def test_a_head_says_what_body_it_has():
    assert body_of([], "1.1").is_complete
    assert body_of([(b"content-length", b"7")], "1.0").size == 7
    assert isinstance(body_of([TE], "1.1"), ChunkedBody)


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0", "9.9"])
def test_other_versions_are_505(version):
    with pytest.raises(HttpError) as error:
        body_of([], version)
    assert error.value.status == 505


@pytest.mark.parametrize(
    ("headers", "version"), [([TE, (b"content-length", b"7")], "1.1"), ([TE], "1.0")]
)
def test_a_body_that_may_end_in_two_places_is_400(headers, version):
    with pytest.raises(HttpError) as error:
        body_of(headers, version)
    assert error.value.status == 400


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=9), st.integers(1, 60))
def test_h11_understands_the_same_chunks(pieces, size):
    """And it is given exactly the bytes of this message."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in pieces) + b"0\r\n\r\n"
    start = HEAD.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    head, body, rest = taken(start + chunks + NEXT, ChunkedBody(), size)
    http = h11.Connection(h11.SERVER)
    http.receive_data(head + body)
    data = b""
    while not isinstance(event := http.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Data):
            data += event.data
    assert (data, http.trailing_data, rest) == (b"".join(pieces), (b"", False), NEXT)
