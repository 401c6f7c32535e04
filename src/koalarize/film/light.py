"""The light that a film's numbers stand for: curves of HDR, primaries wider than those of sRGB.

Not here: depth, range and matrix (``film.levels``), sRGB and Lab (``color``). Curves other than
those of HDR are taken for that of sRGB, as players do.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from koalarize.color import light_to_srgb, srgb_to_light

__all__ = ["in_primaries", "light_of", "primaries_like", "signal_of", "srgb_curve", "transfer_like"]

Float64 = npt.NDArray[np.float64]

_PQ, _HLG = 16, 18  # curves, as ISO/IEC 23091-2 numbers them
_USUAL = 1
_WHITE = 203.0  # cd/m2 of diffuse white (ITU-R BT.2408)
_PQ_PEAK, _HLG_PEAK = 10_000.0, 1000.0  # cd/m2
_GAMMA = 1.2  # of HLG's system at that peak (ITU-R BT.2100)
#: Of SMPTE ST 2084.
_M1, _M2, _C1, _C2, _C3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
#: Of ITU-R BT.2100.
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073
_LUMINANCE = (0.2627, 0.6780, 0.0593)  # of ITU-R BT.2020
#: Linear sRGB in other primaries of the same white: BT.2020 and P3.
_FROM_SRGB = {
    9: (
        (0.627404, 0.329283, 0.043313),
        (0.069097, 0.919540, 0.011362),
        (0.016391, 0.088013, 0.895595),
    ),
    12: (
        (0.822462, 0.177538, 0.0),
        (0.033194, 0.966806, 0.0),
        (0.017083, 0.072397, 0.910520),
    ),
}


def transfer_like(transfer: int) -> int:
    """Return the curve by which a film's colours are chosen: one of HDR, else 1 for the usual."""
    return transfer if transfer in (_PQ, _HLG) else _USUAL


def primaries_like(primaries: int, matrix: int) -> int:
    """Return the primaries by which a film's colours are chosen; 1 for those of sRGB.

    Args:
        primaries: the film's, as ISO/IEC 23091-2 numbers them; 2 where nothing says.
        matrix: the film's matrix in the same way: that of BT.2020 goes with its primaries.
    """
    if primaries == 2 and matrix == 9:
        return 9
    return primaries if primaries in _FROM_SRGB else _USUAL


def light_of(signal: Float64, transfer: int) -> Float64:
    """Return the light of greys, 1 at diffuse white; of HDR it may be more.

    Args:
        signal: their numbers in [0, 1].
        transfer: as ``transfer_like`` returns it.
    """
    if transfer == _PQ:
        power = signal ** (1 / _M2)
        light = np.maximum(power - _C1, 0) / (_C2 - _C3 * power)
        return light ** (1 / _M1) * (_PQ_PEAK / _WHITE)
    if transfer == _HLG:
        scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)
        return scene**_GAMMA * (_HLG_PEAK / _WHITE)
    return srgb_to_light(signal)


def signal_of(light: Float64, transfer: int) -> Float64:
    """Return the numbers of light (..., 3) in the film's primaries, 1 at diffuse white."""
    if transfer == _PQ:
        power = (np.maximum(light, 0) * (_WHITE / _PQ_PEAK)) ** _M1
        return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    if transfer == _HLG:
        shown = np.maximum(light, 0) * (_WHITE / _HLG_PEAK)
        own = sum(share * shown[..., i] for i, share in enumerate(_LUMINANCE))
        scene = shown * np.maximum(own, 1e-12)[..., None] ** (1 / _GAMMA - 1)
        curve = _A * np.log(np.maximum(12 * scene - _B, 1e-12)) + _C
        return np.where(scene <= 1 / 12, np.sqrt(3 * scene), curve)
    return srgb_curve(light)


def srgb_curve(light: Float64) -> Float64:
    """Return the numbers of light by sRGB's curve, of light below 0 too."""
    return np.copysign(light_to_srgb(np.abs(light)), light)


def in_primaries(light: Float64, primaries: int) -> Float64:
    """Return light (..., 3) of linear sRGB in other primaries: those of ``primaries_like``."""
    if primaries not in _FROM_SRGB:
        return light
    # Term by term: a product of matrices may differ in its last digit from process to process.
    rows = _FROM_SRGB[primaries]
    return np.stack(
        [r * light[..., 0] + g * light[..., 1] + b * light[..., 2] for r, g, b in rows], axis=-1
    )
