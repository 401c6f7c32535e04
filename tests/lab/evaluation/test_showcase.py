"""Grids and pages of grey, original and models side by side, and ``koalarize lab showcase``."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from koalarize import color
from koalarize.cli import main
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import DataError, ModelError, OptionError
from koalarize.lab.evaluation import page, sheet
from koalarize.lab.evaluation.models import load_model
from koalarize.lab.evaluation.page import to_html
from koalarize.lab.evaluation.reveal import revealed_hints
from koalarize.lab.evaluation.sheet import to_png
from koalarize.lab.evaluation.showcase import Showcase, ShowcaseRow, make_showcase
from samples import KOALA, UNET, checkpoint, photo, picture_folder


@pytest.fixture(scope="module")
def koala(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "koala" / "model.safetensors"
    return checkpoint(path, "koala", KOALA, size=32, temperature=0.5)


@pytest.fixture(scope="module")
def unet(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "unet" / "model.safetensors"
    return checkpoint(path, "unet-mini", UNET, size=32)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return picture_folder(tmp_path_factory.mktemp("set") / "pictures")


@pytest.fixture
def grey(tmp_path: Path) -> Path:
    path = tmp_path / "grey.png"
    Image.fromarray(photo()[..., 0]).save(path)
    return path


# -- what is shown --------------------------------------------------------------------------------


def test_columns_are_what_the_colorizer_makes(koala: Path, unet: Path, data: Path):
    calls: list[tuple[int, int]] = []
    made = make_showcase(
        [data], [koala, unet], count=2, progress=lambda done, most: calls.append((done, most))
    )
    names = ["koala", "unet"]  # the folders of the runs
    assert made.headings == ["grey", "original", *names]
    assert [row.name for row in made.rows] == ["0.png", "1.png"]
    assert calls == [(1, 2), (2, 2)]
    assert made.failed == []
    original = np.asarray(Image.open(data / "0.png"))
    grey, shown, *models = (np.asarray(image) for image in made.rows[0].images)
    assert np.array_equal(shown, original)
    assert color.colorfulness(grey) < 0.3
    for model, image in zip((koala, unet), models, strict=True):
        assert np.array_equal(image, Colorizer(load_model(model).engine)(original))


def test_images_of_a_row_are_of_one_size_and_fit(koala: Path, data: Path):
    made = make_showcase([data], [koala], size=36)
    for row, size in zip(made.rows, [(36, 30), (22, 36), (36, 29)], strict=True):
        assert {image.size for image in row.images if image} == {size}


def test_grey_pictures_have_no_original(koala: Path, data: Path, grey: Path):
    assert make_showcase([grey], [koala]).headings == ["grey", "koala"]
    made = make_showcase([grey, data / "1.png"], [koala])
    assert made.headings[1] == "original"
    assert made.rows[0].images[1] is None
    assert made.rows[1].images[1] is not None
    assert to_png(made)
    with pytest.raises(OptionError, match="originals only"):
        make_showcase([grey], [koala], columns=["original"])


def test_columns_can_be_chosen(koala: Path, data: Path):
    assert make_showcase([data], [], columns=["original", "grey"]).headings == ["grey", "original"]
    made = make_showcase([data], [koala], columns=["models"])
    assert made.headings == ["koala"]
    assert b"hidden" in to_html(made)


def test_transparent_and_deep_pictures(koala: Path, tmp_path: Path):
    clear = np.dstack([photo(), np.zeros(photo().shape[:2], np.uint8)])
    Image.fromarray(clear).save(tmp_path / "clear.png")
    deep = photo()[..., 0].astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "deep.png")
    first, second = make_showcase([tmp_path], [koala]).rows
    assert all(np.asarray(image).min() == 255 for image in first.images if image)
    assert np.abs(np.asarray(second.images[0]).astype(int)[..., 0] - photo()[..., 0]).max() <= 1


def test_parquet_is_a_source(koala: Path, data: Path, tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"bytes": (data / "0.png").read_bytes(), "path": "a.png"}]
    pq.write_table(pa.table({"image": rows}), tmp_path / "set.parquet")
    made = make_showcase([tmp_path / "set.parquet"], [koala])
    original = made.rows[0].images[1]
    assert original is not None
    assert np.array_equal(np.asarray(original), photo(0))


def test_broken_pictures_are_listed_and_the_rest_is_shown(koala: Path, data: Path, tmp_path: Path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    made = make_showcase([broken, data], [koala], count=2)
    assert [row.name for row in made.rows] == ["0.png"]
    ((name, reason),) = made.failed
    assert name == "broken.png"
    assert str(tmp_path) not in reason
    with pytest.raises(DataError, match="no picture to show"):
        make_showcase([broken], [koala])


# -- hints ----------------------------------------------------------------------------------------


def test_revealed_hints_are_the_pictures_own_colors():
    pixels = np.full((24, 32, 3), (200, 30, 40), np.uint8)
    pixels[:, 16:] = (20, 90, 200)
    hints = revealed_hints(pixels, 20, seed=1)
    assert len(hints) == 20
    for hint in hints:
        if not 12 < hint.x < 20:  # a patch that lies on one side
            assert hint.color == ("#c81e28" if hint.x < 16 else "#145ac8")
    assert revealed_hints(pixels, 20, seed=1) == hints
    assert revealed_hints(pixels, 20, seed=2) != hints


def test_hints_change_the_colors_and_the_heading(koala: Path, unet: Path, data: Path):
    plain = make_showcase([data], [koala], count=1)
    told = make_showcase([data], [koala], count=1, hints=5)
    assert told.headings[-1] == "koala, 5 hints"
    last = [np.asarray(each.rows[0].images[-1]) for each in (plain, told)]
    assert not np.array_equal(*last)
    with pytest.raises(OptionError, match="takes none"):
        make_showcase([data], [unet], hints=5)


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"count": 0}, "count"),
        ({"size": 4}, "size"),
        ({"hints": -1}, "hints"),
        ({"columns": ["colour"]}, "unknown"),
        ({"columns": []}, "no column"),
    ],
)
def test_values_that_are_not_allowed(options, text: str, koala: Path, data: Path):
    with pytest.raises(OptionError, match=text):
        make_showcase([data], [koala], **options)


def test_unknown_models_and_missing_sources(koala: Path, data: Path, tmp_path: Path):
    with pytest.raises(OptionError, match="no model"):
        make_showcase([data], [])
    with pytest.raises(ModelError, match="unknown"):
        make_showcase([data], ["koalla"])
    with pytest.raises(DataError, match="does not exist"):
        make_showcase([tmp_path / "none"], [koala])
    with pytest.raises(DataError, match=r"none\.png"):
        make_showcase([tmp_path / "none.png"], [koala])


# -- grid and page --------------------------------------------------------------------------------


def test_grid_holds_every_image(koala: Path, data: Path):
    made = make_showcase([data], [koala])
    drawn = np.asarray(Image.open(BytesIO(to_png(made))))
    heights = [row.images[0].height for row in made.rows if row.images[0]]
    assert drawn.shape[0] > sum(heights)
    assert drawn.shape[1] >= 3 * 96
    original = np.asarray(made.rows[0].images[1])
    height, width = original.shape[:2]
    left = 16 + 96 + 8
    assert np.array_equal(drawn[44 : 44 + height, left : left + width], original)
    assert drawn[:40].min() < 100  # headings


def test_large_grids_and_pages_are_refused(koala: Path, data: Path, monkeypatch):
    made = make_showcase([data], [koala], count=1)
    monkeypatch.setattr(sheet, "MOST_PIXELS", 1000)
    with pytest.raises(OptionError, match="--count"):
        to_png(made)
    monkeypatch.setattr(page, "MOST_BYTES", 1000)
    with pytest.raises(OptionError, match="--count"):
        to_html(made)


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_page_is_whole_and_reaches_for_nothing(koala: Path, data: Path):
    made = make_showcase([data], [koala])
    text = to_html(made, title="A & B").decode()
    assert "<title>A &amp; B</title>" in text
    assert "$" not in re.sub(r"base64,[^\"]*", "", text)
    assert not re.search(r"https?://|url\(|@import", text)
    reader = Reader()
    reader.feed(text)
    images = [attributes for tag, attributes in reader.tags if tag == "img"]
    assert len(images) == 3 * 3
    for attributes in images:
        head, _, encoded = (attributes["src"] or "").partition(",")
        assert head == "data:image/jpeg;base64"
        image = Image.open(BytesIO(base64.b64decode(encoded)))
        assert image.size == (int(attributes["width"] or 0), int(attributes["height"] or 0))
        assert attributes["alt"]
    sliders = [attributes for tag, attributes in reader.tags if tag == "input"]
    assert [slider["type"] for slider in sliders] == ["range"] * 3
    assert all(slider["aria-label"] for slider in sliders)
    chosen = [a["value"] for tag, a in reader.tags if tag == "option" and "selected" in a]
    assert chosen == ["0", "2"]  # grey beside the first model


def test_names_cannot_write_into_the_page():
    image = Image.new("RGB", (16, 16))
    text = to_html(Showcase(["grey", "<b>"], [ShowcaseRow('"><script>x', [image, image])])).decode()
    assert "<b>" not in text
    assert "<script>x" not in text
    assert '"><script' not in text


# -- the command ----------------------------------------------------------------------------------


def test_command_writes_grid_and_page(koala: Path, data: Path, tmp_path: Path, capsys):
    for name in ("grid.png", "page.html"):
        target = tmp_path / name
        words = [
            "lab",
            "showcase",
            str(data),
            "--model",
            str(koala),
            "--count",
            "2",
            "-o",
            str(target),
        ]
        assert main([*words, "--hints", "3"]) == 0
        assert capsys.readouterr().out.strip() == str(target)
        assert target.stat().st_size > 2000
    assert "koala, 3 hints" in target.read_text(encoding="utf-8")


def test_command_lists_what_failed(koala: Path, data: Path, tmp_path: Path, capsys):
    (tmp_path / "broken.png").write_bytes(b"")
    target = tmp_path / "grid.png"
    words = [str(tmp_path / "broken.png"), str(data / "0.png"), "--model", str(koala)]
    assert main(["lab", "showcase", *words, "-o", str(target)]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("broken.png: ")
    assert target.exists()


def test_a_grey_picture_has_no_row_among_originals(grey: Path, data: Path):
    made = make_showcase([grey, data / "0.png"], [], columns=["original"])
    assert [row.name for row in made.rows] == ["0.png"]
    assert made.failed == [("grey.png", "has no colours of its own: add grey")]
    assert to_png(made)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["-o", "grid.jpg"], 1, "`.jpg`"),
        (["-o", "nowhere/grid.png"], 1, "make it"),
        (["--hints", "many"], 2, "`no`"),
        (["--columns", "sepia"], 2, "sepia"),
        (["--count", "0"], 2, "count"),
    ],
)
def test_command_lines_that_are_wrong(words, code, text, koala: Path, data: Path, capsys):
    assert main(["lab", "showcase", str(data), "--model", str(koala), *words]) == code
    error = capsys.readouterr().err
    assert error.startswith("koalarize: error: ")
    assert error.count("\n") == 1
    assert text in error


def test_exported_models_need_neither_torch_nor_pyarrow(data: Path, tmp_path: Path):
    code = (
        "import sys; from koalarize.cli import main; "
        f"code = main(['lab', 'showcase', {str(data)!r}, '--count', '1', '-o', "
        f"{str(tmp_path / 'grid.png')!r}]); "
        "sys.stderr.write(' '.join(m for m in ('torch', 'pyarrow', 'skimage', 'matplotlib') "
        "if m in sys.modules)); sys.exit(code)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stderr) == (0, "")
