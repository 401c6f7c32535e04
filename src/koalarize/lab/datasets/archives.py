"""The archives of COCO that are fetched: where they are, how large, their hashes.

Not here: the fetching (``coco``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from koalarize.errors import OptionError, did_you_mean

__all__ = ["ARCHIVES", "OFFICIAL", "Archive", "choose"]

#: Where the archives are published.
OFFICIAL = "http://images.cocodataset.org/zips"


@dataclass(frozen=True)
class Archive:
    """One archive of pictures.

    Attributes:
        name: of the archive without ``.zip``, and of the folder in it.
        part: ``train`` or ``test``.
        bytes: size, where known.
        sha256: hash, where known.
        pictures: how many it holds, where known.
    """

    name: str
    part: str
    bytes: int | None = None
    sha256: str | None = None
    pictures: int | None = None


#: COCO publishes no hashes. These sizes and hashes are those that TensorFlow Datasets checks
#: (tensorflow_datasets/url_checksums/coco.txt); ParlAI's of test2017 and val2017 are the same.
ARCHIVES = (
    Archive(
        "test2017",
        "train",
        6_646_970_404,
        "c7908c3c9f94ba2f3340ebbeec58c25db6be8774f18d68c2f15d0e369d95baba",
        40_670,
    ),
    Archive(
        "test2014",
        "train",
        6_660_437_059,
        "ead40c62230cb2cf70ff4c8b4c70abdc260a7556e77b3282621d06d8e2e35bdf",
        40_775,
    ),
    Archive(
        "val2017",
        "test",
        815_585_330,
        "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
        5_000,
    ),
)


def choose(
    archives: Sequence[Archive], only: Sequence[str], hashes: Mapping[str, str]
) -> list[Archive]:
    """Return the archives that are wanted, with the hashes that are asked of them.

    Args:
        archives: what there is.
        only: names; none means all.
        hashes: name -> SHA-256 in place of the known one; the size and number of pictures of such
            an archive are unknown.

    Raises:
        OptionError: for an unknown name or what is no SHA-256.
    """
    known = {archive.name: archive for archive in archives}
    for name in (*only, *hashes):
        if name not in known:
            raise OptionError(
                f"`{name}` is no archive of pictures known here{did_you_mean(name, known)}: "
                f"use {', '.join(known)}"
            )
    for name, digest in hashes.items():
        if len(digest) != 64 or set(digest.lower()) - set("0123456789abcdef"):
            raise OptionError(f"the SHA-256 of `{name}` is `{digest}` but must be 64 hex digits")
        # Whoever names a hash means another archive than the published one.
        other = replace(known[name], sha256=digest.lower(), bytes=None, pictures=None)
        known[name] = known[name] if known[name].sha256 == digest.lower() else other
    return [archive for name, archive in known.items() if not only or name in only]
