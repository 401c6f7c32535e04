"""What a film is made of and how, as one text: parts of another one are not gone on with.

Not here: the parts (``film.parts``), what a shot of a list is made of (``film.make``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json

import av
import cv2
import numpy as np

from koalarize import __version__
from koalarize.colorizer.bars import Bars
from koalarize.colorizer.colorizer import Colorizer
from koalarize.film.facts import Facts
from koalarize.film.options import FilmOptions
from koalarize.steering.steering import Steering

__all__ = ["key_of"]


def key_of(
    colorizer: Colorizer,
    facts: Facts,
    steering: Steering,
    options: FilmOptions,
    bars: Bars | None = None,
) -> str:
    """Return a hash of all that decides the bytes of a film's parts, versions among it.

    Args:
        colorizer: colours pictures.
        facts: of the film; its file is known by its name, size and time.
        steering: what is asked of the colours.
        options: how the film is made.
        bars: of the film.
    """
    import onnxruntime  # takes long, so not before a film is to be coloured

    found = facts.path.stat()
    what: dict[str, object] = {
        "film": [facts.path.name, found.st_size, found.st_mtime_ns],
        "model": dataclasses.asdict(colorizer.info) | {"bins": len(colorizer.info.bins)},
        "steering": repr(dataclasses.replace(steering, mark=True)),  # no part holds the mark
        "coding": options.coding(),
        "span": [options.start, options.stop],
        "listed": options.shots is not None or options.frames is not None,
        "versions": [
            __version__,
            av.__version__,
            cv2.__version__,
            np.__version__,
            onnxruntime.__version__,
        ],
    }
    if bars is not None:
        what["bars"] = dataclasses.astuple(bars)
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()
