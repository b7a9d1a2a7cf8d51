"""Kernelspecs of remote kernels, and the tokens that are not in them."""

import json
import sys

import pytest

from w2z.client import kernelspecs
from w2z.client.kernelspecs import Described, Installed, kernel_json
from w2z.client.remote import Remote
from w2z.errors import KernelspecError

PYTHON = Described("Python 3", "python", {"debugger": True})


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "more"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def ours(name):
    """Those that w2z installed in these directories."""
    return [one for one in kernelspecs.installed() if one.name == name]


def test_what_the_live_kernel_says_is_shown():
    metadata = {"debugger": True, "supported_encryption": "curve", "w2z": {"version": "1"}}
    spec = {"display_name": "Python 3", "language": "python", "metadata": metadata}
    assert Described.of({"spec": spec}) == PYTHON


@pytest.mark.parametrize("answer", [{}, {"spec": None}, {"spec": {"metadata": 1}}])
def test_an_answer_that_says_nothing_is_enough(answer):
    assert Described.of(answer) == Described("remote kernel", "")


def test_the_command_is_one_that_vs_code_takes():
    made = kernel_json(PYTHON, "url", "http://there:1/", ["--token-file", "/t"])
    command = [sys.executable, "-m", "w2z", "attach", "http://there:1/", "-f", "{connection_file}"]
    assert made["argv"] == [*command, "--one-kernel", "--token-file", "/t"]
    assert made["display_name"] == "Python 3 (there:1)"
    assert made["language"] == "python"
    assert made["interrupt_mode"] == "message"
    assert made["metadata"] == {"debugger": True, "w2z_attach": {"url": "http://there:1/"}}


def test_a_provisioner_is_named_beside_the_command():
    config = {"pull": "never"}
    made = kernel_json(PYTHON, "image", "an/image", [], display_name="Mine", provisioner=config)
    assert made["argv"][3:6] == ["attach", "--image", "an/image"]
    assert made["display_name"] == "Mine"
    assert made["metadata"]["kernel_provisioner"] == {
        "provisioner_name": "w2z-container",
        "config": {"image": "an/image", "pull": "never"},
    }


def test_one_is_installed_replaced_listed_and_removed(home):
    content = kernel_json(PYTHON, "url", "http://there:1/", [])
    folder = kernelspecs.install("far", content)
    assert folder == home / "data" / "kernels" / "far"
    assert json.loads((folder / "kernel.json").read_text()) == content
    assert [path.name for path in folder.iterdir()] == ["kernel.json"]
    kernelspecs.install("far", kernel_json(PYTHON, "url", "http://other:1/", []))
    assert ours("far") == [Installed("far", "http://other:1/", folder)]
    token = kernelspecs.store_token("far", "secret")
    assert kernelspecs.remove("far") == folder
    assert not folder.exists()
    assert not token.exists()
    assert ours("far") == []


def test_it_has_the_logos_of_the_kernel_that_is_there_now(home):
    content = kernel_json(PYTHON, "url", "http://there:1/", [])
    logos = {"logo-32x32.png": b"small", "logo-svg.svg": b"s"}
    folder = kernelspecs.install("far", content, None, logos)
    assert (folder / "logo-svg.svg").read_bytes() == b"s"
    assert kernelspecs.install("far", content, None, {"logo-64x64.png": b"large"}) == folder
    assert sorted(one.name for one in folder.iterdir()) == ["kernel.json", "logo-64x64.png"]


def test_another_place_may_be_wanted(home):
    content = kernel_json(PYTHON, "url", "http://there:1/", [])
    folder = kernelspecs.install("far", content, home / "prefix")
    assert folder == home / "prefix" / "share" / "jupyter" / "kernels" / "far"


def test_one_of_somebody_else_is_left_alone(home):
    folder = home / "data" / "kernels" / "theirs"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text('{"argv": [], "metadata": {}}')
    with pytest.raises(KernelspecError, match="not a kernelspec of w2z"):
        kernelspecs.install("theirs", {})
    with pytest.raises(KernelspecError, match="no kernelspec 'theirs' of w2z"):
        kernelspecs.remove("theirs")
    assert ours("theirs") == []


@pytest.mark.parametrize("name", ["", "a/b", "..", ".", "a b", "ü", "x" * 101])
def test_what_is_no_name_is_told(name):
    with pytest.raises(KernelspecError, match="is no kernelspec's name"):
        kernelspecs.install(name, {})


def test_a_token_is_for_its_owner_alone(home):
    path = kernelspecs.store_token("far", "first")
    path = kernelspecs.store_token("far", "second")
    assert path == home / "config" / "w2z" / "tokens" / "far"
    assert path.read_text() == "second\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["far"]


def test_what_cannot_be_written_is_told(home):
    (home / "config").write_text("a file")
    with pytest.raises(KernelspecError, match="cannot be written"):
        kernelspecs.store_token("far", "secret")
    (home / "data").write_text("a file")
    with pytest.raises(KernelspecError, match="cannot be written"):
        kernelspecs.install("far", {})


def test_an_address_has_no_token():
    remote = Remote.at("http://there:1/base/?token=secret", environment={})
    assert kernelspecs.address(remote) == "http://there:1/base/"
    remote = Remote.at("http://there:1/base/api/kernels/a%20b/channels?token=secret")
    assert kernelspecs.address(remote) == "http://there:1/base/api/kernels/a%20b/channels"
    assert Remote.at(kernelspecs.address(remote), environment={}).kernel_id == "a b"
