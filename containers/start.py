"""What /opt/w2z/bin/w2z runs."""

import os
from pathlib import Path

from w2z.__main__ import main

# Where no locale is set Python sets LC_CTYPE for itself. The kernel gets what the image says.
if b"LC_CTYPE=" not in Path("/proc/self/environ").read_bytes():
    os.environ.pop("LC_CTYPE", None)

main()
