"""Ten small pictures and a dozen and more ways of asking for colours, recorded and compared.

Not here: the recording (``make_golden.py``), the comparison (``test_golden.py``). Everything goes
through ``colorizer(picture, **asked)``, as a person's photo does.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import OptionError
from koalarize.steering.hints import Hint
from koalarize.steering.recolor import Recolor

Array = npt.NDArray[Any]

FOLDER = Path(__file__).parent
PICTURES = FOLDER / "pictures.npz"
RECORD = FOLDER / "golden.json"

#: The last digits of NumPy and BLAS depend on what the processor can; with this they are the same
#: on all that have AVX2. The names are those of NumPy 2.4 and of earlier ones; others are ignored.
SAME_DIGITS = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR AVX512F AVX512CD AVX512_SKX "
    "AVX512_CLX AVX512_CNL",
    "OPENBLAS_CORETYPE": "Haswell",
    "OMP_NUM_THREADS": "1",
}

#: Shorter side at which ``koala`` looks here, so that all of it takes seconds.
_SIZE = 96


class Result(TypedDict):
    """What one picture becomes: enough to see that it is the same, and roughly what it was."""

    shape: list[int]
    dtype: str
    sha256: str
    mean: list[float]


def pictures() -> dict[str, Array]:
    """Return the pictures by name, in the order in which they were recorded."""
    with np.load(PICTURES) as stored:
        return {name: stored[name] for name in stored.files}


def asked_of(picture: Array) -> dict[str, dict[str, Any]]:
    """Return what is asked of a picture by name, as keywords of the Colorizer."""
    height, width = picture.shape[:2]
    red = Hint(0.3 * width, 0.4 * height, "#b03020")
    blue = Hint(0.8 * width, 0.7 * height, "#3050c0", radius=0.1 * min(width, height))
    asked: dict[str, dict[str, Any]] = {
        "hint": {"hints": (red,)},
        "radius": {"hints": (blue,)},
        "two-hints": {"hints": (red, blue)},
        "vivid": {"vividness": 2.0},
        "warm": {"warmth": 0.6},
        "alternative": {"alternative": 1},
        "reference": {"reference": reference()},
        "best": {"best": True},
        "keep-color": {"keep_color": True},
        "all": {
            "hints": (red,),
            "vividness": 1.3,
            "warmth": -0.4,
            "reference": reference(),
            "best": True,
            "keep_color": True,
        },
        "tint": {"tint": 0.7},
        "recolor": {"recolors": (Recolor("#b06a3c", "#2a56c6"), Recolor("#3b9443", "#7a46b5"))},
        "faded": {"faded": True},
    }
    small: dict[str, dict[str, Any]] = {name: {"size": _SIZE, **k} for name, k in asked.items()}
    return {"plain": {}, "size": {"size": 128}, **small}


def reference() -> Array:
    """Return a picture of sand below a blue sky."""
    pixels = np.empty((24, 32, 3), np.uint8)
    pixels[:12] = (90, 140, 200)
    pixels[12:] = (190, 150, 90)
    pixels[18:, :8] = (40, 70, 40)
    return pixels


def colored(colorizer: Colorizer, picture: Array, asked: dict[str, Any]) -> Array | None:
    """Return the coloured picture; None where the photo has no such alternative."""
    try:
        return np.asarray(colorizer(picture, **asked))
    except OptionError:
        if not asked.get("alternative"):
            raise
        return None


def stand_in() -> dict[str, dict[str, Result | None]]:
    """Return what the pictures become with the stand-in, in a process of ``SAME_DIGITS``."""
    script = FOLDER / "make_golden.py"
    printed = subprocess.run(
        [sys.executable, str(script), "--stand-in"],
        env=os.environ | SAME_DIGITS,
        capture_output=True,
        check=True,
        text=True,
    )
    return json.loads(printed.stdout)


def facts(result: Array | None) -> Result | None:
    """Return what is kept of a result."""
    if result is None:
        return None
    data = np.ascontiguousarray(result)
    means = [round(float(value), 2) for value in data.reshape(-1, data.shape[-1]).mean(0)]
    digest = hashlib.sha256(data.tobytes()).hexdigest()
    return {"shape": list(data.shape), "dtype": str(data.dtype), "sha256": digest, "mean": means}


def eight_bits(result: Array) -> npt.NDArray[np.uint8]:
    """Return (H, W, 3) 8-bit levels of a result, without its alpha."""
    levels = result[..., :3]
    return (levels / 257).round().astype(np.uint8) if levels.dtype == np.uint16 else levels


def sheet_path(name: str) -> Path:
    """Return where the coloured versions of a picture stand, one below the other."""
    return FOLDER / f"{name}.png"


def sheet(name: str) -> npt.NDArray[np.uint8]:
    """Return (N * H, W, 3): what ``koala`` made of a picture, in the order of ``asked_of``."""
    return np.asarray(Image.open(sheet_path(name)).convert("RGB"))


def record() -> dict[str, dict[str, dict[str, Result | None]]]:
    """Return the recorded facts: model, picture, what was asked."""
    return json.loads(RECORD.read_text(encoding="utf-8"))
