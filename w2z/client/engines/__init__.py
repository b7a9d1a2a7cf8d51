"""Container engines: what starts a container with a kernel and w2z in it.

- :mod:`~w2z.client.engines.base`: what an engine does, and what it is told.
- :mod:`~w2z.client.engines.docker`: Docker and podman, by the Docker Engine API.
- :mod:`~w2z.client.engines.starting`: from an image to a kernel that is ready.
- :mod:`~w2z.client.engines.given`: a container as people describe it; no I/O.
- :mod:`~w2z.client.engines.inside`: what is put into a container before it starts; no I/O.
"""
