"""The kernel's side: its sockets, what w2z asks it, and its life from start to end.

- :mod:`~w2z.kernel.keeping`: who looks after the kernel.
- :mod:`~w2z.kernel.kernel`: the kernel that clients use, through all that take its place.
- :mod:`~w2z.kernel.link`: the kernel there is now, replaced as one.
- :mod:`~w2z.kernel.conversation`: what w2z itself asks the kernel.
- :mod:`~w2z.kernel.sockets`: the ZMQ sockets.
- :mod:`~w2z.kernel.process`: a kernel that w2z starts, as a process.
- :mod:`~w2z.kernel.life`: whether the kernel may be used now, as one state machine; no I/O.
- :mod:`~w2z.kernel.transitions`: the states of its life, and how one becomes another; no I/O.
- :mod:`~w2z.kernel.actions`: what there is to do about what happens to it; no I/O.
- :mod:`~w2z.kernel.readiness`: from connected to ready; no I/O.
- :mod:`~w2z.kernel.presence`: whether anybody is there, by heartbeats and ports; no I/O.
- :mod:`~w2z.kernel.succession`: which kernel it is that answers; no I/O.
- :mod:`~w2z.kernel.state`: what the kernel is doing, as its messages tell it; no I/O.
- :mod:`~w2z.kernel.connection_file`: where the kernel is, and its key.
"""
