"""``koalarize models``: what the catalogue knows of each model, and fetching other people's.

Not here: fetching or checking weights (``models``).
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from koalarize.cli.model_choice import bring
from koalarize.cli.plain_help import PlainCommand
from koalarize.cli.terminal import print_path
from koalarize.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    from koalarize.models.catalog import ForeignCard, ModelCard

__all__ = ["models"]

models = typer.Typer(
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_WIDTH = 76


@models.callback(invoke_without_command=True)
def listing(ctx: typer.Context) -> None:
    """List the models, here and to be fetched: when to use each, size, licence."""
    if ctx.invoked_subcommand is not None:
        return
    from koalarize.models import catalog

    typer.echo("\n\n".join(_describe(card) for card in catalog.MODELS.values()))
    typer.echo("\nOther people's, fetched by `koalarize models download NAME`:\n")
    typer.echo("\n\n".join(_describe_foreign(card) for card in catalog.FOREIGN.values()))


@models.command("download", cls=PlainCommand)
def download(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Models to fetch.")],
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="Take it from a file, as one brought on a stick."
        ),
    ] = None,
    mirror: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="An address to try first; with / at its end, a folder of NAME.onnx. Repeatable.",
        ),
    ] = None,
    accept_licence: Annotated[
        bool,
        typer.Option("--accept-licence", help="Accept what a model asks to be accepted."),
    ] = False,
) -> None:
    """Fetch other people's models, to be used by `--model NAME`."""
    cards = [_card(name) for name in names]
    if source is not None and len(cards) != 1:
        raise OptionError(f"`--from` is one model's file but {len(cards)} are named: name one")
    for card in cards:
        accepted = accept_licence or _accepts(card)
        if source is None:
            path = bring(card, accepted=accepted, mirrors=mirror or ())
        else:
            from koalarize.models.download import take_file

            path = take_file(card, source, accepted=accepted)
        print_path(path)


def _card(name: str) -> ForeignCard:
    from koalarize.models.catalog import FOREIGN, MODELS

    if name in MODELS:
        raise OptionError(f"`{name}` comes with koalarize: there is nothing to fetch")
    if name not in FOREIGN:
        raise OptionError(
            f"the model `{name}` is unknown{did_you_mean(name, FOREIGN)}: to be fetched are "
            f"{', '.join(FOREIGN)}"
        )
    return FOREIGN[name]


def _accepts(card: ForeignCard) -> bool:
    """Ask a person at a terminal for the consent that a model needs."""
    if not card.consent or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    return typer.confirm(f"`{card.name}`: {card.consent}; fetch it?", err=True)


def _describe(card: ModelCard) -> str:
    facts = {
        "file": card.file,
        "licence": card.licence,
        "trained on": card.training_data,
        "recipe": card.recipe,
        "sha256": card.sha256,
    }
    title = f"{card.name} ({card.parameters / 1e6:.1f} M parameters)"
    return _entry(title, card.summary, facts)


def _describe_foreign(card: ForeignCard) -> str:
    from koalarize.models.store import is_here, megabytes, place_of

    here = is_here(card)
    takes = [] if card.times is None else [f"{card.times:g} times koala's time"]
    takes += [] if card.memory is None else [f"{card.memory:,} MiB of memory"]
    facts = {
        "file": str(place_of(card)) if here else f"not here; {card.addresses[0]}",
        "licence": f"{card.licence}; of the export: {card.export_licence}",
        "from": card.source,
        "takes": ", ".join(takes),
        "asks": card.consent,
        "sha256": card.sha256,
    }
    counted = f", {card.parameters / 1e6:.1f} M parameters" if card.parameters else ""
    title = f"{card.name} ({'here' if here else 'to be fetched'}, {megabytes(card)}{counted})"
    return _entry(title, card.summary, {name: value for name, value in facts.items() if value})


def _entry(title: str, summary: str, facts: dict[str, str]) -> str:
    lines = [title, *textwrap.wrap(summary, _WIDTH)]
    for label, value in facts.items():
        lines += textwrap.wrap(
            f"{label + ':':<12}{value}",
            _WIDTH,
            subsequent_indent=" " * 12,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n  ".join(lines)
