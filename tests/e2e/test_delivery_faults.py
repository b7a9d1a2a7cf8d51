"""What a client is owed arrives, whatever happens to it: real kernels, w2z as a process."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path

from websockets.exceptions import ConnectionClosed

from tests.support.cable import Cable, cable
from tests.support.client import Client, Received, execute_request, open_client
from tests.support.processes import TOKEN, W2z, running

NODE = Path(__file__).parents[1] / "node"

NUMBERS = """
for n in range({count}):
    print(f"{{n}}\\n", end="", flush=True)
"""


@dataclass
class Follower:
    """What a client makes of a session that it comes back to: everything once."""

    seen: list[Received] = field(default_factory=list)
    repeats: int = 0
    connections: int = 0
    _known: set[str] = field(default_factory=set)
    _brought: dict[str, set[str]] = field(default_factory=dict)
    _has_news: bool = False

    def begin(self) -> None:
        """There is a new connection."""
        self.connections += 1
        self._has_news = False

    def take(self, message: Received) -> None:
        """A message of this connection; repeats come before anything new."""
        msg_id = message.header["msg_id"]
        if msg_id in self._known:
            assert not self._has_news, f"{message} came again in the middle of a connection"
            self.repeats += 1
            return
        self._has_news = True
        self._known.add(msg_id)
        self.seen.append(message)
        parent = message.parent_header.get("msg_id", "")
        what = message.content.get("execution_state", message.msg_type)
        self._brought.setdefault(parent, set()).add(what)

    def has(self, parent: str, *what: str) -> bool:
        """Whether the request has brought about messages of these types, or these states."""
        return self._brought.get(parent, set()).issuperset(what)

    async def up_to_the_cut(self, client: Client) -> None:
        """What had arrived when the connection was cut."""
        try:
            while True:
                self.take(await client.recv())
        except ConnectionClosed:
            pass

    def children(self, parent: str) -> list[Received]:
        """What a request brought about."""
        return [m for m in self.seen if m.parent_header.get("msg_id") == parent]


def numbers(messages: list[Received]) -> list[int]:
    """What cells like NUMBERS printed."""
    return [
        int(word) for m in messages if m.msg_type == "stream" for word in m.content["text"].split()
    ]


async def follow(url: str, line: Cable, code: str, cuts: list[int]) -> tuple[Follower, str]:
    """Run code over a line that is cut after so many messages again and again."""
    request = execute_request(code)
    parent = request["header"]["msg_id"]
    follower = Follower()
    for cut in cuts:
        async with open_client(url, "v1") as client:
            follower.begin()
            if follower.connections == 1:
                await client.send(request)
                while not follower.has(parent, "execute_input"):
                    follower.take(await client.recv())
            for _ in range(cut):
                follower.take(await client.recv())
            line.cut()
            await follower.up_to_the_cut(client)
    async with open_client(url, "v1") as client:
        follower.begin()
        while not follower.has(parent, "execute_reply", "idle"):
            follower.take(await client.recv())
    return follower, parent


async def test_two_hundred_cuts_lose_nothing(served: W2z) -> None:
    chance = random.Random(1)
    cuts = [chance.randint(3, 100) for _ in range(200)]
    async with cable(served.websocket("a")) as line:
        code = NUMBERS.format(count=20_000)
        follower, parent = await follow(line.url, line, code, cuts)
    mine = follower.children(parent)
    assert numbers(mine) == list(range(20_000))
    assert follower.repeats > 0, "nothing was under way at any of the cuts"


async def test_fifty_cuts_of_jupyterlabs_own_client_lose_nothing(served: W2z) -> None:
    command = ["node", str(NODE / "cuts.cjs"), served.url, TOKEN, "50", "20000", "1"]
    async with running(*command) as process:
        code = await process.end()
        await process.line("end of output")
        assert code == 0, process.output
        [line] = [json.loads(line) for line in process.lines if line.startswith("{")]
    assert line.pop("repeats") > 0, "nothing was under way at any of the cuts"
    assert line == {
        "status": "ok",
        "numbers": 20_000,
        "inOrder": True,
        "cuts": 50,
        "idle": 1,
        "sockets": 51,
    }
