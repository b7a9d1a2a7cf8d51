"""The command line as ``python -m w2z``."""

from w2z.cli import main

main()
