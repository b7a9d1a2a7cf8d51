"""The link to one kernel, with nobody at the other end: what becomes of what waits in it."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from tests.support.fake_kernel import own_address
from w2z.errors import KernelMessageError
from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.link import Link
from w2z.kernel.sockets.backlog import FRONT, SPILL_AT
from w2z.kernel.sockets.room import Room
from w2z.reports import Reports


def link(listener: Mock) -> Link:
    ports = {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5}
    return Link(
        ConnectionInfo.model_validate({"ip": own_address(), **ports}),
        listener,
        generation=0,
        name="w2z",
        sessions=["a", "b"],
        max_sessions=8,
        max_size=2**20,
        store=None,
        room=Room(2**27),
        reports=Reports(),
    )


async def test_output_that_was_not_carried_is_told_as_missing() -> None:
    listener = Mock()
    made = link(listener)
    made.backlog.append([[b"one", b"two"], [b"three"]])
    made.close()
    listener.missing.assert_called_once()
    assert listener.missing.call_args.args[0] == 2
    # Once for all.
    made.close()
    listener.missing.assert_called_once()


async def test_replies_that_waited_behind_it_are_carried_behind_that_word() -> None:
    listener, course = Mock(), []
    listener.missing.side_effect = lambda *_: course.append("missing")
    made = link(listener)
    made.backlog.append([[b"one"]])
    made.backlog.then(lambda: course.append("a reply"))
    made.close()
    assert course == ["missing", "a reply"]
    made.close()
    assert course == ["missing", "a reply"]


async def test_nothing_is_missing_where_nothing_waited() -> None:
    listener = Mock()
    link(listener).close()
    listener.missing.assert_not_called()


@pytest.mark.parametrize("is_readable", [True, False])
async def test_without_room_goes_what_clients_can_do_without_and_can_be_read(
    is_readable: bool,
) -> None:
    listener = Mock()
    listener.may_go.side_effect = None if is_readable else KernelMessageError("no signature")
    made = link(listener)
    made.backlog.append([[bytes(FRONT)]])
    made.backlog.append([[bytes(SPILL_AT)]])
    assert listener.may_go.called
    listener.missing.reset_mock()
    while made.backlog:
        made.backlog.pop()
    assert listener.missing.called is is_readable
    made.close()
