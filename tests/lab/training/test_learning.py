"""What runs learn, and what they tell of it: history, validation, losses, precision."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from koalarize import color
from koalarize.errors import DataError, OptionError, OutputError
from koalarize.lab.datasets.sources import Pictures, load_pictures
from koalarize.lab.runs.checkpoint import build_network, load_checkpoint
from koalarize.lab.training import devices, resume
from koalarize.lab.training import train as room
from koalarize.lab.training.network import network_of
from koalarize.lab.training.train import train_recipe
from runs import (
    KilledError,
    differing,
    history_of,
    kill_run_after,
)


@pytest.fixture
def kill_after():
    with pytest.MonkeyPatch.context() as patch:
        yield lambda *limits: kill_run_after(patch, *limits)


class TestHistory:
    def test_one_row_a_segment(self, tiny, photos, tmp_path):
        data = {"train": str(photos), "validation": str(photos), "workers": 0}
        recipe = tiny(data=data | {"validation_pictures": 2}, validate_every=2)
        train_recipe(recipe, tmp_path)
        rows = history_of(tmp_path)
        assert list(rows[0])[:5] == ["step", "samples", "epoch", "loss", "seconds"]
        assert [(row["step"], row["samples"]) for row in rows] == [
            ("1", "2"),
            ("4", "8"),
            ("8", "16"),
            ("10", "20"),
        ]
        assert [bool(row["validation/psnr"]) for row in rows] == [False, False, True, False]
        assert float(rows[2]["epoch"]) == pytest.approx(16 / 7)
        seconds = [float(row["seconds"]) for row in rows]
        assert seconds == sorted(set(seconds))
        assert all(math.isfinite(float(row["loss"])) for row in rows)

    def test_the_last_and_shorter_segment_is_validated(self, tiny, photos, tmp_path):
        data = {"train": str(photos), "validation": str(photos), "workers": 0}
        recipe = tiny(data=data | {"validation_pictures": 1}, validate_every=1, steps=6)
        train_recipe(recipe, tmp_path)
        rows = history_of(tmp_path)
        assert [(row["step"], bool(row["validation/psnr"])) for row in rows] == [
            ("1", False),
            ("4", True),
            ("6", True),
        ]

    def test_the_learning_rate_stands_in_it(self, tiny, tmp_path):
        """Of each row's last step: a warm-up of three steps to 0.01, then a cosine over ten."""
        train_recipe(tiny(), tmp_path)
        rates = [float(row["learning_rate"]) for row in history_of(tmp_path)]
        cosine = [0.5 * (1 + math.cos(math.pi * step / 10)) for step in (0, 3, 7, 9)]
        warm = (1 / 3, 1, 1, 1)
        expected = [0.01 * w * c for w, c in zip(warm, cosine, strict=True)]
        assert rates == pytest.approx(expected, rel=1e-6)

    def test_a_segment_of_one_step_is_one_row(self, tiny, tmp_path):
        train_recipe(tiny(segment=1, steps=2), tmp_path)
        assert [row["step"] for row in history_of(tmp_path)] == ["1", "2"]

    def test_a_run_that_goes_on_writes_no_step_twice(self, tiny, tmp_path, kill_after):
        train_recipe(tiny(), tmp_path / "straight")
        kill_after(9)
        with pytest.raises(KilledError):
            train_recipe(tiny(), tmp_path / "stopped")
        path = tmp_path / "stopped" / "history.csv"
        with path.open("a") as file:  # as if killed between this file and the state
            file.write("10,20,2.857,0.5,99\n")
        kill_after(None)
        train_recipe(tiny(), tmp_path / "stopped", resume=True)
        first, second = (history_of(tmp_path / name) for name in ("straight", "stopped"))
        for name in ("step", "samples", "epoch", "loss"):
            assert [row[name] for row in first] == [row[name] for row in second]
        assert float(second[-1]["seconds"]) < 99

    def test_what_is_no_history_is_not_written_over(self, tiny, tmp_path):
        (tmp_path / "history.csv").write_text("of,something,else\n1,2,3\n")
        with pytest.raises(OutputError, match="it is not the history of a run"):
            train_recipe(tiny(), tmp_path)
        assert (tmp_path / "history.csv").read_text() == "of,something,else\n1,2,3\n"


class TestLosses:
    @pytest.mark.parametrize("name", ["l1", "ssim", "combined"])
    def test_each_is_learnt_by(self, tiny, tmp_path, name):
        recipe = tiny(loss={"name": name}, crop={"sizes": [32]}, steps=24, segment=8)
        train_recipe(recipe, tmp_path)
        losses = [float(row["loss"]) for row in history_of(tmp_path)]
        assert losses[-1] < losses[0]

    def test_koala_may_learn_by_its_colors(self, tiny, tmp_path):
        """A network that classifies compares what it will predict, at the recipe's temperature."""
        recipe = tiny(
            network={"name": "koala", "options": {"context": 16, "widths": [[16, 8]] * 3}},
            crop={"sizes": [32]},
            loss={"name": "l1"},
            temperature=0.3,
            steps=2,
        )
        assert network_of(recipe).temperature == 0.3
        loaded = load_checkpoint(train_recipe(recipe, tmp_path))
        assert loaded.network.temperature == 0.3


class TestLearning:
    @pytest.mark.parametrize("name", ["unet-mini", pytest.param("koala", marks=pytest.mark.slow)])
    def test_one_picture_overfits(self, tiny, tmp_path, caplog, name):
        caplog.set_level(logging.INFO, "koalarize")
        one = tmp_path / "one"
        one.mkdir()
        pixels = np.zeros((32, 32, 3), np.uint8)
        pixels[:, :16] = (200, 40, 40)
        pixels[:, 16:] = (40, 60, 190)
        Image.fromarray(pixels).save(one / "a.png")
        networks = {
            "unet-mini": {"name": name, "options": {"widths": [8, 12, 16], "dropout": 0.0}},
            "koala": {"name": name, "options": {"context": 32, "widths": [[32, 16]] * 3}},
        }
        recipe = tiny(
            network=networks[name],
            data={"train": str(one), "workers": 0},
            crop={"sizes": [32], "area": [1.0, 1.0], "ratio": [1.0, 1.0], "flip": False},
            loss={"name": "mse" if name == "unet-mini" else "rebalanced-cross-entropy"},
            steps=120,
            segment=40,
            ema=0.8,
        )
        path = train_recipe(recipe, tmp_path / "run")
        found = [
            float(record.getMessage().partition("loss ")[2].partition(",")[0])
            for record in caplog.records
            if record.getMessage().startswith("step ")
        ]
        assert len(found) == 3
        # Soft targets have an entropy of their own, which no prediction comes below.
        assert found[2] < (0.5 if name == "unet-mini" else 0.7) * found[0]
        lab = color.srgb_to_lab(pixels).transpose(2, 0, 1)
        with torch.inference_mode():
            ab = load_checkpoint(path).network(torch.from_numpy(lab[None, :1]))[0].numpy()
        off = np.hypot(*(ab - lab[1:]))[:, [4, 27]].mean()
        assert off < 15, off  # two reds and blues 160 apart


class TestValidation:
    def test_it_goes_through_the_colorizer(self, tiny, photos, tmp_path, caplog):
        caplog.set_level(logging.INFO, "koalarize")
        data = {"train": str(photos), "validation": str(photos), "workers": 0}
        data["validation_pictures"] = 3
        recipe = tiny(data=data, validate_every=1, steps=8)
        train_recipe(recipe, tmp_path / "validated")
        lines = [r.getMessage() for r in caplog.records if r.getMessage().startswith("validation")]
        assert [line.partition(":")[0] for line in lines] == [
            "validation after step 4",
            "validation after step 8",
        ]
        assert "psnr" in lines[0]
        assert "colorfulness" in lines[0]
        # Looking at pictures changes nothing of the training.
        train_recipe(tiny(steps=8), tmp_path / "plain")
        weights = [
            load_file(tmp_path / name / "model.safetensors") for name in ("validated", "plain")
        ]
        assert differing(*weights) == []

    def test_scores_and_pictures_stand_in_tensorboard(self, tiny, photos, tmp_path):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        data = {"train": str(photos), "validation": str(photos), "workers": 0}
        recipe = tiny(data=data, validate_every=1, steps=4)
        train_recipe(recipe, tmp_path)
        events = EventAccumulator(str(tmp_path / "tensorboard"))
        events.Reload()
        scalars, images = events.Tags()["scalars"], events.Tags()["images"]
        scores = {"loss", "ssim", "inverse-ssim", "psnr", "colorfulness"}
        assert {f"validation/{name}" for name in scores} <= set(scalars)
        assert {"train/loss", "train/learning_rate", "train/wait_share"} <= set(scalars)
        assert [event.step for event in events.Scalars("train/loss")] == [1, 4]
        assert all(math.isfinite(event.value) for event in events.Scalars("train/loss"))
        assert events.Scalars("train/learning_rate")[0].value == pytest.approx(0.01 / 3)
        assert "validation/0" in images
        (psnr,) = events.Scalars("validation/psnr")
        assert psnr.step == 4
        assert math.isfinite(psnr.value)
        shown = events.Images("validation/0")[0]
        assert shown.step == 4
        assert (shown.width, shown.height) == (2 * 56, 40)


@pytest.mark.parametrize(("steps", "told"), [(1, True), (2, False)])
def test_a_run_that_ends_before_its_rate_has_risen_says_so(tiny, tmp_path, caplog, steps, told):
    optimizer = {"learning_rate": 0.01, "warmup": 2}
    train_recipe(tiny(steps=steps, segment=steps, optimizer=optimizer), tmp_path)
    assert ("`optimizer.warmup` is 2 but `steps` 1: the run ends" in caplog.text) == told


class TestSplit:
    """Pictures held out of the training, as the first article holds out 1,000."""

    def test_they_are_not_learnt_from(self):
        arrays = [np.full((16, 16, 3), n, np.uint8) for n in range(20)]
        pictures = Pictures(list(arrays))
        held_out = room.hold_out(pictures, 6, seed=3)
        names = [[int(a[0, 0, 0]) for a in part] for part in (pictures.arrays, held_out)]
        assert sorted(names[0] + names[1]) == list(range(20))
        assert names[0] == sorted(names[0])
        assert len(names[1]) == 6
        again, other = (Pictures(list(arrays)) for _ in range(2))
        same = room.hold_out(again, 6, seed=3)
        assert [a[0, 0, 0] for a in same] == names[1]
        assert {int(a[0, 0, 0]) for a in room.hold_out(other, 6, seed=4)} != set(names[1])

    def test_a_run_validates_with_them(self, tiny, photos, tmp_path, caplog):
        caplog.set_level(logging.INFO, "koalarize")
        data = {"train": str(photos), "workers": 0, "validation": {"split": 2}, "limit": 4}
        recipe = tiny(data=data, validate_every=1, steps=4)
        path = train_recipe(recipe, tmp_path)
        assert "4 pictures to learn from" in caplog.text
        assert history_of(tmp_path)[-1]["validation/loss"]
        assert load_checkpoint(path).recipe.data == recipe.data

    def test_some_must_be_left(self, tiny, photos, tmp_path):
        data = {"train": str(photos), "workers": 0, "validation": {"split": 7}}
        with pytest.raises(DataError, match=r"split` is 7 but 7 in all can be used"):
            train_recipe(tiny(data=data, validate_every=1), tmp_path)

    def test_a_split_has_a_picture(self, tiny, photos):
        with pytest.raises(OptionError, match=r"`data\.validation\.split` is 0"):
            tiny(data={"train": str(photos), "validation": {"split": 0}})


class TestBest:
    def test_the_weights_of_the_lowest_validation_loss(self, tiny, photos, tmp_path, kill_after):
        data = {"train": str(photos), "workers": 0, "validation": {"split": 2}}
        changes = {"data": data, "validate_every": 1, "steps": 24, "ema": 0.0}
        # The rate is so high that the run gets worse on the way.
        recipe = tiny(**changes, optimizer={"learning_rate": 0.3, "warmup": 0})
        train_recipe(recipe, tmp_path / "straight")
        rows = [row for row in history_of(tmp_path / "straight") if row["validation/loss"]]
        losses = [float(row["validation/loss"]) for row in rows]
        best = load_checkpoint(tmp_path / "straight" / "best.safetensors")
        at = losses.index(min(losses))
        assert 0 <= at < len(losses) - 1, losses
        assert best.facts["steps"] == int(rows[at]["step"])
        assert best.facts["validation/loss"] == pytest.approx(min(losses), rel=1e-6)
        kill_after(4 * (at + 1) + 1)
        with pytest.raises(KilledError):
            train_recipe(recipe, tmp_path / "stopped")
        kill_after(None)
        train_recipe(recipe, tmp_path / "stopped", resume=True)
        weights = [load_file(tmp_path / n / "best.safetensors") for n in ("straight", "stopped")]
        assert differing(*weights) == []

    def test_another_loss_is_not_measured_by_the_lowest_of_the_former(
        self, tiny, photos, tmp_path, caplog
    ):
        data = {"train": str(photos), "workers": 0, "validation": {"split": 2}}
        same = {"data": data, "validate_every": 1, "ema": 0.0, "patience": 1}
        train_recipe(tiny(steps=4, **same), tmp_path)
        caplog.set_level(logging.INFO, "koalarize")
        train_recipe(tiny(steps=8, **same, loss={"name": "l1"}), tmp_path, resume=True)
        losses = [float(r["validation/loss"]) for r in history_of(tmp_path) if r["validation/loss"]]
        assert losses[1] > losses[0]  # a mean of absolute values is above that of their squares
        assert load_checkpoint(tmp_path / "best.safetensors").facts["steps"] == 8
        assert "the validation loss is another than before" in caplog.text

    def test_without_validation_nothing_begins_again(self, tiny, tmp_path, caplog):
        caplog.set_level(logging.INFO, "koalarize")
        train_recipe(tiny(steps=1, validate_every=1), tmp_path)
        then = tiny(steps=2, validate_every=1, loss={"name": "l1"})
        train_recipe(then, tmp_path, resume=True)
        assert "going on after step 1" in caplog.text
        assert "begins again" not in caplog.text

    @pytest.mark.parametrize(
        ("changes", "alike"),
        [
            ({"loss": {"name": "mse", "perceptual": 0.5}, "steps": 20, "patience": 3}, True),
            ({"loss": {"name": "mse", "beta": 0.5}}, False),
            ({"crop": {"sizes": [64]}}, False),
            ({"data": {"train": "elsewhere", "validation": {"split": 2}}}, True),
            ({"data": {"train": "photos", "validation": "others"}}, False),
        ],
    )
    def test_what_the_loss_hangs_on(self, tiny, changes, alike):
        data = {"train": "photos", "validation": {"split": 2}}
        first, then = (
            json.loads(json.dumps(dataclasses.asdict(tiny(**{"data": data, **more}))))
            for more in ({}, {"validate_every": 1} | changes)
        )
        assert resume._is_judged_alike(first, then) is alike
        del first["crop"]["flip"], first["loss"]["perceptual"]  # of an earlier version
        assert resume._is_judged_alike(first, then) is alike
        assert resume._is_judged_alike({}, then)

    def test_pictures_to_validate_with_are_known_by_their_bytes(self, tiny, photos, tmp_path):
        place, moved = (Path(shutil.copytree(photos, tmp_path / name)) for name in ("a", "b"))
        recipes = [
            tiny(
                steps=steps,
                validate_every=1,
                data={"train": str(photos), "workers": 0, "validation": str(folder)},
            )
            for steps, folder in ((4, place), (8, moved))
        ]
        train_recipe(recipes[0], tmp_path / "run")
        network = build_network(recipes[1].network)
        earlier = resume.earlier_run(tmp_path / "run" / "last.ckpt", recipes[1], network)
        assert not earlier.judged_alike
        assert earlier.validated_with(load_pictures(moved).sha256).judged_alike
        (moved / "0.png").write_bytes((moved / "1.png").read_bytes())
        assert not earlier.validated_with(load_pictures(moved).sha256).judged_alike
        same = resume.earlier_run(tmp_path / "run" / "last.ckpt", recipes[0], network)
        assert same.judged_alike
        assert not same.validated_with(load_pictures(moved).sha256).judged_alike  # at that place
        assert same.validated_with(None).judged_alike

    @pytest.mark.parametrize(("place", "said"), [("all/val", True), ("all", True), ("val", False)])
    def test_pictures_that_are_learnt_from_measure_nothing(
        self, tiny, tmp_path, caplog, place, said
    ):
        for name in ("all/val", "val"):
            (tmp_path / name).mkdir(parents=True)
        data = {"train": str(tmp_path / "all"), "validation": str(tmp_path / place)}
        room._check_sources(tiny(data=data, validate_every=1))
        assert ("are learnt from as well" in caplog.text) is said

    def test_a_missing_folder_names_null_too(self, tiny, tmp_path):
        data = {"train": str(tmp_path), "validation": "none"}
        with pytest.raises(
            DataError, match=r"`none` does not exist.*; `data\.validation: null` tr"
        ):
            room._check_sources(tiny(data=data, validate_every=1))

    def test_without_validation_there_is_none(self, tiny, tmp_path):
        train_recipe(tiny(steps=4), tmp_path)
        assert not (tmp_path / "best.safetensors").exists()


class TestPrecision:
    def test_what_the_recipe_asks_for_is_done_and_said(self):
        assert devices.choose_precision("fp32") == ("32-true", "the recipe asks for fp32")
        assert devices.choose_precision("bf16") == ("bf16-mixed", "the recipe asks for bf16")
        precision, reason = devices.choose_precision("auto")
        assert precision in ("32-true", "bf16-mixed")
        assert "CPU" in reason or "GPU" in reason


class TestPatience:
    @pytest.fixture
    def worse(self, tiny, photos):
        """Return the recipe of a run whose rate is so high that it gets worse on the way."""
        data = {"train": str(photos), "workers": 0, "validation": {"split": 2}}
        optimizer = {"learning_rate": 0.3, "warmup": 0}
        return lambda **changes: tiny(
            data=data, validate_every=1, steps=48, ema=0.0, optimizer=optimizer, **changes
        )

    def test_a_run_ends_when_the_loss_falls_no_more(self, worse, tmp_path, caplog):
        caplog.set_level(logging.INFO, "koalarize")
        train_recipe(worse(patience=2), tmp_path)
        losses = [float(r["validation/loss"]) for r in history_of(tmp_path) if r["validation/loss"]]
        best = losses.index(min(losses))
        assert len(losses) == best + 3 < 12
        assert "no lower loss in 2 validations; best.safetensors has" in caplog.text
        before = (tmp_path / "last.ckpt").read_bytes()
        train_recipe(worse(patience=2), tmp_path, resume=True)  # the run is finished
        assert (tmp_path / "last.ckpt").read_bytes() == before
        train_recipe(worse(), tmp_path, resume=True)
        assert load_checkpoint(tmp_path / "model.safetensors").facts["steps"] == 48

    def test_stopped_and_resumed_it_ends_at_the_same_step(self, worse, tmp_path, kill_after):
        train_recipe(worse(patience=3), tmp_path / "straight")
        steps = load_checkpoint(tmp_path / "straight" / "model.safetensors").facts["steps"]
        kill_after(steps - 2)
        with pytest.raises(KilledError):
            train_recipe(worse(patience=3), tmp_path / "stopped")
        kill_after(None)
        train_recipe(worse(patience=3), tmp_path / "stopped", resume=True)
        again = load_checkpoint(tmp_path / "stopped" / "model.safetensors").facts["steps"]
        assert again == steps

    def test_a_run_that_another_loss_ended_is_not_finished(self, worse):
        earlier = resume.EarlierRun(taken=20, epochs=None, steps=48, pictures=5, stale=2)
        assert earlier.is_finished(worse(patience=2))
        changed = dataclasses.replace(earlier, judged_alike=False)
        assert not changed.is_finished(worse(patience=2))

    def test_it_needs_a_validation(self, tiny):
        with pytest.raises(OptionError, match="`patience` is 2 but the run does not validate"):
            tiny(patience=2)


class TestClip:
    def test_the_norm_of_a_steps_gradients_is_bound(self, tiny, tmp_path):
        from torch.optim.optimizer import register_optimizer_step_post_hook

        norms = []

        def note(optimizer, *args, **options):
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            norms.append(float(torch.cat([p.grad.flatten() for p in parameters]).norm()))

        hook = register_optimizer_step_post_hook(note)
        try:
            train_recipe(tiny(steps=4), tmp_path / "free")
            clip = min(norms) / 4
            optimizer = {"learning_rate": 0.01, "warmup": 3, "clip": clip}
            train_recipe(tiny(steps=4, optimizer=optimizer), tmp_path / "clipped")
        finally:
            hook.remove()
        assert len(norms) == 8
        assert norms[4:] == pytest.approx([clip] * 4, rel=1e-3)

    def test_it_is_above_zero(self, tiny):
        with pytest.raises(OptionError, match=r"`optimizer\.clip` is 0.* but must be above 0"):
            tiny(optimizer={"clip": 0.0})
