"""Put the libraries of the page into w2z/page/vendor; with --check, only compare, offline.

The packages come from npm at the versions below, as ``npm pack`` gets them. Each archive has to
have the checksum in vendor.json, unless its version is another one there. esbuild makes one module
of each library with what it needs. The results are committed: nothing is built when w2z is
installed.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

VENDOR = Path(__file__).parent.parent / "w2z" / "page" / "vendor"
INDEX = VENDOR / "vendor.json"
LICENCES = "LICENCES.txt"

PACKAGES = {
    "@codemirror/autocomplete": "6.20.4",
    "@codemirror/commands": "6.11.1",
    "@codemirror/language": "6.13.1",
    "@codemirror/legacy-modes": "6.5.5",
    "@codemirror/state": "6.7.6",
    "@codemirror/streamparser": "6.0.0",
    "@codemirror/view": "6.43.15",
    "@lezer/common": "1.5.5",
    "@lezer/highlight": "1.2.5",
    "@lezer/lr": "1.4.12",
    "@marijn/find-cluster-break": "1.0.4",
    "anser": "2.3.5",
    "crelt": "1.0.7",
    "dompurify": "3.5.0",
    "katex": "0.19.1",
    "marked": "18.2.1",
    "style-mod": "4.1.5",
    "w3c-keyname": "2.2.8",
}
"""What is in the modules, with what that needs in turn."""

ESBUILD = "0.28.2"

MODULES = {
    "anser": 'export { default } from "anser";',
    "codemirror": """
        export { Compartment, EditorState, Prec } from "@codemirror/state";
        export { EditorView, drawSelection, keymap, placeholder } from "@codemirror/view";
        export { defaultKeymap, history, historyKeymap, indentMore } from "@codemirror/commands";
        export { StreamLanguage, bracketMatching, indentOnInput, indentUnit, syntaxHighlighting }
            from "@codemirror/language";
        export { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap,
            completionStatus, startCompletion } from "@codemirror/autocomplete";
        export { classHighlighter, highlightCode } from "@lezer/highlight";
        export { javascript, typescript } from "@codemirror/legacy-modes/mode/javascript";
        export { julia } from "@codemirror/legacy-modes/mode/julia";
        export { python } from "@codemirror/legacy-modes/mode/python";
        export { r } from "@codemirror/legacy-modes/mode/r";
        export { shell } from "@codemirror/legacy-modes/mode/shell";
    """,
    "katex": """
        export { default as katex } from "katex";
        export { default as renderMathInElement } from "katex/contrib/auto-render";
    """,
    "marked": 'export { Marked } from "marked";',
    "purify": 'export { default } from "dompurify";',
}
"""The modules, and what each of them exports."""

FONTS = (
    *("AMS-Regular", "Caligraphic-Regular", "Main-Bold", "Main-Italic", "Main-Regular"),
    *("Math-Italic", "Size1-Regular", "Size2-Regular", "Size3-Regular", "Size4-Regular"),
)
"""The fonts of KaTeX that are kept; for the few formulas that use others the browser has its."""


def main() -> int:
    if "--check" in sys.argv:
        problems = mistakes()
        for problem in problems:
            print(problem)
        return 1 if problems else 0
    known = _index()["packages"] if INDEX.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packages = {one: _fetch(folder, one, version) for one, version in PACKAGES.items()}
        for one, found in packages.items():
            before = known.get(one)
            if before and before["version"] == found["version"] and before != found:
                print(f"{one} {found['version']} is not what it was: {before}, now {found}")
                return 1
        VENDOR.mkdir(exist_ok=True)
        for old in VENDOR.iterdir():
            old.unlink()
        _bundle(folder)
        _katex(folder / "node_modules/katex/dist")
        (VENDOR / LICENCES).write_text(_licences(folder))
    files = {path.name: checksum(path) for path in sorted(VENDOR.iterdir())}
    content = {"esbuild": ESBUILD, "packages": packages, "files": files}
    INDEX.write_text(json.dumps(content, indent=2) + "\n")
    return 0


def mistakes() -> list[str]:
    """Return what is wrong with the folder, compared with vendor.json."""
    index = _index()
    found = {path.name: checksum(path) for path in VENDOR.iterdir() if path != INDEX}
    problems = [
        f"{name} is not what tools/vendor_page.py wrote"
        for name in sorted(found.keys() | index["files"].keys())
        if found.get(name) != index["files"].get(name)
    ]
    versions = {name: one["version"] for name, one in index["packages"].items()}
    if versions != PACKAGES:
        problems.append("vendor.json has other versions than tools/vendor_page.py")
    licences = (VENDOR / LICENCES).read_text()
    problems += [
        f"the licence of {name} is missing"
        for name in PACKAGES
        if f"\n{name} {PACKAGES[name]} (" not in licences
    ]
    return problems


def _index() -> dict[str, Any]:
    index: dict[str, Any] = json.loads(INDEX.read_text())
    return index


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _fetch(folder: Path, name: str, version: str) -> dict[str, str]:
    """Unpack a package below ``folder``; return what vendor.json tells about it."""
    command = ["npm", "pack", f"{name}@{version}", "--json", "--silent"]
    told = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    [answer] = json.loads(told)
    archive = folder / answer["filename"]
    target = folder / "node_modules" / name
    target.mkdir(parents=True)
    with tarfile.open(archive) as opened:
        opened.extractall(target, filter="data")
    (top,) = target.iterdir()
    for one in top.iterdir():
        one.rename(target / one.name)
    licence = json.loads((target / "package.json").read_text())["license"]
    return {"version": version, "licence": licence, "sha256": checksum(archive)}


def _bundle(folder: Path) -> None:
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    name = f"@esbuild/{platform.system().lower()}-{machine}"
    _fetch(folder, name, ESBUILD)
    for module, source in MODULES.items():
        entry = folder / f"{module}.mjs"
        entry.write_text(source)
        subprocess.run(
            [
                str(folder / "node_modules" / name / "bin/esbuild"),
                str(entry),
                *("--bundle", "--minify", "--format=esm", "--target=es2022"),
                *("--legal-comments=none", "--log-level=warning"),
                f"--outfile={VENDOR / entry.name}",
            ],
            check=True,
            cwd=folder,
        )


def _katex(dist: Path) -> None:
    """Write KaTeX's style with the fonts that are kept, which lie beside it."""
    style = (dist / "katex.min.css").read_text()

    def kept(face: re.Match[str]) -> str:
        font = re.search(r"url\(fonts/(KaTeX_([\w-]+)\.woff2)\)", face[0])
        if font is None or font[2] not in FONTS:
            return ""
        (VENDOR / font[1]).write_bytes((dist / "fonts" / font[1]).read_bytes())
        return re.sub(r"src:[^;}]*", f'src:url({font[1]}) format("woff2")', face[0])

    style = re.sub(r"@font-face\{[^}]*\}", kept, style)
    (VENDOR / "katex.css").write_text(style.rstrip() + "\n")
    missing = [font for font in FONTS if not (VENDOR / f"KaTeX_{font}.woff2").exists()]
    if missing:
        raise SystemExit(f"KaTeX has no fonts {missing} any more")


def _licences(folder: Path) -> str:
    """Return the licences of all packages, one after the other."""
    parts = ["The licences of what is in this folder. vendor.json has checksums.\n"]
    for name, version in PACKAGES.items():
        package = folder / "node_modules" / name
        licence = json.loads((package / "package.json").read_text())["license"]
        text = (package / "LICENSE").read_text().strip()
        parts.append(f"{'-' * 78}\n{name} {version} ({licence})\n\n{text}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    raise SystemExit(main())
