"""The notes of a release: ``python -m tools.release_notes TAG`` prints CHANGELOG.md's section.

Exits with 1 and a sentence where the tag, the version of the package and the changelog do not name
the same version.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from w2z import __version__

CHANGELOG = Path(__file__).parent.parent / "CHANGELOG.md"


def notes(tag: str, version: str, changelog: str) -> str:
    """The section of that version, without its heading; raises :class:`ValueError`."""
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
    """Print the notes; returns the exit code."""
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
