"""Folders, Parquet files and tar shards of pictures, with everything in them that is no picture."""

import gzip
import io
import os
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image

from koalarize import color
from koalarize.cli import main
from koalarize.errors import DataError
from koalarize.lab.datasets.check import check_pictures
from koalarize.lab.datasets.shards import expand_braces
from koalarize.lab.datasets.sources import (
    decode_picture,
    encoded_pictures,
    load_pictures,
    named_pictures,
)


def picture(seed, height=40, width=56):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def encoded(pixels, kind="PNG", **options):
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def grey(shade=0):
    ramp = np.arange(40, dtype=np.uint8) * 4 + shade
    return np.repeat(ramp[:, None, None], 40, axis=1).repeat(3, axis=2)


def contents():
    """Two pictures to keep, and one of each kind that is left out."""
    return {
        "a.png": encoded(picture(0)),
        "b.png": encoded(picture(1))[:200],
        "c.png": encoded(picture(2, height=15)),
        "d.png": encoded(grey()),
        "deep/e.jpg": encoded(picture(3), "JPEG", quality=95),
        "f.png": b"",
    }


def folder_of(files, where):
    for name, data in files.items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_bytes(data)
    return where


def parquet_of(files, path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    rows = [{"bytes": data, "path": name} for name, data in files.items()]
    pq.write_table(pa.table({"image": rows, "label": list(range(len(rows)))}), path)
    return path


def tar_of(files, path, mode="w"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def names(source):
    return [name for name, _ in named_pictures(source)]


class TestLoadPictures:
    @pytest.mark.parametrize(
        "kind", ["folder", "parquet", "folder of parquet", "shard", "folder of shards", "tgz"]
    )
    def test_what_cannot_be_used_is_counted(self, kind, tmp_path):
        source = tmp_path
        if kind == "folder":
            folder_of(contents(), tmp_path)
            (tmp_path / "notes.txt").write_text("not a picture, and not taken for one")
        elif "parquet" in kind:
            table = parquet_of(contents(), tmp_path / "part-0.parquet")
            source = table if kind == "parquet" else tmp_path
        elif kind == "folder of shards":
            files = list(contents().items())
            tar_of(dict(files[:3]), tmp_path / "0" / "a.tar")
            tar_of(dict(files[3:]), tmp_path / "1" / "b.tar")
        else:
            ending, mode = (".tgz", "w:gz") if kind == "tgz" else (".tar", "w")
            source = tar_of(contents(), tmp_path / f"a{ending}", mode)
        pictures = load_pictures(source, min_chroma=2)
        assert pictures.left_out == {"broken": 2, "tiny": 1, "grey": 1}
        assert len(pictures) == 2
        assert np.array_equal(pictures.arrays[0], picture(0))
        assert pictures.arrays[1].shape == picture(3).shape
        assert all(array.dtype == np.uint8 for array in pictures.arrays)

    def test_a_folder_may_hold_all_kinds(self, tmp_path):
        folder_of({"b.png": encoded(picture(0))}, tmp_path)
        parquet_of({"x": encoded(picture(1))}, tmp_path / "c.parquet")
        tar_of({"y.png": encoded(picture(2))}, tmp_path / "a.tar")
        assert names(tmp_path) == ["a.tar/y.png", "b.png", "c.parquet/x"]
        loaded = load_pictures(tmp_path).arrays
        for array, seed in zip(loaded, (2, 0, 1), strict=True):
            assert np.array_equal(array, picture(seed))

    def test_limit_is_of_usable_pictures_in_order(self, tmp_path):
        source = folder_of(contents(), tmp_path)
        assert len(load_pictures(source, limit=1)) == 1
        two = load_pictures(source, limit=2, min_chroma=2)
        assert np.array_equal(two.arrays[0], picture(0))
        assert two.arrays[1].shape == picture(3).shape
        assert len(load_pictures(source, limit=99, min_chroma=2)) == 2

    def test_grey_is_kept_unless_asked(self, tmp_path):
        assert load_pictures(folder_of(contents(), tmp_path)).left_out["grey"] == 0

    def test_short_side_is_brought_down(self, tmp_path):
        source = folder_of({"a.png": encoded(picture(0, 60, 120))}, tmp_path)
        assert load_pictures(source, max_side=20).arrays[0].shape == (20, 40, 3)
        assert load_pictures(source, max_side=60).arrays[0].shape == (60, 120, 3)
        assert load_pictures(source, max_side=500).arrays[0].shape == (60, 120, 3)

    def test_a_fit_has_the_whole_picture(self, tmp_path):
        source = folder_of({"a.png": encoded(picture(0, 60, 120))}, tmp_path)
        seen = []

        def fit(image):
            seen.append(image.size)
            return image.resize((30, 30))

        assert load_pictures(source, max_side=20, fit=fit).arrays[0].shape == (30, 30, 3)
        assert seen == [(120, 60)]

    def test_errors(self, tmp_path):
        with pytest.raises(DataError, match="does not exist: give a folder"):
            load_pictures(tmp_path / "no")
        with pytest.raises(DataError, match=r"holds no colour picture \(nothing found\)"):
            load_pictures(tmp_path)
        (tmp_path / "a.png").write_bytes(b"text")
        with pytest.raises(DataError, match=r"holds no colour picture \(1 broken\)"):
            load_pictures(tmp_path)
        with pytest.raises(DataError, match=r"not a folder, a \.parquet file or a \.tar shard"):
            load_pictures(tmp_path / "a.png")
        (tmp_path / "a.parquet").write_bytes(b"text" * 9)
        with pytest.raises(DataError, match="cannot be read as Parquet"):
            load_pictures(tmp_path / "a.parquet")

    def test_a_table_of_something_else(self, tmp_path):
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
        with pytest.raises(DataError, match=r"has the columns \['text'\] but needs `image`"):
            load_pictures(tmp_path / "a.parquet")

    def test_rows_without_bytes_are_broken(self, tmp_path):
        files = {"a": encoded(picture(0)), "b": None}
        pictures = load_pictures(parquet_of(files, tmp_path / "a.parquet"))
        assert len(pictures) == 1
        assert pictures.left_out == {"broken": 1}


class TestDecode:
    def test_orientation_is_applied(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        assert decode_picture(encoded(picture(0), "JPEG", exif=exif)).shape == (56, 40, 3)

    def test_16_bit_grey_is_scaled_not_clipped(self):
        deep = np.linspace(0, 65535, 40 * 40).astype(np.uint16).reshape(40, 40)
        pixels = decode_picture(encoded(deep))
        assert np.array_equal(pixels[..., 0], (deep >> 8).astype(np.uint8))
        assert np.array_equal(pixels[..., 0], pixels[..., 2])
        assert decode_picture(encoded(deep), min_chroma=1) == "grey"

    def test_cmyk(self):
        pixels = decode_picture(encoded(Image.new("CMYK", (40, 30), (0, 200, 200, 0)), "JPEG"))
        assert pixels.shape == (30, 40, 3)
        assert np.all(np.abs(pixels.astype(int) - (255, 55, 55)) <= 6)

    @pytest.mark.parametrize("mode", ["RGBA", "P", "LA", "colour key"])
    def test_what_is_transparent_is_white(self, mode):
        if mode == "RGBA":
            image, options = Image.new("RGBA", (32, 32), (200, 10, 10, 0)), {}
        elif mode == "LA":
            image, options = Image.new("LA", (32, 32), (10, 0)), {}
        elif mode == "P":
            image = Image.new("P", (32, 32), 1)
            image.putpalette([0, 0, 0, 200, 10, 10])
            options = {"transparency": 1}
        else:
            image, options = Image.new("RGB", (32, 32), (200, 10, 10)), {}
            options = {"transparency": (200, 10, 10)}
        pixels = decode_picture(encoded(image, "PNG", **options))
        assert np.all(pixels == 255)

    def test_half_transparent_is_mixed_with_white(self):
        pixels = decode_picture(encoded(Image.new("RGBA", (32, 32), (255, 0, 0, 128))))
        assert np.all(np.abs(pixels.astype(int) - (255, 127, 127)) <= 1)

    def test_an_animation_gives_its_first_frame(self):
        frames = [Image.new("RGB", (32, 32), color) for color in ("red", "lime", "blue")]
        data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
        assert np.all(decode_picture(data) == (255, 0, 0))

    @pytest.mark.parametrize(
        "data",
        [b"", b"some text", encoded(picture(0), "JPEG")[:-400], encoded(picture(0))[:300]],
        ids=["empty", "text", "half a JPEG", "half a PNG"],
    )
    def test_damaged_ones_are_broken(self, data):
        assert decode_picture(data) == "broken"

    def test_a_bomb_is_not_unpacked(self, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
        assert decode_picture(encoded(Image.new("RGB", (64, 64)))) == "huge"

    @pytest.mark.parametrize(
        ("tint", "expected"), [((0, 0, 0), 0), ((6, 0, -6), 4.5), ((60, 0, -60), 43)]
    )
    def test_chroma(self, tint, expected):
        pixels = np.full((48, 48, 3), 128, np.uint8) + np.array(tint).astype(np.uint8)
        assert abs(color.mean_chroma(pixels) - expected) < 0.1 * expected + 0.01

    def test_three_channels_are_no_sign_of_color(self):
        noisy = np.clip(grey().astype(int) + np.array([1, 0, -1]), 0, 255).astype(np.uint8)
        assert decode_picture(encoded(noisy), min_chroma=2) == "grey"
        assert isinstance(decode_picture(encoded(noisy), min_chroma=0.1), np.ndarray)


class TestFolders:
    def test_order_is_that_of_the_paths(self, tmp_path):
        folder_of(dict.fromkeys(("b/c.png", "b.png", "a/z.JPG", "b/a/x.gif"), b"x"), tmp_path)
        assert names(tmp_path) == ["a/z.JPG", "b/a/x.gif", "b/c.png", "b.png"]

    def test_what_is_hidden_is_passed_over(self, tmp_path):
        hidden = ("._a.png", ".b.png", "__MACOSX/c.png", ".git/d.png", "x/.thumbs/e.png")
        folder_of(dict.fromkeys((*hidden, "x/f.png"), b"x"), tmp_path / ".mine")
        assert names(tmp_path / ".mine") == ["x/f.png"]
        tar_of(dict.fromkeys((*hidden, "x/f.png"), b"x"), tmp_path / "a.tar")
        assert names(tmp_path / "a.tar") == ["a.tar/x/f.png"]

    @pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")
    def test_links(self, tmp_path):
        source = folder_of({"in/a.png": encoded(picture(0))}, tmp_path / "source")
        folder_of({"b.png": encoded(picture(1))}, tmp_path / "elsewhere")
        (source / "in" / "round").symlink_to(source, target_is_directory=True)
        (source / "far").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (source / "again").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
        (source / "dead.png").symlink_to(tmp_path / "gone.png")
        (source / "self.png").symlink_to(source / "self.png")
        found = dict(named_pictures(source))
        assert [name.rpartition("/")[2] for name in found] == [
            "b.png",
            "dead.png",
            "a.png",
            "self.png",
        ]
        assert found["dead.png"] == found["self.png"] == b""
        assert load_pictures(source).left_out == {"broken": 2}

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
    def test_a_pipe_does_not_block(self, tmp_path):
        os.mkfifo(tmp_path / "a.png")
        assert list(encoded_pictures(tmp_path)) == [b""]

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names are Unicode there")
    def test_a_name_in_no_encoding(self, tmp_path, capfd):
        (tmp_path / os.fsdecode(b"gr\xfcn.png")).write_bytes(b"no picture")
        folder_of({"a.png": encoded(picture(0))}, tmp_path)
        assert load_pictures(tmp_path).left_out == {"broken": 1}
        assert main(["lab", "data", "check", str(tmp_path)]) == 0
        assert "broken: 1 (gr" in capfd.readouterr().out

    @pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything may be read here"
    )
    def test_what_may_not_be_read_is_broken(self, tmp_path):
        folder_of(contents(), tmp_path)
        (tmp_path / "a.png").chmod(0)
        assert load_pictures(tmp_path).left_out == {"broken": 3, "tiny": 1}

    def test_a_folder_named_as_a_picture(self, tmp_path):
        folder_of({"a.png/b.png": b"x"}, tmp_path)
        assert names(tmp_path) == ["a.png/b.png"]

    def test_a_file_too_large_is_not_read(self, tmp_path):
        with (tmp_path / "a.png").open("wb") as stream:
            stream.truncate((1 << 28) + 1)  # no bytes on disk
        assert list(encoded_pictures(tmp_path)) == [b""]


class TestShards:
    def test_a_truncated_shard_gives_what_it_holds(self, tmp_path):
        files = {f"{n}.png": encoded(picture(n)) for n in range(4)}
        whole = tar_of(files, tmp_path / "a.tar").read_bytes()
        with tarfile.open(tmp_path / "a.tar") as tar:
            offsets = [(member.offset, member.offset_data) for member in tar]
        cuts = {
            "in the data of the third": (offsets[2][1] + 20, 2),
            "in the header of the third": (offsets[2][0] + 100, 2),
            "before the header of the third": (offsets[2][0], 2),
            "in the first header": (100, 0),
            "before the end marker": (offsets[3][1] + -(-len(files["3.png"]) // 512) * 512, 4),
        }
        for place, (length, usable) in cuts.items():
            (tmp_path / "a.tar").write_bytes(whole[:length])
            results = [
                isinstance(decode_picture(data), np.ndarray)
                for data in encoded_pictures(tmp_path / "a.tar")
            ]
            assert results == [True] * usable + [False], place

    def test_damage_in_the_middle(self, tmp_path):
        files = {f"{n}.png": encoded(picture(n)) for n in range(3)}
        whole = bytearray(tar_of(files, tmp_path / "a.tar").read_bytes())
        with tarfile.open(tmp_path / "a.tar") as tar:
            second = tar.getmembers()[1]
        whole[second.offset + 10 : second.offset + 60] = b"\xff" * 50  # its header
        (tmp_path / "a.tar").write_bytes(whole)
        assert check_pictures(tmp_path / "a.tar").left_out == {"broken": 1}
        assert names(tmp_path / "a.tar") == ["a.tar/0.png", "a.tar/(the rest)"]

    def test_a_damaged_member_stands_beside_a_cut(self, tmp_path):
        files = {"0.png": b"", "1.png": encoded(picture(1)), "2.png": encoded(picture(2))}
        whole = tar_of(files, tmp_path / "a.tar").read_bytes()
        with tarfile.open(tmp_path / "a.tar") as tar:
            last = tar.getmembers()[2]
        (tmp_path / "a.tar").write_bytes(whole[: last.offset_data + 30])
        pictures = load_pictures(tmp_path / "a.tar")
        assert len(pictures) == 1
        assert pictures.left_out == {"broken": 2}

    @pytest.mark.parametrize(
        "data",
        [b"", b"text" * 400, gzip.compress(b"text" * 400, mtime=0)[:30]],
        ids=["empty", "text", "cut gzip"],
    )
    def test_no_tar_at_all(self, data, tmp_path):
        (tmp_path / "a.tar").write_bytes(data)
        folder_of({"b.png": encoded(picture(0))}, tmp_path)
        pictures = load_pictures(tmp_path)
        assert len(pictures) == 1
        assert pictures.left_out == {"broken": 1}

    def test_half_a_compressed_one(self, tmp_path):
        files = {f"{n}.png": os.urandom(3000) for n in range(20)}
        path = tar_of(files, tmp_path / "a.tar.gz", "w:gz")
        path.write_bytes(path.read_bytes()[:-20000])
        found = [data for data in encoded_pictures(path) if data]
        assert 5 < len(found) < 20
        assert found == list(files.values())[: len(found)]

    def test_links_and_folders_are_no_pictures(self, tmp_path):
        path = tar_of({"a.png": b"x"}, tmp_path / "a.tar")
        with tarfile.open(path, "a") as tar:
            for name, kind in (("b.png", tarfile.SYMTYPE), ("c.png", tarfile.DIRTYPE)):
                member = tarfile.TarInfo(name)
                member.type, member.linkname = kind, "/etc/passwd"
                tar.addfile(member)
        assert names(path) == ["a.tar/a.png"]

    def test_samples(self, tmp_path):
        """A mask beside a picture is no picture; names with more dots alone are."""
        members = ("0.cls", "0.jpg", "0.mask.png", "d/0.seg.png", "d/0.json", "2024.05.01.jpg")
        path = tar_of(dict.fromkeys(members, b"x"), tmp_path / "a.tar")
        pictures = ("0.jpg", "d/0.seg.png", "2024.05.01.jpg")
        assert names(path) == [f"a.tar/{name}" for name in pictures]

    def test_braces(self, tmp_path):
        for number in range(8, 12):
            tar_of({"a.png": encoded(picture(number))}, tmp_path / f"s-{number:03d}.tar")
        assert names(tmp_path / "s-{009..010}.tar") == ["s-009.tar/a.png", "s-010.tar/a.png"]
        loaded = load_pictures(tmp_path / "s-{009..011}.tar").arrays
        assert np.array_equal(loaded[2], picture(11))
        with pytest.raises(DataError, match=r"s-012\.tar` does not exist"):
            load_pictures(tmp_path / "s-{008..012}.tar")

    def test_how_braces_expand(self):
        assert expand_braces("a") == ["a"]
        assert expand_braces("{8..10}.tar") == ["8.tar", "9.tar", "10.tar"]
        assert expand_braces("{08..10}") == ["08", "09", "10"]
        assert expand_braces("{0..1}/{a,b}{2..3}") == [
            "0/{a,b}2",
            "0/{a,b}3",
            "1/{a,b}2",
            "1/{a,b}3",
        ]
        for wrong in ("{3..1}.tar", "{0..99999999}.tar"):
            with pytest.raises(DataError, match="must rise and give at most a million"):
                expand_braces(wrong)

    def test_as_webdataset_writes_and_reads_them(self, tmp_path):
        wds = pytest.importorskip("webdataset")
        with wds.ShardWriter(str(tmp_path / "s-%03d.tar"), maxcount=3, verbose=0) as writer:
            for n in range(7):
                jpg = encoded(picture(n), "JPEG")
                mask = encoded(grey(n))
                writer.write({"__key__": f"k{n}", "jpg": jpg, "mask.png": mask, "cls": n})
        urls = [str(path) for path in sorted(tmp_path.glob("*.tar"))]
        assert len(urls) == 3
        theirs = [sample["jpg"] for sample in wds.WebDataset(urls, shardshuffle=False)]
        assert list(encoded_pictures(tmp_path)) == theirs
        assert list(encoded_pictures(tmp_path / "s-{000..002}.tar")) == theirs


class TestCheck:
    def test_findings(self, tmp_path):
        folder_of({**contents(), "g.png": encoded(picture(4, 100, 30))}, tmp_path)
        findings = check_pictures(tmp_path, examples=1)
        assert findings.usable == 3
        assert findings.seen == 7
        assert findings.left_out == {"broken": 2, "tiny": 1, "grey": 1}
        assert findings.names == {"broken": ["b.png"], "tiny": ["c.png"], "grey": ["d.png"]}
        assert findings.sizes == {(56, 40): 2, (30, 100): 1}
        assert findings.median_short_side == 40
        assert findings.bytes == sum(path.stat().st_size for path in tmp_path.rglob("*.*"))

    def test_the_same_as_training_finds(self, tmp_path):
        folder_of(contents(), tmp_path)
        for least in (0, 2, 1000):
            findings = check_pictures(tmp_path, min_chroma=least)
            try:
                pictures = load_pictures(tmp_path, min_chroma=least)
            except DataError:
                assert findings.usable == findings.median_short_side == 0
            else:
                assert (findings.usable, findings.left_out) == (len(pictures), pictures.left_out)

    def test_command(self, tmp_path, capsys):
        folder_of(contents(), tmp_path)
        assert main(["lab", "data", "check", str(tmp_path)]) == 0
        output = capsys.readouterr()
        assert output.err == ""
        lines = output.out.splitlines()
        assert lines[0].startswith(f"{tmp_path}: 2 usable of 6 pictures (0.0 MB)")
        assert lines[1] == "sizes: 56 × 40 to 56 × 40, median short side 40"
        assert sorted(lines[2:]) == [
            "broken: 2 (b.png, f.png)",
            "grey: 1 (d.png)",
            "tiny: 1 (c.png)",
        ]

    def test_nothing_usable_is_a_failure(self, tmp_path, capsys):
        folder_of({"a.png": encoded(grey())}, tmp_path)
        assert main(["lab", "data", "check", str(tmp_path), "--min-chroma", "0"]) == 0
        capsys.readouterr()
        assert main(["lab", "data", "check", str(tmp_path)]) == 1
        assert capsys.readouterr().out.splitlines()[1:] == ["grey: 1 (a.png)"]

    def test_many_names_are_cut_short(self, tmp_path, capsys):
        folder_of({f"{n}.png": b"" for n in range(8)}, tmp_path)
        assert main(["lab", "data", "check", str(tmp_path)]) == 1
        expected = "broken: 8 (0.png, 1.png, 2.png, 3.png, 4.png, …)"
        assert capsys.readouterr().out.splitlines()[1] == expected

    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            (["check", "no-such-folder"], 1, "`no-such-folder` does not exist: give a folder"),
            (["check", ".", "--min-chroma", "-1"], 2, "`--min-chroma` is -1.0 but must be"),
            (["check", ".", "--min-chroma", "nan"], 2, "`--min-chroma` is nan but must be"),
            ([], 2, "must be followed by coco, sample or check"),
            (["chek"], 2, "no such command 'chek'"),
        ],
    )
    def test_errors(self, words, code, message, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        assert main(["lab", "data", *words]) == code
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert message in error
