"""What is put into a depot comes back, or its owner is told why not."""

import errno

import pytest

from tests.unit.shelf import Shelf
from w2z.store.store import Depot

CONTENT = [("text", [1, -1], (b"", b"\0\xff"), None)]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def complaints() -> list[OSError]:
    return []


@pytest.fixture
def depot(shelf: Shelf, complaints: list[OSError]) -> Depot:
    return Depot(shelf, complaints.append)


def test_what_was_put_can_be_taken_until_it_is_freed(depot, shelf, complaints):
    first, second = depot.put(CONTENT), depot.put([])
    assert depot.take(first) == depot.take(first) == CONTENT
    assert depot.take(second) == []
    depot.free(first)
    assert list(shelf.kept) == [second]
    assert complaints == []


def test_a_full_store_takes_nothing_and_says_so(depot, shelf, complaints):
    shelf.is_full = True
    assert depot.put(CONTENT) is None
    assert [error.errno for error in complaints] == [errno.ENOSPC]


def test_what_is_too_large_is_not_put(depot, shelf, complaints):
    """Nothing is copied: such a buffer takes no memory before it is written to."""
    assert depot.put([bytes(2**31)]) is None
    assert [error.errno for error in complaints] == [errno.EFBIG]
    assert shelf.kept == {}


def test_what_the_store_lost_is_none_and_it_says_so(depot, shelf, complaints):
    token = depot.put(CONTENT)
    shelf.has_lost = True
    assert depot.take(token) is None
    assert [error.errno for error in complaints] == [errno.EIO]


def test_without_a_store_there_is_nothing_to_put_or_take(complaints):
    depot = Depot(None, complaints.append)
    assert depot.put(CONTENT) is None
    assert depot.take(1) is None
    depot.free(1)
    assert complaints == []
