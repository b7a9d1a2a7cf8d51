"""Programs for work on w2z; the docstring of each says how to run it."""
