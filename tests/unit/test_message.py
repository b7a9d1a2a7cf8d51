"""The measure of every memory limit, and the names of channels and sessions."""

import re

from tests.support.memory import growth
from tests.unit.examples import message
from w2z.message import BUFFER_COST, Channel, Message, digest, size_of


def test_the_size_counts_every_part_and_every_buffer_once():
    one = Message(Channel.SHELL, b"1", b"22", b"333", b"4444", (b"55555", b"666666"))
    assert size_of([one]) == 1 + 2 + 3 + 4 + 5 + 6 + 2 * BUFFER_COST


def test_many_small_buffers_count_for_the_memory_that_they_take():
    with growth() as grown:
        buffers = tuple(b"%06d" % number for number in range(100_000))
        taken = grown()
    counted = size_of([Message(Channel.IOPUB, b"", b"", b"", b"", buffers)])
    assert taken <= counted < 3 * taken


def test_a_view_counts_as_the_bytes_it_shows():
    whole = memoryview(b"x" * 100)
    one = Message(Channel.SHELL, b"", b"", b"", b"", (whole[10:30],))
    assert size_of([one]) == 20 + BUFFER_COST


def test_the_size_of_a_batch_is_the_sum_of_its_messages():
    batch = [message("stream", "a"), message("stream", "longer", buffers=(b"abc",))]
    assert size_of(batch) == size_of(batch[:1]) + size_of(batch[1:])
    assert size_of([]) == 0


def test_a_digest_names_a_session_and_does_not_show_it():
    assert digest("a") == digest("a") != digest("b")
    assert re.fullmatch("[0-9a-f]{12}", digest("a-session"))
    assert digest("\udcff") != digest("")  # JSON has halves of characters


def test_the_channels_are_the_five_of_the_protocol():
    assert sorted(Channel) == ["control", "hb", "iopub", "shell", "stdin"]
