"""The line "Not here: X (``room``)" of a module points at a room or module that exists."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import koalarize

SOURCE = Path(koalarize.__file__).parent
ROOT = Path(__file__).parents[1]
FILES = sorted(SOURCE.rglob("*.py"))


@functools.cache
def pointers(path: Path) -> list[str]:
    """Return the names in ``...`` inside parentheses of a module's "Not here" sentence."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    start = text.find("Not here:")
    if start < 0:
        return []
    line = re.split(r"\.\s+[A-Z`]|\n\n", text[start:])[0]
    line = re.sub(r"extra\s+``\w+``", "", line)  # of the package: no room
    return [
        name
        for inside in re.findall(r"\(([^)]*)\)", line, re.DOTALL)
        for name in re.findall(r"``([^`]+)``", inside)
    ]


def homes(path: Path) -> list[Path]:
    """Return the folders in which a name of a module is looked up: its own, then those above."""
    above = [path.parent, *path.parent.parents]
    return [*above[: above.index(SOURCE) + 1], ROOT]


def is_there(name: str, path: Path) -> bool:
    """Return whether a pointer of a module leads to a room, a module or a file."""
    if name.startswith("koalarize "):  # a command
        return True
    place = name if "/" in name or name.endswith(".html") else name.replace(".", "/")
    return any(
        (home / place).is_dir()
        or (home / place).is_file()
        or ((home / f"{place}.py").is_file() and home / f"{place}.py" != path)
        for home in homes(path)
    )


def test_not_here_points_at_what_is_there():
    lost = {
        str(path.relative_to(SOURCE)): name
        for path in FILES
        for name in pointers(path)
        if not is_there(name, path)
    }
    assert not lost, "modules send their readers to nowhere"


def test_a_pointer_to_nowhere_is_seen():
    path = SOURCE / "colorizer" / "colorizer.py"
    assert is_there("photo.photo", path)
    assert is_there("merge", path)
    assert is_there("recipes/koala.yaml", path)
    assert is_there("showcase.html", SOURCE / "lab" / "evaluation" / "page.py")
    assert not is_there("tint", path)
    assert not is_there("app", SOURCE / "web" / "studio" / "app.py")  # itself
    assert not is_there("photo.view", path)


def test_the_reader_finds_pointers():
    assert pointers(SOURCE / "color" / "bins.py") == ["color.convert", "lab.networks"]
    assert sum(bool(pointers(path)) for path in FILES) > 60
