"""Run code in a kernel behind w2z and print what it prints: a whole client in one screen.

    W2Z_TOKEN=… python examples/run_code.py ws://127.0.0.1:8888/channels 'print(6 * 7)'

It speaks the default websocket format, in which a message is one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid

from websockets.asyncio.client import connect


async def run_code(url: str, token: str, code: str) -> bool:
    """Run ``code``; returns whether it ended without an error."""
    msg_id = uuid.uuid4().hex
    request = {
        "channel": "shell",
        "header": {
            "msg_id": msg_id,
            "msg_type": "execute_request",
            "username": "example",
            "session": msg_id,
            "version": "5.4",
        },
        "parent_header": {},
        "metadata": {},
        "content": {"code": code, "silent": False, "allow_stdin": False},
    }
    credentials = {"Authorization": f"Bearer {token}"}
    async with connect(url, additional_headers=credentials, max_size=None) as websocket:
        await websocket.send(json.dumps(request))
        status, idle = "", False
        # Output may come after the reply; idle is the last message of a request.
        while not (status and idle):
            message = json.loads(await websocket.recv())
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            content = message["content"]
            match message["msg_type"]:
                case "stream":
                    print(content["text"], end="")
                case "execute_result" | "display_data":
                    print(content["data"].get("text/plain", ""))
                case "error":
                    print("\n".join(content["traceback"]))
                case "execute_reply":
                    status = content["status"]
                case "status":
                    idle = content["execution_state"] == "idle"
    return status == "ok"


if __name__ == "__main__":
    succeeded = asyncio.run(run_code(sys.argv[1], os.environ["W2Z_TOKEN"], sys.argv[2]))
    raise SystemExit(0 if succeeded else 1)
