"""Make the pictures of docs/films.md: a contact sheet and a plot of flicker.

    python docs/images/make_films.py [--seconds 30]

The film is thirty seconds long: a camera that moves over pictures that scikit-image ships, with
grain, scratches and exposure flicker, and a cut every six seconds. It is coloured twice: frame by
frame, and as usual.
"""

from __future__ import annotations

import argparse
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import matplotlib as mpl
import numpy as np
from PIL import Image
from skimage import data

from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.film.film import color_film
from koalarize.film.options import FilmOptions

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
WIDTH, HEIGHT, RATE = 320, 240, 16
NAMES = ("astronaut", "coffee", "chelsea", "rocket")


def make(path: Path, seconds: int) -> None:
    """Write the grey film."""
    rng = np.random.default_rng(1)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"crf": "14"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for n in range(seconds * RATE):
            shot, at = divmod(n, 6 * RATE)
            picture = cv2.cvtColor(getattr(data, NAMES[shot % 4])(), cv2.COLOR_RGB2GRAY)
            share = at / (6 * RATE)
            wide = min(picture.shape[1], picture.shape[0] * WIDTH / HEIGHT) * (0.95 - 0.2 * share)
            high = wide * HEIGHT / WIDTH
            x = (picture.shape[1] - wide) * share
            y = (picture.shape[0] - high) * (0.6 if shot % 2 else 0.3)
            camera = np.array([[wide / WIDTH, 0, x], [0, high / HEIGHT, y]])
            view = cv2.warpAffine(
                picture.astype(np.float32), camera, (WIDTH, HEIGHT), flags=cv2.INTER_AREA | 16
            )
            view = view * rng.normal(1, 0.04) + rng.normal(0, 5, view.shape)
            if rng.random() < 0.3:
                view[:, rng.integers(0, WIDTH)] += 70
            frame = av.VideoFrame.from_ndarray(np.clip(view, 0, 255).astype(np.uint8), "gray")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = n, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def frames(path: Path) -> list[np.ndarray]:
    """Return the frames of a film, 8-bit sRGB."""
    with av.open(str(path)) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]


def sheet(path: Path, rows: list[list[np.ndarray]]) -> None:
    """Write rows of frames as one picture."""
    tiles = [np.hstack([cv2.resize(one, (200, 150), interpolation=3) for one in r]) for r in rows]
    Image.fromarray(np.vstack(tiles)).save(path, quality=88)


def mean_ab(shown: list[np.ndarray]) -> np.ndarray:
    """Return (frames, 2) mean ab of the middle of each frame."""
    part = (slice(60, 180), slice(80, 240))
    return np.array([color.srgb_to_lab(one[part])[..., 1:].mean((0, 1)) for one in shown])


def plot(path: Path, plain: np.ndarray, steady: np.ndarray) -> None:
    """Write how the mean colour goes with time."""
    figure, axes = plt.subplots(2, 1, figsize=(8, 4), sharex=True, layout="constrained")
    seconds = np.arange(len(plain)) / RATE
    for axis, name, number in zip(axes, ("a*", "b*"), range(2), strict=True):
        axis.plot(seconds, plain[:, number], lw=0.8, color="0.6", label="frame by frame")
        axis.plot(seconds, steady[:, number], lw=1.4, color="C3", label="koalarize film.mp4")
        axis.set_ylabel(f"mean {name}")
        for cut in range(6, int(seconds[-1]) + 1, 6):
            axis.axvline(cut, color="k", lw=0.5, ls=":")
    axes[0].legend(loc="upper right", fontsize=8)
    axes[1].set_xlabel("seconds; dotted: cuts")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Make the film, colour it twice, write both pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=30)
    asked = parser.parse_args()
    colorizer = Colorizer.load("koala")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "film.mp4"
        make(source, asked.seconds)
        shown: dict[float, list[np.ndarray]] = {}
        for steadiness in (0.9, 0.0):
            target = Path(folder) / f"{steadiness}.mp4"
            options = FilmOptions(steadiness=steadiness)
            color_film(colorizer, source, target, options=options)
            shown[steadiness] = frames(target)
        grey = frames(source)
    places = [round(len(grey) * (n + 0.5) / 5) for n in range(5)]
    late = [min(place + 2 * RATE, len(grey) - 1) for place in places]
    sheet(
        HERE / "film-sheet.jpg",
        [[f[n] for n in at] for at in (places, late) for f in (grey, shown[0.9])],
    )
    plot(HERE / "film-flicker.png", mean_ab(shown[0.0]), mean_ab(shown[0.9]))


if __name__ == "__main__":
    main()
