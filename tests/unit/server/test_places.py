"""Who stays when there are too many connections."""

from w2z.server.places import Places


def places(most: int = 2, spare: int = 2) -> Places[str]:
    return Places(most, spare)


def test_a_newcomer_always_gets_a_place_and_the_longest_idle_stranger_goes():
    room = places()
    assert [room.arrive(name, name) for name in "abcd"] == [[]] * 4
    assert room.arrive("e", "e") == ["a"]
    room.served("b")
    assert room.strangers() == ["c", "d", "e", "b"]
    assert room.arrive("f", "f") == ["c"]
    assert room.arrive("g", "g") == ["d"]
    assert room.arrive("h", "h") == ["e"]
    assert room.arrive("i", "i") == ["b"]


def test_who_is_known_never_goes_and_leaves_strangers_the_spare_places():
    room = places()
    for name in "ab":
        room.arrive(name, None)
        assert room.know(name)
        assert room.know(name), "it stays so"
    assert room.is_known("a")
    assert [room.arrive(name, None) for name in "cdef"] == [[], [], ["c"], ["d"]]
    assert not room.know("f"), "there are no more places for known ones"
    assert not room.is_known("f")
    room.served("a")
    room.leave("a")
    assert room.know("f")


def test_one_address_loses_its_own_before_it_gets_the_last_places():
    room = places(most=2, spare=2)
    assert room.arrive("other", "192.0.2.1") == []
    assert [room.arrive(name, "192.0.2.2") for name in "abcd"] == [[], [], ["a"], ["b"]]
    room.served("c")
    assert room.arrive("e", "192.0.2.2") == ["d"]
    assert room.arrive("f", "192.0.2.3") == []
    assert room.arrive("g", "192.0.2.3") == ["other"]


def test_a_proxy_s_connection_gets_the_address_that_its_request_came_from():
    room = places(most=2, spare=2)
    for name in "abc":
        assert room.arrive(name, None) == []
        room.served(name)
    assert room.locate("a", "192.0.2.1") == []
    assert room.locate("a", "192.0.2.1") == []
    assert room.locate("b", "192.0.2.1") == []
    assert room.locate("c", "192.0.2.1") == ["a"]
    assert room.locate("c", "192.0.2.2") == []
    assert room.locate("nobody", "192.0.2.1") == []
    room.served("c")
    room.served("nobody")


def test_who_left_has_no_place():
    room = places(most=1, spare=1)
    for _ in range(5):
        assert room.arrive("a", "192.0.2.1") == []
        room.leave("a")
        room.leave("a")


def test_an_address_has_half_of_the_spare_places_when_all_others_are_taken():
    room = places(most=1, spare=8)
    room.arrive("known", "192.0.2.1")
    room.know("known")
    assert [room.arrive(name, "192.0.2.1") for name in "abcde"] == [[], [], [], [], ["a"]]


def test_whatever_is_configured_somebody_gets_in():
    room = places(most=1, spare=1)
    room.arrive("a", "192.0.2.1")
    room.know("a")
    assert room.arrive("b", "192.0.2.1") == []
    assert room.arrive("c", "192.0.2.1") == ["b"]
