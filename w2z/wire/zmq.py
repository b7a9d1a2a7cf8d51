"""The kernel's side: a Message as one ZMQ multipart, signed and verified.

https://jupyter-client.readthedocs.io/en/stable/messaging.html#the-wire-protocol: identities (or
the iopub topic), ``<IDS|MSG>``, the HMAC signature in hexadecimal, header, parent_header,
metadata, content, buffers. The signature covers the bytes of the four JSON parts. With an empty key
messages are not signed.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from w2z.errors import KernelMessageError
from w2z.message import Buffer, Channel, Message
from w2z.wire.signature import Signer

DELIMITER = b"<IDS|MSG>"

LEAST_PARTS = 6
"""Delimiter, signature and four JSON parts: a multipart with fewer is not a message."""


def to_parts(message: Message, signer: Signer) -> list[Buffer]:
    """Return the multipart to send on a DEALER; ZMQ itself adds the identity."""
    _, header, parent_header, metadata, content, buffers = message
    signature = signer.sign(header + parent_header + metadata + content)
    return [DELIMITER, signature, header, parent_header, metadata, content, *buffers]


def rest_of(parts: Sequence[bytes]) -> Sequence[bytes]:
    """Return ``parts`` from the second delimiter on, which may be another message.

    For ``parts`` that could not be read. Receiving does not ask ZMQ for every frame whether more
    follow (:mod:`w2z.kernel.sockets.drained`), and so glues a message that is too short to the next
    one. Then the signature is wrong, and this function finds the next one. Returns nothing if there
    is no second delimiter.
    """
    try:
        return parts[parts.index(DELIMITER, parts.index(DELIMITER) + 1) :]
    except ValueError:
        return []


def from_parts(channel: Channel, parts: Sequence[bytes], signer: Signer) -> Message:
    """Read a multipart that the kernel sent on ``channel``.

    Any number of frames may come before the delimiter, or none (``iopub_welcome`` has no topic).
    An empty JSON part is read as ``{}``. Raises :class:`KernelMessageError` for a missing
    delimiter, too few parts, or a signature that the key did not make.
    """
    buffers: tuple[bytes, ...] = ()
    if len(parts) == 7 and parts[1] == DELIMITER:
        # A short cut for nearly all output, which has one topic and no buffers.
        _, _, signature, header, parent_header, metadata, content = parts
    else:
        signature, header, parent_header, metadata, content, *rest = _behind_delimiter(parts)
        buffers = tuple(rest)
    if signer.signs:
        expected = signer.sign(header + parent_header + metadata + content)
        if not hmac.compare_digest(signature, expected):
            raise KernelMessageError("the signature is not the one of the connection file's key")
    return Message(
        channel,
        header or b"{}",
        parent_header or b"{}",
        metadata or b"{}",
        content or b"{}",
        buffers,
    )


def _behind_delimiter(parts: Sequence[bytes]) -> Sequence[bytes]:
    try:
        behind = parts[parts.index(DELIMITER) + 1 :]
    except ValueError:
        raise KernelMessageError(f"{len(parts)} parts without the delimiter") from None
    if len(behind) < LEAST_PARTS - 1:
        raise KernelMessageError(f"{len(behind)} parts after the delimiter, fewer than 5")
    return behind
