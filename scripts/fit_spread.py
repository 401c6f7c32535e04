"""Fit how fast the effects of a hint fall: the constants of ``koalarize.steering.spread``.

    python scripts/fit_spread.py --data PHOTOS [--limit 200] [--steps 220] [--check VALIDATION]

Each photo is shown to the network without a hint, with one true hint (``measure_steering.py`` says
where), with one of another colour: the true one turned by 120 or 240 degrees, so that the thing
should turn and the rest should stay; and with one of any colour in the middle of any segment of the
picture (Felzenszwalb and Huttenlocher 2004), which should take that colour while the rest stays as
it was without a hint. Fitted are the shares of ``spread`` by Adam to the mean ab error of the whole
picture and, a little, of the thing; of segments, to what changes outside and, a little, to what
lacks inside. Without the segments, true hints let shares reach far: colours of one picture are
alike, and a hint of the most saturated place is a good guess for the rest. Three things are given,
not fitted: how much a place unlike the hinted one may take, and one that looks alike one and three
shorter sides away. The fit would let them go, and grey things beside a hinted one would be
coloured.

Not here: the scores that decide (``measure_steering.py``).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from measure_steering import grey_of, hint_and_thing
from scipy.ndimage import distance_transform_edt
from skimage.segmentation import felzenszwalb
from torch import Tensor

from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.lab.datasets.sources import load_pictures
from koalarize.photo.photo import Photo
from koalarize.steering.hints import Hint, hint_planes
from koalarize.steering.reach import ways_to

Float32 = npt.NDArray[np.float32]

_BATCH = 6
_STRIDE = 2  # every second pixel of the working grid
_BEGIN = (-0.129, 4.9, 1.35, 2.18, 0.0455, 0.0929, 0.813, 1.43, 0.0735, 0.03)
_UNIT = (1, 1, 1, 1, 30, 20, 1, 1, 30, 20)  # so that one learning rate serves all
_SEGMENTS = 0.2  # weight of their errors beside those of true and turned hints
_INSIDE = 0.15  # weight of what lacks inside a segment, beside what changes outside
_AREAS = (0.01, 0.3)  # of the picture: of the segments that are hinted
_CHROMA = (30.0, 65.0)  # of their hints
_TRUE = 2.0  # weight of the whole picture's error with a true hint
_UNLIKE = (40.0, 40.0)  # L* and Lab units
_MOST_UNLIKE = 0.12  # sum of the second and third share there
_MOST_FAR = {1.0: 1.25, 3.0: 0.08}  # the same of what is alike, at ways in shorter sides
_BEYOND = 300.0  # loss for each unit above


@dataclass
class Sample:
    """One photo with one hint, on the working grid; ab in Lab units after the model's gain."""

    plain: Tensor
    hinted: Tensor
    true: Tensor
    thing: Tensor
    way: Tensor
    unlike: Tensor
    away: Tensor
    wanted: Tensor
    lacking: Tensor


def main() -> None:
    """Gather, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--check", type=Path, default=None)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--steps", type=int, default=220)
    parser.add_argument("--thing", type=float, default=0.1, help="weight of the thing's error")
    options = parser.parse_args()
    true, turned, segments = gather(options.data, options.limit)
    scaled = torch.tensor([a * b for a, b in zip(_BEGIN, _UNIT, strict=True)], requires_grad=True)
    optimizer = torch.optim.Adam([scaled], 0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.steps)
    generator = torch.Generator().manual_seed(0)
    for _ in range(options.steps):
        loss = torch.zeros(())
        for samples, weight in ((true, _TRUE), (turned, 1)):
            for number in torch.randint(len(samples), (_BATCH,), generator=generator).tolist():
                whole, thing, _ = errors(samples[number], scaled / torch.tensor(_UNIT))
                loss = loss + weight * whole + options.thing * thing
        for number in torch.randint(len(segments), (_BATCH,), generator=generator).tolist():
            inside, outside = changes(segments[number], scaled / torch.tensor(_UNIT))
            loss = loss + _SEGMENTS * (_INSIDE * inside + outside)
        loss = loss + _BEYOND * above(scaled / torch.tensor(_UNIT))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    fitted = scaled.detach() / torch.tensor(_UNIT)
    names = ("high", "way"), *[("high", "way", "lightness", "ab")] * 2
    values = iter(fitted.tolist())
    for effect, words in zip(("answered", "added", "own"), names, strict=True):
        print(effect, ", ".join(f"{word} {next(values):.4g}" for word in words))
    sets = {"fitted on": (true, turned, segments)}
    if options.check is not None:
        sets["checked on"] = gather(options.check, options.limit)
    for name, (*both, segments) in sets.items():
        with torch.no_grad():
            found = np.mean([[float(c) for c in changes(s, fitted)] for s in segments], axis=0)
        print(name, "segments, lacks inside, changes outside:", found.round(2))
        for kind, samples in zip(("true hint", "turned hint"), both, strict=True):
            with torch.no_grad():
                found = np.mean([[float(e) for e in errors(s, fitted)] for s in samples], axis=0)
                before = np.mean([[float(e) for e in plain_errors(s)] for s in samples], axis=0)
            print(name, kind, "all, thing, rest:", before.round(2), "->", found.round(2))


def gather(data: Path, limit: int) -> tuple[list[Sample], list[Sample], list[Sample]]:
    """Return the photos of a folder with a true hint, one of another colour, one in a segment."""
    colorizer = Colorizer.load("koala")
    rng = np.random.default_rng(0)
    every: tuple[list[Sample], list[Sample], list[Sample]] = [], [], []
    for number, srgb in enumerate(load_pictures(data, limit=limit, max_side=256).arrays):
        lab = color.srgb_to_lab(srgb)
        lightness, ab = lab[..., 0], np.moveaxis(lab[..., 1:], -1, 0)
        hint, thing = hint_and_thing(lightness, ab)
        angle = np.deg2rad(120 if number % 2 else 240)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        other = turn.astype(np.float32) @ np.array(hint.ab, np.float32)
        row, column = int(hint.y), int(hint.x)
        name = color.lab_to_hex(np.array([lightness[row, column], *other], np.float32))
        turned = np.where(thing, np.einsum("ij,jhw->ihw", turn.astype(np.float32), ab), ab)
        every[0].append(sample(colorizer, lightness, hint, ab, thing))
        every[1].append(sample(colorizer, lightness, Hint(hint.x, hint.y, name), turned, thing))
        found = any_segment(srgb, lightness, rng)
        if found is not None:
            every[2].append(sample(colorizer, lightness, found[0], ab, found[1]))
    return every


def any_segment(
    srgb: npt.NDArray[np.uint8], lightness: Float32, rng: np.random.Generator
) -> tuple[Hint, npt.NDArray[np.bool_]] | None:
    """Return a hint of any colour amid a segment, and (H, W) where that is; None without one."""
    labels = felzenszwalb(srgb, scale=250, sigma=0.8, min_size=300)
    areas = np.bincount(labels.ravel()) / labels.size
    fitting = np.flatnonzero((areas > _AREAS[0]) & (areas < _AREAS[1]))
    if not len(fitting):
        return None
    inside = labels == rng.choice(fitting)
    depth = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    angle, chroma = rng.uniform(0, 2 * np.pi), rng.uniform(*_CHROMA)
    wanted = [lightness[y, x], chroma * np.cos(angle), chroma * np.sin(angle)]
    (lab,) = color.map_to_gamut(np.array([[wanted]], np.float32))[0]
    return Hint(float(x), float(y), color.lab_to_hex(lab)), inside


def sample(
    colorizer: Colorizer, lightness: Float32, hint: Hint, ab: Float32, thing: npt.NDArray[np.bool_]
) -> Sample:
    """Ask the network without the hint and with it, and measure the ways from it."""
    look = colorizer.look(Photo.read(grey_of(lightness)))
    (place,) = look.grid.places([hint])
    rows, columns = look.grid.shape
    planes = hint_planes([hint], photo=look.grid.photo, grid=look.grid.shape)
    gain = np.float32(colorizer.info.chroma_gain)
    plain, hinted = (
        color.resize(answer.prediction.ab, *answer.lightness.shape)[:, :rows, :columns] * gain
        for answer in (look.answers.plain(), look.answers.hinted(planes))
    )
    row, column = place.cell
    wanted = np.array(place.ab, np.float32)[:, None, None]
    lacking = wanted - hinted[:, row, column, None, None]
    values = (
        plain,
        hinted,
        color.resize(ab, rows, columns),
        color.resize(thing[None].astype(np.float32), rows, columns)[0] > 0.5,
        ways_to(look.lightness, [place.cell])[0],
        np.abs(look.lightness - look.lightness[row, column]),
        np.hypot(*(hinted - hinted[:, row, column, None, None])),
    )
    thin = [torch.from_numpy(value[..., ::_STRIDE, ::_STRIDE].copy()) for value in values]
    return Sample(*thin, torch.from_numpy(wanted), torch.from_numpy(lacking))


def errors(s: Sample, constants: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean ab errors of all, the thing and the rest, as ``spread`` has it."""
    return _means(s, steered(s, constants))


def above(constants: Tensor) -> Tensor:
    """Return how far the shares at an unlike and at a far place are above what is given."""
    c, (lightness, ab) = constants, _UNLIKE
    unlike = _share(c[2], c[4] * lightness + c[5] * ab) + _share(c[6], c[8] * lightness + c[9] * ab)
    total = torch.relu(unlike - _MOST_UNLIKE)
    for way, most in _MOST_FAR.items():
        far = max(way, way**2)
        total = total + torch.relu(_share(c[2], c[3] * far) + _share(c[6], c[7] * far) - most)
    return total


def changes(s: Sample, constants: Tensor) -> tuple[Tensor, Tensor]:
    """Return what lacks inside a segment, and what changes outside; mean Lab units."""
    ab, thing = steered(s, constants), s.thing.float()
    lacks, changed = (torch.sqrt(((ab - to) ** 2).sum(0) + 1e-6) for to in (s.wanted, s.plain))
    inside = (lacks * thing).sum() / thing.sum().clamp(min=1)
    return inside, (changed * (1 - thing)).sum() / (1 - thing).sum().clamp(min=1)


def steered(s: Sample, constants: Tensor) -> Tensor:
    """Return (2, h, w) ab as ``spread`` has it."""
    c = constants
    answered = _share(c[0], c[1] * s.way)
    far = torch.maximum(s.way, s.way**2)
    added = _share(c[2], c[3] * far + c[4] * s.unlike + c[5] * s.away)
    own = _share(c[6], c[7] * far + c[8] * s.unlike + c[9] * s.away)
    ab = s.plain + answered * (s.hinted - s.plain) + added * s.lacking
    return ab + own * (s.wanted - ab)


def plain_errors(s: Sample) -> tuple[Tensor, Tensor, Tensor]:
    """Return the same errors without the hint."""
    return _means(s, s.plain)


def _share(high: Tensor, fallen: Tensor) -> Tensor:
    return torch.sigmoid(high - fallen) / torch.sigmoid(high)


def _means(s: Sample, ab: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    error = torch.sqrt(((ab - s.true) ** 2).sum(0) + 1e-6)
    thing = s.thing.float()
    inside = (error * thing).sum() / thing.sum().clamp(min=1)
    return error.mean(), inside, (error * (1 - thing)).sum() / (1 - thing).sum().clamp(min=1)


if __name__ == "__main__":
    main()
