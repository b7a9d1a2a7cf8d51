"""The HTTP API: the part of Jupyter's REST API for exactly one kernel, health and metrics.

- :mod:`~w2z.server.rest.api`: the routes and their handlers.
- :mod:`~w2z.server.rest.models`: the shapes of bodies.
- :mod:`~w2z.server.rest.documents`: REST sessions: documents that frontends connect to the kernel.
- :mod:`~w2z.server.rest.kernelspecs`: the one kernelspec.
- :mod:`~w2z.server.rest.metrics`: the metrics page.
"""
