"""Whom a request comes from, behind proxies and without."""

import pytest

from w2z.server.access.peers import MOST_HOPS, Proxies, neighbourhood

PROXIES = Proxies(("10.0.0.0/8", "fd00::/8"))


@pytest.mark.parametrize(
    ("address", "forwarded", "origin"),
    [
        # Whoever is no proxy is believed nothing.
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        # What stands further left may have been sent by the peer itself.
        ("10.0.0.1", ["127.0.0.1", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.9", "198.51.100.1", "10.0.0.2", "fd00::1"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3", "10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1", "unknown"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", ["fe80::1%\x1b[31m"], "fe80::1"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("unknown", ["198.51.100.1"], "unknown"),
    ],
)
def test_the_right_most_address_that_is_no_trusted_proxy_counts(address, forwarded, origin):
    assert PROXIES.origin_of(address, forwarded) == origin


def test_without_trusted_proxies_nobody_is_believed():
    assert Proxies().origin_of("10.0.0.1", ["198.51.100.1"]) == "10.0.0.1"
    assert not Proxies().are_trusted("10.0.0.1")


def test_a_long_chain_is_not_followed_to_its_end():
    forwarded = ["198.51.100.1", *["10.0.0.9"] * MOST_HOPS]
    assert PROXIES.origin_of("10.0.0.1", forwarded) == "10.0.0.9"


def test_the_addresses_of_one_ipv6_network_are_one_peer():
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::ffff:1") == "2001:db8::/64"
    assert neighbourhood("2001:db8:0:1::1") != "2001:db8::/64"
    assert neighbourhood("192.0.2.1") == "192.0.2.1"
    assert neighbourhood("unknown") == "unknown"
