"""From a command line or a kernelspec to what is started."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from w2z.errors import SettingsError
from w2z.kernel.process.command import Command, from_spec, spelt_out_mode


def spec(folder: Path, **fields: object) -> dict[str, object]:
    """An installed spec as jupyter_client lists it, its file included."""
    folder.mkdir(exist_ok=True)
    (folder / "kernel.json").write_text(json.dumps(fields))
    # jupyter_client fills in what the file leaves out.
    listed = {"argv": [], "env": {}, "interrupt_mode": "signal", **fields}
    return {"resource_dir": str(folder), "spec": listed}


def test_every_place_for_the_connection_file_is_filled():
    command = Command(["run", "-f", "{connection_file}", "--x={connection_file}", "{other}"])
    line = command.line(Path("/a b/k.json"))
    assert line == ["run", "-f", "/a b/k.json", "--x=/a b/k.json", "{other}"]


def test_the_environment_is_ours_without_our_settings_and_with_the_spec_s():
    command = Command([], {"HOME": "${HOME}/kernel", "NEW": "$MISSING", "STOLEN": "${W2Z_TOKEN}"})
    ours = {"HOME": "/h", "KEPT": "1", "W2Z_TOKEN": "t", "W2Z_PORT": "1"}
    made = command.full_environment({**ours, "CONFIGPROXY_AUTH_TOKEN": "t"})
    assert made == {
        "HOME": "/h/kernel",
        "KEPT": "1",
        "NEW": "$MISSING",
        "STOLEN": "${W2Z_TOKEN}",
        "JPY_PARENT_PID": str(os.getpid()),
    }


def test_variables_of_the_loader_are_given_back_to_the_kernel():
    made = Command([]).full_environment({"W2Z_LD_PRELOAD": "/x.so", "LD_BIND_NOW": "1"})
    assert made == {"LD_PRELOAD": "/x.so", "LD_BIND_NOW": "1", "JPY_PARENT_PID": str(os.getpid())}


@pytest.mark.parametrize("flags", [[], ["-I"], ["-IS"]])
def test_the_look_up_for_specs_is_as_closed_as_this_python(flags):
    """``-IS``, as in containers/launcher.c."""
    code = (
        "import sys; sys.path += sys.argv[1:];"
        "from w2z.kernel.process.command import _python; print(_python())"
    )
    command = [sys.executable, *flags, "-c", code, *sys.path]
    told = subprocess.check_output(command, text=True)
    assert told == f"{[sys.executable, *(f'-{flag}' for flag in ''.join(flags)[1:])]}\n"


def test_a_spec_is_found_by_its_name(tmp_path):
    argv = ["{resource_dir}/run", "{prefix}/x", "{connection_file}"]
    installed = {"k": spec(tmp_path, argv=argv, env={"A": "b"}, interrupt_mode="message")}
    command = from_spec("k", installed)
    assert command.argv == [f"{tmp_path}/run", f"{sys.prefix}/x", "{connection_file}"]
    assert command.environment == {"A": "b"}
    assert command.kernel_name == "k"
    assert command.interrupt_mode == "message"


@pytest.mark.parametrize(
    ("installed", "there"), [({}, "none"), ({"b": {}, "a": {}}, "a, b"), ({"k": None}, "k")]
)
def test_a_name_that_is_not_there_is_told_with_those_that_are(installed, there):
    with pytest.raises(SettingsError, match=rf"^--kernel: .*'k'; installed: {there}$"):
        from_spec("k", installed)


@pytest.mark.parametrize("python", ["python", "python3", f"python3.{sys.version_info.minor}"])
def test_python_beside_this_one_is_this_one(python, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    installed = {"k": spec(tmp_path / "kernels", argv=[python, "-m", "x"])}
    assert from_spec("k", installed).argv == [sys.executable, "-m", "x"]


def test_python_of_another_prefix_is_looked_for_on_the_path(tmp_path):
    installed = {"k": spec(tmp_path, argv=["python", "-m", "x"])}
    assert from_spec("k", installed).argv == ["python", "-m", "x"]


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ('{"interrupt_mode": "signal"}', "signal"),
        ('{"interrupt_mode": "message"}', "message"),
        ('{"interrupt_mode": "prayer"}', None),
        ("{}", None),
        ("[]", None),
        ("{", None),
        ("\udcff", None),
    ],
)
def test_only_what_the_spec_itself_spells_out_counts(text, mode, tmp_path):
    (tmp_path / "kernel.json").write_bytes(text.encode(errors="surrogateescape"))
    assert spelt_out_mode(tmp_path) == mode


def test_a_spec_without_a_file_spells_out_nothing(tmp_path):
    assert spelt_out_mode(tmp_path / "missing") is None
