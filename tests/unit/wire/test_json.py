"""JSON as it is read and written here, with the standard library as the oracle.

The fuzzer's invariant: whatever the bytes, ``parse_object`` returns what :mod:`json` reads from
them, or raises ValueError with a sentence that begins with the name given.
"""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.examples import json_objects, nested, wild_texts
from w2z.wire.json import MAX_SMALL, dump, parse_object, parse_small_object


@given(json_objects(wild_texts), st.booleans())
def test_an_object_is_read_as_the_standard_library_reads_it(value, indented):
    text = json.dumps(value, indent=1 if indented else None).encode()
    assert parse_object(text, "x") == value


@given(json_objects(wild_texts))
def test_what_is_written_can_be_read_by_anyone(value):
    written = dump(value)
    assert json.loads(written) == value
    assert parse_object(written, "x") == value


def test_what_is_written_is_compact():
    assert dump({"a": [1, 2], "b": "\u00e9"}) == '{"a":[1,2],"b":"\u00e9"}'.encode()


def test_a_lone_surrogate_is_read_and_written_as_its_escape():
    text = rb'{"text":"\ud83d"}'
    assert parse_object(text, "x") == {"text": "\ud83d"}
    assert dump({"text": "\ud83d"}) == text


def test_numbers_that_json_does_not_have_keep_pythons_spelling():
    got = parse_object(b'{"a":NaN,"b":Infinity,"c":-Infinity}', "x")
    assert math.isnan(got["a"])
    assert dump(got) == b'{"a":NaN,"b":Infinity,"c":-Infinity}'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "the part is not JSON at character 0"),
        (b'{"a":1', "the part is not JSON at character 6"),
        (b"{'a':1}", "the part is not JSON at character 1"),
        (b'{"a":1}}', "the part is not JSON at character 7"),
        (b'{"a":"\xff"}', "the part is not UTF-8: byte 6 is invalid"),
        # Half of a surrogate pair as bytes, and UTF-16, which json.loads would guess.
        (b'{"a":"\xed\xa0\xbd"}', "the part is not UTF-8: byte 6 is invalid"),
        ("{}".encode("utf-16-le"), "the part is not JSON at character 1"),
        # Python itself refuses to read an integer this long.
        (b'{"a":%b}' % (b"1" * 5000), "the part is not JSON"),
        (b'{"a":%b}' % nested(100_000), "the part is nested too deeply to be read"),
        (b"null", "the part is null, but has to be a JSON object"),
        (b"true", "the part is a boolean, but has to be a JSON object"),
        (b'"{}"', "the part is a string, but has to be a JSON object"),
        (b"[]", "the part is an array, but has to be a JSON object"),
        (b"1", "the part is a number, but has to be a JSON object"),
        (b"1.5", "the part is a number, but has to be a JSON object"),
    ],
)
def test_what_is_no_object_is_told_in_a_sentence(text, told):
    with pytest.raises(ValueError, match="the part") as refused:
        parse_object(text, "the part")
    assert str(refused.value) == told


@pytest.mark.parametrize("depth", [100, 300, 600])
def test_nesting_within_reason_is_read_and_written(depth):
    text = b'{"a":%b}' % nested(depth)
    assert dump(parse_object(text, "x")) == text


def test_nesting_beyond_reason_cannot_be_written():
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="nested too deeply to be carried"):
        dump(value)


@given(st.binary(max_size=60) | st.text('{}[]",:\\ue10 ', max_size=30).map(str.encode))
def test_any_bytes_are_read_as_json_reads_them_or_refused_with_a_sentence(text):
    try:
        got = parse_object(text, "the part")
    except ValueError as error:
        assert str(error).startswith("the part is ")  # noqa: PT017 (either outcome is right)
    else:
        assert repr(got) == repr(json.loads(text.decode()))


def test_what_is_expected_to_be_small_is_not_parsed_when_it_is_large():
    largest = b'{"a":"%b"}' % (b"x" * (MAX_SMALL - 8))
    assert parse_small_object(largest, "the part") == parse_object(largest, "the part")
    with pytest.raises(ValueError, match=r"^the part has 65537 bytes"):
        parse_small_object(largest + b" ", "the part")
