"""The GIMP plug-in: what it asks of the command, its hints out of dabs, and GIMP itself."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import koalarize
from koalarize import color
from koalarize.steering.fields import bounds_of, help_of
from koalarize.steering.steering import MOST_HINTS

FOLDER = Path(__file__).parents[2] / "integrations" / "gimp" / "koalarize_gimp"
SOURCE = Path(koalarize.__file__).parents[1]
MAIN = (
    f"import sys; sys.path.insert(0, {str(SOURCE)!r}); "
    "from koalarize.cli import main; sys.exit(main())"
)


def part(name: str) -> ModuleType:
    """Return a module of the plug-in, which is no package."""
    spec = importlib.util.spec_from_file_location(f"koalarize_gimp_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


command = part("command")
dabs = part("dabs")


def painted(*shapes: tuple[tuple[slice, slice], tuple[int, int, int, int]]) -> list[bytes]:
    layer = np.zeros((20, 30, 4), np.uint8)
    for where, paint in shapes:
        layer[where] = paint
    return [row.tobytes() for row in layer]


def box(top: int, bottom: int, left: int, right: int) -> tuple[slice, slice]:
    return slice(top, bottom), slice(left, right)


RED, BLUE = (200, 20, 30, 255), (0, 0, 250, 255)


def test_settings_are_those_of_steering():
    fields = {field.name: field for field in dataclasses.fields(koalarize.Steering)}
    for setting in command.SETTINGS:
        field = fields[setting.name.replace("-", "_")]
        bounds = bounds_of(field)
        assert setting.help == help_of(field).text
        assert setting.default == field.default
        assert type(setting.default) is bounds.kind
        assert (setting.low, setting.high) == (bounds.low or 0, bounds.high or 0)
    assert dabs.MOST_HINTS == MOST_HINTS


def test_what_is_as_usual_is_left_out():
    usual = {setting.name: setting.default for setting in command.SETTINGS}
    words = command.arguments(Path("a.png"), Path("b.png"), usual, [], " ")
    assert words == ["a.png", "--layer", "-o", "b.png"]


def test_everything_asked_is_passed_on():
    asked = {"warmth": -0.25, "best": True, "keep-color": True, "vividness": 1.5, "tint": 1.0}
    words = command.arguments(Path("a.png"), Path("b.png"), asked, ["1,2=#ff0000"], "mine.onnx")
    assert sorted(words[4:]) == [
        "--best",
        "--hint=1,2=#ff0000",
        "--keep-color",
        "--model=mine.onnx",
        "--tint=1",
        "--vividness=1.5",
        "--warmth=-0.25",
    ]


def colored(folder: Path, **asked: float | bool) -> tuple[str, Path]:
    ramp = np.linspace(20, 230, 64).astype(np.uint8)
    noise = np.random.default_rng(1).integers(0, 20, (64, 64)).astype(np.uint8)
    photo, layer = folder / "photo.png", folder / "colors.png"
    Image.fromarray(ramp[None, :] + noise).save(photo)
    words = command.arguments(photo, layer, asked, ["20,30=#e02020"])
    return command.run([sys.executable, "-c", MAIN, *words], photo, layer, lambda: None), layer


def test_the_command_takes_what_the_plugin_asks(tmp_path):
    asked = {setting.name.replace("-", "_"): setting.default for setting in command.SETTINGS}
    asked = {name.replace("_", "-"): value for name, value in asked.items()}
    asked |= {"warmth": -0.5, "tint": 0.1, "vividness": 1.5, "best": True, "keep-color": True}
    _, layer = colored(tmp_path, **asked)
    with Image.open(layer) as image:
        assert (image.mode, image.size) == ("RGBA", (64, 64))
        red, green, _, alpha = (int(level) for level in image.getpixel((20, 30)))
    assert red > green + 10 and alpha == 255


def test_a_refusal_is_told_in_the_commands_own_words(tmp_path):
    with pytest.raises(command.CommandError) as told:
        colored(tmp_path, vividness=9.0)
    assert str(told.value).startswith("`--vividness` is 9")


def test_a_silent_end_and_a_missing_layer_are_told(tmp_path):
    photo, layer = tmp_path / "a.png", tmp_path / "b.png"
    for ending in ("3", "0"):
        words = [sys.executable, "-c", f"raise SystemExit({ending})"]
        with pytest.raises(command.CommandError, match=f"exit code {ending} and without a word"):
            command.run(words, photo, layer, lambda: None)


def test_a_program_that_cannot_be_run_says_how_to_install(tmp_path):
    with pytest.raises(command.CommandError, match="install koalarize"):
        command.run([str(tmp_path / "none")], tmp_path, tmp_path, lambda: None)


def test_signs_of_life_come_while_the_command_runs(tmp_path):
    sign, layer = tmp_path / "sign", tmp_path / "layer.png"
    waits = (
        "import pathlib, sys, time\n"
        "for _ in range(600):\n"
        f"    if pathlib.Path({str(sign)!r}).exists():\n"
        f"        sys.exit(pathlib.Path({str(layer)!r}).write_bytes(b''))\n"
        "    time.sleep(0.05)\n"
        "sys.exit('no sign of life came')\n"
    )
    command.run([sys.executable, "-c", waits], tmp_path / "a.png", layer, sign.touch)


def test_gimps_own_python_does_not_reach_the_command():
    kept = command.environment({"PYTHONHOME": "/gimp", "PYTHONPATH": "/gimp/lib", "HOME": "/me"})
    assert "PYTHONHOME" not in kept and "PYTHONPATH" not in kept
    assert kept["HOME"] == "/me"


def test_sentences_lose_the_commands_and_the_temporary_names():
    photo = Path("folder") / "photo.png"
    text = f"koalarize: error: {photo}: is cut short\n\nphoto.png: stays grey\n"
    assert command.said(text, photo) == "is cut short\nstays grey"


def program(folder: Path) -> Path:
    path = folder / ("koalarize.bat" if os.name == "nt" else "koalarize")
    path.write_text("")
    path.chmod(0o755)
    return path


def test_the_dialogs_command_goes_before_the_variables_and_that_before_path(tmp_path):
    places = [tmp_path / name for name in ("dialog", "variable", "path")]
    for place in places:
        place.mkdir()
    dialog, variable, path = (program(place) for place in places)
    variables = {"KOALARIZE_COMMAND": str(variable), "PATH": str(path.parent)}
    assert command.find(str(dialog), variables) == str(dialog)
    assert command.find(" ", variables) == str(variable)
    assert command.find("", {"PATH": str(path.parent)}) == str(path)


def test_a_missing_command_says_how_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "_USUAL", ())
    with pytest.raises(command.CommandError, match=r"not on PATH: install koalarize"):
        command.find("", {"PATH": str(tmp_path)})
    with pytest.raises(command.CommandError, match=r"KOALARIZE_COMMAND is `nowhere` but must"):
        command.find("", {"PATH": str(tmp_path), "KOALARIZE_COMMAND": "nowhere"})


def test_each_dab_has_its_place_and_its_mean_color():
    half = (box(10, 12, 20, 24), (100, 40, 50, 255))
    rows = painted((box(2, 5, 4, 9), RED), (box(10, 12, 16, 20), RED), half)
    found = [(dab.place, dab.color) for dab in dabs.find_dabs(rows)]
    assert found[0] == ((6, 3), "#c8141e")
    assert found[1][0][0] in (19, 20) and found[1][1] == "#961e28"
    assert len(found) == 2


def test_faint_paint_is_no_dab():
    assert dabs.find_dabs(painted((box(2, 5, 4, 9), (200, 20, 30, 127)))) == []
    assert len(dabs.find_dabs(painted((box(2, 5, 4, 9), (200, 20, 30, 128))))) == 1


@pytest.mark.parametrize("flipped", [False, True])
def test_arms_that_meet_are_one_dab_and_its_place_lies_in_it(flipped):
    arms = (box(2, 15, 3, 6), BLUE), (box(2, 15, 22, 25), BLUE), (box(15, 17, 3, 25), BLUE)
    rows = painted(*arms)
    rows = rows[::-1] if flipped else rows
    (dab,) = dabs.find_dabs(rows)
    x, y = dab.place
    assert rows[y][4 * x + 3] == 255
    assert dab.pixels == 13 * 3 * 2 + 2 * 22
    assert dab.color == "#0000fa"


@pytest.mark.parametrize("flipped", [False, True])
def test_a_dab_that_joins_another_takes_all_its_arms_along(flipped):
    drawn = ["#......", "#.#####", "#.#...#", "###...#", "......#"]
    drawn = [line[::-1] for line in drawn] if flipped else drawn
    rows = [b"".join(bytes(RED) if sign == "#" else bytes(4) for sign in line) for line in drawn]
    (dab,) = dabs.find_dabs(rows)
    assert dab.pixels == "".join(drawn).count("#")


def test_pixels_that_touch_by_a_corner_are_one_dab():
    assert len(dabs.find_dabs(painted((box(2, 4, 2, 4), RED), (box(4, 6, 4, 6), RED)))) == 1
    assert len(dabs.find_dabs(painted((box(2, 4, 2, 4), RED), (box(4, 6, 5, 7), RED)))) == 2


def test_hints_are_places_of_the_photo_and_those_outside_are_counted():
    found = dabs.find_dabs(painted((box(2, 5, 4, 9), RED), (box(10, 13, 20, 23), BLUE)))
    assert dabs.hints_of(found, (-6, 7), (16, 19)) == (["0,10=#c8141e", "15,18=#0000fa"], 0)
    assert dabs.hints_of(found, (-7, 7), (16, 19)) == (["14,18=#0000fa"], 1)
    assert dabs.hints_of(found, (-6, 7), (15, 19)) == (["0,10=#c8141e"], 1)
    assert dabs.hints_of(found, (-6, 7), (16, 18)) == (["0,10=#c8141e"], 1)


def test_more_dabs_than_the_command_takes_are_an_error():
    row = (bytes(RED) + bytes(4)) * MOST_HINTS
    assert len(dabs.hints_of(dabs.find_dabs([row]), (0, 0), (9999, 1))[0]) == MOST_HINTS
    found = dabs.find_dabs([row + bytes(RED)])
    with pytest.raises(dabs.DabsError, match=f"has {MOST_HINTS + 1} dabs but must have at most"):
        dabs.hints_of(found, (0, 0), (9999, 1))


def test_a_photo_taken_for_hints_is_given_up_early(monkeypatch):
    monkeypatch.setattr(dabs, "_MOST_DABS", 5)
    with pytest.raises(dabs.DabsError, match="more than 5 dabs"):
        dabs.find_dabs([(bytes(RED) + bytes(4)) * 6])


def test_the_plugin_needs_the_standard_library_and_gi_alone():
    own = {path.stem for path in FOLDER.glob("*.py")}
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [each.name for each in node.names]
            else:
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                root = name.partition(".")[0]
                assert root in sys.stdlib_module_names | own | {"gi"}, f"{path.name}: {name}"


@pytest.mark.skipif(os.name == "nt", reason="no executable bit")
def test_gimp_may_run_the_plugin():
    assert os.access(FOLDER / "koalarize_gimp.py", os.X_OK)


BATCH = """
quiet = Gimp.RunMode.NONINTERACTIVE
image = Gimp.file_load(quiet, Gio.File.new_for_path({photo!r}))
procedure = Gimp.get_pdb().lookup_procedure("koalarize-colorize")
config = procedure.create_config()
config.set_property("run-mode", quiet)
config.set_property("image", image)
config.set_core_object_array("drawables", image.get_layers())
config.set_property("command", {command!r})
procedure.run(config)
assert image.get_layers()[0].get_mode() == Gimp.LayerMode.LCH_COLOR
image.flatten()
Gimp.file_save(quiet, image, Gio.File.new_for_path({result!r}), None)
"""


@pytest.mark.slow
def test_gimp_colors_a_grey_picture_and_keeps_its_lightness(tmp_path):
    gi = pytest.importorskip("gi")
    try:
        gi.require_version("Gimp", "3.0")
    except ValueError:
        pytest.skip("GIMP 3.0 is not here")
    console = shutil.which("gimp-console-3.0")
    if console is None:
        pytest.skip("gimp-console-3.0 is not here")
    shutil.copytree(FOLDER, tmp_path / "gimp" / "plug-ins" / FOLDER.name)
    shim, photo, result = (tmp_path / name for name in ("shim", "photo.png", "result.png"))
    shim.write_text(f"#!{sys.executable}\n{MAIN}\n")
    shim.chmod(0o755)
    with Image.open(SOURCE.parent / "examples" / "chelsea.jpg") as picture:
        picture.convert("L").save(photo)
    batch = BATCH.format(photo=str(photo), command=str(shim), result=str(result))
    subprocess.run(
        [console, "-i", "--batch-interpreter=python-fu-eval", "-b", batch, "--quit"],
        env=os.environ | {"GIMP3_DIRECTORY": str(tmp_path / "gimp")},
        check=True,
    )
    before, after = (np.asarray(Image.open(path).convert("RGB")) for path in (photo, result))
    lab, grey = color.srgb_to_lab(after), color.srgb_to_lab(before)
    assert np.hypot(lab[..., 1], lab[..., 2]).mean() > 5
    assert np.abs(lab[..., 0] - grey[..., 0]).max() < 1
