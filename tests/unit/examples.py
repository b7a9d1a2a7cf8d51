"""Messages and payloads to test with: some by hand, any number from Hypothesis."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hypothesis import strategies as st

from w2z.message import Buffer, Channel, Message, Request

# By hand.


def message(
    msg_type: str,
    text: str = "",
    *,
    channel: Channel = Channel.IOPUB,
    parent_header: bytes = b"{}",
    buffers: tuple[bytes, ...] = (),
) -> Message:
    """A message that can be told from others by its ``text``."""
    fields = {"msg_id": f"id of {text}", "msg_type": msg_type, "version": "5.4"}
    header = json.dumps(fields).encode()
    content = json.dumps({"text": text}).encode()
    return Message(channel, header, parent_header, b"{}", content, buffers)


def request(
    msg_type: str,
    text: str = "",
    *,
    channel: Channel = Channel.SHELL,
    buffers: tuple[bytes, ...] = (),
) -> Request:
    """A request of a client, decoded."""
    asked = message(msg_type, text, channel=channel, buffers=buffers)
    return Request(asked, msg_type, f"id of {text}")


def status(state: str) -> Message:
    """An iopub status."""
    content = json.dumps({"execution_state": state}).encode()
    return message("status")._replace(content=content)


def text_of(said: Message) -> str:
    """What :func:`message` was given."""
    text: str = json.loads(said.content)["text"]
    return text


def nested(depth: int) -> bytes:
    """A JSON value of so many arrays in arrays."""
    return b"[" * depth + b"]" * depth


# From Hypothesis.

tricky = [
    "",
    "\0",
    '"\\',
    "\x7f\u2028",
    "\N{GRINNING FACE}",
    "e\u0301",
    "x" * 300,
]

texts = st.text(max_size=5) | st.sampled_from(tricky)
"""Unicode that has a UTF-8 encoding."""

wild_texts = texts | st.sampled_from(["\ud83d", "\ude00\ud83d", "a\udfff"])
"""Any str: lone surrogates too, which JSON can only hold as escapes."""


def json_objects(strings: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects with fields nobody has ever heard of, without NaN: it does not equal itself."""
    numbers = st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False)
    leaves = st.none() | st.booleans() | numbers | strings
    values = leaves | st.lists(leaves, max_size=2) | st.dictionaries(strings, leaves, max_size=2)
    return st.dictionaries(strings, values | st.lists(values, max_size=2), max_size=2)


def headers(strings: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Headers with the two fields every message has, among unknown ones."""
    versions = st.sampled_from(["5.3", "5.4", "6"])
    known = st.fixed_dictionaries({"msg_id": strings, "msg_type": strings, "version": versions})
    return st.builds(lambda extra, own: {**extra, **own}, json_objects(strings), known)


buffers = st.lists(st.binary(max_size=40), max_size=4).map(tuple)

spellings: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"separators": (",", ":")}, {"indent": 1}, {"ensure_ascii": False}]
)
"""Ways to write the same JSON: carried bytes have to keep theirs."""


@st.composite
def messages(draw: st.DrawFn, strings: st.SearchStrategy[str] = wild_texts) -> Message:
    """Messages as a client may send them and a kernel may answer them."""
    header = draw(headers(strings))
    parent_header = draw(st.sampled_from([{}, header]))
    metadata = draw(json_objects(strings))
    content = draw(json_objects(strings))
    spelling = draw(spellings)
    h, p, m, c = (spelled(part, spelling) for part in (header, parent_header, metadata, content))
    return Message(draw(st.sampled_from(Channel)), h, p, m, c, draw(buffers))


def spelled(value: Any, spelling: dict[str, Any]) -> bytes:
    """``value`` as JSON; lone surrogates are escaped however the rest is written."""
    try:
        return json.dumps(value, **spelling).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


some_messages = [
    message("status"),
    message("execute_request", "print('\u00e9')", channel=Channel.SHELL),
    message("comm_msg", channel=Channel.CONTROL, buffers=(b"",)),
    message("display_data", buffers=(b"abc", b"\xff" * 20)),
]
"""Right ones, for payloads to go wrong."""


@st.composite
def mutations(draw: st.DrawFn, originals: Sequence[bytes]) -> bytes:
    """Payloads that were right until a few of their bytes changed, went or came."""
    payload = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(payload)))
        end = min(len(payload), start + draw(st.integers(0, 8)))
        # Bytes of which counts, offsets and JSON are made, more often than others.
        payload[start:end] = draw(st.binary(max_size=8) | st.sampled_from(_PIECES))
    return bytes(payload)


_PIECES = [*(bytes([byte]) for byte in b'{}[]",:\\e1\0\xff'), b"null", b"1e999", b"\\ud800"]


# What tests look at.


def decoded(part: bytes) -> Any:
    """What a JSON part says."""
    return json.loads(part)


def as_bytes(parts: Iterable[Buffer]) -> list[bytes]:
    """Buffers as bytes, views included."""
    return [bytes(part) for part in parts]


def peak_of(action: Callable[[], object]) -> int:
    """The bytes that ``action`` had allocated at most."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
