"""TIFF files whose pixels Pillow lacks or reads wrongly: which page, and its samples as they are.

Not here: ordinary TIFF files, which Pillow reads (``read``). The file's structure and its samples
are tifffile's work; LZW and PackBits are unpacked by Pillow's libtiff.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from koalarize.errors import PhotoError
from koalarize.photo.directories import Directory, TiffReader
from koalarize.photo.gather import Gathered
from koalarize.photo.mend import DAMAGED
from koalarize.photo.samples import SPARE, Samples, Space
from koalarize.photo.tiff_segments import (
    line_bytes,
    palette_of,
    place_of,
    samples_of_bits,
    unpacked_by_libtiff,
    without_float_predictor,
)
from koalarize.photo.tiff_strips import DEFLATE, UNPACKED, Inflated, bands_of, predictor_of
from koalarize.photo.tiff_ycbcr import (
    is_subsampled,
    sharing_of,
    unit_bytes,
    units_to_samples,
    ycbcr_to_srgb,
)

__all__ = [
    "UNPACKERS",
    "Pages",
    "has_spare_channel",
    "is_tiff",
    "is_unpacked_here",
    "pages_of",
    "pillow_lacks",
    "read_samples",
]

Array = npt.NDArray[Any]

_TAGS_OF_LAYOUT = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 266, 277, 284, 317, 330, 338, 339, 530}
)
_KEPT_OUT = frozenset(range(65536)) - _TAGS_OF_LAYOUT
_CFA, _LINEAR_RAW = 32803, 34892
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _MASK, _CMYK, _YCBCR = range(7)
_CIELAB, _ICCLAB = 8, 9
_COLORS = {0: 1, 1: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3, _CIELAB: 3, _ICCLAB: 3}
_SPACES: dict[int, Space] = {_CMYK: "cmyk", _CIELAB: "lab", _ICCLAB: "icclab"}
_DEPTHS = frozenset({1, 2, 4, 8, 16, 32, 64})  # bits of a sample; others are packed by bits
_SIGNED, _FLOATS = 2, 3  # forms of samples
_WHOLE = frozenset({1, 4})  # forms that are numbers from 0 on, or not said
_FLOAT_PREDICTOR = 3
_LZW, _PACK_BITS = 5, 32773
_LARGE_SEGMENT = 1 << 26  # bytes
_MOST_SAMPLES = 64  # a pixel; the number may be any, and all would be held
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
#: Packers that are unpacked here.
UNPACKERS = frozenset({UNPACKED, _LZW, _PACK_BITS, *DEFLATE})


@dataclass(frozen=True)
class Pages:
    """Where the pictures of a TIFF file are: reduced copies and masks are no pages of their own.

    Attributes:
        offsets: of their directories.
        directories: these.
        masked: whether masks of transparency go with them.
    """

    offsets: tuple[int, ...]
    directories: tuple[Directory, ...]
    masked: bool = False

    @classmethod
    def of(cls, pages: list[tuple[int, Directory]], *, masked: bool = False) -> Pages:
        """Make it of pairs."""
        return cls(tuple(at for at, _ in pages), tuple(found for _, found in pages), masked)


def has_spare_channel(page: Directory, *, alpha: bool) -> bool:
    """Tell whether a page has channels beside its colors and the alpha, if that was read."""
    samples, colors = page.number(277, 1), _COLORS.get(page.number(262, 1))
    return colors is not None and samples > colors + alpha


def is_tiff(head: bytes) -> bool:
    """Tell whether a file begins as a TIFF or BigTIFF."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def pages_of(stream: BinaryIO, name: str, most: int | None = None) -> Pages | None:
    """Find the pages among a TIFF file's first directories; None if they cannot be followed.

    A first page that calls itself a reduced copy is passed over for the full picture, in a page
    behind it or in a directory below (tag 330).

    Raises:
        PhotoError: if the full picture is a camera's raw data, or there is only a mask.
    """
    try:
        reader = TiffReader(stream)
        tops = [(at, reader.directory(at, _KEPT_OUT)[0]) for at in reader.chain()[:most]]
        pages = [(at, found) for at, found in tops if _is_full(found)]
        masked = any(found.number(254, 0) & 4 for _, found in tops)
        if not tops or (pages and pages[0][0] == tops[0][0] and not _is_mask(pages[0][1])):
            return Pages.of(pages, masked=masked) if pages else None
        if not pages:
            below = [at for _, found in tops for at in _offsets_below(found)]
            inner = [(at, reader.directory(at, _KEPT_OUT)[0]) for at in below]
            pages = sorted((one for one in inner if _is_full(one[1])), key=_area, reverse=True)[:1]
        pages = pages or tops[:1]
    except (ValueError, struct.error, OverflowError):
        return None
    if _is_mask(pages[0][1]):
        raise PhotoError(
            f"{name} is a mask of transparency, not a picture: give the picture that it is of."
        )
    if pages[0][1].number(262, 1) in (_CFA, _LINEAR_RAW):
        raise PhotoError(
            f"{name} is a camera's raw file, of which only the preview could be read: "
            "develop it, and save it as TIFF or JPEG."
        )
    return Pages.of(pages, masked=masked)


def _is_mask(directory: Directory) -> bool:
    return directory.number(262, 1) == _MASK


def _is_full(directory: Directory) -> bool:
    kind = directory.number(254, 0)
    return not kind & 0b101 and directory.number(255, 1) != 2


def _offsets_below(directory: Directory) -> tuple[int, ...]:
    found = directory.fields.get(330)
    return found.numbers if found is not None else ()


def _area(page: tuple[int, Directory]) -> int:
    return page[1].number(256, 0) * page[1].number(257, 0)


def pillow_lacks(page: Directory) -> bool:
    """Tell whether Pillow would refuse a page, mix its planes up or drop half of its bits."""
    bits = page.fields.get(258)
    depth = max(bits.numbers, default=1) if bits is not None else 1
    samples, photometric = page.number(277, 1), page.number(262, 1)
    form = page.number(339, 1)
    if photometric == _YCBCR:  # of units Pillow unpacks none that are not packed
        said = page.fields[530].numbers if 530 in page.fields else ()
        packed, stated = page.number(259, 1), page.number(317, 1)
        by_libtiff = is_subsampled(said) and predictor_of(packed, stated) > 1
        return packed in UNPACKERS and not by_libtiff
    if photometric not in _COLORS or photometric == _PALETTE:
        return photometric == _PALETTE and depth == 16
    if photometric in (_CIELAB, _ICCLAB):  # Pillow's way to sRGB moves lightness by a level
        return page.number(259, 1) in UNPACKERS
    if depth not in _DEPTHS or (depth < 8 and samples > 1):
        return True
    if depth == 16 and (samples > 1 or form in (2, 3) or photometric == _WHITE_IS_ZERO):
        return True
    if photometric == _CMYK and samples > 4:
        return True
    colors, planes = _COLORS[photometric], page.number(284, 1)
    rare = planes == 2 or photometric == _WHITE_IS_ZERO or samples - colors > colors == 1
    if depth == 8 and samples > colors and rare:
        return True
    if depth == 8 and form == 2:
        return True
    rare = form != 3 or photometric == _WHITE_IS_ZERO
    return depth in (32, 64) and (samples > 1 or rare or depth == 64)


def is_unpacked_here(page: Directory) -> bool:
    """Tell whether ``read_samples`` unpacks a page that Pillow reads too."""
    packed = page.number(259, 1)
    return packed != UNPACKED and packed in UNPACKERS and page.number(262, 1) in _COLORS


def read_samples(
    stream: BinaryIO, at: int, name: str, size: tuple[int, int], *, tolerant: bool = False
) -> Samples:
    """Read the page whose directory stands at an offset.

    Args:
        stream: the file.
        at: the offset.
        name: of the file, for the error.
        size: the width and height that were found not to be too large.
        tolerant: read what there is of damaged strips and tiles; ``notes`` say so.

    Raises:
        PhotoError: if its kind is not read; the sentence names it.
        ValueError: if it is damaged, or all of it is.
    """
    import tifffile

    stream.seek(0)
    with tifffile.TiffFile(stream) as file:
        file.filehandle.seek(at)
        page = tifffile.TiffPage(file, index=0)
        if (page.imagewidth, page.imagelength) != size:  # a field stands twice
            raise ValueError(f"its sizes are {size} and {(page.imagewidth, page.imagelength)}")
        photometric = int(page.photometric)
        colors = _COLORS.get(photometric)
        count, bits = page.samplesperpixel, page.bitspersample
        floats = int(page.sampleformat) == _FLOATS
        if colors is None or not (_is_known(page) and colors <= count <= _MOST_SAMPLES):
            raise PhotoError(
                f"{name} is a TIFF of a kind that is not read ({_named(page.photometric)}, "
                f"{page.samplesperpixel} × {page.bitspersample} bits): save it as RGB or grey."
            )
        if int(page.compression) not in UNPACKERS:
            raise PhotoError(
                f"{name} is a TIFF of {page.bitspersample} bits packed by "
                f"{_named(page.compression)}, which is not read: "
                "save it with LZW, deflate or no compression."
            )
        known = (1, _FLOAT_PREDICTOR if floats else 2, 2 if bits in _DEPTHS else 1)
        page.predictor = predictor_of(int(page.compression), int(page.predictor))
        if page.predictor not in known:
            raise PhotoError(
                f"{name} is a TIFF of {page.bitspersample} bits with predictor "
                f"{page.predictor}, which is not read: save it without a predictor."
            )
        palette = palette_of(page) if photometric == _PALETTE else None
        bands = bands_of(page, tolerant=tolerant)
        if bands is None:
            decoded, sound = _decoded(page, tolerant)
            if photometric == _YCBCR:
                ycbcr_to_srgb(decoded, page)
            whole = _split(decoded, colors, photometric, page.extrasamples)
            notes = _told(whole.notes, sound=sound, shown=sound or bool(decoded.any()))
            return replace(
                whole,
                values=whole.values if palette is None else palette[whole.values],
                notes=notes,
            )
        found, notes = Gathered(page.imagelength, page.imagewidth), tuple[str, ...]()
        sound, shown = True, False
        for top, band, is_sound in bands:
            part = _split(band, colors, photometric, page.extrasamples)
            values = part.values if palette is None else palette[part.values]
            found.put(top, values, part.alpha)
            notes, sound = part.notes, sound and is_sound
            shown = shown or is_sound or bool(band.any())
        notes = _told(notes, sound=sound, shown=shown)
        return Samples(found.values, found.alpha, _SPACES.get(photometric, "srgb"), notes)


def _told(notes: tuple[str, ...], *, sound: bool, shown: bool) -> tuple[str, ...]:
    """Return the notes with one on damage.

    Raises:
        ValueError: if nothing could be read.
    """
    if not shown:
        raise ValueError("none of its data can be unpacked")
    return notes if sound else (*notes, DAMAGED)


def _is_known(page: Any) -> bool:
    """Tell whether the samples of a page are of one kind that is read."""
    bits, form = page.bitspersample, int(page.sampleformat)
    if int(page.photometric) == _YCBCR:
        shared = sharing_of(page) != (1, 1)
        return bits == 8 and not (shared and (page.planarconfig == 2 or page.samplesperpixel > 3))
    if form in (_SIGNED, _FLOATS):
        return bits in ((8, 16, 32, 64) if form == _SIGNED else (16, 32, 64))
    return form in _WHOLE and isinstance(cast(object, bits), int) and (bits <= 32 or bits == 64)


def _named(number: int) -> str:
    """Return the name of a number of tifffile's: of a kind of picture, or of a packer."""
    return getattr(number, "name", f"kind {int(number)}")


def _decoded(page: Any, tolerant: bool) -> tuple[Array, bool]:
    """Decode a page to (H, W, samples), and tell whether all of it could be read."""
    planes = int(page.samplesperpixel) if int(page.planarconfig) == 2 else 1
    height, width = page.imagelength, page.imagewidth
    bits, each = page.bitspersample, page.samplesperpixel // planes
    by_bits = bits not in _DEPTHS or bits < 8
    dtype = page.dtype if not by_bits else np.dtype(np.uint8 if bits <= 8 else np.uint16)
    values = np.zeros((planes, height, width, each), dtype)
    packed, backwards = int(page.compression), int(page.fillorder) == 2
    of_floats = int(page.predictor) == _FLOAT_PREDICTOR
    sharing = _sharing(page)
    page.compression, page.fillorder = UNPACKED, 1  # `decode` then only undoes the predictor
    most, sound = max(values.nbytes, _LARGE_SEGMENT), True
    file = page.parent.filehandle
    for index, (start, size) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        if not (start and size):  # left out of a sparse file
            continue
        file.seek(start)
        data = file.read(size)
        partly = tolerant and len(data) == size  # what is not there is filled up by others
        data = data.translate(_REVERSED) if backwards else data  # before it is unpacked
        room = _segment_bytes(page, index)
        if room > most:
            raise ValueError("a tile is larger than the picture")
        if packed in DEFLATE:
            inflated = Inflated(io.BytesIO(data), 0, size, tolerant=partly)
            data = inflated.read(room)
            inflated.finish()
            sound = sound and inflated.sound
        elif packed != UNPACKED:
            data = unpacked_by_libtiff(data, packed, room, tolerant=partly)
        if partly and len(data) < room:
            data, sound = data.ljust(room, b"\0"), False
        if by_bits or of_floats or sharing is not None:
            plane, top, left, rows, columns = place_of(page, index)
            if sharing is not None:
                segment = units_to_samples(data, rows, columns, sharing)
            elif of_floats:
                shape = (rows, columns, each)
                segment = without_float_predictor(data, shape, dtype.itemsize)
            else:
                order = page.parent.byteorder
                segment = samples_of_bits(data, bits, rows, columns * each, order)
                segment = segment.reshape(rows, columns, each)
        else:
            if len(data) < room:
                raise ValueError("image file is truncated")
            segment, (plane, _, top, left, _), (_, rows, columns, _) = page.decode(data, index)
            if segment is None:
                continue
            segment = segment[0, :rows, :columns]
        part = values[plane, top : top + rows, left : left + columns]
        part[...] = segment[: part.shape[0], : part.shape[1]]
    return values[0] if planes == 1 else np.moveaxis(values[..., 0], 0, -1), sound


def _sharing(page: Any) -> tuple[int, int] | None:
    """Return how many pixels of a page share one colour; None where each has its own."""
    sharing = sharing_of(page) if int(page.photometric) == _YCBCR else (1, 1)
    return None if sharing == (1, 1) else sharing


def _segment_bytes(page: Any, index: int) -> int:
    """Return how many bytes a strip or tile has once it is unpacked."""
    planes = int(page.samplesperpixel) if int(page.planarconfig) == 2 else 1
    *_, rows, columns = place_of(page, index)
    if (sharing := _sharing(page)) is not None:
        return unit_bytes(rows, columns, sharing)
    return rows * line_bytes(columns * (page.samplesperpixel // planes), page.bitspersample)


def _split(values: Array, colors: int, photometric: int, extra: tuple[int, ...]) -> Samples:
    """Tell the alpha of a page from its colors, and give both their plain meaning."""
    notes: tuple[str, ...] = ()
    alpha: Array | None = None
    spare = values.shape[-1] - colors
    kinds = [int(kind) for kind in extra] or [0] * spare
    samples: Array = values[..., :colors]
    for number, kind in enumerate(kinds[:spare]):
        if kind in (1, 2) and alpha is None and values.dtype.kind in "uf":
            alpha = np.ascontiguousarray(values[..., colors + number])
            if kind == 1:
                samples = _unmultiplied(samples, alpha)
        else:
            notes = (SPARE,)
    space = _SPACES.get(photometric, "srgb")
    if photometric == _WHITE_IS_ZERO and samples.dtype.itemsize <= 2 and samples.dtype.kind == "u":
        samples = np.subtract(np.iinfo(samples.dtype).max, samples, dtype=samples.dtype)
    elif photometric == _WHITE_IS_ZERO:  # their white is told by all of them
        space = "inverted"
    if colors == 1:
        samples = samples[..., 0]
    return Samples(np.ascontiguousarray(samples), alpha, space, notes)


def _unmultiplied(samples: Array, alpha: Array) -> Array:
    """Divide colors by the alpha that they are associated with."""
    if samples.dtype.kind == "f":
        shares = np.where(alpha > 0, alpha, 1)[..., None]
        return (samples / shares).astype(samples.dtype)
    white = np.iinfo(samples.dtype).max
    shares = np.maximum(alpha, 1)[..., None].astype(np.float64)
    return np.minimum(np.rint(samples * (white / shares)), white).astype(samples.dtype)
