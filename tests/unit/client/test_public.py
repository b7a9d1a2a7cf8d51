"""The public names are there, and cost nothing before they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import w2z.client


@pytest.mark.parametrize("name", w2z.client.__all__)
def test_each_name_is_there(name):
    assert getattr(w2z.client, name).__doc__


def test_no_other_is():
    with pytest.raises(AttributeError, match="nothing"):
        w2z.client.nothing  # noqa: B018 (reading it is what fails)


@pytest.mark.parametrize(
    ("code", "unneeded"),
    [
        ("import w2z.client.wait", "websockets"),
        ("import w2z.cli", "w2z.client"),
        ("import w2z.cli", "websockets"),
        ("import w2z.serve.serve", "w2z.client"),
        ("import w2z.client.exec", "w2z.server"),
        ("import w2z.client.exec", "zmq"),
        ("import w2z.client.exec", "jupyter_client"),
    ],
)
def test_nothing_is_imported_that_is_not_used(code, unneeded):
    asked = f"{code}, sys; sys.exit({unneeded!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0
