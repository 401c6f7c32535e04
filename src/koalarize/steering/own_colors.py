"""The colours that a picture has of its own, told from the toning of its paper, and kept.

Not here: what networks make of them (``colorizer``). A hand-tinted photo has coloured things on
grey or evenly toned ground. A toning (sepia, selenium, cyanotype) is one hue all over whose chroma
follows from lightness; a picture that is nothing but toned counts as black and white.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from koalarize import color

__all__ = ["MOST_PATCHES", "Kept", "Tint", "find_tint"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

#: No more places than this are shown to a network, which was trained with about as many.
MOST_PATCHES = 40
_REGION = (4.0, 8.0)  # distance from the toning, Lab units: where a tinted place begins, is sure
_PIXEL = (2.0, 5.0)  # the same of one pixel inside such a place
_LEAST_SHARE = 0.002  # of the picture: less is dust,
_LEAST_ON_TONED = 0.01  # and on toned paper what its toning's curve misses
_LEAST_PLACES = 12.0
_CLEAR = (9.0, 0.03)  # from which distance and on what share nobody would miss the colours
_LEVELS = 101  # of L* in the table of the toning
_CLIPPED = 25.0  # Lab units: so far a clipped toning may leave its curve,
_HIGHLIGHTS = 90  # from this L* on
_TIGHT = 4.0  # Lab units: so near to its curve a toning lies
_MOST = 0.6  # of the picture follows its toning, and
_EACH = 0.35  # of most ranges of L*
_MOST_BANDS = 0.7  # the share that counts as most; things may fill the others
_BANDS = 10  # ranges of L*
_ONE_HUE = 0.6  # radians between the toning's mean hue and that at any L*
_LEAST_TONE = 1.5  # chroma: less is grey
_PAPER = (96.0, 3.0)  # L* above which, and chroma below which, a place is white paper
_GREY = np.float32(2)  # a place counts as so many times its chroma off the toning, at most
_PAGE_L, _PAGE_AB = 10.0, 6.0  # how far a page's colour varies, Lab units
_PAGE_CHROMA = 6.0  # of a page: less is grey
_THIN = 9  # working pixels: what is no wider (a stroke of 4, made wide by the mean) is ink
_BESIDE_PAGE = 7  # working pixels: the window in which a page's colour may tinge an edge
_PAGED = 0.9  # of each side is page
_SAMPLE = 6000  # places that the toning is fitted to, at least
_CHUNK = 1 << 17  # pixels converted at once


@dataclass(frozen=True)
class Kept:
    """Which colours of its own a picture keeps.

    Attributes:
        share: (h, w) float32 in 0..1 on a grid that shows the whole picture.
        tone: (2, 101) float32, a* and b* of the toning by L*; what lies on it is not kept.
    """

    share: Float32
    tone: Float32

    def restore(
        self, pixels: Array, colored: Array, *, place: tuple[int, int, int, int], threads: int = 0
    ) -> None:
        """Put the picture's own colours back.

        Args:
            pixels: (h, w, 3), sRGB, a part of the picture as it was.
            colored: (h, w, 3), the same part coloured; overwritten.
            place: left and top of the part, width and height of the whole picture.
            threads: how many share the work; 0 takes one a core.
        """
        left, top, full_width, full_height = place
        height, width = pixels.shape[:2]
        share = Image.fromarray(self.share)
        size = (full_width, self.share.shape[0])
        across = np.asarray(share.resize(size, Image.Resampling.BILINEAR))[:, left : left + width]
        rows = np.arange(top, top + height)
        places = np.clip((rows + 0.5) * len(across) / full_height - 0.5, 0, len(across) - 1)
        upper = places.astype(np.int64)
        lower = np.minimum(upper + 1, len(across) - 1)
        weights = (places - upper).astype(np.float32)[:, None]
        step = max(1, _CHUNK // width)

        def work(first: int, last: int) -> None:
            for start in range(first, last, step):
                part = slice(start, min(start + step, last))
                above, below = across[upper[part]], across[lower[part]]
                self._restore(pixels[part], colored[part], above + weights[part] * (below - above))

        color.by_rows(work, height, step, threads)

    def _restore(self, pixels: Array, colored: Array, share: Float32) -> None:
        """Do it for a few rows, of which ``share`` (r, w) may be kept."""
        touched = share > 0
        if not touched.any():
            return
        lab = color.srgb_to_lab(pixels[touched])
        distance = _distance(lab[:, 0], lab[:, 1:].T, self.tone)
        kept = share[touched] * color.smoothstep(distance, *_PIXEL)
        new = color.srgb_to_lab(colored[touched])
        mixed = lab.copy()
        mixed[:, 1:] = new[:, 1:] + kept[:, None] * (lab[:, 1:] - new[:, 1:])
        result = color.lab_to_srgb(color.map_to_gamut(mixed), dtype=colored.dtype)
        whole, none = kept >= 0.999, kept <= 0
        result[whole] = pixels[touched][whole]
        result[none] = colored[touched][none]
        colored[touched] = result


@dataclass(frozen=True)
class Tint:
    """Where a picture has colours of its own, on the working grid.

    Attributes:
        share: (h, w) float32 in 0..1, how surely a place is tinted.
        ab: (2, h, w) float32, the picture's own, Lab units.
        tone: (2, 101) float32, a* and b* of the toning by L*; 0 where the ground is grey.
        clear: whether nobody would miss the colours.
        page: (h, w), where the page lies that prints are mounted on: it keeps its colour, and what
            is on it gets none of that.
    """

    share: Float32
    ab: Float32
    tone: Float32
    clear: bool
    page: npt.NDArray[np.bool_]

    def spared(self, share: Float32) -> Tint:
        """Return it without the places that a person gives a colour: (h, w) in 0..1."""
        return replace(self, share=self.share * (1 - share))

    def kept(self) -> Kept:
        """Return what is to be kept: the tinted places and a soft border around them.

        At full size each pixel's own colour decides where inside the border the tint ends.
        """
        image = Image.fromarray(np.rint(self.share * 255).astype(np.uint8))
        wide = image.filter(ImageFilter.MaxFilter(7)).filter(ImageFilter.BoxBlur(1))
        share = np.asarray(wide, np.float32) * np.float32(1 / 255)
        return Kept(color.smoothstep(share, 0.0, 0.9), self.tone)

    def patches(self) -> list[tuple[int, int, float, float]]:
        """Return row, column, a*, b* of spread-out places well inside the tint, 40 at most.

        Ink, stamps and whatever else is no wider than a line has no such place: it says nothing of
        what the photo shows.
        """
        page = Image.fromarray(np.where(self.page, 255, 0).astype(np.uint8))
        around = np.asarray(page.filter(ImageFilter.MaxFilter(_BESIDE_PAGE))) > 0
        shown = np.where(around, np.float32(0), self.share)
        image = Image.fromarray(np.rint(shown * 255).astype(np.uint8))
        inside = np.asarray(image.filter(ImageFilter.MinFilter(_THIN)))
        height, width = self.share.shape
        side = max(6, round((height * width / (4 * MOST_PATCHES)) ** 0.5))
        while len(found := _spread(inside, side)) > MOST_PATCHES:
            side = side + max(1, side // 5)
        return [(row, column, *self._mean(row, column)) for row, column in found]

    def _mean(self, row: int, column: int) -> tuple[float, float]:
        part = (slice(max(0, row - 1), row + 2), slice(max(0, column - 1), column + 2))
        weights = self.share[part] + np.float32(1e-3)
        a, b = ((plane[part] * weights).sum() / weights.sum() for plane in self.ab)
        return float(a), float(b)


def find_tint(lightness: Float32, ab: Float32) -> Tint | None:
    """Find the colours that a picture has besides an even toning.

    Args:
        lightness: (h, w), L* on the working grid.
        ab: (2, h, w), the picture's own, Lab units.

    Returns:
        None for a picture that is grey or evenly toned.
    """
    # The white border of a toned picture follows no toning, and is no tint either.
    paper = (lightness > _PAPER[0]) & (np.hypot(*ab) < _PAPER[1])
    page = _page(lightness, ab)
    inked = np.flatnonzero(~(paper | page))
    some = inked[:: max(1, len(inked) // _SAMPLE)]
    tone = _toning(lightness.reshape(-1)[some], ab.reshape(2, -1)[:, some])
    # Noise and the compression of colour go either way, a tint goes one way.
    offset = ab - _at(lightness, tone)
    offset[:, paper] = 0
    distance = np.hypot(_smooth(offset[0]), _smooth(offset[1]))
    if tone.any():  # what is grey on toned ground has no colour to keep
        np.minimum(distance, _GREY * np.hypot(_smooth(ab[0]), _smooth(ab[1])), out=distance)
    levels = np.rint(color.smoothstep(distance, *_REGION) * 255).astype(np.uint8)
    opened = (
        Image.fromarray(levels).filter(ImageFilter.MinFilter(3)).filter(ImageFilter.MaxFilter(3))
    )
    share = np.asarray(opened, np.float32) * np.float32(1 / 255)
    least = _LEAST_ON_TONED if tone.any() else _LEAST_SHARE
    if float(share.sum()) < max(_LEAST_PLACES, least * share.size):
        return None
    far, much = _CLEAR
    return Tint(share, ab, tone, bool((distance > far).mean() > much), page)


def _page(lightness: Float32, ab: Float32) -> npt.NDArray[np.bool_]:
    """Return where the coloured page lies that prints are mounted on: no toning of theirs.

    It is of one colour at all four sides.
    """
    planes = np.stack([lightness, *ab])
    sides = [planes[:, 0], planes[:, -1], planes[:, :, 0], planes[:, :, -1]]
    level, a, b = (float(value) for value in np.median(np.concatenate(sides, axis=1), axis=1))
    alike = np.abs(lightness - np.float32(level)) < _PAGE_L
    alike &= np.hypot(ab[0] - np.float32(a), ab[1] - np.float32(b)) < _PAGE_AB
    edges = (alike[0], alike[-1], alike[:, 0], alike[:, -1])
    is_page = np.hypot(a, b) > _PAGE_CHROMA and min(float(edge.mean()) for edge in edges) > _PAGED
    return alike if is_page else np.zeros_like(alike)


def _spread(inside: npt.NDArray[np.uint8], side: int) -> list[tuple[int, int]]:
    """Return the surest place of each square of a grid, the nearest to its middle, if it is one."""
    found: list[tuple[int, int]] = []
    height, width = inside.shape
    for top in range(0, height, side):
        for left in range(0, width, side):
            part = inside[top : top + side, left : left + side].astype(np.float32)
            rows, columns = np.indices(part.shape)
            away = np.hypot(rows - part.shape[0] / 2, columns - part.shape[1] / 2)
            best = int((part - 0.1 * away).argmax())
            row, column = divmod(best, part.shape[1])
            if part[row, column] > 200:
                found.append((top + row, left + column))
    return found


def _toning(lightness: Float32, ab: Float32) -> Float32:
    """Return (2, 101) a* and b* of the toning by L*; 0 where most of the picture follows none."""
    none = np.zeros((2, _LEVELS), np.float32)
    if len(lightness) < _LEAST_PLACES:
        return none
    powers = _powers(lightness)  # (N, 4)
    curves = _fitted(powers, ab, _medians(lightness, ab))
    near = np.hypot(*(ab - curves @ powers.T)) < _TIGHT
    if near.mean() < _MOST:
        return none
    band = np.minimum((lightness * (_BANDS / 100)).astype(np.int64), _BANDS - 1)
    total = np.bincount(band, minlength=_BANDS)
    following = np.bincount(band, near, minlength=_BANDS)
    seen = total > 0.03 * len(lightness)
    if (following[seen] >= _EACH * total[seen]).mean() < _MOST_BANDS:
        return none
    low, high = np.percentile(lightness[near], (1, 99))
    levels = np.clip(np.arange(_LEVELS, dtype=np.float32), low, high)
    tone = (curves @ _powers(levels).T).astype(np.float32)
    chroma = np.hypot(*tone)
    if chroma.max() < _LEAST_TONE:
        return none
    strong = tone[:, chroma > max(_LEAST_TONE, 0.3 * float(chroma.max()))]
    mean = strong.sum(axis=1)
    hue = np.arctan2(strong[1], strong[0]) - np.arctan2(mean[1], mean[0])
    if (np.cos(hue) < np.cos(_ONE_HUE)).any():
        return none
    return _followed(tone, mean, lightness, ab)


def _followed(tone: Float32, mean: Float32, lightness: Float32, ab: Float32) -> Float32:
    """Return a toning whose highlights are led to the medians of what is near in hue.

    Filters clip their brightest levels, where chroma and hue change faster than a cubic can.
    """
    along = mean / np.hypot(*mean)
    own = along @ ab > np.cos(_ONE_HUE) * np.hypot(*ab)
    own &= np.hypot(*(ab - _at(lightness, tone))) < _CLIPPED
    out = tone.copy()
    for level in range(_HIGHLIGHTS, _LEVELS):
        near = np.abs(lightness - level) < 1
        if np.count_nonzero(own & near) >= max(_LEAST_PLACES, 0.5 * np.count_nonzero(near)):
            out[:, level] = np.median(ab[:, own & near], axis=1)
    return out


def _powers(lightness: Float32) -> Float32:
    return np.stack([(lightness / 50 - 1) ** k for k in range(4)], axis=1).astype(np.float32)


def _medians(lightness: Float32, ab: Float32) -> Float32:
    """Return (2, N) the median a* and b* of the places as light as each."""
    order = np.argsort(lightness, kind="stable")
    out = np.empty_like(ab)
    for part in np.array_split(order, min(24, max(1, len(order) // 16))):
        out[:, part] = np.median(ab[:, part], axis=1, keepdims=True)
    return out


def _fitted(powers: Float32, ab: Float32, first: Float32) -> Float32:
    """Return (2, 4) cubics by reweighted least squares (Geman and McClure's weights)."""
    guess = first
    curves = np.zeros((2, powers.shape[1]), np.float32)
    ridge = np.eye(powers.shape[1]) * 1e-3
    for _ in range(12):
        residual = np.hypot(*(ab - guess))
        weights = 1 / (1 + (residual / _TIGHT) ** 2) ** 2
        weighted = powers * (weights / max(float(weights.sum()), 1e-6))[:, None]
        curves = np.linalg.solve(weighted.T @ powers + ridge * 1e-2, weighted.T @ ab.T).T
        guess = curves @ powers.T
    return curves.astype(np.float32)


def _distance(lightness: Float32, ab: Float32, tone: Float32) -> Float32:
    """Return how far ab (2, ...) lies from the toning at lightness (...)."""
    return np.hypot(*(ab - _at(lightness, tone)))


def _at(lightness: Float32, tone: Float32) -> Float32:
    """Return (2, ...) the toning at lightness (...)."""
    levels = np.arange(_LEVELS)
    return np.stack([np.interp(lightness, levels, curve) for curve in tone]).astype(np.float32)


def _smooth(plane: Float32) -> Float32:
    """Return (h, w) a mean over 5 x 5 that counts the middle most; the borders are repeated."""
    height, width = plane.shape
    wide = np.pad(plane, 2, mode="edge")
    weights = np.array([1, 4, 6, 4, 1], np.float32) / np.float32(16)
    # No product of matrices: BLAS warns of values that are not there, and has threads that spin.
    down = np.zeros((height, wide.shape[1]), np.float32)
    across = np.zeros((height, width), np.float32)
    for k, weight in enumerate(weights):
        down += weight * wide[k : k + height]
    for k, weight in enumerate(weights):
        across += weight * down[:, k : k + width]
    return across
