"""Where w2z listens: left in a file for a health check, which knows the environment alone."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path

import pytest

from tests.support.fake_kernel import FakeKernel
from tests.support.serving import serving
from tests.support.waiting import ready
from w2z import whereabouts
from w2z.client.wait import own, wait_for_all
from w2z.whereabouts import Whereabouts, found


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment whose runtime directory is the only place there is."""
    given = {"XDG_RUNTIME_DIR": str(tmp_path / "run")}
    (tmp_path / "run").mkdir()
    parents = whereabouts._parents
    monkeypatch.setattr(whereabouts, "_parents", lambda environment: parents(environment)[:1])
    return given


def files(runtime: dict[str, str]) -> list[Path]:
    return list(Path(runtime["XDG_RUNTIME_DIR"]).rglob("*"))


def test_it_is_found_while_it_is_there_and_nothing_is_left(runtime: dict[str, str]) -> None:
    with Whereabouts("http://127.0.0.1:9000/k1/", runtime):
        assert found(runtime) == ["http://127.0.0.1:9000/k1/"]
        folder, file = sorted(files(runtime))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert found(runtime) == []
    assert files(runtime) == []


def test_it_is_that_of_the_same_variables(runtime: dict[str, str]) -> None:
    with Whereabouts("http://127.0.0.1:1/", {**runtime, "W2Z_PORT": "8000"}):
        assert found(runtime) == []
        assert found({**runtime, "W2Z_PORT": " 8000\n", "W2Z_TOKEN": "x"}) != []
        # What a platform says of a service is no variable of w2z's.
        assert found({**runtime, "W2Z_PORT": "tcp://10.0.0.1:8888"}) == []


def test_what_a_process_left_that_has_ended_does_not_count_and_is_removed(
    runtime: dict[str, str],
) -> None:
    with Whereabouts("http://127.0.0.1:1/", runtime):
        folder, file = sorted(files(runtime))
        told = json.loads(file.read_text())
        old = file.with_name(file.name.replace(f"-{os.getpid()}.", "-999999999."))
        old.write_text(json.dumps({**told, "pid": 999999999, "url": "http://127.0.0.1:2/"}))
        # The same number, but another process.
        file.write_text(json.dumps({**told, "started": "1"}))
        assert found(runtime) == []
        with Whereabouts("http://127.0.0.1:3/", runtime):
            assert found(runtime) == ["http://127.0.0.1:3/"]
            assert sorted(files(runtime)) == [folder, file]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": "x"}', '{"pid": 1}'])
def test_what_is_not_whole_does_not_count(runtime: dict[str, str], text: str) -> None:
    with Whereabouts("http://127.0.0.1:1/", runtime):
        _, file = sorted(files(runtime))
        file.write_text(text)
        assert found(runtime) == []


def test_a_folder_that_others_may_write_to_is_not_used(runtime: dict[str, str]) -> None:
    folder = Path(runtime["XDG_RUNTIME_DIR"]) / f"w2z-{os.geteuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    with Whereabouts("http://127.0.0.1:1/", runtime):
        assert found(runtime) == []
        assert files(runtime) == [folder]


def test_a_link_and_a_pipe_are_not_followed(runtime: dict[str, str]) -> None:
    with Whereabouts("http://127.0.0.1:1/", runtime):
        _, file = sorted(files(runtime))
        aside = file.with_name("aside")
        file.rename(aside)
        file.symlink_to(aside)
        assert found(runtime) == []
        file.unlink()
        os.mkfifo(file)
        assert found(runtime) == []
        aside.unlink()


def test_without_a_place_there_is_none(
    runtime: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whereabouts, "_parents", lambda environment: [Path("/nowhere")])
    with Whereabouts("http://127.0.0.1:1/", runtime):
        assert found(runtime) == []


def test_the_places_are_tried_in_turn() -> None:
    given = {"XDG_RUNTIME_DIR": "/x", "TMPDIR": "/y"}
    assert [str(path) for path in whereabouts._parents(given)] == [
        "/x",
        "/run",
        "/y",
        "/tmp",
        "/dev/shm",
    ]
    assert [str(path) for path in whereabouts._parents({"TMPDIR": "relative"})] == [
        "/run",
        "/tmp",
        "/dev/shm",
    ]


async def test_a_health_check_asks_all_that_run_here(
    kernel: FakeKernel, runtime: dict[str, str]
) -> None:
    async with serving(kernel.connection_file, base_url="/k1/") as served:
        await ready(served.bridge.kernel)
        here = f"http://{served.host}:{served.port}/k1/"
        with Whereabouts(here, runtime):
            assert own(runtime) == [[here]]
            assert await asyncio.to_thread(wait_for_all, lambda: own(runtime), 0) is None
        both = [[here], ["http://127.0.0.1:1/"]]
        assert "refused" in str(await asyncio.to_thread(wait_for_all, lambda: both, 0))


def test_a_health_check_that_comes_first_asks_anew(runtime: dict[str, str]) -> None:
    asked: list[int] = []

    def where() -> list[list[str]]:
        asked.append(1)
        return [["http://127.0.0.1:1/"]] if len(asked) < 3 else []

    assert wait_for_all(where, 60) is None
    assert len(asked) == 3
