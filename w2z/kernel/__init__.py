"""The kernel's side: its ZMQ sockets, its heartbeat, and whether it is ready.

- :mod:`~w2z.kernel.sockets`: one raw socket, drained in batches when its FD says so.
- :mod:`~w2z.kernel.channels`: which sockets there are, and who each belongs to.
- :mod:`~w2z.kernel.heartbeat`: the ``hb`` channel, shared by all clients.
- :mod:`~w2z.kernel.lifecycle`: from starting to ready, as a decision.
"""
