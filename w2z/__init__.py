"""w2z puts a Jupyter kernel on the web: five ZMQ channels, one authenticated websocket.

The map, from the top (each layer imports only those below it):

- :mod:`w2z.cli`: the command line.
- :mod:`w2z.server`: the listening side, HTTP and websockets on one port.
- :mod:`w2z.bridge`: the only joint between the two sides.
- :mod:`w2z.clients`: the clients' side of it. | :mod:`w2z.own`: what w2z says itself.
- :mod:`w2z.hub`: who gets which message; decisions only. | :mod:`w2z.kernel`: the ZMQ sockets.
- :mod:`w2z.wire`: the formats, as pure functions. | :mod:`w2z.connection_file`,
  :mod:`w2z.settings`.
- :mod:`w2z.message`, :mod:`w2z.errors`.

Words, as Jupyter, ZMQ and RFC 6455 use them:

- *message*: a Jupyter message: channel, header, parent_header, metadata, content, buffers.
- *channel*: shell, iopub, stdin, control or hb.
- *parts*: a message as one ZMQ multipart. *payload*: a message as one websocket message.
- *codec*: one of the two websocket formats, chosen by *subprotocol* at the handshake.
- *client*: a connected websocket. *session*: a ``session_id``, which outlives its client.
- *identity*: the name of a session's sockets towards the kernel; generated, never the client's.
- *to_kernel*, *to_clients*: the two directions.
"""

__version__ = "0.1.0"
"""The version of the distribution, which reads it from here."""
