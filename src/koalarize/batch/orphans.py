"""Results whose pictures are gone: the journal tells, and a look into the pictures' folders.

Not here: the journal itself (``journal``), what is said of them (``cli``). Nothing is removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from koalarize.batch.journal import Journal, journals_in
from koalarize.batch.plan import BatchOptions, Outcome
from koalarize.batch.standing import journal_name
from koalarize.errors import OutputError

__all__ = ["GONE", "orphans"]

#: Why a result is one.
GONE = "its picture is gone"


def orphans(inputs: Iterable[str], options: BatchOptions) -> Iterator[Outcome]:
    """Yield the results of a run that are there though their pictures are not.

    Only pictures of the folders that are named count: another drive or machine may be away. A
    folder of pictures is listed once for all of its results: each look takes long on a network
    share. A run without a shard looks into the journals of all shards.

    Args:
        inputs: what was named.
        options: where the results went.
    """
    folders = [given for given in inputs if Path(given).is_dir()]
    tops = [os.path.join(journal_name(Path(folder)), "") for folder in folders]  # noqa: PTH118
    if options.journal is not None:
        journals = {options.journal} if folders else set[Path]()
    else:
        places = {options.output or Path(folder) for folder in folders}
        journals = {path for place in places for path in journals_in(place, options.journal_name)}
    told: set[Path] = set()
    for path in sorted(journals):
        try:
            with closing(Journal(path, readonly=True)) as journal:
                for outcome in _of(journal, tuple(tops)):
                    if outcome.output is not None and outcome.output not in told:
                        told.add(outcome.output)
                        yield outcome
        except OutputError:  # the run has said so
            continue


def _of(journal: Journal, tops: tuple[str, ...]) -> Iterator[Outcome]:
    last, names = "", _listed("")
    for source, target in journal.results():
        if not source.startswith(tops):
            continue
        folder, name = os.path.split(source)
        if folder != last:
            last, names = folder, _listed(folder)
        # A file system may know a name under another spelling than it lists.
        if names is None or name in names or os.path.lexists(source) or not os.path.lexists(target):
            continue
        yield Outcome(Path(source), target, "orphaned", reason=GONE)


def _listed(folder: str) -> frozenset[str] | None:
    """Return the names in a folder as journals hold them; None if they cannot be known."""
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except FileNotFoundError:
        # What of a folder's name is no UTF-8 stands in the journal in another form.
        return None if "\\" in folder and os.sep == "/" else frozenset()
    except OSError:
        return None
    return frozenset(name.encode("utf-8", "backslashreplace").decode() for name in names)
