"""What runs fuzzers: it finds what breaks an invariant, and makes it small."""

from __future__ import annotations

import pytest

from tests.fuzz import __main__ as program
from tests.fuzz import run as running
from tests.fuzz.mutate import LONGEST, MOST_PARTS, Input, Mutator
from tests.fuzz.run import run

NULL = b"\0"


class Planted:
    """Something that takes any text without a null, and only so many pieces."""

    name = "planted"
    share = 0.5

    def __init__(self) -> None:
        self.closed = False

    def make(self, mutator: Mutator) -> Input:
        return mutator.cut(mutator.mutate(b"some text", [b"another"], [b"a word", b"with\0null"]))

    def check(self, given: Input) -> str:
        if len(given) > 9:
            raise OverflowError
        if NULL in b"".join(given):
            raise ValueError("a null")
        return "taken"

    def renew(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def test_what_is_found_is_made_small():
    fuzzer = Planted()
    course = run(fuzzer, 1, inputs=10_000)
    assert "a null" in course.failure
    assert course.smallest == (NULL,)
    assert course.inputs < 10_000
    assert fuzzer.closed


def test_so_many_inputs_are_made_and_what_came_of_them_is_counted():
    class Harmless(Planted):
        def check(self, given: Input) -> str:
            return "fine"

    course = run(Harmless(), 1, inputs=30)
    assert (course.inputs, course.failure, course.outcomes) == (30, "", {"fine": 30})


def test_a_run_of_no_time_has_inputs_all_the_same():
    class Harmless(Planted):
        def check(self, given: Input) -> str:
            return "fine"

    assert run(Harmless(), 1, seconds=0).inputs > 0


def test_what_needs_earlier_inputs_is_told_without_a_smallest_one():
    class Remembering(Planted):
        count = 0

        def check(self, given: Input) -> str:
            self.count += 1
            assert self.count < 5
            return "taken"

        def renew(self) -> None:
            self.count = 0

    course = run(Remembering(), 1, inputs=100)
    assert "AssertionError" in course.failure
    assert course.inputs == 5
    assert course.smallest is None


def test_an_input_that_takes_too_long_is_found(monkeypatch: pytest.MonkeyPatch):
    class Endless(Planted):
        def check(self, given: Input) -> str:
            while NULL in b"".join(given):
                pass
            return "taken"

    monkeypatch.setattr(running, "SLOWEST", 0.02)
    course = run(Endless(), 1, inputs=10_000)
    assert "of the CPU" in course.failure
    assert course.smallest == (NULL,)


def test_memory_that_grows_is_found(monkeypatch: pytest.MonkeyPatch):
    sizes = iter(range(0, 10**12, 10**9))
    monkeypatch.setattr(running, "_memory", lambda: next(sizes))

    class Harmless(Planted):
        def check(self, given: Input) -> str:
            return "fine"

    assert "memory grew" in run(Harmless(), 1, inputs=30).failure


def test_the_seed_and_the_input_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(program, "FUZZERS", {"planted": Planted})
    assert program.main(["--inputs", "10000", "--seed", "abc"]) == 1
    told = capsys.readouterr().out
    assert "seed abc: FOUND" in told
    assert r"the smallest input is (b'\x00',)" in told


def test_a_run_that_finds_nothing_ends_well(capsys: pytest.CaptureFixture[str]):
    assert program.main(["--inputs", "60", "v1", "statuses"]) == 0
    assert "60 inputs in " in capsys.readouterr().out


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        program.main(["nothing"])
    assert "there is no fuzzer 'nothing'" in capsys.readouterr().err


def test_mutations_have_their_bounds():
    mutator, text = Mutator(1), b"x" * 100
    parts: Input = (b"x",) * 10
    for _ in range(2000):
        text = mutator.mutate(text, [text], [b"word" * 100]) or b"x"
        parts = mutator.mutate_parts(parts, [parts], [b"word"], [b"text"]) or (b"x",)
        assert b"".join(mutator.cut(text[:500])) == text[:500]
        assert len(text) <= LONGEST
        assert len(parts) <= MOST_PARTS


def test_json_gets_other_values_and_its_names_stay_names():
    mutator = Mutator(1)
    text = b'{"a": 1, "b": [true, "c"], "d": {}}'
    made = {mutator.mutate_json(text, [b"17", b'"z"']) for _ in range(300)}
    assert b'{"a": 17, "b": [true, "c"], "d": {}}' in made
    assert b'{"z": 1, "b": [true, "c"], "d": {}}' in made
    assert not any(b"17:" in one for one in made)
