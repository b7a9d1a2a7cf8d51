"""Who may connect.

- :mod:`~w2z.server.access.policy`: tokens and origins, decided without I/O.
- :mod:`~w2z.server.access.token`: where the token comes from.
"""
