"""The libraries of the page: those that were checked in are those that were checked."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tools import vendor_page
from w2z.server.page import FOLDER

MOST = 600 * 1024
"""Bytes, compressed, that the whole page may have."""


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder that a test may spoil."""
    for path in vendor_page.VENDOR.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(vendor_page, "VENDOR", tmp_path)
    monkeypatch.setattr(vendor_page, "INDEX", tmp_path / "vendor.json")
    return tmp_path


def test_every_file_has_its_checksum_and_every_package_its_licence() -> None:
    assert vendor_page.mistakes() == []


def test_a_change_is_seen(copied: Path) -> None:
    (copied / "anser.mjs").write_text("changed")
    (copied / "katex.css").unlink()
    (copied / "new.mjs").write_text("new")
    assert vendor_page.mistakes() == [
        f"{name} is not what tools/vendor_page.py wrote"
        for name in ("anser.mjs", "katex.css", "new.mjs")
    ]


def test_another_version_and_a_missing_licence_are_seen(copied: Path) -> None:
    index = json.loads((copied / "vendor.json").read_text())
    index["packages"]["marked"]["version"] = "0"
    licences = copied / "LICENCES.txt"
    licences.write_text(licences.read_text().replace("\nanser 2", "\nanswer 2"))
    index["files"]["LICENCES.txt"] = vendor_page.checksum(licences)
    (copied / "vendor.json").write_text(json.dumps(index))
    assert vendor_page.mistakes() == [
        "vendor.json has other versions than tools/vendor_page.py",
        "the licence of anser is missing",
    ]


def test_the_whole_page_is_small() -> None:
    sizes = {
        path.name: len(gzip.compress(path.read_bytes()))
        for path in FOLDER.rglob("*")
        if path.is_file()
    }
    assert sum(sizes.values()) < MOST, sizes


def test_modules_are_short() -> None:
    lines = {path.name: path.read_text().count("\n") for path in FOLDER.glob("*.mjs")}
    assert len(lines) > 20
    assert {name: many for name, many in lines.items() if many > 250} == {}


def test_no_file_names_a_registry() -> None:
    for path in vendor_page.VENDOR.glob("*.json"):
        assert "://" not in path.read_text()
