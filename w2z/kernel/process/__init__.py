"""The process of a kernel that w2z starts.

- :mod:`~w2z.kernel.process.command`: the kernel's command, given or from a kernelspec.
- :mod:`~w2z.kernel.process.specs`: the installed kernelspecs.
- :mod:`~w2z.kernel.process.resources`: their logos, and what else lies beside a kernel.json.
- :mod:`~w2z.kernel.process.endpoints`: the kernel's connection file, and its ports or sockets.
- :mod:`~w2z.kernel.process.owner`: the user that the kernel runs as.
- :mod:`~w2z.kernel.process.children`: starting, signalling and reaping processes.
- :mod:`~w2z.kernel.process.output`: what the kernel's process prints.
"""
