"""The whole of w2z in one go: it starts a real ipykernel, and code runs through the websocket."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

CODE = """\
import os, sys
print(f"Hello from process {os.getpid()}, Python {sys.version.split()[0]}")
6 * 7
"""


def main() -> int:
    environment = {**os.environ, "W2Z_TOKEN": secrets.token_urlsafe(32)}
    w2z = subprocess.Popen(
        [
            *(sys.executable, "-m", "w2z", "--kernel", "python3"),
            *("--host", "127.0.0.1", "--port", "0"),
        ],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert w2z.stdout is not None
        greeting = w2z.stdout.readline().strip()
        print(greeting)
        url = greeting.split()[-1]
        print("running code through its websocket:", flush=True)
        client = [sys.executable, str(Path(__file__).with_name("run_code.py")), url, CODE]
        ran = subprocess.run(client, env=environment, timeout=60, check=False)
        if not ran.returncode:
            print("It works. Next: w2z --kernel python3, and open the URL that it prints.")
    finally:
        w2z.terminate()
        w2z.wait()
    return ran.returncode


if __name__ == "__main__":
    raise SystemExit(main())
