"""The fuzzers at work, for a moment: on w2z as it is, and on w2z with a defect put into it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tests.fuzz import run as running
from tests.fuzz.__main__ import FUZZERS
from tests.fuzz.mutate import Mutator
from tests.fuzz.run import run
from tests.fuzz.world import TOKEN
from w2z.errors import HttpError
from w2z.server.frame_reader import FrameReader
from w2z.server.request import Response

SEED = "of the tests"


@pytest.mark.parametrize("name", FUZZERS)
def test_nothing_is_found(name: str):
    course = run(FUZZERS[name](), SEED, inputs=200 if FUZZERS[name].share < 0.1 else 1000)
    assert course.failure == "", f"{course.failure}\n{course.smallest!r}"
    assert len(course.outcomes) >= 3, "the inputs get somewhere"


@pytest.mark.parametrize("name", FUZZERS)
def test_the_same_seed_makes_the_same_inputs(name: str):
    made = []
    for _ in range(2):
        fuzzer, mutator = FUZZERS[name](), Mutator(SEED)
        made.append([fuzzer.make(mutator) for _ in range(50)])
        fuzzer.close()
    assert made[0] == made[1]


def fails(*given: Any, **more: Any) -> Any:
    raise KeyError("a defect")


def tells_the_token(error: HttpError, *, close: bool = False) -> Response:
    return Response(error.status, TOKEN.encode(), error.headers, close)


def breaks_a_line(*given: Any, **more: Any) -> list[tuple[str, str]]:
    return [("x", "y"), ("content-length", "0"), ("content-length", "0")]


def does_nothing(*given: Any, **more: Any) -> None:
    pass


def is_fine(*given: Any, **more: Any) -> bool:
    return True


def sends_no_text(text: bool, size: int) -> bytes:
    return bytes([0x81 if text else 0x85, min(size, 125)])


@pytest.mark.parametrize(
    ("name", "place", "defect", "told"),
    [
        ("door", "w2z.server.websocket_client.WebsocketClient.said", fails, "KeyError"),
        ("door", "w2z.server.http_connection.HttpConnection._collect", fails, "KeyError"),
        ("door", "w2z.server.http_connection.error_response", tells_the_token, "_shows_token"),
        ("door", "w2z.server.exchange.headers_of", breaks_a_line, "AssertionError"),
        ("door", "w2z.server.connections.Connection.set_timer", does_nothing, "does not end"),
        ("door", "w2z.wire.payload.frame_header", sends_no_text, "a client fails"),
        ("open-door", "w2z.server.door.Share.hold", is_fine, "not counted"),
        ("open-door", "w2z.server.backpressure.Reading.go_on", does_nothing, "AssertionError"),
        ("crowd", "w2z.bridge.fanout.Clients.detach", does_nothing, "Error"),
        ("v1", "w2z.wire.v1.check_object", does_nothing, "_are_objects"),
        ("v1", "w2z.wire.v1._channel", fails, "KeyError"),
        ("default", "w2z.wire.default._channel_of", fails, "KeyError"),
        ("multiparts", "w2z.wire.zmq.hmac.compare_digest", is_fine, "AssertionError"),
        ("multiparts", "tests.fuzz.kernel_side.rescue", does_nothing, "a good message was lost"),
        ("statuses", "w2z.kernel.state._key", fails, "KeyError"),
        ("connection-files", "w2z.kernel.connection_file._is_curve_key", fails, "KeyError"),
    ],
)
def test_a_defect_is_found(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    place: str,
    defect: Callable[..., Any],
    told: str,
):
    monkeypatch.setattr(running, "MOST_TRIES", 10)
    monkeypatch.setattr(place, defect)
    course = run(FUZZERS[name](), SEED, inputs=2000)
    assert told in course.failure, course


def test_a_payload_that_is_unmasked_wrongly_is_found(monkeypatch: pytest.MonkeyPatch):
    def turned(data: bytes, mask: bytes) -> bytes:
        return bytes(a ^ b for a, b in zip(data, itertools.cycle(mask[::-1]), strict=False))

    monkeypatch.setattr(f"{FrameReader.__module__}.apply_mask", turned)
    course = run(FUZZERS["frames"](), SEED, inputs=1000)
    assert "said == expected" in course.failure
