"""Colour science, NumPy only: conversions, the ab bins, planes on a grid, work by rows.

Everything that needs sRGB <-> Lab, at training, inference or evaluation, calls this room.
"""

from koalarize.color.bins import (
    AB_GRID,
    BIN_STEPS,
    Bins,
    ab_bins,
    decode_ab,
    default_bins,
    encode_ab,
    grid_bins,
)
from koalarize.color.convert import (
    DELTA,
    DELTA_OFFSET,
    LINEAR_FROM_XYZ,
    XYZ_FROM_LINEAR,
    colorfulness,
    gamut_scale,
    grey_to_lightness,
    hex_to_srgb,
    in_gamut,
    lab_to_hex,
    lab_to_linear,
    lab_to_srgb,
    linear_to_srgb,
    map_to_gamut,
    mean_chroma,
    srgb_to_hex,
    srgb_to_lab,
    srgb_to_linear,
)
from koalarize.color.curve import light_to_srgb, srgb_to_light
from koalarize.color.planes import Float32, along, box_mean, resize, smoothstep
from koalarize.color.rows import by_rows, thread_count
from koalarize.color.violets import PALED, asked_hues, paled

__all__ = [
    "AB_GRID",
    "BIN_STEPS",
    "DELTA",
    "DELTA_OFFSET",
    "LINEAR_FROM_XYZ",
    "PALED",
    "XYZ_FROM_LINEAR",
    "Bins",
    "Float32",
    "ab_bins",
    "along",
    "asked_hues",
    "box_mean",
    "by_rows",
    "colorfulness",
    "decode_ab",
    "default_bins",
    "encode_ab",
    "gamut_scale",
    "grey_to_lightness",
    "grid_bins",
    "hex_to_srgb",
    "in_gamut",
    "lab_to_hex",
    "lab_to_linear",
    "lab_to_srgb",
    "light_to_srgb",
    "linear_to_srgb",
    "map_to_gamut",
    "mean_chroma",
    "paled",
    "resize",
    "smoothstep",
    "srgb_to_hex",
    "srgb_to_lab",
    "srgb_to_light",
    "srgb_to_linear",
    "thread_count",
]
