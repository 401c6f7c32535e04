"""What a result lacks of its picture is said in a line; cut pictures only with --tolerant."""

from __future__ import annotations

import importlib.util
import io
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cli_parts import Terminal, one_line_error, picture, stdin
from koalarize.cli import main


def texted(path: Path) -> Path:
    info = PngInfo()
    info.add_text("Title", "words")
    Image.new("L", (8, 6), 128).save(path, pnginfo=info)
    return path


def cut_jpeg(path: Path) -> Path:
    buffer = io.BytesIO()
    levels = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    Image.fromarray(levels).save(buffer, "JPEG")
    path.write_bytes(buffer.getvalue()[:2000])
    return path


def test_what_the_format_cannot_hold_is_one_note(here: Path, fake, capsys):
    texted(here / "a.png")
    assert main(["a.png", "-o", "b.jpg"]) == 0
    assert capsys.readouterr().err == "koalarize: note: a.png: JPEG cannot hold its PNG text\n"
    assert main(["a.png"]) == 0
    assert capsys.readouterr().err == ""


def test_through_a_pipe_too(here: Path, fake, monkeypatch, capsys):
    stdin(monkeypatch, texted(here / "a.png").read_bytes())
    assert main(["-", "-o", "b.jpg"]) == 0
    assert capsys.readouterr().err == "koalarize: note: stdin: JPEG cannot hold its PNG text\n"


def test_transparency_over_white_is_said(here: Path, fake, capsys):
    Image.new("LA", (8, 6), (128, 40)).save("a.png")
    assert main(["a.png", "-o", "b.jpg"]) == 0
    assert "JPEG cannot hold its transparency" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_frames_left_out_are_said(here: Path, fake, capsys, monkeypatch, kind: str):
    monkeypatch.setattr("koalarize.batch.run.find_spec", lambda _: None)  # no extra `video`
    frames = [Image.new("L", (8, 6), level) for level in (1, 90, 200)]
    name = f"moving.{kind.lower()}"
    frames[0].save(name, save_all=True, append_images=frames[1:])
    assert main([name]) == 0
    assert "frame 1 of 3: the others are left out" in capsys.readouterr().err


def test_the_second_picture_of_a_pair_is_said(here: Path, fake, capsys):
    pair = [Image.new("L", (8, 6), level) for level in (1, 90)]
    pair[0].save("pair.mpo", save_all=True, append_images=pair[1:])
    assert main(["pair.mpo"]) == 0
    assert "picture 1 of 2: the others are left out" in capsys.readouterr().err


def test_files_that_are_not_read_are_counted(here: Path, fake, capsys, monkeypatch):
    find = importlib.util.find_spec  # as where the extra `heif` is not installed
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pillow_heif" else find(name)
    )
    for name in ("a.heic", "b.heic", "c.xcf"):
        (here / name).write_bytes(b"x")
    assert main(["."]) == 0
    err = capsys.readouterr().err
    assert err.startswith("koalarize: note: 3 files not read: 2 .heic, 1 .xcf; `pip install")
    assert main(["photo.jpg"]) == 0
    assert capsys.readouterr().err == ""


def test_a_cut_picture_is_colored_only_when_asked(here: Path, fake, capsys):
    cut_jpeg(here / "cut.jpg")
    assert main(["cut.jpg"]) == 1
    assert "--tolerant" in one_line_error(capsys.readouterr().err)
    assert not (here / "cut.color.jpg").exists()
    assert main(["cut.jpg", "--tolerant"]) == 0
    assert "cut.jpg: it is cut short" in capsys.readouterr().err
    assert (here / "cut.color.jpg").exists()


def test_pillow_s_own_warnings_are_not_shown(here: Path, fake):
    Image.new("L", (8, 6), 128).save("odd.jpg", exif=b"Exif\0\0II*\0\xff\xff\0\0")
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        assert main(["odd.jpg"]) == 0
    assert shown == []


def test_a_cut_picture_through_a_pipe(here: Path, fake, monkeypatch, capsys):
    stdin(monkeypatch, cut_jpeg(here / "cut.jpg").read_bytes())
    assert main(["-", "-o", "b.jpg", "--tolerant"]) == 0
    assert "stdin: it is cut short" in capsys.readouterr().err


def test_notes_of_many_pictures_name_theirs(here: Path, fake, capsys, monkeypatch):
    tifffile.imwrite("pages.tif", np.zeros((3, 6, 8), np.uint8), photometric="minisblack")
    picture("plain.png")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["pages.tif", "plain.png"]) == 0
    assert "2 coloured" in terminal.text()
    err = capsys.readouterr().err
    assert "note: pages.tif: page 1 of 3" in err


def test_a_reference_without_colours_is_said(here: Path, fake, capsys):
    Image.new("L", (8, 6), 90).save("a.png")
    Image.new("L", (8, 6), 128).save("grey.png")
    Image.new("RGB", (8, 6), (200, 90, 20)).save("orange.png")
    assert main(["a.png", "-o", "b.png", "--reference", "grey.png"]) == 0
    said = "the reference `grey.png` has next to no colours: it asks for grey"
    assert capsys.readouterr().err == f"koalarize: note: {said}\n"
    assert main(["a.png", "-o", "c.png", "--reference", "orange.png"]) == 0
    assert capsys.readouterr().err == ""
