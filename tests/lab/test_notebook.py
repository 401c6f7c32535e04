"""The notebook through both articles: it is plain and clean, and it runs from top to bottom."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

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
    "limit=64, size=64": "limit=16, size=32",
    'protocol="article-a",': 'protocol="article-a", limit=4,',
    '"epochs": "100"': '"epochs": "10"',
}


@pytest.mark.slow
def test_every_cell_runs(tmp_path):
    cells = "\n\n".join(code_cells())
    for published, quicker in QUICKER.items():
        assert cells.count(published) == 1, published
        cells = cells.replace(published, quicker)
    script = tmp_path / "articles.py"
    script.write_text(cells, encoding="utf-8")
    environment = os.environ | {"MPLBACKEND": "Agg", "TMPDIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, str(script)],
        cwd=NOTEBOOK.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert "unet-mini: 618,530 parameters" in run.stdout
    assert "unet: 7,762,498 parameters" in run.stdout
    assert "inverse SSIM" in run.stdout
    assert list(tmp_path.glob("koalarize-articles-*/cnn/model.safetensors"))
