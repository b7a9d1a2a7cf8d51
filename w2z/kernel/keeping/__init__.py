"""The keepers of a kernel, which watch, interrupt, restart and end it.

- :mod:`~w2z.kernel.keeping.launched`: the keeper of a kernel that w2z starts.
- :mod:`~w2z.kernel.keeping.attached`: the keeper of a kernel that somebody else starts.
- :mod:`~w2z.kernel.keeping.keeper`: the base class of both keepers.
- :mod:`~w2z.kernel.keeping.ending`: the seconds that each step of a kernel's end may take.
- :mod:`~w2z.kernel.keeping.policy`: when to restart a crashed kernel, decided without I/O.
- :mod:`~w2z.kernel.keeping.interrupt`: how to interrupt a kernel, decided without I/O.
- :mod:`~w2z.kernel.keeping.listening`: whether a process listens for the kernel, and which.
"""
