"""A kernel that w2z starts, as a process.

- :mod:`~w2z.kernel.process.command`: what to start: a command line, or a kernelspec's.
- :mod:`~w2z.kernel.process.specs`: the kernelspecs that are installed.
- :mod:`~w2z.kernel.process.endpoints`: where it shall listen: connection file, ports or sockets.
- :mod:`~w2z.kernel.process.children`: starting, signalling and reaping processes.
- :mod:`~w2z.kernel.process.output`: what it prints.
"""
