"""The mark in a result: in every format that holds XMP, beside the photo's own, sealed."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import FakeEngine
from koalarize.colorizer.colorizer import Colorizer, Making
from koalarize.photo.files import FORMATS
from koalarize.photo.metadata import Metadata
from koalarize.photo.pages import encode_pages
from koalarize.photo.photo import Photo
from koalarize.photo.provenance import (
    Provenance,
    has_mark,
    holds_mark,
    is_marked,
    mark_of,
    read_mark,
    sealed,
    unsealed,
)
from koalarize.steering.hints import Hint
from koalarize.steering.settings import settings_text
from koalarize.steering.steering import PLAIN, Steering

MADE = Provenance("koalarize 1", "koala", "ab" * 32, '{"hints":["<&\\"\'>"]}', "cd" * 32)
KINDS = ["jpg", "png", "tif", "webp", "avif"]
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
OWN = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="uuid:1" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="Oma"{}
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
SCANNED = "http://cv.iptc.org/newscodes/digitalsourcetype/negativeFilm"


def photo(xmp: bytes | None = None, *, deep: bool = False) -> Photo:
    levels = np.random.default_rng(0).integers(0, 255, (24, 32), np.uint8)
    pixels = levels.astype(np.uint16) * 257 if deep else levels
    return Photo(pixels, metadata=Metadata(xmp))


def written(path: Path, xmp: bytes | None = None, *, deep: bool = False) -> Path:
    grey = photo(xmp, deep=deep)
    marked = dataclasses.replace(grey, metadata=Metadata(MADE.mark(xmp)))
    return marked.write(np.dstack([grey.pixels] * 3), path, overwrite=True)


def source_types(xmp: bytes) -> list[str]:
    root = ElementTree.fromstring(xmp.partition(b"?>")[2].rpartition(b"<?xpacket")[0])
    return [value for one in root.iter() for key, value in one.attrib.items() if key == IPTC] + [
        one.text or "" for one in root.iter(IPTC)
    ]


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_mark_comes_back_from_every_format(tmp_path: Path, kind: str, deep: bool):
    mark = read_mark(written(tmp_path / f"a.{kind}", deep=deep))
    assert mark is not None
    assert mark.provenance == MADE
    assert mark.untouched
    (found,) = source_types(Photo.read(tmp_path / f"a.{kind}").metadata.xmp or b"")
    assert found.endswith("compositeWithTrainedAlgorithmicMedia")


@pytest.mark.parametrize("extension", sorted(FORMATS))
def test_a_name_tells_whether_its_kind_holds_the_mark(tmp_path: Path, extension: str):
    path = written(tmp_path / f"a{extension}")
    assert holds_mark(path.name.upper()) == is_marked(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_one_changed_byte_anywhere_is_seen(tmp_path: Path, kind: str, share: float):
    path = written(tmp_path / f"a.{kind}")
    data = bytearray(path.read_bytes())
    data[int(share * (len(data) - 1))] ^= 1
    path.write_bytes(data)
    mark = read_mark(path)
    assert mark is None or not mark.untouched


def test_a_result_saved_by_another_program_is_marked_but_touched(tmp_path: Path):
    path = written(tmp_path / "a.png")
    with Image.open(path) as image:
        image.save(tmp_path / "b.jpg", xmp=Photo.read(path).metadata.xmp)
    mark = read_mark(tmp_path / "b.jpg")
    assert mark is not None
    assert mark.provenance == MADE
    assert not mark.untouched


def test_equal_runs_are_equal_files(tmp_path: Path):
    first, second = (written(tmp_path / f"{name}.png").read_bytes() for name in "ab")
    assert first == second


def test_the_photo_s_own_xmp_stays(tmp_path: Path):
    xmp = OWN.format("/>").encode()
    found = Photo.read(written(tmp_path / "a.jpg", xmp)).metadata.xmp or b""
    assert b'dc:title="Oma"' in found
    assert found.count(b'rdf:about="uuid:1"') == 2
    assert len(source_types(found)) == 1


@pytest.mark.parametrize(
    "form",
    [
        ' xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" i:DigitalSourceType="{}"/>',
        ' xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
        "<i:DigitalSourceType>{}</i:DigitalSourceType></rdf:Description>",
        ' xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
        '<i:DigitalSourceType rdf:resource="{}"/></rdf:Description>',
    ],
)
def test_the_original_s_source_type_gives_way_and_is_remembered(form: str):
    found = MADE.mark(OWN.format(form.format(SCANNED)).encode()) or b""
    (kind,) = source_types(found)
    assert kind.endswith("compositeWithTrainedAlgorithmicMedia")
    assert f'koalarize:OriginalSourceType="{SCANNED}"'.encode() in found


def test_a_second_mark_replaces_the_first():
    other = dataclasses.replace(MADE, model="other")
    assert other.mark(MADE.mark(None)) == other.mark(None)
    spread = (MADE.mark(None) or b"").replace(b'koalarize:Model="koala"', b"")
    spread = spread.replace(b"</rdf:RDF>", b"<koalarize:Model>koala</koalarize:Model></rdf:RDF>")
    assert (other.mark(spread) or b"").count(b"Model") == 1


@pytest.mark.parametrize("xmp", [b"no xmp at all", OWN.encode("utf-16")])
def test_xmp_without_a_place_stays_as_it_is(xmp: bytes):
    assert MADE.mark(xmp) is None


def test_rdf_that_is_closed_at_once_is_opened_for_the_mark():
    """It was called XMP without a place for it."""
    xmp = OWN.format("/>")
    at, end = xmp.index("<rdf:RDF"), xmp.index("</rdf:RDF>") + len("</rdf:RDF>")
    head = xmp[at : xmp.index(">", at)]
    found = MADE.mark(f"{xmp[:at]}{head}/>{xmp[end:]}".encode()) or b""
    assert len(source_types(found)) == 1
    assert has_mark(found)


def test_xmp_that_would_outgrow_a_jpeg_loses_its_padding_or_the_mark():
    padded = OWN.format("/>").replace("\n<?xpacket end", " " * 64_500 + "\n<?xpacket end").encode()
    assert b"Seal" in (MADE.mark(padded) or b"")
    full = OWN.format(f' dc:rights="{"x" * 64_900}"/>').encode()
    assert MADE.mark(full) is None


def test_much_xmp_is_sealed_in_a_png():
    """The checksum of a chunk of any length is that of the sealed chunk."""
    much = OWN.format(f' dc:rights="{"x" * 300_000}"/>').encode()
    marked = photo(MADE.mark(much))
    data = sealed(marked.encode(np.repeat(marked.pixels[..., None], 3, -1), format="png"))
    again = Photo.read(data)
    assert again.notes == ()
    assert unsealed(again.metadata.xmp or b"") == marked.metadata.xmp
    found = mark_of(data)
    assert found is not None
    assert found.untouched


def test_what_looks_like_a_mark_before_it_changes_nothing():
    other = b'koalarize:Seal="%s" koalarize:Model="other"' % (b"1" * 64)
    xmp = b'<rdf:RDF a="b"%s></rdf:RDF><rdf:RDF></rdf:RDF>' % other
    marked = photo(MADE.mark(xmp))
    data = sealed(marked.encode(np.repeat(marked.pixels[..., None], 3, -1), format="tif"))
    found = mark_of(data)
    assert found is not None
    assert (found.untouched, found.provenance) == (True, MADE)


SPACE = b" " * 300_000
HOSTILE = {
    "no end behind the white space": b"<rdf:RDF></rdf:RDF>" + SPACE,
    "white space": b"<rdf:RDF>" + SPACE + b"</rdf:RDF>",
    "white space where IPTC is named": b'xmlns:I="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    + SPACE
    + b"</rdf:RDF>",
    "descriptions without an end": b"<rdf:Description " * 20_000 + b"</rdf:RDF>",
    "many names of one space": b"".join(
        b'xmlns:I%d="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"' % n for n in range(5000)
    )
    + b"</rdf:RDF>",
}
HASTE = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from test_provenance import HOSTILE, MADE
sys.exit(MADE.mark(HOSTILE[sys.argv[1]]) is None)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are a matter of Unix")
@pytest.mark.parametrize("name", HOSTILE)
def test_no_xmp_is_read_again_and_again(name: str):
    """Each takes milliseconds; hours where every byte is looked at once for every other."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    command = [sys.executable, "-c", HASTE, name]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=True)


def test_files_without_a_mark(tmp_path: Path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    for name in ("empty.jpg", "gone.jpg"):
        assert not is_marked(tmp_path / name)
        assert read_mark(tmp_path / name) is None


def test_pages_are_sealed_as_one(tmp_path: Path):
    marked = dataclasses.replace(photo(), metadata=Metadata(MADE.mark(None)), pages=2)
    page = (marked, np.dstack([marked.pixels] * 3))
    path = tmp_path / "a.tif"
    path.write_bytes(sealed(*encode_pages([page, page], "TIFF")))
    mark = read_mark(path)
    assert mark is not None
    assert mark.untouched


@pytest.mark.parametrize("kind", ["webp", "png", "tif", "mpo"])
def test_files_of_several_pictures_are_marked(tmp_path: Path, kind: str):
    frames = [Image.fromarray(photo().pixels // n) for n in (1, 2, 3)]
    source = tmp_path / f"a.{kind}"
    frames[0].save(source, save_all=True, append_images=frames[1:])
    mark = read_mark(Colorizer(FakeEngine()).file(source).written)
    assert mark is not None
    assert mark.untouched
    assert mark.provenance.settings == "{}"


def test_unsealed_xmp_can_be_sealed_again(tmp_path: Path):
    xmp = Photo.read(written(tmp_path / "a.png")).metadata.xmp or b""
    assert unsealed(xmp) == MADE.mark(None)


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_the_colorizer_marks_files_and_bytes_alike(tmp_path: Path, kind: str):
    source = tmp_path / f"a.{kind}"
    Image.fromarray(photo().pixels).save(source)
    engine = FakeEngine()
    engine.info = dataclasses.replace(engine.info, identity="ef" * 32)
    colorizer = Colorizer(engine)
    steering = Steering(vividness=1.5)
    colored = colorizer.file(source, steering=steering)
    mark = read_mark(colored.written)
    assert mark is not None
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert mark.provenance == colorizer.provenance(steering, Making(digest))
    assert mark.provenance.weights == "ef" * 32
    assert mark.provenance.settings == '{"vividness":1.5}'
    assert colorizer(source.read_bytes(), steering) == colored.written.read_bytes()
    assert [note[:14] for note in colored.notes] == ["it stays grey,"]  # it is of one level
    assert not is_marked(
        colorizer.file(source, tmp_path / f"b.{kind}", Steering(mark=False)).written
    )


def test_xmp_without_a_place_is_said(tmp_path: Path):
    source = tmp_path / "a.png"
    photo(b"odd").write(np.zeros((24, 32, 3), np.uint8), source)
    assert "no place for the mark" in Colorizer(FakeEngine()).file(source).notes[-1]


def test_settings_are_the_same_text_for_the_same_wishes():
    assert settings_text(PLAIN) == "{}"
    one = Steering(warmth=0.5, hints=(Hint(1, 2, "#c03020"),))
    assert settings_text(one) == '{"hints":[{"color":"#c03020","x":1,"y":2}],"warmth":0.5}'
    many = Steering(hints=tuple(Hint(x + 0.125, 2.125, "#c03020", 3.0625, 1.5) for x in range(200)))
    assert len(settings_text(many)) < 100
