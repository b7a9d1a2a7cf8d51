"""Each pure module is covered by its own tests: every line and every branch of it.

Run after ``coverage run -m pytest``. What the tests of another module happen to execute does not
count: only what ran in a test of ``tests/unit/<the module's place>/test_<its name>.py``, and what
runs on import. Nor does what Hypothesis ran: that is chance, and coverage records it under a name
of Hypothesis' own. Exits 1 with the missing lines and branches.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from coverage import Coverage, CoverageData

ROOT = Path(__file__).parent.parent
PURE = "Decisions do no I/O"
"""The contract of pyproject.toml that lists the pure modules."""

Arcs = set[tuple[int, int]]


def main() -> int:
    """Print the table; returns the exit code."""
    modules = pure_modules()
    recorded = Coverage()
    recorded.load()
    imported = imported_arcs(modules)
    own = {str(path): imported[path] | own_arcs(recorded.get_data(), path) for path in modules}
    complete = True
    for path, total, missing in judged(own):
        complete = complete and not missing
        told = ", ".join(missing) or "complete"
        sys.stdout.write(f"{path.relative_to(ROOT)!s:36}{total:5}  {told}\n")
    return 0 if complete else 1


def pure_modules() -> list[Path]:
    """The files of the modules and packages that the contract lists."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    [contract] = [one for one in contracts if one["name"] == PURE]
    places = [ROOT.joinpath(*name.split(".")) for name in contract["source_modules"]]
    found = [place.with_suffix(".py") for place in places if not place.is_dir()]
    for place in places:
        found += place.glob("*.py")
    return sorted(found)


def imported_arcs(modules: list[Path]) -> dict[Path, Arcs]:
    """What importing a module runs, measured by importing it."""
    importing = Coverage(data_file=None, branch=True, source=["w2z"])
    importing.set_option("run:dynamic_context", None)
    sys.path.insert(0, str(ROOT))
    with importing.collect():
        for path in modules:
            importlib.import_module(dotted(path).removesuffix(".__init__"))
    data = importing.get_data()
    return {path: set(data.arcs(str(path)) or ()) for path in modules}


def own_arcs(data: CoverageData, path: Path) -> Arcs:
    """What ran in the module's own tests."""
    place = path.relative_to(ROOT / "w2z")
    test = dotted(ROOT / "tests/unit" / place.with_name(f"test_{place.name}"))
    data.set_query_contexts([rf"^{test}\."])
    return set(data.arcs(str(path)) or ())


def dotted(path: Path) -> str:
    """The module in a file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def judged(own: dict[str, Arcs]) -> Iterator[tuple[Path, int, list[str]]]:
    """For each file its statements and branches, and which of them are missing."""
    coverage = Coverage(data_file=None, branch=True, source=["w2z"])
    coverage.get_data().add_arcs(own)
    with tempfile.NamedTemporaryFile("r", suffix=".json") as report:
        coverage.json_report(list(own), outfile=report.name)
        files = json.load(report)["files"]
    for name, found in files.items():
        missing = [str(line) for line in found["missing_lines"]]
        missing += [f"{start}->{end}" for start, end in found["missing_branches"]]
        summary = found["summary"]
        yield ROOT / name, summary["num_statements"] + summary["num_branches"], missing


if __name__ == "__main__":
    sys.exit(main())
