"""Runs jupyter_kernel_test with the kernelspec that is named; prints each outcome, and why.

``python -m tests.programs.kernel_tests python|bash KERNELSPEC``
"""

from __future__ import annotations

import sys
import unittest
from typing import Any, ClassVar

import jupyter_kernel_test


class PythonTests(jupyter_kernel_test.KernelTests):
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples: ClassVar = [{"text": "zi", "matches": {"zip"}}]
    complete_code_samples: ClassVar = ["1", "print('hello, world')", "def f(x):\n  return x*2\n\n"]
    incomplete_code_samples: ClassVar = ["print('''hello", "def f(x):\n  x*2"]
    invalid_code_samples: ClassVar = ["import = 7q"]
    code_page_something = "zip?"
    code_generate_error = "raise"
    code_execute_result: ClassVar = [
        {"code": "1+2+3", "result": "6"},
        {"code": "[n*n for n in range(1, 4)]", "result": "[1, 4, 9]"},
    ]
    code_display_data: ClassVar = [
        {
            "code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))",
            "mime": "text/html",
        }
    ]
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"


class BashTests(jupyter_kernel_test.KernelTests):
    language_name = "bash"
    file_extension = ".sh"
    code_hello_world = "echo 'hello, world'"
    completion_samples: ClassVar = [{"text": "expor", "matches": {"export"}}]
    code_generate_error = "false"


def main(language: str, kernel: str) -> None:
    case: Any = {"python": PythonTests, "bash": BashTests}[language]
    case.kernel_name = kernel
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(case)
    unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)


if __name__ == "__main__":
    main(*sys.argv[1:])
