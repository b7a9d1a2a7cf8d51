"""The listening side: HTTP and websockets on one port.

- :mod:`~w2z.server.listener`: the TCP port.
- :mod:`~w2z.server.addresses`: the addresses that the port is opened at.
- :mod:`~w2z.server.connections`: the open connections; an error in one ends that one alone.
- :mod:`~w2z.server.door`: what connections share: places, allowance, failures; uses the next two.
- :mod:`~w2z.server.places`: which connections may stay when there are too many.
- :mod:`~w2z.server.allowance`: bytes of unfinished requests that are kept, in sum.
- :mod:`~w2z.server.http_connection`: one connection that speaks HTTP/1.1, up to an upgrade.
- :mod:`~w2z.server.exchange`: HTTP as spoken on it: bytes to events, responses to bytes.
- :mod:`~w2z.server.incoming`: its received bytes, cut where heads and bodies end.
- :mod:`~w2z.server.unsent`: the end of an HTTP connection whose peer may not read.
- :mod:`~w2z.server.answers`: the headers of every HTTP answer.
- :mod:`~w2z.server.backpressure`: whether a connection is read from.
- :mod:`~w2z.server.websocket`: one connection that speaks websocket.
- :mod:`~w2z.server.frames`: the frames of one websocket: bytes in, payloads out.
- :mod:`~w2z.server.outbox`: what is written to one websocket.
- :mod:`~w2z.server.turns`: when to read on after too many frames that carry little.
- :mod:`~w2z.server.pings`: the pings of one websocket.
- :mod:`~w2z.server.acknowledgement`: when to ping, and what a pong proves.
- :mod:`~w2z.server.websocket_client`: the bridge's client behind a websocket.
- :mod:`~w2z.server.upstream`: one client's requests, waiting for the kernel in order.
- :mod:`~w2z.server.app`: answers the HTTP requests of all connections.
- :mod:`~w2z.server.handshake`: accepts an upgrade request, or rejects it.
- :mod:`~w2z.server.routes`: finds the handler of an HTTP request.
- :mod:`~w2z.server.request`: HTTP requests and responses, apart from any connection.
- :mod:`~w2z.server.access_log`: a line of log for each request and each websocket.
- :mod:`~w2z.server.access`: who may connect.
- :mod:`~w2z.server.rest`: the HTTP API.
"""
