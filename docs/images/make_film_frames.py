"""Make the picture of docs/films.md of a frame that was coloured elsewhere: film-frames.jpg.

    python docs/images/make_film_frames.py

A camera zooms into a picture that scikit-image ships, and a red disc passes before it. The middle
frame is given in its true colours. Above the film as it is coloured alone, below with that frame,
which stands in the middle. The mean error of ab of both goes to stdout.
"""

from __future__ import annotations

import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image
from skimage import data

from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.film.film import color_film
from koalarize.film.options import FilmOptions

HERE = Path(__file__).parent
WIDTH, HEIGHT, RATE, COUNT = 480, 360, 24, 96
SHOWN = (8, 28, 48, 68, 88)


def frames() -> list[np.ndarray]:
    """Return the film in its true colours."""
    picture = cv2.resize(data.astronaut(), None, fx=1.4, fy=1.4, interpolation=cv2.INTER_CUBIC)
    cat = cv2.cvtColor(data.chelsea()[:300, :300], cv2.COLOR_RGB2GRAY)
    cat = cv2.resize(cat, (96, 96), interpolation=cv2.INTER_AREA)[..., None] / 255
    disc = cat * np.array([300, 78, 65])
    rows, columns = np.mgrid[-48:48, -48:48]
    mask = cv2.GaussianBlur((rows**2 + columns**2 < 46**2).astype(np.float32), (0, 0), 0.8)
    made: list[np.ndarray] = []
    for n in range(COUNT):
        share = n / COUNT
        wide = int(picture.shape[1] * (0.95 - 0.35 * share))
        high = wide * HEIGHT // WIDTH
        x, y = (picture.shape[1] - wide) // 2, int((picture.shape[0] - high) * 0.1)
        frame = picture[y : y + high, x : x + wide]
        frame = cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        x, y = round(420 - 300 * share) - 48, 202
        part = frame[y : y + 96, x : x + 96]
        part[:] = np.clip(part + mask[..., None] * (disc - part), 0, 255)
        made.append(frame)
    return made


def write(path: Path, shown: list[np.ndarray]) -> None:
    """Write the film in grey, with grain."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"crf": "14"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for n, one in enumerate(shown):
            grey = cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) + rng.normal(0, 4, (HEIGHT, WIDTH))
            plane = np.clip(grey, 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(plane, "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = n, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def read(path: Path) -> list[np.ndarray]:
    """Return the frames of a film, 8-bit sRGB."""
    with av.open(str(path)) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]


def error(shown: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean distance of ab of two frames."""
    return float(
        np.linalg.norm(
            color.srgb_to_lab(shown)[..., 1:] - color.srgb_to_lab(truth)[..., 1:], axis=-1
        ).mean()
    )


def main() -> None:
    """Make the film, colour it twice, and draw both."""
    truth = frames()
    rows: list[np.ndarray] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "film.mp4", truth)
        (folder / "refs").mkdir()
        Image.fromarray(truth[48]).save(folder / "refs" / "ref_000048.png")
        for given in (None, folder / "refs"):
            options = FilmOptions(frames=given)
            result = color_film(
                Colorizer.load(), folder / "film.mp4", options=options, overwrite=True
            )
            shown = read(result.path)
            mean = np.mean(list(map(error, shown, truth)))
            sys.stdout.write(f"{'alone' if given is None else 'with the frame'}: {mean:.1f}\n")
            small = [cv2.resize(shown[n], (240, 180), interpolation=cv2.INTER_AREA) for n in SHOWN]
            rows.append(np.hstack(small))
    Image.fromarray(np.vstack(rows)).save(HERE / "film-frames.jpg", quality=88)


if __name__ == "__main__":
    main()
