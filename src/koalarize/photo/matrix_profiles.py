"""ICC profiles of three curves and a matrix: 16-bit colors through them, and such profiles made.

Not here: profiles that are tables, and 8-bit pictures, which Little CMS converts (``profiles``).
Pillow offers Little CMS for 8 bits of color only; what curves and a matrix say can be reckoned.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from koalarize.photo.profiles import srgb_profile

__all__ = ["HDR", "color_profile_of", "profile_of_gamma", "wide_colors_to_srgb"]

UInt16 = npt.NDArray[np.uint16]
Float64 = npt.NDArray[np.float64]

_CHUNK_PIXELS = 1 << 18
_TABLES = (b"A2B0", b"A2B1", b"A2B2", b"D2B0", b"D2B1")
_LEVELS = 65536
_MOST_TAGS = 256
# Bradford's cone responses (ICC.1:2022, annex E), and the white of ICC's connection space.
_CONES = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D50 = np.array([0.9642, 1.0, 0.8249])

# Of ITU-T H.273: white, red, green and blue of BT.2020 and Display P3, and plain exponents.
_PRIMARIES = {
    9: (0.3127, 0.329, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.3127, 0.329, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
_EXPONENTS = {4: 2.2, 5: 2.8, 8: 1.0}
_PQ_AND_HLG = (16, 18)
#: What is said of a picture whose levels mean more light than a screen's white.
HDR = "its levels are those of HDR (PQ or HLG) but are taken as sRGB"


def wide_colors_to_srgb(values: UInt16, icc: bytes) -> UInt16 | None:
    """Convert 16-bit colors from the space of an ICC profile to sRGB; none outside is kept.

    Args:
        values: (H, W, 3); overwritten.
        icc: the profile.

    Returns:
        (H, W, 3), the same array, and unchanged if the profile says sRGB to within one 8-bit
        level; None if the profile is no matrix with curves.
    """
    found, srgb = _matrix_and_curves(icc), _matrix_and_curves(srgb_profile())
    if found is None or srgb is None:
        return None
    (matrix, curves), (srgb_matrix, (srgb_curve, *_)) = found, srgb
    both = (np.linalg.inv(srgb_matrix) @ matrix).astype(np.float32)
    # Where the curve is steep, near black, equal steps of light are too far apart.
    fine = np.interp(np.linspace(0, 1, _LEVELS) ** 2, srgb_curve, np.arange(_LEVELS))

    def converted(part: UInt16) -> UInt16:
        linear = [curves[k][part[..., k]].astype(np.float32) for k in range(3)]
        sums = (sum(w * light for w, light in zip(row, linear, strict=True)) for row in both)
        moved = np.clip(np.stack(list(sums), axis=-1), 0, 1)
        roots = np.rint(np.sqrt(moved) * (_LEVELS - 1)).astype(np.uint16)
        return np.rint(fine[roots]).astype(np.uint16)

    steps = np.linspace(0, _LEVELS - 1, 6).astype(np.uint16)
    lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(6, 36, 3)
    if np.abs(converted(lattice).astype(np.int64) - lattice).max() <= 257:
        return values
    rows = max(1, _CHUNK_PIXELS // values.shape[1])
    for top in range(0, len(values), rows):
        values[top : top + rows] = converted(values[top : top + rows])
    return values


def _matrix_and_curves(icc: bytes) -> tuple[Float64, list[Float64]] | None:
    """Return (3, 3) from linear RGB to XYZ, and the light of each of 65536 levels for R, G, B."""
    try:
        if icc[16:20] != b"RGB " or icc[20:24] != b"XYZ ":
            return None
        tags = _tags(icc)
        if any(name in tags for name in _TABLES):
            return None
        columns = [_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
        curves = [_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
    except (struct.error, KeyError, ValueError, IndexError, OverflowError):
        return None
    matrix = np.stack(columns, axis=1)
    sound = abs(float(np.linalg.det(matrix))) > 1e-6 and all(np.isfinite(c).all() for c in curves)
    return (matrix, curves) if sound else None


def _tags(icc: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", icc, 128)
    tags: dict[bytes, bytes] = {}
    for number in range(min(count, _MOST_TAGS)):
        name, at, size = struct.unpack_from(">4sII", icc, 132 + 12 * number)
        tags[name] = icc[at : at + size]
    return tags


def _xyz(tag: bytes) -> Float64:
    return np.array(struct.unpack_from(">3i", tag, 8), np.float64) / 65536


def _curve(tag: bytes) -> Float64:
    """Return the light (ICC.1:2022, 10.6 and 10.18) of each level."""
    x = np.linspace(0, 1, _LEVELS)
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if not count:
            return x
        points = np.frombuffer(tag, ">u2", count, 12).astype(np.float64)
        if count == 1:
            return x ** (points[0] / 256)
        return np.interp(x, np.linspace(0, 1, count), points / 65535)
    if tag[:4] != b"para":
        raise ValueError("no curve")
    (kind,) = struct.unpack_from(">H", tag, 8)
    numbers = (1, 3, 4, 5, 7)[kind]
    g, *more = (value / 65536 for value in struct.unpack_from(f">{numbers}i", tag, 12))
    if kind == 0:
        return x**g
    a, b = more[0], more[1]
    c = more[2] if kind > 1 else 0.0
    power = np.maximum(a * x + b, 0) ** g
    if kind in (1, 2):
        return np.where(x >= -b / a, power + c, c)
    d = more[3]
    e, f = (more[4], more[5]) if kind == 4 else (0.0, 0.0)
    return np.where(x >= d, power + e, c * x + f)


def profile_of_gamma(
    gamma: float, chromaticity: tuple[float, ...] | None, *, grey: bool
) -> bytes | None:
    """Make the ICC profile that PNG's gAMA and cHRM chunks stand for.

    Args:
        gamma: the exponent from light to levels, as gAMA has it.
        chromaticity: x and y of white, red, green and blue; None for those of sRGB.
        grey: whether the picture is of grey levels.

    Returns:
        None if they mean sRGB, or nothing that is possible.
    """
    if not 0.1 <= gamma <= 5:
        return None
    colors = None if grey or chromaticity is None else _colorants(chromaticity)
    if abs(gamma - 1 / 2.2) < 0.005 and colors is None:  # how viewers and cameras mean it
        return None
    return _made("Gamma of a PNG file", _power(1 / gamma), colors, grey)


def color_profile_of(
    primaries: int, transfer: int, *, grey: bool
) -> tuple[bytes | None, tuple[str, ...]]:
    """Make the ICC profile that the numbers of ITU-T H.273 in a PNG, AVIF or HEIC file stand for.

    Args:
        primaries: which colors; those of sRGB where they are not known.
        transfer: which way from light to levels; that of sRGB where it is not known.
        grey: whether the picture is of grey levels.

    Returns:
        The profile, or None if they mean sRGB; and a note if they are of HDR, which is not read.
    """
    if transfer in _PQ_AND_HLG:
        return None, (HDR,)
    points, exponent = _PRIMARIES.get(primaries), _EXPONENTS.get(transfer)
    colors = None if grey or points is None else _colorants(points)
    if colors is None and exponent is None:
        return None, ()
    curve = _tags(srgb_profile())[b"rTRC"] if exponent is None else _power(exponent)
    return _made("Colors by their numbers", curve, colors, grey), ()


def _power(exponent: float) -> bytes:
    return b"para" + struct.pack(">IHHi", 0, 0, 0, round(65536 * exponent))


def _made(words: str, curve: bytes, colors: Float64 | None, grey: bool) -> bytes:
    """Return a profile of one curve, and of colors from ``_colorants`` or those of sRGB."""
    tags = {b"desc": _text(words), b"cprt": _text("Public domain")}
    tags[b"wtpt"] = _xyz_tag(_D50)
    if grey:
        tags[b"kTRC"] = curve
    else:
        standard = _matrix_and_curves(srgb_profile())
        assert standard is not None
        matrix = standard[0] if colors is None else colors
        for number, name in enumerate((b"r", b"g", b"b")):
            tags[name + b"XYZ"], tags[name + b"TRC"] = _xyz_tag(matrix[:, number]), curve
    return _icc(b"GRAY" if grey else b"RGB ", tags)


def _colorants(chromaticity: tuple[float, ...]) -> Float64 | None:
    """Return (3, 3) from linear RGB to XYZ, adapted to D50; None if sRGB's or impossible."""
    points = np.array(chromaticity, np.float64).reshape(4, 2)
    if (points[:, 1] < 1e-3).any():
        return None
    if np.abs(points - [[0.3127, 0.329], [0.64, 0.33], [0.3, 0.6], [0.15, 0.06]]).max() < 0.002:
        return None
    xyz = np.stack(
        [points[:, 0] / points[:, 1], np.ones(4), (1 - points.sum(1)) / points[:, 1]]
    )  # (3, 4): white, red, green, blue
    white, primaries = xyz[:, 0], xyz[:, 1:]
    cones = _CONES @ white
    if abs(float(np.linalg.det(primaries))) < 1e-6 or (np.abs(cones) < 1e-6).any():
        return None
    scaled = primaries * np.linalg.solve(primaries, white)
    adapt = np.linalg.inv(_CONES) @ np.diag((_CONES @ _D50) / cones) @ _CONES
    return adapt @ scaled


def _xyz_tag(values: Any) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(v) * 65536) for v in values))


def _text(words: str) -> bytes:
    utf16 = words.encode("utf-16-be")
    return b"mluc" + struct.pack(">3I4s2I", 0, 1, 12, b"enUS", len(utf16), 28) + utf16


def _icc(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value + b"\0" * (-len(value) % 4)
    size = start + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"\0" * 4, 0x04400000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    header += _xyz_tag(_D50)[8:]
    return header.ljust(128, b"\0") + table + body
