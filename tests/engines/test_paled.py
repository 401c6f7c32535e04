"""Dark violets of a network's answers: which answers lose them, and what a file may say."""

from dataclasses import replace

import numpy as np
import pytest
from engine_parts import written

from fakes import ClassifyingEngine, logits_of
from koalarize.color import paled
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.engine import Prediction
from koalarize.engines.onnx import OnnxEngine
from koalarize.errors import ModelError
from koalarize.photo.photo import Photo

CENTRES = [[0.0, 0.0], [30.0, -27.0], [-20.0, 20.0]]  # the second a violet


def lightness(seed=3):
    return np.random.default_rng(seed).uniform(0, 60, (2, 8, 12)).astype(np.float32)


def test_answers_over_bins_lose_their_dark_violets_but_where_a_hint_asks_for_them(tmp_path):
    said = {"centres": CENTRES, "takes_hints": True}
    as_it_is = OnnxEngine(written(tmp_path / "as_it_is.onnx", violets=0.0, **said))
    usual = OnnxEngine(written(tmp_path / "usual.onnx", **said))
    assert (as_it_is.info.violets, usual.info.violets) == (0, 0.7)
    shown, hints = lightness(), np.zeros((2, 3, 8, 12), np.float32)
    hints[0, :, 2, 3] = 20, -18, 1  # in the first picture alone
    for given in (None, hints):
        answer = as_it_is.run(shown, given).ab
        np.testing.assert_array_equal(usual.run(shown, given).ab, paled(answer, shown, given))
    assert np.abs(paled(answer, shown) - paled(answer, shown, hints))[0].max() > 1
    assert np.abs(paled(answer, shown) - answer)[1].max() > 1


def test_a_network_that_answers_ab_is_shown_as_it_answers(tmp_path):
    engines = [
        OnnxEngine(written(tmp_path / f"{share}.onnx", output="ab", violets=share))
        for share in (0.0, 1.0)
    ]
    found = [engine.run(lightness(), None).ab for engine in engines]
    np.testing.assert_array_equal(*found)


class Violet(ClassifyingEngine):
    """Holds violet likely everywhere."""

    def one(self, lightness, hints):
        logits = logits_of({(30, -27): 0.9, (0, 0): 0.1}, *(side // 4 for side in lightness.shape))
        return Prediction(self.info.bins.decode(logits), logits)


def test_the_best_answer_loses_its_dark_violets_too():
    pixels = np.random.default_rng(4).integers(0, 256, (112, 128), dtype=np.uint8)
    found = []
    for share in (0.0, 1.0):
        engine = Violet()
        engine.info = replace(engine.info, violets=share)
        look = Colorizer(engine).look(Photo(pixels))
        found.append(look.answers.plain(best=True).prediction.ab)
    assert np.abs(found[0] - found[1]).max() > 1


def test_other_peoples_models_are_shown_as_they_answer(tmp_path):
    way = {"side": 256, "upsampling": "bilinear"}
    engine = OnnxEngine(written(tmp_path / "theirs.onnx", centres=CENTRES, authors=way))
    assert engine.info.violets == 0
    logits = engine.run(lightness(), None).logits
    expected = engine.info.bins.decode(logits, temperature=engine.info.temperature)
    np.testing.assert_array_equal(engine.run(lightness(), None).ab, expected)


@pytest.mark.parametrize("share", ["much", -0.1, 1.1, None, float("nan")])
def test_a_file_with_a_share_that_is_none_does_not_describe_itself(tmp_path, share):
    with pytest.raises(ModelError, match="does not describe itself"):
        OnnxEngine(written(tmp_path / "wrong.onnx", violets=share))
