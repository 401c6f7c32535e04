"""The command line: bad input, the whole program, the other commands."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from cli_parts import encoded, files, one_line_error, picture, stdin
from koalarize.cli import main
from koalarize.cli.terminal import needs
from koalarize.engines.engine import Overview
from koalarize.errors import DependencyError, OptionError
from koalarize.web.server import open_socket


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
        (["two  spaces.jpg"], 1, "two  spaces.jpg"),
        (["-", "-o", "two  spaces.jpg/new.jpg"], 2, "two  spaces.jpg"),
        (["end\nof\x1bline.jpg"], 1, r"end\nof\x1bline.jpg"),
        (["empty"], 1, "no picture"),
        (["*.nothing"], 1, "no picture"),
        (["photo.jpg", "-o", "none/new.jpg"], 2, "none"),
        (["photo.jpg", "-o", "new.xyz"], 2, ".xyz"),
        (["-", "-o", "new.xyz"], 2, ".xyz"),
        (["photo.jpg", "--report", "none/r.jsonl"], 2, "none"),
        (["photo.jpg", "--report", "same", "--journal", "./same"], 2, "name two files"),
        (["photo.jpg", "--series", ".", "--reference", "photo.jpg"], 2, "leave one out"),
        (["photo.jpg", "-o", "photo.jpg/"], 1, "the folder `photo.jpg/` cannot be made"),
        (["photo.jpg", "--model", ".damaged.onnx"], 1, "damaged"),
        (["photo.jpg", "--model", "gone.onnx"], 2, "`gone.onnx`, which is no file"),
        (["photo.jpg", "--model", "weights.pth"], 2, "`koalarize lab convert weights.pth`"),
        (["photo.jpg", "--model", "kaola"], 2, "did you mean `koala`"),
        (["photo.jpg", "--model", "xyz"], 2, "koalarize models"),
        (["photo.jpg", "--hint", "1,2"], 2, "1,2"),
        (["photo.jpg", "--hint", "red"], 2, "red"),
        (["photo.jpg", "empty", "--hint", "1,2=#c03020"], 2, "only one"),
        (["photo.jpg", "empty", "--crop", "0,0,2,2"], 2, "`--crop` is for one picture"),
        (["photo.jpg", "empty", "--reach", "2"], 2, "`--reach` is for one picture"),
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
        (["empty", "coloured"], 2, "`coloured` does not exist: check its name, or put -o before"),
        (["photo.jpg", "--series", "none"], 2, "`--series` is `none`, which does not exist"),
        (["photo.jpg", "--workers", "0"], 2, "'--workers': it must be at least 1; see"),
        (["photo.jpg", "--workers", "1.5"], 2, "'--workers': it must be a whole number; see"),
        ([""], 2, "empty"),
        (["photo.jpg", "-o", ""], 2, "empty"),
        (["lab", "train"], 2, "RECIPE"),
        (["lab", "train", "recipe.yaml", "--set", "steps"], 2, "steps"),
        (["lab", "export"], 2, "CHECKPOINT"),
        (["serve", "word"], 2, "see `koalarize serve --help`"),
        (["serve", "--timeout", "inf"], 2, "`--timeout` is inf"),
        (["serve", "--patience", "0"], 2, "--patience"),
        (["pictures"], 1, "pictures: does not exist"),
        (["https://example.org/a.jpg"], 1, "a.jpg: is an address, from which nothing is fetched"),
        (
            ["clusters", "a", "b"],
            2,
            "`clusters` is no file and no command, did you mean `cluster`? See",
        ),
        (["models", "download"], 2, "see `koalarize models download --help`"),
    ],
)
def test_wrong_words(here: Path, fake, capsys, words, code, said):
    Path("empty").mkdir()
    Path(".damaged.onnx").touch()
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


def test_interrupt_while_modules_are_loaded(monkeypatch, capsys):
    class Interrupting:
        def find_spec(self, name, path, target=None):
            if name == "koalarize.cli.app":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "koalarize.cli.app", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    try:
        assert main(["photo.jpg"]) == 130
    except KeyboardInterrupt:  # would end pytest
        pytest.fail("it was passed on")
    assert "interrupted" in one_line_error(capsys.readouterr().err)


def test_a_file_that_holds_no_token_opens_nothing(here, monkeypatch, capsys):
    monkeypatch.setattr("koalarize.web.server.serve", lambda *given, **named: None)
    Path("token").touch()
    assert main(["serve", "--token-file", "token"]) == 2
    assert "`token` is empty" in one_line_error(capsys.readouterr().err)


def test_reader_that_leaves_is_no_traceback():
    command = [sys.executable, "-m", "koalarize", "--help"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()  # before anything is written
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(60) == 1


def koalarize(
    *words: str, cwd: Path, data: bytes | None = None, home: Path | None = None
) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "koalarize", *words]
    env = dict(os.environ)
    if home is not None:
        env |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
        env.pop("ORT_DISABLE_TELEMETRY", None)  # as set by `import koalarize` here
    return subprocess.run(command, cwd=cwd, input=data, capture_output=True, timeout=120, env=env)


def test_whole_program_colors_a_folder_with_a_bad_file(here: Path):
    picture("box/a.jpg", size=(40, 30))
    picture("box/b.png", size=(30, 40))
    Path("box/bad.jpg").write_text("not a picture")
    Path("home").mkdir()
    done = koalarize("box", "-o", "out", "--compare", cwd=here, home=here / "home")
    assert done.returncode == 1, done.stderr
    paths = [Path("out/a.color.jpg"), Path("out/b.color.png")]
    assert [Path(line) for line in done.stdout.decode().splitlines()] == paths
    *notes, said = done.stderr.decode().splitlines()
    assert all("it stays grey" in note for note in notes)  # they are of one level
    assert said.startswith(str(Path("box/bad.jpg")) + ": ")
    assert files(here / "out") == [
        "a.color.jpg",
        "a.compare.jpg",
        "b.color.png",
        "b.compare.png",
    ]
    assert Image.open("out/a.color.jpg").size == (40, 30)
    # ONNX Runtime keeps there what it tells its makers, unless it is told not to.
    assert list(Path("home").iterdir()) == []


def test_whole_program_colors_through_a_pipe(here: Path):
    done = koalarize("-", "--hint", "2,2=#c03020", cwd=here, data=encoded())
    assert (done.returncode, done.stderr) == (0, b"")
    with Image.open(io.BytesIO(done.stdout)) as result:
        assert (result.format, result.mode, result.size) == ("PNG", "RGB", (8, 6))


@pytest.mark.parametrize("name", ["photo.jpg", "link.jpg"])
def test_the_original_behind_stdin_is_never_written_over(
    here: Path, fake, monkeypatch, capsys, name
):
    Path("link.jpg").hardlink_to("photo.jpg")
    before = Path("photo.jpg").read_bytes()
    with Path("photo.jpg").open() as given:
        monkeypatch.setattr(sys, "stdin", given)
        assert main(["-", "-o", name, "--overwrite"]) == 1
        said = one_line_error(capsys.readouterr().err)
        assert f"`{name}` is the original and is never written over" in said
        assert Path("photo.jpg").read_bytes() == before
        picture("other.jpg")
        assert main(["-", "-o", "other.jpg", "--overwrite"]) == 0


@pytest.mark.parametrize("closed", ["stdin", "stdout"])
def test_a_closed_pipe_is_no_traceback(here: Path, fake, monkeypatch, capsys, closed):
    stdin(monkeypatch, encoded())
    monkeypatch.setattr(sys, closed, None)
    assert main(["-"]) == 2
    assert f"{closed} is closed" in one_line_error(capsys.readouterr().err)


def test_whole_program_refuses_a_damaged_model(here: Path):
    Path("model.onnx").write_bytes(b"no model")
    done = koalarize("photo.jpg", "--model", "model.onnx", cwd=here)
    assert done.returncode == 1
    assert "model.onnx" in one_line_error(done.stderr.decode())
    assert files(here) == ["model.onnx", "photo.jpg"]


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


@pytest.mark.parametrize("ends", [True, False])
def test_train_shows_its_lines_and_gives_the_logger_back(monkeypatch, capsys, caplog, ends):
    import logging
    import types

    def train(recipe, **options):
        logging.getLogger("koalarize.run").info("step 1")
        if not ends:
            raise OptionError("the run is no run")
        return Path("runs/one.safetensors")

    module = types.SimpleNamespace(train=train)
    monkeypatch.setitem(sys.modules, "koalarize.lab.training.train", module)
    logger = logging.getLogger("koalarize")
    before = logger.level, logger.propagate, logger.handlers
    assert main(["lab", "train", "r.yaml"]) == (0 if ends else 2)
    assert capsys.readouterr().err.splitlines()[0] == "step 1"
    assert (logger.level, logger.propagate, logger.handlers) == before
    with caplog.at_level(logging.INFO):
        logging.getLogger("koalarize.run").info("afterwards")
    assert "afterwards" in caplog.text


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
    assert given == {"size": 96, "temperature": None, "chroma_gain": 1.1, "overview": None}
    given.clear()
    assert main(["lab", "export", "one.safetensors", "--overview", "96"]) == 0
    assert given["overview"] == Overview(96)
    options = ["--overview", "96", "--overview-weight", "0.4"]
    assert main(["lab", "export", "one.safetensors", *options]) == 0
    assert given["overview"] == Overview(96, 0.4)


def test_help_says_what_a_second_look_weighs(capsys):
    assert main(["lab", "export", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"{Overview.weight:g} by default" in said


def test_the_weight_of_an_overview_needs_its_size(capsys):
    assert main(["lab", "export", "one.safetensors", "--overview-weight", "0.4"]) == 2
    assert "`--overview-weight` needs `--overview PIXELS`" in capsys.readouterr().err


def test_a_full_disk_is_named_as_such(here, monkeypatch, capsys):
    def full(*given, **named):
        raise OSError(errno.ENOSPC, "No space left on device", "out.mp4")

    monkeypatch.setattr("koalarize.models.open.check_model", full)
    assert main(["photo.jpg"]) == 1
    assert "there is no space left for `out.mp4`: make room" in capsys.readouterr().err

    def nameless(*given, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("koalarize.models.open.check_model", nameless)
    assert main(["photo.jpg"]) == 1
    assert "there is no space left where the result goes: make" in capsys.readouterr().err


def test_an_address_in_brackets_is_listened_at():
    try:
        listening = open_socket("::1", 0)
    except OptionError:
        pytest.skip("this machine has no IPv6")
    listening.close()
    open_socket("[::1]", 0).close()
