"""Results that only the journal can know are made in a folder of their own, noted, then named.

Not here: which results they are (``run``), what follows from the note (``standing``). A run that is
killed leaves a result that the journal knows by its bytes, or none: what else stands under the name
is a person's. Results that replace something, and comparisons, are made here too: what they replace
is judged again just before they get their names.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import shutil
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from koalarize.batch.compare import compare_path, write_comparison
from koalarize.batch.journal import Stamp
from koalarize.batch.standing import REFUSALS, Judge, KeptError
from koalarize.errors import OutputError
from koalarize.photo.files import advice, check_output, is_left, part_of, put_in_place

if TYPE_CHECKING:
    from koalarize.batch.plan import BatchOptions, Task
    from koalarize.colorizer.colorizer import Colored

__all__ = ["Stage", "keep_times", "sweep_stages"]

_END = ".parts"


@dataclass(frozen=True)
class Stage:
    """Where a result is made that only its journal can know, or that replaces something.

    Attributes:
        judge: has the journal.
        task: the picture, and where its result goes.
        options: what is asked of files.
    """

    judge: Judge
    task: Task
    options: BatchOptions

    def colored(self, color: Callable[[Task], Colored], of: Stamp | None) -> Colored:
        """Colour the picture, note the result's bytes durably, give them their name.

        A comparison gets its name first: a killed run leaves no result with an older one.

        Args:
            color: from ``run.coloring``.
            of: the picture's stamp, if it is a file.

        Raises:
            PhotoError: if the picture cannot be read.
            OutputError: if the result cannot be written, or something stands there that may not be
                replaced; if the journal cannot be used.
        """
        task, sheet = self.task, compare_path(self.task.target)
        self._check()
        with self._folder() as folder:
            place, drawn = folder / task.target.name, folder / sheet.name
            try:
                made = color(dataclasses.replace(task, target=place, overwrite=True))
                if task.compare:
                    write_comparison(place, drawn)
            except OutputError as error:
                text = str(error).replace(str(place), str(task.target))
                raise OutputError(text.replace(str(drawn), str(sheet))) from error
            keep_times(task, place, self.options)
            named = [(drawn, sheet)] * task.compare + [(place, task.target)]
            if of is not None:
                for path, name in named:
                    self.judge.announce(task.source, name, of, Stamp.of(path, hashed=True))
            for path, name in named if self._check() else named[-1:]:  # it may have appeared
                with self._writing(name):
                    put_in_place(path, name)
        return dataclasses.replace(made, path=task.target)

    def _check(self) -> bool:
        """Check that nothing of a person's is replaced; tell whether a comparison is written."""
        task, options = self.task, self.options
        check_output(task.target, source=task.source, overwrite=task.overwrite)
        if task.overwrite and not options.overwrite:
            self.judge.check(task.source, task.target)
        if not task.compare or (options.compare and options.overwrite):
            return task.compare
        found = self.judge.comparison(task.source, task.target)
        if options.compare and found in REFUSALS:
            raise KeptError(found, compare_path(task.target))
        return found not in REFUSALS

    @contextlib.contextmanager
    def _folder(self) -> Generator[Path]:
        """Make a folder beside the result; another run has another for the same result."""
        target = self.task.target
        folder = target.with_name(f"{part_of(os.getpid())}{secrets.token_hex(6)}{_END}")
        try:
            with self._writing(target):
                folder.mkdir()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def _writing(self, target: Path) -> Generator[None]:
        """Raise the error of a result that cannot be written."""
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"`{target}` cannot be written ({error.strerror or error}): "
                f"{advice(target, error.errno)}."
            ) from error


def keep_times(task: Task, path: Path, options: BatchOptions) -> None:
    """Give a result the times of its picture, if that is asked for.

    Raises:
        OSError: if that cannot be done.
    """
    if options.keep_times:
        facts = task.source.stat()
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def sweep_stages(folder: Path) -> None:
    """Remove what killed runs have left in a folder, see ``is_left``."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name.endswith(_END) and is_left(entry):
                shutil.rmtree(entry.path, ignore_errors=True)
