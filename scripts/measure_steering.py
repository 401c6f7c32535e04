"""Measure what one true hint does to a picture, inside and outside the hinted thing, and fading.

    python scripts/measure_steering.py --data PHOTOS [--limit 200] [--reach 0.3,0.5,0.7,3]

The hint is the true colour of the most saturated place (9 x 9 mean). The hinted thing is what is
connected with it and truly coloured alike (ab within 20). Printed are mean ab errors over the whole
picture, the thing, and the rest: without a hint, and with one at each reach. Then the ab PSNR of
the same pictures, and of the same with L* squeezed into 40..80, as a faded print has it.

Not here: the constants of hints (``fit_spread.py``), the scores of ``koalarize lab evaluate``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.lab.datasets.sources import load_pictures
from koalarize.steering.hints import Hint
from koalarize.steering.steering import PLAIN, Steering

Float32 = npt.NDArray[np.float32]

_ALIKE = 20.0  # Lab units
_BORDER = 8  # pixels: no hint lies nearer to the border
_FADED = (40.0, 80.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--reach", default="0.3,0.5,0.7,3")
    parser.add_argument("--model", default="koala")
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    colorizer = Colorizer.load(options.model, threads=options.threads)
    reaches = [float(part) for part in options.reach.split(",")]
    pictures = load_pictures(options.data, limit=options.limit, max_side=256).arrays
    rows: dict[str, list[tuple[float, float, float]]] = {}
    squares: dict[str, list[float]] = {"as it is": [], "faded": []}
    for srgb in pictures:
        lab = color.srgb_to_lab(srgb)
        lightness, ab = lab[..., 0], np.moveaxis(lab[..., 1:], -1, 0)
        grey = grey_of(lightness)
        hint, thing = hint_and_thing(lightness, ab)
        asked = {"no hint": PLAIN}
        asked |= {f"reach {reach:g}": Steering(hints=(hint,), reach=reach) for reach in reaches}
        for name, steering in asked.items():
            error = np.hypot(*(_ab(colorizer, grey, steering) - ab))
            rest = error[~thing].mean() if (~thing).any() else 0.0
            rows.setdefault(name, []).append((error.mean(), error[thing].mean(), rest))
        low, high = _FADED
        faded = grey_of(low + lightness * np.float32((high - low) / 100))
        for name, picture in (("as it is", grey), ("faded", faded)):
            squares[name].append(float(((_ab(colorizer, picture, PLAIN) - ab) ** 2).mean()))
    print(f"{len(pictures)} pictures of {options.data.name}, {options.model}")
    print(f"{'mean ab error':14s}{'all':>8s}{'thing':>8s}{'rest':>8s}")
    for name, found in rows.items():
        print(f"{name:14s}" + "".join(f"{value:8.2f}" for value in np.mean(found, axis=0)))
    for name, found in squares.items():
        print(f"ab PSNR {name}: {10 * np.log10(255**2 / np.mean(found)):.2f} dB")


def grey_of(lightness: Float32) -> npt.NDArray[np.uint8]:
    """Return (H, W) the grey picture of L*."""
    none = np.zeros_like(lightness)
    return color.lab_to_srgb(np.dstack([lightness, none, none]), dtype=np.uint8)[..., 0].copy()


def _ab(colorizer: Colorizer, grey: npt.NDArray[np.uint8], steering: Steering) -> Float32:
    return np.moveaxis(color.srgb_to_lab(colorizer(grey, steering))[..., 1:], -1, 0)


def hint_and_thing(lightness: Float32, ab: Float32) -> tuple[Hint, npt.NDArray[np.bool_]]:
    """Return a true hint at the most saturated place, and (H, W) where the thing there is."""
    height, width = lightness.shape
    means = np.stack([color.box_mean(plane) for plane in ab])
    inside = np.zeros((height, width), np.float32)
    inside[_BORDER:-_BORDER, _BORDER:-_BORDER] = 1
    y, x = np.unravel_index((np.hypot(*means) * inside).argmax(), inside.shape)
    true = means[:, y, x]
    lab = color.map_to_gamut(np.float32([[lightness[y, x], *true]]))
    levels = color.lab_to_srgb(lab, dtype=np.uint8)[0]
    hint = Hint(float(x), float(y), "#" + "".join(f"{level:02x}" for level in levels))
    alike = np.hypot(*(ab - true[:, None, None])) < _ALIKE
    return hint, _connected(alike, (int(y), int(x)))


def _connected(alike: npt.NDArray[np.bool_], place: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return what of (H, W) is connected with a place, on a grid of a quarter."""
    height, width = alike.shape
    size = (max(1, width // 4), max(1, height // 4))
    levels = Image.fromarray(np.where(alike, 255, 0).astype(np.uint8))
    coarse = np.asarray(levels.resize(size, Image.Resampling.BOX)) > 127
    found = np.zeros_like(coarse)
    found[place[0] * coarse.shape[0] // height, place[1] * coarse.shape[1] // width] = True
    while True:
        wider = found.copy()
        wider[1:] |= found[:-1]
        wider[:-1] |= found[1:]
        wider[:, 1:] |= found[:, :-1]
        wider[:, :-1] |= found[:, 1:]
        wider &= coarse | found
        if np.array_equal(wider, found):
            break
        found = wider
    whole = Image.fromarray(np.where(found, 255, 0).astype(np.uint8))
    return np.asarray(whole.resize((width, height), Image.Resampling.NEAREST)) > 0


if __name__ == "__main__":
    main()
