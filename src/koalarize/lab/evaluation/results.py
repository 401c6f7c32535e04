"""A folder of pictures that another program has coloured, as a rival in an evaluation.

Not here: models that colour here (``models``), the comparison (``evaluate``).
Only the chroma of the results counts, on the originals' lightness, as of every model.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import defaultdict
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize import color
from koalarize.errors import DataError
from koalarize.lab.datasets.sources import Fit, decode_picture, named_pictures
from koalarize.lab.evaluation.models import is_name
from koalarize.lab.metrics.metrics import Measured

__all__ = ["Results", "is_results"]

log = logging.getLogger(__name__)

Picture = npt.NDArray[np.uint8]

#: What tells a run's folder, which is no folder of results.
_OF_A_RUN = ("model.safetensors", "last.ckpt", "history.csv")
#: Where a word that programs add to a picture's name may begin: ``cat.color``, ``cat_fake_B``.
_ADDED = re.compile(r"[._-](?=[A-Za-z])")
#: How far two shapes may be apart, as a share, before a note says that pictures were squashed.
_SAME_SHAPE = 0.03


def is_results(model: str | Path) -> bool:
    """Tell whether a model is a folder of pictures in truth, which is nothing of a run.

    A name of the catalogue goes before a folder that is called so, as for all commands.
    """
    if is_name(model):
        return False
    folder = Path(model)
    if not folder.is_dir() or any((folder / name).exists() for name in _OF_A_RUN):
        return False
    return any((folder / name).is_file() for name, _ in named_pictures(folder))


class Results:
    """The coloured pictures of a folder, found by their originals' names.

    Args:
        folder: searched through.
        fit: brings each picture to its size; None brings it to its original's.

    Attributes:
        sha256: over the names and the bytes of all.
    """

    def __init__(self, folder: Path, fit: Fit | None) -> None:
        self._folder, self._fit = folder, fit
        self._found: dict[str, list[str]] = defaultdict(list)
        self._whole: dict[str, list[str]] = defaultdict(list)
        self._used: dict[str, str] = {}
        self._squashed = False
        digest = hashlib.sha256()
        for name, data in named_pictures(folder):
            digest.update(name.encode(errors="surrogateescape") + b"\0" + data)
            path = PurePosixPath(name)
            self._whole[str(path.with_suffix(""))].append(name)
            self._found[path.stem].append(name)
            for cut in _ADDED.finditer(path.stem):
                self._found[f"{path.stem[: cut.start()]}\0"].append(name)
        self.sha256 = digest.hexdigest()

    def of(self, original: str, pixels: Picture) -> Measured:
        """Return what another program made of a picture: its chroma, at the original's lightness.

        Args:
            original: the picture's name in its data set.
            pixels: (H, W, 3) the original.

        Raises:
            DataError: if there is none, or several, or it cannot be read.
        """
        name = self._name_of(original)
        height, width = pixels.shape[:2]

        def to_original(image: Image.Image) -> Image.Image:
            self._note_shape(name, image.width / image.height, width / height)
            return image.resize((width, height), Image.Resampling.LANCZOS)

        data = (self._folder / name).read_bytes()
        made = decode_picture(data, fit=self._fit or to_original)
        if isinstance(made, str):
            raise DataError(
                f"`{self._folder / name}`, the result of `{original}`, is {made} and cannot be "
                "scored: make it again, or leave its original out of the data"
            )
        lightness, ab = color.srgb_to_lab(pixels)[..., :1], color.srgb_to_lab(made)[..., 1:]
        lab = np.concatenate([lightness, ab], axis=-1)
        return Measured(color.lab_to_srgb(lab, dtype=np.uint8), lab)

    def _name_of(self, original: str) -> str:
        path = PurePosixPath(original)
        whole, stem = str(path.with_suffix("")), path.stem
        names = self._whole.get(whole) or self._found.get(stem) or self._found.get(f"{stem}\0", [])
        if len(names) != 1:
            few = ", ".join(f"`{name}`" for name in names[:3])
            told = f"has {len(names)} pictures ({few})" if names else "has no picture"
            raise DataError(
                f"`{self._folder}` {told} for `{original}` but must have one, called as its "
                f"original (`{stem}.png`) or with a word behind (`{stem}_color.png`)"
            )
        other = self._used.setdefault(names[0], original)
        if other != original:
            raise DataError(
                f"`{self._folder / names[0]}` fits `{other}` and `{original}` but must be of one: "
                "give each result its original's name"
            )
        return names[0]

    def _note_shape(self, name: str, made: float, wanted: float) -> None:
        if not self._squashed and abs(made / wanted - 1) > _SAME_SHAPE:
            self._squashed = True
            log.warning(
                "`%s` has another shape than its original, as may others: such results are "
                "stretched to it; if they were cropped, their scores mean nothing",
                self._folder / name,
            )
