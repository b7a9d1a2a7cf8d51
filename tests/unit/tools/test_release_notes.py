"""The notes of a release, and when there are none."""

import pytest

from tools.release_notes import notes

CHANGELOG = """\
# Changelog

## Unreleased

## 0.2.0 - 2030-02-01

### Added

- This.

## 0.1.0 - 2030-01-01

- That.
"""


@pytest.mark.parametrize(
    ("version", "text"), [("0.2.0", "### Added\n\n- This.\n"), ("0.1.0", "- That.\n")]
)
def test_they_are_the_section_of_the_version(version, text):
    assert notes(f"v{version}", version, CHANGELOG) == text


@pytest.mark.parametrize(
    ("tag", "version", "changelog", "why"),
    [
        ("v0.2.0", "0.1.0", CHANGELOG, "the tag is v0.2.0, w2z/__init__.py says 0.1.0"),
        ("0.1.0", "0.1.0", CHANGELOG, "the tag is 0.1.0"),
        ("v0.3.0", "0.3.0", CHANGELOG, "no heading '## 0.3.0 - "),
        ("v0.1.0", "0.1.0", "## 0.1.0\n\n- That.\n", "no heading '## 0.1.0 - "),
        ("v0.1.0", "0.1.0", "## 0.1.00 - 2030-01-01\n\n- That.\n", "no heading"),
        ("v0.2.0", "0.2.0", CHANGELOG.replace("### Added\n\n- This.\n", ""), "nothing of 0.2.0"),
    ],
)
def test_what_does_not_fit_is_said(tag, version, changelog, why):
    with pytest.raises(ValueError, match=why):
        notes(tag, version, changelog)
