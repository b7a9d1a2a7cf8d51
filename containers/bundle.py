"""Make /opt/w2z: w2z with the Python that runs this, and every library either of them needs.

    python bundle.py PACKAGES

PACKAGES is a folder that ``pip install --target`` filled. What comes out needs nothing of the
image it is copied to, not even a C library:

    bin/w2z             the command (launcher.c)
    libexec/            the interpreter, and what it runs
    lib/                shared libraries, the C library and its loader
    lib/python3.N/      the standard library and PACKAGES, compiled
"""

from __future__ import annotations

import compileall
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HOME = Path("/opt/w2z")
LIB = HOME / "lib"
PYTHON = HOME / "libexec" / "python3"
MODULES = LIB / f"python{sysconfig.get_python_version()}"

UNUSED = [
    "config-*",
    "dist-packages",
    "site-packages",
    "ensurepip",
    "venv",
    "pydoc_data",
    "lib2to3",
    "distutils",
    "idlelib",
    "tkinter",
    "turtle*",
    "test",
    "tests",
    "sqlite3",
    "dbm",
    "curses",
    "wsgiref",
    "xmlrpc",
    "_test*",
    "_xx*",
    "xx*",
    "_ctypes_test*",
    "_codecs_*",
    "_dbm*",
    "_gdbm*",
    "_sqlite3*",
    "_curses*",
    "_tkinter*",
    "nis*",
    "ossaudio*",
    "readline*",
    "__pycache__",
    "*.dist-info",
    "*.pyi",
    "*.pyx",
    "*.pxd",
    "*.h",
    "*.a",
    "*.txt",
    "*.md",
    "*.exe",
    "*.rst",
    "bin",
]
"""Parts of the standard library and of packages that w2z never imports."""


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def copy_python(packages: Path) -> None:
    """The interpreter, the standard library and the packages, compiled."""
    PYTHON.parent.mkdir(parents=True)
    shutil.copy2(Path(sys.executable).resolve(), PYTHON)
    unused = shutil.ignore_patterns(*UNUSED)
    for folder in (sysconfig.get_path("stdlib"), packages):
        shutil.copytree(folder, MODULES, ignore=unused, dirs_exist_ok=True)
    compileall.compile_dir(
        MODULES,
        quiet=1,
        legacy=True,  # module.pyc in place of module.py
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    for source in MODULES.rglob("*.py"):
        source.unlink()
    shutil.copy2(Path(__file__).with_name("start.py"), PYTHON.with_name("w2z"))


def binaries() -> list[Path]:
    """The interpreter and every shared library."""
    return [PYTHON, *(path for path in LIB.rglob("*.so*") if not path.is_symlink())]


def copy_libraries() -> None:
    """Put every library that something here is linked with into LIB."""
    wanted = binaries()
    while wanted:
        for path in re.findall(r"(/\S+) \(0x", run("ldd", wanted.pop())):
            copied = LIB / Path(path).name
            if not copied.exists():
                shutil.copy2(path, copied)
                wanted.append(copied)
    for bundled in MODULES.glob("*.libs"):  # of wheels: they are in LIB now
        shutil.rmtree(bundled)


def link_among_themselves() -> None:
    """Let everything here find its libraries in LIB and nowhere else."""
    loader = LIB / Path(run("patchelf", "--print-interpreter", PYTHON).strip()).name
    for path in binaries():
        if path == loader:
            continue
        run("strip", "--strip-unneeded", path)
        # An RPATH, unlike a RUNPATH, comes before LD_LIBRARY_PATH.
        run("patchelf", "--force-rpath", "--set-rpath", LIB, path)
    run("patchelf", "--set-interpreter", loader, PYTHON)


if __name__ == "__main__":
    copy_python(Path(sys.argv[1]))
    copy_libraries()
    link_among_themselves()
    print(run(HOME / "bin" / "w2z", "--version"))
