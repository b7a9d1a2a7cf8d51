"""Code that talks to another w2z, which runs elsewhere or in the same container.

- :mod:`~w2z.client.wait`: wait until that w2z serves a ready kernel.
- :mod:`~w2z.client.local`: the five local sockets that stand for a remote kernel.
- :mod:`~w2z.client.waiting`: what waits for local clients that do not read; no I/O.
- :mod:`~w2z.client.routes`: which local client a reply belongs to; no I/O.
- :mod:`~w2z.client.policy`: what requests, signals and states do to attach; no I/O.
- :mod:`~w2z.client.own`: the messages that attach writes itself.
"""
