"""Variables, as people and platforms make them."""

import pytest

from w2z.environment import is_link, value


@pytest.mark.parametrize("text", ["tcp://10.0.0.1:8888", "udp://[::1]:1", " tcp://a:1\n"])
def test_what_says_where_a_service_is_is_a_link(text):
    assert is_link(text)
    assert value({"W2Z_PORT": text}, "W2Z_PORT") is None


@pytest.mark.parametrize("text", ["8888", "http://a:1", "tcp://a", "x tcp://a:1"])
def test_anything_else_is_a_value(text):
    assert not is_link(text)
    assert value({"W2Z_PORT": f" {text}\n"}, "W2Z_PORT") == text


@pytest.mark.parametrize("environment", [{}, {"X": ""}, {"X": " \n"}])
def test_nothing_is_no_value(environment):
    assert value(environment, "X") is None
