"""docs/formats.md: format × mode × depth × profile × orientation × alpha × metadata × pages.

Files of several programs are read, coloured and read again; the page's second table is what came of
them, and ``python tests/photo/test_matrix.py`` draws it again. A part of the product runs always,
the whole of it with the slow tests. Programs that are missing are left out.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageCms
from skimage import data

from fakes import FakeEngine
from koalarize.color import grey_to_lightness, srgb_to_lab
from koalarize.colorizer.colorizer import Colorizer
from koalarize.photo.photo import Photo
from koalarize.steering.steering import Steering
from photo_parts import some_exif

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
MARK = "<!-- matrix -->\n"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>Oma</a></x:xmpmeta>'
UNMARKED = Steering(mark=False)

#: What the programs here write: format, modes, with alpha, with 16 bits, with pages.
MAKERS = {
    "Pillow": (
        ("JPEG", "L RGB CMYK", False, False, False),
        ("PNG", "1 L P RGB", True, True, True),
        ("TIFF", "1 L P RGB CMYK", True, True, True),
        ("WEBP", "L RGB", True, False, True),
        ("BMP", "1 L P RGB", False, False, False),
        ("AVIF", "L RGB", True, False, True),
        ("GIF", "L P", False, False, True),
    ),
    "ImageMagick": (
        ("JPEG", "L RGB CMYK", False, False, False),
        ("PNG", "1 L RGB", True, True, False),
        ("TIFF", "1 L RGB CMYK", True, True, True),
        ("BMP", "RGB", False, False, False),
        ("GIF", "P", False, False, True),
    ),
    "libvips": (
        ("JPEG", "L RGB", False, False, False),
        ("PNG", "L RGB", True, True, False),
        ("TIFF", "L RGB", True, True, False),
        ("WEBP", "RGB", True, False, False),
    ),
    "ffmpeg": (
        ("JPEG", "L RGB", False, False, False),
        ("PNG", "L RGB", True, True, False),
        ("TIFF", "L RGB", False, False, False),
        ("BMP", "RGB", False, False, False),
    ),
}
PROGRAMS = {"ImageMagick": ("magick", "convert"), "libvips": ("vips",), "ffmpeg": ("ffmpeg",)}
ENDINGS = {"JPEG": "jpg", "PNG": "png", "TIFF": "tif", "WEBP": "webp", "BMP": "bmp"}
ENDINGS |= {"AVIF": "avif", "GIF": "gif"}
WITH_EXIF = ("JPEG", "PNG", "TIFF", "WEBP", "AVIF")
#: L* by which a format's lightness is off on average, at most.
OFF = {"JPEG": 2.6, "WEBP": 2.5, "AVIF": 2.5, "GIF": 4.0}


@dataclasses.dataclass(frozen=True)
class Case:
    """A kind of file."""

    maker: str
    format: str
    mode: str
    deep: bool = False
    profile: bool = False
    orientation: int = 1
    alpha: bool = False
    metadata: bool = False
    pages: int = 1

    def __str__(self) -> str:
        marks = {
            "16": self.deep,
            "profile": self.profile,
            f"turned{self.orientation}": self.orientation > 1,
            "alpha": self.alpha,
            "metadata": self.metadata,
            f"pages{self.pages}": self.pages > 1,
        }
        said = [word for word, there in marks.items() if there]
        return "-".join([self.maker, self.format, self.mode, *said])


def product() -> Iterator[Case]:
    """Yield every kind of file that the programs write."""
    for maker, rows in MAKERS.items():
        for kind, modes, with_alpha, with_depth, with_pages in rows:
            own = maker == "Pillow" and kind in WITH_EXIF  # the others pass on what Pillow wrote
            for mode, deep, profile, orientation, alpha, metadata, pages in itertools.product(
                modes.split(),
                (False, True)[: 1 + with_depth],
                (False, True)[: 1 + own],
                (1, 3, 6)[: 1 + 2 * own],
                (False, True)[: 1 + with_alpha],
                (False, True)[: 1 + own],
                (1, 3)[: 1 + with_pages],
            ):
                case = Case(maker, kind, mode, deep, profile, orientation, alpha, metadata, pages)
                if is_made(case):
                    yield case


def is_made(case: Case) -> bool:
    """Tell whether there are files of a kind, or its maker makes them."""
    plain = case.mode in ("L", "RGB")
    if (case.deep or case.alpha or case.orientation > 1) and not plain:
        return False
    if case.pages > 1 and (case.deep or case.orientation > 1 or case.mode in ("1", "CMYK")):
        return False
    if case.pages > 1 and case.mode == "P" and case.format != "GIF":
        return False
    if case.deep and case.maker == "Pillow" and (case.mode == "RGB" or case.alpha):
        return False  # Pillow has no such picture
    if case.deep and case.alpha and case.maker == "libvips":
        return False
    return case.mode == "RGB" or not case.profile


ALL = list(product())
#: Of each program's formats the plain kinds, and a thirteenth of all others.
USUAL = [
    case
    for number, case in enumerate(ALL)
    if number % 13 == 0 or case == Case(case.maker, case.format, case.mode)
]


def scene() -> np.ndarray:
    """Levels of a small photo."""
    return np.asarray(Image.fromarray(data.camera()[:320, 32:512]).resize((48, 32)))


CLEAR = np.repeat(np.where(np.arange(48) < 24, 0, 255).astype(np.uint8)[None], 32, 0)


def picture(case: Case) -> Image.Image:
    """Return the scene as Pillow's picture, upright."""
    if case.deep and not case.alpha and case.mode == "L":
        return Image.fromarray(scene().astype(np.uint16) * 257)
    image = Image.fromarray(scene())
    if case.mode == "1":
        image = image.point(lambda level: 255 * (level > 127)).convert("1")
    elif case.mode != "L":
        image = image.convert("RGB")
        if case.mode == "P":
            image = image.quantize(256)
        elif case.mode == "CMYK":
            image = image.convert("CMYK")
    if case.alpha:
        image.putalpha(Image.fromarray(CLEAR))
    return image


def make(case: Case, folder: Path) -> Path:
    """Write a file of a kind."""
    path = folder / f"made.{ENDINGS[case.format]}"
    image = picture(case)
    if case.maker == "Pillow":
        by_pillow(case, image, path)
        return path
    plain = dataclasses.replace(case, mode="1" if case.mode == "1" else "L")
    scan = folder / "scan.png"
    picture(plain).save(scan)
    program = next(filter(None, map(shutil.which, PROGRAMS[case.maker])), None)
    if program is None:
        pytest.skip(f"{case.maker} is not installed")
    words = {"ImageMagick": by_magick, "libvips": by_vips, "ffmpeg": by_ffmpeg}[case.maker]
    done = subprocess.run([program, *words(case, scan, path)], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr[-300:]
    return path


def by_pillow(case: Case, image: Image.Image, path: Path) -> None:
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}.get(case.orientation)
    image = image if turn is None else image.transpose(turn)
    given: dict[str, object] = {"quality": 97} if case.format in ("JPEG", "WEBP", "AVIF") else {}
    if case.metadata or case.orientation > 1:
        given["exif"] = some_exif(case.orientation)
    if case.metadata:
        given["xmp"] = XMP
    if case.profile:
        given["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if case.format == "TIFF":
        packed = {"1": "group4", "RGB": None}.get(case.mode, "tiff_lzw")
        given["compression"] = None if "exif" in given else packed
    if case.pages > 1:
        others = [ImageChops.offset(image, 5 * page, 0) for page in range(1, case.pages)]
        given |= {"save_all": True, "append_images": others}
        given |= {} if case.format == "TIFF" else {"duration": 80}
    if case.format == "TIFF" and "xmp" in given:
        tags = Image.Exif()
        tags.load(some_exif(case.orientation))
        tags[700] = given.pop("xmp")
        given["exif"] = tags
    if case.format == "PNG" and "xmp" in given:
        from PIL.PngImagePlugin import PngInfo

        texts = PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", given.pop("xmp").decode())  # type: ignore[attr-defined]
        given["pnginfo"] = texts
    image.save(path, case.format, **given)  # type: ignore[arg-type]


def by_magick(case: Case, scan: Path, path: Path) -> list[str]:
    kinds = {"1": "Bilevel", "L": "Grayscale", "P": "Palette", "RGB": "TrueColor"}
    kind = kinds.get(case.mode, "ColorSeparation")
    alpha = "Alpha" if case.alpha else ""
    words = ["-colorspace", "CMYK"] if case.mode == "CMYK" else ["-type", kind + alpha]
    if case.format == "PNG" and case.mode == "RGB":
        words = ["-define", f"png:color-type={6 if case.alpha else 2}"]
    depth = ["-depth", "16"] if case.deep else []
    depth += ["-define", "png:bit-depth=16"] if case.deep and case.format == "PNG" else []
    scans = [str(scan), *(["(", "+clone", "-roll", "+5+0", ")"] * (case.pages - 1))]
    return (
        [*scans, *words, *depth, "-quality", "97", "-compress", "zip", str(path)]
        if (case.format == "TIFF")
        else [*scans, *words, *depth, "-quality", "97", str(path)]
    )


def by_vips(case: Case, scan: Path, path: Path) -> list[str]:
    space = (
        ("rgb16" if case.mode == "RGB" else "grey16")
        if case.deep
        else ("srgb" if case.mode == "RGB" else "b-w")
    )
    lossy = "[Q=97]" if case.format == "JPEG" else "[lossless]" if case.format == "WEBP" else ""
    return ["colourspace", str(scan), f"{path}{lossy}", space]


def by_ffmpeg(case: Case, scan: Path, path: Path) -> list[str]:
    deep, alpha = case.deep, case.alpha
    if case.format == "JPEG":
        pixels = "gray" if case.mode == "L" else "yuvj444p"
    elif case.format == "BMP":
        pixels = "bgr24"
    elif case.mode == "L":
        pixels = ("ya" if alpha else "gray") + ("16be" if deep else "8" if alpha else "")
    else:
        pixels = ("rgba64be" if alpha else "rgb48be") if deep else "rgba" if alpha else "rgb24"
    return ["-v", "error", "-i", str(scan), "-q:v", "1", "-pix_fmt", pixels, str(path)]


def check(case: Case, photos: list[Photo]) -> None:
    """Check what was read of a file: every fact that its kind names."""
    assert len(photos) == case.pages
    photo = photos[0]
    assert (photo.width, photo.height) == (48, 32)
    assert (photo.pixels.dtype == np.uint16) == case.deep
    assert (photo.alpha is not None) == case.alpha
    if photo.alpha is not None:
        seen = photo.alpha.astype(float) / np.iinfo(photo.alpha.dtype).max
        assert np.abs(seen - CLEAR / 255).mean() < 0.05
    levels = scene() if case.mode != "1" else 255 * (scene() > 127).astype(np.uint8)
    wanted = grey_to_lightness(levels)
    shown = np.ones_like(CLEAR, bool) if not case.alpha else CLEAR > 0
    off = np.abs(photo.lightness() - wanted)[shown].mean()
    assert off < (4.0 if case.mode in ("CMYK", "P") else OFF.get(case.format, 0.6))


def check_kept(case: Case, encoded: bytes) -> None:
    """Check what goes along in a coloured file."""
    with Image.open(io.BytesIO(encoded)) as image:
        assert image.getexif().get(0x0112, 1) == 1
        if case.profile and case.format in WITH_EXIF:
            assert image.info.get("icc_profile")
    kept = Photo.read(encoded)
    if case.metadata:
        assert kept.exif is not None
        assert b"A maker" in kept.exif
        assert kept.metadata.xmp is not None
        assert b"Oma" in kept.metadata.xmp


def run(case: Case, folder: Path) -> None:
    content = make(case, folder).read_bytes()
    check(case, list(Photo.each(content)))
    colored = Colorizer(FakeEngine(), threads=1).data(content, UNMARKED)
    assert colored.data is not None
    photos = list(Photo.each(colored.data))
    # A still GIF becomes PNG; mode 1 and palettes become colour.
    kind = "PNG" if case.format == "GIF" and case.pages == 1 else case.format
    check(dataclasses.replace(case, format=kind if case.mode != "P" else case.format), photos)
    assert photos[0].format == kind
    check_kept(case, colored.data)
    shown = photos[0].pixels[CLEAR > 0] if case.alpha else photos[0].pixels.reshape(-1, 3)
    if case.mode != "1":
        assert np.abs(srgb_to_lab(shown[None])[..., 1:]).max() > 5


@pytest.mark.parametrize("case", USUAL, ids=str)
def test_a_part(case, tmp_path):
    run(case, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in ALL if case not in USUAL], ids=str)
def test_all_others(case, tmp_path):
    run(case, tmp_path)


def table() -> str:
    """Draw the table: what was tried of each program's formats."""
    head = ("written by", "format", "modes", "bits", "profile", "orientation", "alpha")
    head += ("metadata", "pages", "files")
    lines = [head, ("---",) * len(head)]
    for maker, kind in dict.fromkeys((case.maker, case.format) for case in ALL):
        own = [case for case in ALL if (case.maker, case.format) == (maker, kind)]

        def all_of(name: str, own: list[Case] = own) -> list[object]:
            return list(dict.fromkeys(getattr(case, name) for case in own))

        lines.append(
            (
                maker,
                kind,
                " ".join(map(str, all_of("mode"))),
                "8, 16" if True in all_of("deep") else "8",
                *("yes" if True in all_of(name) else "–" for name in ("profile",)),
                ", ".join(map(str, all_of("orientation"))),
                *("yes" if True in all_of(name) else "–" for name in ("alpha", "metadata")),
                ", ".join(map(str, all_of("pages"))),
                str(len(own)),
            )
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def test_the_page_lists_what_is_tried():
    assert MARK + table() in PAGE.read_text(encoding="utf-8")


if __name__ == "__main__":
    _before, _mark, _rest = PAGE.read_text(encoding="utf-8").partition(MARK)
    _rest = _rest[_rest.index("\nEach of") :]
    PAGE.write_text(f"{_before}{MARK}{table()}{_rest}", encoding="utf-8")
