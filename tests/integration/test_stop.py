"""Signals: the first one ends w2z, the next one hurries, some are the kernel's, some nobody's."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.signals import as_before, raise_signal
from tests.support.waiting import until
from w2z.serve import stop as module
from w2z.serve.stop import ENDING, FORWARDED, Stop


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    with as_before():
        yield


@pytest.fixture
async def stop() -> Stop:
    return Stop()


async def handled() -> None:
    """Wait until the signals raised so far have been handled: they are in their order."""
    later = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGWINCH, later.set)
    raise_signal(signal.SIGWINCH)
    await later.wait()
    loop.remove_signal_handler(signal.SIGWINCH)


@pytest.mark.parametrize("number", ENDING)
async def test_a_signal_ends_it_with_128_and_its_number(
    stop: Stop, number: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    raise_signal(number)
    assert await stop.wait()
    assert stop.exit_code == 128 + number
    assert f"{number.name}: shutting down" in caplog.text


async def test_only_the_first_reason_counts(stop: Stop) -> None:
    assert not await stop.wait(0)
    stop.on_request()
    stop.because("the kernel ended", 7)
    raise_signal(signal.SIGTERM)
    assert await stop.wait()
    assert stop.exit_code == 0


@pytest.mark.parametrize("second", ENDING)
async def test_every_signal_after_the_first_hurries(
    stop: Stop,
    second: signal.Signals,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "AGAIN", 0)
    caplog.set_level("INFO")
    hurried: asyncio.Queue[str] = asyncio.Queue()
    raise_signal(signal.SIGTERM)
    await stop.wait()
    stop.hurry = lambda: hurried.put_nowait("hurry")
    for _ in range(2):
        raise_signal(second)
        await hurried.get()
    assert hurried.empty()
    assert caplog.text.count(f"{second.name}: in a hurry") == 2
    assert stop.exit_code == 128 + signal.SIGTERM


async def test_one_that_comes_twice_at_once_is_one(stop: Stop) -> None:
    """From a terminal, or from ``timeout``: to the process, and to its group."""
    hurried = 0

    def hurry() -> None:
        nonlocal hurried
        hurried += 1

    stop.hurry = hurry
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        raise_signal(number)
        # The loop handles a signal in a later step.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await until(lambda: hurried, "another signal hurries")
    assert hurried == 1


async def test_the_first_does_not_hurry_and_there_may_be_nothing_to(stop: Stop) -> None:
    stop.hurry = lambda: pytest.fail("it is the first one")
    raise_signal(signal.SIGTERM)
    await stop.wait()
    stop.hurry = None
    raise_signal(signal.SIGTERM)
    await handled()
    assert stop.exit_code == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", FORWARDED)
async def test_some_are_passed_on_and_end_nothing(stop: Stop, number: signal.Signals) -> None:
    raise_signal(number)
    await handled()  # while nobody was there to get it
    passed_on: asyncio.Queue[int] = asyncio.Queue()
    stop.forward = passed_on.put_nowait
    raise_signal(number)
    assert await passed_on.get() == number
    assert not await stop.wait(0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_one_that_was_ignored_at_the_start_stays_ignored(
    number: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    signal.signal(number, signal.SIG_IGN)
    stop = Stop()
    raise_signal(number)
    raise_signal(signal.SIGTERM)
    await stop.wait()
    assert stop.exit_code == 128 + signal.SIGTERM
    assert f"{number.name}: ignored, as it was when w2z was started" in caplog.text


async def test_sigterm_ends_it_in_any_case() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    stop = Stop()
    raise_signal(signal.SIGTERM)
    await stop.wait()
    assert stop.exit_code == 128 + signal.SIGTERM


# As whoever starts w2z leaves it.

PROGRAM = """
import asyncio, os, signal, sys
from w2z.kernel.process.children import Children
from w2z.serve.stop import Stop

async def main():
    stop = Stop()
    with Children() as children:
        child = children.start(["grep", "SigIgn", "/proc/self/status"], os.environ)
        assert await child.wait() == 0
        with child.stdout, child.stderr:
            ignored = int(child.stdout.read().split()[1], 16)
    for number in (signal.SIGINT, signal.SIGHUP):
        assert not ignored >> number - 1 & 1, "the kernel would ignore it, too"
    for number in sys.argv[2:]:
        os.kill(os.getpid(), int(number))
    await stop.wait()
    return stop.exit_code

def loop():
    import uvloop
    return uvloop.new_event_loop()

with asyncio.Runner(loop_factory=loop if sys.argv[1] == "uvloop" else None) as runner:
    sys.exit(runner.run(main()))
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(
    ("ignored", "sent", "code"),
    [
        ("", [signal.SIGHUP, signal.SIGTERM], 128 + signal.SIGHUP),
        ("HUP", [signal.SIGHUP, signal.SIGTERM], 128 + signal.SIGTERM),
        ("HUP", [signal.SIGINT, signal.SIGTERM], 128 + signal.SIGINT),
        ("INT", [signal.SIGINT, signal.SIGTERM], 128 + signal.SIGTERM),
        ("INT HUP", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM], 128 + signal.SIGTERM),
    ],
)
def test_started_by_nohup_or_in_the_background_it_ignores_what_they_ignore(
    loop: str, ignored: str, sent: list[signal.Signals], code: int
) -> None:
    """The kernel does not: it has to be interruptible, and its terminal is another."""
    shell = ["sh", "-c", f'trap "" {ignored}; exec "$@"' if ignored else 'exec "$@"', "sh"]
    program = [sys.executable, "-c", PROGRAM, loop, *(str(int(number)) for number in sent)]
    ended = subprocess.run([*shell, *program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (code, "")
