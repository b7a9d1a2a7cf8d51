"""The bytes that w2z holds for its peers, in sum."""

from __future__ import annotations

from w2z.holdings import ALWAYS_READ, Account, Holdings

LIMIT = 10 * ALWAYS_READ
SHARE = LIMIT // 2
PATIENCE = 30.0


class Peers:
    """Some peers, each with an account."""

    def __init__(self, *names: str) -> None:
        self.holdings = Holdings(LIMIT, PATIENCE)
        self.given_up: list[str] = []
        self.kept = 0
        self.holdings.count(lambda: self.kept)
        self.accounts = {name: self._account(name) for name in names}

    def _account(self, name: str) -> Account:
        return self.holdings.account(lambda: self.given_up.append(name))

    def waiting(self, now: float) -> list[str]:
        """Who has to wait."""
        return [name for name, account in self.accounts.items() if account.has_to_wait(now)]

    def __getitem__(self, name: str) -> Account:
        return self.accounts[name]


def test_what_is_held_is_the_sum_of_what_was_begun_and_what_is_kept():
    peers = Peers("a", "b")
    peers["a"].hold(100)
    peers["b"].hold(200)
    peers["a"].hold(50)
    peers.kept = 1000
    assert (peers.holdings.begun, peers.holdings.total) == (250, 1250)
    peers["a"].hold(0)
    assert peers.holdings.total == 1200


def test_beyond_the_share_only_the_peer_with_the_most_is_read_from():
    peers = Peers("a", "b", "c", "short")
    peers["a"].hold(SHARE // 2)
    peers["b"].hold(SHARE // 2)
    assert peers.waiting(0.0) == []
    peers["c"].hold(ALWAYS_READ + 1)
    peers["b"].hold(SHARE // 2 + 1)
    peers["short"].hold(ALWAYS_READ)
    assert peers.waiting(0.0) == ["a", "c"]
    peers["b"].hold(0)
    assert peers.waiting(0.0) == [], "it is done"


def test_the_leader_stays_the_leader():
    peers = Peers("a", "b")
    peers["a"].hold(SHARE // 2 + 1)
    peers["b"].hold(SHARE // 2)
    assert peers.waiting(0.0) == ["b"]
    peers["b"].hold(SHARE // 2 + 2)
    assert peers.waiting(1.0) == ["b"]


def test_a_leader_that_is_not_done_in_time_is_given_up():
    peers = Peers("a", "b", "c")
    for name, more in (("a", 2), ("b", 1), ("c", 0)):
        peers[name].hold(SHARE // 2 + more)
    assert peers.waiting(0.0) == ["b", "c"]
    assert peers.waiting(PATIENCE - 0.1) == ["b", "c"]
    peers["b"].has_to_wait(PATIENCE)
    assert peers.given_up == ["a"]
    assert (peers["a"].held, peers.holdings.begun) == (0, SHARE // 2 * 2 + 1)
    assert peers.waiting(PATIENCE) == ["c"]
    peers["b"].has_to_wait(2 * PATIENCE)
    assert peers.given_up == ["a", "b"]
    assert peers.waiting(2 * PATIENCE) == []


def test_what_is_kept_gives_nobody_up_but_who_sends_something_long_has_to_wait():
    peers = Peers("long", "short", "none")
    peers["long"].hold(ALWAYS_READ + 1)
    peers["short"].hold(ALWAYS_READ)
    assert peers.waiting(0.0) == []
    peers.kept = LIMIT
    assert peers.waiting(0.0) == ["long"]
    assert peers.waiting(2 * PATIENCE) == ["long"]
    peers.kept = 0
    assert peers.waiting(2 * PATIENCE) == []
    assert peers.given_up == []


def test_the_same_size_again_changes_nothing():
    peers = Peers("a")
    for _ in range(2):
        peers["a"].hold(100)
        assert peers.holdings.begun == 100
