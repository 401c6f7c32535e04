"""``koalarize models``: what the catalogue knows of each model.

Not here: fetching or checking weights (``models``).
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from koalarize.models.catalog import ModelCard

__all__ = ["models"]


def models() -> None:
    """List the models: size, licence, training data."""
    from koalarize.models import catalog

    for index, card in enumerate(catalog.MODELS.values()):
        if index:
            typer.echo()
        typer.echo(_describe(card))


def _describe(card: ModelCard) -> str:
    parameters = f"{card.parameters / 1e6:.1f} M parameters"
    facts = {
        "file": card.file,
        "licence": card.licence,
        "trained on": card.training_data,
        "recipe": card.recipe,
        "sha256": card.sha256,
    }
    lines = [f"{card.name} ({parameters})", *textwrap.wrap(card.summary, 76)]
    for label, value in facts.items():
        indent = " " * 12
        lines += textwrap.wrap(
            f"{label + ':':<12}{value}", 76, subsequent_indent=indent, break_long_words=False
        )
    return "\n  ".join(lines)
