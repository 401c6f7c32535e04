"""Open INPUT by its address.

Not here: what is found there (``sources``, ``rows``), stores themselves (``stores``).
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from koalarize.batch.cluster.rows import Columns, Tables
from koalarize.batch.cluster.sources import Files, Source
from koalarize.batch.cluster.stores import LocalStore, RemoteStore, Store, open_store
from koalarize.errors import DataError

__all__ = ["open_source"]


def open_source(
    address: str, output: Store, *, columns: Columns | None = None, template: str | None = None
) -> Source:
    """Open what is to be coloured.

    Args:
        address: a folder, a prefix, or a table.
        output: where results go; it is not searched.
        columns: which columns hold what, if the address is that of tables.
        template: what results are called, where it is not the usual name.

    Raises:
        DataError: if the address cannot be opened.
    """
    store = open_store(address)
    if columns is None:
        return Files(store, _inside(store, output), template)
    try:
        alone = store.info("") is not None
    except OSError as error:
        raise DataError(f"`{address}` cannot be read ({error}): check the address") from error
    if not alone:
        return Tables(store, columns, skipped=_inside(store, output))
    if isinstance(store, LocalStore):
        return Tables(LocalStore(address, store.root.parent), columns, store.root.name)
    assert isinstance(store, RemoteStore)
    folder, slash, name = store.root.rpartition("/")
    return Tables(dataclasses.replace(store, root=folder or slash), columns, name)


def _inside(store: Store, output: Store) -> frozenset[str]:
    """Return the key of OUTPUT below INPUT, if it lies there."""
    if isinstance(store, LocalStore) and isinstance(output, LocalStore):
        real = (Path(os.path.realpath(store.root)), Path(os.path.realpath(output.root)))
        return frozenset(
            inside.relative_to(top).as_posix()
            for top, inside in ((store.root, output.root), real)
            if inside != top and inside.is_relative_to(top)
        )
    if isinstance(store, RemoteStore) and isinstance(output, RemoteStore):
        same = store.files == output.files and output.root.startswith(f"{store.root}/")
        return frozenset({output.root[len(store.root) + 1 :]}) if same else frozenset()
    return frozenset()
