"""Runs cells with nbclient, as it is published, and writes what each showed into a JSON file.

``python -m tests.programs.run_notebook FILE KERNEL CELL…``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook


def tell(**_: object) -> None:
    sys.stdout.write("a cell has ended\n")
    sys.stdout.flush()


def main(file: str, kernel: str, *cells: str) -> None:
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, kernel_name=kernel, timeout=None, allow_errors=True)
    client.on_cell_executed = tell
    client.execute()
    Path(file).write_text(json.dumps([cell.outputs for cell in notebook.cells]))


if __name__ == "__main__":
    main(*sys.argv[1:])
