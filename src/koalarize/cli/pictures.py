"""``koalarize photo.jpg``: colour pictures; the command that needs no word of its own.

Not here: finding and colouring many (``batch``), files and folders (``folders``), what a terminal
sees of it (``report``), pictures through a pipe (``stream``). The help of the whole program stands
here, since this is its command.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup, TyperOption

from koalarize import __version__
from koalarize.cli.empty_words import FilledCommand
from koalarize.cli.folder_options import (
    AlsoFilms,
    FilesFrom,
    Journal,
    Name,
    Plan,
    Shard,
    Times,
    Watch,
    Workers,
)
from koalarize.cli.many_options import (
    FOLDERS,
    LAYER,
    OVERWRITE,
    KeepEarlier,
    Null,
    Report,
    Retry,
    Tolerant,
    check_kept,
)
from koalarize.cli.model_choice import (
    MODELS,
    BlendChroma,
    Faithful,
    Model,
    ModelChoice,
    Offline,
    Yes,
)
from koalarize.cli.plain_help import help_record
from koalarize.cli.steering_options import (
    COLORS,
    FILMS,
    option_names,
    read_film_options,
    read_steering,
    steering_options,
)
from koalarize.errors import OptionError
from koalarize.film.names import films_among, is_film

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter

    from koalarize.steering.session import Session

__all__ = ["PicturesCommand", "pictures"]

_ABOUT = """\
Put colour into black-and-white photos, offline, on an ordinary CPU.

PICTURE is a file, a folder (searched through), a glob, or - for stdin; or a film. The coloured
picture is written beside it, as photo.color.jpg for photo.jpg; originals stay as they are.
"""

_EXAMPLES = (
    ("koalarize photo.jpg", "write photo.color.jpg"),
    ("koalarize photo.jpg -o new.png", "write new.png"),
    ("koalarize box/ -o coloured/", "a folder with all its folders"),
    ("koalarize 'scans/**/*.tif' --compare", "and a grey and coloured pair"),
    ("koalarize box/ -o coloured/ --plan", "what would be done"),
    ("koalarize photo.jpg --hint 120,300=#c03020", "red around x=120, y=300"),
    ("koalarize - < photo.jpg > new.jpg", "through a pipe"),
    ("koalarize film.mp4", "a film, with its sound"),
)


_OPTIONS = "Options"
#: Of the help, in their order.
_HEADINGS = (_OPTIONS, COLORS, MODELS, FOLDERS, FILMS)


class PicturesCommand(FilledCommand):
    """The default command; its help is that of the whole program."""

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write usage, options, commands and examples."""
        formatter.write_usage("koalarize", "[OPTIONS] PICTURE...")
        formatter.write_usage("koalarize", "COMMAND [OPTIONS]", prefix=" " * len("Usage: "))
        for paragraph in _ABOUT.split("\n\n"):
            formatter.write_paragraph()
            formatter.write_text(paragraph)
        groups: dict[str, list[tuple[str, str]]] = {name: [] for name in _HEADINGS}
        for parameter in self.get_params(ctx):
            record = help_record(parameter, ctx)
            if record is not None and isinstance(parameter, TyperOption):
                groups[parameter.rich_help_panel or _OPTIONS].append(record)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)
        if ctx.parent is not None and isinstance(ctx.parent.command, TyperGroup):
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
_Session = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Repeat a colouring that `koalarize serve` saved."),
]
_Compare = Annotated[
    bool, typer.Option("--compare", help="Also write photo.compare.jpg, grey and coloured.")
]
_Overwrite = Annotated[bool, OVERWRITE(help="Replace OUT, and colour again what is already done.")]
_ListShots = Annotated[
    bool,
    typer.Option(
        "--list-shots", help="Write film.shots.json, to be edited.", rich_help_panel=FILMS
    ),
]
_Preview = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Colour N frames, 1 to 100, spread over it, on one sheet.",
        rich_help_panel=FILMS,
    ),
]
_ExportFrames = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Write a frame of each shot, to be coloured elsewhere.",
        rich_help_panel=FILMS,
    ),
]
_InColor = Annotated[
    bool,
    typer.Option(
        "--in-color", help="With --export-frames: coloured already.", rich_help_panel=FILMS
    ),
]
_NoPicture = Annotated[
    bool,
    typer.Option(
        "--no-picture", help="Show no picture of it in the terminal.", rich_help_panel=FILMS
    ),
]
_Layer = Annotated[
    bool, LAYER(help="Write only the colours, as a layer for an editor: photo.layer.png.")
]
_Series = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Give the same things the same colours as all over this folder, by one palette.",
        rich_help_panel=COLORS,
    ),
]
_Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
    ),
]


@steering_options
def pictures(
    ctx: typer.Context,
    inputs: _Inputs = None,
    output: _Output = None,
    model: Model = "koala",
    session: _Session = None,
    compare: _Compare = False,
    overwrite: _Overwrite = False,
    tolerant: Tolerant = False,
    list_shots: _ListShots = False,
    preview: _Preview = None,
    export_frames: _ExportFrames = None,
    in_color: _InColor = False,
    no_picture: _NoPicture = False,
    faithful: Faithful = False,
    blend_chroma: BlendChroma = None,
    yes: Yes = False,
    offline: Offline = False,
    layer: _Layer = False,
    series: _Series = None,
    films: AlsoFilms = False,
    files_from: FilesFrom = None,
    null: Null = False,
    workers: Workers = None,
    name: Name = None,
    journal: Journal = None,
    report: Report = None,
    plan: Plan = False,
    retry_failed: Retry = False,
    keep_earlier: KeepEarlier = False,
    shard: Shard = None,
    watch: Watch = None,
    keep_times: Times = False,
    version: _Version = False,
    **asked: object,
) -> int:
    """Colour pictures."""
    listed = None
    if files_from is not None or null:
        from koalarize.cli.listing import listed_names

        listed = listed_names(files_from, inputs, null=null)
    inputs = inputs or ([] if series is None or listed is not None else [series])
    if not inputs and listed is None:
        typer.echo(ctx.get_help(), err=True)
        return 2
    if "" in inputs:
        raise OptionError("a file name is empty: name a picture, a folder or a glob")
    named = films_among(inputs, None if films else output)
    if films:
        named = []
        _check_films(ctx, inputs, {"--compare": compare, "--layer": layer, "--session": session})
    elif not named:
        _refuse(
            ctx, FILMS, "is for films but none is named: name one, or add --films for a folder's"
        )
    replayed = _replayed(ctx, session)
    if replayed is not None:
        model, steering = replayed.model, replayed.steering
    else:
        from koalarize.models.open import check_model

        check_model(model)
        if series is not None and asked.get("reference") is not None:
            raise OptionError("`--series` and `--reference` are a palette each: leave one out")
        steering = read_steering(asked)
    choice = ModelChoice(model, faithful, blend_chroma, yes, offline)
    if named:
        for_pictures: dict[str, object] = {
            "--session": replayed,
            "--compare": compare,
            "--tolerant": tolerant,
            "--layer": layer,
            "--series": series,
        }
        _check_company(inputs, named, for_pictures, output)
        _refuse(ctx, FOLDERS, f"is for pictures but `{named[0]}` is a film: leave it out", "plan")
        jobs = {
            "--plan": plan,
            "--list-shots": list_shots,
            "--preview": preview,
            "--export-frames": export_frames,
        }
        if len(asked_for := [name for name, value in jobs.items() if value]) > 1:
            raise OptionError(f"`{asked_for[0]}` and `{asked_for[1]}` are two jobs: ask for one")
        from koalarize.cli.films import Films, color_films

        wanted = Films(
            *(named, output, overwrite, list_shots, preview, export_frames, in_color),
            picture=not no_picture,
            plan=plan,
        )
        return color_films(wanted, choice, steering, read_film_options(asked))
    if "-" in inputs or output == "-":
        if compare:
            raise OptionError("`--compare` writes a second file, which a pipe has no place for")
        if layer or series is not None:
            raise OptionError("`--layer` and `--series` go with files: name one instead of `-`")
        _refuse(ctx, FOLDERS, "goes with files: name one instead of `-`")
        from koalarize.cli.stream import Stream, color_stream

        piped = Stream(inputs, output, overwrite, tolerant)
        return color_stream(piped, choice, steering, replayed)
    if plan and watch is not None:
        raise OptionError("`--plan` colours nothing, so `--watch` has no place beside it")
    if layer and compare:
        raise OptionError("`--layer` makes no picture to `--compare`: leave one of them out")
    check_kept(keep_earlier=keep_earlier, overwrite=overwrite, compare=compare)
    from koalarize.batch.naming import check_name
    from koalarize.batch.plan import BatchOptions
    from koalarize.batch.shard import Shard
    from koalarize.cli.folders import Many, color_files

    options = BatchOptions(
        overwrite=overwrite,
        compare=compare,
        workers=workers,
        tolerant=tolerant,
        name=None if name is None else check_name(name),
        journal=journal,
        shard=None if shard is None else Shard.parse(shard),
        retry_failed=retry_failed,
        keep_times=keep_times,
        layer=layer,
        keep_earlier=keep_earlier,
    )
    of_films = read_film_options(asked) if films else None
    led_by = None if series is None else Path(series)
    many = Many(inputs, output, options, report, plan, watch, led_by, of_films, listed)
    return color_files(many, choice, steering, replayed)


def _refuse(ctx: typer.Context, heading: str, reason: str, *but: str) -> None:
    """Refuse every option that the help lists under a heading and that is given, but some.

    Raises:
        OptionError: naming the option, with the reason after it.
    """
    for parameter in ctx.command.get_params(ctx):
        if not isinstance(parameter, TyperOption) or parameter.rich_help_panel != heading:
            continue
        if parameter.name in but:
            continue
        source = ctx.get_parameter_source(parameter.name or "")
        if source is not None and source.name != "DEFAULT":
            raise OptionError(f"`{parameter.opts[0]}` {reason}")


#: Of the options of films, those that say something of one film.
_OF_ONE_FILM = (
    *("list_shots", "preview", "export_frames", "in_color"),
    *("start", "stop", "shots", "frames", "no_picture"),
)


def _check_films(
    ctx: typer.Context, inputs: Sequence[str], of_pictures: Mapping[str, object]
) -> None:
    """Refuse what cannot be asked of all films of a folder."""
    if film := next((given for given in inputs if is_film(given) and Path(given).is_file()), None):
        raise OptionError(f"`--films` is for folders but `{film}` is a film: leave `--films` out")
    for parameter in ctx.command.get_params(ctx):
        source = ctx.get_parameter_source(parameter.name or "")
        if parameter.name in _OF_ONE_FILM and source is not None and source.name != "DEFAULT":
            raise OptionError(f"`{parameter.opts[0]}` is for one film: name it instead of --films")
    for option, given in of_pictures.items():
        if given:
            raise OptionError(f"`{option}` is for pictures alone: leave it out, or --films")


def _check_company(
    inputs: Sequence[str],
    films: Sequence[str],
    for_pictures: Mapping[str, object],
    output: str | None,
) -> None:
    """Refuse what films and pictures cannot be asked in one command."""
    if len(films) < len(inputs):
        other = next(given for given in inputs if given not in films)
        raise OptionError(f"`{other}` is no film but `{films[0]}` is: colour them one by one")
    for option, given in for_pictures.items():
        if given:
            raise OptionError(
                f"`{option}` is for pictures but `{films[0]}` is a film: leave it out"
            )
    if output == "-":
        raise OptionError("a film cannot be written to stdout: name a file with -o")


def _replayed(ctx: typer.Context, session: Path | None) -> Session | None:
    """Read a session; nothing else may say how to colour."""
    if session is None:
        return None
    own = ("model", "faithful", "blend_chroma", "series")
    options = {name: f"--{name.replace('_', '-')}" for name in own} | option_names()
    for name, option in options.items():
        source = ctx.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            raise OptionError(
                f"`--session` holds every setting, so `{option}` has no place beside it: "
                "leave one of them out"
            )
    from koalarize.steering.session import Session

    return Session.read(session)
