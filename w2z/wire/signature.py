"""Signatures of Jupyter messages: ``signature_scheme`` and ``key`` of a connection file.

https://jupyter-client.readthedocs.io/en/stable/messaging.html#the-wire-protocol
"""

from __future__ import annotations

import hashlib

JOINED = 2**16
"""Bytes of content below which joining the parts is cheaper than hashing each alone. A copy of a
large content would cost as much memory again.
"""


class Signer:
    """Signs messages with one key.

    The signature is the HMAC of RFC 2104. Its two keyed hash states are prepared once and copied
    for each message: cheaper than :func:`hmac.new` on the path that every message takes. Raises
    :class:`ValueError` for a scheme that is not ``hmac-`` and a fixed-length hash of
    :mod:`hashlib`.
    """

    def __init__(self, key: bytes, scheme: str) -> None:
        name = scheme.removeprefix("hmac-")
        if name == scheme:
            raise ValueError(f"{scheme!r} is not a signature scheme: it has to start with 'hmac-'")
        try:
            plain = hashlib.new(name)
        except (TypeError, ValueError):  # a TypeError: there is a null character in the name
            raise ValueError(f"{scheme!r} needs a hash that this Python does not have") from None
        if plain.digest_size == 0 or plain.block_size < plain.digest_size:
            raise ValueError(f"{scheme!r} needs a hash of fixed length, which {name!r} is not")
        self.signs = bool(key)
        if len(key) > plain.block_size:
            key = hashlib.new(name, key).digest()
        key = key.ljust(plain.block_size, b"\0")
        self._inner = hashlib.new(name, bytes(byte ^ 0x36 for byte in key))
        self._outer = hashlib.new(name, bytes(byte ^ 0x5C for byte in key))

    def sign(self, *json_parts: bytes) -> bytes:
        """Return the signature of the JSON parts, as if they were joined; empty without a key."""
        if not self.signs:
            return b""
        inner = self._inner.copy()
        if len(json_parts[-1]) < JOINED:
            inner.update(b"".join(json_parts))
        else:
            for part in json_parts:
                inner.update(part)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest().encode()
