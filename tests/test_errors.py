import ast
import re
from pathlib import Path

import pytest

from koalarize import errors

SOURCE = Path(errors.__file__).parent
AMERICAN = re.compile(r"\b(coloring|colored|colors?|gray|behavior|center)\b")

CHILDREN = [
    errors.PhotoError,
    errors.FilmError,
    errors.OutputError,
    errors.OptionError,
    errors.ModelError,
    errors.DataError,
    errors.DependencyError,
]


def test_everything_public_is_listed_and_exists():
    public = {n for n in vars(errors) if n.endswith("Error")} | {"did_you_mean", "NO_ROOM"}
    assert set(errors.__all__) == public


@pytest.mark.parametrize("kind", CHILDREN)
def test_every_error_is_a_koalarize_error_and_in_the_drawn_tree(kind):
    assert kind.__base__ is errors.KoalarizeError
    assert kind.__name__ in (errors.__doc__ or "")


def test_only_a_wrong_option_ends_with_the_usage_code():
    codes = {kind.__name__: kind.exit_code for kind in CHILDREN}
    assert codes.pop("OptionError") == 2
    assert set(codes.values()) == {1}


@pytest.mark.parametrize(
    ("word", "known", "answer"),
    [
        ("tempature", ["temperature", "size"], ", did you mean `temperature`?"),
        ("zzz", ["temperature", "size"], ""),
        ("size", [], ""),
    ],
)
def test_did_you_mean(word, known, answer):
    assert errors.did_you_mean(word, known) == answer


def said(path):
    """Return the texts of the errors that a module raises, without what is in backticks."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise):
            parts = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
            text = "".join(part for part in parts if isinstance(part, str))
            yield node.lineno, re.sub(r"`[^`]*`|'[^']*'|--[\w-]+", "", text)


def test_errors_are_in_uk_spelling():
    lines = [(path, *each) for path in SOURCE.rglob("*.py") for each in said(path)]
    assert len(lines) > 400
    american = [
        f"{path.relative_to(SOURCE)}:{line}: {text}"
        for path, line, text in lines
        if AMERICAN.search(text)
    ]
    assert not american
