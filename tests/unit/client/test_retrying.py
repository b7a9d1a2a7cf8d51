"""What may pass is tried again, with pauses; what cannot is an error that says what to do."""

from __future__ import annotations

import pytest

from w2z.client.retrying import LONGEST_AGAIN, SHORTEST_AGAIN, Retrying, closing, refusal
from w2z.errors import (
    KernelGone,
    NotW2z,
    SessionTaken,
    Unauthorized,
    UnknownKernel,
    Unreachable,
)

URL = "http://w2z.example/"


def test_the_pauses_double_up_to_the_longest():
    retry = Retrying(URL, 100.0, 0.0)
    pauses = [retry.failed("refused", 0.0, 1.0) for _ in range(12)]
    assert pauses[:3] == [SHORTEST_AGAIN, 2 * SHORTEST_AGAIN, 4 * SHORTEST_AGAIN]
    assert pauses[-1] == LONGEST_AGAIN


def test_chance_spreads_them():
    assert Retrying(URL, 100.0, 0.0).failed("", 0.0, 0.0) == SHORTEST_AGAIN / 2


def test_no_pause_is_longer_than_patience():
    retry = Retrying(URL, 10.0, 0.0)
    assert retry.failed("", 9.99, 1.0) == pytest.approx(0.01)
    assert retry.left(4.0) == 6.0


def test_patience_ends_with_what_is_the_matter():
    retry = Retrying(URL, 10.0, 0.0)
    with pytest.raises(Unreachable, match=r"10 seconds \(refused\): look whether"):
        retry.failed("refused", 10.0, 1.0)
    with pytest.raises(Unreachable, match="it does not answer"):
        retry.failed("", 10.0, 1.0)


def test_a_session_that_another_keeps_is_taken():
    retry = Retrying(URL, 10.0, 0.0)
    with pytest.raises(SessionTaken, match="use another session_id"):
        retry.failed("in use", 10.0, 1.0, status=409)


def test_after_a_connection_patience_begins_anew():
    retry = Retrying(URL, 10.0, 0.0)
    for _ in range(5):
        retry.failed("", 0.0, 1.0)
    retry.ended(50.0, 20.0, has_worked=False)
    assert retry.left(50.0) == 20.0
    assert retry.failed("", 50.0, 1.0) > SHORTEST_AGAIN, "it carried nothing"
    retry.ended(60.0, 20.0, has_worked=True)
    assert retry.failed("", 60.0, 1.0) == SHORTEST_AGAIN


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
def test_a_server_that_is_not_there_yet_is_tried_again(status):
    assert refusal(status, "", URL) is None


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, Unauthorized, "set W2Z_TOKEN"),
        (403, Unauthorized, "check the token"),
        (404, UnknownKernel, "check the path"),
        (200, NotW2z, "check the URL"),
        (301, NotW2z, "check http:// or https://"),
    ],
)
def test_another_refusal_is_final(status, kind, words):
    error = refusal(status, "told", URL)
    assert type(error) is kind
    assert words in str(error)
    assert URL in str(error)


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006, 1009, 1011, 1012, 1013])
def test_most_ends_are_followed_by_another_connection(code):
    assert closing(code, "", URL) is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [(4401, Unauthorized), (4404, UnknownKernel), (4409, SessionTaken), (4410, KernelGone)],
)
def test_some_ends_are_final(code, kind):
    assert type(closing(code, "reason", URL)) is kind
