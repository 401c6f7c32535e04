"""The command line: help, one picture, many pictures, pipes."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from cli_parts import Terminal, encoded, files, one_line_error, picture, stdin
from koalarize import __version__
from koalarize.cli import main
from koalarize.photo.photo import Photo
from koalarize.steering.hints import Hint
from koalarize.steering.steering import Steering


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["photo.jpg", "--help"]])
def test_help_shows_options_commands_and_examples(words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(words) == 0
    text = capsys.readouterr().out
    for expected in (
        "PICTURE...",
        "--output",
        "--model",
        "--vividness",
        "--hint",
        "--size",
        "--compare",
        "--overwrite",
        "--version",
        "Commands:",
        "models",
        "lab",
        "Examples:",
        "koalarize photo.jpg",
        "#c03020",
    ):
        assert expected in text
    assert max(map(len, text.splitlines())) <= 80
    assert "<pictures>" not in text
    assert "\\[" not in text


@pytest.mark.parametrize("words", [["-h"], ["serve", "-h"], ["lab", "fade", "-h"]])
def test_help_takes_the_width_of_the_window(words, capsys, monkeypatch):
    for columns, widest in (("60", 60), ("100", 100), ("300", 120)):
        monkeypatch.setenv("COLUMNS", columns)
        assert main(words) == 0
        longest = max(map(len, capsys.readouterr().out.splitlines()))
        assert widest - 20 < longest <= widest


def test_every_help_is_in_plain_words(capsys):
    for words in (["serve"], ["lab", "train"], ["lab", "evaluate"], ["models", "download"]):
        assert main([*words, "--help"]) == 0
        text = capsys.readouterr().out
        assert not re.search(r"x>=|<=x|<path>|list\[str\]|\{[A-Z]+\}|\]  \[", text), text


def test_options_stand_under_headings(capsys):
    """Somebody who colours one photo need not read what films and folders can be asked."""
    assert main(["--help"]) == 0
    parts = re.split(r"^(\w+):\n", capsys.readouterr().out, flags=re.MULTILINE)
    under = dict(zip(parts[1::2], parts[2::2], strict=True))
    headings = ["Options", "Colours", "Models", "Folders", "Films", "Commands", "Examples"]
    assert list(under) == headings
    for heading, option in (
        ("Options", "--output"),
        ("Options", "--help"),
        ("Colours", "--hint"),
        ("Models", "--model"),
        ("Folders", "--plan"),
        ("Films", "--steadiness"),
    ):
        having = [one for one in headings[:5] if re.search(rf"\s{option}\b", under[one])]
        assert heading in having, option


@pytest.mark.parametrize("word", ["train", "export", "evaluate", "turing", "data"])
def test_an_old_word_answers_with_the_new_one(here: Path, fake, capsys, word):
    assert main([word, "x.yaml"]) == 2
    assert f"is now `koalarize lab {word}`" in one_line_error(capsys.readouterr().err)
    assert fake.calls == []
    picture("photo.jpg").rename(word)  # a picture of this name goes before the old word
    assert main([word]) == 0
    assert fake.calls[0]["picture"] == Path(word)


def test_a_misspelt_word_of_the_laboratory_leads_to_its_help(capsys):
    assert main(["lab", "trai"]) == 2
    assert "see `koalarize lab --help`" in one_line_error(capsys.readouterr().err)


def test_every_command_is_described_by_a_whole_sentence(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert main(["lab"]) == 2
    shown += capsys.readouterr().err
    assert "..." not in shown.replace("PICTURE...", "").replace("[ARGS]...", "")


def test_no_words_show_the_help_and_are_a_usage_error(capsys):
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Examples:" in captured.err


@pytest.mark.parametrize("command", ["models", "serve", "lab", "lab train", "lab export"])
def test_each_command_has_help(command, capsys):
    assert main([*command.split(), "--help"]) == 0
    assert f"koalarize {command}" in capsys.readouterr().out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"koalarize {__version__}\n"


def test_help_loads_neither_a_network_runtime_nor_numpy_nor_pydantic():
    code = (
        "import sys; from koalarize.cli import main; assert main(['--help']) == 0;"
        "heavy = {'torch', 'onnxruntime', 'numpy', 'PIL', 'pydantic'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"--help loads {done.stderr}"


def test_python_m_koalarize():
    command = [sys.executable, "-m", "koalarize", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == f"koalarize {__version__}"


def test_one_picture(here: Path, fake, capsys):
    before = (here / "photo.jpg").read_bytes()
    assert main(["photo.jpg"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "photo.color.jpg\n"
    assert captured.err == ""
    assert files(here) == ["photo.color.jpg", "photo.jpg"]
    assert (here / "photo.jpg").read_bytes() == before
    assert fake.models == ["koala"]


def test_options_reach_the_colorizer(here: Path, fake):
    words = ["--vividness", "1.5", "photo.jpg", "--size", "96", "--model", "own.onnx"]
    Path("own.onnx").touch()
    assert main([*words, "--hint", "1,2=#c03020", "--hint", "3,4,2=#0000ff"]) == 0
    (call,) = fake.calls
    assert fake.models == ["own.onnx"]
    hints = (Hint(1, 2, "#c03020"), Hint(3, 4, "#0000ff", 2))
    assert call["steering"] == Steering(vividness=1.5, size=96, hints=hints)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
@pytest.mark.parametrize(("terminal", "shown"), [(False, "a\x1b[31m"), (True, r"a\x1b[31m")])
def test_a_name_that_a_terminal_obeys(here: Path, fake, monkeypatch, terminal, shown):
    stdout = Terminal() if terminal else io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stdout)
    picture("a\x1b[31m.jpg")
    assert main(["a\x1b[31m.jpg"]) == 0
    assert main(["a\x1b[31m.jpg", "--plan"]) == 0
    stdout.flush()
    said = stdout.buffer.getvalue().decode()
    assert said.startswith(f"{shown}.color.jpg")
    assert f": {shown}.jpg -> {shown}.color.jpg\n" in said


def test_own_result_of_a_named_picture_is_replaced(here: Path, fake, capsys):
    assert main(["photo.jpg"]) == 0
    assert main(["photo.jpg", "--vividness", "2"]) == 0
    assert len(fake.calls) == 2
    picture("photo.color.jpg", color=7)
    capsys.readouterr()
    assert main(["photo.jpg"]) == 1
    assert "is not known as koalarize's result" in one_line_error(capsys.readouterr().err)
    assert Photo.read("photo.color.jpg").pixels.max() < 20
    assert main(["photo.jpg", "--overwrite"]) == 0
    assert Photo.read("photo.color.jpg").pixels.max() > 100


def test_output_file(here: Path, fake, capsys):
    assert main(["photo.jpg", "-o", "new.png"]) == 0
    assert capsys.readouterr().out == "new.png\n"
    assert Image.open("new.png").format == "PNG"


def test_existing_output_file_needs_overwrite(here: Path, fake, capsys):
    before = picture("mine.jpg", color=7).read_bytes()
    assert main(["photo.jpg", "-o", "mine.jpg"]) == 1
    assert "mine.jpg" in one_line_error(capsys.readouterr().err)
    assert (here / "mine.jpg").read_bytes() == before
    assert main(["photo.jpg", "-o", "mine.jpg", "--overwrite"]) == 0
    assert (here / "mine.jpg").read_bytes() != before


def test_original_is_not_written_over(here: Path, fake, capsys):
    before = (here / "photo.jpg").read_bytes()
    assert main(["photo.jpg", "-o", "photo.jpg"]) == 1
    one_line_error(capsys.readouterr().err)
    assert (here / "photo.jpg").read_bytes() == before


@pytest.mark.parametrize("output", ["out", "out/", "there"])
def test_output_folder(here: Path, fake, output):
    (here / "there").mkdir()
    assert main(["photo.jpg", "-o", output]) == 0
    assert (here / output / "photo.color.jpg").is_file()


def test_compare(here: Path, fake, capsys):
    assert main(["photo.jpg", "--compare"]) == 0
    assert files(here) == ["photo.color.jpg", "photo.compare.jpg", "photo.jpg"]
    assert Image.open("photo.compare.jpg").width > 16
    assert capsys.readouterr().out == "photo.color.jpg\n"


def test_file_called_like_a_command(here: Path, fake):
    Image.new("L", (8, 6)).save("models", "PNG")
    assert main(["./models"]) == 0
    assert fake.calls[0]["picture"] == Path("models")


def test_double_dash_ends_the_options(here: Path, fake):
    picture("-strange.jpg")
    assert main(["--", "-strange.jpg"]) == 0
    assert Path("-strange.color.jpg").is_file()


@pytest.fixture
def box(here: Path) -> Path:
    picture("box/a.jpg")
    picture("box/1950/b.png")
    return here


def test_folder_keeps_its_structure(box: Path, fake, capsys):
    assert main(["box", "-o", "out"]) == 0
    assert files(box / "out") == ["1950/b.color.png", "a.color.jpg"]
    lines = capsys.readouterr().out.splitlines()
    assert [Path(line) for line in lines] == [
        Path("out/a.color.jpg"),
        Path("out/1950/b.color.png"),
    ]


def test_folder_again_finds_its_results(box: Path, fake, capsys):
    assert main(["box"]) == 0
    capsys.readouterr()
    assert main(["box"]) == 0
    assert capsys.readouterr() == ("", "")
    assert len(fake.calls) == 2
    assert main(["box", "--overwrite"]) == 0
    assert len(fake.calls) == 4


def test_glob(box: Path, fake):
    assert main(["box/**/*.png"]) == 0
    assert Path("box/1950/b.color.png").is_file()
    assert not Path("box/a.color.jpg").exists()


def test_bad_files_are_listed_at_the_end(box: Path, fake, capsys):
    Path("box/0.jpg").write_text("not a picture")
    Path("box/z.jpg").write_bytes(encoded("JPEG")[:100])
    assert main(["box", "gone.jpg"]) == 1
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2
    lines = captured.err.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        str(Path("box/0.jpg")),
        str(Path("box/z.jpg")),
        "gone.jpg",
    ]
    assert "Traceback" not in captured.err


def test_terminal_gets_a_summary(box: Path, fake, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    Path("box/0.jpg").write_text("not a picture")
    assert main(["photo.jpg"]) == 0
    assert re.fullmatch(r"photo\.color\.jpg \(\d+\.\d s\)\s+", terminal.text())
    main(["box/a.jpg"])
    assert main(["box"]) == 1
    assert terminal.text().splitlines()[-1] == (
        "1 coloured, 1 already coloured, 1 failed: no readable picture"
    )


def test_progress_is_shown_on_a_terminal(box: Path, fake, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert main(["box"]) == 0
    assert "2/2" in terminal.text()
    assert "koalarize" not in capsys.readouterr().out


def test_stdin_to_stdout(here: Path, fake, monkeypatch, capfdbinary):
    stdin(monkeypatch, encoded())
    assert main(["-"]) == 0
    captured = capfdbinary.readouterr()
    with Image.open(io.BytesIO(captured.out)) as result:
        assert (result.format, result.mode, result.size) == ("PNG", "RGB", (8, 6))
    assert captured.err == b""
    assert files(here) == ["photo.jpg"]


def test_stdin_to_file(here: Path, fake, monkeypatch):
    stdin(monkeypatch, encoded())
    assert main(["-", "-o", "new.jpg"]) == 0
    assert Image.open("new.jpg").format == "JPEG"
    stdin(monkeypatch, encoded())
    assert main(["-", "-o", "new.jpg"]) == 1
    assert main(["-", "-o", "folder/"]) == 2


def test_file_to_stdout(here: Path, fake, capfdbinary):
    assert main(["photo.jpg", "-o", "-"]) == 0
    assert Image.open(io.BytesIO(capfdbinary.readouterr().out)).format == "JPEG"
    assert files(here) == ["photo.jpg"]


def test_pictures_are_never_written_to_a_terminal(here: Path, fake, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    stdin(monkeypatch, encoded())
    for words in (["-"], ["photo.jpg", "-o", "-"]):
        assert main(words) == 2
        one_line_error(capsys.readouterr().err)
    assert terminal.text() == ""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["-", "photo.jpg"], 2),
        (["photo.jpg", "box", "-o", "-"], 2),
        (["box", "-o", "-"], 2),
        (["-", "--compare"], 2),
        (["gone.jpg", "-o", "-"], 1),
    ],
)
def test_what_a_pipe_cannot_do(box: Path, fake, monkeypatch, capsys, words, code):
    stdin(monkeypatch, encoded())
    assert main(words) == code
    captured = capsys.readouterr()
    one_line_error(captured.err)
    assert captured.out == ""


@pytest.mark.parametrize("data", [b"", b"no picture"])
def test_bad_stdin(here: Path, fake, monkeypatch, capsys, data):
    stdin(monkeypatch, data)
    assert main(["-"]) == 1
    one_line_error(capsys.readouterr().err)
