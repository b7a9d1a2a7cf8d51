"""The kernel's side, with jupyter_client's Session as the oracle.

The fuzzer's invariant: whatever the parts, ``from_parts`` returns a Message or raises
KernelMessageError.
"""

import functools
import hashlib
import hmac
import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.session import Session

from tests.unit.examples import decoded, json_objects, message, messages, texts, wild_texts
from w2z.errors import KernelMessageError, KernelMessageTooLarge
from w2z.message import Channel, Message
from w2z.wire.signature import Signer
from w2z.wire.zmq import DELIMITER, MAX_HEADER, from_parts, rescue, to_parts, too_large

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


SHORT = st.lists(st.just(DELIMITER) | st.binary(max_size=9), min_size=1, max_size=5)


@given(messages(), SHORT, st.lists(st.binary(max_size=9), max_size=3))
def test_a_good_message_is_found_behind_one_that_is_too_short(sent, short, topics):
    good = [bytes(part) for part in to_parts(sent, SIGNER)]
    topics = [topic for topic in topics if topic != DELIMITER]
    parts = [*short, *topics, *good]
    with suppress(KernelMessageError):
        assert from_parts(sent.channel, parts, SIGNER) == sent
        return
    assert rescue(sent.channel, parts, SIGNER) == sent


@pytest.mark.parametrize(
    "parts", [[], [b"a"], [DELIMITER], [b"topic", DELIMITER, b"a"], [DELIMITER, DELIMITER]]
)
def test_parts_of_one_message_hide_no_other(parts):
    assert rescue(Channel.IOPUB, parts, SIGNER) is None


class Counted(list[bytes]):
    """Parts that count how many of them are looked at."""

    looked = 0

    def index(self, value: bytes, start: Any = 0, stop: Any = sys.maxsize) -> int:
        found = super().index(value, start, stop)
        self.looked += found - start + 1
        return found

    def __getitem__(self, place: Any) -> Any:
        got = super().__getitem__(place)
        self.looked += len(got) if isinstance(place, slice) else 1
        return got


@pytest.mark.parametrize("step", [1, 2, 7])
def test_looking_for_a_hidden_message_costs_no_more_than_a_few_looks_at_each_part(step):
    junk = [DELIMITER, *[b"x"] * (step - 1)]
    parts = Counted(junk * (12_000 // step))
    assert rescue(Channel.IOPUB, parts, SIGNER) is None
    assert parts.looked < 8 * len(parts)


# What was too large to be kept


def test_what_stands_for_a_dropped_multipart_says_how_large_it_was():
    with pytest.raises(KernelMessageTooLarge, match=r"^5000 bytes in 12 parts") as raised:
        from_parts(Channel.IOPUB, too_large(12, 5000), SIGNER)
    assert raised.value.size == 5000


@pytest.mark.parametrize("text", [b"", b"-1", b"x", b"9" * 10_000, "²".encode()])
def test_a_kernel_that_sends_such_parts_itself_is_told_no_number_of_its_own(text):
    parts = [too_large(1, 1)[0], b"1", text]
    with pytest.raises(KernelMessageTooLarge) as raised:
        from_parts(Channel.IOPUB, parts, SIGNER)
    assert raised.value.size == 0


def test_a_header_that_is_too_large_to_be_parsed_is_the_kernels_mistake():
    largest = b'{"pad":"%b"}' % (b"x" * (MAX_HEADER - 10))
    sent = message("stream")._replace(header=largest)
    parts = [bytes(part) for part in to_parts(sent, SIGNER)]
    assert from_parts(sent.channel, parts, SIGNER) == sent
    parts = [bytes(part) for part in to_parts(sent._replace(header=largest + b" "), SIGNER)]
    with pytest.raises(KernelMessageError, match="a header of 65537 bytes"):
        from_parts(sent.channel, parts, SIGNER)


PIECES = st.binary(max_size=5) | st.sampled_from([DELIMITER, b"{}", SIGNER.sign(b"{}" * 4)])


@given(st.lists(PIECES, max_size=12), st.sampled_from([SIGNER, UNSIGNED]))
def test_any_parts_are_a_message_or_the_kernels_mistake(parts, signer):
    with suppress(KernelMessageError):
        assert isinstance(from_parts(Channel.SHELL, parts, signer), Message)
