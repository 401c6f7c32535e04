"""Networks in ONNX files: batches, bins of their own, providers."""

import os
from pathlib import Path

import numpy as np
import pytest
from engine_parts import CENTRES, written

from koalarize.color import Bins, default_bins
from koalarize.engines.onnx import OnnxEngine
from koalarize.engines.session import open_session
from koalarize.errors import ModelError, OptionError


def lightness(batch):
    return np.random.default_rng(0).uniform(0, 100, (batch, 8, 12)).astype(np.float32)


@pytest.mark.parametrize("takes_hints", [False, True])
@pytest.mark.parametrize("output", ["logits", "ab"])
def test_a_batch_is_its_pictures_one_by_one(tmp_path, takes_hints, output):
    engine = OnnxEngine(written(tmp_path / "a.onnx", takes_hints=takes_hints, output=output))
    given = lightness(3)
    hints = np.random.default_rng(1).uniform(-50, 50, (3, 3, 8, 12)).astype(np.float32)
    together = engine.run(given, hints)
    assert together.ab.shape == (3, 2, 8, 12)
    assert (together.logits is None) == (output == "ab")
    for number in range(3):
        alone = engine.run(given[number : number + 1], hints[number : number + 1]).of(0)
        assert np.allclose(together.of(number).ab, alone.ab, atol=1e-4)
    changed = not np.array_equal(engine.run(given, None).ab, together.ab)
    assert changed == takes_hints


class TestBins:
    def test_a_file_s_own_are_taken(self, tmp_path):
        engine = OnnxEngine(written(tmp_path / "a.onnx"))
        assert engine.info.bins == Bins(np.float32(CENTRES))
        found = engine.run(lightness(1), None)
        assert found.logits is not None
        assert found.logits.shape[1] == len(CENTRES)
        expected = Bins(np.float32(CENTRES)).decode(found.logits, temperature=0.5)
        assert np.array_equal(found.ab, expected)

    def test_those_of_koalarize_are_shared(self, tmp_path):
        path = written(tmp_path / "a.onnx", centres=default_bins().centres.tolist())
        assert OnnxEngine(path).info.bins is default_bins()

    @pytest.mark.parametrize("centres", [[], [1.0, 2.0], [[1.0, 2.0, 3.0]], [[float("nan"), 0.0]]])
    def test_what_is_no_list_of_colours_is_refused(self, tmp_path, centres):
        path = written(tmp_path / "a.onnx", centres=centres, logits=3)
        with pytest.raises(ModelError, match="does not describe itself"):
            OnnxEngine(path)

    def test_there_is_one_logit_for_each(self, tmp_path):
        path = written(tmp_path / "a.onnx", logits=5)
        with pytest.raises(ModelError, match="names 3 ab bins but has 5 logits"):
            OnnxEngine(path)


class TestWhatAFileSays:
    @pytest.mark.parametrize("name", ["stride", "size", "fixed_size"])
    @pytest.mark.parametrize("value", [0, -8, float("inf"), 10**9])
    def test_sides_that_are_none(self, tmp_path, name, value):
        with pytest.raises(ModelError, match="does not describe itself"):
            OnnxEngine(written(tmp_path / "a.onnx", **{name: value}))

    @pytest.mark.parametrize("name", ["temperature", "chroma_gain"])
    @pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
    def test_factors_that_are_none(self, tmp_path, name, value):
        with pytest.raises(ModelError, match="does not describe itself"):
            OnnxEngine(written(tmp_path / "a.onnx", **{name: value}))

    def test_lists_without_an_end(self, tmp_path):
        path = written(tmp_path / "a.onnx", said="[" * 100_000)
        with pytest.raises(ModelError, match="does not describe itself"):
            OnnxEngine(path)

    def test_a_name_that_is_no_text(self, tmp_path):
        path = written(tmp_path / "a.onnx").rename(tmp_path / os.fsdecode(b"a\xff.onnx"))
        with pytest.raises(ModelError, match=r"its name is not in UTF-8.*rename the file"):
            OnnxEngine(path)


class TestProviders:
    def test_one_that_is_not_there(self, tmp_path):
        path = written(tmp_path / "a.onnx")
        with pytest.raises(OptionError, match=r"`Abacus` is not there.*CPUExecutionProvider"):
            OnnxEngine(path, provider="Abacus")

    @pytest.mark.filterwarnings("ignore:Specified provider")
    def test_another_one_never_takes_its_place_in_silence(self, tmp_path, monkeypatch):
        import onnxruntime

        known = ["CUDAExecutionProvider", "CPUExecutionProvider"]
        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            pytest.skip("this ONNX Runtime knows the provider")
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: known)
        with pytest.raises(OptionError, match="cannot be used on this machine"):
            OnnxEngine(written(tmp_path / "a.onnx"), provider="CUDAExecutionProvider")


def test_the_runtime_is_told_to_send_nothing(tmp_path, monkeypatch):
    """Where a program has imported it before koalarize, it sends already."""
    import onnxruntime

    told = []
    monkeypatch.setattr(onnxruntime, "disable_telemetry_events", lambda: told.append(True))
    OnnxEngine(written(tmp_path / "a.onnx"))
    assert told


_SAID = "[ONNXRuntimeError] : 1 : FAIL : Load model from /home/me/m.onnx failed:"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (
            "/onnxruntime_src/onnxruntime/core/graph/model_load_utils.h:46 void onnxruntime::f() "
            "Opset 99 is under development. Current official support for domain ai.onnx is till "
            "opset 28.\n",
            "is of ONNX's operator set 99 but this ONNX Runtime reads up to 28: export it with an",
        ),
        (
            "/onnxruntime_src/onnxruntime/core/graph/model.cc:256 onnxruntime::Model::Model(int&&) "
            "Unsupported model IR version: 99, max supported IR version: 14\n",
            "is of ONNX's format 99 but this ONNX Runtime reads up to 14: export it with an older",
        ),
        (
            "This is an invalid model. In Node, 3",
            "ONNX model: This is an invalid model. In Node, 3",
        ),
    ],
)
def test_what_onnx_runtime_says_of_a_file_is_told_in_plain_words(
    theirs: str, ours: str, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*args: object, **options: object) -> None:
        raise RuntimeError(_SAID + theirs)

    monkeypatch.setattr("onnxruntime.InferenceSession", refuse)
    with pytest.raises(ModelError) as raised:
        open_session(Path("m.onnx"), trusted=True)
    assert ours in str(raised.value)
    assert "onnxruntime::" not in str(raised.value)
    assert "/home/me" not in str(raised.value)
