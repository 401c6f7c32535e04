"""Folders as people have them: pictures of other colour spaces, files of other kinds."""

import io
import logging
import os

import numpy as np
import pytest
from PIL import Image

from koalarize.cli import main
from koalarize.errors import DataError
from koalarize.lab.datasets import sources
from koalarize.lab.datasets.alone import alone
from koalarize.lab.datasets.sources import decode_picture, load_pictures, passed_over
from koalarize.lab.training import train as room
from koalarize.photo.profiles import srgb_profile
from runs import tiny_recipe


def swapped():
    """Return the profile of a space whose red is sRGB's blue, and the other way round."""
    profile = srgb_profile()
    assert profile.count(b"rXYZ") == profile.count(b"bXYZ") == 1
    return profile.replace(b"rXYZ", b"....").replace(b"bXYZ", b"rXYZ").replace(b"....", b"bXYZ")


def picture():
    small = np.random.default_rng(0).integers(20, 236, (3, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((48, 40), Image.Resampling.BICUBIC))


def saved(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_are_those_that_the_profile_says(mode):
    image = Image.fromarray(picture()).convert(mode)
    pixels = decode_picture(saved(image, icc_profile=swapped()))
    assert np.abs(pixels.astype(int) - picture()[..., ::-1]).max() <= 2


def test_a_palette_has_a_profile_too():
    image = Image.fromarray(picture()).convert("P")
    pixels = decode_picture(saved(image, icc_profile=swapped()))
    expected = np.asarray(image.convert("RGB"))[..., ::-1].astype(int)
    assert np.abs(pixels.astype(int) - expected).max() <= 2


def test_a_smaller_picture_has_them_as_well(tmp_path):
    (tmp_path / "a.png").write_bytes(saved(Image.fromarray(picture()), icc_profile=swapped()))
    plain = Image.fromarray(picture()[..., ::-1].copy()).resize((24, 20), Image.Resampling.LANCZOS)
    (pixels,) = load_pictures(tmp_path, max_side=20).arrays
    assert np.abs(pixels.astype(int) - np.asarray(plain)).max() <= 3


@pytest.mark.parametrize("profile", [srgb_profile(), b"no profile"])
def test_what_says_srgb_or_nothing_stays_to_the_byte(profile, caplog):
    sources._says_srgb.cache_clear()
    pixels = decode_picture(saved(Image.fromarray(picture()), icc_profile=profile))
    assert np.array_equal(pixels, picture())
    assert ("cannot be used" in caplog.text) == (profile == b"no profile")


def test_a_profile_that_all_pictures_share_is_looked_into_once(monkeypatch):
    looks = []

    def look(pixels, icc):
        looks.append(icc)
        return pixels, ()

    sources._says_srgb.cache_clear()
    monkeypatch.setattr(sources, "through_profile", look)
    for _ in range(3):
        decode_picture(saved(Image.fromarray(picture()), icc_profile=srgb_profile()))
    assert len(looks) == 1


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_modes_go_as_they_went(mode):
    image = Image.fromarray(picture()).convert(mode)
    kind = "JPEG" if mode == "CMYK" else "PNG"
    with_profile = decode_picture(saved(image, kind, icc_profile=swapped()))
    assert np.array_equal(with_profile, decode_picture(saved(image, kind)))


class TestPassedOver:
    @pytest.fixture
    def folder(self, tmp_path):
        """Two pictures among files that are not read."""
        (tmp_path / "deep").mkdir()
        for name in ("a.png", "deep/B.PNG"):
            (tmp_path / name).write_bytes(saved(Image.fromarray(picture())))
        for name in ("a.heic", "deep/b.HEIC", "notes.txt", "README", ".hidden.heic", "._a.jpg"):
            (tmp_path / name).write_bytes(b"x")
        return tmp_path

    def test_files_of_other_kinds_are_counted_by_their_ending(self, folder):
        assert passed_over(folder) == {".heic": 2, ".txt": 1, "(no ending)": 1}
        assert passed_over(folder / "a.png") == {}

    def test_a_look_at_the_data_says_so(self, folder, capsys):
        assert main(["lab", "data", "check", str(folder)]) == 0
        said = capsys.readouterr().out.splitlines()
        assert "2 usable of 2 pictures" in said[0]
        assert said[-1] == "not read, files of other kinds: 2 .heic, 1 (no ending), 1 .txt"

    def test_a_run_says_so(self, folder, caplog):
        caplog.set_level(logging.INFO, "koalarize")
        room._pictures(tiny_recipe(folder))
        assert "not read, files of other kinds: 2 .heic" in caplog.text


class TestAlone:
    def test_a_second_run_is_refused_until_the_first_has_ended(self, tmp_path):
        busy = DataError("busy")
        with alone(tmp_path, busy), pytest.raises(DataError, match="busy"), alone(tmp_path, busy):
            pass
        with alone(tmp_path, busy):
            pass

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no forked workers")
    @pytest.mark.parametrize("killed", [True, False])
    def test_workers_that_linger_keep_nobody_out(self, tmp_path, killed):
        """They inherit what a run has open, and a killed one leaves them for seconds."""
        begun, ended = os.pipe(), os.pipe()
        run = os.fork() if killed else 0
        if run == 0:
            with alone(tmp_path, DataError()):
                worker = os.fork()
                if worker == 0:
                    os.close(ended[1])
                    os.write(begun[1], b"x")
                    os.read(ended[0], 1)  # until the test ends
                    os._exit(0)
                if killed:
                    os.read(begun[0], 1)
                    os._exit(0)
        else:
            os.waitpid(run, 0)
        with alone(tmp_path, DataError("busy")):
            pass
        os.close(ended[1])
        if not killed:
            os.waitpid(worker, 0)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("cat.jpg", r"give the folder that it lies in, `{}`"),
        ("film.MP4", r"give pictures of it \(`ffmpeg -i film.MP4 -vf fps=1"),
        ("notes.txt", r"give a folder of pictures"),
    ],
)
def test_a_file_of_another_kind_is_told_what_to_give_instead(tmp_path, name, step):
    (tmp_path / name).touch()
    with pytest.raises(DataError, match=rf"is not a folder.*: {step.format(tmp_path)}"):
        load_pictures(tmp_path / name)
