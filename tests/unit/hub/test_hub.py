"""The hub, as a dialogue: who comes and goes, what the kernel says, who hears it.

The invariant of the last two tests, whatever the interleaving of coming, going, stalling and
flowing: without overflow every session hears exactly what was said to it or to all since it was
there, in order; with overflow it hears all of it that is essential, in order, and is told of every
message it does not hear in the place where that was.
"""

import json
import re
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.unit.examples import message, text_of
from w2z.errors import NotAllowed
from w2z.hub.hub import READ_SIZE, Hub
from w2z.hub.journal import Journal
from w2z.hub.overflow import ITEM_COST as MESSAGE_COST
from w2z.hub.overflow import is_droppable
from w2z.message import Channel, Message, size_of

HEADER = b'{"msg_type":"stream","msg_id":"notice"}'
PLENTY = 2**30
SIZE = 1000


def sized(msg_type: str, text: str, size: int = SIZE) -> Message:
    """A message that costs so many bytes, so that tests can count in messages."""
    bare = message(msg_type, text)
    return bare._replace(buffers=(bytes(size - MESSAGE_COST - size_of([bare])),))


@dataclass(eq=False)
class Client:
    """A websocket that notes down what is written to it."""

    slow: bool = False
    got: list[Message] = field(default_factory=list)

    @property
    def heard(self) -> list[str]:
        """What it got, a gap notice as the number of messages it stands for."""
        return [told_by(one) for one in self.got]


def told_by(got: Message) -> str:
    """The text of a message, or how many messages a gap notice says were dropped."""
    if got.header != HEADER:
        return text_of(got)
    counted = re.search(r"(\d+) messages", json.loads(got.content)["text"])
    assert counted
    return f"{counted[1]} dropped"


class Stage:
    """A hub, with the bridge's part of the bargain: write what it decides, read what is owed."""

    def __init__(self, limit: int = PLENTY) -> None:
        self.hub: Hub[Client] = Hub(limit, lambda: HEADER, Journal())
        self.lost: list[str] = []

    def enter(self, session_id: str, *, slow: bool = False, resumable: bool = True) -> Client:
        """A client comes, and reads what it is owed unless it is slow."""
        client = Client(slow)
        self.replaced = self.hub.attach(session_id, client, resumable=resumable)
        self.flow(session_id, client)
        return client

    def leave(self, session_id: str, client: Client, now: float = 0) -> bool:
        """A client goes; tells whether its session went with it."""
        return self.hub.detach(session_id, client, now)

    def stall(self, session_id: str, client: Client) -> None:
        """A client takes no more for now."""
        client.slow = True
        self.hub.stalled(session_id, client)

    def flow(self, session_id: str, client: Client) -> None:
        """A client reads until it is owed nothing, or is too slow."""
        while not client.slow and self.hub.owes(session_id, client):
            client.got += self.hub.read(session_id)

    def unstall(self, session_id: str, client: Client) -> None:
        """A client takes more again."""
        client.slow = False
        self.flow(session_id, client)

    def kernel(self, *said: Message | str, to: str | None = None) -> None:
        """The kernel says something, to one session or to all; a str is some output."""
        batch = [sized("stream", one) if isinstance(one, str) else one for one in said]
        clients, lost = self.hub.to_clients(to, batch)
        for client in clients:
            client.got += batch
        self.lost += [session.session_id for session in lost]


# Who hears what


def test_all_hear_what_is_said_to_all_and_one_what_is_said_to_it():
    stage = Stage()
    ann, bob = stage.enter("ann"), stage.enter("bob")
    stage.kernel("busy")
    stage.kernel("reply", to="ann")
    stage.kernel("idle")
    assert ann.heard == ["busy", "reply", "idle"]
    assert bob.heard == ["busy", "idle"]


def test_a_newcomer_hears_nothing_of_what_was_said_before():
    stage = Stage()
    ann = stage.enter("ann", slow=True)
    stage.kernel("before")
    bob = stage.enter("bob")
    stage.kernel("after")
    assert bob.heard == ["after"]
    stage.unstall("ann", ann)
    assert ann.heard == ["before", "after"]


def test_what_is_said_to_nobody_known_is_not_kept():
    stage = Stage()
    stage.kernel("to the air")
    stage.kernel("to a stranger", to="stranger")
    assert stage.enter("stranger").heard == []


def test_a_batch_is_heard_in_its_order():
    stage = Stage()
    ann = stage.enter("ann")
    stage.kernel("1", "2", "3")
    assert ann.heard == ["1", "2", "3"]


# Slow clients


def test_a_slow_client_hears_later_what_the_others_hear_at_once():
    stage = Stage()
    ann, bob = stage.enter("ann"), stage.enter("bob")
    stage.stall("ann", ann)
    stage.kernel("1")
    stage.kernel("for ann", to="ann")
    stage.kernel("for bob", to="bob")
    stage.kernel("2")
    assert bob.heard == ["1", "for bob", "2"]
    assert ann.heard == []
    stage.unstall("ann", ann)
    assert ann.heard == ["1", "for ann", "2"]


def test_a_client_that_has_caught_up_hears_at_once_again():
    stage = Stage()
    ann = stage.enter("ann", slow=True)
    stage.kernel("1")
    stage.unstall("ann", ann)
    stage.kernel("2")
    assert ann.heard == ["1", "2"]


def test_what_is_said_while_a_client_catches_up_waits_its_turn():
    stage = Stage()
    ann = stage.enter("ann", slow=True)
    stage.kernel("1")
    stage.kernel("2")
    ann.got += stage.hub.read("ann")
    stage.kernel("3")
    stage.unstall("ann", ann)
    assert ann.heard == ["1", "2", "3"]


def test_a_client_that_stalls_twice_loses_its_place_to_nothing():
    stage = Stage()
    ann = stage.enter("ann")
    stage.stall("ann", ann)
    stage.kernel("1")
    stage.stall("ann", ann)
    stage.unstall("ann", ann)
    assert ann.heard == ["1"]


def test_a_client_owes_reading_until_there_is_nothing_left():
    stage = Stage()
    ann = stage.enter("ann", slow=True)
    assert stage.hub.owes("ann", ann)
    assert stage.hub.read("ann") == []
    assert not stage.hub.owes("ann", ann)


def test_strangers_are_owed_nothing_and_stall_nobody():
    stage = Stage()
    ann = stage.enter("ann")
    stage.hub.stalled("stranger", Client())
    stage.hub.stalled("ann", Client())
    assert not stage.hub.owes("stranger", Client())
    stage.kernel("1")
    assert ann.heard == ["1"]


# Coming back


def test_who_comes_back_hears_what_was_said_meanwhile_and_only_once():
    stage = Stage()
    ann = stage.enter("ann")
    stage.kernel("1")
    assert stage.leave("ann", ann) is False
    stage.kernel("2")
    stage.kernel("3", to="ann")
    again = stage.enter("ann")
    stage.kernel("4")
    assert ann.heard == ["1"]
    assert again.heard == ["2", "3", "4"]


def test_who_left_while_slow_goes_on_where_it_was():
    stage = Stage()
    ann = stage.enter("ann")
    stage.stall("ann", ann)
    stage.kernel("1")
    stage.leave("ann", ann)
    stage.kernel("2")
    assert stage.enter("ann").heard == ["1", "2"]


def test_a_session_without_a_name_goes_with_its_client():
    stage = Stage()
    ann = stage.enter("random", resumable=False)
    assert stage.leave("random", ann) is True
    assert "random" not in stage.hub
    stage.kernel("1")
    assert stage.enter("random").heard == []


def test_leaving_twice_or_unknown_changes_nothing():
    stage = Stage()
    ann = stage.enter("ann")
    stage.leave("ann", ann, now=1)
    assert stage.leave("ann", ann, now=9) is False
    assert stage.leave("stranger", ann) is False
    assert stage.hub.expired(before=1) == ["ann"]


# Replacing


def test_a_second_client_of_a_session_replaces_the_first():
    stage = Stage()
    first = stage.enter("ann")
    stage.kernel("1")
    second = stage.enter("ann")
    assert stage.replaced is first
    stage.kernel("2")
    assert first.heard == ["1"]
    assert second.heard == ["2"]
    assert list(stage.hub.clients()) == [second]


def test_a_replaced_client_has_no_say_any_more():
    stage = Stage()
    first = stage.enter("ann")
    second = stage.enter("ann")
    stage.hub.stalled("ann", first)
    assert not stage.hub.owes("ann", first)
    assert stage.leave("ann", first) is False
    stage.kernel("1")
    assert second.heard == ["1"]


def test_who_replaces_another_hears_nothing_before_it_has_read():
    stage = Stage()
    first = stage.enter("ann")
    second = stage.enter("ann", slow=True)
    stage.kernel("1")
    assert second.heard == []
    assert stage.hub.owes("ann", second)
    assert not stage.hub.owes("ann", first)
    stage.unstall("ann", second)
    assert second.heard == ["1"]


def test_what_the_replaced_client_was_too_slow_for_goes_to_the_second():
    stage = Stage()
    stage.enter("ann", slow=True)
    stage.kernel("1")
    second = stage.enter("ann")
    assert second.heard == ["1"]


# Sessions


def test_the_hub_knows_its_sessions_and_their_clients():
    stage = Stage()
    ann, bob = stage.enter("ann"), stage.enter("bob")
    stage.leave("bob", bob)
    assert "ann" in stage.hub
    assert "bob" in stage.hub
    assert "eve" not in stage.hub
    assert len(stage.hub) == 2
    assert list(stage.hub.clients()) == [ann]
    assert stage.hub.client("ann") is ann
    assert stage.hub.client("bob") is None
    assert stage.hub.client("eve") is None


def test_only_who_is_gone_long_enough_expires():
    stage = Stage()
    for name, left in (("ann", 10.0), ("bob", 20.0)):
        stage.leave(name, stage.enter(name), now=left)
    stage.enter("eve")
    assert stage.hub.expired(before=9.9) == []
    assert stage.hub.expired(before=10.0) == ["ann"]
    assert stage.hub.expired(before=99.0) == ["ann", "bob"]


def test_who_came_back_does_not_expire():
    stage = Stage()
    stage.leave("ann", stage.enter("ann"), now=1)
    stage.enter("ann")
    assert stage.hub.expired(before=99) == []


def test_the_oldest_who_is_gone_is_the_one_who_left_first():
    stage = Stage()
    assert stage.hub.oldest_detached() is None
    ann, bob = stage.enter("ann"), stage.enter("bob")
    assert stage.hub.oldest_detached() is None
    stage.leave("bob", bob, now=1)
    stage.leave("ann", ann, now=2)
    assert stage.hub.oldest_detached() == "bob"


def test_a_forgotten_session_starts_anew():
    stage = Stage()
    stage.leave("ann", stage.enter("ann"))
    stage.kernel("1")
    stage.hub.forget("ann")
    stage.hub.forget("ann")
    assert "ann" not in stage.hub
    assert stage.enter("ann").heard == []


# To the kernel


@pytest.mark.parametrize("channel", Channel)
def test_clients_may_send_on_every_channel_but_iopub(channel):
    stage = Stage()
    sent = message("x", channel=channel)
    if channel is Channel.IOPUB:
        with pytest.raises(NotAllowed, match="from the kernel only"):
            stage.hub.check_to_kernel(sent)
    else:
        stage.hub.check_to_kernel(sent)


# Memory


def kept(stage: Stage) -> int:
    """Bytes in the journal and in what overflow left of it, all sessions together."""
    return stage.hub._journal.size + stage.hub._remains


def test_nothing_is_kept_while_everybody_keeps_up():
    stage = Stage()
    stage.enter("ann")
    stage.kernel("1")
    assert kept(stage) == 0


def test_what_all_have_read_is_kept_no_longer():
    stage = Stage()
    ann, bob = stage.enter("ann", slow=True), stage.enter("bob", slow=True)
    stage.kernel("1")
    stage.unstall("ann", ann)
    assert kept(stage) > 0
    stage.unstall("bob", bob)
    assert kept(stage) == 0


def test_what_only_a_forgotten_session_still_had_to_read_goes_with_it():
    stage = Stage()
    stage.leave("ann", stage.enter("ann"))
    stage.enter("bob")
    stage.kernel("1")
    assert kept(stage) > 0
    stage.hub.forget("ann")
    assert kept(stage) == 0


# Overflow


ESSENTIAL = [
    message("status", "busy"),
    message("execute_input", "input"),
    message("execute_result", "result"),
    message("error", "error"),
    message("comm_open", "open"),
    message("comm_msg", "msg"),
    message("comm_close", "close"),
    message("debug_event", "debug"),
]
ADDRESSED = [
    message("execute_reply", "reply", channel=Channel.SHELL),
    message("input_request", "ask", channel=Channel.STDIN),
    message("debug_reply", "debugged", channel=Channel.CONTROL),
]


def test_output_gives_way_to_a_notice_in_its_place():
    stage = Stage(limit=2 * SIZE)
    ann = stage.enter("ann", slow=True)
    for said in "1234":
        stage.kernel(said)
    stage.kernel(message("status", "idle"))
    stage.unstall("ann", ann)
    assert ann.heard == ["3 dropped", "4", "idle"]


def test_essentials_are_never_dropped_and_part_the_gaps():
    stage = Stage(limit=10 * SIZE)
    ann = stage.enter("ann", slow=True)
    stage.kernel("1", "2")
    for said in ESSENTIAL:
        stage.kernel(said)
    stage.kernel("3")
    for said in ADDRESSED:
        stage.kernel(said, to="ann")
    # The last straw: all output has to go, even this.
    stage.kernel(sized("stream", "4", 6 * SIZE))
    stage.unstall("ann", ann)
    essential = [text_of(said) for said in ESSENTIAL]
    addressed = [text_of(said) for said in ADDRESSED]
    assert ann.heard == ["2 dropped", *essential, "1 dropped", *addressed, "1 dropped"]


def test_who_keeps_up_loses_nothing_to_who_does_not():
    stage = Stage(limit=3 * SIZE)
    ann, bob = stage.enter("ann", slow=True), stage.enter("bob")
    for said in "123456":
        stage.kernel(said)
    assert bob.heard == list("123456")
    stage.unstall("ann", ann)
    assert ann.heard == ["4 dropped", "5", "6"]


def test_the_slowest_gives_way_first():
    stage = Stage(limit=4 * SIZE)
    ann, bob = stage.enter("ann", slow=True), stage.enter("bob")
    stage.kernel("1")
    stage.kernel("2")
    stage.stall("bob", bob)
    stage.kernel("3")
    stage.kernel("4")
    stage.kernel("5")
    stage.unstall("ann", ann)
    stage.unstall("bob", bob)
    assert ann.heard == ["2 dropped", "3", "4", "5"]
    assert bob.heard == list("12345")


def test_what_was_said_to_others_is_neither_kept_for_a_session_nor_counted_as_dropped():
    stage = Stage(limit=3 * SIZE)
    ann, bob = stage.enter("ann", slow=True), stage.enter("bob", slow=True)
    for said in "123":
        stage.kernel(said, to="bob")
    stage.kernel("4")
    stage.unstall("ann", ann)
    stage.unstall("bob", bob)
    assert ann.heard == ["4"]
    assert bob.heard == ["2 dropped", "3", "4"]


def test_a_second_overflow_adds_to_what_the_first_left():
    stage = Stage(limit=3 * SIZE)
    ann = stage.enter("ann", slow=True)
    for said in "12345":
        stage.kernel(said)
    ann.got += stage.hub.read("ann")
    for said in "678":
        stage.kernel(said)
    stage.unstall("ann", ann)
    assert ann.heard == ["3 dropped", "3 dropped", "7", "8"]


def test_who_owes_more_essentials_than_all_memory_is_given_up():
    stage = Stage(limit=4 * SIZE)
    stage.enter("ann", slow=True)
    bob = stage.enter("bob")
    for number in range(20):
        stage.kernel(sized("execute_result", str(number)))
    assert stage.lost == ["ann"]
    assert "ann" not in stage.hub
    assert kept(stage) == 0
    assert bob.heard == [str(number) for number in range(20)]


def test_who_is_gone_is_given_up_like_who_is_slow():
    stage = Stage(limit=4 * SIZE)
    stage.leave("ann", stage.enter("ann"))
    for number in range(20):
        stage.kernel(sized("execute_result", str(number)))
    assert stage.lost == ["ann"]


def test_one_batch_beyond_all_memory_is_essential_or_dropped_at_once():
    stage = Stage(limit=SIZE)
    ann = stage.enter("ann", slow=True)
    stage.kernel(*"123456789")
    assert kept(stage) == MESSAGE_COST, "that of the gap"
    stage.unstall("ann", ann)
    assert ann.heard == ["9 dropped"]


def test_the_limit_itself_is_kept_and_nothing_beyond_it():
    stage = Stage(limit=2 * SIZE)
    ann = stage.enter("ann", slow=True)
    stage.kernel("1", "2")
    assert kept(stage) == 2 * SIZE
    stage.unstall("ann", ann)
    stage.stall("ann", ann)
    stage.kernel(sized("stream", "3", 2 * SIZE + 1))
    assert kept(stage) == MESSAGE_COST
    stage.unstall("ann", ann)
    assert ann.heard == ["1", "2", "1 dropped"]


def test_small_messages_cost_what_they_are_kept_in():
    stage = Stage(limit=10 * MESSAGE_COST)
    ann = stage.enter("ann", slow=True)
    for number in range(10):
        stage.kernel(message("stream", str(number)))
    stage.unstall("ann", ann)
    assert ann.heard[0].endswith("dropped")


def test_what_overflow_left_counts_with_what_comes_after_it():
    stage = Stage(limit=4 * SIZE)
    ann = stage.enter("ann", slow=True)
    stage.kernel(sized("execute_result", "1"))
    stage.kernel(sized("execute_result", "2"))
    for said in "34567":
        stage.kernel(said)
        assert kept(stage) <= 4 * SIZE
    stage.unstall("ann", ann)
    assert ann.heard == ["1", "2", "4 dropped", "7"]


def test_who_owes_most_is_given_up_when_all_together_owe_too_much():
    stage = Stage(limit=4 * SIZE)
    ann, bob = stage.enter("ann", slow=True), stage.enter("bob", slow=True)
    for said in "12":
        stage.kernel(sized("execute_reply", said), to="ann")
    for said in "345":
        stage.kernel(sized("execute_reply", said), to="bob")
    assert stage.lost == ["bob"]
    assert "bob" not in stage.hub
    assert kept(stage) == 2 * SIZE
    stage.unstall("ann", ann)
    assert ann.heard == ["1", "2"]
    assert bob.heard == []


def test_as_many_are_given_up_as_the_limit_takes():
    stage = Stage(limit=2 * SIZE)
    for name in ("ann", "bob", "eve"):
        stage.enter(name, slow=True)
    stage.kernel(sized("status", "1"), sized("status", "2"), sized("status", "3"))
    assert sorted(stage.lost) == ["ann", "bob", "eve"]
    assert kept(stage) == 0


def test_what_overflow_left_is_read_in_pieces_a_transport_can_swallow():
    stage = Stage(limit=4 * READ_SIZE)
    ann = stage.enter("ann", slow=True)
    for said in "123456":
        stage.kernel(sized("execute_result", said, READ_SIZE // 2))
    stage.kernel(sized("stream", "7", 5 * READ_SIZE))
    assert len(stage.hub.read("ann")) == 2
    stage.unstall("ann", ann)
    assert ann.heard == ["3", "4", "5", "6", "1 dropped"]


# The invariant

NAMES = st.sampled_from(["ann", "bob", "eve"])
TYPES = st.sampled_from(["stream", "display_data", "status", "execute_result", "error"])


class Play(RuleBasedStateMachine):
    """Anything that may happen to a hub, in any order.

    ``said`` is what each session has to hear since it is there, ``heard`` what its clients got.
    """

    limit = PLENTY

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage(self.limit)
        self.clients: dict[str, Client | None] = {}
        self.said: dict[str, list[Message]] = {}
        self.earlier: dict[str, list[Message]] = {}
        self.number = 0

    def heard(self, name: str) -> list[Message]:
        client = self.clients[name]
        return self.earlier[name] + (client.got if client else [])

    def gone(self, name: str) -> None:
        del self.clients[name], self.said[name], self.earlier[name]

    @rule(name=NAMES, slow=st.booleans())
    def enter(self, name, slow):
        """Come for the first time, come back, or replace the client that is there."""
        earlier = self.heard(name) if name in self.clients else []
        before = self.clients.get(name)
        self.said.setdefault(name, [])
        self.earlier[name] = earlier
        self.clients[name] = self.stage.enter(name, slow=slow)
        assert self.stage.replaced is before

    @rule(name=NAMES)
    def leave(self, name):
        client = self.clients.get(name)
        if client:
            self.earlier[name] = self.heard(name)
            self.clients[name] = None
            self.stage.leave(name, client)

    @rule(name=NAMES)
    def stall(self, name):
        client = self.clients.get(name)
        if client:
            self.stage.stall(name, client)

    @rule(name=NAMES)
    def unstall(self, name):
        client = self.clients.get(name)
        if client:
            self.stage.unstall(name, client)

    @rule(name=NAMES)
    def read_once(self, name):
        """A slow client takes a piece and no more."""
        client = self.clients.get(name)
        if client and self.stage.hub.owes(name, client):
            client.got += self.stage.hub.read(name)

    @rule(to=st.none() | NAMES, types=st.lists(TYPES, min_size=1, max_size=3))
    def kernel(self, to, types):
        batch = []
        for msg_type in types:
            self.number += 1
            batch.append(sized(msg_type, str(self.number)))
        for name in self.said:
            if to in (None, name):
                self.said[name] += batch
        self.stage.kernel(*batch, to=to)
        for lost in self.stage.lost:
            self.gone(lost)
        self.stage.lost.clear()

    @rule(name=NAMES)
    def forget(self, name):
        if name in self.clients and not self.clients[name]:
            self.stage.hub.forget(name)
            self.gone(name)

    @invariant()
    def nobody_hears_anything_else(self):
        for name, client in self.clients.items():
            compare(self.said[name], self.heard(name))
            if client and not self.stage.hub.owes(name, client):
                assert told(self.heard(name)) == len(self.said[name])

    @invariant()
    def memory_is_bounded(self):
        assert kept(self.stage) <= self.limit

    def teardown(self):
        """In the end all come back and hear the rest."""
        for name in list(self.clients):
            self.enter(name, slow=False)
        self.nobody_hears_anything_else()
        assert kept(self.stage) == 0


def compare(said: list[Message], heard: list[Message]) -> None:
    """What was heard is the beginning of what was said, with notices for what may be dropped."""
    at = 0
    for got in heard:
        if got.header == HEADER:
            count = int(told_by(got).split()[0])
            assert all(is_droppable(one) for one in said[at : at + count])
            at += count
        else:
            assert text_of(got) == text_of(said[at])
            at += 1
    assert at <= len(said)


def told(heard: list[Message]) -> int:
    """How many messages were heard or heard of."""
    return sum(int(told_by(one).split()[0]) if one.header == HEADER else 1 for one in heard)


class CrampedPlay(Play):
    """The same with little memory."""

    limit = 6 * SIZE


def test_without_overflow_every_session_hears_exactly_what_it_should():
    play = settings(max_examples=150, stateful_step_count=40)
    run_state_machine_as_test(Play, settings=play)


def test_with_overflow_every_session_hears_or_hears_of_what_it_should():
    play = settings(max_examples=150, stateful_step_count=40)
    run_state_machine_as_test(CrampedPlay, settings=play)


@given(st.lists(st.sampled_from([*ESSENTIAL, message("stream", "out")]), max_size=40))
def test_with_plenty_of_memory_nothing_is_ever_dropped(said):
    stage = Stage()
    ann = stage.enter("ann", slow=True)
    for one in said:
        stage.kernel(one)
    stage.unstall("ann", ann)
    assert ann.got == said
