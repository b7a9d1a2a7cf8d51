"""Which hosts are w2z's own, so that no page that made its name point here reads anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.server.access.hosts import Hosts, is_loopback, is_unmistakable, name_of


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8888",
        "10.1.2.3:80",
        "[::1]",
        "[::1]:8888",
        "[2001:db8::1]:443",
        "localhost",
        "localhost:8888",
        "LocalHost:8888",
        "lab.localhost",
        "lab.localhost:8888",
    ],
)
def test_addresses_and_localhost_cannot_be_anybody_elses(host):
    assert is_unmistakable(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":8888",
        "h",
        "kernel.example:8888",
        "localhost.example",
        "notlocalhost",
        "127.0.0.1.example",
        "127.0.0.1@kernel.example",
        "kernel.example/127.0.0.1",
        "127.0.0",
        "1270.0.0.1",
        "2130706433",
        "[::1",
        "[kernel.example]",
        "::1]",
    ],
)
def test_any_other_name_may_be_somebody_elses(host):
    assert not is_unmistakable(host)


@given(st.text())
def test_any_host_header_is_ours_or_not_and_no_error(host):
    assert is_unmistakable(host) in (True, False)


@pytest.mark.parametrize("host", ["H.example", "h.example:80", "H.EXAMPLE:8888"])
def test_a_name_counts_without_its_port_and_in_any_case(host):
    assert name_of(host) == "h.example"
    assert Hosts.of("0.0.0.0", ["H.example"]).are_ours(host)
    assert Hosts.of("h.example", []).are_ours(host)
    assert Hosts.of("0.0.0.0", [], ["https://h.example:8443"]).are_ours(host)
    assert not Hosts.of("0.0.0.0", ["other.example"]).are_ours(host)


@pytest.mark.parametrize("host", ["[::1", "a@h.example", "h.example/x", "h.example?", "", "a\tb"])
def test_what_is_no_host_has_no_name(host):
    assert name_of(host) == ""
    assert not Hosts.of("0.0.0.0", ["h.example"]).are_ours(host)


def test_any_host_is_ours_where_that_is_asked_for():
    for hosts in (Hosts.of("0.0.0.0", ["*"]), Hosts.of("0.0.0.0", [], ["*"])):
        assert hosts.are_ours("rebound.example")
        assert hosts.are_ours(None)
    # As an address to listen on it says nothing about names.
    assert not Hosts.of("*", []).are_ours("rebound.example")
    assert not Hosts.of("", []).are_ours("")
    assert not Hosts().are_ours(None)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "a.LOCALHOST"])
def test_a_loopback_address_is_reached_from_the_same_machine_only(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "*", "10.0.0.1", "kernel.example", "localhost.x"]
)
def test_any_other_address_is_reached_from_elsewhere(host):
    assert not is_loopback(host)
