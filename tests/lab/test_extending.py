"""Networks, losses, metrics, data of one's own: docs/extending.md runs, mistakes are told."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from koalarize.errors import DataError, ModelError, OptionError
from koalarize.lab.datasets.batches import CropOptions
from koalarize.lab.datasets.sources import check_there, load_pictures
from koalarize.lab.evaluation.evaluate import evaluate
from koalarize.lab.evaluation.fading import measure_fading
from koalarize.lab.export.card import write_card
from koalarize.lab.export.export import export
from koalarize.lab.metrics.definitions import ALL_METRICS, choose_metrics, metric_of
from koalarize.lab.metrics.metrics import picture_scores
from koalarize.lab.runs.checkpoint import build_network, load_checkpoint, save_checkpoint
from koalarize.lab.runs.recipe import LossOptions, NetworkOptions, Recipe, load_recipe
from koalarize.lab.training.network import network_of
from koalarize.lab.training.own_loss import OwnLoss
from koalarize.lab.training.resume import _is_judged_alike
from koalarize.lab.training.shrink import shrink
from koalarize.lab.training.train import train
from runs import make_photos

DOCUMENT = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
RECIPE = "".join(re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL))
CODE = "\n\n".join(re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL))
MISTAKES = """
import numpy as np
import torch
from koalarize.lab.metrics.definitions import ALL_METRICS, Metric
from koalarize.lab.networks import ClassifyingNetwork, ColorNetwork

class Strideless(ColorNetwork):
    accepts_hints = False
    def forward(self, l, hints=None): return l

class Empty(ColorNetwork):
    stride, accepts_hints = 1, False

class Illogical(ClassifyingNetwork):
    stride, accepts_hints = 1, False

class Answers(ColorNetwork):
    stride, accepts_hints = 1, True
    def __init__(self, kind="true"):
        super().__init__()
        self.kind = kind
        self.body = torch.nn.Sequential(torch.nn.Conv2d(4, 2, 1), torch.nn.BatchNorm2d(2))
        if kind == "unmade":
            raise ValueError("no kind")
    def forward(self, l, hints=None):
        ab = self.body(torch.cat([l, hints], 1)) + torch.rand(())
        faults = {"thin": ab[:, :1], "small": ab[..., ::2, ::2], "list": [ab], "cut": ab.detach()}
        if self.kind == "lost":
            return ab + self.lost
        return faults.get(self.kind, ab)

class Weighted(torch.nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight))
    def forward(self, ab, target):
        return self.weight * (ab - target).abs().mean()

def planes(ab, target): return (ab - target).abs()
def misspelt(ab, target): return ab.maen()
def number(ab, target): return (ab - target).abs().mean().item()
def detached(ab, target): return (ab - target).abs().mean().detach()
scoreless = ALL_METRICS["psnr"]
def metric(score, better="lower"):
    return Metric("m", "m", "1", better, "of grey", 2, "m", score=score)
nothing = metric(lambda made, real: None)
nan = metric(lambda made, real: float("nan"))
pixels = metric(lambda made, real: made)
careless = metric(lambda made, real: made.fill(0) or 1.0)
aimless = metric(lambda made, real: 1.0, "as the originals")
def needy(folder): yield from ()
def nameless(): yield b""
def floats(): yield "a", np.zeros((20, 20, 3))
def words(): yield "a", "b.jpg"
def one(): return 1
def called(): raise OSError("no such folder")
def halfway():
    yield "a", b"no picture"
    raise OSError("the disk is gone")
def none(): return []
def arrays():
    yield "a", np.full((20, 20, 3), (200, 90, 40), np.uint8)
    yield "b", b"no picture"
five = 5
"""


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    """A folder with the document's module and one of mistakes, where Python finds both."""
    (tmp_path / "mine.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "mistakes.py").write_text(MISTAKES, encoding="utf-8")
    (tmp_path / "broken.py").write_text("\nundefined\n", encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(RECIPE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    metric_of.__globals__["_own_metric"].cache_clear()
    yield tmp_path
    for name in ("mine", "mistakes", "broken"):
        sys.modules.pop(name, None)


def answering(kind):
    network = NetworkOptions("mistakes:Answers", {"kind": kind})
    return Recipe(
        network=network, crop=CropOptions(sizes=(8,)), hints=None, loss=LossOptions("mse")
    )


def test_the_document_runs_as_printed(own):
    make_photos(own / "data" / "sample" / "train", 6)
    path = train(own / "mine.yaml")
    network = load_checkpoint(path).network
    assert type(network).__name__ == "Small"
    assert network(torch.zeros(1, 1, 8, 8)).shape == (1, 2, 8, 8)
    metrics = ["psnr", "mine:chroma_error"]
    report = evaluate([path], Path("mine:pictures"), limit=2, metrics=metrics)
    grey, model = (row.scores["mine:chroma_error"] for row in report.rows)
    assert grey is not None
    assert model is not None
    assert grey > 1
    assert report.rows[1].relative["mine:chroma_error_of_grey"] == pytest.approx(model / grey, 1e-4)
    used = report.protocol.metrics["mine:chroma_error"]
    assert (used.weights, used.unit) == ("mine.py", "Lab units")
    assert len(used.sha256 or "") == 64
    assert "chroma error (of grey)" in report.to_markdown()
    assert report.to_csv().startswith("picture,model,size,temperature,psnr,mine:chroma_error\n")


def test_a_card_says_that_a_checkpoint_needs_its_authors_module(own):
    network = build_network(NetworkOptions("mine:Small"))
    recipe = Recipe(network=NetworkOptions("mine:Small"), hints=None, loss=LossOptions("mse"))
    save_checkpoint(own / "model.safetensors", network.state_dict(), recipe, {})
    model = export(own / "model.safetensors", own / "mine.onnx")
    card = write_card(own / "model.safetensors", model).read_text(encoding="utf-8")
    assert "It needs nothing else. The checkpoint (`model.safetensors`)" in card
    assert "`mine.py` in a folder of PYTHONPATH" in card


def test_fading_shows_what_a_metric_of_ones_own_notices(own):
    make_photos(own / "data" / "sample" / "train", 3)
    found = measure_fading(
        Path("mine:pictures"), short_side=32, limit=2, metrics=["mine:chroma_error"]
    )
    faded = found.faded["mine:chroma_error"]
    assert faded[0] > faded[5] > faded[-1] == 0
    assert ", mine.py (sha256 " in found.metrics["mine:chroma_error"]


class TestNames:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("nowhere:Net", "finds no module `nowhere`.*PYTHONPATH=. koalarize"),
            ("mine:Smal", "has no `Smal`, did you mean `Small`"),
            ("mine.py:Small", "without its ending: write `mine:...`"),
            ("broken:Net", r"cannot be imported: mend .*broken.py, line 2 \(NameError"),
            ("mine:charbonnier", "must name a class derived from"),
            ("mistakes:Strideless", "`stride` is None"),
            ("mistakes:Empty", "has no `forward`"),
            ("mistakes:Illogical", "has no `logits`"),
        ],
    )
    def test_a_network_that_is_none(self, name, words):
        with pytest.raises(OptionError, match=words):
            build_network(NetworkOptions(name))

    @pytest.mark.parametrize(
        ("kind", "words"),
        [
            ("thin", r"answer to L\* \(2, 1, 8, 8\) is of shape \(2, 1, 8, 8\) but must be ab"),
            ("small", r"is of shape \(2, 2, 4, 4\) but must be ab \(2, 2, 8, 8\)"),
            ("list", "is <class 'list'> but must be ab"),
            ("cut", "whose answer has no gradient: it must be made by weights"),
            ("lost", r"which fails: mend .*mistakes\.py, line \d+ \(AttributeError: .*'lost'"),
            ("unmade", r"which fails: mend .*mistakes\.py, line \d+ \(ValueError: no kind\)"),
        ],
    )
    def test_a_network_answers_once_before_a_picture_is_read(self, kind, words):
        with pytest.raises(OptionError, match=rf"`network\.name` is 'mistakes:Answers', .*{words}"):
            network_of(answering(kind))

    def test_that_answer_changes_nothing(self):
        network = network_of(answering("true"))
        following = torch.rand(1)
        torch.manual_seed(0)
        fresh = build_network(NetworkOptions("mistakes:Answers"))
        assert network.training
        assert torch.equal(following, torch.rand(1))
        for name, value in fresh.state_dict().items():
            assert torch.equal(value, network.state_dict()[name])

    def test_options_that_a_network_does_not_take(self):
        with pytest.raises(OptionError, match=r"`network.options` is .*takes \(width.*'widht'"):
            build_network(NetworkOptions("mine:Small", {"widht": 8}))

    def test_a_checkpoint_says_which_module_it_lacks(self, own):
        options = NetworkOptions("mine:Small", {"width": 4})
        recipe = Recipe(network=options, loss=LossOptions("mse"))
        save_checkpoint(own / "m.safetensors", build_network(options).state_dict(), recipe, {})
        assert load_checkpoint(own / "m.safetensors").recipe == recipe
        sys.modules.pop("mine")
        (own / "mine.py").unlink()
        with pytest.raises(ModelError, match=r"needs its author's network: .*PYTHONPATH"):
            load_checkpoint(own / "m.safetensors")

    def test_size_follows_the_stride_of_ones_own(self, own):
        recipe = load_recipe(own / "mine.yaml")
        assert shrink(recipe, size=16).crop.sizes == (16,)
        with pytest.raises(OptionError, match=r"must be a multiple of 4 .*`mine:Small`: try 16 or"):
            shrink(recipe, size=18)


class TestLoss:
    def test_it_gets_its_options(self):
        ab, target = torch.full((1, 2, 8, 8), 3.0), torch.zeros(1, 2, 8, 8)
        loss = OwnLoss(LossOptions("mine:charbonnier", {"epsilon": 4.0}))
        assert float(loss(ab, target)) == pytest.approx(5)

    def test_one_that_fails_says_where(self):
        words = r"'mistakes:misspelt', which fails: mend .*mistakes\.py, line \d+ \(Attribute"
        with pytest.raises(OptionError, match=words):
            OwnLoss(LossOptions("mistakes:misspelt")).try_out(8)

    def test_a_module_is_frozen(self):
        loss = OwnLoss(LossOptions("mistakes:Weighted", {"weight": 2.0}))
        found = loss(torch.ones(1, 2, 4, 4, requires_grad=True), torch.zeros(1, 2, 4, 4))
        found.backward()
        assert float(found.detach()) == 2
        assert loss._loss.weight.grad is None
        loss.try_out(16)

    @pytest.mark.parametrize(
        ("name", "options", "words"),
        [
            ("mistakes:five", {}, "of type int, but must name a function"),
            ("mistakes:planes", {}, r"returned shape \(2, 2, 16, 16\) but must .*take the mean"),
            ("mistakes:number", {}, "returned [0-9.]+ but must return one number as a tensor"),
            ("mistakes:detached", {}, "must be differentiable in ab"),
            ("mine:charbonnier", {"eps": 1}, r"`loss.options` .* takes \(ab.*'eps'"),
            ("mistakes:Weighted", {}, "missing a required argument: 'weight'"),
        ],
    )
    def test_a_loss_that_is_none(self, name, options, words):
        with pytest.raises(OptionError, match=words):
            OwnLoss(LossOptions(name, options)).try_out(16)

    def test_options_are_for_ones_own_alone(self):
        with pytest.raises(OptionError, match=r"`loss.options` is .* the loss 'mse' takes none"):
            LossOptions("mse", {"epsilon": 1.0})

    def test_other_options_measure_another_validation_loss(self):
        one, other = ({"loss": {"name": "a:b", "options": {"e": e}}} for e in (1, 2))
        whole = {"crop": {}, "data": {}}
        assert _is_judged_alike(one | whole, one | whole)
        assert not _is_judged_alike(one | whole, other | whole)


class TestMetric:
    PICTURE = np.full((20, 20, 3), (200, 90, 40), np.uint8)

    def test_ones_own_come_last_beside_all(self):
        chosen = choose_metrics(["mine:chroma_error", "all", "mine:chroma_error"])
        assert chosen == [*ALL_METRICS, "mine:chroma_error"]

    def test_pictures_stay_what_they_were(self):
        before = self.PICTURE.copy()
        scores = picture_scores(self.PICTURE, before, ["mistakes:careless", "psnr"])
        assert scores["mistakes:careless"] == 1
        assert math.isinf(scores["psnr"])
        assert np.array_equal(self.PICTURE, before)
        assert self.PICTURE.any()

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("mistakes:planes", "of type function, but must name a `koalarize.*Metric`"),
            ("mistakes:scoreless", "whose `score` is None"),
            ("mistakes:aimless", "better='as the originals'"),
            ("psrn", "unknown, did you mean `psnr`.*MODULE:NAME of your own"),
        ],
    )
    def test_a_metric_that_is_none(self, name, words):
        with pytest.raises(OptionError, match=words):
            choose_metrics([name])

    @pytest.mark.parametrize("name", ["nothing", "nan", "pixels"])
    def test_a_score_that_is_no_number(self, name):
        with pytest.raises(OptionError, match="must be a number"):
            picture_scores(self.PICTURE, self.PICTURE, [f"mistakes:{name}"])


class TestData:
    def test_arrays_are_taken_and_broken_ones_counted(self):
        found = load_pictures(Path("mistakes:arrays"))
        assert found.arrays[0][0, 0].tolist() == [200, 90, 40]
        assert found.left_out == {"broken": 1}

    def test_a_folder_of_that_name_comes_first(self, own):
        (own / "mistakes:arrays").mkdir()
        Image.new("RGB", (30, 20), "red").save(own / "mistakes:arrays" / "a.png")
        assert load_pictures(Path("mistakes:arrays")).arrays[0].shape == (20, 30, 3)

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("nameless", "of type bytes but must yield pairs"),
            ("floats", "as float64 of shape"),
            ("words", "as str but a picture must be"),
            ("one", "returned 1 but must yield"),
            ("called", r"which fails: mend .*mistakes\.py, line \d+ \(OSError: no such folder"),
            ("halfway", r"which fails: mend .*mistakes\.py, line \d+ \(OSError: the disk is gone"),
            ("none", "it must yield some; its relative paths begin at"),
        ],
    )
    def test_a_set_that_is_none(self, name, words):
        with pytest.raises(DataError, match=words):
            load_pictures(Path(f"mistakes:{name}"))

    def test_a_set_is_checked_before_the_run(self):
        with pytest.raises(OptionError, match="missing a required argument: 'folder'"):
            check_there(Path("mistakes:needy"))
        with pytest.raises(DataError, match="is of type int but must be a function"):
            check_there(Path("mistakes:five"))
