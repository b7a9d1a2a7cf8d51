"""The bytes of unfinished requests, for all connections together."""

from w2z.server.allowance import LEAST, Allowance, Share


def test_what_is_held_is_bounded_in_sum_and_may_be_given_back():
    allowance = Allowance(100)
    one, other = Share(allowance), Share(allowance)
    one.know()
    other.know()
    assert one.hold(60)
    assert not other.hold(41)
    assert other.hold(40)
    assert allowance.held == 100
    assert one.hold(0)
    assert other.hold(100)
    assert allowance.held == 100


def test_strangers_get_a_part_of_it():
    allowance = Allowance(100)
    stranger, other = Share(allowance), Share(allowance)
    assert stranger.hold(50)
    assert not other.hold(1)
    other.know()
    other.know()
    assert other.hold(50)
    assert not stranger.hold(51)
    assert stranger.hold(20)
    assert (allowance.held, allowance.held_by_strangers) == (70, 20)


def test_who_becomes_known_leaves_its_part_to_other_strangers():
    allowance = Allowance(100)
    one, other = Share(allowance), Share(allowance)
    one.hold(50)
    one.know()
    assert allowance.held_by_strangers == 0
    assert other.hold(50)
    assert one.hold(0)
    assert (allowance.held, allowance.held_by_strangers) == (50, 50)


def test_there_is_always_room_for_two_of_the_largest_bodies():
    assert Allowance.for_bodies_of(1).total == LEAST
    assert Allowance.for_bodies_of(LEAST).total == 2 * LEAST
