"""The kernel's side, with jupyter_client's Session as the oracle.

The fuzzer's invariant: whatever the parts, ``from_parts`` returns a Message or raises
KernelMessageError.
"""

import functools
import hashlib
import hmac
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.session import Session

from tests.unit.examples import decoded, json_objects, message, messages, texts, wild_texts
from w2z.errors import KernelMessageError
from w2z.message import Channel, Message
from w2z.wire.signature import Signer
from w2z.wire.zmq import DELIMITER, from_parts, rest_of, to_parts

KEYS = [b"", b"5b1b6e6e-8f7b", b"k" * 300]
SCHEMES = [f"hmac-{name}" for name in ("sha256", "sha512", "sha1", "md5", "sha3_256", "blake2b")]
SIGNED = st.tuples(st.sampled_from(KEYS), st.sampled_from(SCHEMES))

UNSIGNED = Signer(b"", "hmac-sha256")
SIGNER = Signer(b"key", "hmac-sha256")


@functools.cache
def session(key: bytes, scheme: str) -> Session:
    """Jupyter's own end of the connection."""
    made = Session(key=key, signature_scheme=scheme)
    made.digest_history_size = 0
    return made


def received(by: Session, parts: list[Any]) -> dict[str, Any]:
    """A multipart as Jupyter reads it; raises ValueError for a wrong signature."""
    # Jupyter refuses a signature it saw before; Hypothesis likes to repeat itself.
    by.digest_history.clear()
    _, rest = by.feed_identities(parts, copy=True)
    got: dict[str, Any] = by.deserialize(rest, copy=True)
    return got


@given(SIGNED, messages(texts))
def test_jupyter_accepts_what_is_sent_to_a_kernel(signed, sent):
    got = received(session(*signed), to_parts(sent, Signer(*signed)))
    # Jupyter adds a date and a version to headers that have none.
    assert decoded(sent.header).items() <= got["header"].items()
    assert decoded(sent.parent_header).items() <= got["parent_header"].items()
    assert got["metadata"] == decoded(sent.metadata)
    assert got["content"] == decoded(sent.content)
    assert got["buffers"] == list(sent.buffers)


@given(
    SIGNED,
    json_objects(texts),
    st.lists(st.binary(max_size=20), max_size=3),
    st.lists(st.binary(max_size=9).filter(lambda name: name != DELIMITER), max_size=2),
)
def test_what_jupyter_sends_is_accepted_byte_for_byte(signed, content, buffers, identities):
    jupyter = session(*signed)
    sent = jupyter.msg("stream", content, metadata={"vendor": 1})
    parts = [*jupyter.serialize(sent, identities), *buffers]
    got = from_parts(Channel.IOPUB, parts, Signer(*signed))
    start = len(identities) + 2
    header, parent_header, metadata, content_ = parts[start : start + 4]
    carried = (Channel.IOPUB, header, parent_header, metadata, content_, tuple(buffers))
    assert got == Message(*carried)
    assert decoded(got.content) == content


@given(messages(wild_texts))
def test_what_is_sent_can_be_received(sent):
    parts = [bytes(part) for part in to_parts(sent, SIGNER)]
    assert from_parts(sent.channel, parts, SIGNER) == sent


def test_big_and_empty_buffers_pass_as_they_are():
    sent = message("comm_msg", buffers=(b"", b"\xff" * (5 * 2**20), b""))
    parts = to_parts(sent, SIGNER)
    assert parts[6:] == list(sent.buffers)
    assert parts[7] is sent.buffers[1]


def test_a_message_without_a_topic_is_received():
    # As XPUB sends iopub_welcome (JEP 65).
    sent = message("iopub_welcome")
    parts = [bytes(part) for part in to_parts(sent, SIGNER)]
    assert parts[0] == DELIMITER
    assert from_parts(Channel.IOPUB, parts, SIGNER) == sent


@pytest.mark.parametrize("topics", [[], [b"topic"], [b""], [b"identity", b""]])
@pytest.mark.parametrize("buffers", [(), (b"one",), (b"one", b""), (DELIMITER,)])
def test_topics_and_buffers_in_any_number_are_told_apart(topics, buffers):
    sent = message("stream", buffers=buffers)
    parts = [*topics, *(bytes(part) for part in to_parts(sent, SIGNER))]
    assert from_parts(Channel.IOPUB, parts, SIGNER) == sent


def test_empty_json_parts_are_empty_objects():
    parts = [DELIMITER, b"", b"", b"", b"", b""]
    assert from_parts(Channel.SHELL, parts, UNSIGNED) == Message(
        Channel.SHELL, b"{}", b"{}", b"{}", b"{}"
    )


def test_empty_json_parts_are_signed_as_they_came():
    parts = [DELIMITER, SIGNER.sign(b'{"a":1}'), b'{"a":1}', b"", b"", b""]
    assert from_parts(Channel.SHELL, parts, SIGNER).parent_header == b"{}"


def test_the_signature_of_a_signing_kernel_does_not_matter_without_a_key():
    sent = message("stream")
    parts = [bytes(part) for part in to_parts(sent, SIGNER)]
    assert from_parts(Channel.IOPUB, parts, UNSIGNED) == sent


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"\xff",
        b"0" * 64,
        hmac.new(b"another key", b"{}{}{}{}", hashlib.sha256).hexdigest().encode(),
        hmac.new(b"key", b"{}{}{}{}", hashlib.sha256).hexdigest().upper().encode(),
        hmac.new(b"key", b"{}{}{}{}", hashlib.sha256).digest(),
    ],
)
def test_a_wrong_signature_is_refused_and_an_empty_one_is_wrong(signature):
    with pytest.raises(KernelMessageError, match="signature is not the one"):
        from_parts(Channel.SHELL, [DELIMITER, signature, *[b"{}"] * 4], SIGNER)


@pytest.mark.parametrize("at", range(4))
def test_every_json_part_is_signed(at):
    parts = [bytes(part) for part in to_parts(message("stream"), SIGNER)]
    parts[2 + at] += b" "
    with pytest.raises(KernelMessageError, match="signature"):
        from_parts(Channel.IOPUB, parts, SIGNER)


@pytest.mark.parametrize("parts", [[], [b"topic"], [b"a", b"<IDS|MSG"], [b""] * 20])
def test_parts_without_the_delimiter_are_refused(parts):
    with pytest.raises(KernelMessageError, match=f"^{len(parts)} parts without the delimiter"):
        from_parts(Channel.IOPUB, parts, UNSIGNED)


@pytest.mark.parametrize("count", range(5))
def test_too_few_parts_are_refused(count):
    with pytest.raises(KernelMessageError, match=f"^{count} parts after the delimiter"):
        from_parts(Channel.IOPUB, [b"topic", DELIMITER, *[b"{}"] * count], UNSIGNED)


# Messages that were received together


@pytest.mark.parametrize(
    ("parts", "rest"),
    [
        ([DELIMITER, b"a", DELIMITER, b"b", b"c"], [DELIMITER, b"b", b"c"]),
        ([b"topic", DELIMITER, b"topic", DELIMITER, b"b"], [DELIMITER, b"b"]),
        ([DELIMITER, DELIMITER], [DELIMITER]),
        ([DELIMITER, b"a", DELIMITER, b"b", DELIMITER], [DELIMITER, b"b", DELIMITER]),
    ],
)
def test_the_rest_begins_with_the_second_delimiter(parts, rest):
    assert rest_of(parts) == rest


@pytest.mark.parametrize("parts", [[], [b"a"], [DELIMITER], [b"topic", DELIMITER, b"a"]])
def test_parts_of_one_message_have_no_rest(parts):
    assert rest_of(parts) == []


@given(messages(), st.lists(st.binary(max_size=9).filter(lambda p: p != DELIMITER), max_size=4))
def test_a_good_message_is_found_behind_one_that_is_too_short(sent, short):
    good = [bytes(part) for part in to_parts(sent, SIGNER)]
    parts = [DELIMITER, *short, b"topic", *good]
    with pytest.raises(KernelMessageError):
        from_parts(sent.channel, parts, SIGNER)
    assert from_parts(sent.channel, rest_of(parts), SIGNER) == sent


@given(st.lists(st.sampled_from([DELIMITER, b"a", b"{}"]), max_size=12))
def test_looking_for_the_rest_comes_to_an_end(parts):
    rest, looks = parts, 0
    while rest := rest_of(rest):
        assert rest[0] == DELIMITER
        looks += 1
    assert looks == max(0, parts.count(DELIMITER) - 1)


PIECES = st.binary(max_size=5) | st.sampled_from([DELIMITER, b"{}", SIGNER.sign(b"{}" * 4)])


@given(st.lists(PIECES, max_size=12), st.sampled_from([SIGNER, UNSIGNED]))
def test_any_parts_are_a_message_or_the_kernels_mistake(parts, signer):
    with suppress(KernelMessageError):
        assert isinstance(from_parts(Channel.SHELL, parts, signer), Message)
