"""TIFF files of YCbCr that are not packed as JPEG; fields that count with some packers only."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from skimage import data

from koalarize.errors import PhotoError
from koalarize.photo.mend import DAMAGED
from koalarize.photo.photo import Photo

NONE, DEFLATE, PACK_BITS = 1, 8, 32773
FRACTIONS = 5


def tiff(parts, fields, tile=0):
    """Return a TIFF file of fields with one or several numbers each, and where its parts stand."""
    entries = [(tag, FRACTIONS if tag in (529, 532) else 4, said) for tag, said in fields.items()]
    entries.append((325 if tile else 279, 4, [len(part) for part in parts]))
    entries.append((324 if tile else 273, 4, [0] * len(parts)))
    base = 8 + 2 + 12 * len(entries) + 4
    sizes = {tag: len(said) * 4 for tag, _, said in entries if len(said) > 1}
    begin = base + sum(sizes.values())
    starts = [begin + sum(map(len, parts[:number])) for number in range(len(parts))]
    head, behind = b"II*\0" + struct.pack("<IH", 8, len(entries)), b""
    for tag, kind, said in sorted(entries):
        said = starts if tag in (273, 324) else said
        held = struct.pack(f"<{len(said)}I", *said)
        place = base + len(behind)
        behind += held if len(held) > 4 else b""
        count = len(said) // (2 if kind == FRACTIONS else 1)
        value = held if len(held) == 4 else struct.pack("<I", place)
        head += struct.pack("<HHI", tag, kind, count) + value
    return head + bytes(4) + behind + b"".join(parts), starts


def packed(part, packer):
    if packer == DEFLATE:
        return zlib.compress(part)
    pieces = [part[at : at + 128] for at in range(0, len(part), 128)]
    literal = b"".join(bytes([len(piece) - 1]) + piece for piece in pieces)
    return literal if packer == PACK_BITS else part


def units(ycbcr, across, down):
    height, width = ycbcr.shape[:2]
    more = ((0, -height % down), (0, -width % across), (0, 0))
    full = np.pad(ycbcr, more, mode="edge")
    high, wide = full.shape[0] // down, full.shape[1] // across
    blocks = full.reshape(high, down, wide, across, 3).swapaxes(1, 2)
    light = blocks[..., 0].reshape(high, wide, -1)
    shared = np.rint(blocks[..., 1:].mean((2, 3))).astype(np.uint8)
    return np.concatenate([light, shared], -1).tobytes()


def ycbcr_tiff(srgb, sharing, packer, *, tile=0, rows=16, more=None):
    height, width = srgb.shape[:2]
    ycbcr = np.asarray(Image.fromarray(srgb).convert("YCbCr"))
    tops, lefts = range(0, height, tile or rows), range(0, width, tile or width)
    areas = [ycbcr[top : top + (tile or rows), left : left + (tile or width)]
             for top in tops for left in lefts]  # fmt: skip
    if tile:
        areas = [np.pad(one, ((0, tile - len(one)), (0, tile - one.shape[1]), (0, 0)), mode="edge")
                 for one in areas]  # fmt: skip
    parts = [packed(units(area, *sharing), packer) for area in areas]
    fields = {256: [width], 257: [height], 258: [8], 259: [packer], 262: [6], 277: [3]}
    fields |= {322: [tile], 323: [tile]} if tile else {278: [rows]}
    return tiff(parts, fields | {530: [sharing[0]], 531: [1]} | (more or {}), tile)


def as_shorts(encoded, tag, numbers):
    """Put two numbers of 16 bits in the place of one of 32."""
    at = encoded.index(struct.pack("<HHI", tag, 4, 1), 8)
    return encoded[:at] + struct.pack("<HHI2H", tag, 3, 2, *numbers) + encoded[at + 12 :]


def made(sharing, packer, **how):
    encoded, starts = ycbcr_tiff(data.astronaut()[20:117, 150:253], sharing, packer, **how)
    return as_shorts(encoded, 530, sharing), starts


def error_of(photo):
    """Return the mean error of rows (H) of pixels whose colours are shared or rounded."""
    shown = photo.pixels.astype(int) - data.astronaut()[20:117, 150:253]
    return np.abs(shown).mean((1, 2))


@pytest.mark.parametrize("packer", [NONE, DEFLATE, PACK_BITS])
@pytest.mark.parametrize("tile", [0, 32])
@pytest.mark.parametrize("sharing", [(1, 1), (2, 1), (2, 2), (4, 4)])
def test_pixels_that_share_colours_are_read(sharing, tile, packer):
    photo = Photo.read(made(sharing, packer, tile=tile)[0])
    assert photo.notes == ()
    assert error_of(photo).mean() < 4


def test_its_black_and_white_count():
    video = [16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1]
    encoded, _ = made((2, 2), NONE, more={532: video})
    plain = Photo.read(made((2, 2), NONE)[0]).pixels.astype(float).mean(-1)
    wide = Photo.read(encoded).pixels.astype(float).mean(-1)
    inside = (plain > 40) & (plain < 200)
    assert np.abs(wide - (plain - 16) * 255 / 219)[inside].mean() < 4


@pytest.mark.parametrize("tile", [0, 32])
@pytest.mark.parametrize("sharing", [(1, 1), (2, 2)])
def test_damage_is_refused_and_read_as_far_as_it_goes(sharing, tile):
    encoded, starts = made(sharing, DEFLATE, tile=tile)
    at = starts[len(starts) // 2] + 40
    bad = encoded[:at] + bytes(byte ^ 0xFF for byte in encoded[at : at + 20]) + encoded[at + 20 :]
    with pytest.raises(PhotoError, match=r"damaged .*--tolerant"):
        Photo.read(bad)
    photo = Photo.read(bad, tolerant=True)
    assert photo.notes == (DAMAGED,)
    errors = error_of(photo)
    assert errors[:48].max() < 12
    assert errors[96:].max() < 12


@pytest.mark.parametrize("packer", [NONE, DEFLATE])
def test_what_is_cut_off_is_refused_and_else_black(packer):
    encoded, _ = made((2, 2), packer)
    cut = encoded[: len(encoded) // 2]
    with pytest.raises(PhotoError, match=r"damaged or cut short .*--tolerant"):
        Photo.read(cut)
    photo = Photo.read(cut, tolerant=True)
    assert error_of(photo)[:32].max() < 12
    assert not photo.pixels[80:].any()


def test_a_cut_file_of_planes_is_not_coloured_in_silence():
    ycbcr = np.asarray(Image.fromarray(data.astronaut()[:64, :64]).convert("YCbCr"))
    parts = [zlib.compress(np.ascontiguousarray(ycbcr[..., plane])) for plane in range(3)]
    fields = {256: [64], 257: [64], 258: [8], 259: [DEFLATE], 262: [6], 277: [3], 278: [64]}
    encoded, starts = tiff(parts, fields | {284: [2], 530: [1]})
    encoded = as_shorts(encoded, 530, (1, 1))
    assert np.abs(Photo.read(encoded).pixels.astype(int) - data.astronaut()[:64, :64]).mean() < 2
    with pytest.raises(PhotoError, match="damaged or cut short"):
        Photo.read(encoded[: starts[1] + 20])


def test_planes_that_share_colours_are_refused_by_name():
    fields = {256: [16], 257: [16], 258: [8], 259: [NONE], 262: [6], 277: [3], 278: [16], 284: [2]}
    encoded, _ = tiff([bytes(256), bytes(64), bytes(64)], fields)
    with pytest.raises(PhotoError, match=r"kind that is not read \(YCBCR, 3 × 8 bits\)"):
        Photo.read(encoded)


@pytest.mark.parametrize("black", [0, 1])
def test_a_predictor_of_what_is_not_packed_does_not_count(black):
    levels = data.camera()[:32, :32].astype("<u2")
    fields = {256: [32], 257: [32], 258: [16], 259: [NONE], 262: [black], 278: [32], 317: [2]}
    encoded, _ = tiff([levels.tobytes()], fields)
    assert np.array_equal(Photo.read(encoded).pixels, levels if black else 65535 - levels)


def test_deflated_bits_that_stand_backwards_are_no_damage():
    levels = data.camera()[:32, :32]
    backwards = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
    fields = {256: [32], 257: [32], 258: [8], 259: [DEFLATE], 262: [1], 266: [2], 278: [32]}
    encoded, _ = tiff([zlib.compress(levels.tobytes()).translate(backwards)], fields)
    assert np.array_equal(Photo.read(encoded).pixels, levels)
