"""Batches as the bytes that clients get; a large message once for all that catch up with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from weakref import WeakValueDictionary, finalize

from w2z.errors import KernelMessageError
from w2z.message import Buffer, Message, size_of
from w2z.reports import Reports
from w2z.wire.payload import Codec, to_pieces

LARGE = 2**20
"""Bytes of a message from which on clients that catch up share what is written to them."""

Key = tuple[Codec, bytes, int, int]
"""What a message is known by while clients wait for it: codec, header, hash and bytes."""


class Shared(bytearray):
    """A framed payload. Unlike bytes it can be forgotten as soon as no client waits for it."""


class Encoder:
    """Encodes for the clients of one kernel. A message that does not fit a format is counted in
    ``reports`` and left out of it.

    ``forget`` is called when no client waits for anything large: nobody reads the same soon.
    """

    def __init__(self, reports: Reports, forget: Callable[[], None]) -> None:
        self._reports = reports
        self._forget = forget
        self._shared: WeakValueDictionary[Key, Shared] = WeakValueDictionary()

    def pieces(self, codec: Codec, messages: Sequence[Message]) -> list[Buffer]:
        """Return what to write, in order, to every client that uses ``codec``."""
        try:
            return to_pieces(codec, messages)
        except KernelMessageError:
            pass
        # A message of the batch does not fit this format: encode each alone, and drop that one.
        pieces: list[Buffer] = []
        for message in messages:
            try:
                pieces += to_pieces(codec, [message])
            except KernelMessageError as error:
                self._reports.drop(message.channel, error)
        return pieces

    def shared(self, codec: Codec, messages: Sequence[Message]) -> Iterator[Buffer | bytearray]:
        """Yield what to write to a client that catches up. Of a large message others get the same
        object, as long as one of them waits for it. Call :meth:`let_go` at the end.
        """
        for is_large, some in groupby(messages, _is_large):
            if is_large:
                for message in some:
                    yield self._share(codec, message)
            else:
                yield from self.pieces(codec, [*some])

    def let_go(self) -> None:
        """Call ``forget`` unless a client still waits for something large."""
        if not self._shared:
            self._forget()

    def _share(self, codec: Codec, message: Message) -> Shared:
        # Not the message itself, which would be kept beside what is made of it.
        key = codec, message.header, hash(message), size_of([message])
        shared = self._shared.get(key)
        if shared is None:
            shared = Shared()
            for piece in self.pieces(codec, [message]):
                shared += piece
            # Before it gets its place, so that it is called after that place is free again.
            finalize(shared, self.let_go).atexit = False
            self._shared[key] = shared
        return shared


def _is_large(message: Message) -> bool:
    return size_of([message]) >= LARGE
