"""w2z puts a Jupyter kernel on the web: five ZMQ channels, one authenticated websocket.

The map, from the top (each layer imports only those below it):

- :mod:`w2z.__main__` and :mod:`w2z.cli`: the command line.
- :mod:`w2z.serve`: the program ``w2z serve``. | :mod:`w2z.client`: what talks to another w2z.
- :mod:`w2z.server`: the listening side, HTTP and websockets on one port.
- :mod:`w2z.bridge`: the only joint between the clients' side and the kernel's.
- :mod:`w2z.delivery`: who gets which message. | :mod:`w2z.kernel`: the kernel's side.
- :mod:`w2z.wire`: the formats. | :mod:`w2z.settings`. | :mod:`w2z.timing`: durations. |
  :mod:`w2z.reports`: trouble, counted and logged. | :mod:`w2z.threads`: work that blocks.
- :mod:`w2z.store`: storage for what memory has no room for.
- :mod:`w2z.message`, and below it :mod:`w2z.errors`.

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
