"""Who may connect.

- :mod:`~w2z.server.access.policy`: checks tokens and origins; does no I/O of its own.
- :mod:`~w2z.server.access.hosts`: which hosts a request may be for.
- :mod:`~w2z.server.access.peers`: the address that a request comes from.
- :mod:`~w2z.server.access.failures`: how long peers wait for being told that a token is wrong.
- :mod:`~w2z.server.access.token`: the source of the token.
"""
