"""The only connection between the kernel's side and the clients' side.

- :mod:`~w2z.bridge.bridge`: carries messages both ways.
- :mod:`~w2z.bridge.fanout`: writes each batch to its clients, and knows their sessions.
- :mod:`~w2z.bridge.client`: what is asked of a connected websocket.
- :mod:`~w2z.bridge.encoding`: encodes a batch once for each format.
- :mod:`~w2z.bridge.departed`: clients that left before the kernel took all their requests.
- :mod:`~w2z.bridge.thrift`: what is kept for sessions without a client costs little memory.
- :mod:`~w2z.bridge.lag`: how late the event loop is.
- :mod:`~w2z.bridge.introduction`: answers what the kernel is while it is busy.
- :mod:`~w2z.bridge.admission`: which requests no kernel gets, and which can make it ask for input;
  no I/O.
- :mod:`~w2z.bridge.waits`: requests that are refused for a moment.
- :mod:`~w2z.bridge.own_messages`: the messages that w2z itself writes to clients.
"""
