"""The connecting side: what talks to a w2z that runs elsewhere, or in the same container.

- :mod:`~w2z.client.wait`: wait until a kernel is served and ready.
"""
