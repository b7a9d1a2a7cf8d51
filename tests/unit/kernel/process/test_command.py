"""From a command line or a kernelspec to what is started."""

import os
import sys
from pathlib import Path

import pytest

from w2z.errors import SettingsError
from w2z.kernel.process.command import Command, from_spec
from w2z.kernel.process.specs import InstalledSpec, KernelSpec


def installed(folder: Path, **fields: object) -> InstalledSpec:
    """A spec of that content, called k."""
    return InstalledSpec("k", folder, KernelSpec.model_validate(fields))


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


FILE = ["-f", "{connection_file}"]


@pytest.mark.parametrize(
    "argv",
    [
        ["python", "-m", "ipykernel_launcher", *FILE],
        ["/usr/bin/python3.13", "-Xfrozen_modules=off", "-m", "ipykernel_launcher", *FILE],
        [sys.executable, "-m", "bash_kernel", *FILE],
        ["pypy3", "-m", "ipykernel", "--colors=NoColor", *FILE],
    ],
)
def test_a_command_that_is_known_to_start_a_kernel_that_takes_unix_sockets(argv):
    assert Command(argv).takes_unix_sockets


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["python"],
        ["python", "-m"],
        ["python", "-m", "xeus", *FILE],
        ["R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"],
        ["python", "kernel.py", "ipykernel_launcher"],
        ["sh", "-c", "python -m ipykernel_launcher -f {connection_file}"],
        ["docker", "run", "-m", "ipykernel_launcher", *FILE],
        ["pythonic", "-m", "ipykernel_launcher", *FILE],
        ["python", "-m", "ipykernel_launcher", "--ip=0.0.0.0", *FILE],
        ["python", "-m", "ipykernel_launcher", "--ip", "0.0.0.0", *FILE],
        ["python", "-m", "ipykernel_launcher", "--IPKernelApp.ip=0.0.0.0", *FILE],
        ["python", "-m", "ipykernel_launcher", "--transport=tcp", *FILE],
        ["python", "-m", "ipykernel_launcher", "--shell=5555", *FILE],
        ["python", "-m", "ipykernel_launcher", "--IPKernelApp.hb_port=5555", *FILE],
    ],
)
def test_of_any_other_that_is_not_known(argv):
    assert not Command(argv).takes_unix_sockets


def test_an_installed_spec_is_a_command(tmp_path):
    argv = ["{resource_dir}/run", "{prefix}/x", "{connection_file}"]
    command = from_spec(installed(tmp_path, argv=argv, env={"A": "b"}, interrupt_mode="message"))
    assert command.argv == [f"{tmp_path}/run", f"{sys.prefix}/x", "{connection_file}"]
    assert command.environment == {"A": "b"}
    assert command.kernel_name == "k"
    assert command.interrupt_mode == "message"


def test_an_interrupt_mode_that_is_not_spelt_out_is_not_made_up(tmp_path):
    assert from_spec(installed(tmp_path, argv=["x"])).interrupt_mode is None


@pytest.mark.parametrize(
    ("told", "takes"),
    [
        ({}, False),
        ({"supported_encryption": "curve"}, True),
        ({"supported_encryption": " CURVE "}, True),
        ({"supported_encryption": ["none", "Curve"]}, True),
        ({"supported_encryption": ["none", 7]}, False),
        ({"supported_encryption": {"curve": True}}, False),
        ({"supported_encryption": None}, False),
    ],
)
def test_a_spec_says_whether_its_kernels_take_encryption(told, takes, tmp_path):
    command = from_spec(installed(tmp_path, argv=["x"], metadata=told))
    assert command.takes_curve is takes


def test_a_spec_without_a_command_line_cannot_be_started(tmp_path):
    with pytest.raises(SettingsError, match=r"^--kernel: the kernelspec 'k' has no argv$"):
        from_spec(installed(tmp_path))


@pytest.mark.parametrize(
    "told",
    [
        {"kernel_provisioner": {"provisioner_name": "local-provisioner"}},
        {"kernel_provisioner": {}},
        {"kernel_provisioner": None},
    ],
)
def test_kernels_that_jupyter_would_start_here_are_started(told, tmp_path):
    assert from_spec(installed(tmp_path, argv=["x"], metadata=told)).argv == ["x"]


def test_kernels_that_something_else_has_to_start_are_not(tmp_path):
    elsewhere = {"kernel_provisioner": {"provisioner_name": "in-a-cluster"}}
    with pytest.raises(SettingsError, match=r"^--kernel: .*'k'.*'in-a-cluster'.*w2z -- COMMAND"):
        from_spec(installed(tmp_path, argv=["x"], metadata=elsewhere))


@pytest.mark.parametrize("python", ["python", "python3", f"python3.{sys.version_info.minor}"])
def test_python_beside_this_one_is_this_one(python, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    spec = installed(tmp_path / "kernels", argv=[python, "-m", "x"])
    assert from_spec(spec).argv == [sys.executable, "-m", "x"]


def test_python_of_another_prefix_is_looked_for_on_the_path(tmp_path):
    spec = installed(tmp_path, argv=["python", "-m", "x"])
    assert from_spec(spec).argv == ["python", "-m", "x"]
