"""The only connection between the kernel's side and the clients' side.

- :mod:`~w2z.bridge.bridge`: carries messages both ways.
- :mod:`~w2z.bridge.fanout`: encodes each batch once for each format, and writes it to clients.
- :mod:`~w2z.bridge.departed`: clients that left before the kernel took all their requests.
- :mod:`~w2z.bridge.lag`: how late the event loop is.
- :mod:`~w2z.bridge.waits`: requests that are refused for a moment.
- :mod:`~w2z.bridge.own_messages`: the messages that w2z itself writes to clients.
"""
