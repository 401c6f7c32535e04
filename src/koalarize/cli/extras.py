"""What a command says when a part of koalarize that it needs is not installed."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from koalarize.errors import DependencyError

__all__ = ["needs"]


@contextmanager
def needs(extra: str) -> Generator[None]:
    """Turn a missing third-party module into the sentence that says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module in ("", "koalarize"):
            raise
        raise DependencyError(
            f'this needs `{module}`, which is not installed: pip install "koalarize[{extra}]"'
        ) from error
