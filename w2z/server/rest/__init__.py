"""The HTTP API: what Jupyter's clients ask a server that has exactly one kernel, and metrics.

- :mod:`~w2z.server.rest.api`: the table of requests, and their answers.
- :mod:`~w2z.server.rest.models`: the shapes of bodies.
- :mod:`~w2z.server.rest.documents`: the documents that frontends connect to the kernel.
- :mod:`~w2z.server.rest.kernelspecs`: the one kernelspec.
- :mod:`~w2z.server.rest.metrics`: the metrics page.
"""
