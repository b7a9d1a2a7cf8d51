"""How long a peer waits that has no right token."""

from w2z.server.access.failures import FIRST, FORGOTTEN, FREE, LONGEST_WAIT, MOST_PEERS, Failures


def test_the_first_failures_cost_nothing_and_then_the_wait_grows_to_its_limit():
    failures = Failures()
    assert [failures.add("a", 0.0) for _ in range(FREE)] == [0.0] * FREE
    waits = [failures.add("a", 1.0) for _ in range(2000)]
    assert waits[:2] == [FIRST, 2 * FIRST]
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT


def test_another_peer_does_not_wait_for_it():
    failures = Failures()
    for _ in range(FREE + 1):
        failures.add("a", 0.0)
    assert failures.add("b", 0.0) == 0.0


def test_after_a_while_without_a_failure_a_peer_begins_anew():
    failures = Failures()
    for _ in range(FREE + 1):
        failures.add("a", 0.0)
    assert failures.add("a", FORGOTTEN) > 0
    assert failures.add("a", 2 * FORGOTTEN + 1) == 0.0


def test_only_so_many_peers_are_remembered():
    failures = Failures()
    for _ in range(FREE):
        failures.add("first", 0.0)
    for number in range(MOST_PEERS - 1):
        failures.add(str(number), 0.0)
    assert failures.add("first", 0.0) > 0
    for number in range(MOST_PEERS):
        failures.add(f"other {number}", 0.0)
    assert failures.add("first", 0.0) == 0.0
