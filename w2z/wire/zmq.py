"""The kernel's side: a Message as one ZMQ multipart, signed and verified.

https://jupyter-client.readthedocs.io/en/stable/messaging.html#the-wire-protocol: identities (or
the iopub topic), ``<IDS|MSG>``, the HMAC signature in hexadecimal, header, parent_header,
metadata, content, buffers. The signature covers the bytes of the four JSON parts. With an empty key
messages are not signed.
"""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Iterator, Sequence

from w2z.errors import KernelMessageError, KernelMessageTooLarge
from w2z.message import Buffer, Channel, Message
from w2z.wire.signature import Signer

DELIMITER = b"<IDS|MSG>"

LEAST_PARTS = 6
"""Delimiter, signature and four JSON parts: a multipart with fewer is not a message."""

MAX_HEADER = 2**16
"""Bytes of the header of a kernel's message: a hundred times what any kernel sends. Headers are
parsed, and parsed JSON takes up to thirty times its bytes.
"""

_TOO_LARGE = b"<w2z: too large>"
"""The first of the parts that stand for a dropped multipart. A kernel that sends it only has its
own message reported as dropped.
"""


def to_parts(message: Message, signer: Signer) -> list[Buffer]:
    """Return the multipart to send on a DEALER; ZMQ itself adds the identity."""
    _, header, parent_header, metadata, content, buffers = message
    signature = signer.sign(header, parent_header, metadata, content)
    return [DELIMITER, signature, header, parent_header, metadata, content, *buffers]


def too_large(frames: int, size: int) -> list[bytes]:
    """Return the parts that stand for a multipart that was received and dropped.

    ``frames`` and ``size`` are its ZMQ frames and its bytes. They cannot be read as a message:
    :func:`from_parts` raises :class:`KernelMessageTooLarge` for them.
    """
    return [_TOO_LARGE, b"%d" % frames, b"%d" % size]


def rescue(channel: Channel, parts: Sequence[bytes], signer: Signer) -> Message | None:
    """Return the message that was received glued to one that was too short, if there is one.

    For ``parts`` that could not be read. Receiving does not ask ZMQ for every frame whether more
    follow (:mod:`w2z.kernel.sockets.drained`), and so glues a message that is too short to the next
    one. The next one begins before the :data:`LEAST_PARTS`-th frame, because there ZMQ is asked. So
    there are few places to try, however many delimiters ``parts`` have: the cost is linear.
    """
    for start in _glued(parts):
        with contextlib.suppress(KernelMessageError):
            return from_parts(channel, parts[start:], signer)
    return None


def from_parts(channel: Channel, parts: Sequence[bytes], signer: Signer) -> Message:
    """Read a multipart that the kernel sent on ``channel``.

    Any number of frames may come before the delimiter, or none (``iopub_welcome`` has no topic).
    An empty JSON part is read as ``{}``. Raises :class:`KernelMessageError` for a missing
    delimiter, too few parts, too large a header, or a signature that the key did not make; raises
    :class:`KernelMessageTooLarge` for what :func:`too_large` returned.
    """
    buffers: Sequence[bytes] = ()
    if len(parts) == 7 and parts[1] == DELIMITER:
        # A short cut for nearly all output, which has one topic and no buffers.
        _, _, signature, header, parent_header, metadata, content = parts
    else:
        signature, header, parent_header, metadata, content, *buffers = _behind_delimiter(parts)
    if len(header) > MAX_HEADER:
        raise KernelMessageError(f"a header of {len(header)} bytes, more than {MAX_HEADER}")
    if signer.signs:
        expected = signer.sign(header, parent_header, metadata, content)
        if not hmac.compare_digest(signature, expected):
            raise KernelMessageError("the signature is not the one of the connection file's key")
    return Message(
        channel,
        header or b"{}",
        parent_header or b"{}",
        metadata or b"{}",
        content or b"{}",
        tuple(buffers),
    )


def _glued(parts: Sequence[bytes]) -> Iterator[int]:
    """Find each place at which a message may begin that was glued to what comes before it."""
    try:
        # The first one has been tried: it is the delimiter of a message that begins with `parts`.
        found = parts.index(DELIMITER)
        for start in range(1, LEAST_PARTS):
            if start > found:
                found = parts.index(DELIMITER, start)
                yield found
    except ValueError:
        return


def _behind_delimiter(parts: Sequence[bytes]) -> Sequence[bytes]:
    try:
        behind = parts[parts.index(DELIMITER) + 1 :]
    except ValueError:
        if len(parts) == 3 and parts[0] == _TOO_LARGE:
            raise KernelMessageTooLarge(*map(_number, parts[1:])) from None
        raise KernelMessageError(f"{len(parts)} parts without the delimiter") from None
    if len(behind) < LEAST_PARTS - 1:
        raise KernelMessageError(f"{len(behind)} parts after the delimiter, fewer than 5")
    return behind


def _number(text: bytes) -> int:
    # Bounded, because a kernel may send such parts itself.
    return int(text) if text.isdigit() and len(text) < 20 else 0
