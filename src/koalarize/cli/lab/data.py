"""``koalarize lab data``: fetch COCO's pictures, make a small set, look at what a set holds.

Not here: the fetching and reading (``lab.datasets``, which needs no more than koalarize itself;
Parquet and the small set need the extra ``train``).
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from koalarize.cli.terminal import needs, stages
from koalarize.errors import OptionError

if TYPE_CHECKING:
    from koalarize.lab.datasets.check import Findings
    from koalarize.lab.datasets.coco import SetReport

__all__ = ["data"]

data = typer.Typer(
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@data.callback(invoke_without_command=True)
def group(ctx: typer.Context) -> None:
    """Fetch pictures of COCO, make a small set, or look at a set."""
    if ctx.invoked_subcommand is None:
        raise OptionError(
            "`koalarize lab data` must be followed by coco, sample or check: "
            "see `koalarize lab data --help`"
        )


@data.command("coco")
def coco(
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="The folder to fill.")],
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="NAME", help="Fetch only test2017, test2014 or val2017; repeatable."
        ),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            "--mirror", metavar="URL", help="Another address that has the archives NAME.zip."
        ),
    ] = None,
    keep_archives: Annotated[
        bool, typer.Option("--keep-archives", help="Keep archives that are unpacked.")
    ] = False,
    min_chroma: Annotated[
        float,
        typer.Option(
            "--min-chroma", metavar="C", help="Mean chroma below which a picture is grey."
        ),
    ] = 2.0,
    sha256: Annotated[
        list[str] | None,
        typer.Option("--sha256", metavar="NAME=HEX", help="SHA-256 of an archive; repeatable."),
    ] = None,
) -> None:
    """Fetch COCO's pictures to train and test on, 14 GB.

    Those of test2017 and test2014 go to DEST/train, those of val2017 to DEST/test. The same
    command continues an interrupted run. Grey and broken pictures are moved aside.
    """
    from koalarize.lab.datasets.coco import OFFICIAL, prepare_coco

    hashes = _hashes(sha256 or [])
    with _lines(), stages(_amount) as show:
        reports = prepare_coco(
            dest,
            only=only or [],
            mirror=mirror or OFFICIAL,
            keep_archives=keep_archives,
            min_chroma=min_chroma,
            hashes=hashes,
            progress=show,
        )
    for report in reports:
        typer.echo(_describe(report))
    if not any(report.changed for report in reports):
        typer.echo("nothing to do: everything is there")


@data.command("sample")
def sample(
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="The folder to fill.")],
) -> None:
    """Make a small set of colour pictures for a first look, without a network.

    DEST/train gets 64 pictures to learn from, DEST/test 16 others: crops of scikit-image's photos
    and drawn scenes. Nothing learnt from so few is of use on photos.
    """
    with needs("train"):
        from koalarize.lab.datasets.sample import make_sample

        count = make_sample(dest)
    typer.echo(f"{dest}: {count} pictures in `train` and `test`")


@data.command("check")
def check(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Pictures, Parquet files or tar shards."),
    ],
    min_chroma: Annotated[
        float,
        typer.Option(
            "--min-chroma", metavar="C", help="Mean chroma below which a picture is grey."
        ),
    ] = 2.0,
) -> int:
    """Count the pictures of a data set that training can use.

    Pictures that it leaves out are counted by reason, with the first names of each.
    """
    if not min_chroma >= 0:
        raise OptionError(f"`--min-chroma` is {min_chroma} but must be 0 or more: try 2")
    with needs("train"), stages(_amount) as show:
        from koalarize.lab.datasets.check import check_pictures

        findings = check_pictures(
            folder,
            min_chroma=min_chroma,
            progress=lambda seen: show("looking at pictures", seen, None),
        )
    typer.echo(_summary(folder, findings))
    return 0 if findings.usable else 1


def _hashes(settings: list[str]) -> dict[str, str]:
    hashes: dict[str, str] = {}
    for setting in settings:
        name, equals, digest = setting.partition("=")
        if not equals:
            raise OptionError(
                f"`--sha256` is `{setting}` but must be NAME=HEX, as in `--sha256 val2017=4f7e…`"
            )
        hashes[name.strip().removesuffix(".zip")] = digest.strip()
    return hashes


def _describe(report: SetReport) -> str:
    counts = report.counts
    aside = ", ".join(
        f"{counts[reason]:,} {reason}"
        for reason in ("grey", "broken", "huge")
        if counts.get(reason)
    )
    text = f"{report.folder}: {_pictures(counts['usable'] + counts.get('tiny', 0))}"
    text += f"; moved aside: {aside}" if aside else ""
    text += f"; too small to use: {counts['tiny']:,}" if counts.get("tiny") else ""
    return text + (f"; passed over: {report.passed_over:,}" if report.passed_over else "")


def _summary(folder: Path, findings: Findings) -> str:
    size = f"{findings.bytes / 1e6:,.1f} MB"
    lines = [f"{folder}: {findings.usable:,} usable of {_pictures(findings.seen)} ({size})"]
    if findings.sizes:
        low, high = (pick(findings.sizes, key=_area) for pick in (min, max))
        lines.append(
            f"sizes: {low[0]} × {low[1]} to {high[0]} × {high[1]}, "
            f"median short side {findings.median_short_side}"
        )
    for reason, count in findings.left_out.most_common():
        names = findings.names[reason]
        more = ", …" if count > len(names) else ""
        lines.append(f"{reason}: {count:,} ({', '.join(names)}{more})")
    if findings.passed_over:
        kinds = ", ".join(f"{n:,} {ending}" for ending, n in findings.passed_over.most_common())
        lines.append(f"not read, files of other kinds: {kinds}")
    return "\n".join(lines)


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _pictures(count: int) -> str:
    return f"{count:,} picture{'' if count == 1 else 's'}"


@contextmanager
def _lines() -> Generator[None]:
    """Show the library's own lines on stderr while a command runs."""
    logger = logging.getLogger("koalarize.lab.datasets")
    handler = logging.Handler()
    handler.emit = lambda record: typer.echo(record.getMessage(), err=True)  # past a bar, too
    before = logger.level, logger.propagate
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def _amount(stage: str, done: int, total: int | None) -> str:
    """Say how far a stage is: fetching and checking count bytes, the others pictures."""
    if stage.startswith(("fetching", "checking")):
        whole = f" of {total / 1e6:,.1f} MB" if total is not None else " MB"
        return f"{done / 1e6:,.1f}{whole}"
    return f"{done:,}" + (f" of {total:,}" if total is not None else "")
