"""What a client offers, what it is answered, and where its token is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.wire.subprotocol import DEFAULT, TOKEN_SUBPROTOCOL, V1, Choice, choose
from w2z.wire.v1 import SUBPROTOCOL

TOKEN = f"{TOKEN_SUBPROTOCOL}.s3cret"


@pytest.mark.parametrize(
    ("offered", "choice"),
    [
        # Old clients offer nothing, and are answered nothing.
        ([], Choice(DEFAULT, None, None)),
        (["chat", "v2.kernel.websocket.jupyter.org"], Choice(DEFAULT, None, None)),
        ([SUBPROTOCOL], Choice(V1, SUBPROTOCOL, None)),
        (["chat", SUBPROTOCOL], Choice(V1, SUBPROTOCOL, None)),
        # The token as part of the name, anywhere.
        ([SUBPROTOCOL, TOKEN], Choice(V1, SUBPROTOCOL, "s3cret")),
        ([TOKEN, SUBPROTOCOL], Choice(V1, SUBPROTOCOL, "s3cret")),
        ([TOKEN], Choice(DEFAULT, None, "s3cret")),
        ([f"{TOKEN}.with.dots"], Choice(DEFAULT, None, "s3cret.with.dots")),
        # Percent-encoded: a token may have characters that a subprotocol may not.
        ([f"{TOKEN}%2F%3d%25"], Choice(DEFAULT, None, "s3cret/=%")),
        ([TOKEN_SUBPROTOCOL, "s3%2Fcret"], Choice(DEFAULT, TOKEN_SUBPROTOCOL, "s3/cret")),
        # The token in the value after the bare name.
        ([SUBPROTOCOL, TOKEN_SUBPROTOCOL, "s3cret"], Choice(V1, SUBPROTOCOL, "s3cret")),
        ([TOKEN_SUBPROTOCOL, "s3cret"], Choice(DEFAULT, TOKEN_SUBPROTOCOL, "s3cret")),
        ([TOKEN_SUBPROTOCOL, "s3cret", SUBPROTOCOL], Choice(V1, SUBPROTOCOL, "s3cret")),
        # The bare name with no token after it.
        ([TOKEN_SUBPROTOCOL], Choice(DEFAULT, TOKEN_SUBPROTOCOL, None)),
        ([TOKEN_SUBPROTOCOL, SUBPROTOCOL], Choice(V1, SUBPROTOCOL, None)),
        # The bare name beside the full one, as jupyter_server's clients send it.
        ([SUBPROTOCOL, TOKEN_SUBPROTOCOL, TOKEN], Choice(V1, SUBPROTOCOL, "s3cret")),
        # Two tokens are none: it would be chance which one another reader takes.
        ([SUBPROTOCOL, TOKEN, f"{TOKEN}2"], Choice(V1, SUBPROTOCOL, None)),
        (
            [TOKEN_SUBPROTOCOL, "a", TOKEN_SUBPROTOCOL, "b"],
            Choice(DEFAULT, TOKEN_SUBPROTOCOL, None),
        ),
    ],
)
def test_the_choice_for_what_is_offered(offered, choice):
    assert choose(offered) == choice


NAMES = st.sampled_from([SUBPROTOCOL, TOKEN_SUBPROTOCOL, TOKEN, "s3cret", "chat"])


@given(st.lists(NAMES, max_size=5))
def test_only_what_was_offered_is_answered_and_never_the_token(offered):
    codec, answer, _ = choose(offered)
    assert answer is None or answer in offered
    assert "s3cret" not in (answer or "")
    assert (codec is V1) == (SUBPROTOCOL in offered)
