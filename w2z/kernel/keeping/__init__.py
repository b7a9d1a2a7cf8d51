"""Looking after the kernel: whether it lives, how it is interrupted, restarted and ended.

- :mod:`~w2z.kernel.keeping.launched`: the keeper of a kernel that w2z starts.
- :mod:`~w2z.kernel.keeping.attached`: the keeper of a kernel that somebody else starts.
- :mod:`~w2z.kernel.keeping.keeper`: what the two have in common.
- :mod:`~w2z.kernel.keeping.ending`: how long each step of a kernel's end may take.
- :mod:`~w2z.kernel.keeping.policy`: restarts and death, decided without I/O.
- :mod:`~w2z.kernel.keeping.interrupt`: which way to interrupt, decided without I/O.
- :mod:`~w2z.kernel.keeping.listening`: whether and which process listens where a kernel should.
"""
