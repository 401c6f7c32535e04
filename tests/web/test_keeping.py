"""How long photos stay, and what is left of them: on the clock, after a kill, on a full disk."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from koalarize.web.studio.folder import Folder, sweep
from rest import API, client, picture, problem, studio_of

HOLD = """
import sys, time
from koalarize.web.studio.folder import Folder
folder = Folder("photos")
(folder.path / "photos" / "photo").write_bytes(b"secret")
print(folder.path, flush=True)
time.sleep(60)
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def until(true, seconds=5.0):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


class TestExpiry:
    def test_by_a_clock(self):
        with client(expiry=0.1) as opened:
            assert opened.post(f"{API}/photos", content=picture()).is_success
            folder = studio_of(opened.app).photos._folder
            assert list(folder.iterdir())
            assert until(lambda: not list(folder.iterdir()))

    def test_a_page_that_was_closed(self):
        with client(grace=0.2) as opened:
            places = [
                opened.post(f"{API}/photos", content=picture(9, 9 + number)).json()["id"]
                for number in range(2)
            ]
            said = opened.post(f"{API}/photos/leave", json={"ids": [*places, "0" * 64]})
            assert said.status_code == 204
            assert opened.get(f"{API}/photos/{places[0]}").is_success  # it was a reload
            assert until(lambda: opened.get(f"{API}/health").json()["photos"] == 1)
            time.sleep(0.3)
            assert opened.get(f"{API}/photos/{places[0]}").is_success
            problem(opened.get(f"{API}/photos/{places[1]}"), 404, "not-found")

    @pytest.mark.parametrize("ids", [None, ["x"], ["0" * 64] * 1001])
    def test_wrong_ids(self, service, ids):
        problem(service.post(f"{API}/photos/leave", json={"ids": ids}), 422, "not-allowed")


@pytest.mark.skipif(os.name != "posix", reason="folders cannot be locked there")
class TestLeftovers:
    def test_a_killed_service_leaves_nothing_for_long(self, temporary):
        words = [sys.executable, "-c", HOLD]
        environment = {**os.environ, "TMPDIR": str(temporary)}
        holder = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            assert holder.stdout is not None
            left = Path(holder.stdout.readline().strip())
            assert left.parent == temporary
            os.utime(left, (0, 0))
            sweep("photos")
            assert (left / "photos" / "photo").exists()  # its owner lives
        finally:
            holder.send_signal(signal.SIGKILL)
            holder.wait()
        assert (left / "photos" / "photo").exists()
        folder = Folder("photos")
        assert list(temporary.iterdir()) == [folder.path]
        folder.remove()
        assert list(temporary.iterdir()) == []

    def test_only_folders_of_its_own(self, temporary):
        (temporary / "koalarize-photos-file").write_text("")
        elsewhere = temporary / "elsewhere"
        elsewhere.mkdir()
        (temporary / "koalarize-photos-new").mkdir()  # not locked yet
        (elsewhere / "photo").write_text("")
        (temporary / "koalarize-photos-link").symlink_to(elsewhere)
        sweep("photos")
        assert len(list(temporary.iterdir())) == 4
        assert (elsewhere / "photo").exists()

    def test_a_folder_that_a_person_named_alike_stays(self, temporary):
        mine = temporary / "koalarize-photos-of-oma"
        (mine / "photos").mkdir(parents=True)
        (mine / "oma.jpg").write_bytes(b"hers")
        os.utime(mine, (0, 0))
        sweep("photos")
        assert (mine / "oma.jpg").exists()
        (mine / "oma.jpg").unlink()
        os.utime(mine, (0, 0))
        sweep("photos")
        assert not mine.exists()


class TestClearedMeanwhile:
    """What clears temporary files does not ask whether a service still uses them."""

    def test_a_photo_whose_file_went_can_be_sent_again(self, service):
        sent = picture(31, 17)
        known = service.post(f"{API}/photos", content=sent).json()["id"]
        photos = studio_of(service.app).photos
        (photos._folder / known).unlink()
        photos._opened.clear()
        asked = f"{API}/photos/{known}/preview"
        problem(service.post(asked, json={}), 404, "not-found", "upload it again")
        assert service.post(f"{API}/photos", content=sent).status_code == 200
        assert service.post(asked, json={}).status_code == 200

    @pytest.mark.skipif(os.name != "posix", reason="folders cannot be locked there")
    def test_the_folder_comes_again_its_owners_alone_and_is_not_swept(self, temporary):
        with client() as opened:
            (folder,) = temporary.iterdir()
            shutil.rmtree(folder)
            assert opened.post(f"{API}/photos", content=picture()).status_code == 201
            assert list(temporary.iterdir()) == [folder]
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            os.utime(folder, (0, 0))
            sweep("photos", "films")
            assert len(list((folder / "photos").iterdir())) == 1
        assert list(temporary.iterdir()) == []

    @pytest.mark.skipif(os.name != "posix", reason="folders cannot be locked there")
    def test_nothing_is_written_into_a_folder_that_somebody_else_put_there(self, temporary):
        with client() as opened:
            (folder,) = temporary.iterdir()
            folder.rename(temporary / "mine")
            folder.mkdir()
            problem(opened.post(f"{API}/photos", content=picture()), 507, "no-room")
            assert list(folder.iterdir()) == []

    def test_the_clock_goes_on_though_a_folder_went(self):
        with client(expiry=0.1) as opened:
            studio = studio_of(opened.app)
            shutil.rmtree(studio.films._folder)
            assert until(studio.films._folder.is_dir)
            assert opened.post(f"{API}/photos", content=picture()).is_success
            assert until(lambda: not list(studio.photos._folder.iterdir()))


class TestFullDisk:
    def test_a_sentence_and_nothing_left(self, monkeypatch):
        def full(self, data):
            with self.open("wb") as file:
                file.write(data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

        with client() as opened:
            with monkeypatch.context() as patched:
                patched.setattr(Path, "write_bytes", full)
                said = opened.post(f"{API}/photos", content=picture())
            problem(said, 507, "no-room", "free some")
            assert list(studio_of(opened.app).photos._folder.iterdir()) == []
            assert opened.post(f"{API}/photos", content=picture()).status_code == 201
