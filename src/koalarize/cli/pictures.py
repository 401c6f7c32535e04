"""``koalarize photo.jpg``: colour pictures; the command that needs no word of its own.

Not here: finding and colouring many (``batch``), what a terminal sees of it (``report``), pictures
through a pipe (``stream``). The help of the whole program stands here, since this is its command.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer
from typer.core import TyperCommand

from koalarize import __version__
from koalarize.errors import OptionError, OutputError, did_you_mean

if TYPE_CHECKING:
    from koalarize.batch.run import Job
    from koalarize.steering.hints import Hint
    from koalarize.steering.session import Session
    from koalarize.steering.steering import Steering

__all__ = ["How", "PicturesCommand", "pictures", "warn_of_weights"]

_ABOUT = """\
Put colour into black-and-white photos, offline, on an ordinary CPU.

PICTURE is a file, a folder (searched through), a glob, or - for stdin. The coloured picture is
written beside it, as photo.color.jpg for photo.jpg; originals stay as they are.
"""

_EXAMPLES = (
    ("koalarize photo.jpg", "write photo.color.jpg"),
    ("koalarize photo.jpg -o new.png", "write new.png"),
    ("koalarize box/ -o coloured/", "a folder with all its folders"),
    ("koalarize 'scans/**/*.tif' --compare", "and a grey | coloured pair"),
    ("koalarize photo.jpg --hint 120,300=#c03020", "red around x=120, y=300"),
    ("koalarize - < photo.jpg > new.jpg", "through a pipe"),
)


#: Parameters that a session holds.
_SETTINGS = (
    "model",
    "vividness",
    "hints",
    "size",
    "warmth",
    "alternative",
    "reference",
    "best",
    "keep_color",
)


class How(TypedDict):
    """How each picture is coloured: what the Colorizer takes besides the picture."""

    vividness: float
    hints: Sequence[Hint]
    size: int | None
    steering: Steering | None


class PicturesCommand(TyperCommand):
    """The default command; its help is that of the whole program."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write usage, options, commands and examples."""
        formatter.write_usage("koalarize", "[OPTIONS] PICTURE...")
        formatter.write_usage("koalarize", "COMMAND [OPTIONS]", prefix=" " * len("Usage: "))
        for paragraph in _ABOUT.split("\n\n"):
            formatter.write_paragraph()
            formatter.write_text(paragraph)
        records = (parameter.get_help_record(ctx) for parameter in self.get_params(ctx))
        with formatter.section("Options"):
            formatter.write_dl([record for record in records if record and record[0][0] == "-"])
        if ctx.parent is not None:
            ctx.parent.command.format_commands(ctx.parent, formatter)
        with formatter.section("Examples"):
            formatter.write_dl(_EXAMPLES, col_max=44)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"koalarize {__version__}")
        raise typer.Exit


_Inputs = Annotated[list[str] | None, typer.Argument(metavar="PICTURE...")]
_Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="OUT",
        help="A file (its ending names the format), a folder for many, or - for stdout.",
    ),
]
_Model = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Of `koalarize models`, or an .onnx file. [koala]", show_default=False
    ),
]
_Vividness = Annotated[
    float,
    typer.Option(metavar="GAIN", help="0 is grey, 1.5 is bold. [1.0]", show_default=False),
]
_Hints = Annotated[
    list[str] | None,
    typer.Option(
        "--hint",
        metavar="X,Y=#RRGGBB",
        help="Ask for a colour at a point, or in a circle: X,Y,RADIUS=#RRGGBB. Repeatable.",
    ),
]
_Size = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS", help="Shorter side at which the network looks. [the model's own]"
    ),
]
_Warmth = Annotated[
    float,
    typer.Option(
        metavar="SHIFT", help="-1 is cold, 1 is warm; grey stays grey. [0.0]", show_default=False
    ),
]
_Alternative = Annotated[
    int,
    typer.Option(metavar="N", help="Another plausible colouring, 1 to 12. [0]", show_default=False),
]
_Reference = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A colour picture whose palette to take over."),
]
_Best = Annotated[
    bool,
    typer.Option("--best", help="Look at the mirrored picture too: calmer, a little slower."),
]
_KeepColor = Annotated[
    bool,
    typer.Option("--keep-color", help="Hand-tinted: what has a colour keeps it."),
]
_Session = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Replay what was saved in `koalarize serve`."),
]
_Compare = Annotated[
    bool, typer.Option("--compare", help="Also write photo.compare.jpg: grey | coloured.")
]
_Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace OUT, and colour again what is already done.")
]
_Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
    ),
]


def pictures(
    ctx: typer.Context,
    inputs: _Inputs = None,
    output: _Output = None,
    model: _Model = "koala",
    vividness: _Vividness = 1.0,
    hints: _Hints = None,
    size: _Size = None,
    warmth: _Warmth = 0.0,
    alternative: _Alternative = 0,
    reference: _Reference = None,
    best: _Best = False,
    keep_color: _KeepColor = False,
    session: _Session = None,
    compare: _Compare = False,
    overwrite: _Overwrite = False,
    version: _Version = False,
) -> int:
    """Colour pictures."""
    if not inputs:
        typer.echo(ctx.get_help(), err=True)
        return 2
    replayed = _replayed(ctx, session)
    if replayed is not None:
        model = replayed.model
    _check(inputs, output, model, vividness, size)
    how: How = {
        "vividness": vividness,
        "hints": _parse_hints(hints or []),
        "size": size,
        "steering": None,
    }
    if replayed is not None:
        how["steering"] = replayed.steering
    elif warmth or alternative or best or keep_color or reference is not None:
        how["steering"] = dataclasses.replace(
            _steering(how, warmth, alternative, reference), best=best, keep_color=keep_color
        )
    if "-" in inputs or output == "-":
        if compare:
            raise OptionError("`--compare` writes a second file, which a pipe has no place for")
        from koalarize.cli.stream import color_stream

        return color_stream(
            inputs, output, model=model, overwrite=overwrite, how=how, session=replayed
        )
    from koalarize.batch.run import colorize_many, find_pictures
    from koalarize.cli.report import follow
    from koalarize.colorizer.colorizer import Colorizer

    jobs = find_pictures(inputs)
    if hints and len(jobs) != 1:
        raise OptionError(f"`--hint` is for one picture but {len(jobs)} are given: name only one")
    if replayed is not None:
        _check_photo(replayed, jobs)
    colorizer = Colorizer.load(model)
    jobs, folder = _place(jobs, output)
    outcomes = colorize_many(
        colorizer, jobs, output=folder, overwrite=overwrite, compare=compare, **how
    )
    return follow(outcomes, len(jobs))


def _check(
    inputs: Sequence[str], output: str | None, model: str, vividness: float, size: int | None
) -> None:
    """Refuse wrong values before anything slow is loaded."""
    if "" in inputs or output == "":
        raise OptionError("a file name is empty: name a picture, a folder or a glob")
    if not (math.isfinite(vividness) and vividness >= 0):
        raise OptionError(
            f"`--vividness` is {vividness:g} but must be 0 or more: 0 is grey, 1 as predicted"
        )
    if size is not None and size < 1:
        raise OptionError(f"`--size` is {size} but must be at least 1, and best 128 or more")
    from koalarize.models.catalog import MODELS

    if model not in MODELS and not model.lower().endswith(".onnx"):
        near = did_you_mean(model, MODELS) or f": known are {', '.join(MODELS)}"
        raise OptionError(f"`--model` is `{model}` but must be of `koalarize models`{near}")


def _replayed(ctx: typer.Context, session: Path | None) -> Session | None:
    """Read a session; nothing else may say how to colour."""
    if session is None:
        return None
    for name in _SETTINGS:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            option = "hint" if name == "hints" else name.replace("_", "-")
            raise OptionError(
                f"`--session` holds every setting, so `--{option}` has no place beside it: "
                "leave one of them out"
            )
    from koalarize.steering.session import Session

    return Session.read(session)


def _check_photo(session: Session, jobs: Sequence[Job]) -> None:
    """Check that the one picture is that of the session, and say so if the weights are others."""
    if len(jobs) != 1:
        raise OptionError(
            f"`--session` is for one picture but {len(jobs)} are given: name only one"
        )
    if jobs[0].problem is None and jobs[0].source.is_file():
        session.check(jobs[0].source.read_bytes(), jobs[0].source.name)
    warn_of_weights(session)


def warn_of_weights(session: Session) -> None:
    """Say so if the model has other weights than when the session was saved."""
    from koalarize.models.catalog import MODELS

    card = MODELS.get(session.model)
    if card is not None and session.weights not in (None, card.sha256):
        typer.echo(
            f"koalarize: warning: the session was saved with other weights of `{card.name}` "
            f"({str(session.weights)[:12]}… instead of {card.sha256[:12]}…); colours may differ",
            err=True,
        )


def _steering(how: How, warmth: float, alternative: int, reference: Path | None) -> Steering:
    from koalarize.colorizer.colorizer import palette_of
    from koalarize.steering.steering import Steering

    steering = Steering(how["vividness"], warmth, tuple(how["hints"]), how["size"], alternative)
    return dataclasses.replace(steering, reference=palette_of(reference))


def _parse_hints(texts: Sequence[str]) -> list[Hint]:
    if not texts:
        return []
    from koalarize.steering.hints import Hint

    return [Hint.parse(text) for text in texts]


def _place(jobs: list[Job], output: str | None) -> tuple[list[Job], Path | None]:
    """Decide whether ``output`` is the file of the only picture or a folder for all.

    Returns:
        The jobs, with the file as ``target`` if it is one, and the folder if it is one.
    """
    if output is None:
        return jobs, None
    from koalarize.photo.photo import EXTENSIONS

    path = Path(output)
    separators = tuple(filter(None, (os.sep, os.altsep)))
    folder = path.is_dir() or output.endswith(separators)
    if not folder and len(jobs) == 1 and not jobs[0].found:
        if path.exists() or path.suffix:
            return [dataclasses.replace(jobs[0], target=path)], None
    elif not folder and (path.exists() or path.suffix.lower() in EXTENSIONS):
        raise OptionError(
            f"`--output` is the file `{output}`, but a folder or several pictures are given: "
            "name a folder"
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder `{output}` cannot be made ({error.strerror}): name another one"
        ) from error
    return jobs, path
