"""Code that talks to another w2z, which runs elsewhere or in the same container.

- :mod:`~w2z.client.wait`: wait until that w2z serves a ready kernel.
"""
