"""The line that shows a person what attach does."""

import io
import logging

import pytest

from w2z.client.command import StateLine, sentence
from w2z.client.options import State

URL = "http://there:1/"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State(), f"w2z: connecting to {URL} since 12:00, trying again"),
        (
            State(trouble="Connection refused"),
            f"w2z: connecting to {URL} since 12:00 (Connection refused), trying again",
        ),
        (State(is_connected=True, was_connected=True), f"w2z: connected to {URL}"),
        (
            State(is_connected=True, was_connected=True, kernel="busy"),
            f"w2z: connected to {URL}; kernel busy",
        ),
        (
            State(was_connected=True, kernel="busy", trouble="it said 502"),
            f"w2z: no connection to {URL} since 12:00 (it said 502), trying again",
        ),
    ],
)
def test_the_state_is_one_sentence(state, said):
    assert sentence(state, URL, "12:00") == said


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_the_line_is_always_the_present_state():
    stream = Terminal()
    with StateLine(stream, URL) as line:
        line.show(State(is_connected=True, was_connected=True))
        logging.getLogger("w2z").warning("something else")
        line.show(State(was_connected=True))
    written = stream.getvalue().split("\r\x1b[2K")
    assert written[1:3] == [f"w2z: connected to {URL}", "w2z: something else\n"]
    assert written[3].startswith(f"w2z: no connection to {URL} since ")
    assert written[4:] == [""], "nothing stays"


def test_elsewhere_only_what_is_wrong_is_said():
    stream = io.StringIO()
    with StateLine(stream, URL) as line:
        line.show(State(is_connected=True, was_connected=True))
        logging.getLogger("w2z").warning("something else")
    assert stream.getvalue() == "w2z: something else\n"
