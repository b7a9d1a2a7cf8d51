"""A client's JSON, checked as a whole and read in outline, with the standard library as oracle."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.memory import MIB, growth
from tests.unit.examples import json_objects, nested, wild_texts
from w2z.errors import MalformedPayload, MessageTooBig
from w2z.wire.outline import (
    MAX_JSON,
    MAX_ODD_JSON,
    Outline,
    asks_to_restart,
    check_object,
    check_size,
    may_ask_for_input,
    outline,
    read_head,
)

HEADER = {"msg_id": "1", "msg_type": "x", "version": "5.4"}


@given(json_objects(wild_texts), st.booleans())
def test_what_the_standard_library_writes_is_an_object(value, is_ascii):
    text = json.dumps(value, ensure_ascii=is_ascii).encode(errors="surrogatepass")
    try:
        text.decode()
    except UnicodeDecodeError:
        with pytest.raises(ValueError, match="the part is not UTF-8"):
            check_object(text, "the part")
    else:
        check_object(text, "the part")


@given(st.one_of(st.binary(), st.text(alphabet='{}[]",:\\u0dn1e-.tf').map(str.encode)))
def test_any_bytes_are_an_object_only_if_the_standard_library_reads_one(text):
    try:
        check_object(text, "the part")
    except ValueError as error:
        assert str(error).startswith("the part ")  # noqa: PT017 (either may be right)
    else:
        assert isinstance(json.loads(text), dict)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "is not JSON"),
        (b"[]", "is an array"),
        (b"null", "is null"),
        (b'{"a":1}}', "is not JSON at character 7"),
        (b'{"a":"\xff"}', "is not UTF-8: byte 6 is invalid"),
        (b'{"a":"' + "é".encode() * 40_000 + b'\xc3"}', "is not UTF-8"),
        (b'{"a":01}', "is not JSON"),
        (nested(100_000), "is nested too deeply"),
    ],
)
def test_what_is_no_object_is_told_as_a_sentence(text, told):
    with pytest.raises(ValueError, match=f"the part {told}"):
        check_object(text, "the part")


@pytest.mark.parametrize(
    "text",
    [rb'{"a":"\ud83d"}', b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":' + nested(900) + b"}", b" {} "],
)
def test_odd_objects_are_objects(text):
    check_object(text, "the part")


def test_a_long_text_that_is_not_ascii_is_an_object():
    check_object(('{"a":"' + "é" * 100_000 + '"}').encode(), "the part")


def test_odd_objects_have_a_limit_of_their_own():
    long = b'{"a":NaN,"b":"' + b"x" * MAX_ODD_JSON + b'"}'
    with pytest.raises(ValueError, match="the part is broken or odd JSON"):
        check_object(long, "the part")


@pytest.mark.parametrize("many", [b"[],", b"{},", b'"a",', b"1e1,"])
def test_no_objects_are_built_of_what_is_only_checked(many):
    inner = b'{"c":[' + many * (8 * MIB // len(many)) + b"0]}"
    whole = b'{"header":{"msg_id":"1","msg_type":"x"},"content":' + inner + b"}"
    with growth() as grown:
        check_object(inner, "content")
        assert grown() < MIB
        found = outline(whole)
        assert found is not None
        assert found.content == inner
        assert grown() < len(inner) + MIB, "one copy of the text"


def test_json_has_a_limit():
    check_size(MAX_JSON)
    with pytest.raises(MessageTooBig):
        check_size(MAX_JSON + 1)


@given(wild_texts, wild_texts)
def test_type_and_id_are_read(msg_type, msg_id):
    text = json.dumps({**HEADER, "msg_type": msg_type, "msg_id": msg_id, "date": None}).encode()
    assert read_head(text) == (text, msg_type, msg_id)


@pytest.mark.parametrize("wrong", [{}, {"msg_id": "1"}, {"msg_type": "x", "msg_id": 1}])
def test_a_header_without_its_id_or_type_is_malformed(wrong):
    with pytest.raises(MalformedPayload, match=r"header\.msg_"):
        read_head(json.dumps(wrong).encode())


@pytest.mark.parametrize("wrong", [b"[]", b"{", b'{"msg_id":"\xff","msg_type":"x"}'])
def test_a_header_that_is_no_object_is_an_error(wrong):
    with pytest.raises(ValueError, match="header is"):
        read_head(wrong)


def test_an_odd_header_is_read_all_the_same():
    for odd in (b"1", b"NaN"):
        text = b'{"msg_type":"x","msg_id":"1","version":"5","a":%b}' % odd
        assert read_head(text) == (text, "x", "1")


@pytest.mark.parametrize("odd", [b"1", b"NaN"])
def test_a_header_without_a_version_gets_one(odd):
    text = b' {"msg_type":"x", "msg_id":"1", "a":%b}' % odd
    header, *names = read_head(text)
    assert names == ["x", "1"]
    assert header == b'{"version":"5.3",' + text[2:]
    assert json.loads(header)["version"] == "5.3"


@pytest.mark.parametrize("version", [5, 5.3, None, "", "five", ["5.3"], {}])
def test_a_version_that_is_none_is_malformed(version):
    with pytest.raises(MalformedPayload, match=r"header\.version"):
        read_head(json.dumps({**HEADER, "version": version}).encode())


def test_an_outline_has_the_text_of_each_part():
    text = b'{"a":1, "channel":"shell","header": {"b" : 2},"metadata":null,"content":{}, "c":[]}'
    assert outline(text) == Outline(b'"shell"', b'{"b" : 2}', b"{}", b"{}", b"{}")
    assert outline(b"{}") == Outline(b"null", b"{}", b"{}", b"{}", b"{}")


@pytest.mark.parametrize(
    "text", [b"[]", b'{"header":[]}', b'{"content":"x"}', b'{"a":NaN}', b'{"a":"\xff"}', b""]
)
def test_what_is_odd_or_wrong_has_no_outline(text):
    assert outline(text) is None


@pytest.mark.parametrize(
    ("content", "restart"),
    [
        (b"{}", False),
        (b'{"restart":true}', True),
        (b'{"restart":false}', False),
        (b'{"restart":1}', True),
        (b'{"restart":null}', False),
        (b'{"restart":true,"a":NaN}', True),
    ],
)
def test_a_shutdown_request_says_whether_to_restart(content, restart):
    assert asks_to_restart(content) is restart


@pytest.mark.parametrize(
    ("content", "may"),
    [
        (b'{"code": "x", "allow_stdin": false}', False),
        (b'{"code": "x", "allow_stdin": true}', True),
        (b'{"code": "x"}', True),
        (b'{"code": "\\"allow_stdin\\": false"}', True),
        (b'{"user_expressions": {"allow_stdin": false}}', True),
        (b'{"allow_stdin": "no"}', True),
        (b'{"allow_stdin": false, "code": "%s"}' % (b"x" * 2**16), True),
    ],
)
def test_what_is_executed_may_ask_unless_that_is_ruled_out(content: bytes, may: bool) -> None:
    assert may_ask_for_input(content) is may
