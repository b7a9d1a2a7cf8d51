"""What is counted."""

from w2z.counts import Counts
from w2z.message import Channel


def test_a_restart_is_a_kernel_in_the_place_of_a_lost_one():
    counts = Counts()
    counts.opened()
    assert (counts.restarts, counts.kernels_lost, counts.kernels) == (0, 0, 1)
    counts.lost()
    counts.lost()
    counts.opened()
    counts.opened()
    assert (counts.restarts, counts.kernels_lost, counts.kernels) == (1, 2, 2)


def test_close_codes_that_clients_make_up_count_as_one():
    counts = Counts()
    for code in (1000, 1012, 4409, 4000, 4001):
        counts.closed(code)
    assert counts.websockets == {1000: 1, 1012: 1, 4409: 1, 0: 2}


def test_each_channel_and_direction_is_counted_by_itself():
    counts = Counts()
    counts.to_kernel[Channel.SHELL].messages += 2
    counts.to_clients[Channel.SHELL].size += 3
    assert counts.to_kernel[Channel.SHELL].messages == 2
    assert counts.to_clients[Channel.SHELL].messages == 0
    assert counts.to_kernel[Channel.SHELL].size == 0
