"""From --kernel NAME to what is started."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from w2z.errors import SettingsError
from w2z.kernel.process.specs import InstalledSpecs
from w2z.serve.build import command_to_run
from w2z.serve.stop import Stop
from w2z.settings import Settings


def given(**settings: Any) -> Settings:
    return Settings(**settings)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where there is a kernelspec, and no other place has any."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setattr("w2z.kernel.process.specs.directories", lambda: [str(tmp_path / "kernels")])
    monkeypatch.setattr("w2z.kernel.process.specs._native", lambda: None)
    found = tmp_path / "kernels" / "Mine"
    found.mkdir(parents=True)
    (found / "kernel.json").write_text(json.dumps({"argv": ["run", "{resource_dir}"]}))
    return found


@pytest.fixture
def no_answer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A drive that does not answer."""
    go_on = threading.Event()
    monkeypatch.setattr("w2z.kernel.process.specs.find", lambda name: go_on.wait())
    yield
    go_on.set()


async def test_a_kernelspec_by_name(folder: Path) -> None:
    command = await command_to_run(given(kernel="mINE"), InstalledSpecs(), Stop())
    assert command is not None
    assert command.argv == ["run", str(folder)]
    assert command.kernel_name == "mine"


async def test_a_command_needs_no_kernelspec(no_answer: None) -> None:
    command = await command_to_run(given(command=("a", "b")), InstalledSpecs(), Stop())
    assert command is not None
    assert (command.argv, command.kernel_name) == (("a", "b"), "")


@pytest.mark.parametrize("there", ["mine", "none"])
async def test_a_name_that_is_not_there_is_told_with_those_that_are(
    folder: Path, there: str
) -> None:
    if there == "none":
        (folder / "kernel.json").write_text("broken")
    with pytest.raises(SettingsError) as raised:
        await command_to_run(given(kernel="yours"), InstalledSpecs(), Stop())
    assert str(raised.value) == f"--kernel: no kernelspec is called 'yours'; installed: {there}"


async def test_names_that_cannot_be_read_in_time_are_not_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr("w2z.kernel.process.specs.LOOKUP_TIMEOUT", 0)
    monkeypatch.setattr("w2z.kernel.process.specs.names", go_on.wait)
    with pytest.raises(SettingsError, match="no kernelspec is called 'yours'"):
        await command_to_run(given(kernel="yours"), InstalledSpecs(), Stop())
    go_on.set()


async def test_a_lookup_can_be_stopped(no_answer: None) -> None:
    stop = Stop()
    stop.because("of a test")
    assert await command_to_run(given(kernel="mine"), InstalledSpecs(), stop) is None


async def test_a_lookup_without_an_end_is_told(
    no_answer: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("w2z.serve.build.KERNELSPEC_TIMEOUT", 0)
    with pytest.raises(
        SettingsError, match=r"^--kernel: looking for kernelspecs takes longer than"
    ):
        await command_to_run(given(kernel="mine"), InstalledSpecs(), Stop())
