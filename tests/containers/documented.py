"""The commands and the recipe of docs/containers.md: what the tests run is what users read."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "containers.md"


def blocks(language: str) -> list[str]:
    """The page's code in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


@cache
def commands() -> list[list[str]]:
    """Every command line of the page, as words."""
    text = "".join(blocks("sh")).replace("\\\n", " ")
    return [shlex.split(line, comments=True) for line in text.splitlines() if line.strip()]


def command(*words: str) -> list[str]:
    """The first command that has all these words."""
    return next(line for line in commands() if set(words) <= set(line))


def build_commands() -> dict[str, list[str]]:
    """The commands that build images, by the image's name."""
    return {
        line[line.index("--tag") + 1]: line
        for line in commands()
        if line[:2] == ["podman", "build"]
    }


def recipe(base: str, kernel: str) -> str:
    """The Dockerfile that puts w2z into another image: ``kernel`` is its command as JSON texts."""
    [text] = blocks("dockerfile")
    made = text.replace("your-kernel-image", base).replace('"your-kernel"', kernel)
    assert base in made
    assert kernel in made
    return made
