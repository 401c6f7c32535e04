"""How steady a film's colours are, against the same network asked frame by frame.

    python benchmarks/steadiness.py [--frames 48] [--model koala] [--only pan flicker] [--csv FILE]

Films are made of pictures that scikit-image ships, so that the true motion is known: a camera that
pans, zooms or shakes over a picture; a thing that crosses it; the same with exposure flicker,
grain and scratches; and two shots behind each other. Each is coloured twice by koalarize itself:
with `--steadiness 0`, which asks the network about every frame alone, and as usual. They are coded
without loss in 10 bits and 4:4:4: in 8 bits and 4:2:0 one colour held for ever would change by half
a Lab unit a frame, which is coding and says nothing of the colours. Printed for each:

- ``change``: mean change of ab along the true motion, Lab units a frame: the main figure;
- ``E_ab``: warp error on ab / 100 by the formula of Lai et al. 2018, with flow and occlusions found
  on the grey frames; ``CDC`` by the formula of Liu et al. 2021, less that of the grey film;
- ``colour``: colourfulness (Hasler and Süsstrunk 2003). Grey would score best on all the others;
- ``ratio``: how many times steadier at equal colourfulness: change over colourfulness, frame by
  frame, divided by the same as usual;
- ``asked``: how many frames the network looked at.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from skimage import data

from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.film.film import color_film
from koalarize.film.options import FilmOptions

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]
#: Maps (x, y) of a frame to places of the picture behind it: a matrix (2, 3) a frame.
Camera = Callable[[int], npt.NDArray[np.float64]]
HEIGHT, WIDTH = 240, 320


@dataclass(frozen=True)
class Film:
    """Frames, and where each place of a frame was in the frame before (NaN: it was not)."""

    luma: list[UInt8]
    before: list[Float32 | None]


def grey(name: str) -> Float32:
    picture = getattr(data, name)()
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)


def pan(n: int) -> npt.NDArray[np.float64]:
    return np.array([[1, 0, 40 + 2.3 * n], [0, 1, 40 + 0.7 * n]], float)


def zoom(n: int) -> npt.NDArray[np.float64]:
    scale = 0.99**n
    return np.array([[scale, 0, 230 - 160 * scale], [0, scale, 180 - 120 * scale]], float)


def shake(n: int) -> npt.NDArray[np.float64]:
    x, y = np.random.default_rng(n).normal(0, 3, 2)
    return np.array([[1, 0, 70 + x], [0, 1, 60 + y]], float)


def still(n: int) -> npt.NDArray[np.float64]:
    del n
    return np.array([[1, 0, 70], [0, 1, 60]], float)


def filmed(name: str, camera: Camera, frames: int) -> Film:
    picture = grey(name)
    views = [cv2.warpAffine(picture, camera(n), (WIDTH, HEIGHT), flags=17) for n in range(frames)]
    before: list[Float32 | None] = [None]
    columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    here = np.stack([columns, rows, np.ones_like(rows)]).reshape(3, -1).astype(float)
    for n in range(1, frames):
        place = np.vstack([camera(n), [0, 0, 1]]) @ here
        back = np.linalg.inv(np.vstack([camera(n - 1), [0, 0, 1]])) @ place
        before.append(_inside(back[:2].reshape(2, HEIGHT, WIDTH).astype(np.float32)))
    return Film([_levels(view) for view in views], before)


def crossed(name: str, thing: str, frames: int) -> Film:
    """Move a disc of another picture across a still one; what it uncovers was not there before."""
    behind, front = filmed(name, still, frames), grey(thing)
    columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    luma: list[UInt8] = []
    before: list[Float32 | None] = []
    last = np.zeros((HEIGHT, WIDTH), bool)
    for n in range(frames):
        x, y = 40 + 4 * n, 120
        disc = (columns - x) ** 2 + (rows - y) ** 2 < 50**2
        shift = np.array([[1, 0, 150 - x], [0, 1, 150 - y]], float)
        moved = cv2.warpAffine(front, shift, (WIDTH, HEIGHT), flags=17)
        luma.append(np.where(disc, _levels(moved), behind.luma[n]))
        back = np.stack([columns - 4.0 * disc, rows + 0.0 * disc]).astype(np.float32)
        back[:, ~disc & last] = np.nan
        before.append(_inside(back) if n else None)
        last = disc
    return Film(luma, before)


def joined(one: Film, other: Film) -> Film:
    return Film(one.luma + other.luma, one.before + other.before)


def flickered(film: Film) -> Film:
    rng = np.random.default_rng(5)
    gains = rng.normal(1, 0.08, len(film.luma))
    return Film(
        [_levels(plane * gain) for plane, gain in zip(film.luma, gains, strict=True)], film.before
    )


def grained(film: Film) -> Film:
    rng = np.random.default_rng(6)
    luma: list[UInt8] = []
    for plane in film.luma:
        grain = cv2.GaussianBlur(rng.normal(0, 14, plane.shape).astype(np.float32), (0, 0), 0.7)
        marked = plane + 1.6 * grain
        for _ in range(2):
            marked[:, rng.integers(0, WIDTH)] += rng.choice([-90, 90])
        x, y = rng.integers(0, WIDTH), rng.integers(0, HEIGHT)
        cv2.circle(marked, (int(x), int(y)), int(rng.integers(2, 6)), 240, -1)
        luma.append(_levels(marked))
    return Film(luma, film.before)


def _levels(plane: npt.NDArray[np.float64] | Float32) -> UInt8:
    return np.clip(np.rint(plane), 0, 255).astype(np.uint8)


def _inside(back: Float32) -> Float32:
    x, y = back
    out = (x < 0) | (y < 0) | (x > WIDTH - 1) | (y > HEIGHT - 1)
    back[:, out] = np.nan
    return back


FILMS: dict[str, Callable[[int], Film]] = {
    "pan": lambda n: filmed("astronaut", pan, n),
    "zoom": lambda n: filmed("coffee", zoom, n),
    "shake": lambda n: filmed("chelsea", shake, n),
    "object": lambda n: crossed("coffee", "astronaut", n),
    "flicker": lambda n: flickered(filmed("astronaut", pan, n)),
    "grain": lambda n: grained(filmed("coffee", still, n)),
    "old": lambda n: flickered(grained(filmed("astronaut", shake, n))),
    "cut": lambda n: joined(filmed("astronaut", pan, n // 2), filmed("coffee", zoom, n - n // 2)),
}


def write(path: Path, luma: list[UInt8]) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p10le"
        for n, plane in enumerate(luma):
            samples = np.full((3, HEIGHT, WIDTH), 512, np.uint16)
            samples[0] = np.rint(64 + plane * (876 / 255))
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv444p10le")
            for place, part in zip(frame.planes, samples, strict=True):
                memory = np.frombuffer(place, np.uint16).reshape(HEIGHT, -1)
                memory[:, :WIDTH] = part
            frame.pts, frame.time_base = n, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def read(path: Path) -> list[Float32]:
    """Return the frames as sRGB in [0, 1], by the matrix of BT.601."""
    with av.open(str(path)) as film:
        return [_srgb(frame) for frame in film.decode(video=0)]


def _srgb(frame: av.VideoFrame) -> Float32:
    rows = [np.frombuffer(p, np.uint16).reshape(p.height, -1)[:, :WIDTH] for p in frame.planes]
    y, cb, cr = (row.astype(np.float32) for row in rows)
    y, cb, cr = (y - 64) / 876, (cb - 512) / 896, (cr - 512) / 896
    green = y - (0.299 * 1.402 * cr + 0.114 * 1.772 * cb) / 0.587
    return np.clip(np.stack([y + 1.402 * cr, green, y + 1.772 * cb], axis=-1), 0, 1)


def change(film: Film, ab: list[Float32]) -> float:
    """Return the mean change of ab along the true motion, Lab units a frame."""
    found: list[float] = []
    for n in range(1, len(ab)):
        back = film.before[n]
        if back is None:
            continue
        there = np.isfinite(back[0])
        x, y = np.nan_to_num(back)
        past = cv2.remap(ab[n - 1], x, y, cv2.INTER_LINEAR)
        found.append(float(np.linalg.norm(past - ab[n], axis=-1)[there].mean()))
    return float(np.mean(found))


def warp_error(film: Film, ab: list[Float32]) -> float:
    """Return the warp error of ab / 100 with flow and occlusions found on the grey frames."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    columns, rows = np.meshgrid(
        np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32)
    )
    found: list[float] = []
    for n in range(1, len(ab)):
        if film.before[n] is None:
            continue
        ahead = dis.calc(film.luma[n - 1], film.luma[n], None)
        back = dis.calc(film.luma[n], film.luma[n - 1], None)
        x, y = columns + back[..., 0], rows + back[..., 1]
        round_trip = cv2.remap(ahead, x, y, cv2.INTER_LINEAR) + back
        squares = (ahead**2).sum(-1) + (back**2).sum(-1)
        hidden = (round_trip**2).sum(-1) > 0.01 * squares + 0.5
        slope = sum(np.gradient(back[..., c], axis=a) ** 2 for c in (0, 1) for a in (0, 1))
        hidden |= slope > 0.01 * (back**2).sum(-1) + 0.002
        past = cv2.remap(ab[n - 1], x, y, cv2.INTER_LINEAR)
        squared = (((past - ab[n]) / 100) ** 2).sum(-1)
        found.append(float(squared[~hidden].sum() / max(1, (~hidden).sum())))
    return float(np.mean(found))


def cdc(srgb: list[Float32]) -> float:
    """Return the colour distribution consistency (Liu et al. 2021)."""
    frames = [_levels(frame * 255) for frame in srgb]
    shares = [
        np.stack([np.bincount(f[..., c].ravel(), minlength=256) / f[..., c].size for c in range(3)])
        for f in frames
    ]
    steps = [
        np.mean([_divergence(shares[i], shares[i + t]) for i in range(len(shares) - t)])
        for t in (1, 2, 4)
    ]
    return float(np.mean(steps))


def _divergence(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    middle = (one + other) / 2

    def kl(share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        terms = np.where(
            share > 0, share * np.log(np.maximum(share, 1e-12) / middle.clip(1e-12)), 0
        )
        return terms.sum(-1)

    return float((0.5 * kl(one) + 0.5 * kl(other)).mean())


def measure(name: str, frames: int, colorizer: Colorizer, folder: Path) -> list[dict[str, object]]:
    film = FILMS[name](frames)
    source = folder / f"{name}.mkv"
    write(source, film.luma)
    floor = cdc(read(source))
    rows: list[dict[str, object]] = []
    for what, steadiness in (("frame by frame", 0.0), ("steady", FilmOptions().steadiness)):
        target = folder / f"{name}-{steadiness:g}.mkv"
        options = FilmOptions(codec="ffv1", steadiness=steadiness)
        result = color_film(colorizer, source, target, options=options, overwrite=True)
        shown = read(target)
        ab = [color.srgb_to_lab(frame)[..., 1:] for frame in shown]
        rows.append(
            {
                "film": name,
                "way": what,
                "change": change(film, ab),
                "E_ab": warp_error(film, ab),
                "CDC": cdc(shown) - floor,
                "colour": float(np.mean([color.colorfulness(frame) for frame in shown])),
                "asked": result.asked,
            }
        )
    plain, steady = ([float(str(row[key])) for key in ("change", "colour")] for row in rows)
    rows[1]["ratio"] = (plain[0] / plain[1]) / (steady[0] / steady[1])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--model", default="koala")
    parser.add_argument("--only", nargs="*", choices=[*FILMS], default=[*FILMS])
    parser.add_argument("--csv", type=Path)
    asked = parser.parse_args()
    colorizer = Colorizer.load(asked.model)
    rows: list[dict[str, object]] = []
    print("| film | | change | E_ab | CDC | colour | asked | ratio |")
    print("|---" * 8 + "|")
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.only:
            for row in measure(name, asked.frames, colorizer, Path(folder)):
                ratio = f"{row['ratio']:.1f}" if "ratio" in row else ""
                print(
                    f"| {name} | {row['way']} | {row['change']:.3f} | {row['E_ab']:.5f} "
                    f"| {row['CDC']:.5f} | {row['colour']:.1f} | {row['asked']} | {ratio} |",
                    flush=True,
                )
                rows.append(row)
    ratios = [float(str(row["ratio"])) for row in rows if "ratio" in row]
    print(f"\nsteadier at equal colourfulness: {np.median(ratios):.1f} times (median of films)")
    if asked.csv:
        with asked.csv.open("w", newline="") as stream:
            table = csv.DictWriter(stream, [*rows[0], "ratio"])
            table.writeheader()
            table.writerows(rows)


if __name__ == "__main__":
    main()
