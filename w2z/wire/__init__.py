"""Formats on the wire, as pure functions: bytes in, :class:`~w2z.message.Message` out, and back.

- :mod:`~w2z.wire.zmq`: the kernel's side, one ZMQ multipart (``parts``) for each message.
- :mod:`~w2z.wire.signature`: the signatures of ZMQ multiparts.
- :mod:`~w2z.wire.v1` and :mod:`~w2z.wire.default`: the two websocket formats (``payload``).
- :mod:`~w2z.wire.payload`: what the two websocket formats share, and RFC 6455 framing.
- :mod:`~w2z.wire.subprotocol`: which of the two a client gets, decided once at the handshake.
- :mod:`~w2z.wire.json`: reading and writing the JSON parts.
- :mod:`~w2z.wire.outline`: checking a client's JSON, and reading the few fields that w2z needs.
- :mod:`~w2z.wire.heads`: reading the ids that a client needs of what it gets.
- :mod:`~w2z.wire.authored`: messages that w2z itself writes.

A peer's counts, lengths and offsets are checked against the payload before they are used.
"""
