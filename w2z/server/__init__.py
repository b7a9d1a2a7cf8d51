"""The listening side: HTTP and websockets on one port.

- :mod:`~w2z.server.listener`: the TCP port.
- :mod:`~w2z.server.addresses`: the addresses at which it is listened on.
- :mod:`~w2z.server.connections`: the open connections, and the net under each.
- :mod:`~w2z.server.http_connection`: one connection that speaks HTTP/1.1, up to an upgrade.
- :mod:`~w2z.server.backpressure`: whether a connection is read from.
- :mod:`~w2z.server.websocket`: one connection that speaks websocket.
- :mod:`~w2z.server.frames`: its frames: bytes in, payloads out.
- :mod:`~w2z.server.acknowledgement`: when to ping, and what pongs say.
- :mod:`~w2z.server.websocket_client`: the client behind it.
- :mod:`~w2z.server.upstream`: its messages on their way to the kernel.
- :mod:`~w2z.server.app`: what all connections share: from a request to its answer.
- :mod:`~w2z.server.handshake`: from an upgrade request to a websocket, or to a refusal.
- :mod:`~w2z.server.routes`: which request goes where.
- :mod:`~w2z.server.request`: a request and its answer, apart from any connection.
- :mod:`~w2z.server.access`: who may connect.
- :mod:`~w2z.server.rest`: the HTTP API.
"""
