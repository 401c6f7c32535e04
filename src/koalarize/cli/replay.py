"""What a command says when it replays a session.

Not here: sessions themselves (``steering.session``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from koalarize.steering.session import Session

__all__ = ["warn_of_weights"]


def warn_of_weights(session: Session) -> None:
    """Say so if the model has other weights than when the session was saved."""
    from koalarize.models.catalog import card_of

    card = card_of(session.model)
    if card is not None and session.weights not in (None, card.sha256):
        typer.echo(
            f"koalarize: warning: the session was saved with other weights of `{card.name}` "
            f"({str(session.weights)[:12]}… instead of {card.sha256[:12]}…); colours may differ",
            err=True,
        )
