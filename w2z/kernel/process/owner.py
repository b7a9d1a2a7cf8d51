"""The user that a kernel runs as where w2z itself is root: ``--kernel-uid``.

Code in the kernel can then read no file, and signal no process, that is w2z's alone.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from w2z.errors import SettingsError


@dataclass(frozen=True)
class Owner:
    """A user and its groups; ``name`` and ``home`` are empty if the system does not know it."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    name: str = ""
    home: str = ""

    def environment(self, ours: Mapping[str, str]) -> dict[str, str]:
        """Return w2z's environment with the variables that say who the user is."""
        own = {"HOME": self.home, "USER": self.name, "LOGNAME": self.name}
        return {**ours, **{name: value for name, value in own.items() if value}}

    def take(self, path: Path | int) -> None:
        """Make a file or directory, or an open one, this user's. Raises :class:`OSError`."""
        os.chown(path, self.uid, self.gid)

    def may_read(self, path: Path) -> bool:
        """Whether the mode of a file lets this user read it."""
        try:
            found = path.stat()
        except OSError:
            return False
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IRUSR)
        if found.st_gid in (self.gid, *self.groups):
            return bool(found.st_mode & stat.S_IRGRP)
        return bool(found.st_mode & stat.S_IROTH)


def owner_from(text: str | None) -> Owner | None:
    """Return the owner that ``--kernel-uid`` names; ``None`` if w2z itself runs as that user, or no
    other is wanted.

    Raises :class:`~w2z.errors.SettingsError` where w2z is not root, and so cannot run the kernel as
    somebody else.
    """
    if text is None:
        return None
    user, _, group = text.partition(":")
    uid = int(user)
    if os.geteuid() == uid:
        return None
    if os.geteuid() != 0:
        raise SettingsError(
            f"--kernel-uid: only root can run the kernel as user {uid}: start w2z as root, or take"
            " the option away (W2Z_KERNEL_UID= in an image that sets it)"
        )
    name = home = ""
    # A user that the system does not know gets a group of the same number, and not root's.
    gid = uid
    with contextlib.suppress(KeyError):
        known = pwd.getpwuid(uid)
        name, home, gid = known.pw_name, known.pw_dir, known.pw_gid
    gid = int(group) if group else gid
    groups = os.getgrouplist(name, gid) if name else [gid]
    return Owner(uid, gid, tuple(groups), name, home)
