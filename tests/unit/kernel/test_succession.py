"""Which kernel answers: known by the session in its headers, as far as it has one of its own."""

import pytest

from w2z.kernel.succession import Succession

OWN = "w2z"
ODD = [None, "", 7, ["one"], {"session": "one"}]
"""What a header's session should not be."""


def served_by(*sessions: object) -> Succession:
    """Kernels that answered one after the other and had requests, but for the last."""
    kernels = Succession(OWN)
    for session in sessions[:-1]:
        kernels.on_answer(session)
        kernels.on_served()
    kernels.on_answer(sessions[-1])
    return kernels


def test_before_any_answer_nobody_is_known_and_nobody_passed_over():
    kernels = Succession(OWN)
    assert kernels.known is None
    assert not kernels.is_same
    assert not any(kernels.passes_over(session) for session in ("one", *ODD))


def test_the_session_of_the_last_answer_is_known():
    assert served_by("one", "two").known == "two"


@pytest.mark.parametrize("session", ODD)
def test_a_session_that_is_no_name_is_not_known(session):
    assert served_by("one", session).known is None


# The same, or another.


def test_the_same_session_is_the_same_kernel():
    assert served_by("one", "one").is_same


@pytest.mark.parametrize("session", ["two", *ODD])
def test_another_session_is_another_kernel(session):
    assert not served_by("one", session).is_same


def test_a_kernel_that_answers_with_the_askers_session_may_be_another_each_time():
    assert not served_by(OWN, OWN).is_same


@pytest.mark.parametrize("session", ODD)
def test_kernels_without_a_session_may_be_others_each_time(session):
    assert not served_by(session, session).is_same


def test_who_answered_and_never_had_requests_was_not_before():
    kernels = served_by("one", "two")
    kernels.on_answer("two")
    assert not kernels.is_same
    kernels.on_answer("one")
    assert kernels.is_same


# Passed over.


def test_the_kernel_that_was_told_to_end_is_passed_over_until_another_has_answered():
    kernels = served_by("one", "one")
    kernels.expect_another()
    assert kernels.passes_over("one")
    assert not any(kernels.passes_over(session) for session in ("two", *ODD))
    kernels.on_answer("two")
    assert not kernels.passes_over("one")


def test_one_that_had_not_answered_is_passed_over_whoever_it_is_until_it_says_goodbye():
    kernels = Succession(OWN)
    kernels.expect_another()
    assert all(kernels.passes_over(session) for session in ("one", "two", *ODD))
    kernels.on_goodbye("one")
    assert kernels.passes_over("one")
    assert not kernels.passes_over("two")


def test_a_goodbye_without_a_session_tells_nothing():
    kernels = Succession(OWN)
    kernels.expect_another()
    kernels.on_goodbye(None)
    assert kernels.passes_over(None)
    assert kernels.passes_over("one")


def test_a_goodbye_of_somebody_else_changes_nothing():
    kernels = served_by("one", "one")
    kernels.on_goodbye("one")
    assert not kernels.passes_over("one")
    kernels.expect_another()
    kernels.on_goodbye("two")
    assert kernels.passes_over("one")
    assert not kernels.passes_over("two")


@pytest.mark.parametrize("before", ["one", None])
def test_where_anybody_is_accepted_nobody_is_passed_over(before):
    kernels = served_by(before)
    kernels.expect_another()
    kernels.accept_anybody()
    assert not kernels.passes_over(before)
