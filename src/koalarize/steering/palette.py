"""The palette of a reference picture, and how it leads a network's choice of colours.

Not here: reading pictures (``photo``), running networks (``engines``). Knows only L*, ab and the
probabilities of the ab bins, so a palette can be kept in a session without its picture.

The picture's own network says at each place which colours are believable; the reference says how
often each colour is wanted. Of all distributions that have the wanted palette, the one nearest to
the network's is found by iterative proportional fitting (Deming & Stephan 1940), here tempered, so
that no colour is forced onto a picture that has no place for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from koalarize import color
from koalarize.errors import OptionError
from koalarize.photo.photo import Photo

__all__ = ["Palette"]

Float32 = npt.NDArray[np.float32]

#: Lightnesses at the middle of each band; between them bands blend linearly.
_BANDS = (20.0, 50.0, 80.0)
_PARTS = 10_000  # weights of a band are whole numbers that add up to about this
_SIDE = 160  # longer side at which a reference is looked at, pixels
_LEAST_SHARE = 0.03  # of the reference's pixels in a band; below it the whole picture speaks
_ROUNDS = 2
_TEMPER = 0.4  # exponent of each correction: 1 would force the palette
_FLOOR = 2e-2  # of a bin's share, so that a colour missing in one is no ratio without bound
_MOST = 1.5  # largest logarithm of a single correction
_KIN = 12.0  # Lab units: a reference's blue also speaks for blues that are not quite the same
_SWATCHES = 8


@dataclass(frozen=True)
class Palette:
    """How often a reference picture uses each colour, by lightness; plain numbers, no pixels.

    Attributes:
        name: of the picture, for people.
        sha256: of the file, or of the pixels where there was no file.
        bands: for the dark, the middle and the light tones pairs of (number of an ab bin, weight).
    """

    name: str
    sha256: str
    bands: tuple[tuple[tuple[int, int], ...], ...]

    def __post_init__(self) -> None:
        bins = len(color.ab_bins())
        if len(self.bands) != len(_BANDS):
            raise OptionError(
                f"the palette has {len(self.bands)} bands but must have {len(_BANDS)}: "
                "make it again from its picture"
            )
        for band in self.bands:
            numbers = [number for number, _ in band]
            fair = all(0 <= number < bins and 0 < weight <= _PARTS for number, weight in band)
            if not band or not fair or len(set(numbers)) != len(numbers):
                raise OptionError(
                    f"a band of the palette must be pairs of a bin in 0..{bins - 1}, each once, "
                    f"and a weight in 1..{_PARTS}: make it again from its picture"
                )

    @classmethod
    def of(cls, photo: Photo, *, name: str = "", sha256: str | None = None) -> Palette:
        """Take the palette of a picture.

        Args:
            photo: the reference; a grey one asks for grey.
            name: for people.
            sha256: of the file it came from; by default that of its pixels.
        """
        lab = _small_lab(photo)
        nearest = _nearest_bins(lab[:, 1:])
        weights = _band_weights(lab[:, 0])  # (N, bands)
        whole = _histogram(nearest, np.ones(len(lab), np.float32))
        bands: list[tuple[tuple[int, int], ...]] = []
        for weight in weights.T:
            share = _histogram(nearest, weight) if weight.mean() >= _LEAST_SHARE else whole
            parts = np.rint(share * _PARTS).astype(int)
            bands.append(tuple((int(i), int(parts[i])) for i in np.flatnonzero(parts)))
        digest = sha256 or hashlib.sha256(np.ascontiguousarray(photo.pixels).tobytes()).hexdigest()
        return cls(name, digest, tuple(bands))

    @property
    def histogram(self) -> Float32:
        """(bands, Q) shares of the ab bins, each band adding up to 1."""
        table = np.zeros((len(self.bands), len(color.ab_bins())), np.float32)
        for row, band in zip(table, self.bands, strict=True):
            for number, weight in band:
                row[number] = weight
        return table / table.sum(1, keepdims=True)

    @property
    def swatches(self) -> tuple[str, ...]:
        """Up to eight colours (#rrggbb) that stand for the palette, most used first."""
        bins = color.ab_bins()
        lab = [(_BANDS[i], *bins[k]) for i, band in enumerate(self.bands) for k, _ in band]
        weights = np.array([weight for band in self.bands for _, weight in band], np.float64)
        places = color.map_to_gamut(np.array(lab, np.float32))
        chosen: list[int] = []
        for number in np.argsort(-weights, kind="stable"):
            apart = [float(np.linalg.norm(places[number] - places[other])) for other in chosen]
            if min(apart, default=99.0) >= 25 and len(chosen) < _SWATCHES:
                chosen.append(int(number))
        srgb = color.lab_to_srgb(places[chosen], dtype=np.uint8)
        return tuple(color.srgb_to_hex(levels) for levels in srgb)

    def lead(self, logits: Float32, l: Float32, free: Float32 | None = None) -> Float32:  # noqa: E741
        """Lead a network's distributions towards this palette.

        Args:
            logits: (Q, h, w), unnormalised log probabilities of the ab bins.
            l: (h, w), L* of the same grid.
            free: (h, w) in [0, 1], how far each place may be led; where a person has said the
                colour it is 0. Everything by default.

        Returns:
            (Q, h, w) logits.
        """
        places = logits.reshape(len(logits), -1).astype(np.float32)  # (Q, N)
        places = places - places.max(axis=0)
        places -= np.log(np.exp(places).sum(axis=0))
        weights = _band_weights(l.reshape(-1))  # (N, bands)
        if free is not None:
            weights = weights * free.reshape(-1, 1)
        wanted = self.histogram @ _kin() + np.float32(_FLOOR / len(logits))
        wanted /= wanted.sum(1, keepdims=True)
        for _ in range(_ROUNDS):
            likely = np.exp(places)
            own = (likely @ weights).T  # (bands, Q)
            own /= np.maximum(own.sum(1, keepdims=True), np.float32(1e-9))
            own = own @ _kin() + np.float32(_FLOOR / len(logits))
            step = np.clip(_TEMPER * np.log(wanted / own), -_MOST, _MOST)
            places += step.T @ weights.T
            places -= places.max(axis=0)
            places -= np.log(np.exp(places).sum(axis=0))
        return places.reshape(logits.shape)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data: name, sha256, bands, and swatches for showing."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "bands": [[list(pair) for pair in band] for band in self.bands],
            "swatches": list(self.swatches),
        }

    @classmethod
    def from_json(cls, data: object) -> Palette:
        """Read what ``to_json`` gives.

        Raises:
            OptionError: if it is anything else.
        """
        try:
            facts = cast("Mapping[str, Any]", data)
            unknown = set(facts) - {"name", "sha256", "bands", "swatches"}
            if unknown:
                raise ValueError(f"unknown keys {', '.join(sorted(unknown))}")
            bands = cast("Sequence[Sequence[Sequence[int]]]", facts["bands"])
            pairs = tuple(
                tuple((_whole(i), _whole(weight)) for i, weight in band) for band in bands
            )
            return cls(_text(facts["name"]), _text(facts["sha256"]), pairs)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise OptionError(
                f"the reference is no palette ({error}): it must hold `name`, `sha256` and `bands`"
            ) from error


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"`{value}` is no whole number")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"`{value}` is no text")
    return value


def _small_lab(photo: Photo) -> Float32:
    """Return (N, 3) Lab of a picture shrunk to a small one; what is transparent is left out."""
    step = max(1, max(photo.height, photo.width) // (2 * _SIDE))
    pixels = photo.pixels[::step, ::step]
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    srgb = color.lab_to_srgb(color.srgb_to_lab(pixels), dtype=np.uint8)
    scale = min(1.0, _SIDE / max(srgb.shape[:2]))
    size = [max(1, round(side * scale)) for side in (srgb.shape[1], srgb.shape[0])]
    small = np.asarray(Image.fromarray(srgb).resize(size, Image.Resampling.BOX))
    lab = color.srgb_to_lab(small).reshape(-1, 3)
    if photo.alpha is None:
        return lab
    alpha = photo.alpha[::step, ::step].astype(np.float32)
    clear = np.asarray(Image.fromarray(alpha).resize(size, Image.Resampling.BOX))
    seen = clear.reshape(-1) > 0.5 * float(clear.max())
    return lab[seen] if seen.any() else lab


def _band_weights(l: Float32) -> Float32:  # noqa: E741
    """Return (N, bands) how much each L* belongs to each band; rows add up to 1."""
    rows = [np.interp(l, _BANDS, one) for one in np.eye(len(_BANDS))]
    return np.stack(rows, axis=1).astype(np.float32)


def _nearest_bins(ab: Float32) -> npt.NDArray[np.intp]:
    """Return (N,) the number of the ab bin nearest to each of (N, 2)."""
    steps = np.rint(ab / color.AB_GRID).astype(np.int64)
    keys, numbers = np.unique(steps, axis=0, return_inverse=True)
    centres = keys.astype(np.float32) * color.AB_GRID
    squared = ((centres[:, None] - color.ab_bins()) ** 2).sum(-1)
    return squared.argmin(1)[numbers.reshape(-1)]


def _histogram(nearest: npt.NDArray[np.intp], weights: Float32) -> npt.NDArray[np.float64]:
    """Return (Q,) the share of each bin, softened as the colours a network learns from are."""
    counts = np.bincount(nearest, weights, len(color.ab_bins()))
    share = counts @ _softness()
    return share / max(share.sum(), 1e-9)


@lru_cache(maxsize=1)
def _softness() -> npt.NDArray[np.float64]:
    """Return (Q, Q): over which bins a colour in the middle of each bin is spread."""
    numbers, weights = color.encode_ab(color.ab_bins())
    table = np.zeros((len(numbers), len(numbers)))
    np.put_along_axis(table, numbers.astype(np.int64), weights.astype(np.float64), 1)
    return table


@lru_cache(maxsize=1)
def _kin() -> Float32:
    """Return (Q, Q): how far each colour speaks for others near it; rows add up to 1."""
    bins = color.ab_bins()
    squared = ((bins[:, None] - bins) ** 2).sum(-1)
    table = np.exp(-squared / np.float32(2 * _KIN**2))
    return (table / table.sum(1, keepdims=True)).astype(np.float32)
