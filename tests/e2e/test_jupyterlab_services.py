"""JupyterLab's own client, as it is published, in Node.js: the newest, and that of JupyterLab 3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import V1
from tests.support.processes import TOKEN, W2z, running

NODE = Path(__file__).parents[1] / "node"


NEW, OLD = "@jupyterlab/services", "services6"


async def run(served: W2z, package: str, wire: str, folder: Path) -> dict[str, dict[str, Any]]:
    """What the script saw, by name."""
    script = [str(NODE / "services.cjs"), package]
    command = ["node", *script, served.url, TOKEN, wire, str(folder)]
    async with running(*command) as process:
        code = await process.end()
        await process.line("end of output")
        assert code == 0, process.output
        seen = [json.loads(line) for line in process.lines if line.startswith("{")]
        return {line.pop("saw"): line for line in seen}


def text(seen: dict[str, Any]) -> str:
    return "".join(output["text"] for output in seen["outputs"] if output["type"] == "stream")


@pytest.mark.parametrize(("package", "wire"), [(NEW, "v1"), (NEW, "default"), (OLD, "default")])
async def test_it_uses_all_of_it(supervised: W2z, tmp_path: Path, package: str, wire: str) -> None:
    seen = await run(supervised, package, wire, tmp_path)

    specs = seen["specs"]
    assert (specs["names"], specs["language"]) == ([specs["name"]], "python")
    assert specs["display_name"].startswith("Python")
    assert seen["start"] == {"same": True, "name": True}
    assert seen["info"] == {"language": "python", "protocol": V1 if wire == "v1" else ""}

    assert text(seen["stream"]) == "hello ☃\n"
    [result] = [one for one in seen["stream"]["outputs"] if one["type"] == "execute_result"]
    assert result["data"]["text/plain"] == "42"
    shown, error = seen["rich"]["outputs"]
    assert shown["data"]["text/html"] == "<b>ü</b>"
    assert (error["type"], error["ename"]) == ("error", "ZeroDivisionError")

    assert seen["prompt"] == {"prompt": "who? "}
    assert text(seen["input"]) == "hello anna\n"
    comm = {"data": {"n": 1}, "buffers": [[255, 254, 1, 0]], "subshell": package == NEW}
    assert seen["comm"] == comm
    for interrupted in (seen["interrupt by message"], seen["interrupt"]):
        assert interrupted["status"] == "error"
        assert interrupted["outputs"][-1]["ename"] == "KeyboardInterrupt"

    # It came back as the same session: the reply, which only the asker gets, was its own.
    assert seen["reconnect"]["status"] == "ok"
    assert text(seen["reconnect"]) == "before\nafter\n"
    assert (seen["reconnect"]["sockets"], seen["reconnect"]["same"]) == (1, True)

    restarted = seen["restart"]
    assert text(restarted) == "again\n"
    assert restarted["outputs"][-1]["ename"] == "NameError"
    assert restarted["sockets"] == 1

    sessions = seen["sessions"]
    id_ = restarted["id"]
    own = {"path": id_, "name": id_, "type": "console", "kernel": id_}
    made = {"path": "y.ipynb", "name": "y", "type": "console", "kernel": id_}
    assert sessions["before"] == sessions["after"] == [own]
    assert sessions["made"] == [own, made]
    assert sessions["same"]
    assert text(sessions) == "in a session\n"
    assert seen["state"]["state"] == "idle"

    assert seen["shutdown"]["state"] == "dead"
    assert text(seen["shutdown"]) == "still here\n"
