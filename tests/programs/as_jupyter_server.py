"""Stands for the program ``jupyter-server``, which tests of others start: serves a kernel with w2z,
at the port and with the token that the program's own options say.
"""

from __future__ import annotations

import os
import sys
from itertools import pairwise


def main() -> None:
    given = dict(pairwise(sys.argv))
    os.environ["W2Z_TOKEN"] = given["--IdentityProvider.token"]
    command = ["-m", "w2z", "--kernel", "python3", "--port", given["--port"]]
    os.execv(sys.executable, [sys.executable, *command])


if __name__ == "__main__":
    main()
