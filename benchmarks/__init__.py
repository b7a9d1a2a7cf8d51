"""w2z side by side with its peers: as a bridge, and as a frontend's way to a remote kernel.

``python -m benchmarks`` measures and prints a table of each; everything stays on 127.0.0.1.

- :mod:`benchmarks.kernel`: a scripted kernel, faster than any bridge needs.
- :mod:`benchmarks.peers`: the bridges, each before a kernel of its own.
- :mod:`benchmarks.client`: a client that costs next to nothing while the clock runs.
- :mod:`benchmarks.measure`: the rows, in interleaved rounds.
- :mod:`benchmarks.report`: the table, the targets and how not to misread either.
- :mod:`benchmarks.flood`: clients that read late, and a kernel as fast as it can.

Frontends:

- :mod:`benchmarks.frontends`: the ways to a kernel.
- :mod:`benchmarks.place`: where a way leads, and what it opens.
- :mod:`benchmarks.frontend`: a process that measures one way.
- :mod:`benchmarks.remote`: the rows, in interleaved rounds.
- :mod:`benchmarks.remote_report`: their table, and their targets.
"""
