"""Recipes: what is read, what is rejected, and that each of ours runs when it is shrunk."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import yaml

from koalarize.engines.engine import Overview
from koalarize.errors import OptionError
from koalarize.lab.networks import NETWORKS
from koalarize.lab.runs.checkpoint import build_network, load_checkpoint
from koalarize.lab.runs.recipe import (
    DataOptions,
    NetworkOptions,
    Recipe,
    SplitOptions,
    build,
    load_recipe,
)
from koalarize.lab.training import train as room
from koalarize.lab.training.network import check_fit
from koalarize.lab.training.shrink import shrink
from koalarize.lab.training.train import train
from runs import RECIPES, make_photos
from samples import stand_in_lpips

#: A kilobyte that stands for ten thousand million words.
LAUGHS = "a: &a [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in pairwise("abcdefghij")
)
#: An extractor that is small and needs no download.
LIGHT = {"network.options.extractor": "test_efficientnet", "network.options.pretrained": "false"}
_THREE_FRESH = ("koala-longer", "koala-joined", "koala-softer", "koala-taught")
EVERY_RECIPE = pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)


@dataclasses.dataclass(frozen=True)
class Either:
    value: int | str | DataOptions | None = None


def without_download(path):
    return LIGHT if load_recipe(path).network.name == "koala-net" else {}


def written(folder, text):
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


class TestRecipe:
    @EVERY_RECIPE
    def test_ours_load_and_fit_their_networks(self, path):
        recipe = load_recipe(path, without_download(path))
        assert recipe.name == path.stem
        check_fit(recipe, build_network(recipe.network))
        assert not Path(recipe.data.train).is_absolute()

    def test_there_is_one_for_each_network(self):
        assert {load_recipe(path).network.name for path in RECIPES} == set(NETWORKS)

    @pytest.mark.parametrize("name", ["unet-mini", "unet", "koala-net"])
    def test_the_first_article_s_numbers(self, name):
        (path,) = (path for path in RECIPES if path.name == f"article-a-{name}.yaml")
        recipe = load_recipe(path)
        assert recipe.network.name == name
        assert (recipe.batch, recipe.epochs, recipe.loss.name) == (32, 100, "mse")
        assert recipe.data.validation == SplitOptions(1000)
        assert recipe.data.validation_pictures == 1000
        crop = recipe.crop
        assert (crop.resize, crop.sizes, crop.flip, recipe.size) == (268, (224,), True, 224)
        options = recipe.optimizer
        plain = torch.optim.AdamW([torch.zeros(1)]).defaults
        assert options.name == "adamw"
        assert (options.learning_rate, options.weight_decay) == (plain["lr"], plain["weight_decay"])
        assert (options.warmup, options.schedule, options.accumulate) == (0, "constant", 1)
        assert (recipe.ema, recipe.hints, recipe.degrade) == (0.0, None, None)
        squashing = load_recipe(path, {"crop.mode": "squash-crop", "data.max_side": "null"})
        assert squashing.crop.mode == "squash-crop"

    def test_the_second_article_s_numbers(self):
        (path,) = (path for path in RECIPES if path.name == "article-b-cnn.yaml")
        recipe = load_recipe(path)
        assert recipe.loss.name == "mse"
        assert (recipe.data.limit, recipe.batch, recipe.epochs) == (4, 4, 500)
        assert (recipe.optimizer.name, recipe.optimizer.learning_rate) == ("adam", 1e-4)
        lines = path.read_text(encoding="utf-8").splitlines()
        first = lines.index("# loss:")
        alternative = "\n".join(line.removeprefix("# ") for line in lines[first : first + 5])
        assert yaml.safe_load(alternative) == {
            "loss": {"name": "combined", "alpha": 0.0, "beta": 0.5, "gamma": 0.5}
        }

    @EVERY_RECIPE
    def test_round_trip(self, path):
        recipe = load_recipe(path)
        assert build(Recipe, dataclasses.asdict(recipe), "") == recipe

    def test_an_empty_one_is_all_defaults(self, tmp_path):
        assert load_recipe(written(tmp_path, "")) == Recipe()

    @pytest.mark.parametrize(
        ("text", "lines"),
        [("steps: 1\nsteps: 2\n", (1, 2)), ("data:\n  limit: 1\n  limit: 1\n", (2, 3))],
    )
    def test_a_key_given_twice(self, tmp_path, text, lines):
        first, second = lines
        with pytest.raises(OptionError, match=rf"twice .* line {first} and line {second}"):
            load_recipe(written(tmp_path, text))

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
            ("hints: none", r"`hints` is 'none' but must hold keys and values or be null$"),
            ("data: {validation: no}", r"`data\.validation` is False but must .* or be null$"),
            ("crop: {sizes: [8]}", r"`hints\.patch` is \(1, 9\) but must fit into .* 8"),
            ("network: {options: 3}", r"`network\.options` is 3 but must hold keys"),
            ("loss: {name: l3}", r"`loss\.name` is 'l3' but must be one of"),
            ("loss: {name: combinde}", r"did you mean `combined`"),
            ("loss: {alpha: -1}", r"`loss\.alpha` is -1\.0 but must be 0 or more"),
            ("loss: {gamma: .nan}", r"`loss\.gamma` is nan but must be 0 or more"),
            ("loss: {alpha: 0, beta: 0, gamma: 0}", "are all 0: give one of them a weight"),
            ("optimizer: {name: sgd}", r"`optimizer\.name` is 'sgd' but must be one of"),
            ("optimizer: {schedule: step}", r"`optimizer\.schedule` is 'step' but must be"),
            ("optimizer: {accumulate: 0}", r"`optimizer\.accumulate` is 0 but must be at least 1"),
            ("optimizer: {learning_rate: 0}", r"`optimizer\.learning_rate` is 0\.0 but must be"),
            ("optimizer: {warmup: -1}", r"`optimizer\.warmup` is -1 but must be 0 or more"),
            (
                "crop: {mode: squash-are}",
                "`crop.mode` is 'squash-are' .* did you mean `squash-area`",
            ),
            ("crop: {mode: resize-crop}", r"`crop\.resize` is None but must be at least .* 128"),
            (
                "crop: {mode: resize-crop, resize: 9}",
                r"`crop\.resize` is 9 but must be at least",
            ),
            ("crop: {resize: 268}", r"`crop\.resize` is 268 but `crop\.mode` is 'random-resized'"),
            ("epochs: 0", "`epochs` is 0 but must be at least 1"),
            ("epochs: 2.5", r"`epochs` is 2\.5 but must be of type int or be null"),
            ("steps: 5\nepochs: 2", r"gives both `steps` \(5\) and `epochs` \(2\): give one"),
            ("devices: 0", "`devices` is 0 but must be at least 1"),
            ("{devices: 3, nodes: 2}", r"`batch` is 32 but must be a multiple of .* 6, .* try 30"),
            ("{devices: 64}", r"`batch` is 32 but must be a multiple of .* 64, .* try 64"),
            ("accelerator: tpu", "`accelerator` is 'tpu' but must be auto, cpu or gpu$"),
            ("temperature: 0", r"`temperature` is 0\.0 but must be above 0"),
            ("precision: fp8", "`precision` is 'fp8' but must be auto, bf16, fp16 or fp32$"),
            ("precision: 16", "`precision` is 16 but must be auto, bf16, fp16 or fp32$"),
            ("- 1", "must hold keys and values, as recipes/koala.yaml does"),
            ("a: [", "is not YAML"),
            ("name: 2001-99-99", "is not YAML: a value is not what its tag says: month"),
            ("steps: !!int many", "is not YAML: a value is not what its tag says"),
            ("name: !!bool maybe", "is not YAML: a value is not what its tag says"),
            ("name: !!timestamp maybe", "is not YAML: a value is not what its tag says"),
            pytest.param("[" * 5000, "is not YAML: .* nested too deeply", id="deep"),
            ("2001-01-01: 3", "`2001-01-01` in line 1 .* a timestamp but a key must be a word"),
            ("data: &d {train: *d}", "aliases stand for more than 100,000 values"),
            pytest.param(LAUGHS, "aliases stand for more than 100,000 values", id="laughs"),
            ("steps: 1\nseed: 2\nsteps: 3", "`steps` stands twice in .*line 1 and line 3"),
            ("data: {limit: 1, limit: 2}", "`limit` stands twice in .*line 1 and line 1"),
            (
                "optimizer: {learning_rate: '1e-3'}",
                "`.*_rate` is '1e-3' .*: write it without quotes$",
            ),
            ("steps: '40x'", "`steps` is '40x' but must be of type int$"),
            ("name: 3", "`name` is 3 but must be of type str; a word that .* stands in quotes$"),
            ("name: no", "`name` is False but must be of type str; a word that .* in quotes$"),
            ("name: a\n\tsteps: 4", "is not YAML: line 2 has a tab in column 1, .*: write spaces$"),
        ],
    )
    def test_errors(self, tmp_path, text, message):
        with pytest.raises(OptionError, match=message):
            load_recipe(written(tmp_path, text))

    @pytest.mark.parametrize(
        ("key", "wrong", "rule"),
        [
            ("data.limit", "0", "at least 1"),
            ("data.max_side", "0", "at least 1"),
            ("data.validation_pictures", "0", "at least 1"),
            ("data.workers", "-1", "at least 0"),
            ("data.min_chroma", "-0.1 .inf .nan", "0 or more, and finite"),
            ("loss.power", "-0.1 .inf .nan", "0 or more, and finite"),
            ("loss.uniform", "1.1 2", "a share from 0 to 1"),
            (
                "crop.ratio",
                "[0,1] [2,1] [1,.inf] [.nan,1]",
                "two finite ratios .* smaller one first",
            ),
            ("optimizer.learning_rate", "0 .inf .nan", "above 0, and finite"),
            ("seed", "-1 4294967296", "from 0 to 4294967295"),
            ("temperature", "0 .inf .nan", "above 0, and finite"),
            ("chroma_gain", "0 .inf .nan", "above 0, and finite"),
        ],
    )
    def test_bounds(self, tmp_path, key, wrong, rule):
        path = tmp_path / "recipe.yaml"
        path.write_text("name: a\n")
        for value in wrong.split():
            with pytest.raises(OptionError, match=f"^`{key}` is .* but must be {rule}$"):
                load_recipe(path, {key: value})
        allowed = {"data.limit": "null", "data.max_side": "null", "data.workers": "0"}
        assert load_recipe(path, allowed | {"seed": str(2**32 - 1), "data.min_chroma": "0"})

    def test_a_fault_in_keys_where_a_word_may_stand_names_its_key(self, tmp_path):
        for value, words in (
            ("{split: abc}", "is 'abc' but must be of type int"),
            ("{}", "is mis"),
        ):
            with pytest.raises(OptionError, match=f"^`data.validation.split` {words}"):
                load_recipe(written(tmp_path, "name: a"), {"data.validation": value})

    def test_an_error_is_one_line(self, tmp_path):
        for text in ("a: [", "steps: many", "steps: 1\nsteps: 2", "stepz: 1"):
            with pytest.raises(OptionError) as caught:
                load_recipe(written(tmp_path, text))
            assert "\n" not in str(caught.value)

    def test_words_that_yaml_reads_in_another_way(self, tmp_path):
        recipe = load_recipe(written(tmp_path, "name: 2020-01-01\nema: 1e-1\nchroma_gain: 2"))
        assert (recipe.name, recipe.ema, recipe.chroma_gain) == ("2020-01-01", 0.1, 2.0)
        assert isinstance(recipe.chroma_gain, float)
        text = "steps: +1_0\nseed: 0x1F\nema: .5\ntemperature: 2.\nname: 010"
        recipe = load_recipe(written(tmp_path, text))
        assert (recipe.steps, recipe.seed, recipe.ema, recipe.temperature) == (10, 31, 0.5, 2.0)
        assert recipe.name == "010"
        for setting in ("seed: 010", "steps: 1:30", "temperature: 1:30.5", "seed: 0b11"):
            with pytest.raises(OptionError, match=rf"is '{setting.split()[1]}' but must be of"):
                load_recipe(written(tmp_path, setting))

    def test_an_overview(self, tmp_path):
        assert load_recipe(written(tmp_path, "name: a")).overview is None
        recipe = load_recipe(written(tmp_path, "overview: {size: 96, weight: 1}"))
        assert recipe.overview == Overview(96, 1.0)
        text = "overview: {}\nnetwork: {name: unet-mini}\nloss: {name: mse}"
        with pytest.raises(OptionError, match="`overview` is set but the network `unet-mini`"):
            load_recipe(written(tmp_path, text))

    def test_every_member_of_a_union_is_tried(self):
        assert build(Either, {"value": 3}) == Either(3)
        assert build(Either, {"value": "all"}) == Either("all")
        assert build(Either, {"value": {"limit": 3}}) == Either(DataOptions(limit=3))
        assert build(Either, {"value": None}) == Either(None)
        with pytest.raises(OptionError, match=r"`a\.value` is 2\.5 .* type int or be of type str"):
            build(Either, {"value": 2.5}, "a")
        with pytest.raises(OptionError, match=r"`value\.limt` is not a key .* mean `limit`"):
            build(Either, {"value": {"limt": 3}})

    def test_a_key_can_be_set_below_null(self, tmp_path):
        path = written(tmp_path, "hints: null\ndata: {validation: null}")
        found = load_recipe(path, {"data.validation.split": "8", "hints.patch": "[1, 3]"})
        assert found.data.validation == SplitOptions(8)
        assert found.hints is not None
        assert found.hints.patch == (1, 3)
        path = written(tmp_path, "data: {validation: photos}")
        told = r"`data\.validation\.split` cannot be set: `data\.validation` holds 'photos', not"
        with pytest.raises(OptionError, match=told):
            load_recipe(path, {"data.validation.split": "8"})

    def test_errors_of_overrides(self, tmp_path):
        path = written(tmp_path, "steps: 5")
        with pytest.raises(OptionError, match=r"`steps\.many` cannot be set: `steps` holds 5, not"):
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


class TestEpochs:
    def test_the_last_one_asked_for_counts(self, tmp_path):
        path = written(tmp_path, "steps: 5\n")
        assert load_recipe(path, {"epochs": "3"}).epochs == 3
        path = written(tmp_path, "epochs: 5\n")
        recipe = load_recipe(path, {"steps": "3"})
        assert (recipe.steps, recipe.epochs) == (3, None)
        path = written(tmp_path, "steps: 5\n")
        for none in ("null", "~", ""):
            assert load_recipe(path, {"epochs": none}).steps == 5
            assert load_recipe(path, {"epochs": none, "steps": "7"}).steps == 7
        with pytest.raises(OptionError, match=r"the command line gives both `steps` \(3\) and"):
            load_recipe(path, {"steps": "3", "epochs": "2"})

    @pytest.mark.parametrize(
        ("pictures", "epochs", "batch", "accumulate", "steps"),
        [(7, 2, 2, 1, 7), (7, 1, 2, 1, 4), (7, 1, 2, 2, 2), (1, 1, 32, 1, 1), (6, 500, 4, 1, 750)],
    )
    def test_steps_follow_from_the_data(self, pictures, epochs, batch, accumulate, steps):
        values = {"epochs": epochs, "batch": batch, "optimizer": {"accumulate": accumulate}}
        recipe = build(Recipe, values, "")
        assert room._with_steps(recipe, pictures).steps == steps
        assert steps == math.ceil(pictures * epochs / (batch * accumulate))


class TestShrink:
    def recipe(self, **changes):
        values = {
            "network": {"name": "unet"},
            "crop": {"mode": "resize-crop", "resize": 268, "sizes": [224, 112]},
            "hints": None,
            "size": 224,
        }
        return build(Recipe, values | changes, "")

    def test_sides_keep_their_proportion(self):
        small = shrink(self.recipe(), size=64)
        assert small.crop.sizes == (64, 32)
        assert small.crop.resize == round(268 * 64 / 224)
        assert small.size == 64
        assert shrink(self.recipe(), size=224) == self.recipe()
        assert shrink(small, size=448).crop.sizes == (448, 224)

    def test_the_picture_limit_is_of_both_sets(self):
        small = shrink(self.recipe(data={"validation_pictures": 1000}), limit=64)
        assert (small.data.limit, small.data.validation_pictures) == (64, 64)
        assert small.crop.sizes == (224, 112)
        held = shrink(self.recipe(data={"validation": {"split": 1000}}), limit=64)
        assert held.data.validation == SplitOptions(16)
        few = shrink(self.recipe(data={"validation_pictures": 10}), limit=64)
        assert few.data.validation_pictures == 10

    def test_a_run_of_few_pictures_has_a_curve(self):
        long = {"batch": 32, "epochs": 1, "segment": 2500}
        small = shrink(self.recipe(**long), limit=64)
        assert (small.batch, small.segment) == (8, 1)
        assert shrink(self.recipe(**long | {"epochs": 10}), limit=64).segment == 8
        assert shrink(self.recipe(**long), limit=80_000).batch == 32
        assert shrink(self.recipe(steps=6000, segment=250), limit=1000).segment == 250
        assert shrink(self.recipe(**long | {"devices": 2}), limit=20).batch == 2

    def test_the_rate_of_a_small_run_rises_within_its_first_tenth(self):
        long = {"batch": 32, "epochs": 10, "optimizer": {"warmup": 300}}
        assert shrink(self.recipe(**long), limit=64).optimizer.warmup == 8
        assert shrink(self.recipe(**long), limit=80_000).optimizer.warmup == 300
        kept = shrink(self.recipe(**long), limit=64, given={"optimizer.warmup"})
        assert kept.optimizer.warmup == 300

    def test_a_recipe_of_few_pictures_keeps_its_batches(self):
        few = self.recipe(data={"limit": 4}, batch=4, epochs=500)
        assert shrink(few, limit=4).batch == 4
        assert shrink(few, limit=64).batch == 4
        assert shrink(few, limit=3).batch == 1

    def test_what_a_person_has_set_stays(self):
        recipe = self.recipe(batch=32, epochs=1, segment=2500)
        kept = shrink(recipe, limit=64, given={"batch", "segment"})
        assert (kept.batch, kept.segment) == (32, 2500)

    def test_the_width_of_cnn_follows(self):
        values = {"network": {"name": "cnn"}, "loss": {"name": "l1"}, "crop": {"sizes": [128]}}
        recipe = self.recipe(**values, size=128)
        small = shrink(recipe, size=32)
        assert small.network.options == {"width": 32}
        network = build_network(small.network)
        assert network.fixed_size == small.size == 32
        check_fit(small, network)
        with pytest.raises(OptionError, match=r"holds 32 but the network `cnn` takes .* 128 x 128"):
            check_fit(small, build_network(recipe.network))

    def test_bad_values(self):
        with pytest.raises(OptionError, match=r"`size` is 60 .* multiple of 16 .* try 48 or 64"):
            shrink(self.recipe(), size=60)
        with pytest.raises(OptionError, match=r"`size` is 8 .* try 16"):
            shrink(self.recipe(), size=8)
        with pytest.raises(OptionError, match="`size` is 0"):
            shrink(self.recipe(), size=0)
        with pytest.raises(OptionError, match="`limit` is 0 but must be at least 1"):
            shrink(self.recipe(), limit=0)


def test_a_path_may_begin_at_home(tmp_path, monkeypatch):
    """No shell expands `~` in a file, nor behind `--set KEY=`."""
    monkeypatch.setenv("HOME", "/home/ada")
    path = tmp_path / "recipe.yaml"
    path.write_text("name: ~me\ndata: {train: ~/photos, validation: photos/~/x}\n")
    loaded = load_recipe(path, {"network.start": "~/koala.onnx", "teacher.model": "koala"})
    assert (loaded.name, loaded.data.train) == ("~me", "/home/ada/photos")
    assert loaded.data.validation == "photos/~/x"
    assert loaded.network.start == "/home/ada/koala.onnx"
    assert load_recipe(path, {"data.validation": "{split: 3}"}).data.validation == SplitOptions(3)


def test_a_key_without_a_space_behind_its_colon_is_told_so(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "name: a\nnetwork: {name: unet-mini}\ndata: {train: a, validation: {split:9}}\n"
    )
    words = "`data.validation.split:9` lacks a space behind its colon: write `split: 9`"
    with pytest.raises(OptionError, match=f"^{words}$"):
        load_recipe(path)


def test_a_whole_number_written_as_a_fraction_is_told_how_to_write_it(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("name: a\n")
    with pytest.raises(OptionError, match=r"`steps` is 1000\.0 but must .* int: write 1000$"):
        load_recipe(path, {"steps": "1e3"})
    with pytest.raises(OptionError, match=r"`epochs` is 20\.0 .* or be null: write 20$"):
        load_recipe(path, {"epochs": "20.0"})
    with pytest.raises(OptionError, match=r"`steps` is 0\.5 but must be of type int$"):
        load_recipe(path, {"steps": "0.5"})


@pytest.mark.slow
@EVERY_RECIPE
def test_ours_run_shrunk(path, tmp_path, monkeypatch):
    """As `koalarize lab train RECIPE --limit 8 --epochs 1 --size 32` does, on drawn pictures."""
    stand_in_lpips(tmp_path, monkeypatch)
    photos = make_photos(tmp_path / "photos", 12)
    overrides = without_download(path) | {
        "data.train": str(photos),
        "data.workers": "0",
        "epochs": "1",
        "batch": "4",
        "precision": "fp32",
        "accelerator": "cpu",
    }
    if isinstance(load_recipe(path).data.validation, str):
        overrides["data.validation"] = str(photos)
    overrides["validate_every"] = "1"
    if load_recipe(path).teacher is not None:
        overrides["teacher.model"] = "koala-int8"  # a stand-in that is here
    side = 64 if load_recipe(path).train_overview else 32  # room for a second look
    result = train(path, output=tmp_path / "run", overrides=overrides, limit=8, size=side)
    loaded = load_checkpoint(result)
    a_step = loaded.recipe.samples_a_step  # of four rows; copies of others do not count
    assert a_step == (3 if path.stem in _THREE_FRESH else 4)
    assert loaded.facts["pictures"] == 8
    assert loaded.recipe.steps == loaded.facts["steps"] == -(-8 // a_step)
    assert loaded.facts["samples"] == loaded.facts["steps"] * a_step
    assert max(loaded.recipe.crop.sizes) == side
    assert loaded.recipe.name == load_recipe(path).name


@pytest.mark.parametrize("name", ["precision", "accelerator", "logger"])
def test_closed_words_are_checked_of_recipes_made_in_python_too(name):
    with pytest.raises(OptionError, match=rf"`{name}` is 'x' but must be \w+ or"):
        Recipe(**{name: "x"})
