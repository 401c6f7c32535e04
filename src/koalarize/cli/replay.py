"""What a command says when it replays a session.

Not here: sessions themselves (``steering.session``).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from koalarize.steering.session import Session

__all__ = ["check_bytes", "warn_of_weights"]


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


def check_bytes(session: Session, data: bytes, name: str) -> None:
    """Check that a file's bytes are the session's photo; say so if only its picture is.

    Raises:
        OtherPhotoError: if it is another picture.
        PhotoError: if the bytes are others, and no picture.
    """

    def pixels() -> str:
        from koalarize.photo.photo import Photo

        return Photo.read(data).digest()

    if not session.check(hashlib.sha256(data).hexdigest(), name, pixels):
        typer.echo(
            f"koalarize: warning: `{name}` was changed since the session was saved, but its "
            "picture is the same",
            err=True,
        )
