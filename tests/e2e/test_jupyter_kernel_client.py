"""The jupyter_kernel_client package, as it is published."""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.support.processes import TOKEN, W2z, running


async def test_it_uses_a_running_kernel(served: W2z) -> None:
    script = "tests.e2e.use_jupyter_kernel_client"
    command = [sys.executable, "-W", "error", "-m", script, served.url, TOKEN]
    async with running(*command) as process:
        found = await process.line(r"^\{.*")
    seen: dict[str, Any] = json.loads(found[0])

    assert seen["language"] == "python"
    assert seen["last_activity"].endswith("+00:00")
    stream, result = seen["result"]["outputs"]
    assert (stream["name"], stream["text"]) == ("stdout", "hello ☃\n")
    assert result["data"]["text/plain"] == "42"
    assert seen["result"]["status"] == "ok"
    [shown] = seen["rich"]["outputs"]
    assert shown["data"]["text/html"] == "<b>ü</b>"
    [error] = seen["error"]["outputs"]
    assert (error["output_type"], error["ename"]) == ("error", "ZeroDivisionError")
    assert seen["error"]["status"] == "error"
    assert "who? " in process.output
    [greeting] = seen["input"]["outputs"]
    assert greeting["text"] == "hello anna\n"
    [answer] = seen["variable"]["outputs"]
    assert answer["data"]["text/plain"] == "42"
    assert "x" in seen["variables"]
    assert seen["alive"] is True
