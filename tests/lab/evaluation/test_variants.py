"""One network at several settings: what is decoded anew, and what is not."""

from dataclasses import replace

import numpy as np

from fakes import ClassifyingEngine
from koalarize.engines.engine import Prediction
from koalarize.lab.evaluation.variants import variants


class Both(ClassifyingEngine):
    """Answers ab of its own, and says beside that how likely colours are."""

    def __init__(self):
        super().__init__()
        self.info = replace(self.info, output="ab", classifies=True)

    def one(self, lightness, hints):
        return Prediction(np.full((2, 4, 4), 7, np.float32), super().one(lightness, hints).logits)


def test_a_model_that_answers_ab_is_scored_by_its_ab():
    (one,) = variants(Both(), None, [0.4, 1.0])
    assert (one.run(np.full((1, 32, 32), 50, np.float32), None).ab == 7).all()
