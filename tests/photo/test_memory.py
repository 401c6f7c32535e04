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
from koalarize.errors import ModelError
from koalarize.models.store import find_model
from koalarize.photo.shortage import webp_size

resource = pytest.importorskip("resource", reason="limits of a process are a matter of Unix")

LIMITED = """
import resource, sys
most = int(sys.argv[1]) << 20
resource.setrlimit(resource.RLIMIT_AS, (most, most))
from koalarize.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts addresses so")
@pytest.mark.parametrize("ending", ["webp"])
def test_a_picture_larger_than_the_limit(tmp_path, ending):
    # PNG, TIFF and JPEG files of this size are coloured in strips, and need less.
    Image.new("L", (12000, 9000), 90).save(tmp_path / f"large.{ending}", method=0)
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


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("a.so: failed to map segment from shared object", MemoryError),
        ("a.so: cannot open shared object file", ModelError),
    ],
)
def test_a_runtime_that_does_not_load(said: str, kind: type[Exception], monkeypatch):
    """It ended in a traceback, where memory was short too."""

    class Broken:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "onnxruntime":
                raise ImportError(said)

    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(kind):
        open_session(find_model("koala"), trusted=True)


READ = """
import resource, sys
from PIL import Image
from koalarize.errors import PhotoError
from koalarize.photo.photo import Photo
Image.init()
import tifffile
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (30 << 20), -1))
for path in sys.argv[1:]:
    for tolerant in (False, True):
        try:
            Photo.read(path, tolerant=tolerant)
        except PhotoError as error:
            print(path, error)
"""
KINDS = {
    "plain.webp": {"quality": 5, "method": 0},
    "lossless.webp": {"lossless": True, "method": 0},
    "a.avif": {"speed": 10, "quality": 5},
    "a.jp2": {"quality_layers": [500]},
    "progressive.jpg": {"progressive": True},
    "a.jpg": {},
    "a.png": {"compress_level": 1},
    "a.tif": {},
}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts addresses so")
def test_no_decoder_calls_too_little_memory_damage(tmp_path):
    """Some say no more of it than of a damaged file; nothing is filled up with `--tolerant`."""
    for name, options in KINDS.items():
        Image.new("RGB", (4000, 3000), (90, 80, 70)).save(tmp_path / name, **options)
    command = [sys.executable, "-c", READ, *(str(tmp_path / name) for name in KINDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == 2 * len(KINDS)
    assert all("4000 × 3000 pixels) does not fit in memory" in line for line in said), said


def test_the_size_that_a_webp_states(tmp_path):
    image = Image.new("RGBA", (301, 97), (1, 2, 3, 4))
    for number, options in enumerate(({}, {"lossless": True}, {"exif": b"Exif\0\0"})):
        shown = image if number else image.convert("RGB")
        shown.save(tmp_path / "a.webp", **options)
        assert webp_size((tmp_path / "a.webp").read_bytes()[:30]) == (301, 97)
    assert webp_size(b"RIFF\0\0\0\0WEBPVP8X") is None
