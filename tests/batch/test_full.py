"""A full disk ends a run with one error; what is done is kept, and the next run goes on."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest
from test_whose import DONE, picture, run, told

from fakes import Reddener
from koalarize.batch.full import full_disk
from koalarize.errors import OutputError, PhotoError
from koalarize.photo.files import write_bytes
from koalarize.steering.steering import Steering


class Filling(Reddener):
    """Finds no room for the results of some pictures, as a real write does."""

    def __init__(self, *names: str, code: int = errno.ENOSPC) -> None:
        super().__init__()
        self.names, self.code = names, code
        self.asked: list[str] = []

    def file(self, source, target=None, *given, **named):
        self.asked.append(Path(source).name)
        if Path(source).name in self.names:
            try:
                raise OSError(self.code, "said by the system")
            except OSError as error:
                raise OutputError(f"`{target}` cannot be written") from error
        return super().file(source, target, *given, **named)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("mark", [True, False])
def test_a_full_disk_ends_a_run_and_the_next_one_goes_on(tmp_path, code, mark):
    box, steering = tmp_path / "box", Steering(mark=mark)
    for number in range(40):
        picture(box / f"{number:02}.png")
    red = Filling("01.png", code=code)
    said = r"^there is no space left for `.*01\.color\.png`: make room, then give the same"
    with pytest.raises(OutputError, match=said):
        run(red, box, steering=steering, workers=1)
    assert len(red.asked) < 12
    assert (box / "00.color.png").is_file()
    again = told(run(Reddener(), box, steering=steering, workers=1))
    assert again[0] == DONE
    assert again[-1] == ("colored", "new")
    assert {status for status, _ in again} == {"colored", "skipped"}


def test_other_errors_of_the_disk_are_of_one_picture(tmp_path):
    for name in "abc":
        picture(tmp_path / f"{name}.png")
    outcomes = run(Filling("b.png", code=errno.EIO), tmp_path)
    assert [outcome.status for outcome in outcomes] == ["colored", "failed", "colored"]


def test_what_comes_of_a_full_disk(tmp_path, monkeypatch):
    def full(self, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    of_journal = sqlite3.OperationalError("database or disk is full")
    of_journal.sqlite_errorcode = sqlite3.SQLITE_FULL
    said = OutputError("no space left for the journal")
    said.__cause__ = of_journal
    assert full_disk(said, "a.png") is said
    assert "`a.png`" in str(full_disk(of_journal, "a.png"))
    assert full_disk(PhotoError("a.png is empty"), "a.png") is None
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError) as caught:
        write_bytes(b"", tmp_path / "a.png")
    assert full_disk(caught.value, "a.png") is not None
