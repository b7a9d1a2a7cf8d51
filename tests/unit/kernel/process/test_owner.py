"""The user that a kernel runs as."""

import os
import pwd

import pytest

from w2z.errors import SettingsError
from w2z.kernel.process.owner import Owner, owner_from


@pytest.fixture
def root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.fixture
def known(monkeypatch):
    """The system knows user 1000."""

    def find(uid: int) -> pwd.struct_passwd:
        if uid != 1000:
            raise KeyError
        return pwd.struct_passwd(("anna", "x", 1000, 50, "", "/home/anna", "/bin/sh"))

    monkeypatch.setattr(pwd, "getpwuid", find)
    monkeypatch.setattr(os, "getgrouplist", lambda name, gid: [gid, 99])


def test_without_the_option_it_is_w2z_s_own():
    assert owner_from(None) is None


def test_where_w2z_is_that_user_nothing_is_to_be_done(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert owner_from("1000") is None
    assert owner_from("1000:0") is None


def test_only_root_can_run_the_kernel_as_somebody_else(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1001)
    with pytest.raises(SettingsError, match=r"^--kernel-uid: only root can .* user 1000"):
        owner_from("1000")


@pytest.mark.usefixtures("root", "known")
@pytest.mark.parametrize(("text", "gid"), [("1000", 50), ("1000:0", 0)])
def test_a_user_that_the_system_knows_has_a_home_and_its_groups(text, gid):
    assert owner_from(text) == Owner(1000, gid, (gid, 99), "anna", "/home/anna")


@pytest.mark.usefixtures("root", "known")
@pytest.mark.parametrize(("text", "gid"), [("2000", 2000), ("2000:0", 0)])
def test_one_that_it_does_not_know_has_a_group_of_its_number(text, gid):
    assert owner_from(text) == Owner(2000, gid, (gid,))


def test_the_environment_says_who_it_is():
    ours = {"HOME": "/root", "USER": "root", "PATH": "/bin"}
    assert Owner(1, 1, name="anna", home="/home/anna").environment(ours) == {
        "HOME": "/home/anna",
        "USER": "anna",
        "LOGNAME": "anna",
        "PATH": "/bin",
    }
    assert Owner(1, 1).environment(ours) == ours


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "may"),
    [
        (0o400, 0, 0, True),
        (0o044, 0, 0, False),
        (0o040, 1, 0, True),
        (0o404, 1, 0, False),
        (0o004, 1, 1, True),
        (0o440, 1, 1, False),
    ],
)
def test_who_may_read_a_file_is_said_by_its_mode(tmp_path, mode, uid, gid, may):
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    owner = Owner(os.getuid() + uid, path.stat().st_gid + gid)
    assert owner.may_read(path) is may


def test_nobody_may_read_what_is_not_there(tmp_path):
    assert not Owner(1, 1).may_read(tmp_path / "missing")
