"""w2z as a program: the command ``w2z``, and ``python -m w2z``."""

import os
import sys

from w2z import starting


def main() -> None:
    """Hold signals, then run the command line, whose import takes most of the start."""
    starting.prepare()
    from w2z.cli import main as run  # noqa: PLC0415 (signals have to be held before)

    run()


if __name__ == "__main__":
    # `python -m` puts the working directory in front. What is imported while w2z serves must not
    # come from there: it may be the kernel's, too.
    if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:  # noqa: PTH109
        del sys.path[0]
    main()
