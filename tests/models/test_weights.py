"""The models in the package, their catalogue, and the engine that runs them."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import koalarize
from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.engine import METADATA_KEY
from koalarize.engines.onnx import OnnxEngine
from koalarize.errors import ModelError
from koalarize.models import catalog, store
from koalarize.steering.hints import Hint

ROOT = Path(__file__).parents[2]


def recipe_of(name):
    return (ROOT / catalog.MODELS[name].recipe).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def koala():
    return Colorizer.load("koala")


@pytest.mark.parametrize("name", catalog.MODELS)
class TestEveryModel:
    def test_card(self, name):
        card = catalog.MODELS[name]
        assert card.name == name
        assert card.parameters > 0
        assert all((card.licence, card.training_data, card.recipe, card.summary))
        assert hashlib.sha256(store.find_model(name).read_bytes()).hexdigest() == card.sha256

    def test_card_and_file_agree(self, name):
        onnx = pytest.importorskip("onnx")
        model = onnx.load(store.find_model(name))
        facts = json.loads({p.key: p.value for p in model.metadata_props}[METADATA_KEY])
        assert facts["parameters"] == catalog.MODELS[name].parameters
        assert facts["name"] == name
        assert f"--set name={facts['recipe']['name']} " in recipe_of(name)

    def test_the_recipe_writes_this_file(self, name):
        assert f'-o "$out/{catalog.MODELS[name].file}"' in recipe_of(name)

    def test_runs_at_odd_multiples(self, name):
        engine = OnnxEngine(store.find_model(name))
        stride = engine.info.stride
        lightness = np.random.default_rng(0).uniform(0, 100, (3 * stride, 5 * stride))
        ab = engine.run(lightness.astype(np.float32)[None], None).of(0).ab
        assert ab.shape[0] == 2
        assert np.isfinite(ab).all()
        assert np.abs(ab).max() < 130

    def test_same_picture_same_colors(self, name):
        grey = np.random.default_rng(0).integers(0, 256, (70, 50), dtype=np.uint8)
        found = koalarize.colorize(grey, model=name)
        assert np.array_equal(found, Colorizer.load(name)(grey))
        alone = Colorizer.load(name, threads=1)(grey)
        if name == "koala-int8":  # sums in another order may be rounded to the next of 256 levels
            assert np.abs(found.astype(int) - alone).max() <= 1
            assert (found != alone).mean() < 1e-3
        else:
            assert np.array_equal(found, alone)


class TestKoala:
    def test_paints(self, koala, astronaut):
        out = koala(astronaut)
        assert 8 < color.colorfulness(out) < 80

    def test_a_hint_takes_its_color(self, koala, astronaut):
        hint = Hint(95, 400, "#208040", 10)  # on the sleeve
        plain = color.srgb_to_lab(koala(astronaut))[..., 1:]
        asked = color.srgb_to_lab(koala(astronaut, hints=[hint]))[..., 1:]
        sleeve, face = (slice(392, 408), slice(87, 103)), (slice(92, 108), slice(217, 233))
        assert np.abs(asked[sleeve].mean((0, 1)) - hint.ab).max() < 15
        assert np.abs(plain[sleeve].mean((0, 1)) - hint.ab).max() > 30
        assert np.abs(asked[face].mean((0, 1)) - plain[face].mean((0, 1))).max() < 4

    def test_blank_pictures_stay_calm(self, koala):
        for level in (0, 128, 255):
            out = koala(np.full((100, 140), level, np.uint8))
            assert color.colorfulness(out) < 1


@pytest.fixture(scope="module")
def astronaut():
    from skimage import data

    lab = color.srgb_to_lab(data.astronaut())
    lab[..., 1:] = 0
    return np.ascontiguousarray(color.lab_to_srgb(lab, dtype=np.uint8)[..., 0])


class TestMistakes:
    def test_unknown_name(self):
        with pytest.raises(ModelError, match="did you mean `koala`"):
            Colorizer.load("koalla")

    def test_a_checkpoint_is_exported_first(self, tmp_path):
        words = r"is a checkpoint of a training.*`koalarize lab export runs/koala/model\.safet"
        with pytest.raises(ModelError, match=words):
            Colorizer.load("runs/koala/model.safetensors")

    def test_missing_file(self, tmp_path):
        with pytest.raises(ModelError, match="does not exist"):
            Colorizer.load(tmp_path / "none.onnx")

    def test_not_onnx(self, tmp_path):
        (tmp_path / "bad.onnx").write_bytes(b"not a model")
        with pytest.raises(ModelError, match="cannot be loaded"):
            Colorizer.load(tmp_path / "bad.onnx")

    def test_other_bins(self, tmp_path):
        onnx = pytest.importorskip("onnx")
        model = onnx.load(store.find_model("koala"))
        (entry,) = [p for p in model.metadata_props if p.key == METADATA_KEY]
        facts = json.loads(entry.value)
        facts["bins"][0] = [1, 2]
        own = json.dumps(facts)
        entry.value = json.dumps(facts)
        onnx.save(model, tmp_path / "other.onnx")
        colorizer = Colorizer.load(tmp_path / "other.onnx")
        assert colorizer.info.bins.centres[0].tolist() == [1, 2]
        facts["bins"][0] = [1, None]
        entry.value = json.dumps(facts)
        onnx.save(model, tmp_path / "broken.onnx")
        with pytest.raises(ModelError, match="does not describe itself"):
            Colorizer.load(tmp_path / "broken.onnx")
        assert own != entry.value

    def test_damaged_weights(self, tmp_path, monkeypatch):
        card = catalog.MODELS["koala"]
        damaged = bytearray(store.find_model("koala").read_bytes())
        damaged[len(damaged) // 2] ^= 1
        (tmp_path / card.file).write_bytes(damaged)
        monkeypatch.setattr(store, "__file__", str(tmp_path / "store.py"))
        with pytest.raises(ModelError, match=r"damaged.*reinstall"):
            Colorizer.load("koala")
        (tmp_path / card.file).unlink()
        with pytest.raises(ModelError, match=r"missing: reinstall"):
            Colorizer.load("koala")
        (tmp_path / "koalarize.pyz").touch()
        monkeypatch.setattr(store, "__file__", str(tmp_path / "koalarize.pyz" / "store.py"))
        with pytest.raises(ModelError, match=r"cannot be read out of .*koalarize\.pyz`: install"):
            Colorizer.load("koala")
