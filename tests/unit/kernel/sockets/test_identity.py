"""The names of sessions' sockets: the same again, no two alike, and they tell no session_id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.kernel.sockets.identity import hands_over, identity


@given(st.text(), st.text(st.characters(exclude_categories=[])), st.integers(0, 2**31))
def test_the_same_session_has_the_same_one_again_and_zmq_takes_it(key, session_id, generation):
    name = identity(key, session_id, generation)
    assert name == identity(key, session_id, generation)
    assert 0 < len(name) <= 255
    assert name[0] != 0


def test_another_kernel_session_or_generation_has_another():
    names = {
        identity("key", "a", 0),
        identity("another key", "a", 0),
        identity("key", "b", 0),
        identity("key", "a", 1),
    }
    assert len(names) == 4


def test_it_does_not_tell_the_session():
    assert b"a long session_id" not in identity("key", "a long session_id", 0)


@pytest.mark.parametrize(
    ("implementation", "does"),
    [("ipython", True), ("bash_kernel", True), ("irkernel", False), ("", False)],
)
def test_kernels_hand_it_over_or_do_not(implementation, does):
    assert hands_over(implementation) is does
