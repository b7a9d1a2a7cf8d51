"""What the kernel that clients use does about what happens to it, over sockets that are played."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from tests.support.fake_kernel import as_json, header
from tests.support.scripted import NEVER, OWN, QUIET, World
from w2z.errors import KernelSilent
from w2z.kernel.actions import Found, Leave, Probe
from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.kernel import Kernel
from w2z.kernel.transitions import State
from w2z.message import Channel, Message

INFO = ConnectionInfo.model_validate(
    {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5, "key": "k"}
)
TIMING = replace(QUIET, left_alone=1, end=0)


def attached(info: ConnectionInfo = INFO) -> World:
    return World(info, is_owned=False, timing=TIMING)


def ready(session: str = "one", **told: str) -> World:
    made = attached()
    made.ready(session, **told)
    return made


def goodbye(made: World, session: str) -> None:
    """The kernel answers w2z's shutdown_request."""
    head = as_json(header("shutdown_reply", session=session))
    made.kernel.on_replies([Message(Channel.CONTROL, head, b"{}", b"{}", b"{}")])


async def due(kernel: Kernel) -> Leave | Probe:
    """What is left to the keeper, which is there already."""
    task = await kernel.next_task(0)
    assert task is not None
    return task


# What it is called.


@pytest.mark.parametrize(
    ("in_file", "told", "name"),
    [
        ("xpython", {"implementation": "IPython"}, "xpython"),
        ("", {"implementation": "IPython"}, "python3"),
        ("", {"implementation": "IRkernel"}, "irkernel"),
        ("", {"implementation": None}, "kernel"),
        ("", {}, "kernel"),
    ],
)
def test_its_name_is_the_files_or_what_it_says_it_is(
    in_file: str, told: dict[str, str], name: str
) -> None:
    made = attached(INFO.model_copy(update={"kernel_name": in_file}))
    assert made.kernel.implementation == ""
    made.ready("one", **told)
    assert made.kernel.name == name
    assert made.kernel.implementation == str(told.get("implementation") or "").lower()
    assert made.kernel.info == told


# Busy, or supposed to be.


def test_an_idle_that_was_lost_is_told_when_the_kernel_has_answered() -> None:
    made = ready()
    made.says("busy")
    made.clock.now += TIMING.doubt_busy
    made.asked.clear()
    made.kernel.state.quiet_since = made.clock.now - TIMING.doubt_busy
    made.kernel.poll()
    made.kernel.poll()
    assert made.asked == [Channel.SHELL]
    made.clock.now += 1
    made.answers("one")
    # Over another connection, it may still come.
    made.kernel.poll()
    assert made.state() == "busy"
    made.clock.now += TIMING.idle_late
    made.kernel.poll()
    assert made.state() == "idle"
    assert made.course[-1] == "ended: 1"


def test_an_idle_that_comes_behind_the_answer_is_not_told_twice() -> None:
    made = ready()
    made.says("busy")
    made.clock.now += TIMING.doubt_busy
    made.kernel.state.quiet_since = made.clock.now - TIMING.doubt_busy
    made.kernel.poll()
    made.clock.now += 1
    made.answers("one")
    made.says("idle")
    assert made.state() == "idle"
    made.clock.now += TIMING.idle_late
    made.kernel.poll()
    assert "ended: 1" not in made.course
    assert made.state() == "idle"


def test_a_kernel_that_answers_on_control_only_is_busy_until_it_answers_on_shell() -> None:
    made = attached()
    made.kernel.on_reached()
    made.kernel.on_shell_reached(is_up=True)
    made.answers("one", Channel.CONTROL)
    made.says("idle", "something before")
    made.clock.now += 1
    made.kernel.poll()
    assert made.course[1:] == ["open", "busy", "open"]
    assert made.state() == "busy"
    assert not made.kernel.answers_for_itself
    made.answers("one")
    assert made.course[-1] == "idle"
    assert made.state() == "idle"


def test_the_kernel_that_comes_after_a_restart_may_be_busy() -> None:
    made = ready()
    kernel = made.kernel
    kernel.do(kernel.life.ask_to_end(kernel.now()))
    kernel.mark("restarting")
    kernel.do(kernel.life.expect_another(kernel.now()))
    kernel.on_hung_up()
    kernel.reconnect()
    kernel.on_shell_reached(is_up=True)
    made.answers("two", Channel.CONTROL)
    made.clock.now += 1
    made.says("idle")
    assert made.course[-2:] == ["busy", "open"]
    assert made.state() == "busy"


def test_a_busy_kernel_answers_for_itself_for_a_moment() -> None:
    made = ready()
    assert made.kernel.answers_for_itself
    made.says("busy")
    assert made.kernel.answers_for_itself
    made.clock.now += TIMING.busy_for
    assert not made.kernel.answers_for_itself


# Why it is not ready.


def test_an_iopub_that_is_not_reached_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    made = attached()
    made.answers("one")
    made.clock.now += TIMING.grace
    made.kernel.poll()
    made.kernel.poll()
    told = "the kernel answers, but nobody can be reached at tcp://127.0.0.1:2 (iopub)"
    assert made.course[1:] == [f"starting: {told}"]
    assert caplog.messages == [told]


def test_a_kernel_that_is_silent_on_iopub_is_served_and_that_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    made = attached()
    made.kernel.on_reached()
    made.answers("one")
    made.clock.now += TIMING.grace
    made.kernel.poll()
    assert made.course[1:] == ["open"]
    assert caplog.messages == ["the kernel is ready, though silent on iopub"]


def test_one_that_is_only_heard_of_is_not_called_ready(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    made = attached()
    made.says("starting")
    assert made.course[1:] == ["open"]
    assert caplog.messages == []


# It goes, and another comes.


async def test_a_kernel_that_hangs_up_is_left_by_its_keeper() -> None:
    made = ready()
    made.kernel.on_hung_up()
    assert await due(made.kernel) == Leave()
    assert await made.kernel.next_task(0) is None
    assert made.kernel.life.state is State.GONE
    made.kernel.reconnect()
    made.ready("two")
    assert made.course[2:] == [
        "cut",
        "connected to 1",
        "restarting: another kernel has taken its place",
        "lost: the kernel was replaced by another one",
        "idle",
        "open",
    ]


async def test_a_kernel_that_does_not_come_back_is_dead() -> None:
    made = ready()
    made.says("busy")
    made.kernel.on_hung_up()
    assert await due(made.kernel) == Leave()
    made.kernel.reconnect()
    made.clock.now += TIMING.dead_after
    made.kernel.poll()
    probe = await due(made.kernel)
    assert isinstance(probe, Probe)
    made.kernel.do(made.kernel.life.on_probe(probe.number, Found.REFUSED, made.clock.now))
    # What is sent to nobody must not reach whoever comes: first of all other sockets.
    assert made.course[-3:] == [
        "connected to 1",
        "dead: the kernel ended",
        "lost: the kernel ended",
    ]
    assert made.state() == "dead"


async def test_tasks_come_in_their_order_and_news_without_one() -> None:
    made = ready()
    kernel = made.kernel
    kernel.do([Probe(7), Leave()])
    assert [await kernel.next_task(NEVER), await kernel.next_task(NEVER)] == [Probe(7), Leave()]
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(kernel.next_task(NEVER))
        await asyncio.sleep(0)
        kernel.wake()
    assert waiting.result() is None


def test_the_sockets_are_kept_where_iopub_alone_broke() -> None:
    made = ready()
    link = made.kernel.link
    made.kernel.on_hung_up()
    made.kernel.on_reached()
    made.kernel.keep_link()
    made.ready("one")
    assert made.kernel.link is link
    assert made.course[1:] == ["open", "open"]


async def test_and_left_when_its_heart_stops_as_well() -> None:
    made = ready()
    made.kernel.on_hung_up()
    assert await due(made.kernel) == Leave()
    made.kernel.keep_link()
    made.kernel.on_heart_stopped()
    assert await due(made.kernel) == Leave()


@pytest.mark.parametrize(("implementation", "generation"), [("IPython", 0), ("IRkernel", 1)])
def test_other_sockets_have_another_identity_where_the_kernel_does_not_hand_it_over(
    implementation: str, generation: int
) -> None:
    made = ready(implementation=implementation)
    made.kernel.reconnect()
    assert made.generation == generation


# Told to end.


def test_the_word_of_one_that_is_told_to_end_does_not_count() -> None:
    made = ready(banner="the first")
    kernel = made.kernel
    kernel.do(kernel.life.ask_to_end(kernel.now()))
    kernel.do(kernel.life.expect_another(kernel.now()))
    made.clock.now += 1
    made.answers("one", banner="the first still")
    assert kernel.info == {"banner": "the first"}
    made.answers("two", banner="the second")
    assert kernel.info == {"banner": "the second"}


def test_its_goodbye_says_who_it_is() -> None:
    made = attached()
    kernel = made.kernel
    kernel.on_reached()
    kernel.do(kernel.life.ask_to_end(kernel.now()))
    kernel.do(kernel.life.expect_another(kernel.now()))
    assert kernel.life.passes_over("two")
    goodbye(made, "one")
    assert kernel.life.passes_over("one")
    assert not kernel.life.passes_over("two")


@pytest.mark.parametrize("restart", [True, False])
async def test_a_client_that_ends_somebody_elses_kernel_stops_nobodys_requests(
    restart: bool,
) -> None:
    made = ready()
    made.kernel.on_shutdown_request(restart=restart)
    assert made.kernel.life.takes_requests
    assert made.kernel.is_told_to_end is restart


async def test_one_that_says_nothing_has_been_asked_to_end_too() -> None:
    made = ready()
    await made.kernel.ask_to_end(restart=True)
    assert made.course[-1] == 'shutdown_request {"restart":true} while idle'


async def test_what_was_asked_of_a_kernel_that_is_gone_is_given_up() -> None:
    made = ready()

    async def ask() -> None:
        with pytest.raises(KernelSilent, match="ended instead of answering"):
            await made.kernel.ask("a_request", {}, NEVER)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ask())
        await asyncio.sleep(0)
        link = made.kernel.link
        made.kernel.connect()
        # Again before whoever asked had a turn.
        link.close()


# Waiting for it.


async def test_it_is_waited_for_as_long_as_there_is_time() -> None:
    made = attached()
    assert not await made.kernel.wait_ready(0)
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(made.kernel.wait_ready(NEVER)) for _ in range(2)]
        await asyncio.sleep(0)
        made.kernel.wake()
        made.ready("one")
    assert [one.result() for one in waiting] == [True, True]
    assert made.kernel.life.session == "one"
    assert made.kernel.life.session != OWN
