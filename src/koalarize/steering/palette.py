"""The palette of a reference picture, and how it leads a network's choice of colours.

Not here: reading pictures (``photo``), running networks (``engines``). Knows only L*, ab and the
probabilities of the ab bins, so a palette can be kept in a session without its picture.

The picture's own network says at each place which colours are believable; the reference says how
often each colour is wanted. Of all distributions that have the wanted palette, the one nearest to
the network's is found by iterative proportional fitting (Deming & Stephan 1940), here tempered, so
that no colour is forced onto a picture that has no place for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.color import Bins
from koalarize.errors import OptionError
from koalarize.steering.fields import written_name

__all__ = ["MOST_AB", "WEIGHTS", "Palette"]

Float32 = npt.NDArray[np.float32]

#: Weights of a band are whole numbers that add up to about this.
WEIGHTS = 10_000
#: No a* or b* of sRGB lies further from 0.
MOST_AB = 150.0
#: Lightnesses at the middle of each band; between them bands blend linearly.
_BANDS = (20.0, 50.0, 80.0)
_MOST_COLORS = 1000  # of a band: networks have some hundred bins
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
        bands: for the dark, the middle and the light tones triples of (a*, b*, weight), Lab units.
    """

    name: str
    sha256: str
    bands: tuple[tuple[tuple[float, float, int], ...], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", written_name(self.name))
        if len(self.bands) != len(_BANDS):
            raise OptionError(
                f"the palette has {len(self.bands)} bands but must have {len(_BANDS)}: "
                "make it again from its picture"
            )
        for band in self.bands:
            colors = [(a, b) for a, b, _ in band]
            fair = all(
                abs(a) <= MOST_AB and abs(b) <= MOST_AB and 0 < weight <= WEIGHTS
                for a, b, weight in band
            )
            if not band or not fair or len(set(colors)) != len(colors):
                raise OptionError(
                    f"a band of the palette must be triples of a* and b* up to {MOST_AB:g}, each "
                    f"colour once, and a weight in 1..{WEIGHTS}: make it again from its picture"
                )

    @classmethod
    def of(cls, lab: Float32, *, name: str, sha256: str) -> Palette:
        """Take the palette of a picture.

        Args:
            lab: (N, 3) its colours, all places alike; grey ones ask for grey.
            name: of the picture, for people.
            sha256: of the file it came from.
        """
        bins = color.default_bins()
        # At most one colour a square of the grid, so that the nearest bin is found once for each.
        steps, places = np.unique(
            np.rint(lab[:, 1:] / color.AB_GRID).astype(np.int64), axis=0, return_inverse=True
        )
        nearest = bins.nearest(steps.astype(np.float32) * color.AB_GRID)[places.reshape(-1)]
        weights = _band_weights(lab[:, 0])  # (N, bands)
        whole = _histogram(nearest, np.ones(len(lab), np.float32), bins)
        bands: list[tuple[tuple[float, float, int], ...]] = []
        for weight in weights.T:
            share = _histogram(nearest, weight, bins) if weight.mean() >= _LEAST_SHARE else whole
            parts = np.rint(share * WEIGHTS).astype(int)
            used = np.flatnonzero(parts)
            bands.append(
                tuple((*map(float, bins.centres[number]), int(parts[number])) for number in used)  # type: ignore[misc]
            )
        return cls(name, sha256, tuple(bands))

    def histogram(self, bins: Bins) -> Float32:
        """Return (bands, Q) shares of the bins of a network, each band adding up to 1."""
        table = np.zeros((len(self.bands), len(bins)), np.float32)
        for row, band in zip(table, self.bands, strict=True):
            triples = np.array(band, np.float32)
            np.add.at(row, bins.nearest(triples[:, :2]), triples[:, 2])
        return table / table.sum(1, keepdims=True)

    @property
    def is_grey(self) -> bool:
        """Whether the picture has next to no colour, so that the palette asks for grey.

        A histogram gives a grey pixel's neighbouring bins a share too: none further is used.
        """
        chroma = (math.hypot(a, b) for band in self.bands for a, b, _ in band)
        return max(chroma) <= color.AB_GRID

    @property
    def swatches(self) -> tuple[str, ...]:
        """Up to eight colours (#rrggbb) that stand for the palette, most used first."""
        lab = [(_BANDS[i], a, b) for i, band in enumerate(self.bands) for a, b, _ in band]
        weights = np.array([weight for band in self.bands for *_, weight in band], np.float64)
        places = color.map_to_gamut(np.array(lab, np.float32))
        chosen: list[int] = []
        for number in np.argsort(-weights, kind="stable"):
            apart = [float(np.linalg.norm(places[number] - places[other])) for other in chosen]
            if min(apart, default=99.0) >= 25 and len(chosen) < _SWATCHES:
                chosen.append(int(number))
        srgb = color.lab_to_srgb(places[chosen], dtype=np.uint8)
        return tuple(color.srgb_to_hex(levels) for levels in srgb)

    def lead(
        self, logits: Float32, bins: Bins, lightness: Float32, free: Float32 | None = None
    ) -> Float32:
        """Lead a network's distributions towards this palette.

        Args:
            logits: (Q, h, w), unnormalised log probabilities of the bins.
            bins: those of the network.
            lightness: (h, w), L* of the same grid.
            free: (h, w) in [0, 1], how far each place may be led; where a person has said the
                colour it is 0. Everything by default.

        Returns:
            (Q, h, w) logits.
        """
        places = logits.reshape(len(logits), -1).astype(np.float32)  # (Q, N)
        places = places - places.max(axis=0)
        places -= np.log(np.exp(places).sum(axis=0))
        weights = _band_weights(lightness.reshape(-1))  # (N, bands)
        if free is not None:
            weights = weights * free.reshape(-1, 1)
        wanted = self.histogram(bins) @ _kin(bins) + np.float32(_FLOOR / len(logits))
        wanted /= wanted.sum(1, keepdims=True)
        for _ in range(_ROUNDS):
            likely = np.exp(places)
            own = (likely @ weights).T  # (bands, Q)
            own /= np.maximum(own.sum(1, keepdims=True), np.float32(1e-9))
            own = own @ _kin(bins) + np.float32(_FLOOR / len(logits))
            step = np.clip(_TEMPER * np.log(wanted / own), -_MOST, _MOST)
            places += step.T @ weights.T
            places -= places.max(axis=0)
            places -= np.log(np.exp(places).sum(axis=0))
        return places.reshape(logits.shape)

    def to_json(self) -> dict[str, object]:
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
            for swatch in _list(facts.get("swatches", [])):  # for showing: made again
                _text(swatch)
            bands = cast("Sequence[Sequence[Sequence[Any]]]", facts["bands"])
            if len(bands) > len(_BANDS) or max(map(len, bands)) > _MOST_COLORS:
                raise ValueError(f"more than {_MOST_COLORS} colours in a band, or too many bands")
            triples = tuple(tuple(_triple(entry) for entry in band) for band in bands)
            return cls(_text(facts["name"]), _text(facts["sha256"]), triples)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise OptionError(
                f"the reference is no palette ({error}): it must hold `name`, `sha256` and `bands`"
            ) from error


def _triple(entry: Sequence[Any]) -> tuple[float, float, int]:
    """Read a colour and its weight; 0.3 wrote the number of one of the default bins for it."""
    if len(entry) == 2:
        number, weight = (_whole(value) for value in entry)
        centres = color.default_bins().centres
        if not 0 <= number < len(centres):
            raise ValueError("it names a bin that there is not")
        return float(centres[number, 0]), float(centres[number, 1]), weight
    a, b, weight = entry
    return _number(a), _number(b), _whole(weight)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"`{value}` is no number")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError("a number is too large") from error


def _whole(value: object) -> int:
    """Read a whole number; JSON Schema takes 5.0 for one."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"`{value}` is no whole number")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError(f"`{value}` is no list")
    return cast("list[object]", value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"`{value}` is no text")
    return value


def _band_weights(lightness: Float32) -> Float32:
    """Return (N, bands) how much each L* belongs to each band; rows add up to 1."""
    rows = [np.interp(lightness, _BANDS, one) for one in np.eye(len(_BANDS))]
    return np.stack(rows, axis=1).astype(np.float32)


def _histogram(
    nearest: npt.NDArray[np.intp], weights: Float32, bins: Bins
) -> npt.NDArray[np.float64]:
    """Return (Q,) the share of each bin, softened as the colours a network learns from are."""
    counts = np.bincount(nearest, weights, len(bins))
    share = counts @ bins.softness
    return share / max(share.sum(), 1e-9)


@lru_cache(maxsize=2)
def _kin(bins: Bins) -> Float32:
    """Return (Q, Q): how far each colour speaks for others near it; rows add up to 1."""
    squared = ((bins.centres[:, None] - bins.centres) ** 2).sum(-1)
    table = np.exp(-squared / np.float32(2 * _KIN**2))
    return (table / table.sum(1, keepdims=True)).astype(np.float32)
