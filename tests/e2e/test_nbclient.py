"""nbclient, the engine of papermill and nbconvert, as it is published, with w2z for its gateway.

Its websockets have no credentials whatever it is told, so w2z runs without tokens.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.support.client import open_client
from tests.support.processes import running, supervised_ipykernel, w2z


async def test_it_runs_notebooks(tmp_path: Path) -> None:
    async with (
        supervised_ipykernel(tmp_path) as kernel_file,
        w2z(kernel_file, "--no-auth", token=None) as served,
    ):
        environment = {**os.environ, "HOME": str(tmp_path), "JUPYTER_GATEWAY_URL": served.url}
        command = [sys.executable, "-W", "error", "-m", "tests.e2e.use_nbclient"]
        async with running(*command, env=environment) as process:
            found = await process.line(r"^\{.*")
            assert await process.end() == 0
        seen = json.loads(found[0])

        hello, rich, error = seen["whole"]
        assert hello[0]["text"] == "hello ☃\n"
        assert hello[1]["data"]["text/plain"] == "42"
        assert rich[0]["data"]["text/html"] == "<b>ü</b>"
        assert error[0]["ename"] == "ZeroDivisionError"
        endless, _, (again, gone) = seen["steered"]
        assert endless[-1]["ename"] == "KeyboardInterrupt"
        assert (again["text"], gone["ename"]) == ("again\n", "NameError")

        # It deleted the kernel at each end, and w2z kept it.
        url = served.websocket().partition("?")[0]
        async with open_client(url, "v1") as client:
            await client.execute("print('still here')")
