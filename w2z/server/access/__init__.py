"""Who may connect.

- :mod:`~w2z.server.access.policy`: tokens and origins, decided without I/O.
- :mod:`~w2z.server.access.token`: the source of the token.
"""
