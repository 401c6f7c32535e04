"""Scripts by which a shell completes commands, options and file names: bash, zsh, fish.

Not here: the commands themselves (``app``), their help (``plain_help``). A script holds all that it
offers, made of the same declarations as the help: nothing is started while a person types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import typer

from koalarize.cli.plain_help import help_record
from koalarize.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    from typer._click.core import Command

__all__ = ["SHELLS", "completion_script"]

#: What a metavar holds whose option takes a file or a folder.
_FILES = ("FILE", "FOLDER", "OUT")


@dataclass(frozen=True)
class _Option:
    """An option as a shell sees it.

    Attributes:
        names: all spellings.
        value: what its value is called; empty of a switch.
        help: its first sentence.
        words: the values that are known.
    """

    names: tuple[str, ...]
    value: str
    help: str
    words: tuple[str, ...] = ()

    @property
    def takes_files(self) -> bool:
        """Whether its value may be a file or a folder."""
        is_model = self.value == "NAME" and bool(self.words)
        return is_model or any(word in self.value for word in _FILES)


@dataclass(frozen=True)
class _Command:
    """A command, under its words: none are those of the default one.

    Attributes:
        path: its words.
        options: what it takes.
        below: the commands in it, with their help.
        words: the arguments that are known.
        files: whether its arguments may be files.
    """

    path: str
    options: tuple[_Option, ...]
    below: Mapping[str, str]
    words: tuple[str, ...]
    files: bool


def completion_script(shell: str, program: Command, default: str) -> str:
    """Return a script that completes the whole program.

    Args:
        shell: one of ``SHELLS``.
        program: with all commands.
        default: the name of the command that needs none.

    Raises:
        OptionError: if the shell is none that is known.
    """
    if shell not in SHELLS:
        raise OptionError(
            f"`SHELL` is `{shell}` but must be one of {', '.join(SHELLS)}"
            f"{did_you_mean(shell, SHELLS)}"
        )
    commands = {one.path: one for one in _commands(program, default)}
    return SHELLS[shell](commands)


def _commands(program: Command, default: str) -> Iterator[_Command]:
    help = ["-h", "--help"]
    whole = typer.Context(cast(Any, program), info_name="koalarize", help_option_names=help)
    groups: list[tuple[str, Command, Any]] = [("", program, whole)]
    while groups:
        path, command, context = groups.pop(0)
        inside = cast("dict[str, Command]", getattr(command, "commands", {}))
        named = {name: one for name, one in inside.items() if name != default}
        below = {name: one.get_short_help_str(200) for name, one in named.items()}
        of, words = inside.get(default, command), _words(path)
        files = not words and any(one.param_type_name == "argument" for one in of.params)
        yield _Command(path, tuple(_options(of, context)), below, words, files)
        for name, one in named.items():
            here = typer.Context(cast(Any, one), info_name=name, parent=context)
            groups.append((f"{path} {name}".strip(), one, here))


def _options(command: Command, context: Any) -> Iterator[_Option]:
    for parameter in command.get_params(context):
        record = help_record(parameter, context)
        if record is None or parameter.param_type_name == "argument":
            continue
        parts = record[0].split()
        names = tuple(part.rstrip(",") for part in parts if part.startswith("-"))
        value = " ".join(part for part in parts if not part.startswith("-"))
        yield _Option(names, value, _first_sentence(record[1]), _values(names, value))


def _first_sentence(help: str) -> str:
    return re.split(r"(?<=[.])\s|\s\[", help, maxsplit=1)[0].rstrip(".")


def _values(names: Sequence[str], value: str) -> tuple[str, ...]:
    from koalarize.models.catalog import FOREIGN, MODELS

    if "--model" in names:
        return (*MODELS, *FOREIGN)
    words = value.strip("<>").split("|")
    return tuple(words) if len(words) > 1 and all(word.islower() for word in words) else ()


def _words(path: str) -> tuple[str, ...]:
    """Return the arguments of a command that are known."""
    from koalarize.models.catalog import FOREIGN

    known = {"models download": tuple(FOREIGN), "completion": tuple(SHELLS)}
    return known.get(path, ())


# -- bash -------------------------------------------------------------------------------------

_BASH = """\
# Completes koalarize in bash; made by `koalarize completion bash`.
_koalarize() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local at='' i=1 options='' below='' words='' files='' line
    while [ "$i" -lt "$COMP_CWORD" ]; do
        case "$at ${COMP_WORDS[i]}" in
            @PATHS@) at="${at:+$at }${COMP_WORDS[i]}" ;;
            *) break ;;
        esac
        i=$((i + 1))
    done
    case "$at" in
@COMMANDS@
    esac
    [ "$i" -eq "$COMP_CWORD" ] && words="$words $below"
    case "$at $prev" in
@VALUES@
        *) case "$cur" in -*) words=$options files='' ;; esac ;;
    esac
    COMPREPLY=()
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -W "$words" -- "$cur")
    if [ -z "$files" ]; then
        compopt +o default 2> /dev/null
    elif [ "${#COMPREPLY[@]}" -gt 0 ]; then  # otherwise readline finds files, with their quotes
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$cur")
    fi
    return 0
}
complete -o default -o filenames -F _koalarize koalarize
"""


def _bash(commands: Mapping[str, _Command]) -> str:
    about: list[str] = []
    values: list[str] = []
    for one in commands.values():
        options = " ".join(name for option in one.options for name in option.names)
        about.append(
            f"        {_quoted(one.path)}) options={_quoted(options)} "
            f"below={_quoted(' '.join(one.below))} words={_quoted(' '.join(one.words))} "
            f"files={'1' if one.files else ''} ;;"
        )
        for option in one.options:
            if option.value:
                spelled = "|".join(_quoted(f"{one.path} {name}") for name in option.names)
                files = "1" if option.takes_files else ""
                words = _quoted(" ".join(option.words))
                values.append(f"        {spelled}) words={words} files={files} ;;")
    paths = "|".join(_quoted(path) for path in _steps(commands))
    script = _BASH.replace("@PATHS@", paths).replace("@COMMANDS@", "\n".join(about))
    return script.replace("@VALUES@", "\n".join(values))


def _steps(commands: Mapping[str, _Command]) -> Iterator[str]:
    """Yield the words of each command behind a space, or behind the group's and a space."""
    for one in commands.values():
        yield from (f"{one.path} {name}" for name in one.below)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# -- zsh --------------------------------------------------------------------------------------

_ZSH = """\
#compdef koalarize
# Completes koalarize in zsh; made by `koalarize completion zsh`.
_koalarize() {
    local at='' i=2
    local -a below
    while (( i < CURRENT )); do
        case "$at $words[i]" in
            (@PATHS@) at="${at:+$at }$words[i]" ;;
            (*) break ;;
        esac
        (( i += 1 ))
    done
    words=(koalarize "${(@)words[i,-1]}")
    (( CURRENT -= i - 2 ))
    case "$at" in
@COMMANDS@
    esac
}
if [ "$funcstack[1]" = _koalarize ]; then
    _koalarize "$@"
else
    compdef _koalarize koalarize
fi
"""


def _zsh(commands: Mapping[str, _Command]) -> str:
    about: list[str] = []
    for one in commands.values():
        lines = [f"        ({_quoted(one.path)})"]
        if one.below:
            known = " ".join(_quoted(f"{name}:{help}") for name, help in one.below.items())
            lines.append(f"            below=({known})")
            lines.append("            (( CURRENT == 2 )) && _describe command below")
        lines.append("            _arguments \\")
        for option in one.options:
            action = _zsh_action(option.words, files=option.takes_files)
            value = f":{_escaped(option.value)}:{action}" if option.value else ""
            for name in option.names:
                spec = _quoted(f"*{name}[{_escaped(option.help)}]{value}")
                lines.append(f"                {spec} \\")
        rest = _zsh_action(one.words, files=one.files)
        lines.append(f"                {_quoted('*: :' + rest)} ;;")
        about.append("\n".join(lines))
    paths = "|".join(_quoted(path) for path in _steps(commands))
    return _ZSH.replace("@PATHS@", paths).replace("@COMMANDS@", "\n".join(about))


def _zsh_action(words: Sequence[str], *, files: bool) -> str:
    if words and files:
        return f"{{ compadd -- {' '.join(words)}; _files }}"
    return f"({' '.join(words)})" if words else "_files" if files else " "


def _escaped(text: str) -> str:
    return re.sub(r"([\\\[\]:])", r"\\\1", text)


# -- fish -------------------------------------------------------------------------------------

_FISH = """\
# Completes koalarize in fish; made by `koalarize completion fish`.
function __koalarize_at
    set -l at ''
    set -l first 1
    for word in (commandline -opc)[2..-1]
        switch "$at $word"
            case @PATHS@
                set at (string trim -- "$at $word")
            case '*'
                set first 0
                break
        end
    end
    test "$at" = "$argv[1]"; and test -z "$argv[2]" -o $first = 1
end
complete -c koalarize -f
@COMMANDS@
"""


def _fish(commands: Mapping[str, _Command]) -> str:
    lines: list[str] = []
    for one in commands.values():
        here = f"complete -c koalarize -n \"__koalarize_at '{one.path}'\""
        first = f"complete -c koalarize -n \"__koalarize_at '{one.path}' first\""
        for name, help in one.below.items():
            lines.append(f"{first} -a {name} -d {_fish_quoted(help)}")
        if one.words or one.files:
            words = f" -a {_fish_quoted(' '.join(one.words))}" if one.words else ""
            lines.append(f"{here}{' -F' if one.files else ''}{words}")
        for option in one.options:
            names = "".join(
                f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}"
                for name in option.names
            )
            takes = (" -r -F" if option.takes_files else " -x") if option.value else ""
            words = f" -a {_fish_quoted(' '.join(option.words))}" if option.words else ""
            lines.append(f"{here}{names}{takes}{words} -d {_fish_quoted(option.help)}")
    paths = " ".join(_fish_quoted(path) for path in _steps(commands))
    return _FISH.replace("@PATHS@", paths).replace("@COMMANDS@", "\n".join(lines))


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


#: Makes the script of each shell.
SHELLS: dict[str, Callable[[Mapping[str, _Command]], str]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
}
