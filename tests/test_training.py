"""Losses, recipes, checkpoints, and whole runs that are stopped and go on."""

from __future__ import annotations

import dataclasses
import errno
import logging
import math
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from koalarize import color
from koalarize.errors import DataError, ModelError, OptionError, OutputError
from koalarize.models import UNetMini
from koalarize.training import callbacks, losses
from koalarize.training import train as room
from koalarize.training.checkpoint import build_network, load_checkpoint, save_checkpoint
from koalarize.training.recipe import NetworkOptions, Recipe, build, load_recipe
from koalarize.training.train import bin_shares, train, train_recipe

RECIPES = sorted((Path(__file__).parent.parent / "recipes").glob("*.yaml"))
TINY = {"name": "unet-mini", "options": {"widths": [4, 6, 8]}}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(7):
        small = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((56, 40), Image.Resampling.BICUBIC)
        image.save(folder / f"{number}.png")
    return folder


@pytest.fixture
def tiny(photos):
    """Make a recipe of a run of a second: ten steps in segments of four."""

    def make(**changes) -> Recipe:
        values = {
            "name": "tiny",
            "network": TINY,
            "data": {"train": str(photos), "workers": 0},
            "crop": {"sizes": [32, 16]},
            "hints": None,
            "loss": {"name": "mse"},
            "optimizer": {"learning_rate": 0.01, "warmup": 3},
            "batch": 2,
            "steps": 10,
            "segment": 4,
            "validate_every": 0,
            "ema": 0.5,
            "precision": "fp32",
            "size": 32,
        }
        return build(Recipe, values | changes, "")

    return make


class KilledError(Exception):
    pass


@pytest.fixture
def kill_after(monkeypatch):
    """Let runs end in an error once so many batches have begun; no number lifts that again."""
    begin = callbacks.Progress.on_train_batch_start

    def set_limit(steps: int | None, error: type[BaseException] = KilledError) -> None:
        left = [steps]

        def start(self, trainer, pl_module, batch, batch_idx):
            begin(self, trainer, pl_module, batch, batch_idx)
            if left[0] is not None:
                left[0] -= 1
                if left[0] < 0:
                    raise error

        monkeypatch.setattr(callbacks.Progress, "on_train_batch_start", start)

    return set_limit


def state_of(folder):
    return torch.load(folder / "last.ckpt", weights_only=True)


def differing(first, second, where=""):
    """Return the places at which two nests of dicts, lists and tensors differ."""
    if isinstance(first, torch.Tensor):
        return [] if torch.equal(first, second) else [where]
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        return [p for key in first for p in differing(first[key], second[key], f"{where}.{key}")]
    if isinstance(first, (list, tuple)):
        assert len(first) == len(second)
        pairs = enumerate(zip(first, second, strict=True))
        return [p for i, pair in pairs for p in differing(*pair, f"{where}[{i}]")]
    return [] if first == second else [where]


def assert_same_run(first, second):
    """Weights, their average, Adam's state and the schedule are equal to the last bit."""
    weights, others = (
        load_file(first / "model.safetensors"),
        load_file(second / "model.safetensors"),
    )
    assert differing(weights, others) == []
    one, two = state_of(first), state_of(second)
    for part in (
        *("state_dict", "current_model_state", "averaging_state"),
        *("optimizer_states", "lr_schedulers", "global_step"),
    ):
        assert differing(one[part], two[part], part) == []


class TestBinWeights:
    @pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
    @pytest.mark.parametrize("uniform", [0.1, 0.5, 1.0])
    def test_mean_over_the_data_is_one(self, uniform, power):
        share = np.random.default_rng(0).dirichlet(np.full(260, 0.1))
        weights = losses.bin_weights(share, uniform=uniform, power=power)
        assert float((weights * torch.tensor(share)).sum()) == pytest.approx(1, abs=1e-5)
        if power == 0 or uniform == 1:
            assert torch.allclose(weights, torch.ones(260))
        else:
            assert weights[share.argmax()] == weights.min() < 1
            assert weights[share.argmin()] == weights.max() > 1

    def test_shares_of_pictures(self):
        from koalarize.data.sources import Pictures

        flat = np.full((30, 30, 3), (200, 30, 30), np.uint8)
        shares = bin_shares(Pictures([flat, np.full((30, 30, 3), 90, np.uint8)]))
        assert shares.shape == (len(color.ab_bins()),)
        assert shares.sum() == pytest.approx(1)
        red = color.encode_ab(color.srgb_to_lab(flat)[0, 0, 1:])[0][0]
        grey = color.encode_ab(np.zeros(2, np.float32))[0][0]
        assert set(np.argsort(shares)[-2:]) == {red, grey}


def dense_cross_entropy(logits, ab, weights):
    """The loss as the paper writes it, over the full table of soft targets."""
    batch, bins, height, width = logits.shape
    grid = ab.reshape(batch, 2, height, ab.shape[2] // height, width, -1).mean(dim=(3, 5))
    whole = grid.round().permute(0, 2, 3, 1).reshape(-1, 2)
    numbers, shares = color.encode_ab(whole.numpy())
    target = torch.zeros(len(whole), bins, dtype=logits.dtype)
    rows = torch.arange(len(whole))[:, None]
    target[rows, torch.from_numpy(numbers).long()] = torch.from_numpy(shares).to(logits.dtype)
    log_chance = torch.log_softmax(logits.permute(0, 2, 3, 1).reshape(-1, bins), dim=1)
    rarity = weights[torch.from_numpy(numbers[:, 0]).long()].to(logits.dtype)
    return -(rarity * (target * log_chance).sum(1)).mean()


class TestRebalancedCrossEntropy:
    def example(self, seed=0):
        rng = np.random.default_rng(seed)
        bins = len(color.ab_bins())
        logits = torch.tensor(rng.normal(0, 2, (2, bins, 3, 5)), dtype=torch.float32)
        ab = torch.tensor(rng.uniform(-60, 60, (2, 2, 12, 20)), dtype=torch.float32)
        weights = torch.tensor(rng.uniform(0.2, 3, bins), dtype=torch.float32)
        return logits, ab, weights

    def test_equals_the_dense_form_and_so_does_its_gradient(self, monkeypatch):
        monkeypatch.setattr(losses, "_CPU_ROWS", 7)  # so that there are several pieces
        logits, ab, weights = self.example()
        logits.requires_grad_()
        exact = logits.detach().double().requires_grad_()
        loss = losses.rebalanced_cross_entropy(logits, ab, weights)
        expected = dense_cross_entropy(exact, ab, weights)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
        (loss * 3).backward()
        (expected * 3).backward()
        assert torch.allclose(logits.grad.double(), exact.grad, rtol=1e-4, atol=1e-7)

    def test_gradient_by_finite_differences(self):
        logits, ab, weights = self.example(1)
        logits.requires_grad_()
        losses.rebalanced_cross_entropy(logits, ab, weights).backward()
        direction = logits.grad / logits.grad.norm()
        with torch.no_grad():
            up, down = (
                losses.rebalanced_cross_entropy(logits + step * direction, ab, weights)
                for step in (0.5, -0.5)
            )
        assert float(up - down) == pytest.approx(float(logits.grad.norm()), rel=0.02)

    def test_without_rebalancing_it_is_plain_cross_entropy(self):
        logits, ab, _ = self.example()
        share = np.full(logits.shape[1], 1 / logits.shape[1])
        weights = losses.bin_weights(share, uniform=0.5, power=0)
        numbers, shares = losses.soft_bins(
            torch.nn.functional.avg_pool2d(ab, 4).permute(0, 2, 3, 1).reshape(-1, 2)
        )
        target = torch.zeros(len(numbers), logits.shape[1]).scatter_(1, numbers, shares)
        rows = logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1])
        expected = torch.nn.functional.cross_entropy(rows, target)
        found = losses.rebalanced_cross_entropy(logits, ab, weights)
        assert float(found) == pytest.approx(float(expected), rel=1e-5)

    def test_certain_and_wrong_is_finite(self):
        logits, ab, weights = self.example()
        logits = (logits * 1e4).requires_grad_()
        loss = losses.rebalanced_cross_entropy(logits, ab, weights)
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(logits.grad).all()

    def test_colors_beyond_the_table_count_as_its_edge(self):
        numbers, shares = losses.soft_bins(torch.tensor([[-300.0, 300.0], [-128.0, 127.0]]))
        assert torch.equal(numbers[0], numbers[1])
        assert torch.equal(shares[0], shares[1])

    def test_low_precision(self):
        logits, ab, weights = self.example()
        rough = logits.bfloat16().requires_grad_()
        loss = losses.rebalanced_cross_entropy(rough, ab, weights)
        loss.backward()
        assert loss.dtype == torch.float32
        assert rough.grad.dtype == torch.bfloat16
        expected = losses.rebalanced_cross_entropy(logits, ab, weights)
        assert loss.item() == pytest.approx(expected.item(), rel=0.01)


def test_mean_squared_error():
    ab = torch.tensor([[[[10.0]], [[-20.0]]]])
    target = torch.tensor([[[[10.0]], [[-20.0 + 127.5]]]])
    assert float(losses.mean_squared_error(ab, target)) == pytest.approx(0.5)
    assert float(losses.mean_squared_error(ab, ab)) == 0


def written(folder, text):
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


class TestRecipe:
    @pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
    def test_ours_load_and_fit_their_networks(self, path):
        recipe = load_recipe(path)
        assert recipe.name == path.stem
        room._check_fit(recipe, build_network(recipe.network))
        assert not Path(recipe.data.train).is_absolute()

    def test_there_is_one_for_each_network(self):
        assert {path.stem for path in RECIPES} == {"koala", "unet-mini"}

    @pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
    def test_round_trip(self, path):
        recipe = load_recipe(path)
        assert build(Recipe, dataclasses.asdict(recipe), "") == recipe

    def test_an_empty_one_is_all_defaults(self, tmp_path):
        assert load_recipe(written(tmp_path, "")) == Recipe()

    def test_overrides_win(self, tmp_path):
        path = written(tmp_path, "steps: 5\ndata: {limit: 3}\n")
        overrides = {"data.limit": "9", "optimizer.learning_rate": "2e-4", "hints": "null"}
        recipe = load_recipe(path, overrides | {"crop.sizes": "[64, 96]", "network.name": "koala"})
        assert recipe.steps == 5
        assert recipe.data.limit == 9
        assert recipe.optimizer.learning_rate == 2e-4
        assert recipe.hints is None
        assert recipe.crop.sizes == (64, 96)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("stepz: 3", r"`stepz` is not a key of a recipe, did you mean `steps`\?"),
            ("data: {trian: a}", r"`data\.trian` is not a key .*did you mean `train`\?"),
            ("steps: many", "`steps` is 'many' but must be of type int"),
            ("steps: 2.5", r"`steps` is 2\.5 but must be of type int"),
            ("steps: true", "`steps` is True but must be of type int"),
            ("steps: 0", "`steps` is 0 but must be at least 1"),
            ("ema: 1", r"`ema` is 1\.0 but must be in \[0, 1\)"),
            ("ema: often", "`ema` is 'often' but must be of type float"),
            ("validate_every: -1", "`validate_every` is -1"),
            ("crop: {flip: 1}", r"`crop\.flip` is 1 but must be of type bool"),
            ("crop: {sizes: 128}", r"`crop\.sizes` is 128 but must be a list"),
            ("crop: {sizes: [a]}", r"`crop\.sizes\[0\]` is 'a' but must be of type int"),
            ("crop: {area: [0.5]}", r"`crop\.area` has 1 values but must have 2"),
            ("crop: [1]", r"`crop` is \[1\] but must hold keys and values"),
            ("crop: {sizes: [8]}", r"`hints\.patch` is \(1, 9\) but must fit into .* 8"),
            ("network: {options: 3}", r"`network\.options` is 3 but must hold keys"),
            ("loss: {name: l1}", r"`loss\.name` is 'l1' but must be one of"),
            ("temperature: 0", r"`temperature` is 0\.0 but must be above 0"),
            ("precision: fp16", "`precision` is 'fp16': use auto, bf16 or fp32"),
            ("- 1", "must hold keys and values, as recipes/koala.yaml does"),
            ("a: [", "is not YAML"),
        ],
    )
    def test_errors(self, tmp_path, text, message):
        with pytest.raises(OptionError, match=message):
            load_recipe(written(tmp_path, text))

    def test_errors_of_overrides(self, tmp_path):
        path = written(tmp_path, "steps: 5")
        with pytest.raises(
            OptionError, match=r"`steps\.many` cannot be set: `steps` holds a value"
        ):
            load_recipe(path, {"steps.many": "1"})
        with pytest.raises(OptionError, match=r"`steps` is '\[', which is not a YAML value"):
            load_recipe(path, {"steps": "["})
        with pytest.raises(OptionError, match="cannot be read as a recipe"):
            load_recipe(tmp_path / "no.yaml")

    def test_networks(self):
        with pytest.raises(OptionError, match=r"`network\.name` is 'koalla', did you mean `koala`"):
            build_network(NetworkOptions("koalla"))
        with pytest.raises(OptionError, match=r"`network\.options\.width` is not a key"):
            build_network(NetworkOptions("unet-mini", {"width": [1, 2, 3]}))
        with pytest.raises(OptionError, match=r"widths` has 2 values but must have 3"):
            build_network(NetworkOptions("unet-mini", {"widths": [1, 2]}))


class TestCheckpoint:
    @pytest.fixture
    def recipe(self):
        return Recipe(network=build(NetworkOptions, TINY, ""), size=99, temperature=0.7)

    def test_it_describes_itself(self, recipe, tmp_path):
        network = build_network(recipe.network)
        save_checkpoint(tmp_path / "a.safetensors", network.state_dict(), recipe, {"steps": 3})
        loaded = load_checkpoint(tmp_path / "a.safetensors")
        assert isinstance(loaded.network, UNetMini)
        assert not loaded.network.training
        assert loaded.recipe == recipe
        assert loaded.facts == {"steps": 3}
        assert differing(loaded.network.state_dict(), network.state_dict()) == []

    def test_the_temperature_is_the_recipe_s(self, tmp_path):
        recipe = Recipe(temperature=0.7)
        state = build_network(recipe.network).state_dict()
        save_checkpoint(tmp_path / "a.safetensors", state, recipe, {})
        assert load_checkpoint(tmp_path / "a.safetensors").network.temperature == 0.7

    def test_weights_that_do_not_fit(self, recipe, tmp_path):
        path = tmp_path / "a.safetensors"
        state = build_network(recipe.network).state_dict()
        other = {name: value for name, value in state.items() if name != "head.bias"}
        save_checkpoint(path, other | {"tail": torch.zeros(1)}, recipe, {})
        with pytest.raises(ModelError, match=r"`head\.bias` is missing, `tail` is unknown"):
            load_checkpoint(path)
        save_checkpoint(path, state | {"head.bias": torch.zeros(3)}, recipe, {})
        with pytest.raises(ModelError, match=r"`head\.bias` has shape \(3,\) but must have \(2,\)"):
            load_checkpoint(path)
        wider = dataclasses.replace(recipe, network=NetworkOptions("unet-mini"))
        save_checkpoint(path, state, wider, {})
        with pytest.raises(ModelError, match=r"does not fit the network `unet-mini`: .* more"):
            load_checkpoint(path)

    def test_files_of_another_kind(self, recipe, tmp_path):
        path = tmp_path / "a.safetensors"
        with pytest.raises(ModelError, match="cannot be read as a checkpoint"):
            load_checkpoint(path)
        path.write_bytes(b"text of some length")
        with pytest.raises(ModelError, match="cannot be read as a checkpoint"):
            load_checkpoint(path)
        save_file({"a": torch.zeros(1)}, path)
        with pytest.raises(ModelError, match="is not a checkpoint of koalarize"):
            load_checkpoint(path)
        metadata = {"format": "koalarize-checkpoint-1", "recipe": '{"later": 1}', "facts": "{}"}
        save_file({"a": torch.zeros(1)}, path, metadata)
        with pytest.raises(ModelError, match=r"`later` is not a key .* use the version that wrote"):
            load_checkpoint(path)

    def test_a_full_disk_leaves_the_earlier_one(self, recipe, tmp_path, monkeypatch):
        path = tmp_path / "a.safetensors"
        state = build_network(recipe.network).state_dict()
        save_checkpoint(path, state, recipe, {"steps": 1})
        monkeypatch.setattr(Path, "replace", no_space)
        with pytest.raises(OutputError, match="No space left"):
            save_checkpoint(path, state, recipe, {"steps": 2})
        monkeypatch.undo()
        assert load_checkpoint(path).facts == {"steps": 1}
        assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


class TestRun:
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
        original = room.Batches.__getitem__

        def note(self, number):
            seen.append(number)
            return original(self, number)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(room.Batches, "__getitem__", note)
            kill_after(6)
            with pytest.raises(KilledError):
                train_recipe(tiny(), tmp_path)
            assert seen[:6] == [0, 1, 2, 3, 4, 5]
            seen.clear()
            kill_after(None)
            train_recipe(tiny(), tmp_path, resume=True)
        assert list(dict.fromkeys(seen)) == [4, 5, 6, 7, 8, 9]

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

    def test_what_a_run_leaves(self, tiny, tmp_path, caplog):
        caplog.set_level(logging.INFO, "koalarize")
        folder = tmp_path / "runs" / "tiny"
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            path = train_recipe(tiny(), folder)
        assert path == folder / "model.safetensors"
        names = {file.name for file in folder.iterdir()}
        assert names == {"model.safetensors", "last.ckpt", "tensorboard"}
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
        monkeypatch.setattr(room, "load_pictures", lambda *_, **__: pytest.fail("data was read"))
        assert train_recipe(tiny(steps=2), tmp_path, resume=True) == path
        assert path.read_bytes() == before

    def test_resume_without_an_earlier_run_begins(self, tiny, tmp_path):
        assert train_recipe(tiny(steps=2), tmp_path, resume=True).exists()

    def test_an_earlier_run_is_not_written_over(self, tiny, tmp_path):
        train_recipe(tiny(steps=2), tmp_path)
        with pytest.raises(OptionError, match="holds a run already: add --resume, or choose"):
            train_recipe(tiny(steps=2), tmp_path)

    def test_the_state_of_another_run(self, tiny, tmp_path):
        train_recipe(tiny(steps=4), tmp_path)
        wider = {"name": "unet-mini", "options": {"widths": [4, 6, 10]}}
        with pytest.raises(ModelError, match=r"`.*last\.ckpt` is the state of another network"):
            train_recipe(tiny(network=wider), tmp_path, resume=True)
        for name, value in (("batch", 3), ("seed", 5)):
            with pytest.raises(OptionError, match=f"`{name}` is {value} but the run began with"):
                train_recipe(tiny(**{name: value}), tmp_path, resume=True)
        for data in (b"", b"text of some length", (tmp_path / "last.ckpt").read_bytes()[:5000]):
            (tmp_path / "last.ckpt").write_bytes(data)
            with pytest.raises(ModelError, match="cannot be read as the state of a run"):
                train_recipe(tiny(), tmp_path, resume=True)

    def test_a_state_without_a_recipe_is_gone_on_from(self, tiny, tmp_path):
        train_recipe(tiny(steps=4), tmp_path)
        state = state_of(tmp_path)
        del state[callbacks.RECIPE_KEY]
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
        assert names == {"model.safetensors", "last.ckpt", "tensorboard"}
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
            ({"network": TINY | {"encoder": "a"}}, "`network.encoder` does not fit"),
        )
        for changes, message in cases:
            with pytest.raises(OptionError, match=message):
                train_recipe(tiny(**changes), folder)
        assert not folder.exists()

    def test_missing_data(self, tiny, tmp_path):
        with pytest.raises(DataError, match="does not exist"):
            train_recipe(tiny(data={"train": str(tmp_path / "no")}), tmp_path / "run")

    def test_a_folder_that_cannot_be_made(self, tiny, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match="cannot be made"):
            train_recipe(tiny(), tmp_path / "file" / "run")

    def test_from_a_file_with_overrides(self, photos, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        path = written(tmp_path, "name: mine\nloss: {name: mse}\nhints: null\nvalidate_every: 0\n")
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
    left = [after]

    def counted(write):
        def attempt(*args, **options):
            if left[0] == 0:
                no_space()
            left[0] -= 1
            return write(*args, **options)

        return attempt

    if file == "last.ckpt":
        patch.setattr(torch, "save", counted(torch.save))
        patch.setattr(shutil, "move", counted(shutil.move))
        left[0] = after * 2
    else:
        from koalarize.training import checkpoint

        patch.setattr(checkpoint, "write_bytes", counted_output(left))


def counted_output(left):
    from koalarize import output

    def write(data, path, **options):
        if left[0] == 0:
            raise OutputError("`model` cannot be written (No space left on device)")
        left[0] -= 1
        return output.write_bytes(data, path, **options)

    return write


class TestLearning:
    @pytest.mark.parametrize("name", ["unet-mini", "koala"])
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
        assert found[2] < 0.5 * found[0]
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
        assert {"validation/psnr", "validation/colorfulness", "train/wait_share"} <= set(scalars)
        assert "validation/0" in images
        (psnr,) = events.Scalars("validation/psnr")
        assert psnr.step == 3  # Lightning counts a segment's scores to its last step, from 0
        assert math.isfinite(psnr.value)
        shown = events.Images("validation/0")[0]
        assert (shown.width, shown.height) == (2 * 56, 40)


class TestPrecision:
    def test_what_the_recipe_asks_for_is_done_and_said(self):
        assert room.choose_precision("fp32") == ("32-true", "the recipe asks for fp32")
        assert room.choose_precision("bf16") == ("bf16-mixed", "the recipe asks for bf16")
        precision, reason = room.choose_precision("auto")
        assert precision in ("32-true", "bf16-mixed")
        assert "CPU" in reason or "GPU" in reason
