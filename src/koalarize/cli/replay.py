"""What a command says when it replays a session.

Not here: sessions themselves (``steering.session``).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from koalarize.steering.session import Session
    from koalarize.steering.steering import Steering

__all__ = ["replayed_on", "warn_of_weights"]


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


def replayed_on(session: Session, steering: Steering, data: bytes, name: str) -> Steering:
    """Return a session's steering for a file; say so if it is another copy of the picture.

    Args:
        session: the session.
        steering: its steering, with what the command line asks besides.
        data: the file's bytes.
        name: what to call it.

    Raises:
        OtherPhotoError: if it is another picture.
        PhotoError: if the bytes are others, and no picture.
    """
    from koalarize.colorizer.copies import replayed
    from koalarize.photo.photo import Photo

    digest = hashlib.sha256(data).hexdigest()
    steering, note = replayed(session, steering, digest, name, lambda: Photo.read(data))
    if note is not None:
        typer.echo(f"koalarize: warning: {note}", err=True)
    return steering
