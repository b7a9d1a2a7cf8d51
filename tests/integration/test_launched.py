"""The keeper of a kernel that w2z starts, with a process, sockets and a clock that are played.

Each test is what happens, and then what had to come of it, in its order.
"""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.log import listening
from tests.support.scripted import COMMAND, LIMITS, PATIENT, ScriptedChild, World, world
from tests.support.waiting import until
from w2z.errors import KernelEnded, KernelNeverReady, KernelNotInterrupted, KernelNotStarted
from w2z.kernel.keeping.launched import FIRST_WORD, Launched
from w2z.kernel.keeping.policy import FIRST_PAUSE
from w2z.message import Channel

AT_ONCE = replace(PATIENT, shutdown=0, terminate=0)
"""A kernel that does not end by itself is given no time."""


def ends_when_told(made: World, child: ScriptedChild, code: int = 0) -> None:
    """The process ends at a shutdown_request, as kernels do."""

    def end(msg_type: str) -> None:
        if msg_type == "shutdown_request":
            child.end(code)

    made.on_told = end


def told(made: World, msg_type: str) -> list[str]:
    """What w2z told the kernel of that kind."""
    return [what for what in made.course if what.startswith(msg_type)]


# It starts.


async def test_a_kernel_is_started_where_its_connection_file_says(tmp_path: Path) -> None:
    path = tmp_path / "kernel.json"
    async with world(tmp_path) as (made, keeper):
        await made.started()
        assert made.children.lines == [["a-kernel", "--file", str(path)]]
        port = json.loads(path.read_text())["shell_port"]
        assert made.course == [f"connected to {port}", "started"]
        assert not made.kernel.is_ready
        made.ready("one")
        assert made.course[2:] == ["open"]
        assert keeper.owned


async def test_it_is_asked_whether_it_is_ready_and_again_when_it_does_not_answer(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as (made, _):
        await made.started()
        both = [Channel.SHELL, Channel.CONTROL]
        await until(lambda: made.asked == both, "the kernel is asked")
        made.passes(made.kernel.timing.first_repeat)
        await until(lambda: made.asked == 2 * both, "the kernel is asked again")


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (FileNotFoundError(2, "No such file or directory"), "No such file or directory"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (ValueError("embedded null byte"), "embedded null byte"),
    ],
)
async def test_a_process_that_does_not_start_is_the_end(
    tmp_path: Path, refusal: Exception, reason: str
) -> None:
    async with world(tmp_path) as (made, _):
        made.children.refusal = refusal
        await made.is_over.wait()
        assert isinstance(made.failure, KernelEnded)
        assert str(made.failure) == f"the kernel cannot be started: a-kernel: {reason}"


@pytest.mark.parametrize(
    ("code", "how", "exit_code"),
    [
        (3, "ended with exit code 3", 3),
        (0, "ended with exit code 0", KernelEnded.exit_code),
        (-11, "was killed by signal 11 (SIGSEGV)", 139),
    ],
)
async def test_one_that_ends_before_it_was_ready_is_told_with_its_last_words(
    tmp_path: Path, code: int, how: str, exit_code: int
) -> None:
    async with world(tmp_path) as (made, keeper):
        child = await made.started()
        child.complains("no module named ipykernel\n")
        child.end(code)
        await made.is_over.wait()
        assert isinstance(made.failure, KernelEnded)
        said = f"the kernel {how} before it was ready; its last words are above"
        assert (str(made.failure), made.failure.exit_code) == (said, exit_code)
        # Clients were told nothing: w2z itself ends.
        assert made.course[2:] == ["process 1 ends", "last words while starting"]
        with pytest.raises(KernelNotStarted):
            await keeper.restart()


async def test_one_that_ends_without_a_word(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, _):
        (await made.started()).end(1)
        await made.is_over.wait()
        assert str(made.failure).endswith("before it was ready; it said nothing on stderr")


async def test_one_that_is_not_ready_in_time_is_ended(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, _):
        child = await made.started()
        made.passes(LIMITS.ready)
        await asyncio.sleep(0)
        assert not child.ended.done()
        child.complains("still loading")
        made.passes(0.1)
        await made.is_over.wait()
        assert isinstance(made.failure, KernelNeverReady)
        assert str(made.failure) == (
            "the kernel was not ready within 60 s (--ready-timeout); its last words are above"
        )
        # It is not asked: it would not answer.
        assert made.course[2:4] == ["SIGTERM while starting", "process 1 ends"]


async def test_one_that_takes_long_is_told_of_ever_more_seldom(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with world(tmp_path) as (made, _):
        child = await made.started()
        for seconds in (FIRST_WORD - 0.1, 0.1, FIRST_WORD - 0.1, 0.1, 2 * FIRST_WORD - 0.1):
            made.passes(seconds)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        told = [m for m in caplog.messages if "is not ready" in m]
        assert told == [
            f"the kernel is not ready after {n} s of 60 (--ready-timeout)" for n in (5, 10)
        ]
        child.end(1)
        await made.is_over.wait()


async def test_one_that_speaks_only_when_it_is_ended_gets_no_requests(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, _):
        child = await made.started()
        child.ignores.add(signal.SIGTERM)
        made.passes(LIMITS.ready + 1)
        await made.course.until("SIGTERM while starting")
        made.says("starting")
        child.end(0)
        await made.is_over.wait()
        assert "open" not in made.course
        assert isinstance(made.failure, KernelNeverReady)


async def test_one_that_clients_use_is_there_though_it_never_answered_w2z(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, _):
        child = await made.started()
        made.says("starting")
        assert made.course[2:] == ["open"]
        for _ in range(3):
            made.passes(LIMITS.ready)
            await asyncio.sleep(0)
        assert not child.ended.done()
        child.end(1)
        # It crashes like any other.
        await made.started(2)
        assert "restarting: the kernel ended with exit code 1" in made.course


# It crashes.


async def test_a_kernel_that_crashes_is_started_again_and_its_last_words_come_first(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as (made, _):
        child = await made.started()
        made.ready("one")
        made.says("busy")
        made.last_words = lambda: made.says("idle")
        child.end(-9)
        await made.started(2)
        port = made.kernel.connection_info.shell_port
        died = "the kernel was killed by signal 9 (SIGKILL), perhaps for lack of memory"
        assert made.course.after("open") == [
            "process 1 ends",
            "last words while busy",
            f"restarting: {died}",
            f"lost: {died}",
            f"connected to {port}",
            "started",
        ]
        assert made.state() == "restarting"
        assert not made.kernel.is_ready
        made.ready("two")
        assert made.course[-1] == "open"
        assert made.state() == "idle"


async def test_what_it_says_while_it_ends_does_not_open_the_way_for_requests(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as (made, _):
        child = await made.started()
        made.ready("one")

        def speak() -> None:
            made.says("busy")
            made.answers("one")
            assert not made.kernel.life.takes_requests

        made.last_words = speak
        child.end(1)
        await made.started(2)
        assert made.course.count("open") == 1


async def test_crashes_are_followed_by_ever_longer_pauses_and_then_by_the_end(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as (made, _):
        for number, pause in ((1, 0.0), (2, FIRST_PAUSE)):
            child = await made.started(number)
            made.ready(f"kernel {number}")
            child.end(1)
            await made.course.until("restarting: the kernel ended with exit code 1", number)
            if pause:
                made.passes(pause - 0.1)
                await asyncio.sleep(0)
                assert made.course.count("started") == number
                made.passes(0.1)
        child = await made.started(3)
        made.ready("kernel 3")
        child.end(7)
        await made.is_over.wait()
        often = "crash 3 within a minute (--restart-limit 2)"
        assert made.course[-2:] == [
            f"dead: the kernel ended with exit code 7: {often}, so it is not started any more",
            "lost: the kernel ended with exit code 7",
        ]
        assert made.exit_code == 7
        assert made.state() == "dead"


async def test_one_that_is_not_ready_in_time_after_a_crash_has_crashed_too(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, _):
        child = await made.started()
        made.ready("one")
        child.end(1)
        await made.started(2)
        made.passes(LIMITS.ready + 1)
        await made.course.until("restarting: the kernel was killed by signal 15 (SIGTERM)")
        made.passes(FIRST_PAUSE)
        await made.started(3)
        made.ready("three")
        assert made.course[-1] == "open"


async def test_one_that_ends_by_itself_and_well_is_not_started_again(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, _):
        child = await made.started()
        made.ready("one")
        child.end(0)
        await made.is_over.wait()
        assert made.course[-2] == "dead: the kernel ended with exit code 0"
        assert made.exit_code == 0


@pytest.mark.parametrize(("end", "hurry"), [("crash", 1), ("stop", 4)])
async def test_its_last_words_have_time_where_w2z_goes_on(
    tmp_path: Path, end: str, hurry: int
) -> None:
    async with world(tmp_path) as (made, keeper):
        child = await made.started()
        made.ready("one")
        if end == "crash":
            child.end(1)
            await made.started(2)
        else:
            ends_when_told(made, child)
            await keeper.stop()
        [(seconds, most)] = made.patience
        assert seconds == 2 * PATIENT.last_words / hurry
        assert (most > seconds) is (end == "crash")


# What it left behind.


async def test_what_a_kernel_leaves_in_its_group_has_a_moment_to_end(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, _):
        child = await made.started()
        made.ready("one")
        child.left = 3
        child.end(1)
        await made.started(2)
        assert [what for what in made.course if "left" in what] == ["SIGTERM to what is left"]
        assert child.left == 0


async def test_what_does_not_end_by_itself_is_killed(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, _):
        child = await made.started()
        made.ready("one")
        child.left = 1000

        def pass_the_time() -> None:
            made.clock.now += PATIENT.leftovers / 5

        child.on_look = pass_the_time
        child.end(1)
        await made.started(2)
        left = [f"{name} to what is left" for name in ("SIGTERM", "SIGKILL")]
        assert [what for what in made.course if "left" in what] == left


def endpoints_of(path: Path) -> dict[str, object]:
    fields = json.loads(path.read_text())
    return {name: fields[name] for name in fields if name == "key" or name.endswith("_port")}


@pytest.mark.parametrize("by_rest", [True, False])
async def test_the_next_kernel_has_nothing_in_common_with_the_last(
    tmp_path: Path, by_rest: bool
) -> None:
    path = tmp_path / "kernel.json"
    async with world(tmp_path) as (made, keeper), asyncio.TaskGroup() as tasks:
        child = await made.started()
        made.ready("one", implementation="a-kernel")
        before = endpoints_of(path)
        if by_rest:
            ends_when_told(made, child)
            tasks.create_task(keeper.restart())
        else:
            child.end(1)
        await made.started(2)
        now = endpoints_of(path)
        assert not {*before.values()} & {*now.values()}
        assert made.kernel.connection_info.key == now["key"]
        # It is of the same kind: what is known of that still counts.
        assert made.kernel.implementation == "a-kernel"
        made.ready("two")


async def test_what_cannot_be_killed_is_told_and_the_next_one_is_started(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, keeper), asyncio.TaskGroup() as tasks:
        child = await made.started()
        made.ready("one")
        made.children.can_kill = False
        ends_when_told(made, child)
        with listening() as log:
            tasks.create_task(keeper.restart())
            await made.started(2)
            made.ready("two")
            await log.line("processes that the last kernel started could not be killed")


async def test_a_restart_after_a_crash_leaves_nothing_either(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, keeper), asyncio.TaskGroup() as tasks:
        for number in (1, 2):
            child = await made.started(number)
            made.ready(f"number {number}")
            child.end(1)
        # Before the third is started there is a pause.
        await made.course.until("restarting: the kernel ended with exit code 1", 2)
        assert "all that is left is killed" not in made.course
        tasks.create_task(keeper.restart())
        await made.started(3)
        assert made.course.count("all that is left is killed") == 1
        made.ready("number 3")


async def test_what_a_kernel_leaves_at_the_end_of_w2z_is_the_end_s_to_kill(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, keeper):
        child = await made.started()
        made.ready("one")
        ends_when_told(made, child)
        await keeper.stop()
        assert "all that is left is killed" not in made.course


# A restart by REST.


async def test_a_restart_asks_the_kernel_to_end_and_starts_another(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, keeper), asyncio.TaskGroup() as tasks:
        child = await made.started()
        made.ready("one")
        ends_when_told(made, child)
        restarting = tasks.create_task(keeper.restart())
        await made.started(2)
        assert not restarting.done()
        port = made.kernel.connection_info.shell_port
        # Not announced: whoever asked for it knows, and frontends would say that it crashed.
        assert made.course.after("open") == [
            'shutdown_request {"restart":true} while restarting',
            "process 1 ends",
            "last words while restarting",
            "lost: the kernel was restarted",
            "all that is left is killed",
            f"connected to {port}",
            "started",
        ]
        assert made.state() == "restarting"
        made.ready("two")
        await restarting
        assert made.state() == "idle"
        assert made.course[-1] == "open"


async def test_a_busy_kernel_is_interrupted_before_it_is_marked_and_told_to_end(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as (made, keeper), asyncio.TaskGroup() as tasks:
        child = await made.started()
        made.ready("one")
        made.says("busy")
        ends_when_told(made, child)
        restarting = tasks.create_task(keeper.restart())
        await asyncio.sleep(0)
        # Requests wait from now on, and what it says to the interrupt does not change that.
        assert not made.kernel.life.takes_requests
        await made.course.until("interrupt_request {} while busy")
        made.says("idle")
        assert not made.kernel.life.takes_requests
        await made.started(2)
        assert made.course.after("open")[:2] == [
            "interrupt_request {} while busy",
            'shutdown_request {"restart":true} while restarting',
        ]
        made.ready("two")
        await restarting


async def test_one_that_takes_signals_is_interrupted_by_one(tmp_path: Path) -> None:
    command = replace(COMMAND, interrupt_mode="signal")
    async with (
        world(tmp_path, command=command) as (made, keeper),
        asyncio.TaskGroup() as tasks,
    ):
        child = await made.started()
        made.ready("one")
        made.says("busy")
        ends_when_told(made, child)
        restarting = tasks.create_task(keeper.restart())
        await made.course.until("SIGINT while busy")
        made.says("idle")
        await made.started(2)
        made.ready("two")
        await restarting


async def test_one_that_goes_on_all_the_same_is_told_to_end_after_a_moment(
    tmp_path: Path,
) -> None:
    async with (
        world(tmp_path, ending=replace(PATIENT, interrupt=0)) as (made, keeper),
        asyncio.TaskGroup() as tasks,
    ):
        child = await made.started()
        made.ready("one")
        made.says("busy")
        ends_when_told(made, child)
        restarting = tasks.create_task(keeper.restart())
        await made.course.until('shutdown_request {"restart":true} while restarting')
        await made.started(2)
        made.ready("two")
        await restarting


async def test_a_process_that_the_system_does_not_let_go_of_holds_up_no_end_of_w2z(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    soon = replace(PATIENT, shutdown=0.0, terminate=0.0, kill=0.0)
    async with world(tmp_path, ending=soon) as (made, keeper):
        child = await made.started()
        made.ready("one")
        child.ignores = {signal.SIGTERM, signal.SIGKILL}
        child.on_look = lambda: made.passes(1)
        await keeper.stop()
        await made.is_over.wait()
        assert "did not end after SIGKILL" in caplog.text
        assert made.exit_code == 128 + signal.SIGKILL
        child.end(0)


async def test_a_kernel_deaf_to_everything_is_killed(tmp_path: Path) -> None:
    async with (
        world(tmp_path, ending=AT_ONCE) as (made, keeper),
        asyncio.TaskGroup() as tasks,
    ):
        child = await made.started()
        made.ready("one")
        child.ignores.add(signal.SIGTERM)
        restarting = tasks.create_task(keeper.restart())
        await made.started(2)
        assert made.course.after("open")[:4] == [
            'shutdown_request {"restart":true} while restarting',
            "SIGTERM while restarting",
            "SIGKILL while restarting",
            "process 1 ends",
        ]
        made.ready("two")
        await restarting


async def test_a_restart_of_a_kernel_that_has_not_started_yet_does_not_ask_it(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as (made, keeper), asyncio.TaskGroup() as tasks:
        await made.started()
        restarting = tasks.create_task(keeper.restart())
        await made.started(2)
        assert made.course[2:4] == ["SIGTERM while starting", "process 1 ends"]
        made.ready("two")
        await restarting


async def test_a_restart_in_the_pause_after_a_crash_ends_the_pause(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, keeper), asyncio.TaskGroup() as tasks:
        for number in (1, 2):
            child = await made.started(number)
            made.ready(f"kernel {number}")
            child.end(1)
            await made.course.until("restarting: the kernel ended with exit code 1", number)
        restarting = tasks.create_task(keeper.restart())
        await made.started(3)
        assert not restarting.done()
        made.ready("kernel 3")
        await restarting


async def test_a_restart_whose_kernel_does_not_get_ready_says_so(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, keeper), asyncio.TaskGroup() as tasks:
        child = await made.started()
        made.ready("one")
        ends_when_told(made, child)
        restarting = tasks.create_task(failed(keeper))
        (await made.started(2)).end(1)
        await restarting
        # It is a crash like any other.
        await made.started(3)
        made.ready("three")


async def failed(keeper: Launched) -> None:
    with pytest.raises(KernelNotStarted, match="the next one did not get ready"):
        await keeper.restart()


async def test_a_restart_whose_process_does_not_start_is_the_end(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, keeper), asyncio.TaskGroup() as tasks:
        child = await made.started()
        made.ready("one")
        ends_when_told(made, child)
        made.children.refusal = FileNotFoundError(2, "No such file or directory")
        restarting = tasks.create_task(failed(keeper))
        await restarting
        await made.is_over.wait()
        assert isinstance(made.failure, KernelEnded)


async def test_restarts_that_are_asked_for_at_once_happen_one_after_the_other(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as (made, keeper), asyncio.TaskGroup() as tasks:
        child = await made.started()
        made.ready("one")
        ends_when_told(made, child)
        first = tasks.create_task(keeper.restart())
        second = tasks.create_task(keeper.restart())
        child = await made.started(2)
        ends_when_told(made, child)
        made.ready("two")
        await first
        assert not second.done()
        await made.started(3)
        made.ready("three")
        await second
        assert len(told(made, "shutdown_request")) == 2


# Clients' shutdown_request.


@pytest.mark.parametrize("is_quick", [True, False], ids=["ends at once", "takes a moment"])
async def test_a_client_has_the_kernel_restarted(tmp_path: Path, is_quick: bool) -> None:
    async with world(tmp_path) as (made, _):
        child = await made.started()
        made.ready("one")
        made.kernel.on_shutdown_request(restart=True)
        # What its client sends right behind it is for the next one.
        assert not made.kernel.life.takes_requests
        if not is_quick:
            await until(lambda: made.state() == "restarting", "the model says restarting")
        made.last_words = lambda: made.course.note("its reply is carried")
        child.end(0)
        await made.started(2)
        assert [what for what in made.course.after("open") if "connected" not in what] == [
            "process 1 ends",
            f"last words while {'idle' if is_quick else 'restarting'}",
            "its reply is carried",
            "restarting: a client asked for it",
            "lost: the kernel was restarted",
            "all that is left is killed",
            "started",
        ]
        made.ready("two")
        assert made.course[-1] == "open"
        assert made.state() == "idle"


@pytest.mark.parametrize("restart", [True, False])
async def test_one_that_is_busy_is_interrupted_for_a_client_too_and_not_told_twice(
    tmp_path: Path, restart: bool
) -> None:
    async with world(tmp_path) as (made, _):
        child = await made.started()
        made.ready("one")
        made.says("busy")
        made.kernel.on_shutdown_request(restart=restart)
        await made.course.until("interrupt_request {} while busy")
        made.says("idle")
        child.end(0)
        if restart:
            await made.started(2)
        else:
            await made.is_over.wait()
        assert told(made, "shutdown_request") == []


async def test_a_client_has_the_kernel_ended(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, _):
        child = await made.started()
        made.ready("one")
        made.kernel.on_shutdown_request(restart=False)
        child.end(0)
        await made.is_over.wait()
        assert made.course.after("process 1 ends") == [
            "last words while idle",
            "dead: the kernel ended with exit code 0",
            "lost: the kernel ended with exit code 0",
        ]
        assert made.exit_code == 0


async def test_one_that_does_not_end_for_a_client_is_made_to(tmp_path: Path) -> None:
    async with world(tmp_path, ending=AT_ONCE) as (made, _):
        await made.started()
        made.ready("one")
        made.kernel.on_shutdown_request(restart=False)
        await made.is_over.wait()
        assert made.course.after("open")[:2] == ["SIGTERM while idle", "process 1 ends"]
        assert made.exit_code == 0, "a client asked for it"


# The end.


async def test_a_kernel_is_ended_for_whoever_asks_for_it(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, keeper):
        child = await made.started()
        made.ready("one")
        ends_when_told(made, child, 3)
        await keeper.end()
        assert told(made, "shutdown_request") == ['shutdown_request {"restart":false} while idle']
        assert made.course[-2] == "dead: the kernel ended with exit code 3"
        await made.is_over.wait()
        assert made.exit_code == 0
        # Whoever comes later finds it done.
        await keeper.end()
        await keeper.stop()
        await failed(keeper)


async def test_at_w2zs_own_end_clients_hear_that_and_not_that_the_kernel_died(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as (made, keeper):
        child = await made.started()
        made.ready("one")
        ends_when_told(made, child)
        await keeper.stop()
        assert made.course[-1] == "lost: w2z is ending"
        assert told(made, "shutdown_request") == ['shutdown_request {"restart":false} while idle']


async def test_w2z_ends_before_the_kernel_was_ready(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, keeper):
        await made.started()
        await keeper.stop()
        await made.is_over.wait()
        assert made.course[2] == "SIGTERM while starting"
        assert made.failure is None
        assert made.exit_code == 128 + signal.SIGTERM


@pytest.mark.parametrize("end", ["stop", "end"])
async def test_an_end_while_a_restart_is_under_way_is_the_end(tmp_path: Path, end: str) -> None:
    async with world(tmp_path) as (made, keeper), asyncio.TaskGroup() as tasks:
        child = await made.started()
        made.ready("one")
        restarting = tasks.create_task(failed(keeper))
        await made.course.until('shutdown_request {"restart":true} while restarting')
        ending = tasks.create_task(getattr(keeper, end)())
        await asyncio.sleep(0)
        child.end(0)
        await ending
        await restarting
        assert made.course.count("started") == 1


async def test_an_end_in_the_pause_after_a_crash_is_the_end(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, keeper):
        for number in (1, 2):
            child = await made.started(number)
            made.ready(f"kernel {number}")
            child.end(1)
            await made.course.until("restarting: the kernel ended with exit code 1", number)
        await keeper.stop()
        await made.is_over.wait()
        assert made.course.count("started") == 2
        assert made.exit_code == 0


async def test_w2zs_own_end_comes_before_that_of_a_client(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, keeper), asyncio.TaskGroup() as tasks:
        child = await made.started()
        made.ready("one")
        ending = tasks.create_task(keeper.end())
        await made.course.until('shutdown_request {"restart":false} while idle')
        stopping = tasks.create_task(keeper.stop())
        await asyncio.sleep(0)
        child.end(1)
        await ending
        await stopping
        await made.is_over.wait()
        assert made.course[-1] == "lost: w2z is ending"
        assert made.exit_code == 1


async def test_who_is_in_a_hurry_kills_the_kernel(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, keeper), asyncio.TaskGroup() as tasks:
        child = await made.started()
        made.ready("one")
        child.ignores.add(signal.SIGTERM)
        stopping = tasks.create_task(keeper.stop())
        await made.course.until('shutdown_request {"restart":false} while idle')
        keeper.hurry()
        await stopping
        await made.is_over.wait()
        assert made.exit_code == 128 + signal.SIGKILL
        keeper.hurry()
        assert made.course.count("SIGKILL while idle") == 1


async def test_no_process_outlives_its_keeper(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, _):
        child = await made.started()
        made.ready("one")
        assert made.keeping is not None
        made.keeping.cancel()
        await asyncio.wait([made.keeping])
        assert child.ended.result() == -signal.SIGKILL
    await until(nobody_reads, "what it printed has been read to its end")
    await asyncio.sleep(0)


def nobody_reads() -> bool:
    return not any(thread.name == "kernel-output" for thread in threading.enumerate())


# What else is asked of it.


async def test_signals_are_passed_on_to_the_process(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, keeper):
        keeper.forward(signal.SIGUSR1)
        await made.started()
        keeper.forward(signal.SIGUSR2)
        assert [what for what in made.course if "USR" in what] == ["SIGUSR2 to the process"]


async def test_an_interrupt_by_signal_reaches_the_processes_it_started_too(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, interrupt_mode="signal") as (made, keeper):
        await made.started()
        made.ready("one")
        made.says("busy")
        await keeper.interrupt()
        assert made.course[-1] == "SIGINT while busy"


async def test_one_that_is_only_starting_gets_no_signal(tmp_path: Path) -> None:
    """A client may interrupt the kernel before; it would die of that while it is being imported."""
    async with world(tmp_path, interrupt_mode="signal") as (made, keeper):
        await made.started()
        await keeper.interrupt()
        assert "SIGINT while starting" not in made.course
        made.ready("one")
        await keeper.interrupt()
        assert made.course[-1] == "SIGINT while idle"


async def test_one_that_cannot_be_interrupted_is_left_alone(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, keeper):
        await made.started()
        made.ready("one", implementation="xeus-python")
        before = list(made.course)
        with pytest.raises(KernelNotInterrupted, match="xeus-python cannot be interrupted"):
            await keeper.interrupt()
        assert made.course == before


async def test_what_it_prints_is_handed_on(tmp_path: Path) -> None:
    heard: list[tuple[str, bytes]] = []
    async with world(tmp_path, listen=lambda name, data: heard.append((name, data))) as (made, _):
        child = await made.started()
        made.ready("one")
        child.complains("a warning")
        child.end(1)
        await made.started(2)
        assert heard == [("stderr", b"a warning")]


async def test_a_started_kernel_that_is_busy_at_once_is_supposed_to_be(tmp_path: Path) -> None:
    async with world(tmp_path) as (made, _):
        await made.started()
        made.kernel.on_reached()
        made.kernel.on_shell_reached(is_up=True)
        made.answers("one", Channel.CONTROL)
        made.says("idle")
        made.passes(1)
        made.kernel.poll()
        assert made.course[2:] == ["open", "busy", "open"]
        assert made.state() == "busy"
