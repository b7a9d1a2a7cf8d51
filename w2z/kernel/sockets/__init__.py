"""The ZMQ sockets between w2z and one kernel.

- :mod:`~w2z.kernel.sockets.channels`: all sockets to the kernel, and the session of each.
- :mod:`~w2z.kernel.sockets.dealers`: the sockets of one session.
- :mod:`~w2z.kernel.sockets.heartbeat`: a socket to the kernel's heartbeat.
- :mod:`~w2z.kernel.sockets.beats`: which heartbeats go to the kernel now; no I/O.
- :mod:`~w2z.kernel.sockets.listener`: the callbacks for what happens on them.
- :mod:`~w2z.kernel.sockets.options`: how they are set before they connect.
- :mod:`~w2z.kernel.sockets.held`: replies that wait for the output before them; no I/O.
- :mod:`~w2z.kernel.sockets.identity`: the names by which a kernel tells sessions apart; no I/O.
- :mod:`~w2z.kernel.sockets.monitor`: whether a socket is connected.
- :mod:`~w2z.kernel.sockets.drained`: one socket, received from in batches.
- :mod:`~w2z.kernel.sockets.under_way`: the bytes that wait in libzmq for the kernel; no I/O.
- :mod:`~w2z.kernel.sockets.room`: whether memory has room for what waits in libzmq.
- :mod:`~w2z.kernel.sockets.backlog`: messages received and not yet carried to clients; no I/O.
"""
