"""The first article's fading experiment: the SSIM of a plane a in [0, 1] and k times itself.

Not here: our experiment, which fades chroma (``lab.evaluation.fading``).
k times a in [0, 1] is no fading to grey, which lies at 0.502: it moves a towards -128, green.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import koalarize
from koalarize.errors import OptionError
from koalarize.lab.evaluation.pictures import UsablePictures
from koalarize.lab.evaluation.protocols import resize_rule
from koalarize.lab.evaluation.report import at_commit, source_commit
from koalarize.lab.metrics.metrics import Measured, article_ssim, unit_plane
from koalarize.lab.tables import markdown_code, markdown_table

__all__ = ["ARTICLE_SCALES", "ArticleFading", "measure_article_fading"]

FORMAT = "koalarize-article-fading-1"
#: The article's factors k.
ARTICLE_SCALES = (0.1, 0.4, 0.8, 0.9)


@dataclass(frozen=True)
class ArticleFading:
    """What the experiment found.

    Attributes:
        command: what repeats it, with names in place of paths.
        data: name of the data set.
        data_sha256: over the encoded bytes of the pictures looked at, in order.
        pictures: how many; the article has one.
        resize: the rule that brought them to their size.
        scales: the factors k.
        ssim: mean over the pictures of SSIM(a, k a) at each factor.
        koalarize: version.
        commit: of the source, where it is under git.
    """

    command: str
    data: str
    data_sha256: str
    pictures: int
    resize: str
    scales: list[float]
    ssim: list[float]
    koalarize: str
    commit: str | None

    def to_json(self) -> str:
        """Return the whole experiment as JSON."""
        return json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=2, allow_nan=False)

    def to_markdown(self) -> str:
        """Return its table, and how it came about."""
        rows = [[f"{k:g}", f"{score:.4f}"] for k, score in zip(self.scales, self.ssim, strict=True)]
        table = markdown_table(["a in [0, 1] ×", "SSIM of a"], rows, words=0)
        count = f"{self.pictures} picture{'' if self.pictures == 1 else 's'}"
        source = (
            f"{count} of {markdown_code(self.data)} (sha256 {self.data_sha256[:12]}), "
            f"{self.resize}. koalarize {self.koalarize}{at_commit(self.commit)}."
        )
        return "\n\n".join([table, source, f"    {self.command}"])


def measure_article_fading(
    data: Path,
    *,
    short_side: int = 256,
    limit: int | None = 100,
    progress: Callable[[int, int], None] | None = None,
) -> ArticleFading:
    """Measure SSIM(a, k a) for the article's factors, a from -128..127 to 0..1.

    Args:
        data: as for ``evaluate``.
        short_side: pictures with a longer short side are brought down to it, pixels.
        limit: at most this many pictures; None takes all, the article has one.
        progress: called with the pictures done and their number.

    Raises:
        OptionError: if a value is not allowed.
        DataError: if the data set holds no usable picture.
    """
    if short_side < 32:
        raise OptionError(f"`short_side` is {short_side} but must be at least 32: try 256")
    if limit is not None and limit < 1:
        raise OptionError(f"`limit` is {limit} but must be at least 1: the article has 1 picture")
    commit = source_commit()
    pictures = UsablePictures(data, short_side, limit, least=1)
    scores: list[list[float]] = []
    for number, pixels in enumerate(pictures, start=1):
        plane = unit_plane(Measured(pixels), 1)
        scores.append([article_ssim(plane * np.float64(k), plane) for k in ARTICLE_SCALES])
        if progress is not None:
            progress(number, len(pictures))
    words = ["koalarize", "lab", "fade", "--experiment", "article", "--data", data.resolve().name]
    words += ["--short-side", str(short_side)]
    words += ["--limit", str(limit)] if limit is not None else []
    return ArticleFading(
        command=shlex.join(words),
        data=data.resolve().name,
        data_sha256=pictures.sha256,
        pictures=len(pictures),
        resize=resize_rule(short_side),
        scales=list(ARTICLE_SCALES),
        ssim=[round(float(score), 6) for score in np.mean(scores, axis=0)],
        koalarize=koalarize.__version__,
        commit=commit,
    )
