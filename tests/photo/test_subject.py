"""Where EXIF and XMP say that the subject lies, in a picture that was turned or cut."""

import io

import numpy as np
import pytest
from PIL import Image

from koalarize.photo.geometry import cropped, turned
from koalarize.photo.metadata import Metadata
from koalarize.photo.photo import Photo

AREA, LOCATION = 0x9214, 0xA214
SIZE = (100, 50)  # pixels, as stored


def exif(orientation=1, **fields):
    """An EXIF block with a subject, and a comment behind it that must keep its place."""
    block = Image.Exif()
    block[0x0112] = orientation
    tags = {"area": AREA, "location": LOCATION}
    block[0x8769] = {tags[name]: numbers for name, numbers in fields.items()}
    block[0x8769][0x9286] = b"ASCII\0\0\0what it says"
    return block.tobytes()


def picture(kind="PNG", **given):
    buffer = io.BytesIO()
    Image.fromarray(np.zeros(SIZE[::-1], np.uint8)).save(buffer, kind, exif=exif(**given))
    return Photo.read(buffer.getvalue())


def subject(photo, tag=AREA):
    block = Image.Exif()
    block.load(photo.exif)
    assert block.get_ifd(0x8769)[0x9286] == b"ASCII\0\0\0what it says"
    return block.get_ifd(0x8769).get(tag)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
class TestTurned:
    @pytest.mark.parametrize(
        ("orientation", "wanted"),
        [(1, (30, 10, 20, 8)), (3, (70, 40, 20, 8)), (6, (40, 30, 8, 20)), (8, (10, 70, 8, 20))],
    )
    def test_an_area_turns_with_the_picture(self, kind, orientation, wanted):
        assert subject(picture(kind, orientation=orientation, area=(30, 10, 20, 8))) == wanted

    @pytest.mark.parametrize("size", [(), (6,)])
    def test_points_and_circles_turn_too(self, kind, size):
        photo = picture(kind, orientation=6, area=(30, 10, *size))
        assert subject(photo) == (40, 30, *size)

    def test_a_location_turns_too(self, kind):
        assert subject(picture(kind, orientation=6, location=(30, 10)), LOCATION) == (40, 30)

    def test_one_outside_the_picture_goes(self, kind):
        assert subject(picture(kind, orientation=6, area=(3000, 10, 20, 8))) is None


class TestCut:
    def test_an_area_keeps_its_place_in_a_part(self):
        before = picture(area=(30, 10, 20, 8))
        assert subject(cropped(before, (20, 5, 80, 45))) == (10, 5, 20, 8)
        assert subject(cropped(before, (30, 5, 80, 45))) == (5, 5, 10, 8)

    def test_a_subject_outside_of_the_part_goes(self):
        before = picture(area=(30, 10, 20, 8), location=(70, 40))
        after = cropped(before, (60, 20, 100, 50))
        assert (subject(after), subject(after, LOCATION)) == (None, (10, 20))

    def test_turning_by_hand_turns_it(self):
        assert subject(turned(picture(area=(30, 10)), 90)) == (40, 30)


def test_a_subject_in_xmp_moves_and_goes_as_in_exif():
    def xmp(*numbers):
        items = "".join(f"<rdf:li>{one}</rdf:li>" for one in numbers)
        words = f"<x><exif:SubjectArea><rdf:Seq>{items}</rdf:Seq></exif:SubjectArea></x>"
        return Metadata(words.encode())

    before = Photo(np.zeros(SIZE[::-1], np.uint8), metadata=xmp(30, 10, 20, 8))
    assert cropped(before, (20, 5, 80, 45)).metadata == xmp(10, 5, 20, 8)
    assert cropped(before, (60, 20, 100, 50)).metadata.xmp == b"<x></x>"
