"""A kernel of which everything is fake: its sockets, its clock, and a launched kernel's process.

Only the test makes things happen. Everything that happens is noted in one :class:`Course`, in
order.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, Signals
from typing import IO, Any, cast

from tests.support.fake_kernel import as_json, header
from tests.support.waiting import within
from w2z.errors import StartupError
from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.conversation import Conversation
from w2z.kernel.keeping.ending import Ending
from w2z.kernel.keeping.launched import Launched, Limits
from w2z.kernel.kernel import Kernel
from w2z.kernel.link import Link
from w2z.kernel.process.children import Child, Children
from w2z.kernel.process.command import Command
from w2z.kernel.process.endpoints import Endpoints
from w2z.kernel.process.owner import Owner
from w2z.kernel.sockets.channels import Channels
from w2z.message import Buffer, Channel, Message
from w2z.timing import Timing
from w2z.wire.json import parse_object
from w2z.wire.zmq import from_parts

OWN = "w2z's"
"""The session in the headers of w2z's own requests."""

NEVER = 3600.0
"""Seconds until the keeper looks by itself: longer than any test, so only events wake it."""


QUIET = Timing(tick=NEVER, look=NEVER, left_alone=0)


class Course(list[str]):
    """The list of all that happened, in order."""

    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()

    def note(self, what: str) -> None:
        """Note that ``what`` happens now."""
        self.append(what)
        self._news.set()

    async def until(self, what: str, number: int = 1) -> None:
        """Wait until ``what`` has happened ``number`` times."""
        try:
            async with within(5, what):
                while self.count(what) < number:
                    self._news.clear()
                    await self._news.wait()
        except AssertionError as error:
            raise AssertionError(f"{error} (number {number}); but {list(self)}") from None

    def after(self, what: str, number: int = 1) -> list[str]:
        """Return what happened after ``what`` happened for the ``number``-th time."""
        place = -1
        for _ in range(number):
            place = self.index(what, place + 1)
        return self[place + 1 :]


class Clock:
    """A clock that moves only when the test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class ScriptedChild(Child):
    """A fake process that ends when the test says so, or at a signal that it does not ignore."""

    def __init__(self, pid: int, course: Course, state: Callable[[], str]) -> None:
        self.pid = pid
        self.ended = asyncio.get_running_loop().create_future()
        self.ignores: set[int] = set()
        self.left = 0
        """For how many looks, after its end, its process group still has processes."""
        self.on_look: Callable[[], None] = lambda: None
        self._course = course
        self._state = state
        self._writers = {}
        self._readers = {}
        for name in ("stdout", "stderr"):
            reader, self._writers[name] = os.pipe()
            self._readers[name] = open(reader, "rb", buffering=0)  # noqa: SIM115, PTH123

    @property
    def stdout(self) -> IO[bytes]:
        """The pipe with what the process prints."""
        return self._readers["stdout"]

    @property
    def stderr(self) -> IO[bytes]:
        """The pipe with what the process writes to stderr."""
        return self._readers["stderr"]

    def complains(self, text: str) -> None:
        """Let the process write to stderr."""
        os.write(self._writers["stderr"], text.encode())

    def end(self, code: int) -> None:
        """Let the process end."""
        self._course.note(f"process {self.pid} ends")
        for writer in self._writers.values():
            os.close(writer)
        self.ended.set_result(code)

    def signal_group(self, number: int) -> bool:
        """Take a signal to the process, or to the processes that it left behind."""
        if not self.ended.done():
            if number == 0:
                self.on_look()
                return True
            self._course.note(f"{Signals(number).name} while {self._state()}")
            if number not in self.ignores and number != Signals.SIGINT:
                self.end(-number)
            return True
        if number == 0:
            self.left -= 1
            self.on_look()
        elif self.left:
            self._course.note(f"{Signals(number).name} to what is left")
        if number == SIGKILL:
            self.left = 0
        return self.left > 0

    def signal(self, number: int) -> None:
        """Take a signal to the process alone."""
        self._course.note(f"{Signals(number).name} to the process")


class ScriptedChildren(Children):
    """Starts fake processes."""

    def __init__(self, course: Course, state: Callable[[], str]) -> None:
        self.all: list[ScriptedChild] = []
        self.lines: list[list[str]] = []
        self.refusal: Exception | None = None
        self.can_kill = True
        self._course = course
        self._state = state

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], owner: Owner | None = None
    ) -> Child:
        """Start a fake process and note it. Raises :attr:`refusal` if the test set one."""
        if self.refusal is not None:
            raise self.refusal
        self.lines.append(list(command))
        child = ScriptedChild(len(self.all) + 1, self._course, self._state)
        self.all.append(child)
        self._course.note("started")
        return child

    async def kill_all(self, seconds: float) -> bool:
        """Note that what a kernel left is killed."""
        self._course.note("all that is left is killed")
        return self.can_kill


class ScriptedChannels:
    """Fake sockets that lead nowhere, and note what is sent."""

    def __init__(self, world: World, info: ConnectionInfo) -> None:
        self._world = world
        self._signer = info.signer()

    def open_session(self, session_id: str, *, is_watched: bool = False) -> None:
        """Do nothing: there is nothing to open."""

    def send(self, session_id: str, channel: Channel, parts: Sequence[Buffer]) -> bool:
        """Note w2z's request. A kernel_info_request is only kept in the world's ``asked``."""
        message = from_parts(channel, [bytes(part) for part in parts], self._signer)
        msg_type = str(parse_object(message.header, "header")["msg_type"])
        if msg_type == "kernel_info_request":
            self._world.asked.append(channel)
        else:
            content = message.content.decode()
            self._world.course.note(f"{msg_type} {content} while {self._world.state()}")
            self._world.on_told(msg_type)
        return True

    def beat(self, session_id: str, payload: bytes) -> None:
        """Do nothing: there is no echo."""

    async def last_words(
        self, seconds: float, most: float, *, has_ended: bool = True, **more: bool
    ) -> None:
        """Note that the last words are received, and call the test's hook."""
        self._world.patience.append((seconds, most))
        self._world.course.note(f"last words while {self._world.state()}")
        self._world.last_words()


class ScriptedLink:
    """A link over fake sockets."""

    def __init__(self, world: World, info: ConnectionInfo) -> None:
        self.info = info
        self.channels = ScriptedChannels(world, info)
        channels = cast("Channels", self.channels)
        self.conversation = Conversation(channels, info.signer(), OWN)

    def close(self, linger_ms: int = 0) -> None:
        """Give up the requests that wait for a reply."""
        self.conversation.close()


@dataclass
class World:
    """Everything around one kernel, which a test controls and observes."""

    info: ConnectionInfo
    is_owned: bool = True
    timing: Timing = QUIET
    course: Course = field(default_factory=Course)
    clock: Clock = field(default_factory=Clock)
    asked: list[Channel] = field(default_factory=list)
    """The channels on which w2z asked for kernel_info."""
    patience: list[tuple[float, float]] = field(default_factory=list)
    """For each kernel's last words, the seconds to notice the end, and the most for the rest."""
    generation: int = 0
    keeping: asyncio.Task[None] | None = None
    exit_code: int | None = None
    failure: StartupError | None = None
    is_over: asyncio.Event = field(default_factory=asyncio.Event)
    last_words: Callable[[], None] = lambda: None
    on_told: Callable[[str], None] = lambda msg_type: None

    def __post_init__(self) -> None:
        self.children = ScriptedChildren(self.course, self.state)
        self.kernel = Kernel(
            self.info,
            OWN,
            self,
            self._open_link,
            is_owned=self.is_owned,
            timing=self.timing,
            clock=self.clock,
        )
        self.kernel.connect()

    def _open_link(self, info: ConnectionInfo, generation: int) -> Link:
        self.course.note(f"connected to {info.shell_port}")
        self.generation = generation
        return cast("Link", ScriptedLink(self, info))

    def state(self) -> str:
        """The ``execution_state`` of the kernel's REST model."""
        return self.kernel.state.execution_state

    # What clients hear (:class:`~w2z.kernel.listener.KernelListener`).

    def opened(self) -> None:
        self.course.note("open")

    def cut(self) -> None:
        self.course.note("cut")

    def lost(self, reason: str) -> None:
        self.course.note(f"lost: {reason}")

    def announce(self, state: str, reason: str | None) -> None:
        self.course.note(state if reason is None else f"{state}: {reason}")

    def ended(self, busy: Sequence[Message]) -> None:
        if busy:
            self.course.note(f"ended: {len(busy)}")

    # What happens.

    async def started(self, number: int = 1) -> ScriptedChild:
        """Wait until the ``number``-th process is started, and return it."""
        await self.course.until("started", number)
        return self.children.all[number - 1]

    def answers(self, session: str, channel: Channel = Channel.SHELL, **info: Any) -> None:
        """Let the kernel answer kernel_info."""
        self.kernel.poll()
        head = as_json(header("kernel_info_reply", session=session))
        self.kernel.on_replies([Message(channel, head, b"{}", b"{}", as_json(info))])

    def says(self, state: str, request: str = "cell") -> None:
        """Let the kernel send a status for the request of a client."""
        parent = as_json({"msg_id": request, "session": "somebody's"})
        content = as_json({"execution_state": state})
        status = Message(Channel.IOPUB, as_json(header("status")), parent, b"{}", content)
        self.kernel.observe([status])

    def ready(self, session: str, **info: Any) -> None:
        """Let the kernel get ready."""
        self.kernel.on_reached()
        self.answers(session, **info)
        self.says("idle")
        assert self.kernel.is_ready
        self.kernel.wake()

    def passes(self, seconds: float) -> None:
        """Move the clock, and wake the keeper."""
        self.clock.now += seconds
        self.kernel.wake()


COMMAND = Command(["a-kernel", "--file", "{connection_file}"])
LIMITS = Limits(ready=60, restarts=2)

PATIENT = Ending(
    interrupt=0.5,
    shutdown=NEVER,
    terminate=NEVER,
    kill=0.25,
    last_words=0.5,
    leftovers=0.25,
    output=0.25,
)
"""The kernel has unlimited time to end by itself, and after SIGTERM."""


@asynccontextmanager
async def world(
    folder: Path, limits: Limits = LIMITS, command: Command = COMMAND, **options: Any
) -> AsyncIterator[tuple[World, Launched]]:
    """Run a keeper; if it still runs at the end of the block, stop it."""
    given: dict[str, Any] = {"interrupt_mode": None, "listen": None, "look": 0, "ending": PATIENT}
    given |= options
    with Endpoints(folder / "kernel.json", "tcp", "played") as endpoints:
        made = World(endpoints.info)
        keeper = Launched(made.kernel, made.children, command, endpoints, limits, **given)

        async def run() -> None:
            try:
                made.exit_code = await keeper.run()
            except StartupError as failure:
                made.failure = failure
            made.is_over.set()

        async with asyncio.TaskGroup() as tasks:
            made.keeping = tasks.create_task(run())
            try:
                async with within(10, "the test of a keeper"):
                    yield made, keeper
            finally:
                for child in made.children.all:
                    child.ignores.clear()
                made.on_told = lambda msg_type: None
                if not made.keeping.done():
                    tasks.create_task(keeper.stop())
                    keeper.hurry()
        made.kernel.close()
