"""The ZMQ sockets between w2z and one kernel.

- :mod:`~w2z.kernel.sockets.channels`: which sockets there are, and who each belongs to.
- :mod:`~w2z.kernel.sockets.heartbeat`: the ``hb`` channel, shared by all clients.
- :mod:`~w2z.kernel.sockets.drained`: one socket, received from in batches.
- :mod:`~w2z.kernel.sockets.backlog`: what was received and waits to be carried; no I/O.
"""
