"""What w2z tells its operator: lines of text or JSON, written without holding up anything else.

- :mod:`~w2z.logs.lines`: how a line looks, and how w2z's lines are told from the kernel's.
- :mod:`~w2z.logs.writer`: a bounded queue of lines, and the thread that writes them.
- :mod:`~w2z.logs.audit`: who sent which request to the kernel.
- :mod:`~w2z.logs.output`: w2z's stdout and stderr while it serves.
"""
