"""Storage for messages that memory has no room for.

- :mod:`~w2z.store.store`: what a store is, and how others use one; no I/O.
- :mod:`~w2z.store.files`: the store of production, unlinked temporary files.
"""
