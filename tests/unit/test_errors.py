"""Close codes and exit codes: each has a name and a meaning, and is documented with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from websockets.frames import EXTERNAL_CLOSE_CODES

from w2z import errors
from w2z.errors import ClientError, CloseCode, ExitCode, HttpError, StartupError, bare

DOCS = Path(__file__).parents[2] / "docs"
OWN = range(4400, 4500)


def table(page: str, heading: str) -> dict[str, str]:
    """The first two columns of the table below a heading."""
    text = (DOCS / page).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\S+) \| ([^|]+) \|", text, re.MULTILINE)
    return {code: meaning for code, meaning in rows if code != "code"}


def below(base: type) -> list[type]:
    found = [one for one in vars(errors).values() if isinstance(one, type)]
    return [one for one in found if issubclass(one, base)]


def test_the_protocol_names_every_close_code_with_its_meaning():
    assert table("protocol.md", "Close codes") == {str(int(c)): c.meaning for c in CloseCode}


def test_the_reference_names_every_exit_code_with_its_meaning():
    told = table("reference/cli.md", "Exit codes")
    assert {code: told.get(code) for code in map(str, map(int, ExitCode))} == {
        str(int(c)): c.meaning for c in ExitCode
    }


@pytest.mark.parametrize("code", CloseCode)
def test_a_close_code_may_be_sent_and_its_meaning_fits_a_table(code: CloseCode):
    assert int(code) in {int(one) for one in EXTERNAL_CLOSE_CODES} | set(OWN)
    assert "|" not in code.meaning
    assert code.meaning.strip(".") == code.meaning


@pytest.mark.parametrize("code", CloseCode)
def test_no_close_code_keeps_a_client_from_coming_back_by_mistake(code: CloseCode):
    """JupyterLab takes 1000 and 1001 for the end."""
    assert code not in (1000, 1001)


@pytest.mark.parametrize("kind", below(ClientError))
def test_an_error_of_a_client_has_a_close_code(kind: type[ClientError]):
    assert isinstance(kind.close_code, CloseCode)


@pytest.mark.parametrize("kind", below(StartupError))
def test_an_error_at_the_start_has_an_exit_code(kind: type[StartupError]):
    assert isinstance(kind.exit_code, ExitCode)


def test_a_code_reads_as_a_number():
    assert f"{CloseCode.REPLACED} {ExitCode.LISTEN}" == "4409 6"


def test_a_bare_error_keeps_nothing_of_where_it_was_raised():
    try:
        try:
            raise KeyError
        except KeyError as cause:
            raise HttpError(400, "no") from cause
    except HttpError as error:
        kept = bare(error)
    assert (kept.status, kept.message) == (400, "no")
    assert kept.__traceback__ is None
    assert kept.__context__ is None
    assert kept.__cause__ is None
