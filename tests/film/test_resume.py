"""A film that is stopped goes on where it was, to the same bytes."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import pytest

import film_parts as fp
from fakes import OneByOne
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.engine import ModelInfo, Prediction
from koalarize.errors import OutputError
from koalarize.film import read
from koalarize.film.encode import coding_of, set_up
from koalarize.film.facts import read_facts
from koalarize.film.film import color_film, list_shots
from koalarize.film.names import work_folder
from koalarize.film.options import FilmOptions
from koalarize.film.read import Reading

#: A script that colours a film slowly, to be killed.
_SCRIPT = """
import sys, time
sys.path[:0] = {paths!r}
from pathlib import Path
import test_resume
def slowly(at):
    time.sleep(0.01)
    print(at.done, flush=True)
test_resume.color(Path(sys.argv[1]), slowly)
"""


class Wavering(OneByOne):
    """Answers each picture with colours that depend on all of it."""

    info = ModelInfo("wavering", 16, False, 32)

    def one(self, lightness, hints):
        coarse = lightness[::4, ::4]
        mean = float(lightness.mean())
        return Prediction(np.stack([coarse / 2 - 20, mean - coarse / 3]).astype(np.float32))


class Hinting(Wavering):
    """The same, of a network that takes hints."""

    info = ModelInfo("hinting", 16, True, 32)


def color(source: Path, progress=None, engine=Wavering, **options):
    made = FilmOptions(preset="ultrafast", **options)
    return color_film(Colorizer(engine()), source, options=made, progress=progress)


@pytest.fixture
def short_parts(monkeypatch):
    monkeypatch.setattr("koalarize.film.make.MOST_PART", 12)
    monkeypatch.setattr("koalarize.film.make.LEAST_PART", 8)


@cache
def coded() -> bytes:
    """Code three shots of 40, 25 and 20 frames, with sound; once, as x264 may vary."""
    frames = fp.moved(40, seed=1) + fp.moved(25, seed=7) + fp.moved(20, seed=9)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        return fp.write(path, frames, audio=1, options={"g": "8", "bf": "2"}).read_bytes()


def film(folder: Path) -> Path:
    """Write the film of ``coded``."""
    folder.mkdir(exist_ok=True)
    path = folder / "film.mp4"
    path.write_bytes(coded())
    return path


class StopError(Exception):
    """What a test stops a film with."""


@pytest.mark.parametrize("frames", [1, 30, 64])
def test_a_film_stopped_anywhere_ends_as_one_that_was_not(tmp_path, short_parts, frames):
    whole = color(film(tmp_path / "a"))
    source = film(tmp_path / "b")
    calls = iter(range(1000))

    def stop(_):
        if next(calls) == frames - 1:
            raise StopError

    with pytest.raises(StopError):
        color(source, stop)
    assert not (tmp_path / "b" / "film.color.mp4").exists()
    again = color(source)
    assert again.resumed > 0 or frames < 16
    fp.assert_same_film(again.path, whole.path)
    assert not work_folder(again.path).exists()


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_film_that_was_killed_ends_as_one_that_was_not(tmp_path, short_parts, entries):
    whole = color(film(tmp_path / "a"))
    source = film(tmp_path / "b")
    here = Path(__file__).parent
    paths = [str(here), str(here.parent), *sys.path]
    script = tmp_path / "run.py"
    script.write_text(
        "import koalarize.film.make as film, koalarize.film.read as read\n"
        "film.MOST_PART, film.LEAST_PART = 12, 8\n"
        "read._SEEK_FROM = read._EARLIER = 0.1\n" + _SCRIPT.format(paths=paths)
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    for after in (20, 33):
        run = subprocess.Popen(
            [sys.executable, str(script), str(source)], stdout=subprocess.PIPE, env=environment
        )
        assert run.stdout is not None
        for line in run.stdout:
            if int(line) >= after:
                break
        run.send_signal(signal.SIGKILL)
        run.wait()
        run.stdout.close()
        assert not (tmp_path / "b" / "film.color.mp4").exists()
    entries.clear()
    again = color(source)
    assert again.resumed >= 20
    fp.assert_same_film(again.path, whole.path)
    assert entries[0] is not None


def test_what_is_coloured_already_is_not_read_again(tmp_path, short_parts, entries):
    whole = color(film(tmp_path / "a"))
    source = film(tmp_path / "b")
    stop_at(source, 75)
    entries.clear()
    again = color(source)
    base = read_facts(source).time_base
    assert [float(entry * base) > 1 for entry in entries] == [True]
    assert again.resumed > 50
    fp.assert_same_film(again.path, whole.path)
    assert again.notes == whole.notes


def test_what_was_wrong_with_a_film_is_told_again(tmp_path, short_parts, entries, monkeypatch):
    source = film(tmp_path / "b")
    frames = Reading.frames

    def damaged(self, entry=None):
        if entry is None:
            self._note(3, 1)
        return frames(self, entry)

    monkeypatch.setattr(Reading, "frames", damaged)
    stop_at(source, 75)
    entries.clear()
    again = color(source)
    assert again.resumed > 50
    assert again.damaged
    assert entries == [None]


def test_a_film_that_seeks_to_elsewhere_goes_on_from_its_beginning(
    tmp_path, short_parts, entries, monkeypatch
):
    whole = color(film(tmp_path / "a"))
    source = film(tmp_path / "b")
    stop_at(source, 75)
    index_of = read._index

    def wrong(*given):
        index = index_of(*given)
        return read.Index([time + 1 for time in index.times], index.keys)

    monkeypatch.setattr(read, "_index", wrong)
    entries.clear()
    fp.assert_same_film(color(source).path, whole.path)
    assert entries == [None]


def stop_at(source: Path, frames: int) -> None:
    """Stop a film after so many frames."""

    def stop(at):
        if at.done >= frames:
            raise StopError

    with pytest.raises(StopError):
        color(source, stop)


def test_other_options_begin_afresh(tmp_path, short_parts):
    source = film(tmp_path / "a")

    def stop(at):
        if at.done > 60:
            raise StopError

    with pytest.raises(StopError):
        color(source, stop)
    assert color(source, steadiness=0.5).resumed == 0


def test_a_damaged_part_is_made_again(tmp_path, short_parts):
    whole = color(film(tmp_path / "a"))
    source = film(tmp_path / "b")

    def stop(at):
        if at.done > 60:
            raise StopError

    with pytest.raises(StopError):
        color(source, stop)
    folder = work_folder(tmp_path / "b" / "film.color.mp4")
    packets = sorted(folder.rglob("*.packets"))[1]
    packets.write_bytes(packets.read_bytes()[:-5])
    again = color(source)
    assert 0 < again.resumed < 60
    fp.assert_same_film(again.path, whole.path)


@pytest.mark.parametrize(
    ("room", "said"),
    [
        (50, r"\d+ coloured frames of \S+ are kept, and the same command goes on from there"),
        (0, r"no part of \S+ was whole yet, and the same command begins again"),
    ],
)
def test_a_full_disk_keeps_what_is_coloured(tmp_path, short_parts, monkeypatch, room, said):
    source = film(tmp_path / "a")
    from koalarize.film.parts import PartWriter

    real = PartWriter.add
    added = iter(range(10_000))

    def add(self, packet):
        if next(added) > room:
            raise OSError(28, "No space left on device")
        real(self, packet)

    def close(self, *of):  # what is buffered has no room either
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(PartWriter, "add", add)
        full.setattr(PartWriter, "__exit__", close)
        with pytest.raises(OutputError, match=rf"No space left.*; {said}"):
            color(source)
    assert bool(color(source).resumed) == (room > 0)


@pytest.mark.parametrize(
    ("number", "what"), [(errno.EPERM, "permissions"), (errno.EFBIG, "`ulimit -f`")]
)
def test_what_stops_the_writing_of_parts_is_told(tmp_path, monkeypatch, number, what):
    from koalarize.film.parts import PartWriter

    def add(self, packet):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(PartWriter, "add", add)
    with pytest.raises(OutputError, match=what):
        color(film(tmp_path / "a"))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named_at_once(tmp_path):
    source = film(tmp_path / "a")
    (tmp_path / "a").chmod(0o500)
    try:
        start = time.monotonic()
        with pytest.raises(OutputError, match="cannot be written"):
            color(source)
        assert start
    finally:
        (tmp_path / "a").chmod(0o700)


def test_two_runs_do_not_make_the_same_film(tmp_path, short_parts):
    source = film(tmp_path / "a")

    def again(at):
        if at.done == 20:
            color(source)

    if os.name == "nt":
        pytest.skip("there is no flock")
    with pytest.raises(OutputError, match="another run makes this film"):
        color(source, again)
    assert color(source).frames == 85


def test_a_disk_that_will_be_full_is_told_at_the_first_part(tmp_path, short_parts, monkeypatch):
    source = film(tmp_path / "a")
    seen = []

    class Usage:
        free = 3000

    monkeypatch.setattr("koalarize.film.store.shutil.disk_usage", lambda _: Usage)
    with pytest.raises(OutputError, match=r"will need about 0\.\d\d MB more but only 0\.00 MB"):
        color(source, lambda at: seen.append(at.done))
    assert max(seen) < 30
    monkeypatch.undo()
    assert color(source).resumed == 15


def listed(folder: Path, warmth: float = 0, *, hinted: tuple[int, ...] = ()) -> tuple[Path, Path]:
    """Draw the film, and list its three shots; return both."""
    source = film(folder)
    path, count = list_shots(source, overwrite=True)
    assert count == 3
    data = json.loads(path.read_text())
    data["shots"][2]["warmth"] = warmth
    for number in hinted:
        hint = {"time": f"0:00:0{number + 1}.000", "x": 30, "y": 24, "color": "#2040ff"}
        data["shots"][number]["hints"] = [hint]
    path.write_text(json.dumps(data))
    return source, path


def test_shots_that_are_there_are_not_read_again(tmp_path, short_parts, entries):
    source, shots = listed(tmp_path / "a", warmth=0.5)
    whole = color(source, shots=shots)
    source, shots = listed(tmp_path / "b")
    color(source, shots=shots)
    (tmp_path / "b" / "film.color.mp4").unlink()
    shots.write_text((tmp_path / "a" / "film.shots.json").read_text())
    entries.clear()
    again = color(source, shots=shots)
    assert again.resumed == 65
    fp.assert_same_film(again.path, whole.path)
    first, second = entries
    assert first is None  # its first frame says in which shot the film begins
    assert float(second * read_facts(source).time_base) > 2


def test_a_listed_film_stopped_within_a_shot_goes_on_there(tmp_path, short_parts, entries):
    source, shots = listed(tmp_path / "a")
    whole = color(source, shots=shots)
    source, shots = listed(tmp_path / "b")
    calls = iter(range(1000))

    def stop(_):
        if next(calls) == 60:
            raise StopError

    with pytest.raises(StopError):
        color(source, stop, shots=shots)
    entries.clear()
    again = color(source, shots=shots)
    assert again.resumed > 40
    fp.assert_same_film(again.path, whole.path)
    assert entries[1] is not None


@pytest.mark.parametrize(("hinted", "readings"), [((0, 1), 2), ((0, 1, 2), 3)])
def test_hints_are_followed_only_through_shots_that_are_made(
    tmp_path, short_parts, entries, hinted, readings
):
    source, shots = listed(tmp_path / "a", warmth=0.5, hinted=hinted)
    whole = color(source, engine=Hinting, shots=shots)
    source, shots = listed(tmp_path / "b", hinted=hinted)
    color(source, engine=Hinting, shots=shots)
    (tmp_path / "b" / "film.color.mp4").unlink()
    shots.write_text((tmp_path / "a" / "film.shots.json").read_text())
    entries.clear()
    again = color(source, engine=Hinting, shots=shots)
    fp.assert_same_film(again.path, whole.path)
    assert len(entries) == readings
    assert [entry is None for entry in entries] == [True] + [False] * (readings - 1)


_WITH_CORES = """
import os, sys
sys.path[:0] = {paths!r}
os.sched_setaffinity(0, {cores})
from koalarize.cli.app import main
main([sys.argv[1], "--codec", {codec!r}])
"""


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two cores to choose from",
)
@pytest.mark.parametrize("codec", ["x264", "x265", "prores", "ffv1"])
def test_the_film_is_the_same_whatever_the_number_of_cores(tmp_path, codec):
    source = fp.write(tmp_path / "film.mp4", fp.moved(12, size=(180, 230)))
    every = os.sched_getaffinity(0)
    films = []
    for cores in ({min(every)}, every):
        script = _WITH_CORES.format(paths=sys.path, cores=cores, codec=codec)
        subprocess.run([sys.executable, "-c", script, str(source)], check=True)
        (made,) = tmp_path.glob("film.color.*")
        films.append(made.rename(tmp_path / f"{len(cores)}{made.suffix}"))
    fp.assert_same_film(*films)


def test_the_same_frames_are_coded_in_the_same_way(tmp_path):
    frames = fp.moved(20, size=(180, 230))
    source = fp.write(tmp_path / "film.mp4", frames[:1])
    coding = coding_of(read_facts(source), FilmOptions())
    chroma = np.full((90, 230), 128, np.uint8)  # of both planes
    made = set()
    rng = np.random.default_rng(0)
    for _ in range(40):
        junk = [rng.bytes(size) for size in rng.integers(1_000, 400_000, 30)]
        del junk  # what the encoder finds in its memory
        context = av.CodecContext.create("libx264", "w")
        set_up(context, coding)
        packets = []
        for number, luma in enumerate(frames):
            planes = np.vstack([luma, chroma])
            frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
            frame.pts = number
            packets += map(bytes, context.encode(frame))
        made.add(b"".join(packets + [bytes(packet) for packet in context.encode(None)]))
    assert len(made) == 1


@pytest.mark.parametrize("there", [True, False])
def test_x264_leaves_avx512_alone(tmp_path, monkeypatch, there):
    monkeypatch.setattr("koalarize.film.encode._has_avx512", lambda: there)
    source = fp.write(tmp_path / "film.mp4", fp.moved(1))
    context = av.CodecContext.create("libx264", "w")
    set_up(context, coding_of(read_facts(source), FilmOptions()))
    assert context.options.get("x264-params") == ("asm=AVX2" if there else None)
