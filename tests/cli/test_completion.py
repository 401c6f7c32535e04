"""Scripts by which shells complete the command line."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cli_parts import one_line_error
from koalarize.cli import main


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_offers_all_that_the_help_names(shell: str, capsys):
    text = script(shell, capsys)
    for words in ([], ["serve"], ["lab", "train"], ["models", "download"]):
        assert main([*words, "--help"]) == 0
        for option in re.findall(r"^  (?:-\w, )?--([\w-]+)", capsys.readouterr().out, re.MULTILINE):
            assert option in text
    assert not re.search(r"@[A-Z]+@|<pictures>|--hint-", text)


@pytest.mark.skipif(shutil.which("bash") is None, reason="asks bash")
def test_bash_completes_commands_options_values_and_files(here: Path, capsys):
    for name in ("serial.png", "my photo.jpg"):
        Path(name).touch()
    asked = {
        "ser": ["serve", "serial.png"],
        "lab tr": ["train"],
        "lab data co": ["coco"],
        "--viv": ["--vividness"],
        "photo.jpg ser": [],  # files, which readline finds
        "photo.jpg --vivid": ["--vividness"],
        "--vividness my": [],
        "--model si": ["siggraph17"],
        "lab turing --mode ": ["single", "pair"],
        "serve --pat": ["--patience"],
        "models download eccv": ["eccv16"],
        "completion ": ["bash", "zsh", "fish"],
    }
    tries = "".join(f'try "{line}"\n' for line in asked)
    Path("script").write_text(
        script("bash", capsys) + 'try() { COMP_WORDS=(koalarize $1); [ "${1% }" = "$1" ] || '
        "COMP_WORDS+=(''); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _koalarize 2> /dev/null; "
        '(IFS=,; echo "${COMPREPLY[*]}"); }\n' + tries
    )
    done = subprocess.run(["bash", "script"], capture_output=True, text=True, check=True)
    found = [line.split(",") if line else [] for line in done.stdout.splitlines()]
    assert dict(zip(asked, found, strict=True)) == asked


def test_another_shell_is_told_which_there_are(capsys):
    assert main(["completion", "zhs"]) == 2
    said = one_line_error(capsys.readouterr().err)
    assert "`SHELL` is `zhs` but must be one of bash, zsh, fish, did you mean `zsh`?" in said
