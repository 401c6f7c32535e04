"""COCO's unlabelled pictures on disk: fetched, checked, unpacked, the grey and broken moved aside.

Not here: the download itself (``models.fetch``), the reading for training (``sources``).
DEST/train and DEST/test hold the pictures, DEST/coco.json what was done: a later run does the rest.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from koalarize.errors import DataError, OptionError, OutputError
from koalarize.lab.datasets.alone import alone
from koalarize.lab.datasets.archives import ARCHIVES, OFFICIAL, Archive, choose
from koalarize.lab.datasets.shards import PICTURE_SUFFIXES, is_hidden
from koalarize.lab.datasets.sources import decode_picture
from koalarize.lab.datasets.unpack import DamagedError, unpack
from koalarize.models.fetch import Patience, fetch, write_whole
from koalarize.photo.files import sha256_of

__all__ = ["ARCHIVES", "OFFICIAL", "Archive", "SetReport", "prepare_coco"]

log = logging.getLogger(__name__)
#: Called with what is being done, how much of it is done, and how much there is.
Progress = Callable[[str, int, "int | None"], None]
#: Bytes on disk for each byte of the archive: JPEG does not shrink, and files fill whole blocks.
_ON_DISK = 1.05
#: Reasons -> the folder a picture is moved to.
_ASIDE = {"grey": "grey", "broken": "broken", "huge": "broken"}
_CHUNK = 64


@dataclass(frozen=True)
class SetReport:
    """What became of one archive.

    Attributes:
        name: of the archive.
        folder: where its pictures are.
        counts: ``usable`` and, by reason, ``grey``, ``broken``, ``huge`` (moved aside), ``tiny``
            (left where it is; training passes it over).
        passed_over: members of the archive that are no pictures or have an unsafe name.
        changed: whether this run did anything.
    """

    name: str
    folder: Path
    counts: Mapping[str, int]
    passed_over: int
    changed: bool


def prepare_coco(
    dest: Path,
    *,
    only: Sequence[str] = (),
    mirror: str = OFFICIAL,
    keep_archives: bool = False,
    min_chroma: float = 2.0,
    hashes: Mapping[str, str] | None = None,
    archives: Sequence[Archive] = ARCHIVES,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> list[SetReport]:
    """Bring COCO's pictures into a folder, or bring what an earlier run began to its end.

    Args:
        dest: the folder; ``train``, ``test``, ``grey``, ``broken``, ``archives``, ``coco.json``
            come to lie in it.
        only: names of archives; none means all.
        mirror: an address that has the archives as ``NAME.zip``.
        keep_archives: do not delete an archive once it is unpacked. An archive that was put into
            ``dest/archives`` by hand is never deleted.
        min_chroma: pictures of a lower mean chroma (Lab units) are grey. Another value than last
            time sorts again what is there.
        hashes: name of an archive -> its SHA-256, in place of the known one.
        archives: what there is.
        progress: called as the work proceeds.
        patience: how long a download is tried.

    Raises:
        OptionError: for an unknown archive, a wrong hash or an impossible ``min_chroma``.
        DataError: if an archive cannot be fetched, is damaged twice, or there is too little room.
        OutputError: if the folder cannot be written.
    """
    chosen = choose(archives, only, hashes or {})
    if not (math.isfinite(min_chroma) and min_chroma >= 0):
        raise OptionError(f"`min_chroma` is {min_chroma} but must be 0 or more: try 2")
    show = progress or _show_nothing
    if dest.exists() and not dest.is_dir():
        raise OutputError(f"`{dest}` is a file but must be a folder: choose another name")
    try:
        dest.mkdir(parents=True, exist_ok=True)
        filling = f"another run is filling `{dest}`: wait for it, or choose another folder"
        with alone(dest, DataError(filling)):
            known = _read_manifest(dest)
            asked = frozenset(hashes or {})
            work = _Work(dest, known, mirror, asked, keep_archives, min_chroma, show, patience)
            _check_room(dest, _estimate(work, chosen))
            return [_prepare(work, archive) for archive in chosen]
    except OSError as error:
        raise OutputError(
            f"`{error.filename or dest}` cannot be written ({error.strerror or error}): make "
            "room, or choose another folder; what is there is kept, and a later run goes on"
        ) from error


@dataclass(frozen=True)
class _Work:
    """What every step needs to know."""

    dest: Path
    manifest: dict[str, dict[str, Any]]
    mirror: str
    asked: frozenset[str]  # archives whose hash was given
    keep_archives: bool
    min_chroma: float
    show: Progress
    patience: Patience | None

    def archive(self, name: str) -> Path:
        return self.dest / "archives" / f"{name}.zip"

    def places(self, archive: Archive) -> dict[str, Path]:
        """Return the folders a picture of an archive may be in; ``usable`` is the one to use."""
        asides = {aside: self.dest / aside / archive.name for aside in ("grey", "broken")}
        return {"usable": self.dest / archive.part / archive.name, **asides}

    def note(self, name: str, **facts: Any) -> None:
        entry = self.manifest.setdefault(name, {})
        entry.update(facts, date=datetime.now(UTC).isoformat(timespec="seconds"))
        text = json.dumps({"sets": self.manifest}, indent=1)
        write_whole(f"{text}\n".encode(), self.dest / "coco.json")


def _prepare(work: _Work, archive: Archive) -> SetReport:
    """Bring one archive to its end, whatever of it is there."""
    entry = work.manifest.get(archive.name, {})
    changed = False
    if not _is_whole(work, archive):
        _fetch_and_unpack(work, archive)
        changed = True
    elif archive.name in work.asked and archive.sha256 != entry.get("sha256"):
        folder = work.places(archive)["usable"]
        raise DataError(
            f"`{folder}` came from an archive with the SHA-256 {entry.get('sha256')}, not "
            f"{archive.sha256}: move it and `{work.dest / 'coco.json'}` away, then run again"
        )
    entry = work.manifest[archive.name]
    if entry.get("min_chroma") != work.min_chroma:
        work.note(archive.name, min_chroma=None)  # until all are sorted by the same value
        counts = _sort(work, archive)
        work.note(archive.name, min_chroma=work.min_chroma, counts=counts)
        changed = True
    path = work.archive(archive.name)
    if entry.get("ours") and path.exists() and not work.keep_archives:
        path.unlink()
        work.note(archive.name, ours=False)
        _remove_if_empty(path.parent)
    folder = work.places(archive)["usable"]
    return SetReport(archive.name, folder, entry["counts"], entry["passed_over"], changed)


def _is_whole(work: _Work, archive: Archive) -> bool:
    expected = work.manifest.get(archive.name, {}).get("pictures")
    if expected is None:
        return False
    there = sum(1 for place in work.places(archive).values() for _ in _pictures_in(place))
    if there < expected:
        log.info("%s: %d of %d pictures are there", archive.name, there, expected)
    return there >= expected


def _fetch_and_unpack(work: _Work, archive: Archive) -> None:
    """Get the archive and unpack it; a damaged one is fetched again, once."""
    for attempt in (1, 2):
        path = work.archive(archive.name)
        try:
            if not path.exists():
                _fetch(work, archive)
            digest = _verify(work, archive)
            pictures, passed_over = unpack(
                path,
                archive.name,
                list(work.places(archive).values()),
                room=lambda needed: _check_room(work.dest, needed),
                progress=lambda done, total: work.show(f"unpacking {archive.name}", done, total),
            )
        except DamagedError as problem:
            if attempt == 2:
                raise DataError(
                    f"`{path}` is damaged again after it was fetched again ({problem}): name "
                    "another --mirror, or give --sha256 if this is the archive you mean"
                ) from problem
            log.info("%s is damaged (%s): it is fetched again", path, problem)
            _discard(work, archive)
            continue
        if archive.sha256 in (None, digest) and archive.pictures not in (None, pictures):
            raise DataError(
                f"`{path}` holds {pictures} pictures but must hold {archive.pictures}: it is "
                "another archive; move it away, then run again"
            )
        # From here on the pictures are whole but not yet sorted.
        work.note(
            archive.name, pictures=pictures, passed_over=passed_over, min_chroma=None, counts={}
        )
        return


def _fetch(work: _Work, archive: Archive) -> None:
    path = work.archive(archive.name)
    path.parent.mkdir(exist_ok=True)
    url = f"{work.mirror.rstrip('/')}/{path.name}"
    there = (path for place in work.places(archive).values() for path in _pictures_in(place))
    unpacked = sum(picture.stat().st_size for picture in there)
    log.info("fetching %s", url)
    fetched = fetch(
        url,
        path,
        progress=lambda done, total: work.show(f"fetching {archive.name}", done, total),
        room=lambda total, done: _check_room(
            work.dest, total - done + max(0, int(total * _ON_DISK) - unpacked)
        ),
        patience=work.patience,
    )
    work.note(archive.name, url=url, bytes=fetched.bytes, etag=fetched.etag, ours=True)


def _verify(work: _Work, archive: Archive) -> str:
    """Check the archive's hash against the one asked for, of an earlier run, or published."""
    path = work.archive(archive.name)
    entry = work.manifest.get(archive.name, {})
    digest = sha256_of(path, lambda done, total: work.show(f"checking {archive.name}", done, total))
    expected = archive.sha256
    if archive.name not in work.asked and "pictures" in entry:
        expected = entry.get("sha256")
    if expected not in (None, digest):
        raise DamagedError(f"its SHA-256 is {digest}, not {expected}")
    work.note(archive.name, sha256=digest, bytes=path.stat().st_size)
    return digest


def _discard(work: _Work, archive: Archive) -> None:
    """Put a damaged archive out of the way: one of ours is deleted, another one renamed."""
    path = work.archive(archive.name)
    if work.manifest.get(archive.name, {}).get("ours"):
        path.unlink()
    else:
        path.replace(path.with_name(f"{path.name}.damaged"))


def _sort(work: _Work, archive: Archive) -> dict[str, int]:
    """Move every picture where it belongs; return how many there are of each kind."""
    places = work.places(archive)
    files = [(place, path) for place in places.values() for path in _pictures_in(place)]

    def judge(path: Path) -> str:
        result = decode_picture(path.read_bytes(), min_chroma=work.min_chroma)
        return result if isinstance(result, str) else "usable"

    counts: Counter[str] = Counter(usable=0, grey=0, broken=0)
    stream = iter(files)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while chunk := list(islice(stream, _CHUNK)):
            verdicts = pool.map(judge, [path for _, path in chunk])
            for (place, path), verdict in zip(chunk, verdicts, strict=True):
                counts[verdict] += 1
                right = places[_ASIDE.get(verdict, "usable")]
                if right != place:
                    target = right / path.relative_to(place)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    path.replace(target)
            work.show(f"sorting {archive.name}", sum(counts.values()), len(files))
    return dict(counts)


def _pictures_in(folder: Path) -> Iterator[Path]:
    for parent, _, files in os.walk(folder):
        for name in sorted(files):
            if not is_hidden(name) and name.lower().endswith(tuple(PICTURE_SUFFIXES)):
                yield Path(parent, name)


def _estimate(work: _Work, chosen: Sequence[Archive]) -> int:
    """Return the bytes that the archives not yet begun will need at most at one time."""
    begun = {
        archive.name
        for archive in chosen
        if archive.name in work.manifest or work.archive(archive.name).exists()
    }
    sizes = [archive.bytes or 0 for archive in chosen if archive.name not in begun]
    parts = [work.archive(archive.name).with_suffix(".zip.part") for archive in chosen]
    there = sum(part.stat().st_size for part in parts if part.exists())
    packed = sum(sizes) if work.keep_archives else max(sizes, default=0)
    return max(0, int(sum(sizes) * _ON_DISK) + packed - there)


def _check_room(dest: Path, needed: int) -> None:
    free = shutil.disk_usage(dest).free
    if needed > free:
        raise DataError(
            f"`{dest}` has {free / 1e9:.1f} GB free but {needed / 1e9:.1f} GB are needed: make "
            "room, choose another folder, or take less with --only"
        )


def _show_nothing(stage: str, done: int, total: int | None) -> None:
    pass


def _read_manifest(dest: Path) -> dict[str, dict[str, Any]]:
    path = dest / "coco.json"
    if not path.exists():
        return {}
    try:
        sets = json.loads(path.read_bytes())["sets"]
        return {str(name): dict(entry) for name, entry in sets.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"`{path}` is damaged: delete it and run again; the pictures stay, the archives are "
            "fetched once more"
        ) from error


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
