"""Feed broken files to all that reads something from a stranger, and write down what goes wrong.

    python scripts/fuzz.py photo --seconds 600 [--findings FOLDER] [--seed 1]

Targets: ``photo`` (every reader, all pages, and the way back into files with what was carried),
``session`` (its JSON), ``hint`` (its text). With atheris (``pip install atheris``) coverage leads
the inputs; without it whole files are mutated. Only a ``KoalarizeError`` is a right answer to a
broken file: any other exception, more than ten seconds, or more than 2 GB of memory is a finding.
It is written to the folder with its trace, once a place in the code.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import logging
import random
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from itertools import islice
from pathlib import Path

SLOW = 10.0  # seconds
MOST_PIXELS = 1 << 20
MEMORY = 2048  # MiB
FORMATS = ("png", "jpg", "tif", "webp", "gif")


class Fuzzer:
    """Runs a target, counts, and keeps one finding a place."""

    def __init__(self, target: Callable[[bytes], None], folder: Path) -> None:
        """Take a target that raises nothing but ``KoalarizeError``."""
        from koalarize.errors import KoalarizeError

        self.target, self.folder = target, folder
        self.right = KoalarizeError
        self.runs, self.refused, self.found = 0, 0, set[str]()
        self.start = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, data: bytes) -> None:
        """Run one input."""
        self.runs += 1
        begun = time.monotonic()
        try:
            self.target(data)
        except self.right:
            self.refused += 1
        except Exception as error:  # noqa: BLE001
            last = traceback.extract_tb(error.__traceback__)
            ours = [frame for frame in last if "koalarize" in frame.filename] or list(last)
            place = f"{type(error).__name__} {Path(ours[-1].filename).name}:{ours[-1].lineno}"
            self.keep(place, data, traceback.format_exc())
        took = time.monotonic() - begun
        if took > SLOW:
            self.keep("slow", data, f"{took:.1f} s")
        if self.runs % 500 == 0:
            self.report()

    def keep(self, place: str, data: bytes, words: str) -> None:
        """Write a finding down, unless its place is known."""
        if place in self.found:
            return
        self.found.add(place)
        stem = hashlib.sha256(place.encode()).hexdigest()[:12]
        (self.folder / f"{stem}.bin").write_bytes(data)
        (self.folder / f"{stem}.txt").write_text(f"{place}\n{words}", encoding="utf-8")

    def report(self) -> None:
        """Write the counts so far."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        counts = {
            "seconds": round(time.monotonic() - self.start),
            "executions": self.runs,
            "refused": self.refused,
            "findings": sorted(self.found),
            "peak MiB": peak,
        }
        (self.folder / "counts.json").write_text(json.dumps(counts, indent=1), encoding="utf-8")


def photo_target() -> Callable[[bytes], None]:
    """Return what reads a file and writes it again in every kind."""
    import numpy as np

    from koalarize.photo.photo import Photo

    def target(data: bytes) -> None:
        tolerant = bool(data[-1:] and data[-1] & 1)
        pages = Photo.each(data, max_pixels=MOST_PIXELS, tolerant=tolerant)
        for number, photo in enumerate(islice(pages, 4)):
            if number == 0 and photo.pixels.size < 1 << 16:
                small = photo.pixels if photo.pixels.ndim == 3 else np.dstack([photo.pixels] * 3)
                kind = FORMATS[len(data) % len(FORMATS)]
                photo.notes_as(kind)
                photo.encode(small, format=kind)

    return target


def session_target() -> Callable[[bytes], None]:
    """Return what reads a session."""
    from koalarize.steering.session import Session

    def target(data: bytes) -> None:
        Session.loads(Session.loads(data).dumps())

    return target


def hint_target() -> Callable[[bytes], None]:
    """Return what reads a hint of the command line."""
    from koalarize.steering.hints import Hint

    def target(data: bytes) -> None:
        Hint.parse(data.decode("utf-8", "replace"))

    return target


TARGETS = {"photo": photo_target, "session": session_target, "hint": hint_target}


def photo_seeds() -> list[bytes]:
    """Draw small files of every kind, with all kinds of metadata."""
    import numpy as np
    import tifffile
    from PIL import Image

    from koalarize.photo.metadata import Metadata
    from koalarize.photo.photo import Photo

    down, across = np.mgrid[0:24, 0:32]
    color = np.stack([across * 7, down * 9, across * 3 + down * 4], -1).astype(np.uint8)
    grey = Image.fromarray(color).convert("L")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A maker"
    exif[0x8769] = {0x9003: "1931:05:04 12:00:00", 0x927C: b"own"}
    metadata = Metadata(
        b"<x:xmpmeta tiff:Orientation='6'/>",
        photoshop=b"8BIM\x04\x04\0\0\0\0\0\x0c\x1c\x02\x78\x00\x07wedding",
        comments=(b"words",),
        texts=((b"tEXt", b"Title\0words"),),
    )
    full = Photo(
        color, color[..., 0].copy(), exif=exif.tobytes(), dpi=(300, 200), metadata=metadata
    )
    deep = Photo(color.astype(np.uint16) * 257, full.alpha.astype(np.uint16) * 257)  # type: ignore[union-attr]
    seeds = [full.encode(color, format=kind) for kind in ("png", "jpg", "tif", "webp", "bmp")]
    seeds += [deep.encode(deep.pixels, format=kind) for kind in ("png", "tif")]

    def saved(image: Image.Image, kind: str, **options: object) -> None:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        seeds.append(buffer.getvalue())

    for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK"):
        for kind in ("TIFF", "PNG", "GIF", "PPM", "TGA", "PCX", "JPEG2000", "BMP"):
            try:
                saved(Image.fromarray(color).convert(mode), kind)
            except (OSError, ValueError):
                continue
    for packed in ("group4", "tiff_lzw", "jpeg", "packbits", "tiff_adobe_deflate"):
        image = grey.convert("1") if packed == "group4" else Image.fromarray(color)
        saved(image, "TIFF", compression=packed)
    for kind in ("GIF", "PNG", "WEBP", "MPO", "TIFF"):
        more = [grey.rotate(angle) for angle in (90, 180)]
        saved(grey, kind, save_all=True, append_images=[one.resize(grey.size) for one in more])
    saved(grey, "JPEG", progressive=True)
    for planar in ("contig", "separate"):
        for values in (color, deep.pixels, color.astype(np.float32) / 255):
            buffer = io.BytesIO()
            tifffile.imwrite(
                buffer,
                values if planar == "contig" else np.moveaxis(values, -1, 0),
                photometric="rgb",
                planarconfig=planar,
                predictor=2 if values.dtype.kind == "u" else None,
                compression="zlib",
            )
            seeds.append(buffer.getvalue())
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, color, photometric="rgb", tile=(16, 16), bigtiff=True)
    return [*seeds, buffer.getvalue()]


def seeds_of(name: str) -> list[bytes]:
    """Return whole inputs of a target."""
    if name == "photo":
        return photo_seeds()
    if name == "hint":
        return [b"1,2=#c03020", b"10.5,20,30=#fff", b"1,2,3@0.5=#102030", b"=,#"]
    from koalarize.steering.hints import Hint
    from koalarize.steering.session import Session
    from koalarize.steering.steering import Steering

    steering = Steering(vividness=1.5, hints=(Hint(3, 4, "#c03020", 5),), alternative=2)
    return [Session("a.jpg", "0" * 64, "koala", steering).dumps().encode(), b"{}", b"[1e999]"]


def mutated(data: bytes, seeds: list[bytes], rng: random.Random) -> bytes:
    """Change a file as files break: bits, numbers, cuts, parts twice or from another file."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 12))):
        at = (
            rng.randrange(len(out) + 1)
            if rng.random() < 0.5
            else rng.randrange(min(400, len(out)) + 1)
        )
        kind = rng.randrange(7)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at : at + 4] = rng.choice(
                (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\1\0", b"\1\0\0\0")
            )
        elif kind == 2:
            del out[at:]
        elif kind == 3:
            del out[at : at + rng.randrange(1, 64)]
        elif kind == 4:
            out[at:at] = out[at : at + rng.randrange(1, 200)]
        elif kind == 5:
            other = rng.choice(seeds)
            start = rng.randrange(len(other))
            out[at:at] = other[start : start + rng.randrange(1, 300)]
        elif at < len(out):
            out[at] = rng.randrange(256)
    return bytes(out)


def main() -> None:
    """Fuzz a target for some time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="mutate whole files, without atheris")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    try:
        import atheris
    except ImportError:
        asked.plain = True
    if asked.plain:
        fuzzer, seeds = Fuzzer(TARGETS[asked.target](), asked.findings), seeds_of(asked.target)
        resource.setrlimit(resource.RLIMIT_AS, (2 * MEMORY << 20, 2 * MEMORY << 20))
        rng = random.Random(asked.seed)
        for seed in seeds:
            fuzzer(seed)
        while time.monotonic() - fuzzer.start < asked.seconds:
            fuzzer(mutated(rng.choice(seeds), seeds, rng))
        fuzzer.report()
        print((asked.findings / "counts.json").read_text(encoding="utf-8"))
        return
    with atheris.instrument_imports(include=["koalarize", "PIL", "tifffile"]):
        fuzzer = Fuzzer(TARGETS[asked.target](), asked.findings)
    corpus = asked.findings / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(seeds_of(asked.target)):
        (corpus / f"seed{number}").write_bytes(seed)
    options = [f"-max_total_time={asked.seconds}", f"-rss_limit_mb={MEMORY}", "-timeout=30"]
    options += ["-max_len=20000", f"-seed={asked.seed}", f"-artifact_prefix={asked.findings}/"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], fuzzer)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
