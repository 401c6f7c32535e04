"""Files of other programs' encoders, all formats and kinds that they make: read right, coloured.

Skipped where a program is missing; `.ci/run` installs them.
"""

import json
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from skimage import data

from fakes import FakeEngine
from koalarize.colorizer.colorizer import Colorizer
from koalarize.photo.photo import Photo

MAGICK = ("magick", "convert")


def program(*names):
    found = next((shutil.which(name) for name in names if shutil.which(name)), None)
    if found is None:
        pytest.skip(f"{names[0]} is not installed")
    return found


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, timeout=60)
    if done.returncode:
        pytest.skip(f"{words[0]} cannot: {done.stderr[-200:]!r}")
    return done.stdout


@pytest.fixture
def scan(tmp_path):
    """A grey scan, and its levels."""
    levels = data.camera()[60:160, 150:270]
    Image.fromarray(levels).save(tmp_path / "scan.png")
    return tmp_path / "scan.png"


def close_to(path, expected, off):
    """Check a file's lightness, and that of its coloured version, which is returned."""
    wanted = Photo.read(expected).lightness()
    assert np.abs(Photo.read(path).lightness() - wanted).mean() < off
    colored = Colorizer(FakeEngine()).file(path)
    assert np.abs(Photo.read(colored.written).lightness() - wanted).mean() < off + 1
    return colored


@pytest.mark.parametrize(
    ("ending", "options", "off"),
    [
        ("jpg", ["-quality", "96"], 1),
        ("jpg", ["-quality", "96", "-interlace", "JPEG"], 1),
        ("jpg", ["-colorspace", "CMYK", "-quality", "98"], 2.5),
        ("jpg", ["-sampling-factor", "4:1:1", "-quality", "97"], 1),
        ("png", ["-define", "png:bit-depth=16"], 0.1),
        ("png", ["-type", "PaletteMatte"], 1),
        ("png", ["-interlace", "PNG"], 0.1),
        ("png", ["-define", "png:color-type=6"], 0.1),
        ("tif", ["-compress", "lzw"], 0.1),
        ("tif", ["-compress", "zip", "-depth", "16"], 0.1),
        ("tif", ["-compress", "zip", "-interlace", "plane", "-type", "TrueColor"], 0.1),
        ("tif", ["-compress", "jpeg", "-quality", "96"], 1),
        ("tif", ["-compress", "none", "-depth", "16", "-endian", "MSB"], 0.1),
        ("tif", ["-define", "tiff:tile-geometry=64x64"], 0.1),
        ("tif", ["-colorspace", "CMYK"], 2.5),
        ("tif", ["-alpha", "set", "-depth", "16"], 0.1),
        ("tif", ["-define", "quantum:format=floating-point", "-depth", "32"], 0.2),
        ("webp", ["-define", "webp:lossless=true"], 0.1),
        ("webp", ["-quality", "95"], 2),
        ("gif", [], 1.5),
        ("bmp", [], 0.1),
        ("pcx", [], 0.1),
        ("pgm", [], 0.1),
        ("ppm", ["-depth", "16"], 0.1),
        ("psd", [], 0.1),
        ("jp2", ["-quality", "98"], 2),
    ],
)
def test_imagemagick(scan, ending, options, off):
    path = scan.with_name(f"made.{ending}")
    run(program(*MAGICK), scan, *options, path)
    colored = close_to(path, scan, off)
    words = " ".join(options)
    deep = any(word in words for word in ("-depth 16", "bit-depth=16", "-depth 32"))
    assert (Photo.read(colored.written).pixels.dtype == np.uint16) == deep


@pytest.mark.parametrize(
    ("name", "options", "off"),
    [
        ("made.tif", "[compression=deflate,predictor=horizontal,tile,tile-width=64]", 0.1),
        ("made.tif", "[compression=lzw,bigtiff]", 0.1),
        ("made.tif", "[tile,pyramid,compression=jpeg,Q=96]", 1),
        ("made.tif", "[compression=ccittfax4,bitdepth=1]", None),
        ("made.png", "[interlace,compression=9]", 0.1),
        ("made.png", "[palette,Q=100]", 1.5),
        ("made.jpg", "[Q=96,optimize_coding,interlace,subsample_mode=off]", 1),
        ("made.webp", "[lossless]", 0.1),
    ],
)
def test_libvips(scan, name, options, off):
    path = scan.with_name(name)
    run(program("vips"), "copy", scan, f"{path}{options}")
    if off is None:  # a threshold: nothing but black and white
        assert set(np.unique(Photo.read(path).pixels)) <= {0, 255}
    else:
        close_to(path, scan, off)


def test_libvips_deep_color(scan):
    path = scan.with_name("deep.tif")
    run(program("vips"), "colourspace", scan, f"{path}[compression=lzw]", "rgb16")
    assert Photo.read(path).pixels.dtype == np.uint16
    close_to(path, scan, 0.3)  # its levels are those of 8 bits, shifted


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("moving.gif", []),
        ("moving.png", ["-f", "apng", "-plays", "0"]),
        ("moving.webp", ["-c:v", "libwebp_anim", "-lossless", "1", "-loop", "0"]),
    ],
)
def test_ffmpeg_animations(scan, name, options):
    path = scan.with_name(name)
    frames = ["-loop", "1", "-framerate", "10", "-t", "0.5", "-i", scan]
    moving = ["-vf", "crop=80:80:n*4:0"]
    run(program("ffmpeg"), "-v", "error", *frames, *moving, *options, path)
    with Image.open(path) as image:
        count = image.n_frames
    assert count > 1
    colored = Colorizer(FakeEngine()).file(path).written
    with Image.open(colored) as image:
        assert image.n_frames == count
    shown = run(
        program("ffprobe"), "-v", "error", "-count_frames", "-show_streams", "-of", "json", colored
    ) if not name.endswith("webp") else None  # fmt: skip
    if shown is not None:
        assert int(json.loads(shown)["streams"][0]["nb_read_frames"]) == count


@pytest.mark.parametrize(("pixels", "deep"), [("yuv420p", False), ("yuv420p10le", True)])
def test_an_avif_of_more_than_8_bits_says_what_it_loses(scan, pixels, deep):
    path = scan.with_name("made.avif")
    kind = ["-pix_fmt", pixels, "-c:v", "libaom-av1", "-still-picture", "1"]
    run(program("ffmpeg"), "-v", "error", "-i", scan, *kind, path)
    assert Photo.read(path).notes == ("more than 8 bits a channel are read as 8",) * deep


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_exiftool_finds_again_what_it_wrote(scan, ending):
    tool = program("exiftool")
    path = scan.with_name(f"told.{ending}")
    Image.open(scan).convert("RGB").save(path)
    said = {
        "EXIF:Artist": "Großmutter, Zürich ©",
        "EXIF:DateTimeOriginal": "1931:05:04 12:00:00",
        "EXIF:GPSLatitude": 47.5,
        "XMP:Rating": 4,
        "XMP:Subject": "wedding",
        "XMP:Description": "Straße",
    }
    if ending in ("jpg", "tif"):
        said["IPTC:Keywords"] = "attic"
    if ending == "jpg":
        said["File:Comment"] = "on the back"
    words = [f"-{tag}={value}" for tag, value in said.items()]
    run(tool, "-q", "-overwrite_original", "-charset", "utf8", *words, path)
    colored = Colorizer(FakeEngine()).file(path)
    (found,) = json.loads(
        run(tool, "-j", "-G", "-n", *(f"-{tag}" for tag in said), colored.written)
    )
    assert {tag: found.get(tag) for tag in said} == said


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_exiftool_orientation(scan, orientation):
    tool = program("exiftool")
    path = scan.with_name("turned.jpg")
    Image.open(scan).save(path, quality=96)
    run(tool, "-q", "-overwrite_original", "-n", f"-Orientation={orientation}", path)
    colored = Colorizer(FakeEngine()).file(path).written
    (found,) = json.loads(run(tool, "-j", "-n", "-Orientation", "-ImageWidth", colored))
    assert (found["Orientation"], found["ImageWidth"]) == (1, 100 if orientation > 4 else 120)
