"""How late the event loop is."""

from w2z.bridge.lag import WINDOW, Lag


def test_the_worst_of_the_last_windows_is_told_and_the_sum_of_all():
    lag = Lag()
    assert (lag.worst, lag.total) == (0, 0)
    lag.measured(2)
    lag.measured(1)
    assert (lag.worst, lag.total) == (2, 3)
    for _ in range(WINDOW):
        lag.measured(0)
    assert lag.worst == 2
    for _ in range(WINDOW):
        lag.measured(0)
    assert (lag.worst, lag.total) == (0, 3)
