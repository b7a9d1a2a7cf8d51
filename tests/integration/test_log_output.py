"""Lines of log: never waited for, whole, in their order, and written at the end."""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
from collections.abc import Iterator

import pytest

from w2z.logs import output as output_module
from w2z.logs.output import ServingOutput
from w2z.logs.writer import Descriptor, LineWriter, is_writable, say

LONG = 60.0


class Pipe:
    """A pipe that nobody reads until :meth:`read_all`."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def fill(self) -> int:
        os.set_blocking(self.writing, False)
        size = 0
        while is_writable(self.writing):
            size += os.write(self.writing, b"." * 4096)
        os.set_blocking(self.writing, True)
        return size

    def read(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            got += os.read(self.reading, size - len(got))
        return got

    def rest(self) -> bytes:
        """Close the writing end; return all that was written."""
        os.close(self.writing)
        got = b""
        while data := os.read(self.reading, 65536):
            got += data
        os.close(self.reading)
        return got


@pytest.fixture
def pipe() -> Pipe:
    return Pipe()


def lost(count: int) -> bytes:
    return b"lost %d\n" % count


def test_lines_are_written_in_their_order(pipe: Pipe) -> None:
    writer = LineWriter(Descriptor(pipe.writing), lost)
    for number in range(1000):
        writer.put(b"%d\n" % number)
    writer.close(LONG)
    assert pipe.rest() == b"".join(b"%d\n" % number for number in range(1000))


def test_nobody_waits_for_a_reader_and_lost_lines_are_counted(pipe: Pipe) -> None:
    full = pipe.fill()
    writer = LineWriter(Descriptor(pipe.writing), lost, room=100)
    line = b"x" * 9 + b"\n"
    # The thread takes some of them and is stuck with these; ten more fit.
    for _ in range(100):
        writer.put(line)
    writer.close(0)
    assert pipe.read(full) == b"." * full
    writer.close(LONG)
    written = pipe.rest()
    *lines, told = written.splitlines()
    assert set(lines) == {line.strip()}
    assert told == b"lost %d" % (100 - len(lines))


def test_an_end_that_nobody_reads_is_waited_for_no_longer_than_said(pipe: Pipe) -> None:
    pipe.fill()
    writer = LineWriter(Descriptor(pipe.writing), lost)
    writer.put(b"x\n")
    writer.close(0.01)
    os.close(pipe.reading)
    writer.close(LONG)
    os.close(pipe.writing)


def test_a_disk_that_fails_is_told_once_and_that_it_works_again() -> None:
    told: list[OSError | None] = []
    written = []
    fails = [True, True, False, False]
    asked = threading.Semaphore(0)

    def write(data: bytes) -> None:
        asked.release()
        if fails.pop(0):
            raise OSError(errno.ENOSPC, "full")
        written.append(data)

    writer = LineWriter(write, lost, failed=told.append)
    for line in (b"a\n", b"b\n", b"c\n"):
        writer.put(line)
        asked.acquire()
    writer.close(LONG)
    assert [error and error.errno for error in told] == [errno.ENOSPC, None]
    assert written == [b"c\n", b"lost 2\n"]


def test_a_line_that_was_cut_gets_its_end_before_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []

    def write(number: int, data: bytes) -> int:
        if len(written) == 1:
            written.append(b"")
            raise OSError(errno.ENOSPC, "full")
        written.append(bytes(data[:2]) if not written else bytes(data))
        return len(written[-1])

    monkeypatch.setattr(os, "write", write)
    target = Descriptor(99)
    with pytest.raises(OSError, match="full"):
        target(b"one\n")
    target(b"two\n")
    assert b"".join(written) == b"on\ntwo\n"


def test_one_line_is_written_at_once_or_by_a_thread(pipe: Pipe) -> None:
    say(pipe.writing, b"now\n")
    assert pipe.read(4) == b"now\n"
    full = pipe.fill()
    say(pipe.writing, b"later\n")
    assert pipe.read(full + 6).endswith(b".later\n")
    assert pipe.rest() == b""


def test_a_closed_descriptor_does_no_harm(pipe: Pipe) -> None:
    pipe.rest()
    assert is_writable(pipe.writing)
    say(pipe.writing, b"x\n")


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch, pipe: Pipe) -> Iterator[Pipe]:
    """Stands for stderr."""
    monkeypatch.setattr(output_module, "STDERR", pipe.writing)
    monkeypatch.setattr(output_module, "STDOUT", pipe.writing)
    level = logging.getLogger().level
    yield pipe
    logging.getLogger().setLevel(level)


def test_inside_all_goes_to_the_queue_and_outside_nothing_does(stderr: Pipe) -> None:
    before = sys.stderr
    with ServingOutput("text", "info", LONG) as output:
        output.announce("w2z: serving")
        logging.getLogger("w2z").info("a line")
        logging.getLogger("w2z").debug("no line")
        sys.stderr.write("from Python\n")
        sys.stderr.write("half ")
    assert sys.stderr is before
    logging.getLogger("w2z").info("another line")
    text = stderr.rest().decode()
    assert text.startswith("w2z: serving\n")
    assert " INFO w2z: a line\n" in text
    assert "from Python\n" in text
    assert "no line" not in text
    assert "another" not in text


def test_in_json_every_line_is_an_object(stderr: Pipe) -> None:
    with ServingOutput("json", "info", LONG) as output:
        output.announce("w2z: serving")
        logging.getLogger("w2z").info("a line")
        sys.stderr.write("from Python\n")
    for line in stderr.rest().splitlines():
        assert line.startswith(b'{"time": "')


def test_lines_that_nobody_reads_are_counted_in_a_line(stderr: Pipe) -> None:
    full = stderr.fill()
    # Those of other tests may write to nobody for ever.
    others = {*threading.enumerate()}
    with ServingOutput("text", "info", 0):
        for _ in range(3):
            logging.getLogger("w2z").info("x" * 2**19)
        threads = [one for one in {*threading.enumerate()} - others if one.name == "w2z-lines"]
    stderr.read(full)
    got = b""
    while b"dropped" not in got:
        got += os.read(stderr.reading, 65536)
    for one in threads:
        one.join()
    assert b"lines of log were dropped: nobody read them" in got
    stderr.rest()
