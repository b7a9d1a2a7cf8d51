"""Memory that is up: who gives way to whom, and what of theirs.

Invariants of the property test: whatever is said and whoever stalls, reads or acknowledges, what
is in memory is within the limit; and each session that was not given up gets every message that
was for it, or a gap that counts it, in order; one that may not be dropped is never in a gap.
"""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.delivery.examples import read
from tests.unit.examples import message, text_of
from tests.unit.shelf import Shelf
from w2z.delivery.journal import SPILL_BATCH_SIZE, Journal
from w2z.delivery.memory import KEPT_FOR_ABSENT, TRIM_EVERY, Load, Memory
from w2z.delivery.overflow import ITEM_COST, Gap
from w2z.delivery.session import Session
from w2z.message import BUFFER_COST, Message, size_of

SIZE = 1000


def sized(msg_type: str, text: str, size: int = SIZE) -> Message:
    """A message that costs so many bytes."""
    bare = message(msg_type, text)
    return bare._replace(buffers=(bytes(size - ITEM_COST - BUFFER_COST - size_of([bare])),))


class Room:
    """A memory of so many bytes, and sessions that read nothing unless they are told to."""

    def __init__(self, limit: int, *names: str, store: Shelf | None = None, tail: int = 0) -> None:
        self.journal = Journal(store, tail)
        self.sessions = {name: Session[str](name, True, acked=0, sent=0, floor=0) for name in names}
        self.memory = Memory(limit, self.journal, self.sessions)
        self.lost: list[str] = []

    def say(self, text: str, msg_type: str = "stream", size: int = SIZE, to: str | None = None):
        """Something is said; a message is a batch."""
        self.journal.append(to, [sized(msg_type, text, size)])
        self.lost += [session.session_id for session in self.memory.make_room()]

    def acknowledge(self, name: str, position: int) -> None:
        """All before ``position`` has arrived there."""
        session = self.sessions[name]
        session.sent = max(session.sent, position)
        self.memory.arrive(session, position)

    def owed(self, name: str) -> list[str]:
        """All that the session would read now, a gap as the number of messages it counts."""
        session = self.sessions[name]
        remains, _ = session.remains.read(session.acked, 2**40)
        return [*map(told, remains), *self._in_journal(name)]

    def _in_journal(self, name: str) -> Iterable[str]:
        session = self.sessions[name]
        position = max(session.floor, session.acked)
        while position < self.journal.end:
            items, position = read(self.journal, position, name)
            yield from map(told, items)

    @property
    def load(self) -> int:
        """Bytes in memory."""
        return self.memory.load.memory


def told(item: Message | Gap) -> str:
    """What a session reads there."""
    return f"{item.messages} dropped" if isinstance(item, Gap) else text_of(item)


def test_nothing_is_made_room_for_within_the_limit():
    room = Room(3 * SIZE, "ann")
    for said in "123":
        room.say(said)
    assert room.owed("ann") == list("123")
    assert room.memory.load == Load(3 * SIZE, 0)
    assert room.memory.queued(room.sessions["ann"]) == 3 * SIZE


def test_what_nobody_needs_goes_first():
    room = Room(3 * SIZE, "ann")
    for said in "123":
        room.say(said)
        room.acknowledge("ann", room.journal.end)
    room.say("4")
    assert room.owed("ann") == ["4"]
    assert room.load == SIZE


def test_the_tail_goes_before_anything_that_is_needed():
    room = Room(3 * SIZE, tail=9 * SIZE)
    for said in "123":
        room.say(said)
    assert room.load == 3 * SIZE
    room.sessions["ann"] = Session("ann", True, acked=2, sent=2, floor=2)
    room.say("4")
    assert room.owed("ann") == ["3", "4"]
    assert room.load == 2 * SIZE


def test_then_the_oldest_is_moved_to_the_store():
    room = Room(2 * SPILL_BATCH_SIZE, "ann", store=Shelf())
    for said in "1234":
        room.say(said, size=SPILL_BATCH_SIZE)
    assert room.memory.load == Load(2 * SPILL_BATCH_SIZE, 2 * SPILL_BATCH_SIZE)
    assert room.owed("ann") == list("1234")


def test_what_only_absent_sessions_need_is_stored_but_for_the_newest():
    room = Room(2**30, "ann", "bob", store=Shelf(), tail=SPILL_BATCH_SIZE)
    room.sessions["bob"].client = "a client"
    said = [str(number) for number in range(20)]
    for one in said:
        room.say(one, size=SPILL_BATCH_SIZE)
        room.acknowledge("bob", room.journal.end)
        assert room.load <= KEPT_FOR_ABSENT + 4 * SPILL_BATCH_SIZE
    assert room.memory.spill_for_absent(SPILL_BATCH_SIZE), "there may be more"
    assert not room.memory.spill_for_absent(2**30)
    assert room.load <= SPILL_BATCH_SIZE
    assert room.owed("ann") == said
    assert room.owed("bob") == []


def test_what_somebody_who_is_there_needs_stays_in_memory():
    room = Room(2**30, "ann", "bob", store=Shelf())
    room.sessions["bob"].client = "a client"
    for said in "123456789":
        room.say(said, size=SPILL_BATCH_SIZE)
    assert not room.memory.spill_for_absent(2**30)
    assert room.load == 9 * SPILL_BATCH_SIZE


def test_where_the_store_takes_none_of_it_it_stays_in_memory():
    room = Room(2**30, "ann")
    for said in "123456789":
        room.say(said, size=SPILL_BATCH_SIZE)
    assert not room.memory.spill_for_absent(2**30)
    assert room.load == 9 * SPILL_BATCH_SIZE


def test_then_the_slowest_is_moved_past_what_may_be_dropped():
    room = Room(3 * SIZE, "ann", "bob")
    for said in "12":
        room.say(said)
    room.acknowledge("bob", 2)
    for said in "34":
        room.say(said)
    assert room.owed("ann") == ["2 dropped", "3", "4"]
    assert room.owed("bob") == ["3", "4"]


def test_what_is_for_others_and_what_may_not_be_dropped_makes_no_gap():
    room = Room(5 * SIZE, "ann", "bob")
    room.say("1", to="bob")
    room.say("2", "status")
    for said in "3456":
        room.say(said)
    assert room.owed("ann") == ["2", "3 dropped", "6"]
    assert room.owed("bob") == ["1 dropped", "2", "3 dropped", "6"]


def test_what_a_newcomer_passes_over_is_not_in_its_gap():
    room = Room(3 * SIZE)
    room.journal.append(None, [sized("stream", said) for said in "123"])
    room.sessions["ann"] = Session("ann", True, acked=0, sent=0, floor=0)
    room.sessions["ann"].skip = (0, 2)
    room.say("4")
    assert room.owed("ann") == ["1 dropped", "4"]


@pytest.mark.parametrize(("handed", "owed"), [(0, ["1", "2"]), (1, ["2"])])
def test_what_was_to_be_read_once_and_was_does_not_remain(handed, owed):
    room = Room(2 * SIZE, "ann")
    room.sessions["ann"].handed = handed
    room.journal.append(None, [sized("status", "1", SIZE * 7 // 10)], once=True)
    room.say("2", "status", SIZE * 7 // 10)
    room.say("3", size=2 * SIZE)
    assert room.owed("ann") == [*owed, "1 dropped"]


def test_what_has_arrived_of_a_chunk_in_the_store_is_not_in_the_gap():
    room = Room(2 * SPILL_BATCH_SIZE, "ann", store=Shelf(room=SPILL_BATCH_SIZE * 3 // 2))
    for said in "12":
        room.say(said, size=SPILL_BATCH_SIZE // 2 + 1)
    for said in "34":
        room.say(said, size=SPILL_BATCH_SIZE - 1)
    room.acknowledge("ann", 1)
    room.say("5", size=SPILL_BATCH_SIZE)
    assert room.owed("ann") == ["3 dropped", "5"]


def test_what_the_store_lost_makes_a_gap_when_it_has_to_go():
    shelf = Shelf(room=SPILL_BATCH_SIZE * 3 // 2)
    room = Room(2 * SPILL_BATCH_SIZE, "ann", store=shelf)
    for said in "123":
        room.say(said, size=SPILL_BATCH_SIZE)
    shelf.has_lost = True
    room.say("4", size=SPILL_BATCH_SIZE)
    shelf.has_lost = False
    assert room.owed("ann") == ["2 dropped", "3", "4"]


def test_who_has_most_that_may_not_be_dropped_is_given_up():
    room = Room(4 * SIZE, "ann", "bob")
    for said in "12":
        room.say(said, "status", to="ann")
    for said in "345":
        room.say(said, "status", to="bob")
    assert room.lost == ["bob"]
    assert list(room.sessions) == ["ann"]
    assert room.owed("ann") == ["1", "2"]
    assert room.load == 2 * SIZE


def test_as_many_are_given_up_as_it_takes():
    room = Room(2 * SIZE, "ann", "bob", "eve")
    room.say("1", "status", size=5 * SIZE)
    assert sorted(room.lost) == ["ann", "bob", "eve"]
    assert room.load == 0


BIG = TRIM_EVERY // 2 + 1


@pytest.mark.parametrize("tail", [0, 2 * BIG])
def test_what_all_have_acknowledged_goes_when_there_is_enough_of_it(tail):
    room = Room(2**30, "ann", "bob", tail=tail)
    for said in "123456":
        room.say(said, size=BIG)
    room.acknowledge("ann", 6)
    assert room.load == 6 * BIG, "bob needs it"
    room.acknowledge("bob", 6)
    assert room.load == tail


def test_what_was_acknowledged_leaves_the_store_however_little_it_is():
    shelf = Shelf()
    room = Room(2 * SPILL_BATCH_SIZE, "ann", store=shelf)
    for said in "123":
        room.say(said, size=SPILL_BATCH_SIZE)
    room.acknowledge("ann", 1)
    assert shelf.kept == {}


STEPS = st.lists(
    st.tuples(st.sampled_from(["stream", "status"]), st.sampled_from([None, "ann", "bob"]))
    | st.tuples(st.just("acknowledge"), st.sampled_from(["ann", "bob"])),
    max_size=40,
)


@given(STEPS, st.integers(2, 8), st.sampled_from([0, 5 * SIZE]))
def test_each_gets_what_was_for_it_or_a_gap_that_counts_it(steps, limit, room_in_store):
    room = Room(limit * SIZE, "ann", "bob", store=Shelf(room_in_store))
    said: dict[str, list[tuple[str, str]]] = {"ann": [], "bob": []}
    for number, (what, whom) in enumerate(steps):
        if what == "acknowledge":
            if whom in room.sessions:
                room.acknowledge(whom, room.journal.end)
                said[whom].clear()
            continue
        for name, messages in said.items():
            if whom in (None, name):
                messages.append((what, str(number)))
        room.say(str(number), what, to=whom)
        assert room.load <= limit * SIZE
    for name in room.sessions:
        expected = iter(said[name])
        for one in room.owed(name):
            if one.endswith("dropped"):
                gone = [next(expected) for _ in range(int(one.split()[0]))]
                assert {what for what, _ in gone} == {"stream"}
            else:
                assert next(expected)[1] == one
        assert list(expected) == []
