"""Regions that XMP marks: where they lie in a picture that was turned, cut or straightened."""

import re

import numpy as np
import pytest

from koalarize.photo.geometry import cropped, turned
from koalarize.photo.metadata import Metadata
from koalarize.photo.photo import Photo
from koalarize.photo.straighten import straightened

#: A face in a picture of 100 x 50 pixels: left 30, top 10, 20 wide and 10 high; as exiftool,
#: Windows and IPTC's tools write it.
AREA = "<mwg-rs:Area stArea:x='0.4' stArea:y='0.3' stArea:w='0.2' stArea:h='0.2'/>"
RECTANGLE = "<MPReg:Rectangle>0.3, 0.2, 0.2, 0.2</MPReg:Rectangle>"
BOUNDARY = (
    "<Iptc4xmpExt:RegionBoundary rdf:parseType='Resource'>"
    "<Iptc4xmpExt:rbUnit>relative</Iptc4xmpExt:rbUnit>"
    "<Iptc4xmpExt:rbX>0.3</Iptc4xmpExt:rbX><Iptc4xmpExt:rbY>0.2</Iptc4xmpExt:rbY>"
    "<Iptc4xmpExt:rbW>0.2</Iptc4xmpExt:rbW><Iptc4xmpExt:rbH>0.2</Iptc4xmpExt:rbH>"
    "</Iptc4xmpExt:RegionBoundary>"
)
FACES = (AREA, RECTANGLE, BOUNDARY)


def item(region, name="Oma"):
    return f"<rdf:li rdf:parseType='Resource'><x:Name>{name}</x:Name>{region}</rdf:li>"


def photo(*parts):
    xmp = f"<x:xmpmeta><rdf:Bag>{''.join(parts)}</rdf:Bag></x:xmpmeta>"
    return Photo(np.zeros((50, 100), np.uint8), metadata=Metadata(xmp.encode()))


def xmp_of(found):
    return found.metadata.xmp.decode()


def place(found):
    """Left, top, width and height of the one face in its XMP, pixels."""
    text = re.sub(r"[^>]*rbUnit>[^>]*>", "", xmp_of(found))
    x, y, width, height = (float(n) for n in re.findall(r"(?<=['> ])[\d.e-]+(?=['<,])", text))
    if "Area" in text:
        x, y = x - width / 2, y - height / 2
    sides = (x * found.width, y * found.height, width * found.width, height * found.height)
    return pytest.approx(sides, abs=1e-5)


@pytest.mark.parametrize("face", FACES)
class TestPlaces:
    def test_a_face_keeps_its_place_in_a_part(self, face):
        assert place(cropped(photo(item(face)), (20, 5, 80, 45))) == (10, 5, 20, 10)

    def test_a_face_that_is_cut_ends_at_the_edge(self, face):
        assert place(cropped(photo(item(face)), (40, 15, 100, 50))) == (0, 0, 10, 5)

    @pytest.mark.parametrize("box", [(60, 0, 100, 50), (0, 30, 100, 50), (0, 0, 30, 50)])
    def test_a_face_outside_goes_with_its_name(self, face, box):
        found = xmp_of(cropped(photo(item(face), item("", "Opa")), box))
        assert found == xmp_of(photo(item("", "Opa")))

    def test_a_face_turns_with_the_picture(self, face):
        assert place(turned(photo(item(face)), 90)) == (30, 30, 10, 20)

    def test_the_middle_of_a_face_turns_when_the_picture_is_straightened(self, face):
        levels = np.zeros((50, 100), np.uint8)
        levels[13:17, 38:42] = 200  # its middle
        before = photo(item(face))
        found = straightened(Photo(levels, metadata=before.metadata), 5)
        places = np.indices(found.pixels.shape)
        down, across = (np.average(one, weights=found.pixels) + 0.5 for one in places)
        left, top, width, height = place(found).expected
        assert (left + width / 2, top + height / 2) == pytest.approx((across, down), abs=0.1)
        assert (width, height) == pytest.approx((20, 10), abs=1e-4)


def test_a_polygon_moves_by_its_corners():
    corners = "".join(
        item(f"<Iptc4xmpExt:rbX>{x}</Iptc4xmpExt:rbX><Iptc4xmpExt:rbY>{y}</Iptc4xmpExt:rbY>")
        for x, y in ((0.3, 0.2), (0.5, 0.2), (0.5, 0.4))
    )
    shape = f"<Iptc4xmpExt:RegionBoundary>{corners}</Iptc4xmpExt:RegionBoundary>"
    found = xmp_of(cropped(photo(item(shape)), (20, 0, 70, 50)))
    assert re.findall(r"rbX>([\d.]+)<", found) == ["0.2", "0.6", "0.6"]
    assert "Boundary" not in xmp_of(cropped(photo(item(shape)), (40, 0, 100, 50)))


def test_regions_outside_a_list_stay():
    told = photo(AREA)
    assert xmp_of(cropped(told, (60, 0, 100, 50))) == xmp_of(told)


def test_regions_in_pixels_move_by_pixels():
    sides = ("rbX>30<", "rbY>10<", "rbW>20<", "rbH>10<")
    shape = "".join(f"<Iptc4xmpExt:{one}/Iptc4xmpExt:{one[:3]}>" for one in sides)
    unit = "<Iptc4xmpExt:rbUnit>pixel</Iptc4xmpExt:rbUnit>"
    told = photo(item(f"<Iptc4xmpExt:RegionBoundary>{unit}{shape}</Iptc4xmpExt:RegionBoundary>"))
    found = xmp_of(cropped(told, (20, 5, 80, 45)))
    assert re.findall(r"rb[XYWH]>([\d.]+)<", found) == ["10", "5", "20", "10"]
    found = xmp_of(turned(told, 90))
    assert re.findall(r"rb[XYWH]>([\d.]+)<", found) == ["30", "30", "10", "20"]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda told: cropped(told, (20, 0, 70, 50)), (0.4, 0.4, 0.2)),
        (lambda told: turned(told, 90), (0.6, 0.4, 0.2)),
        (lambda told: turned(told, 180), (0.6, 0.6, 0.1)),
    ],
)
def test_a_circle_keeps_its_radius_in_pixels(change, wanted):
    sides = "".join(
        f"<Iptc4xmpExt:{name}>{value}</Iptc4xmpExt:{name}>"
        for name, value in (("rbX", 0.4), ("rbY", 0.4), ("rbRx", 0.1))
    )
    shape = f"<Iptc4xmpExt:RegionBoundary>{sides}</Iptc4xmpExt:RegionBoundary>"
    found = xmp_of(change(photo(item(shape))))
    assert tuple(map(float, re.findall(r"rb\w+>([\d.]+)<", found))) == pytest.approx(wanted)


def test_sizes_that_regions_were_marked_at_are_those_of_the_part():
    told = "<mwg-rs:AppliedToDimensions stDim:w='100' stDim:h='50'/><x stDim:w='100'/>"
    found = xmp_of(cropped(photo(told), (20, 5, 80, 45)))
    assert found == xmp_of(photo(told.replace("'100' stDim:h='50'", "'60' stDim:h='40'")))


class TestCameraRaw:
    CROP = " crs:CropTop='0.2' crs:CropLeft='0.1' crs:CropBottom='0.9' crs:CropRight='0.5'"

    def test_its_crop_turns_with_the_picture(self):
        found = xmp_of(turned(photo(f"<x{self.CROP} crs:CropAngle='0'/>"), 90))
        sides = {"Top": 0.1, "Left": 0.1, "Bottom": 0.5, "Right": 0.8}
        for side, wanted in sides.items():
            assert float(re.search(f"crs:Crop{side}='([^']+)'", found)[1]) == pytest.approx(wanted)

    def test_a_crop_that_cannot_be_turned_goes(self):
        told = photo(f"<x a='1'{self.CROP} crs:CropAngle='-1.5' crs:HasCrop='True'/>")
        assert xmp_of(turned(told, 90)) == xmp_of(photo("<x a='1'/>"))

    def test_its_crop_is_not_one_of_a_part(self):
        told = photo(f"<x a='1'{self.CROP} crs:HasCrop='True'/><crs:CropAngle>2</crs:CropAngle>")
        assert xmp_of(cropped(told, (0, 0, 50, 50))) == xmp_of(photo("<x a='1'/>"))

    def test_it_does_not_make_the_result_grey(self):
        told = Metadata(b"<x crs:ConvertToGrayscale='True' crs:Contrast='5'/>")
        assert told.carried().xmp == b"<x crs:Contrast='5'/>"
        told = Metadata(b"<x crs:Saturation='-100' crs:Contrast='5'/>")
        assert told.carried().xmp == b"<x crs:Contrast='5'/>"
        told = Metadata(b"<x><crs:Saturation>-100</crs:Saturation></x>")
        assert told.carried().xmp == b"<x></x>"
        told = Metadata(b"<x crs:Saturation='-10' crs:SaturationAdjustmentRed='-100'/>")
        assert told.carried().xmp == told.xmp
