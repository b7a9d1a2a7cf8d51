"""Which way a kernel is interrupted: never by a signal that could kill it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.kernel.keeping.interrupt import NAMED, SEEN, Plan, Way, plan

SIGNAL, MESSAGE = Way.SIGNAL, Way.MESSAGE

modes = st.none() | st.sampled_from(["signal", "message"])
implementations = st.sampled_from([*SEEN, "IRkernel", "IJAVA", "Deno Kernel"]) | st.text()
anything = implementations | st.none() | st.integers() | st.lists(st.integers())
"""kernel_info is the kernel's own: its implementation may be missing, or no text."""
names = st.sampled_from(["", *NAMED, "IR", "Deno", "my kernel"]) | st.text()

DIES = {"deno kernel", "jjava", "xeus-python"}
TAKES_IT = {"bash_kernel", "ipython", "irkernel", "octave_kernel"}
"""What was seen of kernels at a SIGINT."""


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


@pytest.mark.parametrize(
    ("name", "attached", "owned"),
    [
        ("ir", (SIGNAL,), (SIGNAL,)),
        ("IR", (SIGNAL,), (SIGNAL,)),
        ("python3", (MESSAGE, SIGNAL), (SIGNAL, MESSAGE)),
        ("bash", (MESSAGE, SIGNAL), (SIGNAL, MESSAGE)),
        ("octave", (MESSAGE, SIGNAL), (SIGNAL, MESSAGE)),
        ("java", (MESSAGE,), (MESSAGE,)),
        ("jjava", (MESSAGE,), (MESSAGE,)),
        ("deno", (), ()),
        ("xpython", (), ()),
        ("xpython-raw", (), ()),
    ],
)
@pytest.mark.parametrize("implementation", [None, ""])
def test_a_kernel_that_never_answered_is_known_by_its_name(name, attached, owned, implementation):
    """IRkernel answers nothing while it runs something, and w2z may just have been attached."""
    assert plan(None, None, implementation, name=name, owned=False) == Plan(attached, True)
    assert plan(None, None, implementation, name=name, owned=True) == Plan(owned, True)


@pytest.mark.parametrize("name", ["ir", "python3", "deno"])
@pytest.mark.parametrize(
    ("implementation", "ways"),
    [("a kernel", (MESSAGE,)), (5, (MESSAGE,)), ("JJava", (MESSAGE,)), ("IRkernel", (SIGNAL,))],
)
def test_what_a_kernel_says_of_itself_counts_more_than_its_name(name, implementation, ways):
    assert plan(None, None, implementation, name=name, owned=False).ways == ways


@pytest.mark.parametrize("name", ["", "my kernel", "irkernel"])
def test_a_name_that_nobody_knows_tells_nothing(name):
    assert plan(None, None, None, name=name, owned=False) == Plan((MESSAGE,), False)


def test_each_kernel_that_was_seen_has_a_name_and_each_name_a_kernel():
    assert set(NAMED.values()) == set(SEEN) == DIES | TAKES_IT


def test_known_names_are_in_small_letters():
    """Others would never be found."""
    assert [name for name in (*SEEN, *NAMED) if name != name.lower()] == []


@given(modes, modes, anything, names, st.booleans())
def test_a_kernel_that_dies_of_a_signal_gets_one_only_where_somebody_said_so(
    option, spec, implementation, name, owned
):
    ways = plan(option, spec, implementation, name=name, owned=owned).ways
    what_it_says = str(implementation).lower() if implementation else None
    if what_it_says in DIES or (what_it_says is None and NAMED.get(name.lower()) in DIES):
        assert SIGNAL not in ways or "signal" in (option, spec)


@given(modes, modes, st.none() | st.integers() | st.text(), st.text(), st.booleans())
def test_a_signal_is_no_guess(option, spec, implementation, name, owned):
    is_known = str(implementation).lower() in SEEN or name.lower() in NAMED
    ways = plan(option, spec, implementation, name=name, owned=owned).ways
    assert is_known or SIGNAL not in ways or "signal" in (option, spec)


@given(st.sampled_from(["signal", "message"]), modes, anything, names, st.booleans())
def test_the_operator_has_the_last_word(option, spec, implementation, name, owned):
    assert plan(option, spec, implementation, name=name, owned=owned) == ((Way(option),), True)


@given(st.sampled_from(sorted(TAKES_IT)), names, st.booleans())
def test_a_kernel_that_takes_a_signal_gets_one_at_last(implementation, name, owned):
    """Also where it is asked by a message first, and does not answer."""
    assert SIGNAL in plan(None, None, implementation, name=name, owned=owned).ways


@given(modes, modes, anything, names)
def test_who_owns_the_kernel_changes_the_order_of_the_ways_only(option, spec, implementation, name):
    own = plan(option, spec, implementation, name=name, owned=True)
    others = plan(option, spec, implementation, name=name, owned=False)
    assert own.ways == others.ways[::-1]
    assert own.is_certain is others.is_certain
    assert len(set(own.ways)) == len(own.ways)


@given(modes, modes, anything, names, st.booleans())
def test_only_a_kernel_that_dies_of_a_signal_and_ignores_the_message_has_no_way(
    option, spec, implementation, name, owned
):
    chosen = plan(option, spec, implementation, name=name, owned=owned)
    if not chosen.ways:
        assert (option, spec) == (None, None)
        assert chosen.is_certain
        assert str(implementation).lower() in DIES or NAMED[name.lower()] in DIES
