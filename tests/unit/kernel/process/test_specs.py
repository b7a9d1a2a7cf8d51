"""Installed kernelspecs, with jupyter_client's KernelSpecManager as the oracle."""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.kernelspec import KernelSpecManager

from w2z.kernel.process import specs
from w2z.kernel.process.specs import InstalledSpecs, directories, find, names

SPEC = {"argv": ["run", "{connection_file}"], "display_name": "A kernel", "language": "c"}


class Places:
    """A home and a system of their own below ``root``; the environment says where they are."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.home, self.env, self.system = root / "home", root / "env", root / "system"
        self.home.mkdir()
        self._patch = patch
        for name in list(os.environ):
            if name.startswith(("JUPYTER", "XDG", "IPYTHON", "CONDA")):
                patch.delenv(name)
        patch.setenv("HOME", str(self.home))
        patch.setattr("jupyter_core.paths.ENV_JUPYTER_PATH", [str(self.env)])
        patch.setattr("jupyter_core.paths.SYSTEM_JUPYTER_PATH", [str(self.system)])

    @property
    def user(self) -> Path:
        return self.home / ".local/share/jupyter"

    def set(self, **variables: object) -> None:
        for name, value in variables.items():
            self._patch.setenv(name, str(value))


def install(place: Path, name: str, content: dict[str, Any] | str | None = None) -> Path:
    """The folder of a spec that is in place now."""
    folder = place / "kernels" / name
    folder.mkdir(parents=True)
    text = content if isinstance(content, str) else json.dumps(SPEC if content is None else content)
    (folder / "kernel.json").write_text(text)
    return folder


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    return Places(tmp_path, monkeypatch)


def told(name: str) -> dict[str, Any]:
    """What w2z finds, as the oracle tells it."""
    found = find(name)
    assert found is not None
    fields = {"interrupt_mode": "signal", **found.spec.model_dump(exclude_none=True)}
    return {"resource_dir": str(found.folder), **fields}


def by_oracle() -> dict[str, dict[str, Any]]:
    listed = KernelSpecManager().get_all_specs()
    for found in listed.values():
        del found["spec"]["kernel_protocol_version"]
    return {name: {"resource_dir": f["resource_dir"], **f["spec"]} for name, f in listed.items()}


def are_as_the_oracle_s() -> bool:
    """Nearly all of what the native kernel's metadata says is ipykernel's own business."""
    ours, theirs = {name: told(name) for name in names()}, by_oracle()
    for listed in (ours, theirs):
        for found in listed.values():
            if found["resource_dir"].endswith("ipykernel/resources"):
                del found["metadata"]
    assert ours == theirs
    return True


# Where.


def test_the_directories_are_jupyter_client_s(places: Places) -> None:
    places.set(JUPYTER_PATH=f"/first{os.pathsep}/second/")
    found = directories()
    assert found == KernelSpecManager().kernel_dirs
    assert found[:2] == ["/first/kernels", "/second/kernels"]
    assert found[-1] == str(places.home / ".ipython/kernels")


@pytest.mark.parametrize(
    "variables",
    [
        {"JUPYTER_PREFER_ENV_PATH": "0"},
        {"JUPYTER_PREFER_ENV_PATH": "1"},
        {"JUPYTER_DATA_DIR": "/data"},
        {"XDG_DATA_HOME": "/xdg"},
        {"IPYTHONDIR": "~/my ipython"},
        {"JUPYTER_PLATFORM_DIRS": "1"},
    ],
    ids=str,
)
def test_variables_that_tell_directories_count(places: Places, variables: dict[str, str]) -> None:
    places.set(**variables)
    assert directories() == KernelSpecManager().kernel_dirs


def test_the_user_s_own_python_packages_count(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("site.ENABLE_USER_SITE", True)
    monkeypatch.setattr("site.USER_BASE", "/user/base")
    assert directories() == KernelSpecManager().kernel_dirs
    assert "/user/base/share/jupyter/kernels" in directories()


@pytest.mark.parametrize("prefers_env", ["0", "1"])
def test_the_first_of_the_directories_wins(places: Places, prefers_env: str) -> None:
    first, second = places.home / "first", places.home / "second"
    places.set(JUPYTER_PATH=f"{first}{os.pathsep}{second}", JUPYTER_PREFER_ENV_PATH=prefers_env)
    path = [first, second, places.user, places.env, places.system, places.home / ".ipython"]
    for number, place in enumerate(path):
        for name in range(number, len(path)):
            install(place, f"k{name}", {**SPEC, "display_name": place.name})
    assert are_as_the_oracle_s()
    assert told("k0")["display_name"] == "first"
    assert told("k3")["display_name"] == "first"
    assert told("k5")["display_name"] == "first"


folders = st.sampled_from(["ir", "IR", "python3", "a.b-c_d", "9"])
contents = st.fixed_dictionaries(
    {},
    optional={
        "argv": st.lists(st.sampled_from(["python", "x", "{connection_file}", "ü"])),
        "display_name": st.text(max_size=3),
        "language": st.text(max_size=3),
        "env": st.dictionaries(st.text(max_size=2), st.text(max_size=2), max_size=2),
        "interrupt_mode": st.sampled_from(["signal", "message", "Signal", "MESSAGE"]),
        "metadata": st.dictionaries(st.text(max_size=2), st.integers() | st.none(), max_size=2),
        "kernel_protocol_version": st.just("5.5"),
    },
)
# Which of two folders counts that differ in letters only is chance to jupyter_client.
installed = st.lists(
    st.tuples(st.integers(0, 4), folders, contents),
    unique_by=lambda one: (one[0], one[1].lower()),
    max_size=8,
)


@given(installed, st.booleans())
def test_any_layout_is_seen_as_the_oracle_sees_it(
    layout: list[tuple[int, str, dict[str, Any]]], prefers_env: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        places = Places(Path(folder), patch)
        first, second = places.home / "first", places.home / "second"
        places.set(
            JUPYTER_PATH=f"{first}{os.pathsep}{second}", JUPYTER_PREFER_ENV_PATH=int(prefers_env)
        )
        path = (first, second, places.user, places.env, places.system)
        for place, name, content in layout:
            install(path[place], name, content)
        assert are_as_the_oracle_s()


def test_links_are_followed(places: Places, tmp_path: Path) -> None:
    elsewhere = install(tmp_path / "elsewhere", "other", {**SPEC, "language": "linked"})
    kernels = install(places.user, "plain").parent
    (kernels / "Folder").symlink_to(elsewhere)
    (kernels / "file").mkdir()
    (kernels / "file/kernel.json").symlink_to(elsewhere / "kernel.json")
    (kernels / "nowhere").symlink_to(tmp_path / "nothing")
    places.system.symlink_to(tmp_path / "elsewhere")
    assert are_as_the_oracle_s()
    assert names() == ["file", "folder", "other", "plain", "python3"]


def test_large_and_small_letters_are_alike(places: Places) -> None:
    folder = install(places.user, "My-Kernel")
    assert find("my-kernel") == find("MY-kernel")
    assert told("My-Kernel")["resource_dir"] == str(folder)
    assert names() == ["my-kernel", "python3"]


@pytest.mark.parametrize("name", ["", "a b", "ü", "a\n", "a/b", "../user", "."])
def test_names_that_jupyter_does_not_allow_are_not_found(places: Places, name: str) -> None:
    with contextlib.suppress(OSError):  # not even a folder's
        install(places.user, name)
    assert find(name) is None
    assert names() == ["python3"]


def test_what_is_no_folder_with_a_kernel_json_is_no_kernelspec(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    kernels = install(places.user, "one").parent
    (kernels / "two").mkdir()
    (kernels / "three").write_text("{}")
    places.system.write_text("a file where a folder might be")
    assert find("two") is None
    assert find("three") is None
    assert names() == ["one", "python3"]
    assert are_as_the_oracle_s()
    assert caplog.messages == []


def test_a_directory_that_cannot_be_read_is_told_and_left_out(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    install(places.system, "there")
    (places.user / "kernels").parent.mkdir(parents=True)
    (places.user / "kernels").symlink_to("kernels")
    assert told("there")["language"] == "c"
    [message] = caplog.messages
    assert message.startswith(f"cannot look for kernelspecs in {places.user / 'kernels'}: ")


# Broken ones.


def with_text(folder: Path, text: bytes) -> None:
    (folder / "kernel.json").write_bytes(text)


def with_pipe(folder: Path) -> None:
    (folder / "kernel.json").unlink()
    os.mkfifo(folder / "kernel.json")


def with_folder(folder: Path) -> None:
    (folder / "kernel.json").unlink()
    (folder / "kernel.json").mkdir()


def with_link(folder: Path, target: str) -> None:
    (folder / "kernel.json").unlink()
    (folder / "kernel.json").symlink_to(target)


def with_size(folder: Path, size: int) -> None:
    """Valid, and filled up with spaces."""
    with (folder / "kernel.json").open("ab") as file:
        file.write(b" " * (size - file.tell()))


BROKEN = {
    "not JSON": lambda folder: with_text(folder, b"{"),
    "no object": lambda folder: with_text(folder, b"[]"),
    "empty": lambda folder: with_text(folder, b""),
    "not UTF-8": lambda folder: with_text(folder, b'{"language": "\xff"}'),
    "nested too deep": lambda folder: with_text(folder, b'{"metadata":' + b"[" * 100_000),
    "argv is text": lambda folder: with_text(folder, b'{"argv": "run"}'),
    "argv with a number": lambda folder: with_text(folder, b'{"argv": ["run", 1]}'),
    "no such mode": lambda folder: with_text(folder, b'{"interrupt_mode": "prayer"}'),
    "a mode that is no text": lambda folder: with_text(folder, b'{"interrupt_mode": 1}'),
    "a pipe": with_pipe,
    "a folder": with_folder,
    "a device": lambda folder: with_link(folder, "/dev/zero"),
    "a link to itself": lambda folder: with_link(folder, "kernel.json"),
    "too large": lambda folder: with_size(folder, specs.MAX_SIZE + 1),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_one_is_told_and_the_next_one_wins(
    places: Places, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    """jupyter_client finds none at all then."""
    broken = install(places.user, "k")
    BROKEN[case](broken)
    good = install(places.system, "K")
    assert told("k")["resource_dir"] == str(good)
    [message] = caplog.messages
    assert message.startswith(f"the kernelspec {broken / 'kernel.json'} is left out: ")
    assert "None" not in message


def test_a_warning_says_what_is_wrong_with_which_field(
    places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    install(places.user, "k", {**SPEC, "env": {"A": 1}})
    assert find("k") is None
    assert caplog.messages[0].endswith("is left out: env: A: Input should be a valid string")


def test_as_large_as_allowed_is_not_too_large(places: Places) -> None:
    with_size(install(places.user, "k"), specs.MAX_SIZE)
    assert told("k")["argv"] == SPEC["argv"]


def test_only_those_of_the_name_are_read(places: Places, caplog: pytest.LogCaptureFixture) -> None:
    install(places.user, "broken", "{")
    install(places.user, "k")
    assert told("k")["argv"] == SPEC["argv"]
    assert caplog.messages == []


# The kernel of this Python.


def test_ipykernel_is_there_where_it_can_be_imported(places: Places) -> None:
    assert names() == ["python3"]
    assert are_as_the_oracle_s()
    assert told("python3")["argv"][0] == sys.executable


def test_a_spec_that_is_installed_counts_more(places: Places) -> None:
    install(places.system, "python3")
    assert told("python3")["argv"] == SPEC["argv"]


@pytest.mark.parametrize("case", ["missing", "a folder only", "half imported"])
def test_without_ipykernel_there_is_none(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "ipykernel"]:
        monkeypatch.delitem(sys.modules, name)
    if case == "half imported":
        monkeypatch.setitem(sys.modules, "ipykernel", type(sys)("ipykernel"))
        monkeypatch.setattr(sys.modules["ipykernel"], "__spec__", None)
    if case == "a folder only":
        (tmp_path / "ipykernel").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "meta_path", [sys.meta_path[-1]])
    assert find("python3") is None
    assert names() == []


# What a lookup does besides: nothing.

CLOSED = """
import importlib, os, sys
from pathlib import Path
import w2z.serve.serve
from w2z.kernel.process import specs

# What the kernel's user may write where sys.path begins: in the working directory.
Path(".jupyter").mkdir()
for name in ("traitlets", "platformdirs", "pwd", "jupyter_core", "ipykernel", "jupyter_config"):
    for planted in (f"{name}.py", f".jupyter/{name}.py"):
        Path(planted).write_text("raise SystemExit('this was executed')")
importlib.invalidate_caches()

seen = []

def watch(event, arguments):
    is_harmless = event in ("os.listdir", "os.scandir", "sys._getframe", "builtins.id")
    if event == "open":
        is_harmless = not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    elif event == "import":
        is_harmless = arguments[0] in sys.builtin_module_names
    if not is_harmless:
        seen.append((event, *map(repr, arguments)))

sys.addaudithook(watch)
found = specs.find("python3")
assert specs.find("nothing") is None
specs.names()
told = list(seen)
print(told, found.folder)
"""


@pytest.mark.parametrize("home", [".", "/", "/nonexistent", "", None])
def test_a_lookup_reads_files_and_does_nothing_else(tmp_path: Path, home: str | None) -> None:
    """No module is imported that the kernel's user could have written, no program is started,
    nothing is written.
    """
    ours = {name: value for name, value in os.environ.items() if name != "HOME"}
    if home is not None:
        ours["HOME"] = home if home != "." else str(tmp_path)
    command = [sys.executable, "-c", CLOSED]
    told = subprocess.check_output(command, cwd=tmp_path, env=ours, text=True)
    assert told.startswith("[] /")


def test_without_any_home_the_other_directories_are_looked_in(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an arbitrary user in a container."""

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert directories() == [str(place / "kernels") for place in (places.env, places.system)]
    places.set(JUPYTER_PATH=places.home)
    assert directories()[0] == str(places.home / "kernels")
    # The user's packages would be in a folder of the working directory that is called "~".
    monkeypatch.setattr("site.ENABLE_USER_SITE", True)
    monkeypatch.setattr("site.USER_BASE", "~/.local")
    places.set(JUPYTER_DATA_DIR="/data")
    assert [path for path in directories() if "~" in path] == []
    assert "/data/kernels" in directories()


# Once.


class Finder:
    """In place of :func:`find`: counts, and hangs as long as it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.go_on = threading.Event()
        self.go_on.set()
        monkeypatch.setattr(specs, "find", self)

    def __call__(self, name: str) -> specs.InstalledSpec | None:
        self.asked.append(name)
        self.go_on.wait()
        return find(name)


@pytest.fixture
def finder(places: Places, monkeypatch: pytest.MonkeyPatch) -> Iterator[Finder]:
    made = Finder(monkeypatch)
    yield made
    made.go_on.set()


async def test_each_name_is_looked_up_once(places: Places, finder: Finder) -> None:
    install(places.user, "k", {**SPEC, "interrupt_mode": "message"})
    looking = InstalledSpecs()
    found = await asyncio.gather(*(looking.known(name) for name in "kK"), looking.known("other"))
    assert found == [find("k"), find("k"), None]
    shutil.rmtree(places.user)
    install(places.user, "other")
    assert await looking.known("k") == found[0]
    assert await looking.interrupt_mode("k") == "message"
    assert await looking.known("other") is None, "that there is none holds, too"
    assert await looking.interrupt_mode("other") is None
    assert sorted(finder.asked) == ["k", "other"]


async def test_a_drive_that_does_not_answer_is_not_waited_for(
    places: Places, finder: Finder, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    install(places.user, "k")
    monkeypatch.setattr(specs, "LOOKUP_TIMEOUT", 0)
    finder.go_on.clear()
    looking = InstalledSpecs()
    assert await looking.known("k") is None
    assert caplog.messages == ["looking for kernelspecs takes long: going on without that of 'k'"]
    with pytest.raises(TimeoutError):
        await looking.get("k", 0)
    # Once is enough: nobody waits for it again.
    monkeypatch.setattr(specs, "LOOKUP_TIMEOUT", 3600)
    assert await looking.known("K") is None
    assert len(caplog.messages) == 1
    finder.go_on.set()
    assert await looking.get("k", 60) == find("k"), "it counts when it is known at last"
    assert await looking.known("k") == find("k")
    assert finder.asked == ["k"]


async def test_only_so_many_lookups_hang_and_are_remembered(
    finder: Finder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(specs, "LOOKUP_TIMEOUT", 0)
    monkeypatch.setattr(specs, "MAX_NAMES", 2)
    finder.go_on.clear()
    looking = InstalledSpecs()
    for name in "abc":
        assert await looking.known(name) is None
    assert len(caplog.messages) == 3
    while len(finder.asked) < 2:  # their threads begin when they get their turn
        await asyncio.sleep(0)
    assert sorted(finder.asked) == ["a", "b"]
    finder.go_on.set()
    for name in "abca":
        assert await looking.get(name, 60) is None
    assert sorted(finder.asked) == ["a", "a", "b", "c"], "c took the place of a, and a that of b"


@pytest.fixture(autouse=True)
def log_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "w2z")
