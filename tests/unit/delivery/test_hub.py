"""The hub, as a dialogue: who comes and goes, what the kernel says, who hears it."""

import json
import re
from dataclasses import dataclass, field

import pytest

from tests.unit.examples import message, request, text_of
from tests.unit.shelf import Shelf
from w2z.delivery.hub import READ_SIZE, Hub
from w2z.delivery.journal import LONG_LOAD, SPILL_BATCH_SIZE, Journal
from w2z.delivery.memory import KEPT_FOR_ABSENT, TRIM_EVERY, Load
from w2z.delivery.overflow import ITEM_COST
from w2z.delivery.repeats import Repeat
from w2z.delivery.requests import Forward
from w2z.delivery.session import OFFSETS, PART, Counters, Session
from w2z.errors import NotAllowed
from w2z.message import BUFFER_COST, Channel, Message, Request, size_of

HEADER = b'{"msg_type":"stream","msg_id":"notice"}'
PLENTY = 2**30
SIZE = 1000
WINDOW = 60


def sized(msg_type: str, text: str, size: int = SIZE, channel: Channel = Channel.IOPUB) -> Message:
    """A message that costs so many bytes, so that tests can count in messages."""
    bare = message(msg_type, text, channel=channel)
    return bare._replace(buffers=(bytes(size - ITEM_COST - BUFFER_COST - size_of([bare])),))


@dataclass(eq=False)
class Client:
    """A websocket that notes down what is written to it."""

    slow: bool = False
    prompt: bool = False
    """Acknowledges what it hears as soon as it has heard it."""
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

    def __init__(self, limit: int = PLENTY, store: Shelf | None = None, tail: int = 0) -> None:
        self.journal = Journal(store, tail)
        self.hub: Hub[Client] = Hub(limit, lambda: HEADER, self.journal)
        self.lost: list[str] = []

    def enter(
        self,
        session_id: str,
        *,
        slow: bool = False,
        prompt: bool = False,
        resumable: bool = True,
        replay: int = 0,
        received: int = 0,
    ) -> Client:
        """A client comes, and reads what it is owed unless it is slow."""
        client = Client(slow, prompt)
        self.replaced = self.hub.attach(
            session_id, client, resumable=resumable, replay=replay, received=received
        )
        self.flow(session_id, client)
        return client

    def leave(
        self, session_id: str, client: Client, now: float = 0, window: float = WINDOW
    ) -> bool:
        """A client goes; tells whether its session went with it."""
        return self.hub.detach(session_id, client, now, window)

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

    def acknowledge(self, session_id: str, client: Client) -> None:
        """All that the client was handed has arrived."""
        self.hub.acknowledge(session_id, client, self.hub.position(session_id))

    def kernel(
        self,
        *said: Message | str,
        to: str | None = None,
        own: bool = False,
        once: bool = False,
    ) -> None:
        """The kernel says something, to one session or to all; a str is some output."""
        batch = [sized("stream", one) if isinstance(one, str) else one for one in said]
        clients, lost, is_large = self.hub.to_clients(to, batch, own=own, once=once)
        if is_large:
            lost = self.hub.make_room()
        for client in clients:
            client.got += batch
        self.lost += [session.session_id for session in lost]
        for session in self.hub.sessions():
            if session.client and session.client.prompt:
                self.acknowledge(session.session_id, session.client)

    def ask(self, session_id: str, asked: Request) -> bool:
        """A client asks the kernel something; tells whether it goes there."""
        forward = self.hub.to_kernel(session_id, asked)
        if isinstance(forward, Repeat):
            return False
        forward.done()
        return True

    def session(self, session_id: str) -> Session[Client]:
        """The session of that name."""
        return next(one for one in self.hub.sessions() if one.session_id == session_id)


def memory(stage: Stage) -> int:
    """Bytes in the journal and in what overflow left of it, all sessions together."""
    return stage.hub.load.memory


# Who hears what


def test_each_session_has_a_number_of_its_own():
    stage = Stage()
    assert stage.hub.number_of("a") == 1, "the next one"
    client = stage.enter("a")
    stage.enter("b")
    assert (stage.hub.number_of("a"), stage.hub.number_of("b")) == (1, 2)
    stage.leave("a", client)
    stage.enter("a")
    assert stage.hub.number_of("a") == 1, "it is resumed"
    assert stage.hub.number_of("c") == 3


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


def test_who_stalls_while_a_batch_is_written_gets_it_once():
    """The write of it may be what is too much."""
    stage = Stage()
    ann, bob = stage.enter("ann"), stage.enter("bob")
    clients, *_ = stage.hub.to_clients(None, batch := [sized("stream", "1")])
    for client, name in ((ann, "ann"), (bob, "bob")):
        stage.stall(name, client)
    for client in clients:
        client.got += batch
    for client, name in ((ann, "ann"), (bob, "bob")):
        stage.unstall(name, client)
        assert client.heard == ["1"]


def test_strangers_are_owed_nothing_and_stall_nobody():
    stage = Stage()
    ann = stage.enter("ann")
    stage.hub.stalled("stranger", Client())
    stage.hub.stalled("ann", Client())
    assert not stage.hub.owes("stranger", Client())
    stage.kernel("1")
    assert ann.heard == ["1"]


# Coming back


def test_who_comes_back_hears_what_was_said_meanwhile_and_what_it_has_not_acknowledged():
    stage = Stage()
    ann = stage.enter("ann")
    stage.kernel("1")
    stage.acknowledge("ann", ann)
    stage.kernel("2")
    assert stage.leave("ann", ann) is False
    stage.kernel("3")
    stage.kernel("4", to="ann")
    stage.kernel("not for ann", to="bob")
    again = stage.enter("ann")
    stage.kernel("5")
    assert ann.heard == ["1", "2"]
    assert again.heard == ["2", "3", "4", "5"]


def test_what_was_acknowledged_before_a_batch_came_is_not_heard_again_and_the_batch_is():
    """An acknowledgement is for what was handed over when it was asked for, not for later."""
    stage = Stage()
    ann = stage.enter("ann")
    stage.kernel("1")
    position = stage.hub.position("ann")
    stage.kernel("2")
    stage.hub.acknowledge("ann", ann, position)
    assert stage.enter("ann").heard == ["2"]


def test_who_comes_back_twice_without_acknowledging_hears_it_all_each_time():
    stage = Stage()
    for _ in range(3):
        ann = stage.enter("ann")
        stage.leave("ann", ann)
    stage.kernel("1")
    stage.leave("ann", stage.enter("ann"))
    assert stage.enter("ann").heard == ["1"]


def test_who_left_while_slow_goes_on_where_it_was():
    stage = Stage()
    ann = stage.enter("ann")
    stage.stall("ann", ann)
    stage.kernel("1")
    stage.leave("ann", ann)
    stage.kernel("2")
    assert stage.enter("ann").heard == ["1", "2"]


def test_who_left_in_the_middle_of_catching_up_goes_on_behind_what_it_acknowledged():
    stage = Stage()
    ann = stage.enter("ann", slow=True)
    for said in "123":
        stage.kernel(said)
    ann.got += stage.hub.read("ann")
    stage.acknowledge("ann", ann)
    ann.got += stage.hub.read("ann")
    stage.leave("ann", ann)
    assert ann.heard == ["1", "2"]
    assert stage.enter("ann").heard == ["2", "3"]


def test_a_session_without_a_name_goes_with_its_client():
    stage = Stage()
    ann = stage.enter("random", resumable=False)
    stage.kernel("1")
    assert stage.leave("random", ann) is True
    assert "random" not in stage.hub
    assert stage.enter("random").heard == []


def test_a_session_without_a_name_acknowledges_by_reading():
    stage = Stage()
    ann = stage.enter("random", resumable=False)
    stage.kernel("1")
    stage.stall("random", ann)
    for said in "234":
        stage.kernel(said)
    ann.got += stage.hub.read("random")
    again = stage.enter("random", resumable=False)
    assert ann.heard == ["1", "2"]
    assert again.heard == ["3", "4"]


def test_leaving_twice_or_unknown_changes_nothing():
    stage = Stage()
    ann = stage.enter("ann")
    stage.leave("ann", ann, now=1)
    assert stage.leave("ann", ann, now=9) is False
    assert stage.leave("stranger", ann) is False
    assert stage.hub.expired(1 + WINDOW) == ["ann"]


def test_what_is_said_once_is_heard_once_however_often_a_client_comes_back():
    stage = Stage()
    away = stage.enter("bob")
    stage.leave("bob", away)
    ann = stage.enter("ann")
    stage.kernel("1")
    stage.kernel("once", once=True)
    assert ann.heard == ["1", "once"]
    assert stage.enter("ann").heard == ["1"]
    assert stage.enter("ann").heard == ["1"]
    assert stage.enter("bob").heard == ["1", "once"], "it has not heard it yet"
    assert stage.enter("bob").heard == ["1"]


def test_what_is_said_once_is_heard_by_who_had_not_got_that_far():
    stage = Stage()
    ann = stage.enter("ann", slow=True)
    stage.kernel("1")
    stage.kernel("once", once=True)
    ann.got += stage.hub.read("ann")
    again = stage.enter("ann")
    assert (ann.heard, again.heard) == (["1"], ["1", "once"])


# Acknowledging


def test_a_position_that_was_never_handed_out_is_ignored():
    stage = Stage()
    ann = stage.enter("ann", slow=True)
    stage.kernel("1")
    stage.kernel("2")
    ann.got += stage.hub.read("ann")
    stage.hub.acknowledge("ann", ann, stage.hub.position("ann") + 1)
    assert stage.enter("ann").heard == ["1", "2"]


def test_who_comes_back_and_says_what_it_has_hears_the_rest():
    stage = Stage()
    ann = stage.enter("ann")
    stage.kernel("1")
    received = stage.hub.position("ann")
    stage.kernel("2")
    stage.leave("ann", ann)
    stage.kernel("3")
    assert stage.enter("ann", received=received).heard == ["2", "3"]
    assert stage.enter("ann").heard == ["2", "3"], "it is acknowledged for good"


def test_what_an_earlier_connection_had_counts_as_received():
    stage = Stage()
    stage.enter("ann")
    stage.kernel("1", "2")
    received = stage.hub.position("ann")
    stage.enter("ann", slow=True)
    assert stage.enter("ann", received=received).heard == []


@pytest.mark.parametrize("beyond", [1, 10**19])
def test_what_nobody_was_sent_cannot_have_been_received(beyond: int):
    stage = Stage()
    ann = stage.enter("ann")
    stage.kernel("1")
    received = stage.hub.position("ann") + beyond
    stage.leave("ann", ann)
    stage.kernel("2", "3")
    assert stage.enter("ann", received=received).heard == ["1", "2", "3"]
    assert stage.enter("newcomer", received=received).heard == []


def test_a_place_that_was_taken_from_another_is_known_until_its_client_leaves():
    stage = Stage()
    stage.enter("ann")
    assert not stage.hub.is_taken("ann")
    second = stage.enter("ann")
    assert stage.hub.is_taken("ann")
    stage.leave("ann", second)
    assert not stage.hub.is_taken("ann")
    stage.enter("ann")
    assert not stage.hub.is_taken("ann")
    assert not stage.hub.is_taken("nobody")


def test_an_old_position_takes_nothing_back():
    stage = Stage()
    ann = stage.enter("ann")
    old = stage.hub.position("ann")
    stage.kernel("1")
    stage.acknowledge("ann", ann)
    stage.hub.acknowledge("ann", ann, old)
    stage.kernel("2")
    assert stage.enter("ann").heard == ["2"]


def test_only_the_client_of_a_session_acknowledges_for_it():
    stage = Stage()
    first = stage.enter("ann")
    stage.kernel("1")
    position = stage.hub.position("ann")
    second = stage.enter("ann", slow=True)
    stage.hub.acknowledge("ann", first, position)
    stage.hub.acknowledge("stranger", second, position)
    stage.unstall("ann", second)
    assert second.heard == ["1"]


def test_the_position_of_who_flows_is_the_end_and_of_who_reads_what_it_was_handed():
    stage = Stage()
    ann = stage.enter("ann")
    stage.kernel("1")
    assert stage.hub.position("ann") == 1 * OFFSETS
    stage.stall("ann", ann)
    stage.kernel("2")
    assert stage.hub.position("ann") == 1 * OFFSETS
    stage.unstall("ann", ann)
    assert stage.hub.position("ann") == 2 * OFFSETS


# Parts


def texts(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


@pytest.mark.parametrize("is_stored", [False, True])
def test_who_catches_up_acknowledges_a_part_at_a_time(is_stored: bool):
    stage = Stage(store=Shelf())
    stage.leave("ann", stage.enter("ann"))
    stage.kernel(*texts(1, PART + 10))
    stage.kernel(*texts(PART + 11, 3 * PART))
    if is_stored:
        while stage.journal.spill():
            pass
    arrived = 0
    while arrived < 3 * PART:
        client = stage.enter("ann", slow=True)
        told = [text_of(one) for one in stage.hub.read("ann")]
        assert told == texts(arrived + 1, arrived + len(told))
        assert 0 < len(told) <= PART
        stage.hub.acknowledge("ann", client, stage.hub.position("ann") + 1)
        stage.hub.acknowledge("ann", client, stage.hub.position("ann"))
        arrived += len(told)
        assert stage.hub.has_more("ann") == (arrived < 3 * PART)
        stage.leave("ann", client)
    assert stage.enter("ann").got == []


def test_who_left_between_two_parts_goes_on_behind_what_it_acknowledged():
    stage = Stage()
    stage.leave("ann", stage.enter("ann"))
    stage.kernel(*texts(1, 3 * PART))
    client = stage.enter("ann", slow=True)
    stage.hub.read("ann")
    stage.acknowledge("ann", client)
    stage.hub.read("ann")
    stage.leave("ann", client)
    assert stage.hub.position("ann") > PART
    again = stage.enter("ann", slow=True)
    assert stage.hub.position("ann") == 0
    stage.unstall("ann", again)
    assert again.heard == texts(PART + 1, 3 * PART)


def test_a_stranger_has_nothing_more_to_read():
    assert not Stage().hub.has_more("stranger")


# Replay


@pytest.mark.parametrize(
    ("replay", "heard"),
    [(-1, []), (0, []), (1, ["4"]), (2, ["3", "4"]), (3, ["2", "3", "4"]), (99, list("1234"))],
)
def test_a_newcomer_begins_with_the_last_messages_it_asks_for(replay, heard):
    stage = Stage(tail=PLENTY)
    stage.kernel("1", "2")
    stage.kernel("3", "4")
    ann = stage.enter("ann", replay=replay)
    stage.kernel("5")
    assert ann.heard == [*heard, "5"]


def test_what_was_said_to_others_is_not_replayed_and_does_not_count():
    stage = Stage(tail=PLENTY)
    stage.enter("bob")
    stage.kernel("1")
    stage.kernel("2")
    stage.kernel("for bob", to="bob")
    assert stage.enter("ann", replay=2).heard == ["1", "2"]


def test_all_that_was_carried_is_counted_whoever_has_it():
    stage = Stage()
    assert stage.hub.carried == 0
    stage.enter("bob", slow=True)
    said = message("stream", "1"), message("stream", "2"), message("stream", "for bob")
    stage.kernel(*said[:2])
    stage.kernel(said[2], to="bob")
    assert stage.hub.carried == size_of(said) + len(said) * ITEM_COST


def test_what_was_said_before_the_end_of_replays_is_not_replayed():
    stage = Stage(tail=PLENTY)
    there = stage.enter("there", slow=True)
    stage.kernel("one", "two")
    stage.hub.end_replay()
    assert stage.enter("a", replay=9).heard == []
    stage.kernel("three", "four")
    assert stage.enter("b", replay=9).heard == ["three", "four"]
    assert stage.enter("c", replay=1).heard == ["four"]
    stage.unstall("there", there)
    assert there.heard == ["one", "two", "three", "four"]


def test_only_a_newcomer_is_replayed_to():
    stage = Stage(tail=PLENTY)
    ann = stage.enter("ann")
    stage.kernel("1")
    stage.acknowledge("ann", ann)
    assert stage.enter("ann", replay=9).heard == []


def test_what_is_replayed_is_kept_until_it_is_acknowledged():
    stage = Stage(tail=PLENTY)
    stage.kernel("1", "2", "3")
    stage.leave("ann", stage.enter("ann", replay=2))
    assert stage.enter("ann").heard == ["2", "3"]


def test_what_is_replayed_may_be_a_gap_that_counts_what_was_asked_for():
    stage = Stage(limit=6 * SIZE, tail=PLENTY)
    stage.kernel("1", "2", "3")
    ann = stage.enter("ann", slow=True, replay=2)
    stage.kernel("4", "5")
    stage.kernel("6", "7", "8")
    stage.unstall("ann", ann)
    assert ann.heard == ["2 dropped", *"45678"]


def test_nothing_is_passed_over_behind_a_gap_in_what_is_replayed():
    stage = Stage(limit=5 * SIZE, tail=PLENTY)
    stage.kernel("1", "2", "3")
    ann = stage.enter("ann", slow=True, replay=1)
    stage.kernel("4", "5", "6")
    stage.unstall("ann", ann)
    assert ann.heard == ["1 dropped", *"456"]


def test_what_the_store_lost_of_what_is_replayed_is_told():
    shelf = Shelf()
    stage = Stage(limit=4 * SIZE, store=shelf, tail=PLENTY)
    stage.kernel("1", "2", "3")
    ann = stage.enter("ann", slow=True, replay=2)
    stage.kernel("4", "5")
    shelf.has_lost = True
    stage.unstall("ann", ann)
    assert sum(int(told.split()[0]) for told in ann.heard) >= 2
    assert all(told.endswith("dropped") for told in ann.heard)


# Input


def asked(text: str = "ask") -> Message:
    """The kernel wants input."""
    return message("input_request", text, channel=Channel.STDIN)


def test_what_was_acknowledged_and_not_answered_is_asked_again():
    stage = Stage()
    ann = stage.enter("ann")
    stage.kernel(asked(), to="ann")
    stage.kernel("1")
    stage.acknowledge("ann", ann)
    stage.kernel("2")
    assert stage.enter("ann").heard == ["2", "ask"]
    assert stage.enter("ann").heard == ["2", "ask"]


def test_what_was_not_acknowledged_is_asked_in_its_place_and_once():
    stage = Stage()
    stage.enter("ann")
    stage.kernel(asked(), to="ann")
    stage.kernel("1")
    assert stage.enter("ann").heard == ["ask", "1"]


def test_who_stalls_is_not_asked_again():
    stage = Stage()
    ann = stage.enter("ann")
    stage.kernel(asked(), to="ann")
    stage.acknowledge("ann", ann)
    stage.stall("ann", ann)
    stage.kernel("1")
    stage.unstall("ann", ann)
    assert ann.heard == ["ask", "1"]


@pytest.mark.parametrize(
    "end",
    [
        lambda stage: stage.ask("ann", request("input_reply", channel=Channel.STDIN)),
        lambda stage: stage.hub.connection_is_gone(),
        lambda stage: stage.kernel(message("execute_reply", channel=Channel.SHELL), to="ann"),
    ],
    ids=["answered", "another kernel", "interrupted"],
)
@pytest.mark.parametrize("when", ["before it left", "before it had read all"])
def test_what_needs_no_answer_any_more_is_not_asked_again(end, when):
    stage = Stage()
    ann = stage.enter("ann")
    stage.kernel(asked(), to="ann")
    stage.acknowledge("ann", ann)
    if when == "before it left":
        end(stage)
        stage.acknowledge("ann", ann)
    again = stage.enter("ann", slow=True)
    if when == "before it had read all":
        end(stage)
    stage.unstall("ann", again)
    assert "ask" not in again.heard


@pytest.mark.parametrize(
    "said",
    [
        message("input_reply", channel=Channel.SHELL),
        message("comm_msg", "no input_request", channel=Channel.STDIN),
        message("input_request", channel=Channel.STDIN)._replace(header=b"["),
        message("input_request", channel=Channel.IOPUB),
    ],
    ids=["shell", "another type", "not JSON", "another channel"],
)
def test_nothing_else_is_asked_again(said):
    stage = Stage()
    ann = stage.enter("ann")
    stage.kernel(said, to="ann")
    stage.acknowledge("ann", ann)
    assert stage.enter("ann").got == []


def test_other_requests_do_not_end_the_waiting_for_an_answer():
    stage = Stage()
    ann = stage.enter("ann")
    stage.kernel(asked(), to="ann")
    stage.kernel(message("interrupt_reply", channel=Channel.CONTROL), to="ann")
    stage.kernel(message("execute_reply", channel=Channel.SHELL), to="bob")
    stage.ask("ann", request("is_complete_request"))
    stage.acknowledge("ann", ann)
    assert stage.enter("ann").heard == ["ask"]


def test_what_is_asked_while_a_client_catches_up_is_asked_once():
    stage = Stage()
    ann = stage.enter("ann")
    stage.kernel(asked("old"), to="ann")
    stage.acknowledge("ann", ann)
    again = stage.enter("ann", slow=True)
    stage.kernel(asked("new"), to="ann")
    stage.unstall("ann", again)
    assert again.heard == ["new"]


# Replacing


def test_a_second_client_of_a_session_replaces_the_first():
    stage = Stage()
    first = stage.enter("ann")
    stage.kernel("1")
    second = stage.enter("ann")
    assert stage.replaced is first
    stage.kernel("2")
    assert first.heard == ["1"]
    assert second.heard == ["1", "2"]
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
    assert list(stage.hub) == ["ann", "bob"]
    assert [one.session_id for one in stage.hub.sessions()] == ["ann", "bob"]
    assert list(stage.hub.clients()) == [ann]
    assert stage.hub.client("ann") is ann
    assert stage.hub.client("bob") is None
    assert stage.hub.client("eve") is None


def test_only_who_is_gone_long_enough_expires():
    stage = Stage()
    for name, left in (("ann", 10.0), ("bob", 20.0)):
        stage.leave(name, stage.enter(name), now=left)
    stage.enter("eve")
    stage.leave("dan", stage.enter("dan"), now=20, window=30)
    assert stage.hub.expired(10 + 30) == []
    assert stage.hub.expired(20 + 30) == ["dan"]
    assert stage.hub.expired(10 + WINDOW) == ["ann", "dan"]
    assert stage.hub.expired(20 + WINDOW) == ["ann", "bob", "dan"]


def test_who_has_a_client_or_is_owed_a_reply_is_speaking():
    stage = Stage()
    assert not stage.hub.is_speaking("ann", 0)
    ann = stage.enter("ann")
    assert stage.hub.is_speaking("ann", 0)
    asked = request("execute_request")
    stage.ask("ann", asked)
    stage.leave("ann", ann)
    assert stage.hub.is_speaking("ann", 0)
    parent = asked.message.header
    reply = message("execute_reply", channel=Channel.SHELL, parent_header=parent)
    stage.kernel(reply, to="ann")
    assert not stage.hub.is_speaking("ann", 0)
    stage.leave("ann", stage.enter("ann"), now=7)
    assert stage.hub.is_speaking("ann", 6.9), "it has just left"
    assert not stage.hub.is_speaking("ann", 7)


def test_who_came_back_does_not_expire():
    stage = Stage()
    stage.leave("ann", stage.enter("ann"), now=1)
    stage.enter("ann")
    assert stage.hub.expired(99 + WINDOW) == []


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


@pytest.mark.parametrize("session_id", ["ann", "stranger"])
def test_nobody_sends_on_iopub(session_id):
    stage = Stage()
    stage.enter("ann")
    with pytest.raises(NotAllowed, match="from the kernel only"):
        stage.ask(session_id, request("x", channel=Channel.IOPUB))


REQUEST = request("execute_request", "1")


def test_what_an_earlier_connection_sent_is_not_forwarded_again():
    stage = Stage()
    ann = stage.enter("ann")
    assert stage.ask("ann", REQUEST)
    stage.leave("ann", ann)
    stage.enter("ann")
    assert not stage.ask("ann", REQUEST)
    assert stage.ask("ann", request("execute_request"))
    assert stage.session("ann").counters.repeats == 1


def test_within_one_connection_everything_is_forwarded():
    stage = Stage()
    stage.enter("ann")
    assert stage.ask("ann", REQUEST)
    assert stage.ask("ann", REQUEST)


def test_what_the_kernel_did_not_take_may_be_sent_again():
    stage = Stage()
    stage.enter("ann")
    assert stage.hub.to_kernel("ann", REQUEST)
    stage.enter("ann")
    assert stage.ask("ann", REQUEST)


def test_what_an_earlier_client_said_and_the_kernel_took_later_is_not_forwarded_again():
    stage = Stage()
    stage.enter("ann")
    assert stage.ask("ann", REQUEST)
    stage.hub.begin_connection("ann")
    stage.hub.begin_connection("nobody")
    assert not stage.ask("ann", REQUEST)


def test_what_another_session_sent_is_no_repeat():
    stage = Stage()
    stage.enter("ann")
    stage.enter("bob")
    stage.ask("ann", REQUEST)
    stage.enter("bob")
    assert stage.ask("bob", REQUEST)


# A kernel that is lost


def lost(stage: Stage) -> dict[str, list[str]]:
    """What is to be answered in the kernel's place."""
    gone = stage.hub.connection_is_gone()
    return {name: [text_of(one.message) for one in asked] for name, asked in gone.items()}


def ends(text: str) -> Request:
    """A request of which all is kept that is needed to tell it from others."""
    return request("shutdown_request", text, channel=Channel.CONTROL)


def answer(asked: Request) -> Message:
    """The kernel's reply."""
    parent = asked.message.header
    return message("shutdown_reply", channel=Channel.CONTROL, parent_header=parent)


def test_each_is_answered_what_the_kernel_did_not():
    stage = Stage()
    ann = stage.enter("ann")
    for name in ("bob", "eve"):
        stage.enter(name, resumable=False)
    for name, text in (("ann", "1"), ("bob", "2"), ("ann", "3"), ("ann", "4")):
        assert stage.ask(name, ends(text))
    stage.kernel(answer(ends("3")), to="ann")
    stage.leave("ann", ann)
    assert lost(stage) == {"ann": ["1", "4"], "bob": ["2"]}
    assert lost(stage) == {}


def test_what_w2z_answers_is_not_the_kernels_answer():
    stage = Stage()
    stage.enter("ann")
    stage.ask("ann", ends("1"))
    stage.kernel(asked(), to="ann")
    for said in (answer(ends("1")), message("kernel_info_reply", channel=Channel.SHELL)):
        stage.kernel(said, to="ann", own=True)
    stage.acknowledge("ann", stage.session("ann").client or Client())
    assert stage.enter("ann").heard == ["ask"]
    assert lost(stage) == {"ann": ["1"]}


def test_what_w2z_answers_is_kept_like_what_the_kernel_does():
    stage = Stage()
    stage.leave("ann", stage.enter("ann"))
    stage.kernel(message("execute_reply", "lost", channel=Channel.SHELL), to="ann", own=True)
    assert stage.enter("ann").heard == ["lost"]


def test_what_one_kernel_was_sent_is_no_repeat_for_the_next():
    stage = Stage()
    ann = stage.enter("ann")
    stage.ask("ann", REQUEST)
    stage.leave("ann", ann)
    stage.hub.connection_is_gone()
    stage.enter("ann")
    assert not stage.ask("ann", REQUEST), "it may be the same kernel"
    assert stage.hub.kernel_is_gone() == {}
    assert stage.ask("ann", REQUEST)
    stage.enter("ann")
    assert not stage.ask("ann", REQUEST), "the next one has it, too"


def test_what_is_lost_with_a_kernel_is_told_when_its_end_is():
    stage = Stage()
    stage.enter("ann")
    stage.ask("ann", ends("1"))
    assert stage.hub.kernel_is_gone() == {"ann": [ends("1")]}


def test_a_repeat_is_answered_with_what_the_journal_still_has():
    stage = Stage(tail=PLENTY)
    ann = stage.enter("ann")
    stage.ask("ann", ends("1"))
    stage.kernel(answer(ends("1")), to="ann")
    stage.acknowledge("ann", ann)
    stage.enter("ann")
    assert stage.hub.to_kernel("ann", ends("1")) == Repeat([answer(ends("1"))], is_gone=False)


def test_a_session_that_is_gone_is_owed_no_answer():
    stage = Stage()
    stage.enter("ann")
    stage.ask("ann", ends("1"))
    stage.hub.forget("ann")
    assert lost(stage) == {}


# Memory


def test_nothing_is_kept_for_who_cannot_come_back_and_keeps_up():
    stage = Stage()
    ann = stage.enter("random", resumable=False)
    stage.kernel("1")
    assert stage.hub.queued(stage.session("random")) == 0
    stage.leave("random", ann)
    assert memory(stage) == 0


def test_what_was_not_acknowledged_is_kept():
    stage = Stage()
    ann = stage.enter("ann")
    stage.kernel("1")
    stage.acknowledge("ann", ann)
    stage.kernel("2")
    stage.kernel("3")
    assert stage.hub.queued(stage.session("ann")) == 2 * SIZE
    stage.acknowledge("ann", ann)
    assert stage.hub.queued(stage.session("ann")) == 0


def test_what_only_a_forgotten_session_still_had_to_read_goes_with_it():
    stage = Stage()
    stage.leave("ann", stage.enter("ann"))
    stage.enter("bob", resumable=False)
    stage.kernel("1")
    assert memory(stage) == SIZE
    stage.hub.forget("ann")
    assert memory(stage) == 0


BIG = TRIM_EVERY // 2 + 1


def test_what_all_have_acknowledged_goes_when_there_is_enough_of_it():
    stage = Stage()
    ann, bob = stage.enter("ann"), stage.enter("bob")
    for said in "123":
        stage.kernel(sized("stream", said, BIG))
    stage.acknowledge("ann", ann)
    assert memory(stage) == 3 * BIG, "bob needs it"
    stage.acknowledge("bob", bob)
    assert memory(stage) == 0


def test_the_tail_stays_for_newcomers():
    stage = Stage(tail=2 * BIG)
    ann = stage.enter("ann")
    for said in "12345":
        stage.kernel(sized("stream", said, BIG))
    stage.acknowledge("ann", ann)
    assert memory(stage) == 2 * BIG
    assert stage.enter("bob", replay=99).heard == ["4", "5"]


def test_without_anybody_no_more_than_the_tail_and_what_is_looked_at_together_is_kept():
    stage = Stage(tail=BIG)
    for number in range(20):
        stage.kernel(sized("stream", str(number), BIG))
        assert memory(stage) <= BIG + TRIM_EVERY
    assert memory(stage) >= BIG


# Counters


def test_what_happened_to_a_session_is_counted():
    stage = Stage(limit=2 * SIZE)
    ann = stage.enter("ann", slow=True)
    for said in "1234":
        stage.kernel(said)
    stage.leave("ann", ann)
    ann = stage.enter("ann")
    assert ann.heard == ["3 dropped", "4"]
    content = size_of([sized("stream", "1")])
    told = Counters(resumed=1, gaps=1, dropped_messages=3, dropped_bytes=3 * content)
    assert stage.session("ann").counters == told


def test_what_is_handed_out_again_is_counted_in_batches():
    stage = Stage()
    ann = stage.enter("ann")
    stage.kernel("1")
    stage.acknowledge("ann", ann)
    stage.kernel("2")
    stage.kernel("3", "4")
    stage.enter("ann", slow=True)
    stage.enter("ann")
    assert stage.session("ann").counters == Counters(resumed=2, resent=2)


def test_the_totals_are_of_all_sessions_and_of_those_that_are_gone():
    stage = Stage()
    for name in ("ann", "bob", "eve"):
        stage.enter(name)
    stage.enter("ann")
    stage.enter("bob")
    stage.hub.forget("ann")
    stage.hub.forget("ann")
    assert stage.hub.totals == Counters(resumed=2)


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
    ann, bob = stage.enter("ann", slow=True), stage.enter("bob", prompt=True)
    for said in "123456":
        stage.kernel(said)
    assert bob.heard == list("123456")
    stage.unstall("ann", ann)
    assert ann.heard == ["4 dropped", "5", "6"]


def test_the_slowest_gives_way_first():
    stage = Stage(limit=4 * SIZE)
    ann, bob = stage.enter("ann", slow=True), stage.enter("bob", prompt=True)
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
    bob = stage.enter("bob", prompt=True)
    for number in range(20):
        stage.kernel(sized("execute_result", str(number)))
    assert stage.lost == ["ann"]
    assert "ann" not in stage.hub
    assert memory(stage) <= 4 * SIZE
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
    assert memory(stage) == ITEM_COST, "that of the gap"
    stage.unstall("ann", ann)
    assert ann.heard == ["9 dropped"]


def test_the_limit_itself_is_kept_and_nothing_beyond_it():
    stage = Stage(limit=2 * SIZE)
    ann = stage.enter("ann", slow=True)
    stage.kernel("1", "2")
    assert memory(stage) == 2 * SIZE
    stage.unstall("ann", ann)
    stage.acknowledge("ann", ann)
    stage.stall("ann", ann)
    stage.kernel(sized("stream", "3", 2 * SIZE + 1))
    assert memory(stage) == ITEM_COST
    stage.unstall("ann", ann)
    assert ann.heard == ["1", "2", "1 dropped"]


def test_small_messages_cost_what_they_are_kept_in():
    stage = Stage(limit=10 * ITEM_COST)
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
        assert memory(stage) <= 4 * SIZE
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
    assert memory(stage) == 2 * SIZE
    stage.unstall("ann", ann)
    assert ann.heard == ["1", "2"]
    assert bob.heard == []


def test_as_many_are_given_up_as_the_limit_takes():
    stage = Stage(limit=2 * SIZE)
    for name in ("ann", "bob", "eve"):
        stage.enter(name, slow=True)
    stage.kernel(sized("status", "1"), sized("status", "2"), sized("status", "3"))
    assert sorted(stage.lost) == ["ann", "bob", "eve"]
    assert memory(stage) == 0


def test_what_overflow_left_is_read_in_pieces_a_transport_can_swallow():
    stage = Stage(limit=4 * READ_SIZE)
    ann = stage.enter("ann", slow=True)
    for said in "123456":
        stage.kernel(sized("execute_result", said, READ_SIZE // 2))
    stage.kernel(sized("stream", "7", 5 * READ_SIZE))
    assert len(stage.hub.read("ann")) == 2
    stage.unstall("ann", ann)
    assert ann.heard == ["3", "4", "5", "6", "1 dropped"]


def test_the_gaps_of_what_was_heard_go_one_by_one_as_they_are_acknowledged():
    stage = Stage(limit=3 * SIZE)
    ann = stage.enter("ann")
    positions = []
    for said in "123456":
        stage.kernel(said)
        positions.append(stage.hub.position("ann"))
    stage.hub.acknowledge("ann", ann, positions[1])
    assert ann.heard == list("123456")
    assert stage.enter("ann").heard == ["3 dropped", "6"]


# The store

LIMIT = 2 * SPILL_BATCH_SIZE


def chunk(text: str, msg_type: str = "stream") -> Message:
    """A message that is moved to the store alone."""
    return sized(msg_type, text, SPILL_BATCH_SIZE)


def test_what_nobody_needs_goes_before_anything_is_moved_to_the_store():
    shelf = Shelf()
    stage = Stage(LIMIT, shelf)
    ann = stage.enter("ann", prompt=True)
    for said in "1234":
        stage.kernel(chunk(said))
        assert stage.hub.load.spilled == 0
    assert ann.heard == list("1234")


def test_the_tail_goes_before_anything_is_moved_to_the_store():
    stage = Stage(LIMIT, Shelf(), tail=PLENTY)
    for said in "12":
        stage.kernel(chunk(said))
    ann = stage.enter("ann", slow=True)
    stage.kernel(chunk("3"))
    assert stage.hub.load == Load(SPILL_BATCH_SIZE, 0)
    stage.unstall("ann", ann)
    assert ann.heard == ["3"]


def test_what_memory_has_no_room_for_is_moved_to_the_store_and_read_from_there():
    shelf = Shelf()
    stage = Stage(LIMIT, shelf)
    ann = stage.enter("ann", slow=True)
    for said in "12345":
        stage.kernel(chunk(said))
    assert stage.hub.load == Load(2 * SPILL_BATCH_SIZE, 3 * SPILL_BATCH_SIZE)
    assert stage.hub.queued(stage.session("ann")) == 5 * SPILL_BATCH_SIZE
    stage.unstall("ann", ann)
    assert ann.heard == list("12345")


def test_what_is_long_is_read_from_the_store_once_for_all_until_it_is_let_go():
    stage = Stage(0, Shelf())
    ann, ben, eve = (stage.enter(name, slow=True) for name in ("ann", "ben", "eve"))
    stage.kernel(sized("stream", "long", LONG_LOAD))
    stage.hub.make_room()
    stage.unstall("ann", ann)
    stage.unstall("ben", ben)
    stage.hub.let_go()
    stage.unstall("eve", eve)
    assert ann.heard == ben.heard == eve.heard == ["long"]
    assert ann.got[0] is ben.got[0]
    assert ann.got[0] is not eve.got[0]


def test_what_was_acknowledged_leaves_the_store():
    """At once, though memory keeps to its tail: a kernel may say nothing for long."""
    shelf = Shelf()
    stage = Stage(LIMIT, shelf, tail=LIMIT)
    ann = stage.enter("ann")
    for said in "12345":
        stage.kernel(chunk(said))
    assert stage.hub.load.spilled > 0
    stage.acknowledge("ann", ann)
    assert stage.hub.load == Load(LIMIT, 0)
    assert shelf.kept == {}


def test_what_only_absent_sessions_need_is_stored_and_heard_all_the_same():
    stage = Stage(store=Shelf(), tail=SPILL_BATCH_SIZE)
    bob = stage.enter("bob", prompt=True)
    stage.leave("ann", stage.enter("ann"))
    for said in "1234":
        stage.kernel(chunk(said))
    kept = memory(stage)
    assert kept > 3 * SPILL_BATCH_SIZE
    assert stage.hub.spill_for_absent(SPILL_BATCH_SIZE)
    assert kept - 2 * SPILL_BATCH_SIZE < memory(stage) < kept
    assert not stage.hub.spill_for_absent(PLENTY)
    assert memory(stage) <= SPILL_BATCH_SIZE
    assert not stage.hub.spill_for_absent(PLENTY), "nothing is left"
    assert stage.enter("ann").heard == bob.heard == [*"1234"]


def test_little_is_kept_in_memory_for_absent_sessions_however_much_is_said():
    stage = Stage(store=Shelf(), tail=SPILL_BATCH_SIZE)
    bob = stage.enter("bob", prompt=True)
    stage.leave("ann", stage.enter("ann"))
    said = [str(number) for number in range(20)]
    for one in said:
        stage.kernel(chunk(one))
        assert memory(stage) <= KEPT_FOR_ABSENT + 4 * SPILL_BATCH_SIZE
    assert stage.enter("ann").heard == bob.heard == said


def test_what_somebody_there_needs_stays_in_memory():
    stage = Stage(store=Shelf())
    stage.leave("ann", stage.enter("ann"))
    stage.kernel(chunk("1"))
    stage.enter("bob", slow=True)
    stage.kernel(chunk("2"), chunk("3"))
    assert not stage.hub.spill_for_absent(PLENTY)
    assert 2 * SPILL_BATCH_SIZE <= memory(stage) < 3 * SPILL_BATCH_SIZE


def test_without_a_store_it_all_stays_in_memory():
    stage = Stage()
    stage.leave("ann", stage.enter("ann"))
    stage.kernel(chunk("1"))
    before = memory(stage)
    assert not stage.hub.spill_for_absent(PLENTY)
    assert memory(stage) == before


def test_a_full_store_makes_the_slowest_give_way_from_the_oldest_on():
    stage = Stage(LIMIT, Shelf(room=SPILL_BATCH_SIZE * 5 // 2))
    ann = stage.enter("ann", slow=True)
    stage.kernel(chunk("1"))
    stage.kernel(chunk("2"))
    bob = stage.enter("bob", slow=True)
    for said in "34567":
        stage.kernel(chunk(said))
        assert memory(stage) <= LIMIT
    for name, client in (("ann", ann), ("bob", bob)):
        stage.unstall(name, client)
    assert ann.heard == ["4 dropped", "5", "6", "7"]
    assert bob.heard == ["2 dropped", "5", "6", "7"]


def test_a_session_keeps_the_owner_that_it_began_with():
    hub: Hub[str] = Hub(2**20, lambda: b"{}", Journal(None, 0))
    hub.attach("ann", "one", resumable=True, owner="p")
    hub.attach("ann", "another", resumable=True, owner="p")
    hub.detach("ann", "another", 1.0, WINDOW)
    assert hub.owner("ann") == "p"
    assert hub.oldest_detached("p") == "ann"
    assert hub.oldest_detached("q") is None


def test_requests_that_are_remembered_take_memory():
    hub: Hub[str] = Hub(2**20, lambda: b"{}", Journal(None, 0))
    hub.attach("ann", "one", resumable=True)
    assert hub.remembered == 0
    sent = Request(Message(Channel.SHELL, b"{}", b"{}", b"{}", b"{}"), "x", "1")
    forward = hub.to_kernel("ann", sent)
    assert isinstance(forward, Forward)
    forward.done()
    one = hub.remembered
    assert one > 0
    hub.attach("ann", "two", resumable=True)
    assert hub.remembered == one


def test_a_store_that_has_room_again_is_used_again():
    shelf = Shelf(room=0)
    stage = Stage(LIMIT, shelf)
    ann = stage.enter("ann", slow=True)
    for said in "123":
        stage.kernel(chunk(said))
    shelf.room = PLENTY
    for said in "456":
        stage.kernel(chunk(said))
    stage.unstall("ann", ann)
    assert ann.heard == ["2 dropped", *"3456"]


def test_what_the_store_lost_is_told_in_its_place():
    shelf = Shelf()
    stage = Stage(LIMIT, shelf)
    ann = stage.enter("ann", slow=True)
    bob = stage.enter("bob", slow=True)
    stage.kernel("1", to="bob")
    for said in "2345":
        stage.kernel(chunk(said))
    shelf.has_lost = True
    stage.unstall("ann", ann)
    shelf.has_lost = False
    stage.unstall("bob", bob)
    assert ann.heard == ["2 dropped", "1 dropped", "4", "5"], "what was for bob is counted, too"
    assert bob.heard == list("12345")


def test_a_full_store_that_loses_what_it_has_makes_gaps_of_it():
    shelf = Shelf(room=SPILL_BATCH_SIZE * 5 // 2)
    stage = Stage(LIMIT, shelf)
    ann = stage.enter("ann", slow=True)
    for said in "1234":
        stage.kernel(chunk(said, "execute_result"))
    shelf.has_lost = True
    stage.kernel(chunk("5"))
    stage.kernel(chunk("6"))
    shelf.has_lost = False
    stage.unstall("ann", ann)
    assert ann.heard == ["3 dropped", "4", "5", "6"]
    assert stage.lost == []


def test_what_others_have_in_the_store_does_not_go_for_who_owes_too_much():
    stage = Stage(LIMIT, Shelf(room=SPILL_BATCH_SIZE * 5 // 2))
    stage.enter("ann", slow=True)
    bob = stage.enter("bob", slow=True)
    for said in "1234":
        stage.kernel(chunk(said, "execute_reply"), to="ann")
    stage.kernel(chunk("5"))
    assert stage.lost == ["ann"]
    stage.unstall("bob", bob)
    assert bob.heard == ["5"]


def test_what_is_too_large_for_the_store_is_told_as_dropped():
    """Nothing is copied: such a buffer takes no memory before it is written to."""
    stage = Stage(LIMIT, Shelf())
    ann = stage.enter("ann", slow=True)
    stage.kernel(message("stream", buffers=(bytes(2**31),)))
    stage.unstall("ann", ann)
    assert ann.heard == ["1 dropped"]


def test_a_client_that_falls_back_behind_what_overflow_took_hears_what_remains():
    stage = Stage(limit=3 * SIZE)
    ann = stage.enter("ann", slow=True)
    stage.kernel("1")
    stage.kernel(sized("status", "2"))
    for said in "345":
        stage.kernel(said)
    ann.got += stage.hub.read("ann")
    again = stage.enter("ann")
    assert ann.heard == again.heard[: len(ann.heard)]
    assert again.heard == ["1 dropped", "2", "2 dropped", "5"]


def test_what_was_carried_and_what_is_remembered_has_a_size():
    stage = Stage()
    stage.enter("ann")
    before = stage.hub.carried
    stage.kernel("x")
    assert stage.hub.carried > before
    assert stage.hub.remembered == 0


def test_those_beyond_the_first_few_read_what_comes_from_now_on():
    stage = Stage()
    ann, bob = stage.enter("ann"), stage.enter("bob")
    assert stage.hub.hold_after(2) == []
    assert stage.hub.hold_after(1) == [("bob", bob)]
    stage.kernel("x")
    assert not stage.hub.owes("ann", ann)
    assert stage.hub.owes("bob", bob)
    assert [len(stage.hub.read("bob")), len(stage.hub.read("bob"))] == [1, 0]
    assert not stage.hub.owes("bob", bob), "it flows again"
    assert stage.hub.hold_after(0) == [("ann", ann), ("bob", bob)]
