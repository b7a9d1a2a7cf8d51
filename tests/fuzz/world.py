"""All of w2z behind a listener, beside a kernel that answers whatever it is asked.

Nothing in it does I/O, and time is that of the :class:`~tests.fuzz.clock.HurriedLoop`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from tests.fuzz.examples import KEY, multipart
from w2z.bridge.bridge import Bridge
from w2z.errors import KernelNotInterrupted, KernelSilent
from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.conversation import Conversation
from w2z.kernel.keeping.keeper import Keeper
from w2z.kernel.kernel import Kernel
from w2z.kernel.link import Link
from w2z.kernel.process.specs import InstalledSpec, InstalledSpecs
from w2z.kernel.sockets.backlog import Backlog
from w2z.kernel.sockets.channels import Channels
from w2z.message import Buffer, Channel, Message
from w2z.server.access.policy import AccessPolicy
from w2z.server.app import App
from w2z.server.connections import Connection, Connections
from w2z.server.door import Door
from w2z.server.http_connection import HttpConnection
from w2z.settings import Settings

TOKEN = "t0ken-of-w2z-s3cret-0123456789"
KERNEL = "the-kernel"

FULL = 7
"""Every so many requests find the kernel's socket full."""

_PORTS = {f"{channel}_port": 5001 for channel in Channel}
_HEADER = {"msg_id": "of-the-kernel", "session": "the-kernel's"}


class World:
    """The parts of one w2z. Make it while the loop runs."""

    def __init__(self, settings: dict[str, Any]) -> None:
        # Never read: the kernel is made of what a connection file says.
        self.settings = Settings(connection_file=Path("kernel.json"), **settings)
        info = ConnectionInfo.model_validate({**_PORTS, "key": KEY.decode()})
        self.bridge = _Bridge(self.settings, info, KERNEL)
        kernel = self.bridge.kernel
        kernel.connect()
        kernel.on_reached()
        head, content = _json({**_HEADER, "msg_type": "kernel_info_reply"}), b'{"banner":"?"}'
        kernel.on_replies([Message(Channel.SHELL, head, b"{}", b"{}", content)])
        kernel.observe([Message(Channel.IOPUB, _json(_HEADER), b"{}", b"{}", b"{}")])
        assert kernel.is_ready
        token = None if self.settings.no_auth else lambda: TOKEN
        policy = AccessPolicy.of(self.settings, token)
        keeper = _Keeper(kernel, None)
        specs = _Specs()
        self.app = App(self.settings, self.bridge, keeper, policy, lambda: None, specs=specs)
        self.door = Door(self.settings, self.bridge.reports)
        self.tasks = _Tasks()
        tasks = cast("asyncio.TaskGroup", self.tasks)
        self.connections = Connections(tasks, self.bridge.reports, self.door.leave)

    def connection(self) -> Connection:
        """Return a protocol for a new connection."""
        return Connection(self.connections, partial(HttpConnection, self.app, self.door))

    @property
    def takes_requests(self) -> bool:
        """Whether nobody asked the kernel to end."""
        return self.bridge.kernel.life.takes_requests

    def nothing_is_left(self) -> None:
        """What has to hold when all connections are closed."""
        assert len(self.connections) == 0
        assert not self.tasks.running, self.tasks.running
        assert not self.door._visitors
        assert not self.door.places.strangers()
        assert not self.door.places._known
        assert (self.door.allowance.held, self.door.allowance.held_by_strangers) == (0, 0)
        assert self.bridge.holdings.begun == 0
        assert self.bridge.clients.connections == 0
        assert self.bridge.clients.sessions <= self.settings.max_connections


class _Tasks:
    """Stands for the TaskGroup of the listener, for as long as the loop."""

    def __init__(self) -> None:
        self.running: set[asyncio.Task[None]] = set()

    def create_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self.running.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self.running.discard(task)
        task.result()


class _Bridge(Bridge):
    """The bridge, whose link is not over sockets."""

    def _open_link(self, info: ConnectionInfo, generation: int) -> Link:
        link = cast("Link", _FakeLink(info, self))
        self.clients.use(link.channels)
        return link


class _FakeLink:
    def __init__(self, info: ConnectionInfo, bridge: Bridge) -> None:
        self.info = info
        self.signer = info.signer()
        self.backlog = Backlog(None, lambda parts: True, bridge.missing, bridge.reports.spill)
        self.channels = cast("Channels", _FakeChannels(bridge))
        self.conversation = Conversation(self.channels, self.signer, KERNEL)

    def close(self, linger_ms: int = 0) -> None:
        self.conversation.close()


class _FakeChannels:
    """The kernel. It answers each request in the next turn, with a reply that has the request's own
    content and buffers, between busy and idle.
    """

    under_way = 0
    hands_over = False
    is_settled = False

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._sessions: set[str] = set()
        self._asked = 0

    def open_session(self, session_id: str, *, is_watched: bool = False) -> None:
        self._sessions.add(session_id)

    def close_session(self, session_id: str) -> None:
        self._sessions.discard(session_id)

    def can_be_asked(self, session_id: str) -> bool:
        assert session_id in self._sessions, "there is no socket for this session"
        return True

    def send(self, session_id: str, channel: Channel, parts: Sequence[Buffer]) -> bool:
        assert session_id in self._sessions, "there is no socket for this session"
        self._asked += 1
        if self._asked % FULL == 0:
            self._later(self._bridge.writable, session_id)
            return False
        header, _, metadata, content, *buffers = map(bytes, parts[2:])
        head = _json({**_HEADER, "msg_type": "a_reply"})
        reply = multipart(head, header, metadata, content, buffers=tuple(buffers))
        self._later(self._tell, header, "busy")
        self._later(self._bridge.from_kernel, session_id, channel, [list(reply)])
        self._later(self._tell, header, "idle")
        return True

    def send_heartbeat(self, session_id: str, payload: bytes) -> None:
        self._later(self._bridge.echo, session_id, payload)

    def beat(self, session_id: str, payload: bytes) -> None:
        """There is no echo."""

    def _tell(self, parent: bytes, state: str) -> None:
        head = _json({**_HEADER, "msg_type": "status"})
        status = multipart(head, parent, b"{}", _json({"execution_state": state}))
        self._bridge.from_kernel(None, Channel.IOPUB, [list(status)])

    def _later(self, action: Callable[..., object], *given: object) -> None:
        asyncio.get_running_loop().call_soon(action, *given)


class _Keeper(Keeper):
    """Does what is asked after a moment, and fails every second time."""

    def __init__(self, kernel: Kernel, interrupt_mode: str | None) -> None:
        super().__init__(kernel, interrupt_mode)
        self._asked = 0

    async def _do(self, error: Exception) -> None:
        await asyncio.sleep(0.1)
        self._asked += 1
        if self._asked % 2 == 0:
            raise error

    async def run(self) -> int:
        return 0

    async def restart(self) -> None:
        await self._do(KernelSilent("the kernel did not answer"))

    async def end(self) -> None:
        await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """Nothing runs."""

    def hurry(self) -> None:
        """Nothing is waited for."""

    def forward(self, number: int) -> None:
        """There is no process."""

    async def spec_mode(self) -> str | None:
        return None

    async def send_interrupt_signal(self) -> None:
        """Never called."""

    async def interrupt(self) -> None:
        await self._do(KernelNotInterrupted("there is no way"))


class _Specs(InstalledSpecs):
    """None is installed. The real lookup is done in a thread."""

    async def known(self, name: str) -> InstalledSpec | None:
        await asyncio.sleep(0)
        return None


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
