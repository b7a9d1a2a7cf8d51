"""The jupyter_kernel_client package, as it is published."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.support.processes import TOKEN, W2z, running


async def test_it_uses_all_of_it(supervised: W2z, tmp_path: Path) -> None:
    script = "tests.e2e.use_jupyter_kernel_client"
    command = [sys.executable, "-W", "error", "-m", script, supervised.url, TOKEN, str(tmp_path)]
    async with running(*command) as process:
        found = await process.line(r"^\{.*")
    seen: dict[str, Any] = json.loads(found[0])

    assert seen["same"]
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
    [stopped] = seen["interrupt"]["outputs"]
    assert stopped["ename"] == "KeyboardInterrupt"
    stream, error = seen["restart"]["outputs"]
    assert (stream["text"], error["ename"]) == ("again\n", "NameError")
    # It asked w2z to delete the kernel it had started, and w2z kept it.
    [stream] = seen["stop"]["outputs"]
    assert stream["text"] == "still here 1\n"
