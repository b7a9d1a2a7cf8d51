"""w2z side by side with its peers: raw pyzmq (no bridge at all) and jupyter_server.

``python -m benchmarks`` measures and prints one table; everything stays on 127.0.0.1.

- :mod:`benchmarks.kernel`: a scripted kernel, faster than any bridge needs.
- :mod:`benchmarks.peers`: the bridges, each before a kernel of its own.
- :mod:`benchmarks.client`: a client that costs next to nothing while the clock runs.
- :mod:`benchmarks.measure`: the rows, in interleaved rounds.
- :mod:`benchmarks.report`: the table, the targets and how not to misread either.
"""
