"""Fuzzers: very many inputs that are nearly right, made of examples that are.

``python -m tests.fuzz [--inputs N | --seconds S] [--seed X] [NAME ...]``. Each fuzzer's module
begins with its invariant. :mod:`~tests.fuzz.mutate` makes inputs, :mod:`~tests.fuzz.run` feeds
them to a fuzzer, and makes what breaks an invariant small.
"""
