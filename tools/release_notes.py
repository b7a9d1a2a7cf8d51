"""Print the notes of a release from CHANGELOG.md: ``python -m tools.release_notes TAG``.

Exits with 1 and one sentence if the tag, the version of the package and the changelog do not name
the same version.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from w2z import __version__

CHANGELOG = Path(__file__).parent.parent / "CHANGELOG.md"


def notes(tag: str, version: str, changelog: str) -> str:
    """Return the changelog's section of ``version``, without its heading.

    Raises :class:`ValueError` if ``tag`` names another version, or the section is missing or empty.
    """
    if tag != f"v{version}":
        raise ValueError(f"the tag is {tag}, w2z/__init__.py says {version}")
    heading = rf"^## {re.escape(version)} - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)"
    found = re.search(heading, changelog, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"CHANGELOG.md has no heading '## {version} - YYYY-MM-DD'")
    text = found[1].strip()
    if not text:
        raise ValueError(f"CHANGELOG.md says nothing of {version}")
    return f"{text}\n"


def main() -> int:
    """Print the notes. Returns the exit code."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m tools.release_notes TAG\n")
        return 2
    try:
        sys.stdout.write(notes(sys.argv[1], __version__, CHANGELOG.read_text()))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
