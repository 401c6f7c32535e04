"""The fading experiment: what each metric says as the originals lose chroma, or gain noise in it.

Not here: models (``evaluate``), the figure (``plots``), the first article's own experiment, which
is another and comes to the opposite conclusion (``article_fading``). A metric that is to judge
colours should fall steadily as the chroma does.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import koalarize
from koalarize import color
from koalarize.errors import OptionError
from koalarize.lab.evaluation.pictures import UsablePictures
from koalarize.lab.evaluation.protocols import resize_rule
from koalarize.lab.evaluation.report import at_commit, source_commit
from koalarize.lab.metrics.definitions import ALL_METRICS, choose_metrics, metric_of
from koalarize.lab.metrics.metrics import Measured, Picture
from koalarize.lab.metrics.perceptual import LPIPS
from koalarize.lab.metrics.tally import Tally
from koalarize.lab.own import is_own, source_of
from koalarize.lab.tables import markdown_code, markdown_table
from koalarize.photo.files import sha256_of

__all__ = ["FADING_METRICS", "NOISES", "SCALES", "Fading", "add_noise", "fade", "measure_fading"]

Float32 = npt.NDArray[np.float32]

FORMAT = "koalarize-fading-1"
#: Factors on the chroma of the originals.
SCALES = tuple(round(0.1 * i, 1) for i in range(11))
#: Standard deviations of the noise on a and b, Lab units.
NOISES = (0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0)
#: What is measured; ``lpips`` joins them where its weights are.
FADING_METRICS = (
    *("ssim", "ssim-a", "ssim-b", "inverse-ssim", "psnr", "delta-e", "colorfulness"),
    "lpips",
)
_FADING_DEFAULT_LIMIT = 100


@dataclass(frozen=True)
class Fading:
    """What the experiment found.

    Attributes:
        command: what repeats it, with names in place of paths.
        data: name of the data set.
        data_sha256: over the encoded bytes of the pictures looked at, in order.
        pictures: how many.
        resize: the rule that brought them to their size.
        metrics: name -> what computed it.
        left_out: metrics that were not measured -> why.
        scales: factors on the chroma, one row of ``faded`` each.
        noises: standard deviations in Lab units, one row of ``noisy`` each.
        faded: metric -> its mean at each scale; None where it is infinite (equal pictures).
        noisy: metric -> its mean at each noise.
        koalarize: version.
        commit: of the source, where it is under git.
    """

    command: str
    data: str
    data_sha256: str
    pictures: int
    resize: str
    metrics: dict[str, str]
    left_out: dict[str, str]
    scales: list[float]
    noises: list[float]
    faded: dict[str, list[float | None]]
    noisy: dict[str, list[float | None]]
    koalarize: str
    commit: str | None

    def to_json(self) -> str:
        """Return the whole experiment as JSON."""
        return json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=2, allow_nan=False)

    def to_markdown(self) -> str:
        """Return one table of the fading and one of the noise, and how they came about."""
        parts = [
            _table("chroma ×", self.scales, self.faded),
            _table("noise σ", self.noises, self.noisy),
            f"{self.pictures} pictures of {markdown_code(self.data)} "
            f"(sha256 {self.data_sha256[:12]}), {self.resize}. "
            f"koalarize {self.koalarize}{at_commit(self.commit)}.",
            "\n".join(f"- {name}: {backend}" for name, backend in self.metrics.items()),
            *(f"`{name}` was left out: {reason}." for name, reason in self.left_out.items()),
            f"    {self.command}",
        ]
        return "\n\n".join(parts)


def fade(lab: Float32, scale: float) -> Picture:
    """Scale the chroma of a picture; lightness and hue stay.

    Args:
        lab: (H, W, 3) CIELAB inside the sRGB gamut.
        scale: in [0, 1]; 0 gives grey, 1 the picture itself.

    Returns:
        (H, W, 3) uint8 sRGB. Towards grey no colour can leave the gamut.
    """
    return color.lab_to_srgb(lab * np.array([1, scale, scale], np.float32), dtype=np.uint8)


def add_noise(lab: Float32, sigma: float, *, seed: int) -> Picture:
    """Add Gaussian noise to a and b, each pixel on its own; lightness stays.

    Args:
        lab: (H, W, 3) CIELAB.
        sigma: standard deviation, Lab units; 0 gives the picture itself.
        seed: of the noise.

    Returns:
        (H, W, 3) uint8 sRGB; a colour that leaves the gamut loses chroma, not lightness.
    """
    noisy = lab.copy()
    generator = np.random.default_rng(seed)
    noisy[..., 1:] += generator.standard_normal(noisy[..., 1:].shape, np.float32) * sigma
    mapped = noisy if sigma == 0 else color.map_to_gamut(noisy)
    return color.lab_to_srgb(mapped, dtype=np.uint8)


def measure_fading(
    data: Path,
    *,
    short_side: int = 256,
    limit: int | None = _FADING_DEFAULT_LIMIT,
    metrics: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Fading:
    """Fade the pictures of a data set, make them noisy, and measure.

    Args:
        data: as for ``evaluate``.
        short_side: pictures with a longer short side are brought down to it, pixels.
        limit: at most this many pictures; None takes all.
        metrics: of ``FADING_METRICS``, or one's own; None takes all of the former, and LPIPS only
            where its weights are.
        progress: called with the pictures done and their number.

    Raises:
        OptionError: if a value is not allowed.
        DependencyError: if ``lpips`` is asked for by name and its weights are missing.
        DataError: if the data set holds fewer than two usable pictures.
    """
    wanted, left_out = _wanted(metrics)
    if short_side < 32:
        raise OptionError(f"`short_side` is {short_side} but must be at least 32: try 256")
    if limit is not None and limit < 2:
        raise OptionError(f"`limit` is {limit} but must be at least 2: try 100")
    commit = source_commit()
    lpips = LPIPS(len(SCALES) + len(NOISES)) if "lpips" in wanted else None
    pictures = UsablePictures(data, short_side, limit)
    scores = _scores(pictures, wanted, lpips, progress)
    table = {name: [_finite(row[name]) for row in scores] for name in wanted}
    return Fading(
        command=_command(data, short_side, limit, metrics),
        data=data.resolve().name,
        data_sha256=pictures.sha256,
        pictures=len(pictures),
        resize=resize_rule(short_side),
        metrics={name: _backend(name) for name in wanted},
        left_out=left_out,
        scales=list(SCALES),
        noises=list(NOISES),
        faded={name: values[: len(SCALES)] for name, values in table.items()},
        noisy={name: values[len(SCALES) :] for name, values in table.items()},
        koalarize=koalarize.__version__,
        commit=commit,
    )


def _scores(
    originals: UsablePictures,
    wanted: Sequence[str],
    lpips: LPIPS | None,
    progress: Callable[[int, int], None] | None,
) -> list[dict[str, float]]:
    """Return the mean scores at every scale and then at every noise."""
    rows = len(SCALES) + len(NOISES)
    tallies = [Tally(wanted) for _ in range(rows)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for number, pixels in enumerate(originals):
            original = Measured(pixels)
            made = [fade(original.lab, scale) for scale in SCALES]
            made += [add_noise(original.lab, sigma, seed=number) for sigma in NOISES]
            list(pool.map(Tally.add, tallies, made, [original] * rows))
            if lpips is not None:
                lpips.update(pixels, made)
            if progress is not None:
                progress(number + 1, len(originals))
    scores = [tally.scores() for tally in tallies]
    if lpips is not None:
        for row, score in zip(scores, lpips.compute(), strict=True):
            row["lpips"] = score
    return scores


def _backend(name: str) -> str:
    backend = metric_of(name).backend
    if is_own(name) and (source := source_of(name)) is not None:
        backend += f", {source.name} (sha256 {sha256_of(source)})"
    if name == "lpips":
        backend += f", {LPIPS.weights.file} (sha256 {LPIPS.weights.sha256})"
    return backend


def _wanted(metrics: Sequence[str] | None) -> tuple[list[str], dict[str, str]]:
    if metrics is None:
        if LPIPS.weights.path.is_file():
            return choose_metrics(FADING_METRICS), {}
        missing = "its weights are missing; ask for it by name to read where they belong"
        return choose_metrics(FADING_METRICS[:-1]), {"lpips": missing}
    for name in metrics:
        if name in ALL_METRICS and name not in FADING_METRICS:
            raise OptionError(
                f"the metric `{name}` is no part of the fading experiment: choose among "
                f"{', '.join(FADING_METRICS)}"
            )
    names = [name for name in metrics if name != "all"]
    return choose_metrics([*(FADING_METRICS if "all" in metrics else ()), *names]), {}


def _command(data: Path, short_side: int, limit: int | None, metrics: Sequence[str] | None) -> str:
    words = [
        "koalarize",
        "lab",
        "fade",
        "--data",
        data.resolve().name,
        "--short-side",
        str(short_side),
    ]
    words += ["--limit", str(limit)] if limit is not None else []
    words += ["--metrics", ",".join(metrics)] if metrics is not None else []
    return shlex.join(words)


def _finite(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None


def _table(first: str, values: Sequence[float], scores: dict[str, list[Any]]) -> str:
    header = [first, *(metric_of(name).header for name in scores)]
    rows: list[list[str]] = []
    for i, value in enumerate(values):
        cells = [f"{value:g}"]
        for name, column in scores.items():
            shown = "–" if column[i] is None else f"{column[i]:.{metric_of(name).digits}f}"
            cells.append(shown)
        rows.append(cells)
    return markdown_table(header, rows, words=0)
