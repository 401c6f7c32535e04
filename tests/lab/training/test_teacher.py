"""Learning from another model: which crops, what hints, and that a run nears its teacher.

Its colours may be learnt, or its distributions.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fakes import ClassifyingEngine, FakeEngine, logits_of
from foreign_parts import tiny as tiny_onnx
from koalarize import color
from koalarize.engines.engine import Prediction
from koalarize.errors import DataError, ModelError, OptionError
from koalarize.lab.runs.checkpoint import build_network, load_checkpoint
from koalarize.lab.runs.teacher_options import TeacherOptions
from koalarize.lab.training import teacher
from koalarize.lab.training.module import ColorizationModule
from koalarize.lab.training.teacher import Teacher
from koalarize.lab.training.train import train_recipe
from runs import KilledError, assert_same_run, kill_run_after, make_photos, tiny_recipe


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return make_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture
def made(monkeypatch):
    """A teacher that finds everything (20, -10), and its engine."""
    engine = FakeEngine((20.0, -10.0), stride=8, size=32)
    monkeypatch.setattr(teacher, "open_model", lambda model: engine)

    def make(share):
        return Teacher(TeacherOptions("any", share)), engine

    return make


def batch(rows=6, side=24):
    rng = torch.Generator().manual_seed(0)
    lab = torch.rand(rows, 3, side, side, generator=rng) * 60 + 20
    hints = torch.zeros(rows, 3, side, side)
    hints[:, 2, 4:8, 4:8] = 1
    hints[:, :2] = lab[:, 1:] * hints[:, 2:]
    return lab, hints


def taught_rows(lab):
    expected = torch.tensor([20.0, -10.0]).view(1, 2, 1, 1)
    return [bool(torch.allclose(row[1:], expected[0], atol=1e-3)) for row in lab]


class TestTeach:
    def test_all_none_or_some(self, made):
        torch.manual_seed(0)
        lab, hints = batch()
        assert all(taught_rows(made(1)[0].teach(lab, hints, 0)[0]))
        assert made(0)[0].teach(lab, hints, 0)[0] is lab
        found = [sum(taught_rows(made(0.5)[0].teach(lab, hints, 0)[0])) for _ in range(20)]
        assert 0.3 < np.mean(found) / 6 < 0.7
        assert not any(taught_rows(lab))

    def test_grey_crops_learn_from_it_in_any_case(self, made):
        lab, hints = batch()
        lab[2, 1:] = 0.5
        assert taught_rows(made(0)[0].teach(lab, hints, 0)[0]) == [n == 2 for n in range(6)]

    def test_hints_tell_of_what_is_learnt(self, made):
        lab, hints = batch()
        _, told = made(1)[0].teach(lab, hints, 0)
        assert torch.equal(told[:, 2], hints[:, 2])
        assert torch.allclose(told[0, :2, 5, 5], torch.tensor([20.0, -10.0]))
        assert not told[:, :2, 10:].any()

    def test_lightness_is_left_and_seen(self, made):
        lab, hints = batch()
        learner, engine = made(1)
        found, _ = learner.teach(lab, hints, 0)
        assert torch.equal(found[:, 0], lab[:, 0])
        assert engine.seen[0][0].shape == (32, 32)
        assert engine.seen[0][1] is None

    def test_copies_take_the_hints_of_what_they_copy(self, made):
        lab, hints = batch()
        found, told = made(1)[0].teach(lab, hints, 2)
        assert taught_rows(found) == [True] * 4 + [False] * 2
        assert torch.equal(told[4:], told[2:4])


@pytest.fixture
def knowing(monkeypatch):
    """A teacher of distributions: red on the left of a crop, blue on its right."""
    engine = ClassifyingEngine()
    halves = [logits_of({ab: 0.9}, 4, 2) for ab in ((60, 40), (20, -60))]

    def run(lightness, hints):
        engine.seen = (lightness, hints)
        return Prediction(np.zeros((len(lightness), 2, 4, 4)), np.stack([np.dstack(halves)]))

    monkeypatch.setattr(engine, "run", run)
    monkeypatch.setattr(teacher, "open_model", lambda model: engine)

    def make(mirrored=False, bins=None):
        bins = bins or color.default_bins()
        options = TeacherOptions("any", learns="distributions", mirrored=mirrored)
        return Teacher(options, bins), engine

    return make


class TestDistributions:
    def asked(self, learner, side=4):
        lab, hints = batch(1, 16)
        like = torch.zeros(1, len(color.default_bins()), side, side)
        return learner.distributions(lab[:, :1], hints, like)

    def test_it_sees_crops_and_their_hints_as_they_are(self, knowing):
        learner, engine = knowing()
        lab, hints = batch(1, 16)
        found = self.asked(learner)
        np.testing.assert_array_equal(engine.seen[0], lab[:, 0])
        np.testing.assert_array_equal(engine.seen[1], hints)
        np.testing.assert_array_equal(found, learner._logits(*engine.seen))

    def test_the_mirrored_look_is_turned_back_and_averaged(self, knowing):
        plain, mirrored = self.asked(knowing()[0]), self.asked(knowing(mirrored=True)[0])
        torch.testing.assert_close(mirrored, (plain + plain.flip(-1)) / 2)

    def test_they_come_to_the_grid_of_the_network(self, knowing):
        found = self.asked(knowing()[0], 8)
        assert found.shape[-2:] == (8, 8)
        torch.testing.assert_close(
            found[..., 0], self.asked(knowing()[0])[:, :, [0, 0, 1, 1, 2, 2, 3, 3], 0]
        )

    @pytest.mark.parametrize("share", [0.25, 1.0])
    def test_the_divergence_takes_the_place_of_a_share_of_the_loss(
        self, photos, monkeypatch, share
    ):
        lab, hints = batch(2, 32)
        losses = []
        logged = {}
        for learns in (None, {"learns": "distributions", "share": share}):
            recipe = tiny_recipe(
                photos,
                network={"name": "koala", "options": {"context": 8, "widths": [[8, 8], [8, 8]]}},
                loss={"name": "rebalanced-cross-entropy"},
                teacher=learns,
            )
            torch.manual_seed(0)
            network = build_network(recipe.network)
            module = ColorizationModule(network, recipe, torch.ones(len(network.ab_bins)))
            monkeypatch.setattr(
                module, "log", lambda name, value, **_: logged.update([(name, value)])
            )
            monkeypatch.setattr(ColorizationModule, "learning_rate", 0.0)
            losses.append(float(module.training_step((lab, hints), 0).detach()))
        apart = float(logged["train/divergence"].detach())
        assert apart > 0.1
        assert losses[1] == pytest.approx((1 - share) * losses[0] + share * apart, rel=1e-4)


class TestRun:
    def test_it_comes_nearer_to_its_teacher(self, photos, tmp_path):
        path = tiny_onnx(tmp_path / "t.onnx", "l-to-ab", weights=([[0.0], [0.0]], [35.0, -25.0]))
        recipe = tiny_recipe(
            photos, teacher={"model": str(path), "share": 1.0}, steps=60, segment=60, ema=0.0
        )
        network = load_checkpoint(train_recipe(recipe, tmp_path / "run")).network
        with torch.no_grad():
            ab = network(torch.full((1, 1, 32, 32), 50.0)).mean((0, 2, 3))
        assert float((ab - torch.tensor([35.0, -25.0])).norm()) < 15

    def test_bins_are_taught_softly(self, photos, tmp_path):
        path = tiny_onnx(
            tmp_path / "t.onnx", "grey-to-ab", weights=(np.zeros((2, 3)), [40.0, 30.0])
        )
        small = {"context": 8, "widths": ((8, 8), (8, 8), (8, 8))}
        recipe = tiny_recipe(
            photos,
            network={"name": "koala", "options": small},
            loss={"name": "rebalanced-cross-entropy"},
            teacher={"model": str(path), "share": 1.0},
            crop={"sizes": [32]},
            steps=30,
            segment=30,
            ema=0.0,
        )
        network = load_checkpoint(train_recipe(recipe, tmp_path / "run")).network
        with torch.no_grad():
            likely = network.logits(torch.full((1, 1, 64, 64), 50.0)).softmax(1).mean((0, 2, 3))
        mean = likely @ network.bins
        assert float((mean - torch.tensor([40.0, 30.0])).norm()) < 15

    def test_a_stopped_run_goes_on_as_it_would(self, photos, tmp_path, monkeypatch):
        path = tiny_onnx(tmp_path / "t.onnx", "l-to-ab")
        recipe = tiny_recipe(photos, teacher={"model": str(path), "share": 0.5})
        train_recipe(recipe, tmp_path / "straight")
        kill_run_after(monkeypatch, 6)
        with pytest.raises(KilledError):
            train_recipe(recipe, tmp_path / "stopped")
        kill_run_after(monkeypatch, None)
        train_recipe(recipe, tmp_path / "stopped", resume=True)
        assert_same_run(tmp_path / "straight", tmp_path / "stopped")


class TestMistakes:
    def test_what_is_learnt_is_known(self, photos):
        with pytest.raises(
            OptionError, match=r"`teacher\.learns` is 'color'.*did you mean `colors`"
        ):
            tiny_recipe(photos, teacher={"learns": "color"})

    def test_colors_are_not_averaged_with_mirrored_ones(self, photos):
        with pytest.raises(OptionError, match=r"`teacher\.mirrored` is set but"):
            tiny_recipe(photos, teacher={"mirrored": True})

    def test_a_network_of_ab_learns_no_distributions(self, photos):
        with pytest.raises(OptionError, match="`unet-mini` predicts ab itself: let it learn"):
            tiny_recipe(photos, teacher={"learns": "distributions"})

    def test_a_teacher_of_other_bins_has_none_to_teach(self, knowing, made):
        with pytest.raises(OptionError, match="`any`, which has no distributions over the bins"):
            knowing(bins=color.grid_bins(20))
        made(0)  # an engine that predicts ab
        with pytest.raises(OptionError, match="let its `colors` be learnt"):
            Teacher(TeacherOptions("any", learns="distributions"), color.default_bins())

    def test_a_share_that_is_none(self, photos):
        with pytest.raises(OptionError, match=r"`teacher\.share` is 1\.5 but must be in \[0, 1\]"):
            tiny_recipe(photos, teacher={"share": 1.5})

    def test_a_teacher_that_is_not_here(self, photos, tmp_path, monkeypatch):
        monkeypatch.setenv("KOALARIZE_HOME", str(tmp_path))
        recipe = tiny_recipe(photos, teacher={"model": "ddcolor-tiny"})
        with pytest.raises(ModelError, match="koalarize models download ddcolor-tiny"):
            train_recipe(recipe, tmp_path / "run")

    @pytest.mark.parametrize(
        "missing",
        [{"teacher": {"model": "no.onnx"}}, {"data": {"validation": "no"}, "validate_every": 1}],
    )
    def test_what_is_missing_is_said_before_the_pictures_are_read(self, tmp_path, missing):
        missing = {**missing, "data": {"train": str(tmp_path / "none"), **missing.get("data", {})}}
        with pytest.raises((ModelError, DataError), match=r"`no(\.onnx)?`.* does not exist"):
            train_recipe(tiny_recipe(tmp_path, **missing), tmp_path / "run")
        assert not (tmp_path / "run").exists()
