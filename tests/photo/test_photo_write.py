"""Photos: written whole or not at all."""

import io
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms

from koalarize.batch.compare import compare_path
from koalarize.errors import OutputError
from koalarize.photo import photo
from koalarize.photo.files import EXTENSIONS, FORMATS, output_path
from koalarize.photo.photo import Photo
from photo_parts import (
    adobe_profile,
    colored,
    grey_profile,
    independent,
    opened,
    saved,
    smooth,
    some_exif,
)


class TestWrite:
    def test_written_with_the_umask(self, tmp_path):
        picture = Photo.read(smooth())
        path = picture.write(colored(picture), tmp_path / "a.PNG")
        assert path == tmp_path / "a.PNG"
        assert opened(path.read_bytes()).format == "PNG"
        plain = tmp_path / "plain"
        plain.touch()
        assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a.PNG", "plain"]

    @pytest.mark.parametrize("name", ["out.xyz", "out", "out.psd", "out.jpgg"])
    def test_unknown_extension(self, tmp_path, name):
        with pytest.raises(OutputError, match=r"which is not written.*: use one of \.jpg"):
            Photo.read(smooth()).write(smooth(channels=3), tmp_path / name)

    def test_missing_folder(self, tmp_path):
        with pytest.raises(OutputError, match=r"the folder .* does not exist: make it first"):
            Photo.read(smooth()).write(smooth(channels=3), tmp_path / "no" / "a.png")

    def test_folder_in_place_of_a_file(self, tmp_path):
        (tmp_path / "a.png").mkdir()
        with pytest.raises(OutputError, match="is a folder but must be a file"):
            Photo.read(smooth()).write(smooth(channels=3), tmp_path / "a.png", overwrite=True)

    def test_existing_file(self, tmp_path):
        path = tmp_path / "a.png"
        path.write_bytes(b"mine")
        picture = Photo.read(smooth())
        with pytest.raises(OutputError, match="exists already"):
            picture.write(smooth(channels=3), path)
        assert path.read_bytes() == b"mine"
        picture.write(smooth(channels=3), path, overwrite=True)
        assert opened(path.read_bytes()).size == (36, 24)

    @pytest.mark.parametrize("link", [False, True])
    def test_the_original_is_never_written_over(self, tmp_path, link):
        original = tmp_path / "a.png"
        original.write_bytes(saved(smooth(), "PNG"))
        target = original
        if link:
            target = tmp_path / "b.png"
            target.symlink_to(original)
        before = original.read_bytes()
        with pytest.raises(OutputError, match="is the original and is never written over"):
            Photo.read(original).write(smooth(channels=3), target, overwrite=True)
        assert original.read_bytes() == before

    @pytest.mark.parametrize("step", ["write", "replace"])
    def test_failure_leaves_nothing_behind(self, tmp_path, monkeypatch, step):
        old = tmp_path / "a.png"
        old.write_bytes(b"old")

        def full(*_):
            raise OSError(28, "No space left on device")

        if step == "replace":
            monkeypatch.setattr(Path, "replace", full)
        else:
            monkeypatch.setattr(Path, "open", lambda path, mode: FullFile(path, mode))
        with pytest.raises(OutputError, match=r"cannot be written \(No space left on device\)"):
            Photo.read(smooth()).write(smooth(channels=3), old, overwrite=True)
        monkeypatch.undo()
        assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
        assert old.read_bytes() == b"old"

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
    def test_folder_without_permission(self, tmp_path):
        tmp_path.chmod(0o500)
        with pytest.raises(OutputError, match="cannot be written"):
            Photo.read(smooth()).write(smooth(channels=3), tmp_path / "a.png")

    @pytest.mark.parametrize("srgb", [smooth(), smooth(12, 36, 3), smooth(channels=3).astype(int)])
    def test_wrong_pixels(self, srgb):
        with pytest.raises(OutputError, match=r"`srgb` is .* must be .* \(24, 36, 3\)"):
            Photo.read(smooth()).encode(srgb)

    def test_unknown_format(self):
        with pytest.raises(OutputError, match=r"`format` is pgn.*did you mean `PNG`"):
            Photo.read(smooth()).encode(smooth(channels=3), format="pgn")

    def test_size_the_format_cannot_hold(self):
        wide = np.zeros((1, 17_000), np.uint8)
        said = "17000 × 1 pixels cannot be written as WEBP, which holds at most 16383 a side"
        with pytest.raises(OutputError, match=said):
            Photo.read(wide).encode(np.dstack([wide] * 3), format="WEBP")

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("n" * 256 + ".png", "a name of 260 bytes, but one has at most 255"),
            ("n" * 256 + "/a.png", "a name of 256 bytes"),
            ("a\0.png", "holds a NUL"),
        ],
    )
    def test_a_name_that_no_file_has(self, name, said, tmp_path):
        with pytest.raises(OutputError, match=said):
            Photo.read(smooth()).write(smooth(channels=3), tmp_path / name)

    def test_exif_too_large_for_jpeg_is_left_out_and_says_so(self):
        picture = Photo(smooth(), exif=some_exif() + b"\0" * 70_000)
        assert not opened(picture.encode(smooth(channels=3), format="JPEG")).getexif()
        assert picture.left_out("JPEG") == ("EXIF",)

    @pytest.mark.parametrize(
        ("source", "target"),
        [
            ("dir/photo.jpg", "dir/photo.color.jpg"),
            ("A.B.TIFF", "A.B.color.TIFF"),
            ("scan.gif", "scan.color.png"),
            ("scan", "scan.color.png"),
        ],
    )
    def test_output_path(self, source, target):
        assert output_path(source) == Path(target)
        assert output_path("a.png", suffix="-new") == Path("a-new.png")

    @pytest.mark.parametrize("stem", ["n" * 251, "n" * 246, "ü" * 124, "Zürich " * 31])
    def test_names_that_are_too_long_are_cut(self, stem, tmp_path):
        path = output_path(tmp_path / f"{stem}.png")
        assert len(os.fsencode(path.name)) <= 255
        assert path.name.endswith(".color.png")
        assert path.name[:100] == stem[:100]
        assert path != output_path(tmp_path / f"{stem[:-1]}x.png")
        Photo.read(smooth()).write(smooth(channels=3), path)
        whole = compare_path(path)
        assert len(os.fsencode(whole.name)) <= 255

    def test_a_lossless_webp_stays_lossless(self):
        source = Image.fromarray(smooth(channels=3))
        srgb = np.random.default_rng(0).integers(0, 256, (24, 36, 3), dtype=np.uint8)
        for animated in ({}, {"save_all": True, "append_images": [source.rotate(180)]}):
            photo = Photo.read(saved(source, "WEBP", lossless=True, **animated))
            assert np.array_equal(np.asarray(opened(photo.encode(srgb, format="webp"))), srgb)
        photo = Photo.read(saved(source, "WEBP"))
        assert not np.array_equal(np.asarray(opened(photo.encode(srgb, format="webp"))), srgb)

    @pytest.mark.parametrize("mode", ["L", "RGB"])
    def test_jpeg_tables_are_the_finer_of_the_usual_and_the_picture_s_own(self, mode):
        source = Image.fromarray(smooth(channels=3)).convert(mode)
        for quality in (60, 99):
            photo = Photo.read(saved(source, "JPEG", quality=quality))
            written = opened(photo.encode(colored(photo))).quantization
            usual = opened(saved(source.convert("RGB"), "JPEG", quality=97)).quantization
            for number, table in written.items():
                own = photo.packing.tables[min(number, len(photo.packing.tables) - 1)]
                finer = [min(pair) for pair in zip(own, usual[number], strict=True)]
                assert list(table) == finer

    def test_tables(self):
        assert set(FORMATS) <= set(EXTENSIONS)
        Image.init()
        assert set(FORMATS.values()) <= set(Image.SAVE)
        assert set(EXTENSIONS.values()) <= {"MPO", *Image.OPEN}  # MPO is opened as JPEG
        assert all(key == key.lower() and key.startswith(".") for key in EXTENSIONS)
        assert set(photo.__all__) <= set(vars(photo))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.tuples(st.integers(1, 20), st.integers(1, 20), st.sampled_from([3, 4])),
    )
)
def test_png_round_trip_of_any_array(values):
    picture = Photo.read(values)
    encoded = picture.encode(np.ascontiguousarray(values[..., :3]))
    assert np.array_equal(independent(encoded, "PNG"), values)


class FullFile(io.FileIO):
    def write(self, data):
        super().write(data[:10])
        raise OSError(28, "No space left on device")


def test_the_hand_built_profiles_are_valid():
    for profile in (grey_profile(1.8), adobe_profile()):
        assert ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.version == 2.1
