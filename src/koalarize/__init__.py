"""Put colour into black-and-white photos, offline, on an ordinary CPU.

    import koalarize

    koalarize.colorize("photo.jpg")                  # writes photo.color.jpg, returns its path
    colorizer = koalarize.Colorizer.load("koala")    # load once, colour many
    colored = colorizer(image, vividness=1.2)        # PIL image or array in, the same out

Nothing slow is imported before it is used.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from koalarize.colorizer.colorize import colorize
    from koalarize.colorizer.colorizer import Colorizer
    from koalarize.errors import (
        DataError,
        DependencyError,
        FilmError,
        KoalarizeError,
        ModelError,
        OptionError,
        OutputError,
        PhotoError,
    )
    from koalarize.photo.photo import Photo
    from koalarize.steering.hints import Hint
    from koalarize.steering.session import Session
    from koalarize.steering.steering import Steering

# From 1.29 on ONNX Runtime keeps a number of the machine and sends statistics of use to its makers,
# from the moment it is imported: nothing leaves the machine, and nothing is left on it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.5.0"

__all__ = [
    "Colorizer",
    "DataError",
    "DependencyError",
    "FilmError",
    "Hint",
    "KoalarizeError",
    "ModelError",
    "OptionError",
    "OutputError",
    "Photo",
    "PhotoError",
    "Session",
    "Steering",
    "__version__",
    "colorize",
]

_HOMES = {
    "Colorizer": "colorizer.colorizer",
    "colorize": "colorizer.colorize",
    "Hint": "steering.hints",
    "Photo": "photo.photo",
    "Session": "steering.session",
    "Steering": "steering.steering",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module `koalarize` has no attribute `{name}`")
    return getattr(importlib.import_module(f"koalarize.{_HOMES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
