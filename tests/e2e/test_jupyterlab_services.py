"""JupyterLab's own client, as it is published, in Node.js."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import V1
from tests.support.processes import TOKEN, W2z, running

NODE = Path(__file__).parents[1] / "node"


async def run(served: W2z, wire: str, folder: Path) -> dict[str, dict[str, Any]]:
    """What the script saw, by name."""
    command = ["node", str(NODE / "services.cjs"), served.url, TOKEN, wire, str(folder)]
    async with running(*command) as process:
        code = await process.end()
        await process.line("end of output")
        assert code == 0, process.output
        seen = [json.loads(line) for line in process.lines if line.startswith("{")]
        return {line.pop("saw"): line for line in seen}


def text(seen: dict[str, Any]) -> str:
    return "".join(output["text"] for output in seen["outputs"] if output["type"] == "stream")


@pytest.mark.parametrize("wire", ["v1", "default"])
async def test_it_uses_a_running_kernel(served: W2z, tmp_path: Path, wire: str) -> None:
    seen = await run(served, wire, tmp_path)

    assert seen["info"] == {"language": "python", "protocol": V1 if wire == "v1" else ""}

    assert text(seen["stream"]) == "hello ☃\n"
    [result] = [one for one in seen["stream"]["outputs"] if one["type"] == "execute_result"]
    assert result["data"]["text/plain"] == "42"
    shown, error = seen["rich"]["outputs"]
    assert shown["data"]["text/html"] == "<b>ü</b>"
    assert (error["type"], error["ename"]) == ("error", "ZeroDivisionError")

    assert seen["prompt"] == {"prompt": "who? "}
    assert text(seen["input"]) == "hello anna\n"
    assert seen["comm"] == {"data": {"n": 1}, "buffers": [[255, 254, 1, 0]], "subshell": True}
    assert seen["interrupt"]["status"] == "error"
    assert seen["interrupt"]["outputs"][-1]["ename"] == "KeyboardInterrupt"

    # It came back as the same session: the reply, which only the asker gets, was its own.
    assert seen["reconnect"]["status"] == "ok"
    assert text(seen["reconnect"]) == "before\nafter\n"
    assert (seen["reconnect"]["sockets"], seen["reconnect"]["same"]) == (1, True)
