"""Compare models on one set of pictures: each colours every picture, scores side by side.

Not here: the metrics themselves (``metrics``), how pictures are read (``pictures``), sized and
coloured (``protocols``), the report's form (``report``).
The first rival is always ``grey``, the pictures without chroma: results are quoted beside it.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import shlex
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import koalarize
from koalarize.engines.engine import Engine
from koalarize.errors import OptionError
from koalarize.lab.evaluation.models import load_model, short_names
from koalarize.lab.evaluation.pictures import MIN_SIDE, UsablePictures
from koalarize.lab.evaluation.protocols import Picture, Procedure, procedure
from koalarize.lab.evaluation.report import MetricBackend, Protocol, Report, Row, source_commit
from koalarize.lab.evaluation.results import Results, is_results
from koalarize.lab.evaluation.seeds import Trained, check_seeds, over_seeds
from koalarize.lab.evaluation.trainings import recipe_of
from koalarize.lab.evaluation.unfinished import Scored, Unfinished
from koalarize.lab.evaluation.variants import GreyEngine, variants
from koalarize.lab.metrics.definitions import DEFAULT_METRICS, choose_metrics, metric_of
from koalarize.lab.metrics.metrics import Measured
from koalarize.lab.metrics.perceptual import FID, LPIPS, SetMetric
from koalarize.lab.metrics.tally import Tally
from koalarize.lab.own import is_own, source_of
from koalarize.photo.files import sha256_of

__all__ = ["evaluate"]

log = logging.getLogger(__name__)

_SET_METRICS: dict[str, type[LPIPS] | type[FID]] = {"lpips": LPIPS, "fid": FID}
_MIN_PICTURES = 2  # FID needs a covariance


@dataclass(frozen=True)
class _Rival:
    model: str
    sha256: str | None
    engine: Engine
    recipe: str | None = None
    results: Results | None = None  # then it is coloured already, and the engine is asked nothing


def evaluate(
    models: Sequence[str | Path],
    data: Path,
    *,
    protocol: str = "colorizer",
    short_side: int | None = None,
    limit: int | None = None,
    metrics: Sequence[str] = DEFAULT_METRICS,
    sizes: Sequence[int] | None = None,
    temperatures: Sequence[float] | None = None,
    seeds: bool = False,
    progress: Callable[[int, int], None] | None = None,
    unfinished: Path | None = None,
) -> Report:
    """Colour the pictures of a data set with every model and score the results.

    Args:
        models: names of the catalogue, .onnx files, .safetensors checkpoints of a training, or
            folders of pictures that another program has coloured.
        data: a folder of pictures or of Parquet files, or one Parquet file.
        protocol: of ``protocols.PROTOCOLS``: ``colorizer`` scores what a person gets, ``direct``
            the network alone, ``article-a`` and ``article-b`` the same of squashed pictures.
        short_side: pictures with a longer short side are brought down to it before anything else,
            pixels, 256 by default; smaller ones are never enlarged.
        limit: at most this many pictures, the first ones in order.
        metrics: names as for ``definitions.metric_of``, or ``all``.
        sizes: working sizes, one row each; None takes each model's own.
        temperatures: of the annealed mean, one row each; None takes each model's own.
        seeds: several trainings of each recipe: also their mean and deviation. Models of the
            catalogue and folders of pictures stand beside them.
        progress: called with the pictures done and their number, as far as that is known.
        unfinished: a file that keeps the scores so far, written once a minute. Where it is there,
            the evaluation that it is of goes on; it stays at the end, for the caller to delete.

    Returns:
        One row for ``grey``, then for each model one row a size and temperature.

    Raises:
        OptionError: if a value is not allowed.
        ModelError: if a model or a metric's weights cannot be read.
        DependencyError: if the weights of every metric are missing; else such metrics are left
            out, and a warning is logged.
        DataError: if the data set holds fewer than two usable pictures, or others than
            ``unfinished`` was made of.
        OutputError: if ``unfinished`` is no file of an evaluation.
    """
    wanted = _with_weights(choose_metrics(list(metrics)))
    way = procedure(protocol, short_side)
    _check(way, limit, sizes, temperatures)
    commit = source_commit()  # of the code that is loaded; it may change while this runs
    rivals = _rivals(way, models, sizes, temperatures, seeds=seeds)
    trained = _trained(way, rivals)
    if seeds:
        check_seeds(trained)
    set_metrics: dict[str, SetMetric] = {
        name: _SET_METRICS[name](len(rivals)) for name in wanted if name in _SET_METRICS
    }
    pictures = UsablePictures(data, way.short_side, limit, fit=way.fit)
    tallies = [Tally(wanted) for _ in rivals]
    scored = Scored(pictures, tallies, set_metrics)
    backends = {name: _backend(name) for name in wanted}
    keeper = None
    if unfinished is not None:
        keeper = Unfinished(unfinished, _question(way, rivals, limit, backends, commit))
        keeper.restore(scored)
    _measure(way, rivals, scored, progress, keeper)
    facts = Protocol(
        command=_command(models, data, way, limit, wanted, sizes, temperatures)
        + (" --seeds" if seeds else ""),
        data=data.resolve().name,
        data_sha256=pictures.sha256,
        pictures=len(pictures),
        left_out=dict(pictures.left_out),
        resize=way.resize,
        metrics=backends,
        koalarize=koalarize.__version__,
        commit=commit,
        name=way.name,
        coloring=way.coloring,
    )
    report = _report(facts, way, rivals, tallies, set_metrics)
    rows = zip(trained, report.rows[1:], strict=True)
    spread = [(one, row.scores, row.relative) for one, row in rows if seeds]
    return dataclasses.replace(
        report,
        seeds=over_seeds(spread),
        names=pictures.names,
        single=_single(tallies, set_metrics),
    )


def _with_weights(wanted: list[str]) -> list[str]:
    """Leave out the metrics whose weights are missing, unless none would be left, and say so."""
    needed = {name: _SET_METRICS[name].weights for name in wanted if name in _SET_METRICS}
    missing = {name: file for name, file in needed.items() if not file.path.is_file()}
    if not missing or len(missing) == len(wanted):
        return wanted
    log.warning(
        "without %s: %s missing (`--metrics %s` says where to get it)",
        " and ".join(missing),
        " and ".join(f"`{file.path}`" for file in missing.values())
        + (" is" if len(missing) == 1 else " are"),
        next(iter(missing)),
    )
    return [name for name in wanted if name not in missing]


def _rivals(
    way: Procedure,
    models: Sequence[str | Path],
    sizes: Sequence[int] | None,
    temperatures: Sequence[float] | None,
    *,
    seeds: bool,
) -> list[_Rival]:
    rivals = [_Rival("grey", None, GreyEngine())]
    for model, name in zip(models, short_names(models), strict=True):
        if is_results(model):
            results = Results(Path(model), way.fit)
            rivals.append(_Rival(name, results.sha256, GreyEngine(), results=results))
            continue
        loaded = load_model(model)
        recipe = recipe_of(model) if seeds else None
        rivals += [
            _Rival(name, loaded.sha256, each, recipe)
            for each in variants(loaded.engine, sizes, temperatures)
        ]
    return rivals


def _check(
    way: Procedure,
    limit: int | None,
    sizes: Sequence[int] | None,
    temperatures: Sequence[float] | None,
) -> None:
    if way.short_side < MIN_SIDE:
        raise OptionError(f"`short_side` is {way.short_side} but must be at least {MIN_SIDE}")
    if sizes and way.alone:
        raise OptionError(
            f"`size` is {', '.join(map(str, sizes))} but the protocol `{way.name}` shows networks "
            "the whole picture at its own size: leave it out, or use the protocol `colorizer`"
        )
    if limit is not None and limit < _MIN_PICTURES:
        raise OptionError(f"`limit` is {limit} but must be at least {_MIN_PICTURES}")
    for size in sizes or ():
        if size < 1:
            raise OptionError(f"`size` is {size} but must be at least 1")
    for temperature in temperatures or ():
        if not (temperature > 0 and math.isfinite(temperature)):
            raise OptionError(f"`temperature` is {temperature:g} but must be above 0")


def _measure(
    way: Procedure,
    rivals: Sequence[_Rival],
    scores: Scored,
    progress: Callable[[int, int], None] | None,
    keeper: Unfinished | None,
) -> None:
    """Let every rival colour every picture; tallies and set metrics keep the scores."""
    originals = scores.pictures
    colorers = [_colorer(way, rival, originals.names) for rival in rivals]
    with ThreadPoolExecutor(max(1, min(len(rivals), os.cpu_count() or 1))) as pool:
        for pixels in originals:
            colored = [color(pixels) for color in colorers]
            original = Measured(pixels)
            scored = [
                pool.submit(tally.add, picture, original)
                for tally, picture in zip(scores.tallies, colored, strict=True)
            ]
            for metric in scores.set_metrics.values():
                metric.update(pixels, [picture.pixels for picture in colored])
            for one in scored:
                one.result()
            if keeper is not None:
                keeper.save(scores)
            if progress is not None:
                progress(len(originals.names), len(originals))
    if keeper is not None:
        keeper.save(scores, now=True)  # the report itself may fail, or have no room


def _colorer(way: Procedure, rival: _Rival, names: Sequence[str]) -> Callable[[Picture], Measured]:
    """Return what colours the picture whose name is the last of ``names``."""
    results = rival.results
    if results is None:
        return way.color(rival.engine)
    if way.alone:
        return lambda pixels: results.of(names[-1], pixels)
    return lambda pixels: Measured(results.of(names[-1], pixels).pixels)


def _question(
    way: Procedure,
    rivals: Sequence[_Rival],
    limit: int | None,
    backends: dict[str, MetricBackend],
    commit: str | None,
) -> dict[str, object]:
    """Return what scores depend on, but for the pictures: scores of two do not mix."""
    return {
        "version of koalarize": [koalarize.__version__, commit],
        "set of models": [rival.sha256 for rival in rivals],
        "size or temperature": [
            [rival.engine.info.size, rival.engine.info.temperature] for rival in rivals
        ],
        "protocol": [way.name, way.resize],
        "limit": limit,
        "set of metrics": {name: dataclasses.asdict(used) for name, used in backends.items()},
    }


def _report(
    protocol: Protocol,
    way: Procedure,
    rivals: Sequence[_Rival],
    tallies: Sequence[Tally],
    set_metrics: dict[str, SetMetric],
) -> Report:
    table = [tally.scores() for tally in tallies]
    for name, metric in set_metrics.items():
        for scores, score in zip(table, metric.compute(), strict=True):
            scores[name] = score
    original = tallies[0].originals()
    rows = [
        dataclasses.replace(
            row,
            scores={name: _finite(table[i][name]) for name in protocol.metrics},
            relative=_relative(protocol, table[i], table[0], original)
            | {
                metric_of(name).relative: _finite(tallies[i].gain(tallies[0], name))
                for name in protocol.metrics
                if metric_of(name).beside == "minus grey"
            }
            | {name: _finite(value) for name, value in tallies[i].beside().items()},
        )
        for i, row in enumerate(_rows(way, rivals))
    ]
    return Report(protocol, original, rows)


def _rows(way: Procedure, rivals: Sequence[_Rival]) -> list[Row]:
    """Return the report's rows, still without scores."""
    return [
        Row(
            model=rival.model,
            sha256=rival.sha256,
            size=_size_of(way, rival) if i else None,
            temperature=rival.engine.info.temperature
            if rival.engine.info.output == "logits"
            else None,
            scores={},
        )
        for i, rival in enumerate(rivals)
    ]


def _size_of(way: Procedure, rival: _Rival) -> int | None:
    """Return at what shorter side a rival's network looked; None if that is not known."""
    if rival.results is not None:
        return None
    return way.side if way.alone else rival.engine.info.size


def _trained(way: Procedure, rivals: Sequence[_Rival]) -> list[Trained]:
    """Return what is known of the training of each rival but grey."""
    rows = zip(_rows(way, rivals), rivals, strict=True)
    return [
        Trained(row.model, row.sha256, row.size, row.temperature, rival.recipe)
        for row, rival in rows
    ][1:]


def _single(
    tallies: Sequence[Tally], set_metrics: dict[str, SetMetric]
) -> list[dict[str, list[float]]]:
    """Return for each rival metric -> the score of each picture, of those that a picture has."""
    single = [tally.single() for tally in tallies]
    for name, metric in set_metrics.items():
        for scores, own in zip(single, metric.single(), strict=True):
            if own:
                scores[name] = own
    return single


def _relative(
    protocol: Protocol, scores: dict[str, float], grey: dict[str, float], original: dict[str, float]
) -> dict[str, float | None]:
    relative: dict[str, float | None] = {}
    for name in protocol.metrics:
        metric = metric_of(name)
        if metric.beside != "minus grey":
            reference = grey if metric.beside == "of grey" else original
            relative[metric.relative] = _share(scores[name], reference[name])
    return relative


def _share(score: float, reference: float) -> float | None:
    return _finite(score / reference) if reference else None


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _backend(name: str) -> MetricBackend:
    metric = metric_of(name)
    kind = _SET_METRICS.get(name)
    source = source_of(name) if is_own(name) else None
    return MetricBackend(
        metric.backend,
        source and source.name if kind is None else kind.weights.file,
        source and sha256_of(source) if kind is None else kind.weights.sha256,
        unit=metric.unit,
        better=metric.better,
    )


def _command(
    models: Sequence[str | Path],
    data: Path,
    way: Procedure,
    limit: int | None,
    metrics: Sequence[str],
    sizes: Sequence[int] | None,
    temperatures: Sequence[float] | None,
) -> str:
    words = [
        "koalarize",
        "lab",
        "evaluate",
        *short_names(models),
        "--data",
        data.resolve().name,
    ]
    words += ["--protocol", way.name] if way.alone else []
    words += ["--short-side", str(way.short_side)] if way.side is None else []
    words += ["--limit", str(limit)] if limit is not None else []
    words += ["--size", ",".join(map(str, sizes))] if sizes else []
    words += ["--temperature", ",".join(f"{t:g}" for t in temperatures)] if temperatures else []
    words += ["--metrics", ",".join(metrics)]
    return shlex.join(words)
