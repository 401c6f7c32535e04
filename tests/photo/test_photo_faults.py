"""Faults of disks and programs: the original is intact, the result whole or absent."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from fakes import FakeEngine
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import OutputError, PhotoError
from koalarize.photo import files
from koalarize.photo.photo import Photo

CHILD = """
import sys
from fakes import FakeEngine
from koalarize.colorizer.colorizer import Colorizer
colorizer = Colorizer(FakeEngine())
print("ready", flush=True)
while True:
    colorizer.file(sys.argv[1], overwrite=True)
"""


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(data.camera()).save(path)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("existing", [False, True])
def test_a_disk_that_fails_while_writing(photo, monkeypatch, code, existing):
    before = photo.read_bytes()
    target = photo.with_name("photo.color.png")
    if existing:
        target.write_bytes(b"an earlier result")
    original = Path.open

    class Failing:
        def __init__(self, stream):
            self._stream = stream

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._stream.close()

        def write(self, content):
            self._stream.write(content[:1000])
            raise OSError(code, os.strerror(code))

    def opened(self, mode="r", *rest, **named):
        stream = original(self, mode, *rest, **named)
        return Failing(stream) if "x" in mode else stream

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(OutputError, match=r"cannot be written \(.*free space"):
        Colorizer(FakeEngine()).file(photo, overwrite=True)
    assert photo.read_bytes() == before
    assert names(photo.parent) == ["photo.color.png", "photo.png"][not existing :]
    assert not existing or target.read_bytes() == b"an earlier result"


def test_a_disk_that_fails_while_reading(photo, monkeypatch):
    def opened(*_, **__):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(PhotoError, match="cannot be opened"):
        Photo.read(photo)


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_killed_at_any_moment(photo):
    before = photo.read_bytes()
    target = photo.with_name("photo.color.png")
    rng = np.random.default_rng(0)
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(photo)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        child.stdout.readline()
        time.sleep(float(rng.uniform(0, 0.25)))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert photo.read_bytes() == before
        if target.exists():
            assert Photo.read(target).pixels.shape == (512, 512, 3)
    files._SWEPT.clear()
    Colorizer(FakeEngine()).file(photo, overwrite=True)
    assert names(photo.parent) == ["photo.color.png", "photo.png"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EINVAL])  # of fusefat, and of Linux's vfat
@pytest.mark.parametrize(
    ("name", "words"),
    [("Who? When: 1923.png", r"FAT or NTFS take no : \? in names"), ("Who.png", "permissions")],
)
def test_a_drive_that_takes_no_such_name(tmp_path, monkeypatch, code, name, words):
    def refuse(self, target):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match=words):
        files.write_bytes(b"a picture", tmp_path / name)
    assert names(tmp_path) == []


class TestSweeping:
    def left(self, folder, name, age=0.0):
        path = folder / f".koalarize-{name.removeprefix('.koalarize-')}.part"
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
        return path

    def sweep(self, folder):
        files._SWEPT.clear()
        files.write_bytes(b"whole", folder / "new.png")

    def test_of_a_process_that_is_gone(self, tmp_path):
        child = subprocess.Popen([sys.executable, "-c", ""])
        child.wait()
        gone = self.left(tmp_path, f"{files.part_of(child.pid)}00")
        self.sweep(tmp_path)
        assert not gone.exists()

    def test_of_a_process_that_runs(self, tmp_path):
        kept = self.left(tmp_path, f"{files.part_of(os.getppid())}00", age=1e6)
        self.sweep(tmp_path)
        assert kept.exists()

    def test_of_another_machine(self, tmp_path):
        young = self.left(tmp_path, "ffffffff-1-00", age=3600)
        old = self.left(tmp_path, "ffffffff-1-11", age=100_000)
        foreign = self.left(tmp_path, "words", age=100_000)
        self.sweep(tmp_path)
        assert (young.exists(), old.exists(), foreign.exists()) == (True, False, False)
