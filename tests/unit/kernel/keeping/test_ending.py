"""How long a kernel's end may take."""

from w2z.kernel.keeping.ending import Ending


def test_it_takes_all_of_its_steps():
    ending = Ending(
        interrupt=1, shutdown=2, terminate=4, kill=8, last_words=16, leftovers=32, output=64
    )
    assert ending.total == 127
