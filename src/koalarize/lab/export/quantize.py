"""Smaller and faster exports: weights of 16 bits, or convolutions of 8, checked by their colours.

Not here: exporting a checkpoint at full precision (``export``), comparing colours (``drift``).
No lighter model is written before its pictures have been compared with the fp32 model's.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from koalarize.engines.engine import METADATA_KEY, Engine, Overview
from koalarize.engines.onnx import OnnxEngine
from koalarize.errors import ModelError, OptionError, did_you_mean
from koalarize.lab.datasets.sources import load_pictures
from koalarize.lab.export.drift import Drift, Feed, Picture, Recorder, colored, drift_between
from koalarize.lab.export.export import check_target, export, settings_of, strip
from koalarize.models.store import find_model
from koalarize.photo.files import write_bytes

__all__ = [
    "MOST_DELTA_E",
    "PRECISIONS",
    "eight_bit",
    "export_lighter",
    "half",
]

#: What a model can be exported in; fp32 is what ``export`` writes.
PRECISIONS = ("fp32", "fp16", "int8")
#: Mean ΔE2000 from the fp32 model's pictures that a lighter model may have, unless told.
MOST_DELTA_E = 1.0
#: Pictures that a model is calibrated and compared on, unless told.
PICTURES = 96

_SMALL = 1024  # initialisers with fewer numbers save nothing worth a node

Progress = Callable[[int, int], None]


def export_lighter(
    source: str | Path,
    output: Path | None = None,
    *,
    precision: str,
    calibrate: Path | None,
    limit: int | None = None,
    most_delta_e: float | None = None,
    size: int | None = None,
    temperature: float | None = None,
    chroma_gain: float | None = None,
    overview: Overview | None = None,
    progress: Progress | None = None,
) -> tuple[Path, Drift]:
    """Export a model in fewer bits, if its pictures stay near those of the fp32 model.

    Args:
        source: a checkpoint of ``koalarize lab train``, an exported fp32 .onnx file, or a name of
            ``koalarize models``.
        output: the file to write; by default ``NAME-PRECISION.onnx`` beside the source's file, or
            in the working folder for a name. One that exists is replaced.
        precision: ``fp16`` (weights of 16 bits, computed with in 32) or ``int8``.
        calibrate: photos, as ``lab.datasets`` loads them: they say which values int8 has to
            hold, and are what the comparison colours.
        limit: at most this many of them; None takes ``PICTURES``.
        most_delta_e: mean ΔE2000 above which the model is refused; None is ``MOST_DELTA_E``.
        size: as of ``export``, and only for a checkpoint.
        temperature: the same.
        chroma_gain: the same.
        overview: the same.
        progress: called with how many pictures are coloured and how many there are to colour.

    Returns:
        The written file, and how far its colours are from the fp32 model's.

    Raises:
        OptionError: if a value is not allowed, or the output is the source.
        DataError: if there are no pictures.
        ModelError: if the source is no fp32 model, or its lighter colours are too far off.
        OutputError: if the file cannot be written, or is no model.
    """
    limit = PICTURES if limit is None else limit
    most_delta_e = MOST_DELTA_E if most_delta_e is None else most_delta_e
    pictures_from = _checked(precision, calibrate, limit, most_delta_e)
    changes = settings_of(size, temperature, chroma_gain, overview)
    path = Path(source)
    is_checkpoint = path.suffix.lower() == ".safetensors"
    target = output or path.with_name(f"{path.stem}-{precision}.onnx")
    exported = path if is_checkpoint else find_model(source)
    check_target(target, exported)
    with tempfile.TemporaryDirectory() as folder:
        if is_checkpoint:
            fp32 = Path(folder) / "fp32.onnx"
            exported = export(path, fp32, **changes)
        elif given := sorted(changes):
            raise OptionError(
                f"`--{given[0].replace('_', '-')}` is set but `{source}` is exported already: "
                "give its checkpoint, or leave the option out"
            )
        engine = OnnxEngine(exported)
        full, description = _read(exported)
        pictures = load_pictures(pictures_from, limit=limit, max_side=engine.info.size).arrays
        lighter, drift = _lightened(full, precision, engine, pictures, Path(folder), progress)
    if not drift.mean <= most_delta_e:
        raise ModelError(
            f"the {precision} model's colours are {drift.mean:.2f} ΔE2000 from the fp32 model's, "
            f"mean of {drift.pictures} pictures, but must be within {most_delta_e:g}: export fp16, "
            "calibrate on more pictures, or allow more"
        )
    description["name"] = f"{description['name']}-{precision}"
    description |= {"precision": precision, "drift": asdict(drift)}
    _describe(lighter, description)
    return write_bytes(lighter.SerializeToString(), target, overwrite=True), drift


def half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that stores its weights in 16 bits and computes with them in 32.

    Each large float32 initialiser becomes float16 behind a cast, which ONNX Runtime carries out
    once, as it loads the file: half the size, the same speed.

    Raises:
        ModelError: if a weight is too large for 16 bits, or not finite.
    """
    model = _copy(model)
    graph = model.graph
    casts: list[onnx.NodeProto] = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or int(np.prod(tensor.dims)) < _SMALL:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        if not np.abs(values).max() <= np.finfo(np.float16).max:
            raise ModelError(
                f"the weight `{name}` reaches {np.abs(values).max():.3g}, which 16 bits cannot "
                "hold: export fp32"
            )
        stored = f"{name}.fp16"
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(
            helper.make_node("Cast", [stored], [name], name=f"cast.{name}", to=TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model


def eight_bit(model: onnx.ModelProto, feeds: Sequence[Feed]) -> onnx.ModelProto:
    """Return a model whose dense convolutions multiply in 8 bits; the other weights have 16.

    Convolutions of more than one pixel over all channels are most of the work and, unlike an
    encoder's pointwise and depthwise ones, bear it; the first stays as it is, and the last unless
    it gives logits.
    Weights take 7 bits, a scale for each channel, so that processors without VNNI, whose sums of
    two products saturate at 16 bits, compute the same colours.

    Args:
        model: computing in float32.
        feeds: inputs of the graph, by name, that show which values occur.

    Raises:
        ModelError: if there is no such convolution.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain, prepared, done = (Path(folder) / f"{name}.onnx" for name in "abc")
        onnx.save(model, plain)
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            done,
            _Reader(feeds),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_quantize=_dense(onnx.load(prepared)),
        )
        quantized = onnx.load(done)
    strip(quantized)
    used = {node.domain for node in quantized.graph.node}
    imports = [entry for entry in quantized.opset_import if entry.domain in used]
    del quantized.opset_import[:]
    quantized.opset_import.extend(imports)
    return half(quantized)


class _Reader(CalibrationDataReader):
    """Hands the feeds to the calibration, one after the other."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._left = iter(feeds)

    def get_next(self) -> Any:
        return next(self._left, None)


def _checked(precision: str, calibrate: Path | None, limit: int, most_delta_e: float) -> Path:
    """Check the options; return where the pictures are."""
    lighter = PRECISIONS[1:]
    if precision not in lighter:
        raise OptionError(
            f"`precision` is `{precision}` but must be one of {', '.join(PRECISIONS)}"
            f"{did_you_mean(precision, PRECISIONS)}"
        )
    if calibrate is None:
        raise OptionError(
            f"`precision` is {precision}, which is compared with fp32 on pictures: "
            "name a folder of photos, as `--calibrate photos`"
        )
    if limit < 1:
        raise OptionError(f"`limit` is {limit} but must be at least 1, and best 64 or more")
    if not most_delta_e > 0:
        raise OptionError(f"`max-delta-e` is {most_delta_e:g} but must be above 0, as 1.0")
    return calibrate


def _lightened(
    full: onnx.ModelProto,
    precision: str,
    engine: Engine,
    pictures: Sequence[Picture],
    folder: Path,
    progress: Progress | None,
) -> tuple[onnx.ModelProto, Drift]:
    """Return the lighter model, and how far its colours are from the fp32 model's."""
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, 2 * len(pictures))

    recorder = Recorder(engine)
    expected = colored(recorder, pictures, tick)
    lighter = half(full) if precision == "fp16" else eight_bit(full, recorder.feeds)
    _describe(lighter, _read_description(full))
    candidate = folder / "lighter.onnx"
    onnx.save(lighter, candidate)
    return lighter, drift_between(expected, colored(OnnxEngine(candidate), pictures, tick))


def _dense(model: onnx.ModelProto) -> list[str]:
    """Return the nodes to compute in 8 bits, with the activations that follow them."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    results = {value.name for value in model.graph.output}
    convolutions = [
        node
        for node in model.graph.node
        # One plane to one is a blur of L*, which comes before the first that learns.
        if node.op_type == "Conv" and shapes.get(node.input[1], ())[:2] != (1, 1)
    ]
    chosen: list[onnx.NodeProto] = []
    for node in convolutions[1:]:
        shape = shapes.get(node.input[1], ())
        groups = next((entry.i for entry in node.attribute if entry.name == "group"), 1)
        dense = len(shape) == 4 and shape[2] * shape[3] > 1 and groups == 1
        if dense and node.output[0] not in results:
            chosen.append(node)
    if not chosen:
        raise ModelError(
            "the model has no dense convolution between its first and its last, so int8 would gain "
            "nothing: export fp16"
        )
    # 256 levels are plenty for what a softmax follows, but would show as bands in ab itself.
    chosen += [node for node in convolutions[1:] if node.output[0] == "logits"]
    made = {name for node in chosen for name in node.output}
    after = [
        node
        for node in model.graph.node
        if node.op_type in ("Relu", "Clip") and node.input[0] in made
    ]
    return [node.name for node in (*chosen, *after)]


def _read(path: Path) -> tuple[onnx.ModelProto, dict[str, Any]]:
    model = onnx.load(path)
    description = _read_description(model)
    precision = description.get("precision", "fp32")
    if precision != "fp32":
        raise ModelError(f"`{path}` is {precision} already: give the fp32 model it was made of")
    return model, description


def _read_description(model: onnx.ModelProto) -> dict[str, Any]:
    return json.loads(
        next(entry.value for entry in model.metadata_props if entry.key == METADATA_KEY)
    )


def _describe(model: onnx.ModelProto, description: dict[str, Any]) -> None:
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(description)


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy
