"""Decisions about who gets which message, and what is kept.

These modules read no clock and do no I/O, except through the store that is passed in.

- :mod:`~w2z.delivery.hub`: sessions and their clients.
- :mod:`~w2z.delivery.session`: one session and its positions in the journal.
- :mod:`~w2z.delivery.journal`: the log that every session reads at its own pace.
- :mod:`~w2z.delivery.memory`: the memory limit for all sessions together, and how it is kept.
- :mod:`~w2z.delivery.overflow`: which messages may be dropped, and the notice that says so.
- :mod:`~w2z.delivery.requests`: which requests go to the kernel, and what is remembered of them.
- :mod:`~w2z.delivery.pending`: the requests that the kernel has not answered.
- :mod:`~w2z.delivery.repeats`: the requests that are not forwarded a second time.
- :mod:`~w2z.delivery.questions`: the ``input_request`` that a kernel waits for an answer to.
"""
