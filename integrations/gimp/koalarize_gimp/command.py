"""The `koalarize` command as the plug-in runs it: what can be asked, found, said and answered.

Not here: GIMP (``koalarize_gimp``), hints out of painted dabs (``dabs``).
The standard library alone, so that it can be tested without GIMP.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SETTINGS", "CommandError", "Setting", "arguments", "environment", "find", "run", "said"]

_PREFIXES = ("koalarize: error: ", "koalarize: ", "error: ")
_STEP = 0.2  # seconds between two signs of life
#: Where a desktop that knows nothing of the shell's PATH may miss the command.
_USUAL = ("~/.local/bin", "/usr/local/bin", "/opt/homebrew/bin")
_INSTALL = (
    "install koalarize (`pip install` in a clone of its repository), or give the command's full "
    "path in the dialog or in the variable KOALARIZE_COMMAND"
)


class CommandError(Exception):
    """What a person is told where no colours came."""


@dataclass(frozen=True)
class Setting:
    """A thing that can be asked; a test holds it to the field of ``koalarize.Steering``.

    Attributes:
        name: of the field, with hyphens.
        label: in the dialog.
        help: the field's own sentence.
        default: as usual; its type is the setting's.
        low: the least.
        high: the most.
    """

    name: str
    label: str
    help: str
    default: float | bool
    low: float = 0.0
    high: float = 0.0


SETTINGS = (
    Setting(
        "vividness",
        "_Vividness",
        "Factor on the chroma: 0 gives grey, 1.5 is bold; hue stays.",
        1.0,
        0.0,
        5.0,
    ),
    Setting(
        "warmth",
        "_Warmth",
        "White balance: -1 is cold, 1 is warm; grey stays nearly grey.",
        0.0,
        -1.0,
        1.0,
    ),
    Setting(
        "tint",
        "_Tint",
        "Across warmth: -1 is green, 1 is magenta; grey stays nearly grey.",
        0.0,
        -1.0,
        1.0,
    ),
    Setting(
        "best",
        "_Best",
        "Look at the mirrored photo too and average: calmer, twice the network's time.",
        False,
    ),
    Setting(
        "keep-color",
        "_Keep color",
        "Places that have a colour of their own keep it; for hand-tinted photos.",
        False,
    ),
)


def find(given: str, variables: Mapping[str, str]) -> str:
    """Return the path of the command: the given one, the variable's, or the one on PATH.

    Raises:
        CommandError: if there is none.
    """
    for where, name in (
        ("the dialog's command", given.strip()),
        ("KOALARIZE_COMMAND", variables.get("KOALARIZE_COMMAND", "").strip()),
    ):
        if name:
            found = shutil.which(str(Path(name).expanduser()), path=variables.get("PATH"))
            if found is None:
                raise CommandError(
                    f"{where} is `{name}` but must be a program that can be run: {_INSTALL}"
                )
            return found
    usual = os.pathsep.join(str(Path(folder).expanduser()) for folder in _USUAL)
    found = shutil.which("koalarize", path=variables.get("PATH")) or shutil.which(
        "koalarize", path=usual
    )
    if found is None:
        raise CommandError(f"the command `koalarize` is not on PATH: {_INSTALL}")
    return found


def arguments(
    photo: Path,
    layer: Path,
    asked: Mapping[str, float | bool],
    hints: Sequence[str] = (),
    model: str = "",
) -> list[str]:
    """Return the command's arguments; what is as usual is left out.

    Args:
        photo: the picture to colour.
        layer: where its colours go.
        asked: values of ``SETTINGS`` by name.
        hints: each as ``X,Y=#rrggbb``.
        model: a name, or an .onnx file; the command's own if empty.
    """
    words = [str(photo), "--layer", "-o", str(layer)]
    for setting in SETTINGS:
        value = asked.get(setting.name, setting.default)
        if value == setting.default:
            continue
        # with "=", since a negative number would be read as an option
        words.append(f"--{setting.name}" if value is True else f"--{setting.name}={value:.6g}")
    words += [f"--hint={hint}" for hint in hints]
    return words + ([f"--model={model.strip()}"] if model.strip() else [])


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the command: without what leads to GIMP's own Python."""
    kept = {name: value for name, value in variables.items() if not name.startswith("PYTHON")}
    return kept | {"PYTHONUTF8": "1", "NO_COLOR": "1"}


def said(stderr: str, photo: Path) -> str:
    """Return the command's sentences without its own name and that of the temporary file."""
    lines = []
    for line in stderr.splitlines():
        text = line.strip()
        for start in (*_PREFIXES, f"{photo}: ", f"{photo.name}: "):
            text = text.removeprefix(start)
        if text:
            lines.append(text)
    return "\n".join(lines)


def run(words: Sequence[str], photo: Path, layer: Path, alive: Callable[[], object]) -> str:
    """Run the command to its end and return what it noted.

    Args:
        words: the command and its arguments.
        photo: the picture to colour.
        layer: what the command must have written.
        alive: called several times a second meanwhile.

    Raises:
        CommandError: in the command's own words, if it wrote no layer.
    """
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(os.environ),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise CommandError(f"`{words[0]}` cannot be run ({error}): {_INSTALL}") from error
    try:
        while True:
            try:
                _, stderr = process.communicate(timeout=_STEP)
                break
            except subprocess.TimeoutExpired:
                alive()
    finally:
        if process.poll() is None:  # the plug-in is being stopped
            process.kill()
            process.wait()
    notes = said(stderr.decode("utf-8", "replace"), photo)
    if process.returncode != 0 or not layer.is_file():
        raise CommandError(
            notes
            or f"`{words[0]}` ended with exit code {process.returncode} and without a word: "
            "run it once in a terminal"
        )
    return notes
