"""Run code in a kernel behind w2z and print what it prints: a whole client in one screen.

    python examples/run_code.py 'http://127.0.0.1:8888/?token=...' 'print(6 * 7)'
    W2Z_TOKEN=... python examples/run_code.py http://127.0.0.1:8888/ 'print(6 * 7)'

The URL is the one that w2z prints. The exit code is 0 if the code ran, 1 if it failed, 2 if it
could not be run. It speaks the default websocket format, in which a message is one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException


async def run_code(url: str, code: str) -> bool:
    """Run ``code``; returns whether it ended without an error."""
    parts = urlsplit(url)
    scheme = {"https": "wss", "wss": "wss"}.get(parts.scheme, "ws")
    path = parts.path.removesuffix("channels").rstrip("/")
    token = parse_qs(parts.query).get("token", [os.environ.get("W2Z_TOKEN", "")])[0]
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
    channels = f"{scheme}://{parts.netloc}{path}/channels"
    credentials = {"Authorization": f"Bearer {token}"}
    async with connect(channels, additional_headers=credentials, max_size=None) as websocket:
        await websocket.send(json.dumps(request))
        status, idle = "", False
        # Output may come after the reply; idle is the last message of a request. If the kernel
        # dies, w2z answers in its place: an error, a reply with status "error", and idle.
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
                    print(
                        "\n".join(content["traceback"])
                        or f"{content['ename']}: {content['evalue']}"
                    )
                case "execute_reply":
                    status = content["status"]
                case "status":
                    idle = content["execution_state"] == "idle"
    return status == "ok"


def main() -> int:
    """Run the command line; what is wrong is said in one line."""
    if len(sys.argv) != 3:
        print("usage: run_code.py URL CODE, with the URL that w2z prints", file=sys.stderr)
        return 2
    try:
        return 0 if asyncio.run(run_code(*sys.argv[1:])) else 1
    except InvalidStatus as error:
        # What w2z says is JSON; what something else says is not shown.
        said = error.response.body.decode(errors="replace")
        told = json.loads(said)["message"] if said.startswith('{"message"') else "it is not w2z"
        problem = f"{error.response.status_code}: {told}"
    except ConnectionClosed as error:
        problem = f"the connection ended: {error}"
    except (OSError, ValueError, WebSocketException) as error:
        problem = str(error)
    print(f"run_code.py: {problem}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
