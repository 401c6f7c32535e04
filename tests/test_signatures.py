"""Public signatures say what they take and give: none says ``Any``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import koalarize

SOURCE = Path(koalarize.__file__).parent

Function = ast.FunctionDef | ast.AsyncFunctionDef


def public_functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Yield the functions of ``__all__``, and the public methods of its classes, by name."""
    names = public_names(tree)
    for node in tree.body:
        if isinstance(node, Function) and node.name in names:
            yield node.name, node
        if isinstance(node, ast.ClassDef) and node.name in names:
            for inner in node.body:
                if isinstance(inner, Function) and is_public(inner.name):
                    yield f"{node.name}.{inner.name}", inner


def public_names(tree: ast.Module) -> list[str]:
    """Return the names in ``__all__``; a module without it has none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return []


def is_public(name: str) -> bool:
    return not name.startswith("_") or name in ("__init__", "__call__")


def says_any(function: Function) -> bool:
    """Return whether an annotation of a parameter or of what is returned says ``Any``."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    notes = [one.annotation for one in every] + [function.returns]
    return any(
        isinstance(part, ast.Name) and part.id == "Any"
        for note in notes
        if note is not None
        for part in ast.walk(note)
    )


def test_no_public_signature_says_any():
    found = [
        f"{path.relative_to(SOURCE)}: {name}"
        for path in sorted(SOURCE.rglob("*.py"))
        for name, function in public_functions(ast.parse(path.read_text(encoding="utf-8")))
        if says_any(function)
    ]
    assert not found, "\n".join(found)


def test_the_counter_sees_any_wherever_it_stands():
    tree = ast.parse(
        "__all__ = ['A', 'plain', 'deep', 'rest', 'given']\n"
        "class A:\n    def __call__(self) -> Any: ...\n    def _own(self, a: Any): ...\n"
        "def plain(a: int) -> str: ...\n"
        "def deep(a: list[dict[str, Any]]): ...\n"
        "async def rest(*a: Any): ...\n"
        "def given(*, a: int = 1, **b: Any): ...\n"
        "def hidden(a: Any): ...\n"
    )
    found = [name for name, function in public_functions(tree) if says_any(function)]
    assert found == ["A.__call__", "deep", "rest", "given"]
