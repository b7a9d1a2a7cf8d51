"""Uses jupyter_kernel_client as its users do, and prints what came of it as one JSON object.

It blocks and has threads of its own, so it gets a process of its own.
"""

from __future__ import annotations

import io
import json
import sys

from jupyter_kernel_client import JupyterKernelClient


def use(server_url: str, token: str) -> None:
    [model] = JupyterKernelClient(server_url=server_url, token=token).list_kernels()
    with JupyterKernelClient(server_url=server_url, token=token, kernel_id=model["id"]) as kernel:
        rich = "from IPython.display import display, HTML; display(HTML('<b>ü</b>'))"
        seen = {
            "last_activity": str(kernel.last_activity),  # parsed strictly
            "language": (kernel.kernel_info or {})["language_info"]["name"],
            "result": kernel.execute("print('hello ☃'); 6 * 7"),
            "rich": kernel.execute(rich),
            "error": kernel.execute("1 / 0"),
            "input": kernel.execute("print('hello', input('who? '))", allow_stdin=True),
            "variable": kernel.execute("x + 1", variables={"x": 41}),
            "variables": [one["name"] for one in kernel.list_variables()],
            "alive": kernel.is_alive(),
        }
        # Told before the client stops: its listening thread may sleep ten seconds through that.
        sys.stdout.write("\n" + json.dumps(seen) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.stdin = io.StringIO("anna\n")  # what the user types at the prompt
    use(*sys.argv[1:])
