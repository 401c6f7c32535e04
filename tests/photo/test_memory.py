"""Too little memory: a sentence and exit code 1, and nothing half-written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from koalarize.engines.session import Session, open_session
from koalarize.models.store import find_model

resource = pytest.importorskip("resource", reason="limits of a process are a matter of Unix")

LIMITED = """
import resource, sys
most = int(sys.argv[1]) << 20
resource.setrlimit(resource.RLIMIT_AS, (most, most))
from koalarize.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts addresses so")
@pytest.mark.parametrize("ending", ["jpg"])
def test_a_picture_larger_than_the_limit(tmp_path, ending):
    # PNG and TIFF of this size are coloured in strips, and need less.
    Image.new("L", (12000, 9000), 90).save(tmp_path / f"large.{ending}")
    words = ["700", str(tmp_path / f"large.{ending}")]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *words], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1, done.stderr
    assert "memory" in done.stderr
    assert done.stderr.startswith("koalarize: error: ")
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == [f"large.{ending}"]


@pytest.mark.parametrize(
    "said", ["std::bad_alloc", "BFCArena::AllocateRawInternal(size_t", "Failed to allocate memory"]
)
def test_a_network_without_memory(said):
    def run(outputs, feed):
        raise RuntimeError(f"[ONNXRuntimeError] : 1 : FAIL : {said}")

    session = Session(Path("koala.onnx"), SimpleNamespace(run=run))  # type: ignore[arg-type]
    with pytest.raises(MemoryError):
        session.run(["ab"], {"l": np.zeros((1, 1, 32, 32), np.float32)})


def test_a_network_that_cannot_be_loaded(monkeypatch):
    import onnxruntime

    def loading(*_, **__):
        raise RuntimeError("Load model failed:std::bad_alloc")

    monkeypatch.setattr(onnxruntime, "InferenceSession", loading)
    with pytest.raises(MemoryError):
        open_session(find_model("koala"), trusted=True)
