"""Storage for messages that do not fit in memory.

- :mod:`~w2z.store.store`: the interface of a store, and the depot that its users see; no I/O.
- :mod:`~w2z.store.files`: the store used in production: unlinked temporary files.
"""
