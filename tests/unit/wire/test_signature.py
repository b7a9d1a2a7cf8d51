"""Signatures, with the standard library's own HMAC as the oracle."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.wire.signature import JOINED, Signer

FIXED_LENGTH = sorted(
    name for name in hashlib.algorithms_guaranteed if hashlib.new(name).digest_size > 0
)


# Keys from none to beyond the longest block (144 bytes, sha3_224), where HMAC hashes them first.
@given(st.sampled_from(FIXED_LENGTH), st.binary(min_size=1, max_size=300), st.binary())
def test_a_signature_is_the_hmac_of_the_json_parts(name, key, json_parts):
    signature = Signer(key, f"hmac-{name}").sign(json_parts)
    assert signature == hmac.new(key, json_parts, name).hexdigest().encode()


@pytest.mark.parametrize("size", [0, JOINED - 1, JOINED, 3 * JOINED])
def test_parts_are_signed_as_if_they_were_joined_however_large(size):
    signer, parts = Signer(b"key", "hmac-sha256"), [b"{}", b"", bytes(size)]
    expected = hmac.new(b"key", b"".join(parts), "sha256").hexdigest().encode()
    assert signer.sign(*parts) == expected


def test_one_signer_signs_any_number_of_messages():
    signer = Signer(b"key", "hmac-sha256")
    first = signer.sign(b"one")
    assert signer.sign(b"two") != first
    assert signer.sign(b"one") == first


@pytest.mark.parametrize("length", [63, 64, 65])
def test_a_key_of_about_a_block_is_padded_or_hashed(length):
    key = b"k" * length
    assert (
        Signer(key, "hmac-sha256").sign(b"x") == hmac.new(key, b"x", "sha256").hexdigest().encode()
    )


def test_an_empty_key_means_unsigned():
    signer = Signer(b"", "hmac-sha256")
    assert not signer.signs
    assert signer.sign(b"anything") == b""


def test_a_key_means_signed():
    assert Signer(b"k", "hmac-sha256").signs


@pytest.mark.parametrize(
    ("scheme", "why"),
    [
        ("sha256", "has to start with 'hmac-'"),
        ("", "has to start with 'hmac-'"),
        ("hmac-", "does not have"),
        ("hmac-rot13", "does not have"),
        ("hmac-sha256\0", "does not have"),
        ("hmac-shake_128", "fixed length"),
    ],
)
def test_a_scheme_that_cannot_sign_is_refused_with_its_name(scheme, why):
    with pytest.raises(ValueError, match=why) as refused:
        Signer(b"key", scheme)
    assert repr(scheme) in str(refused.value)
