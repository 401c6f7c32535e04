"""The fading experiment, histories of runs, their figures, and the commands that draw them."""

from __future__ import annotations

import json
import math
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab
from skimage.metrics import structural_similarity

from koalarize import color
from koalarize.cli import main
from koalarize.errors import DataError, DependencyError, OptionError, OutputError
from koalarize.lab.evaluation import plots
from koalarize.lab.evaluation.fading import NOISES, SCALES, add_noise, fade, measure_fading
from koalarize.lab.evaluation.history import History, Series, read_history
from koalarize.lab.evaluation.plots import FIGURE_FORMATS, plot_fading, plot_histories, smoothed
from koalarize.lab.outputs import MARK, check_replaced
from samples import empty_hub, photo, picture_folder

METRICS = ["ssim", "ssim-a", "ssim-b", "inverse-ssim", "psnr", "delta-e", "colorfulness"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return picture_folder(tmp_path_factory.mktemp("set") / "pictures")


def figure_size(encoded: bytes) -> tuple[int, int]:
    with Image.open(BytesIO(encoded)) as image:
        assert image.format == "PNG"
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 20  # something is drawn
        return image.size


# -- fading ---------------------------------------------------------------------------------------


def test_fading_scales_chroma_and_keeps_lightness():
    lab = color.srgb_to_lab(photo())
    assert np.array_equal(fade(lab, 1.0), photo())
    half = color.srgb_to_lab(fade(lab, 0.5))
    assert np.abs(half[..., 0] - lab[..., 0]).max() < 0.6  # 8-bit rounding
    assert np.abs(half[..., 1:] - lab[..., 1:] / 2).mean() < 0.5
    grey = fade(lab, 0.0)
    assert int(np.ptp(grey.astype(int), axis=2).max()) <= 1


def test_noise_is_of_its_strength_and_keeps_lightness():
    lab = np.full((64, 64, 3), (60, 0, 0), np.float32)
    noisy = color.srgb_to_lab(add_noise(lab, 10.0, seed=1))
    assert noisy[..., 1:].std() == pytest.approx(10, rel=0.05)
    assert np.abs(noisy[..., 0] - 60).max() < 0.6
    again, other = add_noise(lab, 10.0, seed=1), add_noise(lab, 10.0, seed=2)
    assert np.array_equal(color.srgb_to_lab(again), noisy)
    assert not np.array_equal(again, other)
    assert np.array_equal(add_noise(color.srgb_to_lab(photo()), 0.0, seed=1), photo())


def test_every_metric_follows_the_fading(data: Path):
    found = measure_fading(data, metrics=METRICS)
    assert (found.pictures, found.scales, found.noises) == (3, list(SCALES), list(NOISES))
    assert set(found.faded) == set(found.noisy) == set(METRICS)
    for name in ("ssim", "ssim-a", "ssim-b", "colorfulness"):
        assert np.all(np.diff(found.faded[name]) > 0), name
    for name in ("inverse-ssim", "delta-e"):
        assert np.all(np.diff(found.faded[name]) < 0), name
    assert np.all(np.diff(found.faded["psnr"][:-1]) > 0)
    assert found.faded["psnr"][-1] is None
    assert found.faded["ssim"][-1] == pytest.approx(1, abs=1e-6)
    assert found.faded["inverse-ssim"][-1] == pytest.approx(0, abs=1e-6)
    assert found.noisy["ssim"][0] == pytest.approx(1, abs=1e-6)
    assert np.all(np.diff(found.noisy["ssim"]) < 0)
    assert np.all(np.diff(found.noisy["delta-e"]) > 0)
    parsed = json.loads(found.to_json())
    assert parsed["format"] == "koalarize-fading-1"
    assert parsed["command"].startswith(
        "koalarize lab fade --data pictures --short-side 256 --limit"
    )
    table = found.to_markdown()
    assert table.count("\n| ") == len(SCALES) + len(NOISES) + 3
    assert str(data.parent) not in table + found.to_json()


def test_lpips_only_where_its_weights_are(data: Path, tmp_path: Path, monkeypatch):
    empty_hub(tmp_path, monkeypatch)
    found = measure_fading(data, limit=2)
    assert "lpips" not in found.faded
    assert "missing" in found.left_out["lpips"]
    assert "`lpips` was left out" in found.to_markdown()
    with pytest.raises(DependencyError, match="TORCH_HOME"):
        measure_fading(data, metrics=["lpips"])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"metrics": ["fid"]}, "no part of the fading"),
        ({"metrics": ["ssmi"]}, "did you mean"),
        ({"metrics": []}, "no metric"),
        ({"limit": 1}, "limit"),
        ({"short_side": 8}, "short_side"),
    ],
)
def test_fadings_that_are_refused(options, text: str, data: Path):
    with pytest.raises(OptionError, match=text):
        measure_fading(data, **options)


def test_fade_command(data: Path, tmp_path: Path, capsys):
    target = tmp_path / "fade.png"
    words = ["lab", "fade", "--data", str(data), "--limit", "2", "--metrics", "ssim,psnr,delta-e"]
    assert main([*words, "-o", str(target), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["faded"]) == ["psnr", "ssim", "delta-e"]
    width, height = figure_size(target.read_bytes())
    assert width > 800
    assert height > 600
    assert main([*words, "-o", str(tmp_path / "fade.gif")]) == 1
    assert "`.gif`" in capsys.readouterr().err


def test_the_article_s_fading_is_another(data: Path, capsys):
    options = {"data_range": 2, "win_size": 7}
    wanted = []
    for path in sorted(data.iterdir()):
        with Image.open(path) as image:
            a = (rgb2lab(np.asarray(image.convert("RGB")))[..., 1] + 128) / 255
        wanted.append([structural_similarity(a, k * a, **options) for k in (0.1, 0.4, 0.8, 0.9)])
    words = ["lab", "fade", "--experiment", "article", "--data", str(data)]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["format"] == "koalarize-article-fading-1"
    assert found["pictures"] == len(wanted) == 3
    assert found["ssim"] == pytest.approx(np.mean(wanted, axis=0), abs=1e-4)
    assert found["command"].startswith("koalarize lab fade --experiment article --data pictures")
    assert main(words) == 0
    assert f"| 0.1 | {found['ssim'][0]:.4f} |" in capsys.readouterr().out
    assert main([*words, "--json", "--limit", "1"]) == 0  # as many as the article has
    assert json.loads(capsys.readouterr().out)["ssim"] == pytest.approx(wanted[0], abs=1e-4)
    ours = measure_fading(data, metrics=["ssim-a"])
    assert ours.faded["ssim-a"][1] > found["ssim"][0] + 0.3  # that of chroma × 0.1
    assert main([*words, "--metrics", "ssim"]) == 2
    assert "exclude each other" in capsys.readouterr().err


def test_fading_figure_grows_with_its_metrics(data: Path):
    few = measure_fading(data, limit=2, metrics=["psnr"])
    more = measure_fading(data, limit=2, metrics=["psnr", "delta-e"])
    assert figure_size(plot_fading(more))[1] > figure_size(plot_fading(few))[1]
    assert plot_fading(few, suffix=".svg").startswith(b"<?xml")
    with pytest.raises(OptionError, match=r"\.png"):
        plot_fading(few, suffix=".jpg")


# -- histories ------------------------------------------------------------------------------------


def run_folder(folder: Path, *rows: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "history.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_history_of_a_table(tmp_path: Path):
    run = run_folder(
        tmp_path / "koala",
        "step,samples,loss,seconds,validation/psnr,validation/lpips",
        "10,160,2.5,1.0,,",
        "20,320,2.0,2.0,21.5,",
        "30,480,nan,3.0,,0.25",
        "40,640,1.5,4.0,22.5,0.2",
        "50,80",
    )
    history = read_history(run)
    assert history.name == "koala"
    assert history.loss == Series([10, 20, 40], [160, 320, 640], [2.5, 2.0, 1.5])
    assert history.validation == {
        "psnr": Series([20, 40], [320, 640], [21.5, 22.5]),
        "lpips": Series([30, 40], [480, 640], [0.25, 0.2]),
    }
    assert read_history(run / "history.csv") == history


def test_history_of_tensorboard(tmp_path: Path):
    from torch.utils.tensorboard.writer import SummaryWriter

    for start in (0, 20):  # the second file goes on from step 20 and overlaps the first
        with SummaryWriter(str(tmp_path / "run" / "tensorboard"), filename_suffix=str(start)) as w:
            for step in range(start, start + 40, 10):
                w.add_scalar("train/loss", 1 / (1 + step), step)
            w.add_scalar("validation/psnr", 20 + start, start + 30)
            w.add_scalar("epoch", 1, start)
    history = read_history(tmp_path / "run")
    assert history.loss.steps == [0, 10, 20, 30, 40, 50]
    assert history.loss.values == pytest.approx([1 / (1 + 10 * i) for i in range(6)])
    assert history.validation == {"psnr": Series([30, 50], [], [20, 40])}
    assert figure_size(plot_histories([history]))[0] > 800
    with pytest.raises(OptionError, match="samples"):
        plot_histories([history], axis="samples")


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (("epoch,accuracy", "1,2"), "epoch, accuracy"),
        (("step,loss",), "at least one row"),
        (("step,loss", "1,nan"), "no loss"),
        (("",), "none"),
    ],
)
def test_tables_that_are_no_history(rows, text: str, tmp_path: Path):
    with pytest.raises(DataError, match=text):
        read_history(run_folder(tmp_path / "run", *rows))


def test_folders_without_a_history(tmp_path: Path):
    with pytest.raises(DataError, match="does not exist"):
        read_history(tmp_path / "none")
    with pytest.raises(DataError, match="neither"):
        read_history(tmp_path)
    run = run_folder(tmp_path / "bytes", "")
    (run / "history.csv").write_bytes(b"\xff\xfe\x00step")
    with pytest.raises(DataError, match="cannot be read"):
        read_history(run)


# -- loss curves ----------------------------------------------------------------------------------


def history(name: str, values: list[float], **validation: list[float]) -> History:
    def series(numbers: list[float]) -> Series:
        steps = [10.0 * (i + 1) for i in range(len(numbers))]
        return Series(steps, [8 * step for step in steps], list(numbers))

    return History(name, series(values), {key: series(of) for key, of in validation.items()})


def test_smoothing_looks_to_both_sides():
    assert smoothed([4.0, 4.0, 4.0], 0.9) == pytest.approx([4, 4, 4])
    assert smoothed([1.0, 3.0], 0.5) == pytest.approx([(1 + 1.5) / 1.5, (0.5 + 3) / 1.5])
    falling = [100.0 - i for i in range(101)]
    assert smoothed(falling, 0.9)[50] == pytest.approx(50)
    assert smoothed([1.0, 3.0], 0.0) == [1, 3]


def test_a_panel_for_each_validation_score():
    runs = [history("one", [3, 2, 1.5]), history("one", [2, 1.5, 1.2])]
    alone = figure_size(plot_histories(runs))
    scored = [history("one", [3, 2], psnr=[20, 21], colorfulness=[3, 5], lpips=[0.2, 0.1])]
    assert figure_size(plot_histories(scored))[1] > alone[1]
    originals = [history("one", [3, 2], colorfulness=[3, 5])]
    with_line = [history("one", [3, 2], colorfulness=[3, 5], colorfulness_original=[9, 9])]
    pictures = [plot_histories(each) for each in (originals, with_line)]
    assert figure_size(pictures[0]) == figure_size(pictures[1])  # a line, no panel of its own
    assert pictures[0] != pictures[1]


def test_the_legend_has_the_marker_that_a_single_score_is_drawn_with(monkeypatch):
    """In grey print a score of one point is told by its marker alone."""
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "_encode", lambda figure, _: drawn.append(figure) or b"")
    plot_histories([history(name, [3, 2], psnr=[20]) for name in ("one", "two")])
    loss, psnr = drawn[0].axes
    named = [line.get_marker() for line in loss.get_legend().get_lines()]
    assert named == [line.get_marker() for line in psnr.get_lines()] == ["o", "s"]
    plot_histories([history("one", [3, 2])])
    assert drawn[1].axes[0].get_legend().get_lines()[0].get_marker() == "None"


def test_an_endless_score_is_drawn_at_the_top_of_its_panel(tmp_path: Path):
    table = tmp_path / "history.csv"
    table.write_text("step,samples,loss,validation/psnr\n1,8,3,20\n2,16,2,inf\n3,24,1,nan\n")
    psnr = read_history(tmp_path).validation["psnr"]
    assert psnr == Series([1], [8], [20], Series([2], [16], [math.inf]))
    scores = Series(), Series(endless=psnr.endless), Series([1], [8], [20]), psnr
    assert len({plot_histories([History("run", psnr, {"psnr": one})]) for one in scores}) == 4


@pytest.mark.parametrize(
    ("values", "label", "markers"),
    [((9, 9), "originals", ["None"]), ((9, 8), "originals, each run's own", ["o", "s"])],
)
def test_the_originals_line_is_named_and_told_apart_by_run(monkeypatch, values, label, markers):
    """Runs of other seeds hold other pictures out: two dotted lines, and nothing said whose."""
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "_encode", lambda figure, _: drawn.append(figure) or b"")
    plot_histories(
        [
            history("run", [3], psnr=[20], colorfulness=[3], colorfulness_original=[v])
            for v in values
        ]
    )
    _, psnr, panel = drawn[0].axes
    dotted = [
        line for line in panel.get_lines() if len(line.get_xdata()) and line.get_linestyle() == ":"
    ]
    assert [line.get_marker() for line in dotted] == markers
    assert len({line.get_color() for line in dotted}) == len(markers)
    assert [text.get_text() for text in panel.get_legend().get_texts()] == [label]
    assert psnr.get_legend() is None


def test_a_fading_figure_shows_that_the_psnr_of_the_originals_is_endless(data: Path, monkeypatch):
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "_encode", lambda figure, _: drawn.append(figure) or b"")
    plot_fading(measure_fading(data, limit=2, metrics=["psnr"]))
    for panel, at in zip(drawn[0].axes, (1.0, 0.0), strict=True):
        signs = [line for line in panel.get_lines() if line.get_marker() == r"$\infty$"]
        assert [list(line.get_xdata()) for line in signs] == [[at]]


def test_log_smoothing_and_axis_change_the_figure():
    run = [history("one", [3, 2, 1.5, 0.2, 0.1])]
    figures = {
        plot_histories(run),
        plot_histories(run, log=True),
        plot_histories(run, smoothing=0.0),
        plot_histories(run, axis="samples"),
    }
    assert len(figures) == 4
    svg = plot_histories([history("<run> & co", [1, 2])], suffix=".svg").decode()
    assert "&lt;run&gt; &amp; co" in svg


def test_each_of_many_runs_looks_otherwise():
    styles = [plots._style(number) for number in range(49)]
    assert len({(style["color"], style["linestyle"]) for style in styles}) == 49
    assert len({(style["color"], style["marker"]) for style in styles}) == 49


def test_steps_are_whole_and_losses_told_apart():
    short = Series([1.0, 2.0], [8.0, 16.0], [3.0, 2.0])
    svg = plot_histories([History("run", short, {"loss": short})], suffix=".svg").decode()
    assert "<!-- 1 -->" in svg
    assert "<!-- 1.2 -->" not in svg
    assert "<!-- training loss -->" in svg
    assert "<!-- validation loss ↓ -->" in svg


@pytest.mark.parametrize("suffix", FIGURE_FORMATS)
def test_a_figure_is_known_again(tmp_path: Path, suffix: str):
    curve = tmp_path / f"curve{suffix}"
    curve.write_bytes(plot_histories([history("a", [1])], suffix=suffix))
    check_replaced(curve)
    curve.write_bytes(curve.read_bytes().replace(MARK.encode(), b""))
    with pytest.raises(OutputError, match="is no report or figure"):
        check_replaced(curve)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"smoothing": 1.0}, "smoothing"),
        ({"smoothing": math.nan}, "smoothing"),
        ({"axis": "epoch"}, "axis"),
        ({"log": True}, "above 0"),
        ({"suffix": ".bmp"}, "extension"),
    ],
)
def test_figures_that_are_refused(options, text: str):
    with pytest.raises(OptionError, match=text):
        plot_histories([history("one", [1, 0])], **options)


def test_plot_command(tmp_path: Path, capsys):
    runs = [
        run_folder(tmp_path / name, "step,samples,loss,seconds", "1,8,2,1", "2,16,1,2")
        for name in ("a", "b")
    ]
    target = tmp_path / "curve.png"
    assert (
        main(["lab", "plot", *map(str, runs), "-o", str(target), "--log", "--axis", "samples"]) == 0
    )
    assert capsys.readouterr().out.strip() == str(target)
    assert figure_size(target.read_bytes())[0] > 800
    for words, code, text in [
        ([str(tmp_path / "none"), "-o", str(target)], 1, "does not exist"),
        ([str(runs[0]), "-o", str(tmp_path / "curve.jpg")], 1, "`.jpg`"),
        ([str(runs[0]), "-o", str(tmp_path / "no" / "curve.png")], 1, "make it"),
        ([str(runs[0]), "-o", str(target), "--smoothing", "2"], 2, "smoothing"),
        ([], 2, "RUN"),
    ]:
        assert main(["lab", "plot", *words]) == code
        error = capsys.readouterr().err
        assert error.startswith("koalarize: error: ")
        assert text.lower() in error.lower()
