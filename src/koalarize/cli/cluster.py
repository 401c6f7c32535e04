"""``koalarize cluster INPUT OUTPUT``: an archive on many machines, resumed if stopped.

Not here: the run (``batch.cluster``), what a terminal sees of pictures (``report``).
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from koalarize.cli.many_options import (
    FILES_FROM,
    LAYER,
    NAME,
    OVERWRITE,
    PART,
    PLAN,
    KeepEarlier,
    Null,
    Report,
    Retry,
    Tolerant,
    check_kept,
)
from koalarize.cli.model_choice import (
    BlendChroma,
    Faithful,
    Model,
    ModelChoice,
    Offline,
    Yes,
)
from koalarize.cli.report import follow, note_of_orphans, note_of_unread, show_plan
from koalarize.cli.steering_options import color_options, option_of_one_picture, read_steering
from koalarize.cli.terminal import needs, told_to_end
from koalarize.errors import OptionError

if TYPE_CHECKING:
    from koalarize.batch.cluster.order import Order
    from koalarize.batch.cluster.rows import Columns
    from koalarize.batch.cluster.run import Archive
    from koalarize.batch.forecast import Cost, Forecast
    from koalarize.batch.plan import BatchOptions, Outcome
    from koalarize.steering.steering import Steering

__all__ = ["cluster"]

_MACHINES = "Machines"
_TABLES = "Tables"

_Input = Annotated[
    str,
    typer.Argument(
        metavar="INPUT", help="A folder, an address as s3://bucket/box, or a table: rows.parquet."
    ),
]
_Output = Annotated[
    str,
    typer.Argument(
        metavar="OUTPUT", help="A folder or an address; a table if it ends with .parquet."
    ),
]
_Address = Annotated[
    str | None,
    typer.Option(
        metavar="RAY",
        help="A running Ray cluster: auto or HOST:PORT on one of its machines, ray://HOST:10001 "
        "from elsewhere; else Ray is started here.",
        rich_help_panel=_MACHINES,
    ),
]
_Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        help="Workers, each with a core; one a core of the cluster. 0 works without Ray.",
        rich_help_panel=_MACHINES,
    ),
]
_Gpus = Annotated[
    float,
    typer.Option(
        metavar="SHARE",
        min=0.0,
        max=1.0,
        help="Share of a graphics card that each worker takes, as 0.25.",
        show_default=False,
        rich_help_panel=_MACHINES,
    ),
]
_Part = Annotated[
    str | None,
    PART(
        help="Only part I of N, for array jobs that share nothing else.",
        rich_help_panel=_MACHINES,
    ),
]
_Image = Annotated[
    str | None,
    typer.Option(
        "--image-column",
        metavar="NAME",
        help="The pictures in tables: bytes, or a struct of bytes and path. [image]",
        show_default=False,
        rich_help_panel=_TABLES,
    ),
]
_Key = Annotated[
    str | None,
    typer.Option(
        "--key-column",
        metavar="NAME",
        help="What pictures in tables are called; else key, or the path in the struct.",
        rich_help_panel=_TABLES,
    ),
]
_Bytes = Annotated[
    bool,
    typer.Option(
        "--plain-bytes",
        help="Write tables whose pictures are bytes, not a struct of bytes and path.",
        rich_help_panel=_TABLES,
    ),
]
_Name = Annotated[str | None, NAME(help="How results are called. [{stem}.color]")]
_Overwrite = Annotated[
    bool, OVERWRITE(help="Colour again what is already done, and replace what is not ours.")
]
_Times = Annotated[
    bool,
    typer.Option(
        "--keep-times", help="Results get the times of their pictures; OUTPUT is a folder."
    ),
]
_Layer = Annotated[bool, LAYER(help="Write only the colours, as layers for an editor.")]
_FilesFrom = Annotated[
    str | None,
    FILES_FROM(help="Colour only what a list names of INPUT, a key a line; - for stdin."),
]
_Plan = Annotated[bool, PLAN(help="Only say what would be done.")]


@color_options
def cluster(
    source: _Input,
    output: _Output,
    model: Model = "koala",
    faithful: Faithful = False,
    blend_chroma: BlendChroma = None,
    yes: Yes = False,
    offline: Offline = False,
    address: _Address = None,
    workers: _Workers = None,
    gpus: _Gpus = 0.0,
    shard: _Part = None,
    image_column: _Image = None,
    key_column: _Key = None,
    plain_bytes: _Bytes = False,
    name: _Name = None,
    overwrite: _Overwrite = False,
    keep_earlier: KeepEarlier = False,
    tolerant: Tolerant = False,
    layer: _Layer = False,
    keep_times: _Times = False,
    plan: _Plan = False,
    retry_failed: Retry = False,
    files_from: _FilesFrom = None,
    null: Null = False,
    report: Report = None,
    **asked: object,
) -> int:
    """Colour an archive in a folder, an object store or tables, on one machine or many."""
    from koalarize.batch.naming import check_name
    from koalarize.batch.plan import BatchOptions
    from koalarize.batch.shard import Shard
    from koalarize.cli.listing import listed_names
    from koalarize.models.open import check_model

    _check_places(source, output, plain_bytes=plain_bytes)
    check_model(model)
    if workers == 0 and (address or gpus):
        raise OptionError("`--workers 0` works in this process, without --address and --gpus")
    check_kept(keep_earlier=keep_earlier, overwrite=overwrite)
    names = listed_names(files_from, None, null=null) if files_from is not None or null else None
    if names == []:
        typer.echo("koalarize: note: the list names nothing to colour", err=True)
    steering = _steering(asked)
    options = BatchOptions(
        overwrite=overwrite,
        tolerant=tolerant,
        name=None if name is None else check_name(name),
        shard=None if shard is None else Shard.parse(shard),
        retry_failed=retry_failed,
        keep_times=keep_times,
        layer=layer,
        keep_earlier=keep_earlier,
    )
    choice = ModelChoice(model, faithful, blend_chroma, yes, offline)
    with needs("cluster"), told_to_end():
        from koalarize.batch.cluster.actors import Machines, check_installed
        from koalarize.batch.cluster.rows import Columns, is_table
        from koalarize.batch.cluster.run import Archive
        from koalarize.batch.cluster.stores import real_place

        check_installed(with_ray=workers != 0 and not plan)
        in_tables = is_table(source) or image_column is not None or key_column is not None
        columns = Columns(image_column or "image", key_column) if in_tables else None
        _check_times(output, in_tables=in_tables or is_table(output), options=options)
        order = _order(source, output, columns, steering, options, choice, gpu=bool(gpus))
        if is_table(output):
            if real_place(order.source.place) == real_place(order.output.place):
                raise OptionError(
                    f"OUTPUT is `{output}` like INPUT, whose tables are never mixed with results: "
                    "name another"
                )
            order = dataclasses.replace(order, table="bytes" if plain_bytes else "struct")
        archive = Archive(order, plan_only=plan, names=names)
        if plan:
            return _show_plan(archive, report)
        outcomes = archive.color(Machines(address, workers, gpus))
        code = follow(outcomes, None, report, archive, goes_on=True)
    note_of_orphans(archive.orphans())
    note_of_unread(archive.unread)
    return code


def _check_places(source: str, output: str, *, plain_bytes: bool) -> None:
    """Refuse places that are none, as an unset variable of a shell names them.

    Raises:
        OptionError: naming what is wrong.
    """
    from koalarize.batch.cluster.rows import is_table

    for word, place in (("INPUT", source), ("OUTPUT", output)):
        if not place:
            raise OptionError(f"{word} is empty: name a folder, an address or a table")
    if plain_bytes and not is_table(output):
        raise OptionError(
            f"`--plain-bytes` is for tables but OUTPUT is `{output}`: leave it out, or name one "
            "that ends with .parquet"
        )


def _steering(asked: Mapping[str, object]) -> Steering:
    steering = read_steering(asked)
    if (option := option_of_one_picture(steering)) is not None:
        raise OptionError(f"`{option}` is for one picture but an archive is given: leave it out")
    return steering


def _check_times(output: str, *, in_tables: bool, options: BatchOptions) -> None:
    """Check that results can have times of their own, if they shall.

    Raises:
        OptionError: if they cannot.
    """
    from koalarize.batch.cluster.stores import LocalStore, open_store

    if not options.keep_times:
        return
    if in_tables:
        raise OptionError(
            "`--keep-times` is for files, but pictures in tables have no times: leave it out"
        )
    if not isinstance(open_store(output), LocalStore):
        raise OptionError(
            f"`--keep-times` is for folders, but OUTPUT is `{output}`, where objects bear the time "
            "at which they were written: leave it out"
        )


def _order(
    source: str,
    output: str,
    columns: Columns | None,
    steering: Steering,
    options: BatchOptions,
    choice: ModelChoice,
    *,
    gpu: bool,
) -> Order:
    """Return all that workers are told; the network is loaded once, to know what it is."""
    from koalarize.batch.cluster.order import Model, Order
    from koalarize.batch.cluster.places import open_source
    from koalarize.batch.cluster.stores import open_store
    from koalarize.batch.run import asked_of
    from koalarize.engines.blend import MOST_CHROMA
    from koalarize.engines.engine import CPU, CUDA

    results = open_store(output)
    most = MOST_CHROMA if choice.most_chroma is None else choice.most_chroma
    path = Path(choice.model)
    return Order(
        open_source(source, results, columns=columns, template=options.name),
        results,
        steering,
        options,
        Model(
            str(path.absolute()) if path.is_file() else choice.model,
            choice.faithful,
            most,
            CUDA if gpu else CPU,
        ),
        asked_of(choice.load(threads=1), steering, options),
        f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
    )


def _show_plan(archive: Archive, report: Path | None) -> int:
    """Say what would be done, and what it would come to."""
    from koalarize.batch.forecast import Forecast

    forecast = Forecast(archive.model)

    def whole() -> tuple[str, Cost]:
        return forecast.sentence([archive], 1), forecast.cost([archive], 1)

    return show_plan(_planned(archive, forecast), whole, report, archive)


def _planned(archive: Archive, forecast: Forecast) -> Iterator[Outcome]:
    """Yield what a plan decides, picture by picture, and count it."""
    from koalarize.batch.cluster.order import PortionTask
    from koalarize.batch.plan import Outcome

    for decided in archive.plan():
        what, key = decided.what, decided.entry.key
        if not isinstance(what, PortionTask):
            forecast.add(what)
            yield what
            continue
        look = "" if what.check in ("none", "free") else ", to be looked at"
        look += ", failed before" if decided.failed else ""
        # Whose a file without a row is only its mark can say, as after a worker was lost.
        why = "a file is there" if what.check == "mark" else what.why.value
        why += look
        forecast.add_task(why, decided.entry.version.size or 0)
        yield Outcome(Path(key), Path(what.slot), "planned", notes=what.notes, reason=why)
    yield from archive.orphans()
