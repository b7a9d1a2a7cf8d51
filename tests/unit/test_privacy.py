"""What the process keeps to itself. Each test runs in a process of its own."""

import os
import subprocess
import sys

READABLE = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
"""Prints 1 if others of the same user may read this process: PR_GET_DUMPABLE of prctl(2)."""


def said(*code: str) -> list[str]:
    command = [sys.executable, "-c", "\n".join(code)]
    environment = {**os.environ, "SECRET": "s3cret"}
    got = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert got.stderr == ""
    return got.stdout.split()


def test_others_cannot_read_a_hidden_process():
    hide = "from w2z.privacy import hide_process; hide_process()"
    assert said(READABLE, hide, READABLE) == ["1", "0"]


def test_a_failure_is_told_and_no_more():
    fail = "import w2z.privacy as p; p.PR_SET_DUMPABLE = -1; p.log.warning = lambda *it: print('x')"
    assert said(fail, "p.hide_process()", READABLE) == ["x", "1"]


def test_a_variable_that_was_taken_is_inherited_by_nobody():
    take = "from w2z.privacy import take_variable as t; print(t('SECRET'), t('SECRET'))"
    show = "import subprocess; subprocess.run(['sh', '-c', 'echo ${SECRET-none}'], check=True)"
    assert said("import sys", take, "sys.stdout.flush()", show) == ["s3cret", "None", "none"]
