"""The program ``w2z serve``: built, run and ended.

- :mod:`~w2z.serve.serve`: from settings to a running server, and its end.
- :mod:`~w2z.serve.build`: the kernel to serve and its keeper, made from the settings.
- :mod:`~w2z.serve.idleness`: when w2z ends by itself.
- :mod:`~w2z.serve.budget`: every second of the end.
- :mod:`~w2z.serve.stop`: why w2z ends, and with which exit code.
- :mod:`~w2z.serve.proxy_route`: w2z's own route at a configurable-http-proxy.
"""
