"""An evaluation that was stopped goes on: its report is that of one in one go."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchmetrics.image import fid

from koalarize.cli import main
from koalarize.errors import DataError, OptionError, OutputError
from koalarize.lab.evaluation import evaluate as room
from koalarize.lab.evaluation import unfinished as keeping
from koalarize.lab.evaluation.evaluate import evaluate
from koalarize.lab.metrics import perceptual
from koalarize.lab.metrics.perceptual import FID, LPIPS, SetMetric
from samples import UNET, checkpoint, photo

PER_PICTURE = ("psnr", "inverse-ssim", "colorfulness-abs", "delta-colorfulness", "variety")


class Stop(BaseException):
    """Somebody pulls the plug."""


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "unet" / "model.safetensors"
    return checkpoint(path, "unet-mini", UNET, size=32)


@pytest.fixture(autouse=True)
def saved_at_each_picture(monkeypatch) -> None:
    monkeypatch.setattr(keeping, "_SECONDS", 0.0)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six pictures; the second is broken, the third too small, the fourth far too small."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(6):
        size = {2: (48, 20), 3: (8, 4)}.get(number, (48, 40))
        Image.fromarray(photo(number, size)).save(folder / f"{number}.png")
    (folder / "1.png").write_bytes(b"broken")
    return folder


def stopped_after(count: int):
    def progress(done: int, _: int) -> None:
        if done == count:
            raise Stop

    return progress


def stop(model: Path, data: Path, kept: Path, **options) -> None:
    with pytest.raises(Stop):
        evaluate([model], data, progress=stopped_after(2), unfinished=kept, **options)


def test_a_stopped_evaluation_goes_on_to_the_same_report(model, data, tmp_path, caplog):
    straight = evaluate([model], data, metrics=PER_PICTURE)
    kept = tmp_path / "report.json.unfinished"
    stop(model, data, kept, metrics=PER_PICTURE)
    done: list[tuple[int, int]] = []
    resumed = evaluate(
        [model],
        data,
        metrics=PER_PICTURE,
        unfinished=kept,
        progress=lambda *numbers: done.append(numbers),
    )
    assert resumed == straight
    assert resumed.protocol.left_out == {"broken": 1, "tiny": 2}
    assert done == [(3, 3)]  # the first two were not coloured again
    (said,) = caplog.messages
    assert said.startswith("going on after 2 pictures")
    again = evaluate([model], data, metrics=PER_PICTURE, unfinished=kept)  # as with a full disk
    assert again == straight


@pytest.mark.parametrize("limit", [3, 4])
def test_a_limit_counts_what_was_scored_before(limit, model, data, tmp_path):
    kept = tmp_path / "kept"
    straight = evaluate([model], data, metrics=["psnr"], limit=limit)
    stop(model, data, kept, metrics=["psnr"], limit=limit)
    assert evaluate([model], data, metrics=["psnr"], limit=limit, unfinished=kept) == straight


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"metrics": ["ssim"]}, "another set of metrics:"),
        ({"limit": 2}, "another limit:"),
        ({"protocol": "direct"}, "another protocol:"),
        ({"sizes": [64]}, "another size or temperature:"),
    ],
)
def test_scores_of_another_question_are_refused(options, named, model, data, tmp_path):
    kept = tmp_path / "kept"
    stop(model, data, kept, metrics=["psnr"])
    before = kept.read_bytes()
    with pytest.raises(OptionError, match=f"holds 2 pictures that were scored with {named}"):
        evaluate([model], data, **{"metrics": ["psnr"], **options}, unfinished=kept)
    assert kept.read_bytes() == before


def test_scores_of_other_weights_are_refused(model, data, tmp_path):
    kept = tmp_path / "kept"
    stop(model, data, kept, metrics=["psnr"])
    other = checkpoint(tmp_path / "unet" / "model.safetensors", "unet-mini", UNET, size=48)
    with pytest.raises(OptionError, match="another set of models"):
        evaluate([other], data, metrics=["psnr"], unfinished=kept)


def test_scores_of_other_pictures_are_refused_but_not_of_moved_ones(model, data, tmp_path):
    kept = tmp_path / "kept"
    straight = evaluate([model], data, metrics=["psnr"])
    stop(model, data, kept, metrics=["psnr"])
    moved = shutil.move(data, tmp_path / "elsewhere" / "pictures")
    kept_bytes = kept.read_bytes()
    assert evaluate([model], Path(moved), metrics=["psnr"], unfinished=kept) == straight
    kept.write_bytes(kept_bytes)
    Image.fromarray(photo(9)).save(Path(moved) / "0.png")
    with pytest.raises(DataError, match="are not those that"):
        evaluate([model], Path(moved), metrics=["psnr"], unfinished=kept)


@pytest.mark.parametrize("content", [b"", b"my diary", b"PK\x03\x04 cut"])
def test_another_file_is_no_evaluation(content, model, data, tmp_path):
    kept = tmp_path / "kept"
    kept.write_bytes(content)
    with pytest.raises(OutputError, match="is no evaluation that was stopped, or is damaged"):
        evaluate([model], data, metrics=["psnr"], unfinished=kept)
    assert kept.read_bytes() == content


def test_an_array_of_objects_is_not_unpickled(model, data, tmp_path):
    kept = tmp_path / "kept"
    with kept.open("wb") as stream:
        np.savez(stream, facts=np.array([{}], object))
    with pytest.raises(OutputError, match="is no evaluation"):
        evaluate([model], data, metrics=["psnr"], unfinished=kept)


def test_no_room_for_the_scores_does_not_end_the_evaluation(model, data, tmp_path, caplog):
    report = evaluate([model], data, metrics=["psnr"], unfinished=tmp_path / "nowhere" / "kept")
    assert report.protocol.pictures == 3
    (said,) = caplog.messages  # once
    assert said.startswith("if this is stopped, its scores are lost: ")


def test_the_command_keeps_scores_beside_the_report_until_it_is_written(
    model, data, tmp_path, monkeypatch, capsys, caplog
):
    target = tmp_path / "report.json"
    kept = tmp_path / "report.json.unfinished"
    words = ["lab", "evaluate", str(model), "--data", str(data), "--metrics", "psnr"]
    words += ["-o", str(target)]

    def full(*_: object) -> None:
        assert kept.is_file()
        raise KeyboardInterrupt

    monkeypatch.setattr(keeping, "_SECONDS", 1e9)  # kept at the end whatever the time
    with monkeypatch.context() as patch:
        patch.setattr(room, "_report", full)
        assert main(words) == 130
    assert f"give the same command again to go on from `{kept}`" in capsys.readouterr().err
    assert kept.is_file()
    assert main(words) == 0
    assert caplog.messages[0].startswith("going on after 3 pictures")
    assert json.loads(target.read_text(encoding="utf-8"))["protocol"]["pictures"] == 3
    assert not kept.exists()


# -- metrics with networks, which stand-ins take the place of -------------------------------------


class MeanColor(torch.nn.Module):
    """768 features from a picture's mean colour; also a distance of two pictures."""

    def forward(self, pictures):
        mean = pictures.float().mean((2, 3))
        return mean.repeat(1, 256) * torch.linspace(0.5, 2, 768)


class Distance:
    """As ``LearnedPerceptualImagePatchSimilarity`` with ``reduction="none"``."""

    def update(self, reference, pictures):
        self.values = (pictures - reference).abs().mean((1, 2, 3))

    def compute(self):
        return self.values

    def reset(self):
        del self.values


@pytest.mark.parametrize("kind", [FID, LPIPS])
def test_a_restored_set_metric_adds_up_to_the_same(kind, monkeypatch):
    class Loaded:
        inception = MeanColor()

    made = Loaded() if kind is FID else Distance()
    monkeypatch.setattr(perceptual.Weights, "load", lambda *_: made)
    # The true one takes eigenvalues of 768 x 768, which `test_metrics` does.
    monkeypatch.setattr(fid, "_compute_fid", lambda mean, _, other, __: (mean - other).norm())

    def added(metric: SetMetric, numbers: range) -> SetMetric:
        for number in numbers:
            metric.update(photo(number), [photo(number + 1), photo(number + 7)])
        return metric

    straight = added(kind(2), range(4))
    first = added(kind(2), range(2))
    second: SetMetric = kind(2)
    second.restore(first.state())
    assert second.compute() == first.compute()  # with nothing to add, as after a full disk
    added(second, range(2, 4))
    assert second.single() == straight.single()
    made, wanted = second.state(), straight.state()
    assert list(made) == list(wanted)
    assert all(np.array_equal(made[name], wanted[name]) for name in wanted)
    assert all(values.any() for values in wanted.values())


def test_an_interrupt_before_scores_are_kept_does_not_advise_what_was_given(
    model, data, tmp_path, monkeypatch, capsys
):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(room, "_report", stop)
    monkeypatch.setattr(keeping.Unfinished, "save", lambda *_, **__: None)
    words = ["lab", "evaluate", str(model), "--data", str(data), "--metrics", "psnr"]
    assert main([*words, "-o", str(tmp_path / "report.json")]) == 130
    assert "no score is kept: the first minute was not over" in capsys.readouterr().err
    assert main(words) == 130
    assert "no score is kept: with -o or --per-picture" in capsys.readouterr().err
