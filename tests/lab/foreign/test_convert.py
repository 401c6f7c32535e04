"""From other people's weights to a file that colours pictures: parity, hints, suggestions."""

import dataclasses
import json

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from test_networks import SMALL, lightness, random_state, under_spectral_norms

import by_facts
from koalarize import color
from koalarize.cli import main
from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.plan import plan, suggestions
from koalarize.engines.engine import METADATA_KEY, AuthorsWay
from koalarize.errors import ModelError, OptionError, OutputError
from koalarize.lab.evaluation.models import load_model
from koalarize.lab.export import convert as converting
from koalarize.lab.export.convert import check_same, convert
from koalarize.lab.foreign import ECCV16, DDColor, Siggraph17
from koalarize.lab.foreign.ddcolor import grey_of
from koalarize.models.open import open_model
from koalarize.photo.files import sha256_of
from koalarize.photo.photo import Photo
from koalarize.steering.hints import Hint
from koalarize.steering.steering import PLAIN

pytestmark = pytest.mark.slow
#: As few blocks and layers as have each kind of both once.
SHALLOW = dataclasses.replace(SMALL, depths=(1, 1, 1, 1), layers=3)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """Network -> its state and the ONNX file, made by the command."""
    folder = tmp_path_factory.mktemp("convert")
    states = {
        "siggraph17": random_state(Siggraph17(8)),
        "eccv16": random_state(ECCV16(8, 40)),
        "ddcolor": under_spectral_norms(random_state(DDColor(SHALLOW))),
    }
    for name, state in states.items():
        torch.save(state, folder / f"{name}.pth")
        more = ["--size", "64"] if name == "ddcolor" else []
        assert main(["lab", "convert", str(folder / f"{name}.pth"), *more]) == 0
    return {name: (state, folder / f"{name}.onnx") for name, state in states.items()}


def grey(height=64, width=96):
    rng = np.random.default_rng(2)
    coarse = Image.fromarray(rng.integers(30, 226, (6, 9), dtype=np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def close(found, expected):
    expected = expected.numpy()
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4 * max(1.0, np.abs(expected).max())


def test_what_the_file_says(converted):
    state, path = converted["siggraph17"]
    facts = json.loads({p.key: p.value for p in onnx.load(path).metadata_props}[METADATA_KEY])
    assert facts["facts"]["source"] == "siggraph17.pth"
    assert len(facts["bins"]) == 529
    assert str(path.parent) not in json.dumps(facts)
    info = open_model(path).info
    assert (info.name, info.stride, info.size, info.output) == ("siggraph17", 8, 256, "ab")
    assert info.accepts_hints
    assert info.suggests
    assert info.authors == AuthorsWay(256)
    del state


class TestParityWithTheFacts:
    @torch.no_grad()
    def test_siggraph17(self, converted):
        state, path = converted["siggraph17"]
        l = lightness(3, 24, 40)
        hints = torch.zeros(3, 3, 24, 40)
        hints[1, :, 4:9, 4:9] = torch.tensor([40.0, -20, 1]).view(3, 1, 1)
        found = open_model(path).run(l[:, 0].numpy(), hints.numpy())
        ab, logits = by_facts.siggraph17(state, l, hints)
        close(found.ab, ab)
        close(found.logits, logits)

    @torch.no_grad()
    def test_eccv16(self, converted):
        state, path = converted["eccv16"]
        l = lightness(2, 24, 40)
        found = open_model(path).run(l[:, 0].numpy(), None).ab
        up = torch.nn.functional.interpolate(
            torch.from_numpy(found), scale_factor=4, mode="bilinear"
        )
        close(up.numpy(), by_facts.eccv16(state, l))

    @torch.no_grad()
    def test_ddcolor(self, converted):
        state, path = converted["ddcolor"]
        found = open_model(path).run(lightness(1)[:, 0].numpy(), None).ab
        close(found, by_facts.ddcolor(state, grey_of(lightness(1)), heads=1))


class TestUsed:
    @pytest.mark.parametrize("name", ["siggraph17", "eccv16", "ddcolor"])
    def test_it_colours(self, converted, name):
        colorizer = Colorizer.load(converted[name][1])
        for more in ({}, {"best": True}):
            assert colorizer(grey(), **more).shape == (64, 96, 3)
        faithful = Colorizer.load(converted[name][1], faithful=True)
        assert not np.array_equal(faithful(grey()), colorizer(grey()))

    def test_siggraph17_takes_hints(self, converted):
        colorizer = Colorizer.load(converted["siggraph17"][1])
        plain = color.srgb_to_lab(colorizer(grey()))
        asked = color.srgb_to_lab(colorizer(grey(), hints=[Hint(40, 30, "#c03020", 6)]))
        assert np.abs(asked - plain)[30, 40].max() > 5

    @pytest.mark.parametrize(("name", "hints"), [("siggraph17", True), ("eccv16", False)])
    def test_it_suggests(self, converted, name, hints):
        colorizer = Colorizer.load(converted[name][1])
        assert colorizer.info.accepts_hints == hints
        look = colorizer.look(Photo.read(grey()))
        found = suggestions(look, PLAIN, (40, 30), 5)
        assert 1 <= len(found) <= 5
        assert sum(one.probability for one in found) <= 1.001
        assert plan(look, PLAIN).at(0.5, 0.5, 50).shape == (3,)

    def test_a_reference_leads_siggraph17(self, converted):
        colorizer = Colorizer.load(converted["siggraph17"][1])
        red = np.full((40, 40, 3), (190, 60, 50), np.uint8)
        led = colorizer(grey(), reference=red, hints=[Hint(5, 5, "#4060c0", 3)])
        assert not np.array_equal(led, colorizer(grey(), hints=[Hint(5, 5, "#4060c0", 3)]))


class TestRefused:
    def test_onto_itself(self, tmp_path):
        torch.save({}, tmp_path / "a.pth")
        with pytest.raises(OptionError, match="is the source itself"):
            convert(tmp_path / "a.pth", tmp_path / "a.pth")

    def test_what_is_converted_already(self, tmp_path):
        with pytest.raises(OptionError, match=r"a\.onnx` is an \.onnx file, which needs no"):
            convert(tmp_path / "a.onnx")

    def test_over_what_is_no_model(self, tmp_path):
        (tmp_path / "photo.png").write_bytes(b"precious")
        with pytest.raises(OutputError, match=r"exists and is no \.onnx file"):
            convert(tmp_path / "no.pth", tmp_path / "photo.png")
        assert (tmp_path / "photo.png").read_bytes() == b"precious"

    def test_a_missing_folder_before_the_work(self, tmp_path):
        with pytest.raises(OutputError, match=r"`.*no` of `a.onnx` does not exist"):
            convert(tmp_path / "no.pth", tmp_path / "no" / "a.onnx")

    @pytest.mark.parametrize(("value", "told"), [(float("nan"), "nan"), (0.0, r"[\d.]+")])
    def test_a_graph_that_computes_something_else(self, converted, value, told):
        state, path = converted["eccv16"]
        network = ECCV16(8, 40).eval()
        network.load_state_dict(state, strict=False)
        check_same(path.read_bytes(), network)
        with torch.no_grad():
            network.model1[0].weight[0] = value
        with pytest.raises(ModelError, match=f"graph differs from the network by {told} but"):
            check_same(path.read_bytes(), network)


def test_weights_are_evaluated_as_their_converted_file_is(converted, monkeypatch):
    """The graph is the command's, as tracing it takes seconds; it is compared with the network."""
    _, path = converted["eccv16"]
    compared = []

    def compare(data, network):
        compared.append(type(network))
        check_same(data, network)

    monkeypatch.setattr(converting, "graph_of", lambda *_: onnx.load(path))
    monkeypatch.setattr(converting, "check_same", compare)
    found = load_model(path.with_suffix(".pth"))
    assert compared == [ECCV16]
    assert found.name.endswith("/eccv16.pth")
    assert found.sha256 == sha256_of(path.with_suffix(".pth"))
    lightness = grey()[None].astype(np.float32)[:, :64, :96] / np.float32(2.55)
    expected = open_model(path).run(lightness, None).ab
    assert np.array_equal(found.engine.run(lightness, None).ab, expected)
