"""Pictures of a data set by its name on the Hugging Face hub: ``hf:OWNER/NAME:SPLIT``.

Not here: folders and files (``sources``), decoding, models on the hub (``lab.export``).
The package ``datasets`` (extra ``hub``) fetches a set once and keeps it in its own cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from koalarize.errors import DataError, DependencyError

__all__ = ["PREFIX", "HubName", "hub_pictures", "is_on_hub"]

#: What a source's name begins with if it is one of the hub's.
PREFIX = "hf:"


@dataclass(frozen=True)
class HubName:
    """A data set's name as it stands in a recipe.

    Attributes:
        path: ``OWNER/NAME`` on the hub, or a local folder that ``datasets`` reads.
        split: which part of the set.
        config: which of several forms of the set; None for the only one.
    """

    path: str
    split: str = "train"
    config: str | None = None

    @classmethod
    def parse(cls, source: Path) -> HubName:
        """Read ``hf:OWNER/NAME``, ``hf:OWNER/NAME:SPLIT`` or ``hf:OWNER/NAME:SPLIT:CONFIG``.

        Raises:
            DataError: if a part is empty or there are more.
        """
        parts = str(source).removeprefix(PREFIX).split(":")
        if len(parts) > 3 or not all(parts):
            raise DataError(
                f"`{source}` names no data set: write {PREFIX}OWNER/NAME, {PREFIX}OWNER/NAME:SPLIT "
                f"or {PREFIX}OWNER/NAME:SPLIT:CONFIG"
            )
        return cls(*parts)


def is_on_hub(source: Path) -> bool:
    """Tell whether a source is named as one of the hub's."""
    return str(source).startswith(PREFIX)


def hub_pictures(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and encoded bytes of every picture of a set, in the set's order.

    The first column of pictures is taken. A row without bytes is yielded with empty ones.

    Raises:
        DataError: if the name is malformed, the set cannot be loaded, or it has no pictures.
        DependencyError: if the package ``datasets`` is missing.
    """
    name = HubName.parse(source)
    rows, column = _rows(name, source)
    for number in range(len(rows)):
        entry = cast("Mapping[str, Any]", rows[number])[column] or {}
        content, own = entry.get("bytes"), entry.get("path")
        if content is None and own is not None:
            content = _file(Path(own))
        yield f"{name.path}/{(own and Path(own).name) or f'row {number}'}", content or b""


def _rows(name: HubName, source: Path) -> tuple[Any, str]:
    """Return the set, its pictures left encoded, and the name of their column."""
    try:
        import datasets
        from datasets.exceptions import DatasetsError
    except ModuleNotFoundError as error:
        raise DependencyError(
            f'`{source}` needs `datasets`, which is not installed: pip install "koalarize[hub]"'
        ) from error
    try:
        rows: Any = datasets.load_dataset(name.path, name.config, split=name.split)
    except Exception as error:  # whatever its readers and its client of HTTP raise
        cause = error.__cause__ if isinstance(error, DatasetsError) else None
        reason = str(cause or error).strip().partition("\n")[0].rstrip(".")
        raise DataError(
            f"`{source}` cannot be loaded: {reason}. Check the name, the split and the network; a "
            "folder of Parquet files is read without either"
        ) from error
    for column, feature in rows.features.items():
        if isinstance(feature, datasets.Image):
            return rows.cast_column(column, datasets.Image(decode=False)), column
    raise DataError(
        f"`{source}` has the columns {list(rows.features)} but none of pictures: give another set"
    )


def _file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
