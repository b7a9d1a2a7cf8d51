"""Who may connect.

- :mod:`~w2z.server.access.policy`: checks tokens and origins; does no I/O of its own.
- :mod:`~w2z.server.access.token`: the source of the token.
"""
