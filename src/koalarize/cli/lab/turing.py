"""``koalarize lab turing``: can a person tell the model's colours from real ones?

Not here: the test itself (``lab.study``). The page is for this machine only.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from koalarize.cli.lab.options import Report, check_written_over
from koalarize.errors import OptionError
from koalarize.photo.files import check_place, sha256_of, write_bytes

if TYPE_CHECKING:
    from koalarize.colorizer.colorizer import Colorizer
    from koalarize.lab.study.session import ModelUsed, Session
    from koalarize.lab.study.study import Options

__all__ = ["turing"]

_Paths = Annotated[
    list[Path],
    typer.Argument(metavar="FOLDER", help="Folder of colour photos; with --report, session files."),
]
_Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="A name that `koalarize models` lists, or an .onnx file; repeatable. [koala]",
        show_default=False,
    ),
]
_Mode = Annotated[
    str,
    typer.Option(
        "--mode",
        metavar="single|pair",
        help="Show one picture (is it real?), or two (which is real?).",
    ),
]
_Seconds = Annotated[
    float, typer.Option("--seconds", metavar="S", help="Seconds that pictures are shown.")
]
_Trials = Annotated[int, typer.Option("--trials", metavar="N", help="Trials that count.")]
_Catch = Annotated[int, typer.Option("--catch", metavar="N", help="Attention checks in addition.")]
_Size = Annotated[
    int, typer.Option("--size", metavar="PIXELS", help="Most pixels of a picture's longer side.")
]
_Person = Annotated[
    str | None, typer.Option("--person", metavar="NAME", help="Name of the person who judges.")
]
_Session = Annotated[
    Path | None,
    typer.Option(
        "--session",
        metavar="FILE",
        help="File of the answers; one that exists is continued. [turing.json, turing-NAME.json]",
        show_default=False,
    ),
]
_Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", help="Seed of the order. [drawn]", show_default=False),
]
_Port = Annotated[
    int | None,
    typer.Option(
        "--port", metavar="N", help="Port of the page. [8765, or a free one]", show_default=False
    ),
]
_NoBrowser = Annotated[
    bool, typer.Option("--no-browser", help="Print the address; open no browser.")
]
_Report = Annotated[
    bool,
    typer.Option("--report", "--summary", help="Pool finished sessions into a report instead."),
]


def turing(
    paths: _Paths,
    models: _Models = None,
    mode: _Mode = "single",
    seconds: _Seconds = 1.0,
    trials: _Trials = 40,
    catch: _Catch = 4,
    size: _Size = 512,
    person: _Person = None,
    session: _Session = None,
    seed: _Seed = None,
    port: _Port = None,
    no_browser: _NoBrowser = False,
    report: _Report = False,
    output: Report = None,
) -> None:
    """Test whether a person can tell recoloured photos from real ones."""
    file = session or Path(_file_name(person))
    if output is not None:
        check_place(output)
        check_written_over(output, data=paths if report else [*paths, file], models=models or ())
    if report:
        _report(paths, output)
        return
    if len(paths) != 1:
        raise OptionError(
            f"{len(paths)} folders are given but one is tested at a time: give one, or "
            "`--report` before session files"
        )
    from koalarize.lab.study.study import Options

    options = Options(mode, seconds, trials, size, catch, seed, person)  # type: ignore[arg-type]
    options.check()
    _serve(paths[0], models or ["koala"], options, file, port, open_browser=not no_browser)
    _finish(file, output)


def _file_name(person: str | None) -> str:
    if person is None:
        return "turing.json"
    spelled = re.sub(r"[^\w.-]+", "-", person.strip())
    return f"turing-{spelled}.json"


def _serve(
    folder: Path,
    models: list[str],
    options: Options,
    file: Path,
    port: int | None,
    *,
    open_browser: bool,
) -> None:
    from koalarize.lab.study.study import Study, begin_or_resume
    from koalarize.web.server import serve
    from koalarize.web.study_page.app import create_app

    used, colorizers = _load(models)
    session = begin_or_resume(folder, used, options, file)
    _say_what_is_shown(session)
    study = Study(session, folder, colorizers)

    def announce(address: str) -> None:
        typer.echo(f"{address}  (Ctrl-C stops; answers are kept in {file})", err=True)

    try:
        serve(create_app(study), port=port, open_browser=open_browser, announce=announce)
    finally:
        study.close()


def _load(models: list[str]) -> tuple[list[ModelUsed], dict[str, Colorizer]]:
    """Load each model; a file is called by its stem in the report."""
    from koalarize.colorizer.colorizer import Colorizer
    from koalarize.lab.study.session import ModelUsed
    from koalarize.models.catalog import known_names
    from koalarize.models.open import parts_of
    from koalarize.models.store import find_model

    used: list[ModelUsed] = []
    colorizers: dict[str, Colorizer] = {}
    for model in models:
        parts = parts_of(model)
        alone = len(parts) == 1 and model not in known_names()
        name = Path(model).stem if alone else model
        if name in colorizers:
            raise OptionError(
                f"two models are called `{name}`: give each once, and files different names"
            )
        colorizers[name] = Colorizer.load(model)
        hashes = [sha256_of(find_model(part)) for part, _ in parts]
        used.append(ModelUsed(name=name, sha256="+".join(hashes)))
    return used, colorizers


def _say_what_is_shown(session: Session) -> None:
    record = session.record
    done, total = len(record.answers), len(record.plan)
    if done:
        typer.echo(f"going on with {session.path}: {done} of {total} answered", err=True)
    if record.left_out:
        files = ", ".join(f"{count} {why}" for why, count in sorted(record.left_out.items()))
        typer.echo(f"files left out: {files}", err=True)
    photos = len({trial.picture for trial in record.plan})
    if photos < total:
        typer.echo(
            f"there are only {photos} photos for {total} trials, so some come again: "
            "a person who remembers one is harder to fool",
            err=True,
        )


def _finish(file: Path, output: Path | None) -> None:
    from koalarize.lab.study.session import read_record

    record = read_record(file)
    done, total = len(record.answers), len(record.plan)
    if done == total:
        _report([file], output)
    else:
        typer.echo(f"{done} of {total} answered; the same command continues", err=True)


def _report(files: list[Path], output: Path | None) -> None:
    from koalarize.lab.study.pool import make_report
    from koalarize.lab.study.session import read_record

    stems = Counter(file.stem for file in files)
    # Two people who gave no name are two also where their files of one name lie in two folders.
    names = [file.stem if stems[file.stem] == 1 else file.as_posix() for file in files]
    records = [read_record(file) for file in files]
    report: Any = make_report(list(zip(names, records, strict=True)))
    typer.echo(report.to_markdown())
    if output is not None:
        write_bytes(f"{report.to_json()}\n".encode(), output, overwrite=True)
