"""Compare models on one set of pictures: every picture through the Colorizer, scores side by side.

Not here: the metrics themselves (``metrics``), the report's form (``report``).
The first rival is always ``grey``, the pictures without chroma: results are quoted beside it.
"""

from __future__ import annotations

import hashlib
import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

import koalarize
from koalarize.colorizer import Colorizer
from koalarize.data.sources import Pictures, encoded_pictures, load_pictures
from koalarize.engine import Engine, OnnxEngine
from koalarize.errors import DataError, OptionError, did_you_mean
from koalarize.evaluation.metrics import FID, LPIPS, SetMetric, picture_scores
from koalarize.evaluation.report import MetricBackend, Protocol, Report, Row, source_commit
from koalarize.evaluation.torch_engine import TorchEngine
from koalarize.evaluation.variants import GreyEngine, variants
from koalarize.training.checkpoint import load_checkpoint
from koalarize.weights.store import find_model

__all__ = ["METRICS", "evaluate"]

METRICS = ("psnr", "colorfulness", "lpips", "fid")

_SET_METRICS: dict[str, type[LPIPS] | type[FID]] = {"lpips": LPIPS, "fid": FID}
_MIN_SIDE = 32  # below, the metrics' networks have no pixel left after pooling
_MIN_PICTURES = 2  # FID needs a covariance


@dataclass(frozen=True)
class _Rival:
    model: str
    sha256: str | None
    engine: Engine


def evaluate(
    models: Sequence[str | Path],
    data: Path,
    *,
    short_side: int = 256,
    limit: int | None = None,
    metrics: Sequence[str] = METRICS,
    sizes: Sequence[int] | None = None,
    temperatures: Sequence[float] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Colour the pictures of a data set with every model and score the results.

    Args:
        models: names of the catalogue, .onnx files, or .safetensors checkpoints of a training.
        data: a folder of pictures or of Parquet files, or one Parquet file.
        short_side: pictures with a longer short side are brought down to it before anything else,
            pixels; smaller ones are never enlarged.
        limit: at most so many pictures, the first ones in order.
        metrics: names of ``METRICS``.
        sizes: working sizes, one row each; None takes each model's own.
        temperatures: of the annealed mean, one row each; None takes each model's own.
        progress: called with the pictures done and their number.

    Returns:
        One row for ``grey``, then for each model one row a size and temperature.

    Raises:
        OptionError: if a value is not allowed.
        ModelError: if a model or a metric's weights cannot be read.
        DependencyError: if a metric's weights are missing.
        DataError: if the data set holds fewer than two usable pictures.
    """
    _check(short_side, limit, metrics, sizes, temperatures)
    commit = source_commit()  # of the code that is loaded; it may change while this runs
    rivals = [_Rival("grey", None, GreyEngine())]
    for model in models:
        name, sha256, engine = _load(model)
        rivals += [_Rival(name, sha256, each) for each in variants(engine, sizes, temperatures)]
    wanted = [name for name in METRICS if name in metrics]
    set_metrics: dict[str, SetMetric] = {
        name: _SET_METRICS[name](len(rivals)) for name in wanted if name in _SET_METRICS
    }
    pictures = _pictures(data, short_side, limit)
    sums = _measure(rivals, pictures.arrays, set_metrics, progress)
    protocol = Protocol(
        command=_command(models, data, short_side, limit, wanted, sizes, temperatures),
        data=data.resolve().name,
        data_sha256=_sha256(data, len(pictures) + sum(pictures.left_out.values())),
        pictures=len(pictures),
        left_out=dict(pictures.left_out),
        resize=f"short side at most {short_side} px, Pillow {version('pillow')} Lanczos, "
        "never enlarged",
        metrics={name: _backend(name) for name in wanted},
        koalarize=koalarize.__version__,
        commit=commit,
    )
    return _report(protocol, rivals, sums, set_metrics)


def _check(
    short_side: int,
    limit: int | None,
    metrics: Sequence[str],
    sizes: Sequence[int] | None,
    temperatures: Sequence[float] | None,
) -> None:
    for metric in metrics:
        if metric not in METRICS:
            raise OptionError(
                f"the metric `{metric}` is unknown{did_you_mean(metric, METRICS)} "
                f"(known: {', '.join(METRICS)})"
            )
    if not metrics:
        raise OptionError(f"there is no metric: choose among {', '.join(METRICS)}")
    if short_side < _MIN_SIDE:
        raise OptionError(f"`short_side` is {short_side} but must be at least {_MIN_SIDE}")
    if limit is not None and limit < _MIN_PICTURES:
        raise OptionError(f"`limit` is {limit} but must be at least {_MIN_PICTURES}")
    for size in sizes or ():
        if size < 1:
            raise OptionError(f"`size` is {size} but must be at least 1")
    for temperature in temperatures or ():
        if not (temperature > 0 and math.isfinite(temperature)):
            raise OptionError(f"`temperature` is {temperature:g} but must be above 0")


def _load(model: str | Path) -> tuple[str, str, Engine]:
    path = Path(model)
    engine: Engine
    if path.suffix.lower() == ".safetensors":
        checkpoint = load_checkpoint(path)
        recipe = checkpoint.recipe
        engine = TorchEngine(
            checkpoint.network, recipe.size, recipe.temperature, recipe.chroma_gain
        )
    else:
        path = find_model(model)
        engine = OnnxEngine(path)
    return _name(model), hashlib.sha256(path.read_bytes()).hexdigest(), engine


def _name(model: str | Path) -> str:
    # Every run's checkpoint is called model.safetensors: only the folder tells them apart.
    return "/".join(part for part in Path(model).parts[-2:] if part not in ("/", "..", "."))


def _pictures(data: Path, short_side: int, limit: int | None) -> Pictures:
    pictures = load_pictures(data, limit=limit, max_side=short_side)
    large = [array for array in pictures.arrays if min(array.shape[:2]) >= _MIN_SIDE]
    if len(large) < len(pictures):
        pictures.left_out["tiny"] += len(pictures) - len(large)
    pictures.arrays = large
    if len(pictures) < _MIN_PICTURES:
        raise DataError(
            f"`{data}` holds {len(pictures)} pictures of at least {_MIN_SIDE} px, "
            f"but an evaluation needs at least {_MIN_PICTURES}"
        )
    return pictures


def _measure(
    rivals: Sequence[_Rival],
    originals: Sequence[npt.NDArray[np.uint8]],
    set_metrics: dict[str, SetMetric],
    progress: Callable[[int, int], None] | None,
) -> list[dict[str, float]]:
    """Return the mean scores of each rival; the set metrics keep theirs."""
    colorizers = [Colorizer(rival.engine) for rival in rivals]
    scores: list[list[dict[str, float]]] = [[] for _ in rivals]
    for done, original in enumerate(originals, start=1):
        colored = [colorizer(original) for colorizer in colorizers]
        for rival, picture in zip(scores, colored, strict=True):
            rival.append(picture_scores(picture, original))
        for metric in set_metrics.values():
            metric.update(original, colored)
        if progress is not None:
            progress(done, len(originals))
    return [{name: _mean([one[name] for one in rival]) for name in rival[0]} for rival in scores]


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]  # equal pictures: infinite psnr
    return sum(finite) / len(finite) if finite else math.inf


def _report(
    protocol: Protocol,
    rivals: Sequence[_Rival],
    means: Sequence[dict[str, float]],
    set_metrics: dict[str, SetMetric],
) -> Report:
    over_set = {name: metric.compute() for name, metric in set_metrics.items()}
    table = [
        {
            name: over_set[name][i] if name in over_set else means[i][name]
            for name in METRICS
            if name in protocol.metrics
        }
        for i in range(len(rivals))
    ]
    original = {}
    if "colorfulness" in protocol.metrics:
        original = {"colorfulness": means[0]["colorfulness_original"]}
    rows = [
        Row(
            model=rival.model,
            sha256=rival.sha256,
            size=rival.engine.info.size if i else None,
            temperature=rival.engine.info.temperature
            if rival.engine.info.output == "logits"
            else None,
            scores={name: _finite(score) for name, score in table[i].items()},
            relative=_relative(table[i], table[0], original),
        )
        for i, rival in enumerate(rivals)
    ]
    return Report(protocol, original, rows)


def _relative(
    scores: dict[str, float], grey: dict[str, float], original: dict[str, float]
) -> dict[str, float | None]:
    relative: dict[str, float | None] = {}
    for name, score in scores.items():
        if name == "psnr":
            relative["psnr_minus_grey"] = _finite(score - grey[name])
        elif name == "colorfulness":
            relative["colorfulness_of_original"] = _share(score, original[name])
        else:
            relative[f"{name}_of_grey"] = _share(score, grey[name])
    return relative


def _share(score: float, reference: float) -> float | None:
    return _finite(score / reference) if reference else None


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _backend(metric: str) -> MetricBackend:
    kind = _SET_METRICS.get(metric)
    if kind is not None:
        return MetricBackend(kind.backend, kind.weights.file, kind.weights.sha256)
    if metric == "psnr":
        return MetricBackend("mean over pictures, three sRGB channels, 8 bits")
    return MetricBackend("mean over pictures, Hasler & Süsstrunk 2003")


def _sha256(data: Path, count: int) -> str:
    digest = hashlib.sha256()
    for encoded in islice(encoded_pictures(data), count):
        digest.update(encoded)
    return digest.hexdigest()


def _command(
    models: Sequence[str | Path],
    data: Path,
    short_side: int,
    limit: int | None,
    metrics: Sequence[str],
    sizes: Sequence[int] | None,
    temperatures: Sequence[float] | None,
) -> str:
    words = ["koalarize", "evaluate", *map(_name, models), "--data", data.resolve().name]
    words += ["--short-side", str(short_side)]
    words += ["--limit", str(limit)] if limit is not None else []
    words += ["--size", ",".join(map(str, sizes))] if sizes else []
    words += ["--temperature", ",".join(f"{t:g}" for t in temperatures)] if temperatures else []
    words += ["--metrics", ",".join(metrics)]
    return shlex.join(words)
