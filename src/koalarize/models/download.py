"""Bring another person's model into the store: fetched or copied, and checked before it is there.

Not here: the connection (``fetch``), what there is (``catalog``), asking a person (``cli``).
Bytes go to ``NAME.onnx.new``; only when their hash is right are they renamed. One process fetches,
others wait for it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from koalarize.errors import DataError, ModelError, OutputError
from koalarize.models.catalog import ForeignCard
from koalarize.models.fetch import Patience, fetch
from koalarize.models.store import by_hand, place_of
from koalarize.photo.files import sha256_of

__all__ = ["check_consent", "download", "take_file"]

#: Called with what is done, and bytes done of how many.
Progress = Callable[[str, int, int | None], None]

_POLL = 0.2  # seconds between two looks whether the other process is done


def check_consent(card: ForeignCard, *, accepted: bool) -> None:
    """Check that a person has accepted what a model asks to be accepted.

    Raises:
        ModelError: if not.
    """
    if card.consent and not accepted:
        raise ModelError(
            f"`{card.name}`: {card.consent}; see {card.source}, and add `--accept-licence` if you "
            "accept that"
        )


def download(
    card: ForeignCard,
    *,
    accepted: bool = False,
    mirrors: Sequence[str] = (),
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> Path:
    """Fetch a model, unless it is there; go on where an interrupted call stopped.

    Proxies are those of the environment (``HTTPS_PROXY``, ``NO_PROXY``).

    Args:
        card: which.
        accepted: whether the person has accepted what the card asks consent for.
        mirrors: addresses to try first; one that ends with ``/`` is a folder of such files.
        progress: called now and then.
        patience: how long each address is tried.

    Returns:
        The file in the store.

    Raises:
        ModelError: if consent lacks, or no address gives the file.
        OutputError: if the file cannot be written; what was fetched is kept.
    """
    check_consent(card, accepted=accepted)
    target = place_of(card)
    _make(target.parent)
    with _alone(target, progress):
        if target.is_file() and sha256_of(target) == card.sha256:
            return target
        reasons: list[str] = []
        own = [f"{mirror}{card.file}" if mirror.endswith("/") else mirror for mirror in mirrors]
        for address in (*own, *card.addresses):
            try:
                return _fetch(card, address, target, progress, patience)
            except DataError as error:
                reasons.append(str(error))
    raise ModelError(f"`{card.name}` could not be fetched: {'; '.join(reasons)}; {by_hand(card)}")


def take_file(card: ForeignCard, source: Path, *, accepted: bool = False) -> Path:
    """Take a model's file from a path, as one brought on a stick.

    Raises:
        ModelError: if consent lacks, the file cannot be read, or it is another one.
        OutputError: if it cannot be written.
    """
    check_consent(card, accepted=accepted)
    try:
        if not source.is_dir() and not source.is_file() and source.exists():
            raise ModelError(f"`{source}` is a pipe or a device but must be a file: name one")
        found = sha256_of(source)
    except OSError as error:
        raise ModelError(f"`{source}` cannot be read ({error.strerror}): check its name") from error
    if found != card.sha256:
        raise ModelError(
            f"`{source}` is not the file of `{card.name}`: its sha256 is {found} but must be "
            f"{card.sha256}; a file of your own is used by `--model {source}`"
        )
    target = place_of(card)
    _make(target.parent)
    with _alone(target, None):
        fresh = target.with_name(f"{target.name}.new")
        try:
            shutil.copyfile(source, fresh)
            fresh.replace(target)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise _unwritable(target, error) from error
    return target


def _fetch(
    card: ForeignCard,
    address: str,
    target: Path,
    progress: Progress | None,
    patience: Patience | None,
) -> Path:
    """Fetch the file from one address.

    Raises:
        DataError: if the address does not give it.
    """
    fresh = target.with_name(f"{target.name}.new")

    def tell(done: int, total: int | None) -> None:
        if progress is not None:
            progress(f"fetching {card.name}", done, total)

    def check_room(total: int, there: int) -> None:
        if card.bytes is not None and total != card.bytes:
            raise DataError(
                f"{_host(address)} has a file of {total:,} bytes, which is another one than that "
                f"of {card.bytes:,}"
            )
        free = shutil.disk_usage(target.parent).free
        if free < total - there:
            raise OutputError(
                f"`{target.parent}` has room for {free:,} bytes but `{card.name}` needs "
                f"{total - there:,} more: make room, or name another folder by KOALARIZE_HOME"
            )

    fetch(
        address,
        fresh,
        progress=tell,
        room=check_room,
        patience=patience or Patience(timeout=30, attempts=4),
        way_out="",
    )
    found = sha256_of(fresh, None if progress is None else lambda a, b: progress("checking", a, b))
    if found != card.sha256:
        fresh.unlink()
        raise DataError(
            f"{_host(address)} gives another file (sha256 {found[:12]}… instead of "
            f"{card.sha256[:12]}…), which was thrown away"
        )
    try:
        fresh.replace(target)
    except OSError as error:
        raise _unwritable(target, error) from error
    return target


def _host(address: str) -> str:
    return urlsplit(address).netloc or address


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"`{folder}` cannot be made ({error.strerror}): name another folder by KOALARIZE_HOME"
        ) from error


def _unwritable(target: Path, error: OSError) -> OutputError:
    return OutputError(
        f"`{target}` cannot be written ({error.strerror or error}): make room, or name another "
        "folder by KOALARIZE_HOME"
    )


@contextmanager
def _alone(target: Path, progress: Progress | None) -> Generator[None]:
    """Hold a file's lock: another process that brings it is waited for.

    The system lets go of it when a process ends, however it ends.
    """
    path = target.with_name(f"{target.name}.lock")
    try:
        lock = path.open("ab")
    except OSError as error:
        raise _unwritable(path, error) from error
    with lock:
        while not _locked(lock.fileno()):
            if progress is not None:
                progress(f"waiting for another process that fetches {target.stem}", 0, None)
            time.sleep(_POLL)
        yield


def _locked(descriptor: int) -> bool:
    """Take the lock if it is free."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
