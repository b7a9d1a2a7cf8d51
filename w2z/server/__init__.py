"""The listening side: HTTP and websockets on one port.

- :mod:`~w2z.server.serve`: from settings to a running server, and its end.
- :mod:`~w2z.server.listener`: the TCP port and every connection on it.
- :mod:`~w2z.server.http`: one HTTP/1.1 connection (h11), up to the websocket upgrade.
- :mod:`~w2z.server.websocket`: one websocket, a client of the bridge.
- :mod:`~w2z.server.handshake`: from an upgrade request to a websocket or a refusal.
- :mod:`~w2z.server.routes`, :mod:`~w2z.server.api`: which request goes where, and the answers.
- :mod:`~w2z.server.auth`: tokens and origins, as decisions.
"""
