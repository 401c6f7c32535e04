"""The notebook through both articles: it is plain and clean, and it runs from top to bottom."""

from __future__ import annotations

import json
import runpy
import tempfile
import warnings
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "articles.ipynb"


def code_cells() -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]


def test_it_holds_no_results_and_is_plain_python():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert not any(cell.get("outputs") for cell in notebook["cells"])
    for number, source in enumerate(code_cells()):
        compile(source, f"cell {number}", "exec")


#: The same cells with fewer passes over fewer and smaller pictures: what the test shows does not
#: hang on them.
QUICKER = {
    '("unet-mini", 4, {})': '("unet-mini", 1, {})',
    '("unet", 2, {})': '("unet", 1, {})',
    '("koala-net", 3, stand_in)': '("koala-net", 1, stand_in)',
    "limit=64, size=64": "limit=8, size=32",
    '"validate_every": "5"': '"segment": "4", "validate_every": "2"',  # else each step is saved
    'protocol="article-a",': 'protocol="article-a", limit=2,',
    "runs.values()], count=4, size=160": "runs.values()], count=2, size=64",
    "[by_heart], count=4, size=160": "[by_heart], count=2, size=64",
    '"epochs": "100"': '"epochs": "2"',
}


@pytest.mark.slow
def test_every_cell_runs(tmp_path, monkeypatch, capsys):
    cells = "\n\n".join(code_cells())
    for published, quicker in QUICKER.items():
        assert cells.count(published) == 1, published
        cells = cells.replace(published, quicker)
    script = tmp_path / "articles.py"
    script.write_text(cells, encoding="utf-8")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(NOTEBOOK.parent)
    matplotlib.use("Agg")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        runpy.run_path(str(script), run_name="__main__")
    drawn = [axis.images[0].get_clim() for axis in plt.figure(plt.get_fignums()[0]).axes[1:]]
    assert drawn[0] == (0, 100)
    assert all(least == -most for least, most in drawn[1:])  # no colour is the middle of the map
    plt.close("all")
    printed = capsys.readouterr().out
    assert "unet-mini: 618,530 parameters" in printed
    assert "unet: 7,762,498 parameters" in printed
    assert "inverse SSIM" in printed
    assert list(tmp_path.glob("koalarize-articles-*/cnn/model.safetensors"))
