"""The kernel's side: its ZMQ sockets, what w2z asks it, and its life from start to end.

- :mod:`~w2z.kernel.sockets`: one raw socket, drained in batches when its FD says so.
- :mod:`~w2z.kernel.channels`: which sockets there are, and who each belongs to.
- :mod:`~w2z.kernel.heartbeat`: the ``hb`` channel, shared by all clients.
- :mod:`~w2z.kernel.conversation`: w2z's own questions to the kernel.
- :mod:`~w2z.kernel.keeper`: who looks after the kernel; :mod:`~w2z.kernel.attached` to one that
  others start, :mod:`~w2z.kernel.launched` to one that w2z does.
- :mod:`~w2z.kernel.command`, :mod:`~w2z.kernel.endpoints`, :mod:`~w2z.kernel.children`,
  :mod:`~w2z.kernel.output`: what is started, where it listens, its process and what it prints.
- :mod:`~w2z.kernel.owner`: which process listens at a kernel's port.
- Decisions without I/O: :mod:`~w2z.kernel.lifecycle` (from starting to ready),
  :mod:`~w2z.kernel.policy` (restarts, death, idleness), :mod:`~w2z.kernel.interrupt` (which way).
"""
