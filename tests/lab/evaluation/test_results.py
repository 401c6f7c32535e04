"""Pictures that another program coloured, scored as a rival's."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from koalarize import color
from koalarize.cli import main
from koalarize.errors import DataError
from koalarize.lab.evaluation.evaluate import evaluate
from koalarize.lab.evaluation.results import Results, is_results
from samples import photo

CHEAP = ("psnr", "colorfulness")
NAMES = ("cat.jpg", "inner/dog.png", "hen.png")


@pytest.fixture
def data(tmp_path):
    for seed, name in enumerate(NAMES):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(seed, (48, 40))).save(path)
    return tmp_path / "data"


def results(data, folder, rename=str, change=lambda pixels: pixels):
    """Write what another program made of the pictures."""
    for name in NAMES:
        path = folder / rename(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        made = change(np.asarray(Image.open(data / name).convert("RGB")))
        Image.fromarray(made).save(path)
    return folder


def scores(folder, data, **options):
    report = evaluate([folder], data, metrics=CHEAP, **options)
    grey, row = report.rows
    return grey.scores, row


@pytest.mark.parametrize(
    "rename",
    [
        pytest.param(lambda name: name.replace(".jpg", ".png"), id="as their originals"),
        pytest.param(lambda name: name.split("/")[-1].split(".")[0] + "_color.png", id="a word"),
        pytest.param(lambda name: name.split(".")[0] + ".color.png", id="in their folders"),
    ],
)
def test_the_originals_themselves_are_perfect(data, tmp_path, rename):
    grey, row = scores(results(data, tmp_path / "deoldify", rename), data)
    assert row.model.endswith("/deoldify")
    assert row.sha256 is not None
    assert (row.size, row.temperature) == (None, None)
    assert row.scores["psnr"] is None  # infinite
    assert grey["psnr"] < 40
    assert row.relative["colorfulness_of_original"] == pytest.approx(1)


def test_only_their_chroma_counts(data, tmp_path):
    def darker(pixels):
        lab = color.srgb_to_lab(pixels)
        lab[..., 0] *= 0.97
        return color.lab_to_srgb(lab, dtype=np.uint8)

    same = scores(results(data, tmp_path / "same"), data)[1].scores["psnr"]
    dark = scores(results(data, tmp_path / "dark", change=darker), data)[1].scores["psnr"]
    assert dark > same - 8
    plain = np.asarray(Image.open(data / "hen.png").convert("RGB"))
    made = Results(tmp_path / "dark", None).of("hen.png", plain)
    assert (
        np.abs(color.srgb_to_lab(made.pixels)[..., 0] - color.srgb_to_lab(plain)[..., 0]).max() < 1
    )


def test_other_sizes_are_brought_to_their_originals_and_other_shapes_are_said(
    data, tmp_path, caplog
):
    def half(pixels):
        return np.asarray(Image.fromarray(pixels).resize((24, 20), Image.Resampling.BOX))

    def square(pixels):
        return np.asarray(Image.fromarray(pixels).resize((32, 32)))

    grey, row = scores(results(data, tmp_path / "half", change=half), data)
    assert row.scores["psnr"] > grey["psnr"] + 1
    assert "another shape" not in caplog.text
    scores(results(data, tmp_path / "square", change=square), data)
    assert caplog.text.count("another shape") == 1


def test_one_that_is_missing_or_there_twice_is_an_error(data, tmp_path):
    made = results(data, tmp_path / "made", lambda name: name.replace("/", "_"))
    with pytest.raises(DataError, match=r"has no picture for `inner/dog\.png` but must have one"):
        scores(made, data)
    (made / "inner_dog.png").rename(made / "dog.png")
    (made / "cat.color.png").write_bytes((made / "hen.png").read_bytes())
    assert scores(made, data)[1].scores["psnr"] > 40  # the exact name goes before
    (made / "cat.jpg").rename(made / "cat.made.jpg")
    with pytest.raises(DataError, match=r"has 2 pictures .*for `cat\.jpg` but must have one"):
        scores(made, data)


def test_one_result_is_of_one_picture(data, tmp_path):
    (data / "inner" / "hen.jpg").write_bytes((data / "cat.jpg").read_bytes())
    made = results(data, tmp_path / "made")
    with pytest.raises(DataError, match=r"fits `.*hen.*` and `.*hen.*` but must be of one"):
        scores(made, data)


def test_one_that_cannot_be_read_is_an_error(data, tmp_path):
    made = results(data, tmp_path / "made")
    (made / "hen.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    with pytest.raises(
        DataError, match=r"hen\.png`, the result of `hen\.png`, is .* make it again"
    ):
        scores(made, data)


def test_the_folder_of_a_run_is_none(data, tmp_path):
    made = results(data, tmp_path / "made")
    assert is_results(made)
    assert not is_results(made / "hen.png")
    assert not is_results("koala")
    (made / "history.csv").touch()
    assert not is_results(made)


def test_a_name_of_the_catalogue_goes_before_a_folder(data, tmp_path, monkeypatch):
    results(data, tmp_path / "koala")
    monkeypatch.chdir(tmp_path)
    assert not is_results("koala")
    assert is_results("./koala")


def test_by_the_command(data, tmp_path, capsys):
    made = results(data, tmp_path / "rival")
    report = tmp_path / "report.json"
    command = ["lab", "evaluate", str(made), "--data", str(data), "--metrics", "psnr"]
    assert main([*command, "-o", str(report)]) == 0
    grey, row = json.loads(report.read_text())["rows"]
    assert (grey["model"], row["model"]) == ("grey", f"{tmp_path.name}/rival")
    assert "rival" in capsys.readouterr().out
