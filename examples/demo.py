"""The whole of w2z in one go: a real ipykernel, w2z in front of it, code through the websocket."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

CODE = """\
import os, sys
print(f"Hello from process {os.getpid()}, Python {sys.version.split()[0]}")
6 * 7
"""


def main() -> int:
    environment = {**os.environ, "W2Z_TOKEN": secrets.token_urlsafe(32)}
    with tempfile.TemporaryDirectory() as folder:
        connection_file = str(Path(folder) / "kernel.json")
        kernel = subprocess.Popen(
            [sys.executable, "-m", "ipykernel_launcher", "-f", connection_file, "--log-level=40"],
            stdout=subprocess.DEVNULL,
        )
        # w2z waits for the connection file, so the two may start in any order.
        w2z = subprocess.Popen(
            [
                *(sys.executable, "-m", "w2z", "--connection-file", connection_file),
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
            url = greeting.split()[-1].replace("http", "ws", 1) + "channels"
            print(f"running code through {url}:")
            client = [sys.executable, str(Path(__file__).with_name("run_code.py")), url, CODE]
            ran = subprocess.run(client, env=environment, timeout=60, check=False)
        finally:
            for process in (w2z, kernel):
                process.terminate()
                process.wait()
    return ran.returncode


if __name__ == "__main__":
    raise SystemExit(main())
