"""Fit how fast the effects of a hint fall: the constants of ``koalarize.steering.spread``.

    python scripts/fit_spread.py --data PHOTOS [--limit 200] [--steps 450] [--check VALIDATION]

Each photo is shown to the network without a hint, with one true hint (``measure_steering.py`` says
where), and with one of another colour: the true one turned by 120 or 240 degrees, so that the thing
should turn and the rest should stay. Fitted are the shares of ``spread`` by Adam to the mean ab
error of the whole picture and, a little, of the thing. How fast the third share falls with the
colours answered is given, not fitted: the fit would let it go, and grey things beside a hinted one
would be coloured.

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
_OWN_AB = 0.6 / 20  # given: see above
_BEGIN = (0.5, 4.0, 1.2, 1.8, 2 / 30, 1.8 / 20, 0.0, 1.3, 2 / 30)
_UNIT = (1, 1, 1, 1, 30, 20, 1, 1, 30)  # so that one learning rate serves all


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
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--thing", type=float, default=0.03, help="weight of the thing's error")
    options = parser.parse_args()
    true, turned = gather(options.data, options.limit)
    scaled = torch.tensor([a * b for a, b in zip(_BEGIN, _UNIT, strict=True)], requires_grad=True)
    optimizer = torch.optim.Adam([scaled], 0.04)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.steps)
    generator = torch.Generator().manual_seed(0)
    for _ in range(options.steps):
        loss = torch.zeros(())
        for samples in (true, turned):
            for number in torch.randint(len(samples), (_BATCH,), generator=generator).tolist():
                whole, thing, _ = errors(samples[number], scaled / torch.tensor(_UNIT))
                loss = loss + whole + options.thing * thing
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    fitted = scaled.detach() / torch.tensor(_UNIT)
    names = ("high", "way"), ("high", "way", "lightness", "ab"), ("high", "way", "lightness")
    values = iter(fitted.tolist())
    for effect, words in zip(("answered", "added", "own"), names, strict=True):
        print(effect, ", ".join(f"{word} {next(values):.4g}" for word in words))
    sets = {"fitted on": (true, turned)}
    if options.check is not None:
        sets["checked on"] = gather(options.check, options.limit)
    for name, both in sets.items():
        for kind, samples in zip(("true hint", "turned hint"), both, strict=True):
            with torch.no_grad():
                found = np.mean([[float(e) for e in errors(s, fitted)] for s in samples], axis=0)
                before = np.mean([[float(e) for e in plain_errors(s)] for s in samples], axis=0)
            print(name, kind, "all, thing, rest:", before.round(2), "->", found.round(2))


def gather(data: Path, limit: int) -> tuple[list[Sample], list[Sample]]:
    """Return the photos of a folder with a true hint, and with one of another colour."""
    colorizer = Colorizer.load("koala")
    both: tuple[list[Sample], list[Sample]] = [], []
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
        both[0].append(sample(colorizer, lightness, hint, ab, thing))
        both[1].append(sample(colorizer, lightness, Hint(hint.x, hint.y, name), turned, thing))
    return both


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
    c = constants
    answered = _share(c[0], c[1] * s.way)
    added = _share(c[2], c[3] * s.way + c[4] * s.unlike + c[5] * s.away)
    own = _share(c[6], c[7] * s.way + c[8] * s.unlike + _OWN_AB * s.away)
    ab = s.plain + answered * (s.hinted - s.plain) + added * s.lacking
    return _means(s, ab + own * (s.wanted - ab))


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
