"""Who gets which message, when, and what is kept for them: decisions only, no I/O, no clock.

- :mod:`~w2z.delivery.hub`: sessions and their clients.
- :mod:`~w2z.delivery.session`: one session and its place in the journal.
- :mod:`~w2z.delivery.journal`: the log that every session reads at its own pace.
- :mod:`~w2z.delivery.memory`: what goes when memory is up, all sessions together.
- :mod:`~w2z.delivery.overflow`: what is dropped, and said to be dropped, when memory is up.
- :mod:`~w2z.delivery.requests`: what goes to the kernel, and what is remembered of it.
- :mod:`~w2z.delivery.pending`: what the kernel has not answered.
- :mod:`~w2z.delivery.repeats`: what was forwarded to the kernel and is not forwarded again.
- :mod:`~w2z.delivery.questions`: the input that a kernel waits for.
"""
