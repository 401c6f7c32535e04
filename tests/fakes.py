"""Stand-ins that tests share."""

import dataclasses
import io
from pathlib import Path

import numpy as np

from koalarize import color
from koalarize.colorizer.colorizer import Colored, Making
from koalarize.engines.engine import ModelInfo, Prediction
from koalarize.photo.files import output_path, sha256_of
from koalarize.photo.photo import Photo
from koalarize.photo.provenance import Provenance
from koalarize.steering.settings import settings_text
from koalarize.steering.steering import PLAIN, Steering


class Terminal(io.TextIOWrapper):
    """A stream that looks like a terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode()  # type: ignore[attr-defined]


class OneByOne:
    """An engine that is asked for one picture after the other."""

    def one(self, lightness, hints):
        """Predict from L* (H, W) and hint planes (3, H, W) or None."""
        raise NotImplementedError

    def run(self, lightness, hints):
        found = [
            self.one(picture, None if hints is None else hints[number])
            for number, picture in enumerate(lightness)
        ]
        ab = np.stack([prediction.ab for prediction in found])
        if found[0].logits is None:
            return Prediction(ab)
        return Prediction(ab, np.stack([prediction.logits for prediction in found]))


class FakeEngine(OneByOne):
    """Predicts one ab everywhere, or the hints' where there are some; notes what it was given."""

    def __init__(self, ab=(20.0, -10.0), *, stride=32, size=64, accepts_hints=True, grid=4):
        self.info = ModelInfo("fake", stride, accepts_hints, size)
        self.ab = ab
        self.grid = grid
        self.seen = []

    def one(self, lightness, hints):
        self.seen.append((lightness, hints))
        height, width = lightness.shape
        assert height % self.info.stride == 0
        assert width % self.info.stride == 0
        assert np.isfinite(lightness).all()
        ab = np.empty((2, height // self.grid, width // self.grid), np.float32)
        ab[:] = np.float32(self.ab)[:, None, None]
        return Prediction(ab)


BINS = color.ab_bins()


def bin_of(a, b):
    return int(((BINS - np.float32([a, b])) ** 2).sum(1).argmin())


def logits_of(shares, height=8, width=8):
    """Return logits of one distribution everywhere, {(a, b): share}."""
    table = np.full(len(BINS), 1e-5)
    for (a, b), share in shares.items():
        table[bin_of(a, b)] = share
    return np.tile(np.log(table / table.sum())[:, None, None], (1, height, width)).astype(
        np.float32
    )


class ClassifyingEngine(OneByOne):
    """Left half: red or blue; right half: nearly surely green. Hints are answered roughly."""

    info = ModelInfo("fake", 16, True, 112, temperature=0.4, output="logits", chroma_gain=1.2)

    def __init__(self):
        self.runs = 0

    def one(self, lightness, hints):
        self.runs += 1
        height, width = lightness.shape[0] // 4, lightness.shape[1] // 4
        logits = logits_of({(50, 30): 0.6, (10, -40): 0.3, (0, 0): 0.1}, height, width)
        right = logits_of({(-30, 30): 0.97, (0, 0): 0.03}, height, width)
        logits[:, :, width // 2 :] = right[:, :, width // 2 :]
        if hints is not None:
            for row, column in np.argwhere(hints[2] > 0):
                a, b = hints[:2, row, column]
                half = slice(None, width // 2) if column < width * 2 else slice(width // 2, None)
                logits[bin_of(0.7 * a, 0.7 * b), :, half] += 6
        return Prediction(color.decode_ab(logits, temperature=0.4), logits)


class Marking:
    """The part of a Colorizer that says in a result how it was made."""

    def provenance(self, steering: Steering = PLAIN, making: Making | None = None) -> Provenance:
        making = making or Making()
        asked = settings_text(steering, layer=making.layer)
        return Provenance("koalarize 0", "fake", None, asked, making.source)

    def marked(
        self, photo: Photo, steering: Steering = PLAIN, making: Making | None = None
    ) -> Photo:
        if not steering.mark:
            return photo
        if making is None and photo.source is not None:
            making = Making(sha256_of(photo.source))
        xmp = self.provenance(steering, making).mark(photo.metadata.xmp)
        return dataclasses.replace(photo, metadata=dataclasses.replace(photo.metadata, xmp=xmp))


class Reddener(Marking):
    """A Colorizer that tints; it notes what it made."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def file(
        self, source, target=None, steering=PLAIN, *, overwrite=False, tolerant=False, layer=False
    ):
        photo = Photo.read(source, tolerant=tolerant)
        self.made.append(Path(source).name)
        making = Making(sha256_of(Path(source)), layer)
        photo = self.marked(photo, steering, making)
        grey = photo.pixels if photo.pixels.ndim == 2 else photo.pixels[..., 0]
        red = np.dstack([grey, grey // 2, grey // 2])
        path = photo.write(red, target or output_path(source), overwrite=overwrite)
        return Colored(photo, path=path)
