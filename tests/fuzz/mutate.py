"""Inputs made of valid examples. The same seed makes the same inputs.

Hypothesis makes a few hundred good inputs a second, and finds what depends on their structure. This
makes a hundred thousand that are broken in the ways in which bytes on a wire are.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")

Input = tuple[bytes, ...]
"""What a fuzzer is fed: the pieces of a stream, the parts of a multipart, or one text."""

LONGEST = 2**16
"""Bytes that a mutated text has at most."""

MOST_PARTS = 64
"""Parts that a mutated multipart has at most."""

_VALUE = re.compile(rb'"[^"\\]*"(?=( ?:))|"[^"\\]*"|-?[0-9][0-9.]*|true|false|null|\{\}|\[\]')
"""What looks like a value in JSON, or a name, which has a colon behind it."""

_NUMBERS = (0, 1, 2, 5, 6, 7, 125, 126, 127, 2**16, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
_DIGITS = (*(b"%d" % number for number in _NUMBERS), b"-1", b"1e9", b"00", b"9" * 400)


class Mutator:
    """A source of chance, and of mutations."""

    def __init__(self, seed: object) -> None:
        random = Random(f"{seed}")
        self.random = random.random
        self.bytes = random.randbytes
        self._steps: tuple[Callable[[bytes, Sequence[bytes], Sequence[bytes]], bytes], ...] = (
            self._flip,
            self._flip,
            self._overwrite,
            self._insert,
            self._insert_word,
            self._insert_word,
            self._replace_by_word,
            self._delete,
            self._delete,
            self._truncate,
            self._duplicate,
            self._repeat,
            self._swap,
            self._splice,
            self._cross,
            self._count,
            self._number,
        )

    def below(self, limit: int) -> int:
        """Return a number from 0 to ``limit`` - 1."""
        return int(self.random() * limit)

    def chance(self, probability: float) -> bool:
        """Return ``True`` so often."""
        return self.random() < probability

    def pick(self, things: Sequence[T]) -> T:
        """Return one of these."""
        return things[int(self.random() * len(things))]

    def mutate(self, data: bytes, corpus: Sequence[bytes], words: Sequence[bytes]) -> bytes:
        """Change ``data`` in one place or a few. ``corpus`` has examples to mix it with, ``words``
        what means something in them.
        """
        for _ in range(self.pick((1, 1, 1, 2, 2, 3, 5, 8))):
            data = self.pick(self._steps)(data, corpus, words)[:LONGEST]
        return data

    def mutate_json(self, text: bytes, values: Sequence[bytes]) -> bytes:
        """Put other values in the place of one or a few; so it mostly stays JSON."""
        for _ in range(self.pick((1, 1, 2, 3))):
            found = list(_VALUE.finditer(text))
            if found:
                match, value = self.pick(found), self.pick(values)
                if match[1] is None or value.startswith(b'"'):
                    text = (text[: match.start()] + value + text[match.end() :])[:LONGEST]
        return text

    def mutate_parts(
        self, parts: Input, corpus: Sequence[Input], words: Sequence[bytes], texts: Sequence[bytes]
    ) -> Input:
        """Change a multipart: which parts there are, or one of them; ``texts`` are parts to mix
        them with.
        """
        changed = list(parts)
        for _ in range(self.pick((1, 1, 1, 2, 3, 5))):
            what, at = self.below(8), self.below(len(changed) + 1)
            if what == 0:
                del changed[at : at + 1 + self.below(3)]
            elif what == 1:
                changed.insert(at, self.pick(words))
            elif what == 2:
                changed[at:at] = changed[self.below(len(changed) + 1) :]
            elif what == 3:
                changed[at:] = self.pick(corpus)
            elif what == 4:
                changed[at:at] = self.pick(corpus)
            elif what == 5 and at < len(changed):
                other = self.below(len(changed))
                changed[at], changed[other] = changed[other], changed[at]
            elif at < len(changed):
                changed[at] = self.mutate(changed[at], texts, words)
            del changed[MOST_PARTS:]
        return tuple(changed)

    def cut(self, data: bytes) -> Input:
        """Cut ``data`` at random places, or not at all; rarely into many that are equal."""
        if self.chance(0.4):
            return (data,)
        if self.chance(0.05):
            size = self.pick((1, 7, 30))
            data = data[: 600 * size]
            return tuple(data[at : at + size] for at in range(0, max(1, len(data)), size))
        places = sorted({self.below(len(data) + 1) for _ in range(self.pick((1, 2, 4, 9)))})
        starts = [0, *(place for place in places if 0 < place < len(data))]
        ends = [*starts[1:], len(data)]
        return tuple(data[start:end] for start, end in zip(starts, ends, strict=True))

    def _span(self, data: bytes) -> tuple[int, int]:
        """Choose a slice: mostly a short one."""
        start = self.below(len(data) + 1)
        most = len(data) - start
        if self.chance(0.8):
            most = min(most, 12)
        return start, start + self.below(most + 1)

    # Each of these is one change.

    def _flip(self, data: bytes, *_: Sequence[bytes]) -> bytes:
        if not data:
            return data
        at = self.below(len(data))
        return data[:at] + bytes([data[at] ^ 1 << self.below(8)]) + data[at + 1 :]

    def _overwrite(self, data: bytes, *_: Sequence[bytes]) -> bytes:
        start, end = self._span(data)
        return data[:start] + self.bytes(end - start) + data[end:]

    def _insert(self, data: bytes, *_: Sequence[bytes]) -> bytes:
        at = self.below(len(data) + 1)
        return data[:at] + self.bytes(1 + self.below(8)) + data[at:]

    def _insert_word(self, data: bytes, _: Sequence[bytes], words: Sequence[bytes]) -> bytes:
        at = self.below(len(data) + 1)
        return data[:at] + self.pick(words) + data[at:]

    def _replace_by_word(self, data: bytes, _: Sequence[bytes], words: Sequence[bytes]) -> bytes:
        start, end = self._span(data)
        return data[:start] + self.pick(words) + data[end:]

    def _delete(self, data: bytes, *_: Sequence[bytes]) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[end:]

    def _truncate(self, data: bytes, *_: Sequence[bytes]) -> bytes:
        return data[: self.below(len(data) + 1)]

    def _duplicate(self, data: bytes, *_: Sequence[bytes]) -> bytes:
        start, end = self._span(data)
        at = self.below(len(data) + 1)
        return data[:at] + data[start:end] + data[at:]

    def _repeat(self, data: bytes, *_: Sequence[bytes]) -> bytes:
        start = self.below(len(data) + 1)
        piece = data[start : start + self.pick((1, 1, 2, 5, 40))]
        return data[:start] + piece * self.pick((3, 20, 150, 1000)) + data[start:]

    def _swap(self, data: bytes, *_: Sequence[bytes]) -> bytes:
        first, second, third, fourth = sorted(self.below(len(data) + 1) for _ in range(4))
        return (
            b"".join((data[:first], data[third:fourth], data[second:third], data[first:second]))
            + (data[fourth:])
        )

    def _splice(self, data: bytes, corpus: Sequence[bytes], _: Sequence[bytes]) -> bytes:
        other = self.pick(corpus)
        start, end = self._span(other)
        at = self.below(len(data) + 1)
        return data[:at] + other[start:end] + data[at:]

    def _cross(self, data: bytes, corpus: Sequence[bytes], _: Sequence[bytes]) -> bytes:
        other = self.pick(corpus)
        return data[: self.below(len(data) + 1)] + other[self.below(len(other) + 1) :]

    def _count(self, data: bytes, *_: Sequence[bytes]) -> bytes:
        """Write a count, length or offset, as formats on wires have them."""
        shape, limit = self.pick((("<Q", 2**64), (">I", 2**32), (">Q", 2**64), (">H", 2**16)))
        size = struct.calcsize(shape)
        at = self.below(len(data) // size + 1) * size if self.chance(0.8) else self.below(size)
        old = int.from_bytes(data[at : at + size], "little" if shape[0] == "<" else "big")
        number = self.pick((self.pick(_NUMBERS), len(data), old + 1, old - 1, old * 2, old // 2))
        return data[:at] + struct.pack(shape, number % limit) + data[at + size :]

    def _number(self, data: bytes, *_: Sequence[bytes]) -> bytes:
        """Put another number in the place of a digit."""
        at = self.below(len(data) + 1)
        while at < len(data) and not 0x30 <= data[at] <= 0x39:
            at += 1
        return data[:at] + self.pick(_DIGITS) + data[at + 1 :]
