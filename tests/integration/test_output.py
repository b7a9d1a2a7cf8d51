"""What a process prints: passed on whole and in order, its end kept."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from w2z.kernel.process.output import TAIL, Listener, Output, write_all

SOON = 0.05
LONG = 60.0


class Streams:
    """The two pipes of a process that the test plays."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        out, self.stdout = os.pipe()
        err, self.stderr = os.pipe()
        self._open = {"stdout": self.stdout, "stderr": self.stderr}
        self._ends = (os.fdopen(out, "rb", 0), os.fdopen(err, "rb", 0))

    def output(self, listen: Listener | None = None, *, nobody: bool = False) -> Output:
        own = None if nobody else lambda *told: self.heard.append(told)
        return Output(*self._ends, listen or own)

    def end(self, name: str) -> None:
        """The process closes that stream."""
        os.close(self._open.pop(name))

    def end_all(self) -> None:
        for name in list(self._open):
            self.end(name)

    def of(self, name: str) -> bytes:
        return b"".join(data for stream, data in self.heard if stream == name)


@pytest.fixture
def streams(capfd: pytest.CaptureFixture[str]) -> Iterator[Streams]:
    made = Streams()
    yield made
    made.end_all()


def threads_end() -> None:
    """Wait for the threads that pass output on."""
    for thread in threading.enumerate():
        if thread.name == "kernel-output":
            thread.join()


async def test_each_stream_is_passed_on_to_its_own(
    streams: Streams, capfd: pytest.CaptureFixture[str]
) -> None:
    output = streams.output()
    os.write(streams.stdout, b"out")
    os.write(streams.stderr, b"err\n")
    await output.finish(LONG)
    assert capfd.readouterr() == ("out", "err\n")
    assert (streams.of("stdout"), streams.of("stderr")) == (b"out", b"err\n")
    assert output.last_words == "err"


async def test_all_of_much_arrives_and_only_the_end_is_kept(
    streams: Streams, capfd: pytest.CaptureFixture[str]
) -> None:
    output = streams.output()
    text = b"".join(b"%d\n" % number for number in range(100_000))
    await asyncio.to_thread(write_all, streams.stderr, text)
    await output.finish(LONG)
    assert capfd.readouterr().err == text.decode()
    assert output.last_words == text[-TAIL:].decode().strip()


async def test_it_ends_although_somebody_keeps_the_streams_open(streams: Streams) -> None:
    output = streams.output()
    await output.finish(LONG)
    await output.finish(LONG)
    assert streams.heard == []


async def test_it_ends_by_itself_when_both_streams_do(
    streams: Streams, capfd: pytest.CaptureFixture[str]
) -> None:
    output = streams.output()
    os.write(streams.stdout, b"the last")
    streams.end("stdout")
    os.write(streams.stderr, b"words")
    streams.end("stderr")
    await asyncio.to_thread(threads_end)
    await output.finish(LONG)
    assert capfd.readouterr() == ("the last", "words")
    assert (streams.of("stdout"), streams.of("stderr")) == (b"the last", b"words")


async def test_nobody_has_to_listen(streams: Streams, capfd: pytest.CaptureFixture[str]) -> None:
    output = streams.output(nobody=True)
    os.write(streams.stdout, b"all the same")
    await output.finish(LONG)
    assert capfd.readouterr().out == "all the same"
    assert streams.heard == []


def test_a_loop_that_is_gone_is_told_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    streams = Streams()

    async def begin() -> None:
        streams.output()

    asyncio.run(begin())
    os.write(streams.stdout, b"x")
    streams.end("stdout")
    streams.end("stderr")
    threads_end()
    assert capfd.readouterr().out == "x"


async def test_half_characters_do_no_harm(streams: Streams) -> None:
    output = streams.output()
    os.write(streams.stderr, "é".encode()[1:] + b" x")
    await output.finish(LONG)
    assert output.last_words == "\N{REPLACEMENT CHARACTER} x"


async def test_a_listener_that_takes_its_time_holds_up_nobody_else(streams: Streams) -> None:
    go_on = threading.Event()

    def listen(name: str, data: bytes) -> None:
        streams.heard.append((name, data))
        go_on.wait(LONG)

    output = streams.output(listen)
    os.write(streams.stdout, b"x")
    # The loop goes on while the thread waits for its listener.
    await output.finish(SOON)
    go_on.set()
    await output.finish(LONG)
    assert streams.heard == [("stdout", b"x")]


def test_a_pipe_that_does_not_block_gets_everything() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    text = b"x" * 300_000
    got = bytearray()

    thread = threading.Thread(target=write_all, args=(writing, text))
    thread.start()
    while len(got) < len(text):
        got += os.read(reading, 65536)
    thread.join()
    assert got == text
    os.close(reading)
    # Nobody reads it: no error either.
    write_all(writing, b"x")
    os.close(writing)
