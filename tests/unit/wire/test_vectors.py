"""docs/vectors/messages.json: others may test their clients with it, and w2z is tested here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from w2z.message import Channel, Message
from w2z.wire.payload import Codec
from w2z.wire.subprotocol import DEFAULT, V1

VECTORS = json.loads((Path(__file__).parents[3] / "docs/vectors/messages.json").read_text())
NAMES = [vector["name"] for vector in VECTORS]
PARTS = ("header", "parent_header", "metadata", "content")
TO_KERNEL = ("shell", "control", "stdin")


def message(fields: dict[str, Any]) -> Message:
    header, parent_header, metadata, content = (json.dumps(fields[name]).encode() for name in PARTS)
    buffers = tuple(map(bytes.fromhex, fields["buffers"]))
    return Message(Channel(fields["channel"]), header, parent_header, metadata, content, buffers)


def written(codec: Codec, sent: Message) -> bytes:
    return b"".join(bytes(piece) for piece in codec.encode(sent).chunks)


@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_v1_is_written_as_the_vector_has_it(vector: dict[str, Any]) -> None:
    assert written(V1, message(vector["message"])).hex() == vector["v1"]


@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_the_default_format_says_what_the_vector_says(vector: dict[str, Any]) -> None:
    sent = written(DEFAULT, message(vector["message"]))
    if "text" in vector["default"]:
        assert json.loads(sent) == json.loads(vector["default"]["text"])
        return
    expected = bytes.fromhex(vector["default"]["binary"])
    heads = [int.from_bytes(one[4:8], "big") for one in (sent, expected)]
    ends = [int.from_bytes(one[8:12], "big") for one in (sent, expected)]
    said, meant = (
        json.loads(one[head:end])
        for one, head, end in zip((sent, expected), heads, ends, strict=True)
    )
    assert said == meant
    assert sent[ends[0] :] == expected[ends[1] :]


@pytest.mark.parametrize(
    "vector", [vector for vector in VECTORS if vector["message"]["channel"] in TO_KERNEL]
)
def test_what_goes_to_the_kernel_is_read_as_the_vector_has_it(vector: dict[str, Any]) -> None:
    fields, default = vector["message"], vector["default"]
    payloads: list[tuple[Codec, bytes, bool]] = [(V1, bytes.fromhex(vector["v1"]), False)]
    if "text" in default:
        payloads.append((DEFAULT, default["text"].encode(), True))
    for codec, payload, is_text in payloads:
        read = codec.decode(payload, is_text).message
        assert read.channel == fields["channel"]
        assert [json.loads(part) for part in read[1:5]] == [fields[name] for name in PARTS]


def test_the_page_shows_the_bytes_and_the_reader_as_they_are() -> None:
    docs = Path(__file__).parents[3] / "docs"
    page = (docs / "protocol.md").read_text()
    assert (docs / "v1.mjs").read_text() in page
    [vector] = [vector for vector in VECTORS if vector["name"] == "control"]
    payload = bytes.fromhex(vector["v1"])
    rows = (f"{at:04x}  {payload[at : at + 16].hex(' ')}" for at in range(0, len(payload), 16))
    assert "\n".join(rows) in page
