"""The kernel's side: its sockets, w2z's own requests to it, and its life from start to end.

- :mod:`~w2z.kernel.keeping`: the keepers, which look after the kernel.
- :mod:`~w2z.kernel.kernel`: the kernel that clients use, also when another takes its place.
- :mod:`~w2z.kernel.listener`: the callbacks by which clients learn what happens to it.
- :mod:`~w2z.kernel.link`: the objects that belong to one kernel and are replaced together.
- :mod:`~w2z.kernel.conversation`: w2z's own requests to the kernel, and their replies.
- :mod:`~w2z.kernel.sockets`: the ZMQ sockets.
- :mod:`~w2z.kernel.process`: the process of a kernel that w2z starts.
- :mod:`~w2z.kernel.life`: the state machine: may requests go to the kernel now? No I/O.
- :mod:`~w2z.kernel.transitions`: the states of that machine and its transitions; no I/O.
- :mod:`~w2z.kernel.actions`: the actions that the machine returns; no I/O.
- :mod:`~w2z.kernel.readiness`: when the kernel counts as ready; no I/O.
- :mod:`~w2z.kernel.presence`: whether a kernel is there, by heartbeats and probes; no I/O.
- :mod:`~w2z.kernel.succession`: which kernel answers: the same one or another; no I/O.
- :mod:`~w2z.kernel.state`: the execution state, from the kernel's messages; no I/O.
- :mod:`~w2z.kernel.connection_file`: the connection file: the kernel's endpoints and key.
"""
