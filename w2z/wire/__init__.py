"""Formats on the wire, as pure functions: bytes in, :class:`~w2z.message.Message` out, and back.

- :mod:`~w2z.wire.zmq`: the kernel's side, one ZMQ multipart (``parts``) a message.
- :mod:`~w2z.wire.signature`: the signatures of these.
- :mod:`~w2z.wire.v1` and :mod:`~w2z.wire.default`: the two websocket formats (``payload``).
- :mod:`~w2z.wire.payload`: what the two have in common, and RFC 6455 framing.
- :mod:`~w2z.wire.subprotocol`: which of them a client gets, decided once at the handshake.
- :mod:`~w2z.wire.json`: reading and writing the JSON parts.
- :mod:`~w2z.wire.authored`: messages that w2z itself writes.

A peer's counts, lengths and offsets are checked against the payload before they are believed.
"""
