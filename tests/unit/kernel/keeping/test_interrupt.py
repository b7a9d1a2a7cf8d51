"""Which way a kernel is interrupted: never by a signal that could kill it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.kernel.keeping.interrupt import SEEN, Plan, Way, plan

SIGNAL, MESSAGE = Way.SIGNAL, Way.MESSAGE

modes = st.none() | st.sampled_from(["signal", "message"])
implementations = st.sampled_from([*SEEN, "IRkernel", "IJAVA", "Deno Kernel"]) | st.text()
anything = implementations | st.none() | st.integers() | st.lists(st.integers())
"""kernel_info is the kernel's own: its implementation may be missing, or no text."""


@pytest.mark.parametrize("owned", [False, True])
@pytest.mark.parametrize("implementation", [None, "ipython", "deno kernel", "nobody knows it"])
@pytest.mark.parametrize(
    ("option", "spec", "way"),
    [
        ("signal", None, SIGNAL),
        ("signal", "message", SIGNAL),
        ("message", "signal", MESSAGE),
        (None, "signal", SIGNAL),
        (None, "message", MESSAGE),
    ],
)
def test_what_is_said_counts_and_the_operator_most(option, spec, way, implementation, owned):
    assert plan(option, spec, implementation, owned=owned) == Plan((way,), True)


@pytest.mark.parametrize(
    ("implementation", "attached", "owned"),
    [
        ("ipython", (MESSAGE, SIGNAL), (SIGNAL, MESSAGE)),
        ("bash_kernel", (MESSAGE, SIGNAL), (SIGNAL, MESSAGE)),
        ("octave_kernel", (MESSAGE, SIGNAL), (SIGNAL, MESSAGE)),
        ("IRkernel", (SIGNAL,), (SIGNAL,)),
        ("JJava", (MESSAGE,), (MESSAGE,)),
        ("Deno kernel", (), ()),
        ("xeus-python", (), ()),
    ],
)
def test_known_kernels_are_interrupted_as_they_take_it(implementation, attached, owned):
    """The signal first for an own kernel: it reaches what the kernel started, too."""
    assert plan(None, None, implementation, owned=False) == Plan(attached, True)
    assert plan(None, None, implementation, owned=True) == Plan(owned, True)


@pytest.mark.parametrize("implementation", [None, "", "a kernel", 5])
def test_a_kernel_nobody_knows_is_sent_a_message_and_not_taken_at_its_word(implementation):
    assert plan(None, None, implementation, owned=True) == Plan((MESSAGE,), False)


def test_known_names_are_in_small_letters():
    """Others would never be found."""
    assert [name for name in SEEN if name != name.lower()] == []


@given(modes, modes, anything, st.booleans())
def test_a_signal_goes_only_to_a_kernel_that_is_said_or_known_to_take_it(
    option, spec, implementation, owned
):
    ways = plan(option, spec, implementation, owned=owned).ways
    seen = SEEN.get(str(implementation).lower())
    is_said = (option or spec) == "signal"
    is_known = option is None and spec is None and seen is not None and seen.signal
    assert (SIGNAL in ways) is (is_said or is_known)


@given(modes, modes, anything)
def test_who_owns_the_kernel_changes_the_order_of_the_ways_only(option, spec, implementation):
    own = plan(option, spec, implementation, owned=True)
    others = plan(option, spec, implementation, owned=False)
    assert own.ways == others.ways[::-1]
    assert own.is_certain is others.is_certain
    assert len(set(own.ways)) == len(own.ways)


@given(modes, modes, anything, st.booleans())
def test_only_a_kernel_that_is_known_to_take_nothing_has_no_way(
    option, spec, implementation, owned
):
    chosen = plan(option, spec, implementation, owned=owned)
    if not chosen.ways:
        assert (option, spec) == (None, None)
        assert SEEN[str(implementation).lower()] == (False, False)
        assert chosen.is_certain
