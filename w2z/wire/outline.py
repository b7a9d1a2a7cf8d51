"""A client's JSON, checked as a whole and read in outline: without building objects of it.

The kernel gets the bytes that the client sent. Of them w2z needs the channel, two fields of the
header, and to know that they are JSON objects in UTF-8. Objects built of JSON may take thirty
times its bytes, and seconds. msgspec checks JSON at about a gigabyte a second and builds only what
it is asked for.

It rejects some JSON that clients may rightly send: lone surrogates, NaN and infinities, deep
nesting. Such JSON is *odd*: callers read it with :mod:`w2z.wire.json`, if it is no longer than
:data:`MAX_ODD_JSON`.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from typing import Any, NamedTuple

from msgspec import DecodeError, Raw, Struct
from msgspec.json import Decoder

from w2z.errors import MessageTooBig
from w2z.wire.json import parse_object
from w2z.wire.payload import read_header

MAX_JSON = 2**25
"""Bytes of JSON that a client's message may have beside its buffers. Code and text have kilobytes;
what has megabytes belongs into buffers.
"""

MAX_ODD_JSON = 2**19
"""Bytes of odd JSON that are read: the objects built of them take up to 15 MiB and 100 ms."""

VERSION = b'"version":"5.3",'
"""What a header gets that has no version: kernels take such a message for one of 2014, and fail."""

_PIECE = 2**16
_NULL = Raw(b"null")


class _Object(Struct):
    """Any JSON object."""


class _Header(Struct):
    msg_type: str
    msg_id: str
    version: str = ""


class _Shutdown(Struct):
    restart: bool = False


class _Execute(Struct):
    allow_stdin: bool = True


class _Whole(Struct):
    channel: Raw = _NULL
    header: Raw = _NULL
    parent_header: Raw = _NULL
    metadata: Raw = _NULL
    content: Raw = _NULL


class Outline(NamedTuple):
    """The fields of a message in the default format, as JSON; its other fields are dropped.

    The channel is ``null`` where there is none, each other field ``{}``.
    """

    channel: bytes
    header: bytes
    parent_header: bytes
    metadata: bytes
    content: bytes


_ANY_OBJECT = Decoder(_Object)
_ANY_HEADER = Decoder(_Header)
_ANY_SHUTDOWN = Decoder(_Shutdown)
_ANY_EXECUTE = Decoder(_Execute)
_ANY_WHOLE = Decoder(_Whole)


def check_size(size: int) -> None:
    """Raise :class:`~w2z.errors.MessageTooBig` for more than :data:`MAX_JSON` bytes of JSON."""
    if size > MAX_JSON:
        raise MessageTooBig(
            f"the message has {size} bytes of JSON; at most {MAX_JSON} are taken beside its buffers"
        )


def check_object(text: bytes, what: str) -> None:
    """Raise :class:`ValueError` unless ``text`` is one JSON object.

    The error is a sentence fit for the peer that sent the text; ``what`` names the text.
    """
    if text == b"{}" or (_is_utf8(text) and _decode(_ANY_OBJECT, text) is not None):
        return
    parse_odd(text, what)


def read_head(text: bytes) -> tuple[bytes, str, str]:
    """Return a header, and its ``msg_type`` and ``msg_id``. A header without a version gets one.

    Raises :class:`ValueError` for a header that is no JSON object, and
    :class:`~w2z.errors.MalformedPayload` for one without these two strings, or with a version that
    is none.
    """
    found = _decode(_ANY_HEADER, text) if _is_utf8(text) else None
    if found is not None and found.version[:1].isdecimal():
        return text, found.msg_type, found.msg_id
    fields = parse_odd(text, "header")
    msg_type, msg_id = read_header(fields)
    if "version" not in fields:
        text = b"{" + VERSION + text.lstrip()[1:]
    return text, msg_type, msg_id


def outline(text: bytes) -> Outline | None:
    """Return the outline of a message in the default format; ``None`` if the text is odd, or if one
    of the four JSON parts is neither an object nor ``null``.
    """
    found: _Whole | None = _decode(_ANY_WHOLE, text) if _is_utf8(text) else None
    if found is None:
        return None
    raw = (found.header, found.parent_header, found.metadata, found.content)
    parts = [b"{}" if (part := bytes(one)) == b"null" else part for one in raw]
    if not all(part.startswith(b"{") for part in parts):
        return None
    return Outline(bytes(found.channel), *parts)


def asks_to_restart(content: bytes) -> bool:
    """Whether the content of a ``shutdown_request`` asks for a restart: ``restart`` is true in it.

    The content was checked when it was received.
    """
    found = _decode(_ANY_SHUTDOWN, content)
    return bool(parse_odd(content, "content").get("restart") if found is None else found.restart)


def may_ask_for_input(content: bytes) -> bool:
    """Whether what an ``execute_request`` with this content executes may ask for input: unless
    ``allow_stdin`` is false in it. A long content is not read: it may.
    """
    if len(content) > _PIECE:
        return True
    found = _decode(_ANY_EXECUTE, content)
    return found is None or bool(found.allow_stdin)


def parse_odd(text: bytes, what: str) -> dict[str, Any]:
    """Parse odd JSON, or find out what is wrong with it. Raises :class:`ValueError`."""
    if len(text) > MAX_ODD_JSON:
        raise ValueError(
            f"{what} is broken or odd JSON (deeply nested, NaN, lone surrogates) of more than"
            f" {MAX_ODD_JSON} bytes"
        )
    return parse_object(text, what)


def _decode(decoder: Decoder[Any], text: bytes) -> Any:
    """Return what the decoder finds; ``None`` if the text is odd, or not what it looks for."""
    try:
        return decoder.decode(text)
    except (DecodeError, RecursionError):
        return None


def _is_utf8(text: bytes) -> bool:
    """Whether ``text`` is UTF-8; that is found out without a second copy of a long text."""
    if text.isascii():
        return True
    decoder = getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(text), _PIECE):
            decoder.decode(text[start : start + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
