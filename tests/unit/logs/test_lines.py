"""How a line looks, and that nobody else can write one that looks like w2z's."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.logs.lines import (
    LONGEST_LINE,
    JsonFormatter,
    KernelLines,
    TextFormatter,
    formatter,
    tamed,
    timestamp,
)

LIKE_OURS = re.compile(r"^\d{4}-\d\d-\d\d .*w2z", re.MULTILINE)
FORGED = "2026-01-01 00:00:00,000 INFO w2z: the token file changed"


def record(message: str, *args: object, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("w2z", logging.INFO, __file__, 1, message, args, None)
    made.created = 1_700_000_000.25
    made.__dict__.update(more)
    return made


def test_the_format_is_chosen_by_its_name():
    assert isinstance(formatter("text"), TextFormatter)
    assert isinstance(formatter("json"), JsonFormatter)


def test_a_text_line_says_when_how_bad_who_and_what():
    line = TextFormatter().format(record("the %s is ready", "kernel"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO w2z: the kernel is ready", line)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_what_a_message_quotes_begins_no_line_of_its_own(end):
    line = TextFormatter().format(record("its last words: x%s", end + FORGED))
    assert len(LIKE_OURS.findall(line)) == 1
    assert line.splitlines()[1] == "    " + FORGED


def test_json_is_one_object_in_one_line_with_utc_and_fields():
    line = JsonFormatter().format(record("a\nb\ud800\u2028", fields={"status": 200}))
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "info",
        "logger": "w2z",
        "message": "a\nb\ud800\u2028",
        "status": 200,
    }


def test_json_has_the_traceback_in_the_message():
    try:
        raise ValueError("wrong")
    except ValueError as error:
        told = record("it failed", exc_info=(ValueError, error, error.__traceback__))
    message = json.loads(JsonFormatter().format(told))["message"]
    assert message.startswith("it failed\nTraceback")
    assert message.endswith("ValueError: wrong")


def test_colours_stay_and_the_cursor_does_not_move():
    assert tamed("\x1b[31mred\x1b[0m\t") == "\x1b[31mred\x1b[0m\t"
    assert tamed("\x1b[2K\x1b[1G\b\x9b2K\u202e") == r"\x1b[2K\x1b[1G\x08\x9b2K\u202e"


def kernel(log_format: Any = "text") -> KernelLines:
    return KernelLines(log_format, "stderr", lambda: 1_700_000_000.25)


def test_the_kernel_s_lines_are_marked_when_they_are_whole():
    lines = kernel()
    assert lines.feed(b"one\ntw") == b"kernel: one\n"
    assert lines.holds
    assert lines.feed(b"o\n\nthree") == b"kernel: two\nkernel: \n"
    assert lines.flush() == b"kernel: three\n"
    assert lines.flush() == b""


def test_a_progress_bar_is_passed_on_step_by_step():
    lines = kernel()
    assert lines.feed(b"\r10 %") == b""
    assert lines.feed(b"\r20") == b"kernel: 10 %\n"
    assert lines.feed(b" %\r") == b"kernel: 20 %\n"
    assert lines.feed(b"done\r\n") == b"kernel: done\n"


def test_a_line_without_an_end_is_not_kept_for_ever():
    lines = kernel()
    assert lines.feed(b"x" * LONGEST_LINE) == b"kernel: " + b"x" * LONGEST_LINE + b"\n"
    assert not lines.holds


def test_in_json_the_kernel_s_lines_say_whose_they_are():
    said = kernel("json").feed(f"{FORGED}\n".encode())
    assert json.loads(said) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "info",
        "logger": "kernel",
        "message": FORGED,
        "stream": "stderr",
    }


@given(st.lists(st.text(alphabet="\r\n\x1b\v\u2028[K2 x0", max_size=30).map(str.encode)))
def test_nothing_that_a_kernel_prints_begins_a_line_of_w2z(prints):
    lines = kernel()
    written = b"".join(lines.feed(one) for one in prints) + lines.flush()
    for line in written.decode().splitlines():
        assert line.startswith("kernel: ")
        assert "\x1b[K" not in line


def test_a_time_is_utc():
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("INFO", "INFO"),
        ("WARNING", "\x1b[33mWARNING\x1b[0m"),
        ("ERROR", "\x1b[31mERROR\x1b[0m"),
    ],
)
def test_on_a_terminal_a_severity_has_its_colour(level, shown):
    made = logging.LogRecord("w2z", getattr(logging, level), "", 1, "an ERROR, said INFO", (), None)
    line = formatter("text", colours=True).format(made)
    assert line.endswith(f" {shown} w2z: an ERROR, said INFO")
    assert formatter("text").format(made).endswith(f" {level} w2z: an ERROR, said INFO")
