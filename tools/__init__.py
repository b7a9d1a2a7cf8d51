"""Programs for work on w2z; each says on top how to run it."""
