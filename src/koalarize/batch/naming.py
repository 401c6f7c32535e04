"""What results are called and where they stand, and when two names are one.

Not here: whether a result may be replaced (``standing``).
"""

from __future__ import annotations

import os
import re
import secrets
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from koalarize.batch.find import Job
from koalarize.colorizer.layer import layer_path
from koalarize.errors import OptionError
from koalarize.film.names import film_path, is_film
from koalarize.photo.files import NOT_ON_FAT, output_path

__all__ = ["DEFAULT_NAME", "LAYER_NAME", "Naming", "check_name"]

#: How a result is called without its ending.
DEFAULT_NAME = "{stem}.color"
#: And how a layer is.
LAYER_NAME = "{stem}.layer"
#: Bytes of a template; names of files have 255 on most systems.
_LONGEST = 200
#: Names of a folder that are looked at for one with letters.
_LOOKED_AT = 100
_FIELD = re.compile(r"\{([^{}]*)\}")


def check_name(template: str) -> str:
    """Check a template of names and return it.

    Raises:
        OptionError: if it names another field than ``{stem}``, none at all, or another folder.
    """
    fields = _FIELD.findall(template)
    rest = _FIELD.sub("", template)
    if fields != ["stem"] or any(sign in rest for sign in "{}"):
        raise OptionError(
            f"`--name` is `{template}` but must hold `{{stem}}`, the picture's own name, once and "
            f"no other braces: try `{DEFAULT_NAME}`"
        )
    if any(sign in template for sign in "/\0" + NOT_ON_FAT) or template.strip() == "{stem}":
        raise OptionError(
            f"`--name` is `{template}` but must be a file's name unlike the picture's own, without "
            f'the signs / \\ : * ? " < > |: try `{DEFAULT_NAME}`'
        )
    if len(template.encode("utf-8", "surrogateescape")) > _LONGEST:  # numbers need room beside it
        raise OptionError(
            f"`--name` has {len(template)} characters but may have {_LONGEST} at most, for names "
            "of files are bounded: shorten it"
        )
    return template


@dataclass
class Naming:
    """Names of the results of one run.

    Attributes:
        output: the folder of the results; None is beside each picture.
        template: how a result is called.
        layer: whether results are layers: PNG or TIFF.
        probes: whether a file may be made to see whether a folder takes A and a for one name.
    """

    output: Path | None = None
    template: str = DEFAULT_NAME
    layer: bool = False
    probes: bool = True
    _folded: dict[str, bool] = field(default_factory=dict[str, bool], repr=False)
    _last: tuple[str, bool] = field(default=("", False), repr=False)  # folder, and its answer

    def target(self, job: Job, number: int = 1, *, ending: str | None = None) -> Path:
        """Return where a job's result goes.

        Args:
            job: a picture or a film.
            number: from the second on it stands in the name.
            ending: of a film's result; by default as far as its name says.
        """
        before, _, after = self.template.partition("{stem}")
        # What stands before the stem takes room too, so it is among what stands behind at first.
        suffix = f"{before}{after}" if number == 1 else f"{before}{after}-{number}"
        if is_film(job.source):
            plain = film_path(job.source, ending, suffix=suffix)
        else:
            plain = (layer_path if self.layer else output_path)(job.source, suffix=suffix)
        end = len(plain.name) - len(suffix + plain.suffix)
        named = plain.with_name(before + plain.name[:end] + plain.name[end + len(before) :])
        return named if self.output is None else self.output / job.relative.parent / named.name

    def key(self, target: Path) -> str:
        """Return one text for all spellings of a name that are one file where it stands."""
        name = os.path.abspath(target)  # noqa: PTH100 (`resolve` follows links)
        folder = os.path.dirname(name)  # noqa: PTH120 (of millions of texts)
        last, folds = self._last
        if folder != last:
            folds = self._is_folded(target.parent)
            self._last = folder, folds
        return _folded(name) if folds else name

    def shared_key(self, job: Job, target: Path) -> str:
        """Return ``key`` below the folder of all results, which machines may call differently."""
        name = (job.relative.parent / target.name).as_posix()
        return _folded(name) if self._is_folded(target.parent) else name

    def _is_folded(self, folder: Path) -> bool:
        """Tell whether a folder, or the first above it that exists, takes A and a for one name."""
        while not folder.is_dir() and folder != folder.parent:
            folder = folder.parent
        where = str(folder)
        if where not in self._folded:
            if len(self._folded) > 1000:
                self._folded.clear()
            self._folded[where] = (_folds if self.probes else _seems_folded)(folder)
        return self._folded[where]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _folds(folder: Path) -> bool:
    name = f".koalarize-Aa{secrets.token_hex(6)}.part"
    probe = folder / name
    try:
        with probe.open("xb"):
            return (folder / name.swapcase()).exists()
    except OSError:
        return os.name == "nt"
    finally:
        with suppress(OSError):  # a file system that is only read refuses this too
            probe.unlink(missing_ok=True)


def _seems_folded(folder: Path) -> bool:
    """Tell the same without a file of our own, by a name that is there, or the folder's own."""
    with suppress(OSError), os.scandir(folder) as entries:
        paths = (Path(entry.path) for entry in islice(entries, _LOOKED_AT))
        for path in (*paths, folder.absolute()):
            other = path.parent / path.name.swapcase()
            if other != path:
                return os.path.lexists(other) and other.samefile(path)
    return os.name == "nt"
