"""The files beside a kernel.json that clients may have, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from w2z.kernel.process.resources import MAX_RESOURCE, MAX_RESOURCES, listed, read

LOGO = "logo-64x64.png"


def test_logos_and_the_two_scripts_are_listed_by_their_names(tmp_path: Path) -> None:
    there = [LOGO, "logo-svg.svg", "kernel.js", "kernel.css", "kernel.json", "logo", "notes.png"]
    for name in [*there, "logo-32.exe", ".logo-1.png", "my logo-1.png"]:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "logo-folder.png").mkdir()
    assert listed(tmp_path) == {
        "kernel.css": "kernel.css",
        "kernel.js": "kernel.js",
        "logo-64x64": LOGO,
        "logo-svg": "logo-svg.svg",
    }


def test_a_logo_in_two_formats_is_listed_once(tmp_path: Path) -> None:
    for suffix in ("svg", "png"):
        (tmp_path / f"logo-1.{suffix}").write_bytes(b"x")
    assert listed(tmp_path) == {"logo-1": "logo-1.png"}


def test_of_very_many_some_are_listed(tmp_path: Path) -> None:
    for number in range(MAX_RESOURCES + 5):
        (tmp_path / f"logo-{number}.png").write_bytes(b"x")
    assert len(listed(tmp_path)) == MAX_RESOURCES


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert listed(tmp_path / "missing") == {}


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / LOGO).write_bytes(b"x" * MAX_RESOURCE)
    assert read(tmp_path, LOGO) == b"x" * MAX_RESOURCE
    (tmp_path / LOGO).write_bytes(b"x" * (MAX_RESOURCE + 1))
    with pytest.raises(ValueError, match="larger than"):
        read(tmp_path, LOGO)


def test_a_link_is_neither_listed_nor_followed(tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "spec"
    secret.write_text("s3cret")
    folder.mkdir()
    (folder / LOGO).symlink_to(secret)
    assert listed(folder) == {}
    with pytest.raises(OSError, match="symbolic"):
        read(folder, LOGO)
