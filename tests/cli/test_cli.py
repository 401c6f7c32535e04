"""The command line: words in, files and text and an exit code out.

Most runs are in this process with a stand-in for the network; those of the whole program are a few
subprocesses.
"""

from __future__ import annotations

import dataclasses
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from koalarize import __version__
from koalarize.cli import main
from koalarize.cli.terminal import needs
from koalarize.colorizer.colorizer import Colored
from koalarize.errors import DependencyError, ModelError, OptionError
from koalarize.photo.files import output_path
from koalarize.photo.photo import Photo
from koalarize.steering.hints import Hint
from koalarize.steering.steering import PLAIN, Steering


class FakeColorizer:
    """Writes a reddish copy of whatever it is given, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[dict] = []
        self.models: list[str] = []
        self.error: BaseException | None = None

    def load(self, model="koala", **_):
        self.models.append(model)
        if model.endswith("damaged.onnx"):
            raise ModelError(f"`{model}` is damaged: fetch it again.")
        return self

    def photo(self, photo, steering=PLAIN):
        self.calls.append({"picture": photo, "steering": steering})
        if self.error is not None:
            raise self.error
        grey = photo.pixels if photo.pixels.ndim == 2 else photo.pixels[..., 0]
        srgb = np.dstack([grey, grey // 2, grey // 2])
        return Colored(Photo(srgb, format=photo.format))

    def file(self, source, target=None, steering=PLAIN, *, overwrite=False):
        photo = Photo.read(source)
        made = self.photo(photo, steering)
        self.calls[-1]["picture"] = source
        path = photo.write(made.photo.pixels, target or output_path(source), overwrite=overwrite)
        return dataclasses.replace(made, path=path)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeColorizer:
    colorizer = FakeColorizer()
    monkeypatch.setattr("koalarize.colorizer.colorizer.Colorizer.load", colorizer.load)
    return colorizer


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with one photo."""
    monkeypatch.chdir(tmp_path)
    picture("photo.jpg")
    return tmp_path


class Terminal(io.TextIOWrapper):
    """A stream that looks like a terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode()  # type: ignore[attr-defined]


def picture(name: str | Path, color: int = 128, size=(8, 6)) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, color).save(path)
    return path


def encoded(kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 6), 128).save(buffer, kind)
    return buffer.getvalue()


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def one_line_error(text: str) -> str:
    """Return the only line on stderr, which must be an error and no traceback."""
    assert text.count("\n") == 1, text
    assert text.startswith("koalarize: error: "), text
    return text


# -- help and version -------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["photo.jpg", "--help"]])
def test_help_shows_options_commands_and_examples(words, capsys):
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


@pytest.mark.parametrize("word", ["train", "export", "evaluate", "turing", "data"])
def test_an_old_word_answers_with_the_new_one(here: Path, fake, capsys, word):
    assert main([word, "x.yaml"]) == 2
    assert f"is now `koalarize lab {word}`" in one_line_error(capsys.readouterr().err)
    assert fake.calls == []
    picture("photo.jpg").rename(word)  # a picture of this name goes before the old word
    assert main([word]) == 0
    assert fake.calls[0]["picture"] == Path(word)


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


def test_help_loads_neither_a_network_runtime_nor_numpy():
    code = (
        "import sys; from koalarize.cli import main; assert main(['--help']) == 0;"
        "heavy = {'torch', 'onnxruntime', 'numpy', 'PIL'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"--help loads {done.stderr}"


def test_python_m_koalarize():
    command = [sys.executable, "-m", "koalarize", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == f"koalarize {__version__}"


# -- one picture ------------------------------------------------------------------------------


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
    assert main([*words, "--hint", "1,2=#c03020", "--hint", "3,4,2=#0000ff"]) == 0
    (call,) = fake.calls
    assert fake.models == ["own.onnx"]
    hints = (Hint(1, 2, "#c03020"), Hint(3, 4, "#0000ff", 2))
    assert call["steering"] == Steering(vividness=1.5, size=96, hints=hints)


def test_own_result_of_a_named_picture_is_replaced(here: Path, fake):
    picture("photo.color.jpg", color=7)
    assert main(["photo.jpg"]) == 0
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


# -- many pictures ----------------------------------------------------------------------------


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
    assert terminal.text().splitlines()[-1] == "1 coloured, 1 already there, 1 failed"


def test_progress_is_shown_on_a_terminal(box: Path, fake, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert main(["box"]) == 0
    assert "2/2" in terminal.text()
    assert "koalarize" not in capsys.readouterr().out


# -- pipes ------------------------------------------------------------------------------------


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


# -- bad input --------------------------------------------------------------------------------


def bomb() -> bytes:
    """Return a PNG of a few bytes whose header promises 90,000 x 90,000 pixels."""
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 90_000, 90_000, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("text.jpg", b"this is not a picture"),
        ("truncated.png", encoded()[:-30]),
        ("zero.jpg", b""),
        ("bomb.png", bomb()),
    ],
)
def test_bad_picture(here: Path, fake, capsys, name, data):
    Path(name).write_bytes(data)
    assert main([name]) == 1
    captured = capsys.readouterr()
    assert name in one_line_error(captured.err)
    assert captured.out == ""
    assert files(here) == sorted(["photo.jpg", name])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["gone.jpg"], 1, "gone.jpg"),
        (["empty"], 1, "no picture"),
        (["*.nothing"], 1, "no picture"),
        (["photo.jpg", "-o", "none/new.jpg"], 1, "none"),
        (["photo.jpg", "-o", "new.xyz"], 1, ".xyz"),
        (["photo.jpg", "-o", "photo.jpg/"], 1, "photo.jpg"),
        (["photo.jpg", "--model", "damaged.onnx"], 1, "damaged"),
        (["photo.jpg", "--model", "kaola"], 2, "did you mean `koala`"),
        (["photo.jpg", "--model", "xyz"], 2, "koalarize models"),
        (["photo.jpg", "--hint", "1,2"], 2, "1,2"),
        (["photo.jpg", "--hint", "red"], 2, "red"),
        (["photo.jpg", "empty", "--hint", "1,2=#c03020"], 2, "only one"),
        (["photo.jpg", "--size", "0"], 2, "--size"),
        (["photo.jpg", "--size", "-3"], 2, "--size"),
        (["photo.jpg", "--size", "big"], 2, "--size"),
        (["photo.jpg", "--vividness", "-1"], 2, "--vividness"),
        (["photo.jpg", "--vividness", "nan"], 2, "--vividness"),
        (["photo.jpg", "--vividness", "inf"], 2, "--vividness"),
        (["photo.jpg", "--vividness"], 2, "--vividness"),
        (["photo.jpg", "--nonsense"], 2, "--nonsense"),
        (["photo.jpg", "empty", "-o", "new.jpg"], 2, "folder"),
        (["empty", "-o", "photo.jpg"], 1, "no picture"),
        ([""], 2, "empty"),
        (["photo.jpg", "-o", ""], 2, "empty"),
        (["lab", "train"], 2, "RECIPE"),
        (["lab", "train", "recipe.yaml", "--set", "steps"], 2, "steps"),
        (["lab", "export"], 2, "CHECKPOINT"),
    ],
)
def test_wrong_words(here: Path, fake, capsys, words, code, said):
    Path("empty").mkdir()
    assert main(words) == code
    captured = capsys.readouterr()
    assert said in one_line_error(captured.err)
    assert captured.out == ""
    assert files(here) == ["photo.jpg"]


def test_wrong_option_found_while_colouring(here: Path, fake, capsys):
    fake.error = OptionError("the hint at 900,900 is outside the picture.")
    assert main(["photo.jpg"]) == 2
    one_line_error(capsys.readouterr().err)


def test_interrupt(here: Path, fake, capsys):
    fake.error = KeyboardInterrupt()
    assert main(["photo.jpg"]) == 130
    assert "interrupted" in one_line_error(capsys.readouterr().err)
    assert files(here) == ["photo.jpg"]


def test_reader_that_leaves_is_no_traceback():
    command = [sys.executable, "-m", "koalarize", "--help"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()  # before anything is written
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(60) == 1


# -- the whole program, with the embedded model -----------------------------------------------


def koalarize(*words: str, cwd: Path, data: bytes | None = None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "koalarize", *words]
    return subprocess.run(command, cwd=cwd, input=data, capture_output=True, timeout=120)


def test_whole_program_colors_a_folder_with_a_bad_file(here: Path):
    picture("box/a.jpg", size=(40, 30))
    picture("box/b.png", size=(30, 40))
    Path("box/bad.jpg").write_text("not a picture")
    done = koalarize("box", "-o", "out", "--compare", cwd=here)
    assert done.returncode == 1, done.stderr
    paths = [Path("out/a.color.jpg"), Path("out/b.color.png")]
    assert [Path(line) for line in done.stdout.decode().splitlines()] == paths
    assert done.stderr.decode().startswith(str(Path("box/bad.jpg")) + ": ")
    assert done.stderr.count(b"\n") == 1
    assert files(here / "out") == [
        "a.color.jpg",
        "a.compare.jpg",
        "b.color.png",
        "b.compare.png",
    ]
    assert Image.open("out/a.color.jpg").size == (40, 30)


def test_whole_program_colors_through_a_pipe(here: Path):
    done = koalarize("-", "--hint", "2,2=#c03020", cwd=here, data=encoded())
    assert (done.returncode, done.stderr) == (0, b"")
    with Image.open(io.BytesIO(done.stdout)) as result:
        assert (result.format, result.mode, result.size) == ("PNG", "RGB", (8, 6))


def test_whole_program_refuses_a_damaged_model(here: Path):
    Path("model.onnx").write_bytes(b"no model")
    done = koalarize("photo.jpg", "--model", "model.onnx", cwd=here)
    assert done.returncode == 1
    assert "model.onnx" in one_line_error(done.stderr.decode())
    assert files(here) == ["model.onnx", "photo.jpg"]


# -- the other commands -----------------------------------------------------------------------


def test_models(capsys):
    from koalarize.models import catalog

    assert main(["models"]) == 0
    text = capsys.readouterr().out
    for card in catalog.MODELS.values():
        for fact in (card.name, card.licence, card.recipe, card.sha256):
            assert str(fact) in text


def test_needs_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    with pytest.raises(DependencyError, match=r"torch.*koalarize\[train\]"), needs("train"):
        import torch  # noqa: F401
    with pytest.raises(ModuleNotFoundError), needs("train"):
        import koalarize.no_such_module  # noqa: F401


@pytest.mark.parametrize(
    "command", [["lab", "train", "recipe.yaml"], ["lab", "export", "best.safetensors"]]
)
def test_missing_extra_says_how_to_install_it(command, monkeypatch, capsys):
    name = f"koalarize.lab.training.{command[0]}"
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    monkeypatch.setitem(sys.modules, "lightning", None)
    for module in [key for key in sys.modules if key.startswith("koalarize.lab.")]:
        monkeypatch.delitem(sys.modules, module)
    assert main(command) == 1
    assert 'pip install "koalarize[train]"' in one_line_error(capsys.readouterr().err)


def test_train_hands_over_what_is_asked(monkeypatch, capsys):
    import types

    asked: list = []

    def train(recipe, **options):
        asked.append((recipe, options))
        return Path("runs/one.safetensors")

    module = types.SimpleNamespace(train=train)
    monkeypatch.setitem(sys.modules, "koalarize.lab.training.train", module)
    words = [
        "lab",
        "train",
        "r.yaml",
        "-o",
        "runs",
        "--resume",
        "--set",
        "steps=10",
        "--set",
        "a.b=x=y",
    ]
    words += ["--limit", "64", "--size", "32", "--devices", "2", "--accumulate", "3"]
    assert main(words) == 0
    overrides = {"steps": "10", "a.b": "x=y", "devices": "2", "optimizer.accumulate": "3"}
    options = {"output": Path("runs"), "resume": True, "overrides": overrides}
    options |= {"limit": 64, "size": 32}
    assert asked == [(Path("r.yaml"), options)]
    assert capsys.readouterr().out == f"{Path('runs/one.safetensors')}\n"


def test_export_writes_beside_the_checkpoint(monkeypatch, capsys):
    import types

    given = {}

    def export(checkpoint, output, **options):
        given.update(options)
        return output

    module = types.SimpleNamespace(export=export)
    monkeypatch.setitem(sys.modules, "koalarize.lab.export.export", module)
    assert (
        main(["lab", "export", "runs/one.safetensors", "--size", "96", "--chroma-gain", "1.1"]) == 0
    )
    assert capsys.readouterr().out == f"{Path('runs/one.onnx')}\n"
    assert given == {"size": 96, "temperature": None, "chroma_gain": 1.1}
