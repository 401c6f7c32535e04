"""Which room may call which: the one table, and what the sources say."""

from __future__ import annotations

import ast
import functools
import graphlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import koalarize

SOURCE = Path(koalarize.__file__).parent
PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
TORCH = {"torch", "torchvision", "lightning", "timm", "torchmetrics"}
#: What local pages need; no other room does.
SERVING = {"fastapi", "starlette", "uvicorn"}
#: What films need, of the extra `video`; no other room does.
FILMS = {"av", "cv2"}
#: What clusters need, of the extra `cluster`.
CLUSTERS = {"ray", "fsspec", "pyarrow"}
HEAVY = {*TORCH, *SERVING, *FILMS, *CLUSTERS, "onnxruntime", "onnx", "safetensors", "skimage"}

_BELOW = ("errors", "color", "photo", "engines", "steering", "models", "colorizer")
_LAB = ("lab.tables", "lab.networks", "lab.datasets", "lab.metrics", "lab.runs")
_ABOVE = ("lab.foreign", "lab.training", "lab.export", "lab.evaluation", "lab.study")
#: Every room, and the rooms it may import. The figure in docs/architecture.md is drawn from this
#: table: ``python tests/test_imports.py`` draws it again.
ROOMS: dict[str, tuple[str, ...]] = {
    "errors": (),
    "color": ("errors",),
    "photo": ("errors", "color"),
    "engines": ("errors", "color"),
    "steering": ("errors", "color"),
    "models": ("errors", "color", "photo", "engines"),
    "colorizer": ("errors", "color", "photo", "engines", "steering", "models"),
    "film": _BELOW,
    "batch": (*_BELOW, "film"),
    "batch.cluster": (*_BELOW, "batch"),
    "web": (*_BELOW, "batch", "film"),
    "lab.tables": (),
    "lab.networks": ("errors", "color"),
    "lab.datasets": ("errors", "color", "photo", "models"),
    "lab.metrics": ("errors", "color", "photo"),
    "lab.runs": ("errors", "color", "photo", "engines", "lab.networks", "lab.datasets"),
    "lab.foreign": ("errors", "color", "lab.networks"),
    "lab.evaluation": (*_BELOW, *_LAB, "lab.foreign", "lab.export"),
    "lab.training": (*_BELOW, *_LAB, "lab.evaluation"),
    "lab.export": (*_BELOW, *_LAB, "lab.foreign"),
    "lab.study": (*_BELOW, "batch", "web", "lab.tables"),
    "cli": (*_BELOW, "batch", "batch.cluster", "film", "web", "cli.lab"),
    "cli.lab": (*_BELOW, "batch", "web", "cli", *_LAB, *_ABOVE),
}
#: A room and the one inside it: ``cli.app`` lists the commands, which use ``cli.terminal``.
NESTED = ("cli", "cli.lab")
#: Rooms that need the extra `train`.
LEARNING = {name for name in ROOMS if name.startswith("lab.")}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def imports(path: Path) -> list[tuple[str, bool]]:
    """Return the modules a file imports, and whether that happens as soon as it is imported."""
    found: list[tuple[str, bool]] = []
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]

    def visit(node: ast.AST, at_once: bool) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            return  # for type checkers only: never run
        if isinstance(node, ast.Import):
            found.extend((alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found.append((origin, at_once))
            found.extend((f"{origin}.{alias.name}", at_once) for alias in node.names)
        inside = at_once and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(ast.parse(path.read_text(encoding="utf-8")), True)
    return found


def room(module: str) -> str | None:
    """Return the room of a module of ours; the top of the package is the room ``api``."""
    first, *rest = module.split(".")
    if first != "koalarize":
        return None
    for depth in (2, 1):
        name = ".".join(rest[:depth])
        if len(rest) >= depth and name in ROOMS:
            return name
    if rest and rest[0] not in ("__main__", "lab", *_public()):
        return rest[0]
    return "api"


def _public() -> list[str]:
    return list(koalarize.__all__)


FILES = sorted(SOURCE.rglob("*.py"))


def every(rule: Callable[[Path], None]) -> Callable[[], None]:
    """Make one test of a rule for files, which names each file that breaks it."""

    def test() -> None:
        broken: list[str] = []
        for path in FILES:
            try:
                rule(path)
            except AssertionError as error:
                broken.append(f"{path.relative_to(SOURCE)}: {error}")
        assert not broken, "\n".join(broken)

    return test


def test_every_room_is_in_the_table():
    rooms = {room(module_name(path)) for path in FILES}
    assert rooms == {*ROOMS, "api"}


def test_the_reader_sees_what_there_is():
    found = dict(imports(SOURCE / "cli" / "lab" / "train.py"))
    assert found["typer"] is True
    assert found["koalarize.lab.training.train"] is False
    assert ("torch", True) in imports(SOURCE / "lab" / "networks" / "base.py")


def test_the_root_is_small():
    entries = [path for path in SOURCE.iterdir() if path.name not in ("__pycache__", "py.typed")]
    assert len(entries) <= 15


def test_no_file_is_long():
    tests = Path(__file__).parent.rglob("*.py")
    lengths = [(path, 400) for path in FILES] + [(path, 500) for path in tests]
    long = [
        path.name
        for path, most in lengths
        if len(path.read_text(encoding="utf-8").splitlines()) > most
    ]
    assert long == []


def test_rooms_do_not_go_round_in_circles():
    """Neither two rooms of the table nor a chain of them, but for the pair named above."""
    calls = {name: set(below) for name, below in ROOMS.items()}
    one, other = NESTED
    calls[one].remove(other)
    graphlib.TopologicalSorter(calls).prepare()  # raises CycleError, which names the circle


def figure() -> str:
    """Draw the table: a line a room."""
    width = max(map(len, ROOMS))
    lines = [f"{name:{width}s} ─► {', '.join(calls) or 'nothing'}" for name, calls in ROOMS.items()]
    return "\n".join(lines)


def test_the_figure_is_that_of_the_table():
    assert figure() in PAGE.read_text(encoding="utf-8")


def test_the_reader_knows_every_way_to_import(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "SOURCE", tmp_path / "koalarize")
    path = tmp_path / "koalarize" / "web" / "page.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import torch.nn as n\nfrom ..models import base\nfrom . import other\n"
        "if True:\n    import timm\nif TYPE_CHECKING:\n    import kornia\n"
        "class A:\n    import lightning\n    def f(self):\n        from .. import data\n"
    )
    found = dict(imports(path))
    assert found["torch.nn"] is True
    assert found["koalarize.models.base"] is True
    assert found["koalarize.web.other"] is True
    assert found["timm"] is True
    assert found["lightning"] is True
    assert found["koalarize.data"] is False
    assert "kornia" not in found


@every
def test_rooms_call_only_what_the_table_says(path):
    here = room(module_name(path))
    called = {room(name) for name, _ in imports(path)} - {None, here, "api"}
    assert called <= set(ROOMS.get(here, ROOMS))


@every
def test_inference_needs_nothing_of_learning(path):
    here = room(module_name(path))
    if here in LEARNING:
        return
    for name, at_once in imports(path):
        learning = room(name) in LEARNING or name.split(".")[0] in TORCH
        assert not (learning and here != "cli.lab"), f"{path.name} imports {name}"
        assert not (learning and at_once), f"{path.name} imports {name} when it is imported"


@every
def test_onnxruntime_only_when_it_is_needed(path):
    if room(module_name(path)) in LEARNING:
        return
    assert not [name for name, at_once in imports(path) if at_once and name == "onnxruntime"]


@every
def test_serving_only_where_a_page_is_served(path):
    if room(module_name(path)) in {"web", *LEARNING}:
        return
    assert not [name for name, _ in imports(path) if name.split(".")[0] in SERVING]
    assert not [name for name, at_once in imports(path) if at_once and room(name) == "web"]


@every
def test_the_extra_of_films_only_where_films_are(path):
    if room(module_name(path)) == "film":
        return
    used = [at_once for name, at_once in imports(path) if name.split(".")[0] in FILMS]
    assert not (used and room(module_name(path)) != "cli")
    assert not any(used)


@every
def test_the_extra_of_clusters_behind_one_door(path):
    here = room(module_name(path))
    used = {(name.split(".")[0], at_once) for name, at_once in imports(path)}
    assert not [name for name, at_once in used if name in CLUSTERS and at_once] or here in LEARNING
    if here not in {"batch.cluster", "lab.datasets"}:
        assert not [name for name, _ in used if name in CLUSTERS]
    if path != SOURCE / "batch" / "cluster" / "actors.py":
        assert "ray" not in {name for name, _ in used}


@pytest.mark.parametrize(
    "code",
    [
        "import koalarize",
        "import koalarize.colorizer.colorizer, koalarize.batch.run, koalarize.cli",
        "from koalarize.cli import main; main(['--help'])",
        "import koalarize; [getattr(koalarize, name) for name in koalarize.__all__]",
    ],
)
def test_nothing_heavy_is_loaded(code):
    check = f"{code}\nimport sys\nloaded = {sorted(HEAVY)!r}\n"
    check += "sys.stderr.write(' '.join(m for m in loaded if m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""


def test_pictures_are_colored_without_a_web_client():
    """It takes longer to load than all of ours; only what fetches models needs it."""
    code = "import koalarize.colorizer.colorizer, sys; sys.exit('urllib.request' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


if __name__ == "__main__":
    _before, _mark, _rest = PAGE.read_text(encoding="utf-8").partition("<!-- rooms -->\n```\n")
    PAGE.write_text(f"{_before}{_mark}{figure()}\n```{_rest.partition('```')[2]}", encoding="utf-8")
