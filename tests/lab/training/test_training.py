"""Whole runs: stopped and resumed, what they leave, what they refuse."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import warnings
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from safetensors.torch import load_file

from koalarize.errors import DataError, ModelError, OptionError, OutputError
from koalarize.lab.datasets.alone import alone
from koalarize.lab.datasets.batches import Batches
from koalarize.lab.runs.checkpoint import load_checkpoint
from koalarize.lab.training import callbacks, resume
from koalarize.lab.training import train as room
from koalarize.lab.training.train import train, train_recipe
from runs import TINY, KilledError, assert_same_run, differing, history_of, kill_run_after, state_of

SAVES = (
    (resume.WholeFiles, "save_checkpoint"),
    (callbacks.Progress, "on_train_end"),
    (callbacks.SaveWeights, "write"),
)


@pytest.fixture
def kill_after():
    with pytest.MonkeyPatch.context() as patch:
        yield lambda *limits: kill_run_after(patch, *limits)


@pytest.fixture(scope="module")
def validated(tiny, photos, tmp_path_factory):
    """A validated run, and its recipe."""
    data = {"train": str(photos), "validation": {"split": 2}, "workers": 0}
    recipe = tiny(steps=2, validate_every=1, data=data)
    folder = tmp_path_factory.mktemp("validated")
    train_recipe(recipe, folder)
    return recipe, folder


class TestRun:
    def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_state_before(
        self, tiny, tmp_path, monkeypatch
    ):
        from koalarize.errors import ModelError
        from koalarize.lab.training import module

        real, calls = module._regression_loss, []

        def failing(found, ab, options):
            calls.append(1)
            loss = real(found, ab, options)
            return loss * float("nan") if len(calls) == 6 else loss

        monkeypatch.setattr(module, "_regression_loss", failing)
        with pytest.raises(ModelError, match=r"the loss is nan at step 5: .*if it is spoilt too"):
            train_recipe(tiny(), tmp_path / "run")
        kept = state_of(tmp_path / "run")
        assert kept["global_step"] == 4
        assert all(torch.isfinite(weight).all() for weight in kept["state_dict"].values())
        monkeypatch.undo()
        train_recipe(tiny(), tmp_path / "run", resume=True)
        assert state_of(tmp_path / "run")["global_step"] == 10

    @pytest.mark.parametrize("workers", [0, 1])
    @pytest.mark.parametrize("killed_after", [5, 8])
    def test_stopped_and_resumed_equals_straight(
        self, tiny, tmp_path, kill_after, workers, killed_after
    ):
        """The network has dropout; the last segment is shorter than the others."""
        recipe = tiny()
        recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, workers=workers))
        train_recipe(recipe, tmp_path / "straight")
        kill_after(killed_after)
        with pytest.raises(KilledError):
            train_recipe(recipe, tmp_path / "stopped")
        assert state_of(tmp_path / "stopped")["global_step"] == killed_after // 4 * 4
        kill_after(None)
        train_recipe(recipe, tmp_path / "stopped", resume=True)
        assert state_of(tmp_path / "stopped")["global_step"] == 10
        assert_same_run(tmp_path / "straight", tmp_path / "stopped")

    def test_the_batches_after_a_resume_are_those_that_were_left(self, tiny, tmp_path, kill_after):
        seen = []
        original = Batches.__getitem__

        def note(self, number):
            seen.append(number)
            return original(self, number)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Batches, "__getitem__", note)
            kill_after(6)
            with pytest.raises(KilledError):
                train_recipe(tiny(), tmp_path)
            assert seen[:6] == [0, 1, 2, 3, 4, 5]
            seen.clear()
            kill_after(None)
            train_recipe(tiny(), tmp_path, resume=True)
        assert list(dict.fromkeys(seen)) == [4, 5, 6, 7, 8, 9]

    @pytest.mark.parametrize("killed_after", [3, 7, 14, 17])
    def test_accumulated_gradients_too(self, tiny, tmp_path, kill_after, killed_after):
        """Six steps of three batches; killed at, before and within steps and segments."""
        recipe = tiny(
            optimizer={"learning_rate": 0.01, "warmup": 2, "accumulate": 3},
            crop={"sizes": [32, 16]},
            steps=6,
            segment=2,
        )
        straight = [*range(18)]
        assert self.batches_of(recipe, tmp_path / "straight") == straight
        kill_after(killed_after)
        with pytest.raises(KilledError):
            train_recipe(recipe, tmp_path / "stopped")
        if killed_after < 6:  # nothing had been saved
            assert not (tmp_path / "stopped" / "last.ckpt").exists()
        else:
            assert state_of(tmp_path / "stopped")["global_step"] == killed_after // 6 * 2
        kill_after(None)
        left = self.batches_of(recipe, tmp_path / "stopped", resume=True)
        assert left == straight[killed_after // 6 * 6 :]
        assert_same_run(tmp_path / "straight", tmp_path / "stopped")
        assert load_checkpoint(tmp_path / "stopped" / "model.safetensors").facts["samples"] == 36

    def batches_of(self, recipe, folder, **options):
        """Train, and return the numbers of the batches that were learnt from."""
        seen = []
        original = Batches.__getitem__

        def note(batches, number):
            seen.append(number)
            return original(batches, number)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Batches, "__getitem__", note)
            train_recipe(recipe, folder, **options)
        return seen

    def test_accumulation_equals_a_larger_batch(self, tiny, tmp_path):
        """Without dropout, and with one size of crops, two batches of 2 are one of 4."""
        network = {"name": "unet-mini", "options": {"widths": [4, 6, 8], "dropout": 0.0}}
        common = {"network": network, "crop": {"sizes": [32]}, "steps": 5}
        two = {"learning_rate": 0.01, "warmup": 3, "accumulate": 2}
        train_recipe(tiny(**common, batch=4), tmp_path / "one")
        train_recipe(tiny(**common, batch=2, optimizer=two), tmp_path / "two")
        weights, others = (
            load_file(tmp_path / name / "model.safetensors") for name in ("one", "two")
        )
        for name, value in weights.items():
            assert torch.allclose(value, others[name], atol=1e-5), name
        losses = [
            [float(row["loss"]) for row in history_of(tmp_path / name)] for name in ("one", "two")
        ]
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)

    @pytest.mark.parametrize("options", [{"name": "adam"}, {"schedule": "constant"}])
    def test_other_optimizers_too(self, tiny, tmp_path, kill_after, options):
        recipe = tiny(optimizer={"learning_rate": 0.01, "warmup": 0} | options, steps=6)
        train_recipe(recipe, tmp_path / "straight")
        kill_after(5)
        with pytest.raises(KilledError):
            train_recipe(recipe, tmp_path / "stopped")
        kill_after(None)
        train_recipe(recipe, tmp_path / "stopped", resume=True)
        assert_same_run(tmp_path / "straight", tmp_path / "stopped")
        state = state_of(tmp_path / "straight")
        rate = state["optimizer_states"][0]["param_groups"][0]["lr"]
        assert rate == (0.01 if "schedule" in options else 0.0)
        decoupled = state["optimizer_states"][0]["param_groups"][0]["decoupled_weight_decay"]
        assert decoupled == (options.get("name") != "adam")

    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    def test_koala_too(self, tiny, tmp_path, kill_after, precision):
        recipe = tiny(
            network={"name": "koala", "options": {"context": 16, "widths": [[16, 8]] * 3}},
            crop={"sizes": [64, 32]},
            hints={"none": 0.5},
            loss={"name": "rebalanced-cross-entropy"},
            precision=precision,
            steps=5,
            segment=2,
        )
        train_recipe(recipe, tmp_path / "straight")
        kill_after(3)
        with pytest.raises(KilledError):
            train_recipe(recipe, tmp_path / "stopped")
        kill_after(None)
        train_recipe(recipe, tmp_path / "stopped", resume=True)
        assert_same_run(tmp_path / "straight", tmp_path / "stopped")

    @pytest.mark.parametrize("steps", [8, 10])
    def test_a_finished_run_can_be_lengthened(self, tiny, tmp_path, steps):
        train_recipe(tiny(steps=steps), tmp_path)
        train_recipe(tiny(steps=13), tmp_path, resume=True)
        assert state_of(tmp_path)["global_step"] == 13
        train_recipe(tiny(steps=14, segment=5), tmp_path, resume=True)
        assert state_of(tmp_path)["global_step"] == 14

    def test_rates_may_change_on_the_way(self, tiny, tmp_path):
        first = {"learning_rate": 0.01, "warmup": 0, "schedule": "constant", "weight_decay": 0.1}
        same = {"adversarial": {"width": 4}, "crop": {"sizes": [32]}}
        train_recipe(tiny(steps=4, optimizer=first, **same), tmp_path)
        then = first | {"learning_rate": 0.002, "weight_decay": 0.0}
        same["adversarial"]["learning_rate"] = 1e-5
        train_recipe(tiny(steps=8, optimizer=then, **same), tmp_path, resume=True)
        rates = [float(row["learning_rate"]) for row in history_of(tmp_path)]
        assert rates == [0.01, 0.01, 0.002]  # of steps 1, 4 and 8
        state = state_of(tmp_path)
        (group,) = state["optimizer_states"][0]["param_groups"]
        assert (group["lr"], group["weight_decay"]) == (0.002, 0.0)
        (group,) = state["koalarize_adversary"]["optimizer"]["param_groups"]
        assert group["lr"] == 1e-5

    def test_what_a_run_leaves(self, tiny, tmp_path, caplog):
        caplog.set_level(logging.INFO, "koalarize")
        folder = tmp_path / "runs" / "tiny"
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            path = train_recipe(tiny(), folder)
        assert path == folder / "model.safetensors"
        names = {file.name for file in folder.iterdir()}
        assert names == {"model.safetensors", "last.ckpt", "tensorboard", "history.csv"}
        loaded = load_checkpoint(path)
        assert loaded.recipe == tiny()
        assert loaded.facts["steps"] == 10
        assert loaded.facts["samples"] == 20
        assert loaded.facts["pictures"] == 7
        assert sum(loaded.facts["bin_shares"]) == pytest.approx(1, abs=1e-4)
        lines = [r.getMessage() for r in caplog.records if r.name.startswith("koalarize")]
        assert lines[0] == "7 pictures to learn from; left out: none"
        assert [line.partition(":")[0] for line in lines[-3:]] == [
            "step 4 of 10",
            "step 8 of 10",
            "step 10 of 10",
        ]

    def test_epochs_are_counted_in_pictures(self, tiny, photos, tmp_path, kill_after, monkeypatch):
        """Seven pictures, twice, in steps of four: the fourth step is filled up with two more."""
        recipe = tiny(steps=99, epochs=2, batch=4, segment=3)
        train_recipe(recipe, tmp_path / "straight")
        loaded = load_checkpoint(tmp_path / "straight" / "model.safetensors")
        assert (loaded.recipe.steps, loaded.recipe.epochs, loaded.facts["steps"]) == (4, 2, 4)
        rows = history_of(tmp_path / "straight")
        assert [float(row["epoch"]) for row in rows] == pytest.approx([4 / 7, 12 / 7, 16 / 7])
        kill_after(3)
        with pytest.raises(KilledError):
            train_recipe(recipe, tmp_path / "stopped")
        kill_after(None)
        fewer = {"train": str(photos), "limit": 6, "workers": 0}
        with pytest.raises(OptionError, match="gives 6 pictures but the run began with 7"):
            train_recipe(tiny(epochs=2, batch=4, data=fewer), tmp_path / "stopped", resume=True)
        train_recipe(recipe, tmp_path / "stopped", resume=True)
        assert_same_run(tmp_path / "straight", tmp_path / "stopped")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(room, "keep_pictures", lambda *_, **__: pytest.fail("data was read"))
            train_recipe(recipe, tmp_path / "stopped", resume=True)
        train_recipe(tiny(epochs=3, batch=4), tmp_path / "stopped", resume=True)
        assert state_of(tmp_path / "stopped")["global_step"] == 6

    def test_the_exported_weights_are_the_average(self, tiny, tmp_path):
        train_recipe(tiny(), tmp_path)
        state = state_of(tmp_path)
        weights = load_file(tmp_path / "model.safetensors")
        for name, value in weights.items():
            assert torch.equal(value, state["state_dict"][f"network.{name}"])
        assert differing(
            weights, {name: state["current_model_state"][f"network.{name}"] for name in weights}
        )

    def test_a_finished_run_returns_at_once(self, tiny, tmp_path, monkeypatch):
        path = train_recipe(tiny(steps=2), tmp_path)
        before = path.read_bytes()
        monkeypatch.setattr(room, "keep_pictures", lambda *_, **__: pytest.fail("data was read"))
        assert train_recipe(tiny(steps=2), tmp_path, resume=True) == path
        assert path.read_bytes() == before

    def test_a_finished_run_makes_its_model_again(self, tiny, tmp_path):
        path = train_recipe(tiny(steps=2), tmp_path)
        before, facts = load_file(path), load_checkpoint(path).facts
        path.unlink()
        assert train_recipe(tiny(steps=2), tmp_path, resume=True) == path
        assert not differing(load_file(path), before)
        assert load_checkpoint(path).facts == facts

    def test_what_a_run_began_with_may_be_gone_when_it_goes_on(self, tiny, tmp_path):
        train_recipe(tiny(steps=4), tmp_path / "first")
        start = shutil.copy(tmp_path / "first" / "model.safetensors", tmp_path / "a.safetensors")
        network = TINY | {"start": start}
        train_recipe(tiny(steps=4, network=network), tmp_path / "then")
        Path(start).unlink()
        train_recipe(tiny(steps=8, network=network), tmp_path / "then", resume=True)
        assert state_of(tmp_path / "then")["global_step"] == 8

    def test_resume_without_an_earlier_run_begins(self, tiny, tmp_path):
        assert train_recipe(tiny(steps=2), tmp_path, resume=True).exists()

    def test_an_earlier_run_is_not_written_over(self, tiny, tmp_path):
        train_recipe(tiny(steps=2), tmp_path)
        with pytest.raises(OptionError, match="holds a run already: add --resume, or choose"):
            train_recipe(tiny(steps=2), tmp_path)

    @pytest.mark.parametrize("go_on", [False, True])
    @pytest.mark.parametrize("left", ["model.safetensors", "best.safetensors", "history.csv"])
    def test_a_model_without_a_state_is_not_written_over(self, validated, tmp_path, left, go_on):
        recipe, earlier = validated
        (tmp_path / left).write_bytes((earlier / left).read_bytes())
        words = r"holds a trained model but no last\.ckpt to go on from: choose another --output"
        with pytest.raises(OptionError, match=words):
            train_recipe(recipe, tmp_path, resume=go_on)
        assert [path.name for path in tmp_path.iterdir()] == [left]

    @pytest.mark.parametrize("saving", [False, True])
    def test_a_run_killed_in_its_first_segment_begins_again(
        self, tiny, tmp_path, kill_after, saving
    ):
        with pytest.MonkeyPatch.context() as patch:
            if saving:  # the weights are there, the state is not
                patch.setattr(resume.WholeFiles, "save_checkpoint", Mock(side_effect=KilledError))
            kill_after(None if saving else 3)
            with pytest.raises(KilledError):
                train_recipe(tiny(steps=5), tmp_path)
        assert len(history_of(tmp_path)) == 1 + saving
        assert (tmp_path / "model.safetensors").exists() == saving
        kill_after(None)
        if saving:
            with pytest.raises(OptionError, match="holds a trained model but no last"):
                train_recipe(tiny(steps=5), tmp_path)
        train_recipe(tiny(steps=5), tmp_path, resume=saving)
        assert state_of(tmp_path)["global_step"] == 5

    @pytest.mark.parametrize("what", SAVES, ids=["state", "row", "weights"])
    def test_a_run_killed_while_it_saves_its_only_segment_is_made_again(
        self, validated, tmp_path, what
    ):
        once, straight = validated
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(*what, Mock(side_effect=KilledError))
            with pytest.raises(KilledError):
                train_recipe(once, tmp_path)
        assert not (tmp_path / "model.safetensors").exists()
        train_recipe(once, tmp_path, resume=True)
        made, rows = ([row | {"seconds": 0} for row in history_of(n)] for n in (tmp_path, straight))
        assert made == rows
        for name in ("model.safetensors", "best.safetensors"):
            ours, theirs = (load_checkpoint(run / name) for run in (tmp_path, straight))
            assert ours.facts == theirs.facts
            assert not differing(ours.network.state_dict(), theirs.network.state_dict())

    def test_two_runs_do_not_write_one_folder(self, tiny, tmp_path):
        with (
            alone(tmp_path, OutputError()),
            pytest.raises(OutputError, match=r"another run is writing .*choose another -o"),
        ):
            train_recipe(tiny(), tmp_path)
        with alone(tmp_path, OutputError()):  # it has let go of the folder
            pass
        assert list(tmp_path.iterdir()) == []

    def test_the_state_of_another_run(self, tiny, tmp_path):
        train_recipe(tiny(steps=4), tmp_path)
        wider = {"name": "unet-mini", "options": {"widths": [4, 6, 10]}}
        with pytest.raises(ModelError, match=r"`.*last\.ckpt` is the state of another network"):
            train_recipe(tiny(network=wider), tmp_path, resume=True)
        for name, changes in (
            ("batch", {"batch": 3}),
            ("seed", {"seed": 5}),
            (r"optimizer\.accumulate", {"optimizer": {"accumulate": 2}}),
            (r"optimizer\.name", {"optimizer": {"name": "adam"}}),
        ):
            with pytest.raises(OptionError, match=f"`{name}` is .* but the run began with"):
                train_recipe(tiny(**changes), tmp_path, resume=True)
        for data in (b"", b"text of some length", (tmp_path / "last.ckpt").read_bytes()[:5000]):
            (tmp_path / "last.ckpt").write_bytes(data)
            words = r"a run \(it is cut short, .* -o and `--set network\.start=.*model\.saf.*`, its"
            with pytest.raises(ModelError, match=words):
                train_recipe(tiny(), tmp_path, resume=True)

    def test_other_pictures_of_the_same_number(self, tiny, photos, tmp_path):
        train_recipe(tiny(steps=4), tmp_path / "run")
        others = Path(shutil.copytree(photos, tmp_path / "others"))
        (others / "0.png").write_bytes((others / "1.png").read_bytes())
        data = {"train": str(others), "workers": 0}
        with pytest.raises(OptionError, match="gives other pictures than the run began with"):
            train_recipe(tiny(data=data), tmp_path / "run", resume=True)

    def test_a_state_without_a_recipe_is_gone_on_from(self, tiny, tmp_path):
        train_recipe(tiny(steps=4), tmp_path)
        state = state_of(tmp_path)
        del state[resume.RECIPE_KEY], state[resume.PICTURES_KEY], state[resume.HASH_KEY]
        torch.save(state, tmp_path / "last.ckpt")
        train_recipe(tiny(steps=8), tmp_path, resume=True)
        assert state_of(tmp_path)["global_step"] == 8

    @pytest.mark.parametrize("file", ["last.ckpt", "model.safetensors"])
    def test_a_full_disk_leaves_the_earlier_segment(self, tiny, tmp_path, monkeypatch, file):
        straight, folder = tmp_path / "straight", tmp_path / "run"
        train_recipe(tiny(), straight)
        with pytest.MonkeyPatch.context() as patch:
            fill_the_disk(patch, file, after=1)
            with pytest.raises(OutputError, match="No space left on device"):
                train_recipe(tiny(), folder)
        assert state_of(folder)["global_step"] == 4
        assert load_checkpoint(folder / "model.safetensors").facts["steps"] in (4, 8)
        names = {path.name for path in folder.iterdir()}
        assert names == {"model.safetensors", "last.ckpt", "tensorboard", "history.csv"}
        train_recipe(tiny(), folder, resume=True)
        assert_same_run(straight, folder)

    def test_an_interrupt_is_an_interrupt(self, tiny, tmp_path, kill_after):
        import signal

        before = signal.getsignal(signal.SIGINT)
        kill_after(5, KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            train_recipe(tiny(), tmp_path)
        assert signal.getsignal(signal.SIGINT) is before
        assert state_of(tmp_path)["global_step"] == 4

    def test_wrong_recipes_are_told_before_anything_is_done(self, tiny, tmp_path):
        folder = tmp_path / "run"
        cases = (
            ({"loss": {}}, r"`loss\.name` is 'rebalanced-cross-entropy' but .* use 'mse'"),
            ({"crop": {"sizes": [32, 30]}}, r"`crop\.sizes` holds 30 .* multiple of 4 .* try 28"),
            ({"crop": {"sizes": [2]}}, r"`crop\.sizes` holds 2 .* try 4"),
            (
                {"network": {"name": "unet"}, "crop": {"sizes": [16]}, "batch": 1},
                r"`crop\.sizes` holds 16 .* sees 1 crop .* use crops of 32, or a `batch` of 2",
            ),
            ({"network": TINY | {"encoder": "a"}}, "`network.encoder` does not fit"),
            (
                {"network": {"name": "cnn"}},
                r"`crop\.sizes` holds 32 but the network `cnn` takes pictures of 128 x 128 only",
            ),
            (
                {"loss": {"name": "ssim"}, "crop": {"sizes": [8]}},
                r"`crop\.sizes` holds 8 but the loss 'ssim' compares windows of 11 pixels",
            ),
            ({"loss": {"name": "combined"}, "crop": {"sizes": [8]}}, "compares windows of 11"),
        )
        for changes, message in cases:
            with pytest.raises(OptionError, match=message):
                train_recipe(tiny(**changes), folder)
        assert not folder.exists()

    def test_missing_data(self, tiny, tmp_path):
        with pytest.raises(DataError, match=r"does not exist.*koalarize lab data sample") as error:
            train_recipe(tiny(data={"train": str(tmp_path / "no")}), tmp_path / "run")
        assert "COCO" not in str(error.value)
        coco = str(tmp_path / "coco" / "train")
        with pytest.raises(DataError, match="`koalarize lab data coco data/coco` fetches COCO"):
            train_recipe(tiny(data={"train": coco}), tmp_path / "run")

    def test_a_folder_that_cannot_be_made(self, tiny, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match="cannot be made"):
            train_recipe(tiny(), tmp_path / "file" / "run")

    def test_from_a_file_with_overrides(self, photos, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        path = tmp_path / "recipe.yaml"
        path.write_text("name: mine\nloss: {name: mse}\nhints: null\nvalidate_every: 0\n")
        overrides = {
            "network": str(TINY),
            "data.train": str(photos),
            "data.workers": "0",
            "crop.sizes": "[16]",
            "steps": "1",
            "batch": "1",
        }
        assert train(path, overrides=overrides) == Path("runs/mine/model.safetensors")


def fill_the_disk(patch, file, after):
    """Let the writing of one of a run's files fail after it has succeeded so often."""
    from koalarize.lab.runs import checkpoint
    from koalarize.photo import files as output

    left = [after]

    def write(data, path, **options):
        if Path(path).name == file:
            if left[0] == 0:
                raise OutputError(f"`{path}` cannot be written (No space left on device)")
            left[0] -= 1
        return output.write_bytes(data, path, **options)

    patch.setattr(checkpoint if file == "model.safetensors" else resume, "write_bytes", write)
