"""Who gets which message, when, and what is kept for them: decisions only, no I/O, no clock.

- :mod:`~w2z.hub.hub`: sessions and their clients; the one entrance for messages both ways.
- :mod:`~w2z.hub.session`: one session and its place in the journal.
- :mod:`~w2z.hub.journal`: the log that every session reads at its own pace.
- :mod:`~w2z.hub.upstream`: what was forwarded to the kernel and is not forwarded again.
- :mod:`~w2z.hub.overflow`: what is dropped, and said to be dropped, when memory is up.
- :mod:`~w2z.hub.state`: what the kernel is doing, as its own messages tell it.
"""
