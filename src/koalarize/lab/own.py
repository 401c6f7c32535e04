"""Networks, losses, metrics and data sets of one's own, named ``MODULE:NAME``.

Not here: what each of them must be; the room that uses one checks it.
Only modules that Python finds are imported: installed ones, and those in the folders of PYTHONPATH.
"""

from __future__ import annotations

import importlib
import inspect
import re
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from koalarize.errors import KoalarizeError, OptionError, did_you_mean

__all__ = ["check_call", "find_own", "is_own", "own_faults", "source_of"]

_WORDS = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_NAME = re.compile(rf"{_WORDS}:{_WORDS}")


def is_own(name: str) -> bool:
    """Tell whether a name is of the form ``MODULE:NAME``."""
    return _NAME.fullmatch(name) is not None


def find_own(name: str, key: str) -> object:
    """Import what a name says.

    Args:
        name: ``MODULE:NAME``.
        key: what holds the name, for errors.

    Raises:
        OptionError: if there is no such module, it cannot be imported, or it has no such name.
    """
    module, _, inside = name.partition(":")
    try:
        found: object = importlib.import_module(module)
    except Exception as error:  # whatever a module of somebody's raises
        raise OptionError(f"`{key}` is {name!r} but {_why_not(module, error)}") from error
    for word in inside.split("."):
        if not hasattr(found, word):
            raise OptionError(
                f"`{key}` is {name!r} but `{module}` ({source_of(name) or 'no file'}) has no "
                f"`{inside}`{did_you_mean(word, dir(found))}"
            )
        found = getattr(found, word)
    return found


@contextmanager
def own_faults(name: str, key: str, kind: type[KoalarizeError] = OptionError) -> Generator[None]:
    """Tell whatever somebody's own code raises in one sentence, with its line.

    Args:
        name: ``MODULE:NAME``, imported.
        key: what holds the name, for errors.
        kind: of the error.

    Raises:
        KoalarizeError: of that kind; those of ours pass.
    """
    try:
        yield
    except KoalarizeError:
        raise
    except Exception as error:  # whatever it raises
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if frame.filename == str(source_of(name))]
        last = (own or frames)[-1]
        raise kind(
            f"`{key}` is {name!r}, which fails: mend {last.filename}, line {last.lineno} "
            f"({type(error).__name__}: {error})"
        ) from error


def _why_not(module: str, error: Exception) -> str:
    """Say why a module was not imported, and what to do."""
    if module.endswith(".py"):
        return f"a module is named without its ending: write `{module.removesuffix('.py')}:...`"
    if isinstance(error, ModuleNotFoundError) and error.name in (module, module.split(".")[0]):
        return (
            f"Python finds no module `{module}`: put the folder of "
            f"`{module.replace('.', '/')}.py` into PYTHONPATH, as in "
            "`PYTHONPATH=. koalarize lab ...`"
        )
    if isinstance(error, SyntaxError):
        place = f"{error.filename}, line {error.lineno}"
    else:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{last.filename}, line {last.lineno}"
    return f"`{module}` cannot be imported: mend {place} ({type(error).__name__}: {error})"


def check_call(
    called: Callable[..., object],
    name: str,
    options: Mapping[str, object],
    key: str,
    given: int = 0,
) -> None:
    """Check that options are keywords that a function or a class takes, and all that it needs.

    Args:
        called: the function or class.
        name: how a person named it.
        options: keywords for it.
        key: what holds the options, for errors.
        given: how many arguments it gets besides, by their place.

    Raises:
        OptionError: if it takes others.
    """
    signature = inspect.signature(called)
    try:
        signature.bind(*[None] * given, **options)
    except TypeError as error:
        raise OptionError(
            f"`{key}` is {dict(options)} but must fit `{name}`, which takes {signature}: {error}"
        ) from error


def source_of(name: str) -> Path | None:
    """Return the file of the module of an imported ``MODULE:NAME``, or None."""
    file = getattr(importlib.import_module(name.partition(":")[0]), "__file__", None)
    return None if file is None else Path(file)
