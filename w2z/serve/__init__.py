"""The program ``w2z serve``: how it is built, runs and ends.

- :mod:`~w2z.serve.serve`: from settings to a running server, and its end.
- :mod:`~w2z.serve.build`: the kernel to serve and its keeper, made from the settings.
- :mod:`~w2z.serve.check`: what ``w2z serve`` would find, for ``w2z check``.
- :mod:`~w2z.serve.place`: where w2z runs, and whom it listens to there.
- :mod:`~w2z.serve.idleness`: when w2z ends by itself.
- :mod:`~w2z.serve.budget`: how long each step of w2z's end may take.
- :mod:`~w2z.serve.stop`: why w2z ends, and with which exit code.
- :mod:`~w2z.serve.proxy_route`: keeps a route to w2z in a configurable-http-proxy.
"""
