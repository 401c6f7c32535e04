"""Which room may call which, as docs/architecture.md draws it, read from the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import koalarize

SOURCE = Path(koalarize.__file__).parent
#: Rooms that need the extra `train`.
LEARNING = {"models", "data", "training", "evaluation"}
TORCH = {"torch", "torchvision", "lightning", "timm", "torchmetrics", "kornia"}
#: What local pages need; no other room does.
SERVING = {"fastapi", "starlette", "uvicorn"}
HEAVY = {*TORCH, *SERVING, "onnxruntime", "onnx", "pyarrow", "safetensors", "skimage"}
#: Room -> rooms of ours it may import anywhere; rooms not named here may import every other one.
ALLOWED = {
    "errors": set(),
    "color": set(),
    "output": {"errors"},
    "likely": {"color"},
    "palette": {"color", "errors", "photo"},
    "steer": {"errors", "hints", "likely", "palette"},
    "session": {"errors", "hints", "palette", "steer"},
    "tint": {"color"},
    "chroma": {"color", "tint"},
    "calm": {"chroma"},
    "view": {
        *("calm", "chroma", "color", "engine", "errors", "hints", "likely", "steer", "tint"),
    },
    "models": {"color", "errors"},
    "data": {"color", "errors"},
}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


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
    if rest and ((SOURCE / rest[0]).is_dir() or (SOURCE / f"{rest[0]}.py").is_file()):
        return rest[0]
    return "api"


FILES = sorted(SOURCE.rglob("*.py"))
EVERY = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))


def test_the_reader_sees_what_there_is():
    rooms = {room(module_name(path)) for path in FILES}
    assert rooms >= LEARNING | {"color", "errors", "photo", "cli", "engine", "colorizer"}
    found = dict(imports(SOURCE / "cli" / "train.py"))
    assert found["typer"] is True
    assert found["koalarize.lab.training.train"] is False
    assert ("torch", True) in imports(SOURCE / "models" / "base.py")


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
    assert found["koalarize.lab.networks.base"] is True
    assert found["koalarize.web.other"] is True
    assert found["timm"] is True
    assert found["lightning"] is True
    assert found["koalarize.lab.datasets"] is False
    assert "kornia" not in found


@EVERY
def test_rooms_call_only_those_below(path):
    here = room(module_name(path))
    called = {room(name) for name, _ in imports(path)} - {None, here, "api"}
    if here in ALLOWED:
        assert called <= ALLOWED[here]
    if here == "web":
        assert not called & {"training", "cli"}
    else:
        assert "web" not in called or here == "cli"


@EVERY
def test_inference_needs_nothing_of_learning(path):
    here = room(module_name(path))
    if here in LEARNING:
        return
    for name, at_once in imports(path):
        learning = room(name) in LEARNING or name.split(".")[0] in TORCH
        assert not (learning and here != "cli"), f"{path.name} imports {name}"
        assert not (learning and at_once), f"{path.name} imports {name} when it is imported"


@EVERY
def test_onnxruntime_only_when_it_is_needed(path):
    if room(module_name(path)) in LEARNING:
        return
    assert not [name for name, at_once in imports(path) if at_once and name == "onnxruntime"]


@EVERY
def test_serving_only_where_a_page_is_served(path):
    if room(module_name(path)) in {"web", *LEARNING}:
        return
    assert not [name for name, _ in imports(path) if name.split(".")[0] in SERVING]
    assert not [name for name, at_once in imports(path) if at_once and room(name) == "web"]


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
