"""The headers of every answer."""

from w2z.server.answers import ALWAYS, headers_of
from w2z.server.request import Response

DATE = "Fri, 27 Nov 2026 13:00:00 GMT"


def test_every_answer_keeps_browsers_and_caches_from_using_it_as_a_page():
    for response in (Response(200, b"x"), Response(204), Response(404, b"{}")):
        got = dict(headers_of(response, DATE, keep_alive=75))
        assert got["date"] == DATE
        assert got["cache-control"] == "no-store"
        assert got["x-content-type-options"] == "nosniff"
        assert got["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in got["content-security-policy"]
        assert len(got) > len(ALWAYS)


def test_an_answer_s_own_headers_count():
    response = Response(200, b"abc", {"Content-Type": "text/plain", "Cache-Control": "private"})
    got = headers_of(response, DATE, keep_alive=75)
    assert ("content-type", "text/plain") in got
    assert [value for name, value in got if name == "cache-control"] == ["private"]


def test_the_length_is_told_unless_there_can_be_none():
    assert dict(headers_of(Response(200, b"abc"), DATE, keep_alive=1))["content-length"] == "3"
    assert "content-length" not in dict(headers_of(Response(204), DATE, keep_alive=1))


def test_it_is_said_how_long_the_connection_is_kept():
    assert dict(headers_of(Response(204), DATE, keep_alive=75.9))["keep-alive"] == "timeout=75"
    assert dict(headers_of(Response(204), DATE, keep_alive=0.1))["keep-alive"] == "timeout=1"
    got = dict(headers_of(Response(204), DATE, keep_alive=None))
    assert got["connection"] == "close"
    assert "keep-alive" not in got
