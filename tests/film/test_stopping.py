"""A film whose run is stopped ends at once, keeps what is whole, and says so."""

from __future__ import annotations

import os
import re
import signal
import threading

import numpy as np
import pytest
from PIL import Image

import film_parts as fp
from fakes import FakeEngine
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.engine import ModelInfo
from koalarize.film import make
from koalarize.film.film import color_film
from koalarize.film.lead import ShotFrames
from koalarize.film.names import work_folder
from koalarize.film.options import FilmOptions

HINT = '{"time": 0.2, "x": 20, "y": 20, "color": "#c03020"}'
LIST = f'{{"film": "film.mkv", "shots": [{{"from": 0, "to": 9, "hints": [{HINT}]}}]}}'


class Signalling(FakeEngine):
    """Gets a signal while it works, the count-th time that it is asked."""

    info = ModelInfo("signalling", 16, True, 32)

    def __init__(self, count, sent):
        super().__init__((30.0, 20.0))
        self.count, self.sent = count, sent

    def run(self, lightness, hints=None):
        self.count -= 1
        if self.count == 0:
            os.kill(os.getpid(), self.sent)
        return super().run(lightness, hints)


@pytest.fixture
def source(tmp_path):
    return fp.write(tmp_path / "film.mkv", fp.moved(60, (32, 48)))


@pytest.mark.usefixtures("interrupts")
@pytest.mark.skipif(os.name != "posix", reason="sends SIGTERM")
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (2, "before a part of film.mkv was whole"),
        (6, r"; \d\d coloured frames of film.mkv are kept"),
    ],
)
def test_a_signal_ends_a_film_in_order(source, monkeypatch, capsys, sent, asked, said):
    from koalarize.cli import main

    monkeypatch.setattr(make, "MOST_PART", 16)
    monkeypatch.chdir(source.parent)
    colorizer = Colorizer(Signalling(asked, sent))
    monkeypatch.setattr(Colorizer, "load", staticmethod(lambda *_, **__: colorizer))
    assert main(["film.mkv"]) == 130
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert re.search(said, " ".join(capsys.readouterr().err.split()))
    assert not source.with_name("film.color.mkv").exists()
    assert main(["film.mkv"]) == 0


def test_a_thread_leaves_signals_alone(source, monkeypatch):
    from koalarize.cli import main

    monkeypatch.chdir(source.parent)
    colorizer = Colorizer(FakeEngine((30.0, 20.0)))
    monkeypatch.setattr(Colorizer, "load", staticmethod(lambda *_, **__: colorizer))
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main(["film.mkv"])))
    thread.start()
    thread.join()
    assert codes == [0]


class GoneError(Exception):
    """Nobody waits any more."""


@pytest.mark.parametrize("at", ["read ahead", "followed"])
def test_a_shot_that_is_looked_at_ahead_can_be_stopped(source, tmp_path, monkeypatch, at):
    """A shot with hints is read and followed whole before its first frame is coloured."""
    path = tmp_path / "film.shots.json"
    path.write_text(LIST)
    counts, asked = [], 30 if at == "read ahead" else 80
    looks: list[ShotFrames] = []

    def stopping(at):
        assert (at.done, at.total) == (0, 60)
        counts.append(at)
        if len(counts) == asked:
            raise GoneError

    monkeypatch.setattr(make, "ShotFrames", lambda *how: looks.append(ShotFrames(*how)) or looks[0])
    engine = Signalling(0, 0)
    with pytest.raises(GoneError):
        color_film(Colorizer(engine), source, options=FilmOptions(shots=path), progress=stopping)
    assert len(looks[0].looks) == min(asked - 1, 60)
    assert not source.with_name("film.color.mkv").exists()


def test_frames_that_are_only_read_again_count_too(source, monkeypatch):
    """A run that goes on in a film that has no times to seek by reads it from its beginning."""
    monkeypatch.setattr(make, "MOST_PART", 16)

    def stopping(at):
        if at.done > 40:
            raise GoneError

    colorizer = Colorizer(FakeEngine((30.0, 20.0)))
    with pytest.raises(GoneError):
        color_film(colorizer, source, progress=stopping)
    done: list[int] = []
    result = color_film(colorizer, source, progress=lambda at: done.append(at.done))
    assert result.resumed > 0
    assert done[: result.resumed] == [result.resumed] * result.resumed


def test_a_search_for_shots_can_be_stopped(source, tmp_path):
    """Frames coloured elsewhere, without a list, are laid to shots that are found first."""
    red = np.zeros((32, 48, 3), np.uint8)
    red[..., 0] = 200
    Image.fromarray(red).save(tmp_path / "ref_000003.png")
    told: list[tuple[int, int]] = []

    def stopping(at):
        told.append((at.done, at.total))
        raise GoneError

    with pytest.raises(GoneError):
        color_film(
            Colorizer(FakeEngine()),
            source,
            options=FilmOptions(frames=tmp_path),
            progress=stopping,
        )
    assert told == [(0, 60)]
    assert not work_folder(source.with_name("film.color.mkv")).exists()
