"""Check that each pure module's own tests cover every line and every branch of it.

Run this after ``coverage run -m pytest``. Only two things count: lines that ran in a test of
``tests/unit/<the module's place>/test_<its name>.py``, and lines that run on import. Lines that
the tests of another module happen to run do not count. Nor do lines that Hypothesis ran: that is
chance, and coverage records them under a name of Hypothesis' own. Exits with 1 if lines or branches
are missing, and prints them.
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
    """Print the table of modules. Returns the exit code."""
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
    """Return the files of the modules and packages that the contract lists."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    [contract] = [one for one in contracts if one["name"] == PURE]
    places = [ROOT.joinpath(*name.split(".")) for name in contract["source_modules"]]
    found = [place.with_suffix(".py") for place in places if not place.is_dir()]
    for place in places:
        found += place.glob("*.py")
    return sorted(found)


def imported_arcs(modules: list[Path]) -> dict[Path, Arcs]:
    """Return the steps from line to line that importing each module takes, measured by doing it."""
    importing = Coverage(data_file=None, branch=True, source=["w2z"])
    importing.set_option("run:dynamic_context", None)
    sys.path.insert(0, str(ROOT))
    with importing.collect():
        for path in modules:
            importlib.import_module(dotted(path).removesuffix(".__init__"))
    data = importing.get_data()
    return {path: set(data.arcs(str(path)) or ()) for path in modules}


def own_arcs(data: CoverageData, path: Path) -> Arcs:
    """Return the steps from line to line that the module's own tests took in it."""
    place = path.relative_to(ROOT / "w2z")
    test = dotted(ROOT / "tests/unit" / place.with_name(f"test_{place.name}"))
    data.set_query_contexts([rf"^{test}\."])
    return set(data.arcs(str(path)) or ())


def dotted(path: Path) -> str:
    """Return the dotted name of the module in a file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def judged(own: dict[str, Arcs]) -> Iterator[tuple[Path, int, list[str]]]:
    """Yield each file, how many statements and branches it has, and which of these are missing."""
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
