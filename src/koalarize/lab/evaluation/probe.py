"""Two questions that scores do not ask: do hints help steadily, and are colours steady?

Not here: scores against originals without hints (``evaluate``).
Everything goes through the Colorizer, as a person's photo does.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

import koalarize
from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import OptionError
from koalarize.lab.evaluation.models import load_model
from koalarize.lab.evaluation.pictures import UsablePictures
from koalarize.lab.evaluation.report import at_commit, source_commit
from koalarize.lab.evaluation.reveal import revealed_hints
from koalarize.lab.metrics.metrics import Measured, picture_scores
from koalarize.lab.tables import markdown_code, markdown_table

__all__ = ["CHANGES", "Probe", "probe"]

FORMAT = "koalarize-probe-1"

Picture = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
_Change = Callable[[Colorizer, Picture, np.random.Generator], Float32]


@dataclass(frozen=True)
class Probe:
    """What was found.

    Attributes:
        model: name.
        model_sha256: of its file.
        data: name of the pictures' folder.
        data_sha256: of the pictures.
        count: how many pictures.
        short_side: what larger ones were brought down to, pixels.
        koalarize: version.
        commit: of the code that was loaded, if known.
        equal: pictures that with some number of hints equal their originals, whose ab PSNR is
            infinite: none of their PSNRs is part of a mean.
        hints: number of hints -> mean ab PSNR over the pictures, dB (range 255); None if all are
            equal to their originals.
        steadiness: change -> mean ab distance to the unchanged picture's colours, Lab units.
    """

    model: str
    model_sha256: str
    data: str
    data_sha256: str
    count: int
    short_side: int
    koalarize: str
    commit: str | None
    equal: int
    hints: dict[int, float | None]
    steadiness: dict[str, float]

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, allow_nan=False)

    def to_markdown(self) -> str:
        """Return both tables and the protocol."""
        parts: list[str] = []
        if self.hints:
            first = next(iter(self.hints.values()))
            gains = [
                [f"{n}", "–", "–"]
                if v is None or first is None
                else [f"{n}", f"{v:.2f}", f"{v - first:+.2f}"]
                for n, v in self.hints.items()
            ]
            parts.append(markdown_table(["true hints", "ab PSNR dB", "gain"], gains, words=0))
            if self.equal:
                parts.append(
                    f"{self.equal} pictures equal their originals and are left out of the PSNR."
                )
        else:
            parts.append(f"{markdown_code(self.model)} takes no hints.")
        moves = [[name, f"{value:.2f}"] for name, value in self.steadiness.items()]
        parts += [
            markdown_table(["change of the picture", "mean ab distance"], moves, words=1),
            f"{markdown_code(self.model)} (sha256 {self.model_sha256[:12]}) on "
            f"{self.count} pictures of {markdown_code(self.data)} "
            f"(sha256 {self.data_sha256[:12]}), short side at most {self.short_side} px. "
            f"koalarize {self.koalarize}{at_commit(self.commit)}.",
        ]
        return "\n\n".join(parts)


def probe(
    model: str | Path,
    data: Path,
    *,
    hints: Sequence[int] = (0, 1, 2, 5, 10, 50),
    limit: int | None = 50,
    short_side: int = 256,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Probe:
    """Probe a model.

    Args:
        model: a name of the catalogue, an .onnx file, or a checkpoint.
        data: folder of colour pictures, or Parquet files.
        hints: numbers of true hints; a larger number contains the places of a smaller one. Left
            out for models that take none.
        limit: only this many pictures, the first ones in order.
        short_side: larger pictures are brought down to it, pixels.
        seed: of the hints' places and of the noise.
        progress: called with the number of pictures done and of all.

    Raises:
        OptionError: if a number of hints is negative, or ``limit`` below 2.
        ModelError: if the model cannot be loaded.
        DataError: if there is no usable picture.
    """
    for number in hints:
        if number < 0:
            raise OptionError(f"`hints` holds {number} but numbers of hints are 0 or more")
    if limit is not None and limit < 2:
        raise OptionError(f"`limit` is {limit} but must be at least 2: try 50")
    commit = source_commit()  # it may change while this runs
    loaded = load_model(model)
    colorizer = Colorizer(loaded.engine)
    counts = sorted(set(hints)) if loaded.engine.info.accepts_hints else []
    pictures = UsablePictures(data, short_side, limit)
    gains: list[list[float]] = []  # a picture, at each number of hints
    drifts: dict[str, list[float]] = {name: [] for name in CHANGES}
    for row, original in enumerate(pictures):
        places = np.random.default_rng((seed, row))
        real = Measured(original)
        asked = revealed_hints(original, max(counts, default=0), seed=seed + row)
        made = [Measured(colorizer(original, hints=asked[:number])) for number in counts]
        gains.append([picture_scores(one, real, {"ab-psnr"})["ab-psnr"] for one in made])
        plain = _ab(colorizer(original))
        for name, change in CHANGES.items():
            drifts[name].append(_distance(change(colorizer, original, places), plain))
        if progress is not None:
            progress(row + 1, len(pictures))
    finite = [row for row in gains if np.isfinite(row).all()]
    return Probe(
        model=loaded.name,
        model_sha256=loaded.sha256,
        data=data.resolve().name,
        data_sha256=pictures.sha256,
        count=len(pictures),
        short_side=short_side,
        koalarize=koalarize.__version__,
        commit=commit,
        equal=len(gains) - len(finite),
        hints={
            number: float(np.mean([row[i] for row in finite])) if finite else None
            for i, number in enumerate(counts)
        },
        steadiness={name: float(np.mean(values)) for name, values in drifts.items()},
    )


def _smaller(factor: float) -> _Change:
    """Colour the picture at another size of its own, the model's working size unchanged."""

    def change(colorizer: Colorizer, original: Picture, rng: np.random.Generator) -> Float32:
        height, width = original.shape[:2]
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        resized = np.asarray(Image.fromarray(original).resize(size, Image.Resampling.LANCZOS))
        colored = Image.fromarray(colorizer(resized))
        return _ab(np.asarray(colored.resize((width, height), Image.Resampling.BICUBIC)))

    return change


def _working(factor: float) -> _Change:
    """Let the network look at another working size."""

    def change(colorizer: Colorizer, original: Picture, rng: np.random.Generator) -> Float32:
        info = colorizer.info
        size = None if info.fixed_size else max(1, round(info.size * factor))
        return _ab(colorizer(original, size=size))

    return change


def _shifted(colorizer: Colorizer, original: Picture, rng: np.random.Generator) -> Float32:
    """Take one row and one column off; the rest is compared, the lost edge repeated."""
    moved = _ab(colorizer(np.ascontiguousarray(original[1:, 1:])))
    return np.pad(moved, ((1, 0), (1, 0), (0, 0)), mode="edge")


def _compressed(colorizer: Colorizer, original: Picture, rng: np.random.Generator) -> Float32:
    buffer = io.BytesIO()
    Image.fromarray(original).convert("L").save(buffer, "JPEG", quality=60)
    return _ab(colorizer(np.asarray(Image.open(buffer))))


def _noisy(colorizer: Colorizer, original: Picture, rng: np.random.Generator) -> Float32:
    grey = np.asarray(Image.fromarray(original).convert("L"), np.float32)
    noisy = grey + rng.normal(0, 4, grey.shape)
    return _ab(colorizer(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)))


#: Name of a change -> the ab (H, W, 2) that come of the changed picture, on the original's grid.
CHANGES: dict[str, _Change] = {
    "half its size": _smaller(0.5),
    "twice its size": _smaller(2.0),
    "eight times its size": _smaller(8.0),
    "one pixel cut off": _shifted,
    "JPEG, quality 60": _compressed,
    "noise, 4 grey levels": _noisy,
    "working size x 4/3": _working(4 / 3),
}


def _ab(srgb: npt.NDArray[np.uint8]) -> Float32:
    return color.srgb_to_lab(np.ascontiguousarray(srgb))[..., 1:]


def _distance(one: Float32, other: Float32) -> float:
    return float(np.hypot(*np.moveaxis(one - other, -1, 0)).mean())
