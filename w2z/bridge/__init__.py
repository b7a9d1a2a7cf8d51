"""The only joint between the kernel's side and the clients' side.

- :mod:`~w2z.bridge.bridge`: carries messages both ways.
- :mod:`~w2z.bridge.fanout`: encodes what clients get, once for each format, and writes it.
- :mod:`~w2z.bridge.departed`: clients that left before the kernel took all they said.
- :mod:`~w2z.bridge.own_messages`: what w2z itself says to clients.
"""
