"""``koalarize lab push`` and ``lab pull``: models on the Hugging Face hub.

Not here: the transfer (``lab.export``), which needs two extras, train and hub.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from koalarize.cli.terminal import needs

__all__ = ["pull", "push"]

_Repository = Annotated[
    str, typer.Argument(metavar="OWNER/NAME", help="The repository on the Hugging Face hub.")
]


def push(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of a run, exported with `--card`.")
    ],
    repository: _Repository,
    private: Annotated[
        bool, typer.Option("--private", help="Make a new repository private.")
    ] = False,
) -> None:
    """Upload a run's model, its card, its weights and its history to the Hugging Face hub."""
    with needs("train"):
        from koalarize.lab.export.hub import push as upload
    typer.echo(upload(run, repository, private=private))


def pull(
    repository: _Repository,
    target: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER", help="Where to; by default a new folder with the model's name."
        ),
    ] = None,
) -> None:
    """Download a model that was shared on the Hugging Face hub."""
    with needs("train"):
        from koalarize.lab.export.hub import pull as download
    typer.echo(download(repository, target or Path(repository.rpartition("/")[2])))
