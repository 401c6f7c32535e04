"""Films over HTTP: shots, a frame of each, colouring with progress, the list, the limits."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import threading
import time

import pytest
from PIL import Image

pytest.importorskip("av", reason="needs the extra `video`")
pytest.importorskip("cv2", reason="needs the extra `video`")


from fakes import FakeEngine
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import FilmError, OutputError
from koalarize.film.film import color_film
from koalarize.film.options import FilmOptions
from koalarize.web.studio import film_work
from rest import API, client, film_of, place_of, problem, studio_of

HINTED = {"hints": [{"x": 30, "y": 24, "color": "#2040ff"}], "vividness": 1.2}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return film_of(tmp_path_factory.mktemp("films") / "film.mp4")


def models():
    return {"koala": lambda: Colorizer(FakeEngine())}


@pytest.fixture(scope="module")
def served():
    with client(models=models()) as opened:
        yield opened


def until(service, at, ready):
    for _ in range(600):
        info = service.get(at).json()
        if ready(info):
            return info
        time.sleep(0.05)
    raise AssertionError(info)


def uploaded(service, data, name="oma.mp4"):
    sent = service.post(f"{API}/films?name={name}", content=data)
    assert sent.status_code in (200, 201), sent.text
    assert sent.headers["location"] == f"films/{sent.json()['id']}"
    at = place_of(sent)
    return at, until(service, at, lambda info: info["state"] != "looking")


def test_a_film_is_coloured_as_its_list_says(served, data, tmp_path):
    at, info = uploaded(served, data)
    assert (info["width"], info["height"], info["more"]) == (64, 48, 0)
    assert [(one["start"], one["stop"]) for one in info["shots"]] == [(0, 0.64), (0.64, 1.12)]
    assert served.post(f"{API}/films", content=data).status_code == 200
    picture = Image.open(io.BytesIO(served.get(f"{at}/shots/1/frame").content))
    assert (picture.size, picture.mode) == ((64, 48), "L")
    problem(served.get(f"{at}/file"), 404, "not-found", "not coloured yet")

    asked = {"shots": [{"number": 1, "steering": HINTED}]}
    begun = served.post(f"{at}/render", json=asked)
    assert begun.status_code == 202, begun.text
    done = until(served, at, lambda info: info["render"]["state"] in ("done", "failed"))
    assert (done["render"]["state"], done["render"]["done"]) == ("done", 28), done["render"]
    made = served.get(f"{at}/file")
    assert 'filename="oma.color.mp4"' in made.headers["content-disposition"]

    listed = served.post(f"{at}/list", json=asked)
    assert 'filename="oma.shots.json"' in listed.headers["content-disposition"]
    (hint,) = listed.json()["shots"][1]["hints"]
    assert (hint["x"], hint["y"], hint["color"]) == (30, 24, "#2040ff")
    source, shots = tmp_path / "oma.mp4", tmp_path / "oma.shots.json"
    source.write_bytes(data)
    shots.write_bytes(listed.content)
    same = color_film(Colorizer(FakeEngine()), source, options=FilmOptions(shots=shots))
    assert same.path.read_bytes() == made.content

    again = served.post(f"{at}/render", json=asked)
    assert again.status_code == 202
    until(served, at, lambda info: info["render"]["state"] == "done")
    assert served.get(f"{at}/file").content == made.content
    assert served.delete(at).status_code == 204
    problem(served.get(at), 404, "not-found", "upload it again")


def test_a_colouring_can_be_cancelled(data, tmp_path):
    class Slow(FakeEngine):
        def run(self, lightness, hints=None):
            time.sleep(0.2)
            return super().run(lightness, hints)

    with client(models={"koala": lambda: Colorizer(Slow())}) as service:
        at, _ = uploaded(service, film_of(tmp_path / "long.mp4", ((3, 40), (8, 40))))
        assert service.post(f"{at}/render", json={}).status_code == 202
        problem(service.post(f"{at}/render", json={}), 409, "working", "being coloured")
        assert service.delete(f"{at}/render").status_code == 204
        ended = until(service, at, lambda info: info["render"]["state"] != "running")
        assert ended["render"]["state"] == "cancelled"
        problem(service.get(f"{at}/file"), 404, "not-found")


@pytest.mark.parametrize(
    ("content", "status", "slug", "word"),
    [
        (b"", 415, "not-a-film", "is empty"),
        (b"no film at all " * 40, 415, "not-a-film", "oma.mp4"),
        (b"#EXTM3U\n#EXTINF:9,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n", 415, "not-a-film", ""),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", 415, "not-a-film", ""),
    ],
)
def test_what_is_no_film(served, content, status, slug, word):
    said = problem(served.post(f"{API}/films?name=oma.mp4", content=content), status, slug, word)
    assert "/tmp" not in said["detail"]
    assert "hostname" not in said["detail"]


def test_limits_of_films(data):
    with client(models=models(), max_film=1000) as service:
        problem(service.post(f"{API}/films", content=data), 413, "too-large", "1,000 bytes")
        chunks = iter([data[:900], data[900:]])
        problem(service.post(f"{API}/films", content=chunks), 413, "too-large")
    with client(models=models(), grace=0.05) as service:
        at, info = uploaded(service, data)
        service.post(f"{API}/photos/leave", json={"ids": [info["id"]]})
        time.sleep(0.3)
        problem(service.get(at), 404, "not-found")


@pytest.mark.parametrize(
    ("asked", "status", "word"),
    [
        ({"shots": [{"number": 7, "steering": {}}]}, 404, "has no shot 7"),
        ({"shots": [{"number": 0, "steering": {"turn": 90}}]}, 422, "`turn` is for pictures"),
        ({"shots": [{"number": 0, "steering": {"model": "other"}}]}, 422, "one model"),
        ({"shots": [{"number": 0, "steering": {}}] * 2}, 422, "stands twice"),
        ({"speed": 3}, 422, "speed"),
    ],
)
def test_what_cannot_be_asked(served, data, asked, status, word):
    at, _ = uploaded(served, data)
    answer = served.post(f"{at}/list", json=asked)
    assert answer.status_code == status, answer.text
    assert word in answer.json()["detail"]


@pytest.mark.parametrize(
    ("work", "method", "path"),
    [
        ("frame_of", "GET", "shots/0/frame"),
        ("list_of", "POST", "list"),
        ("list_of", "POST", "render"),
        ("target_of", "POST", "render"),
    ],
)
@pytest.mark.parametrize("error", [FilmError, OutputError])
def test_no_error_tells_where_a_film_lies(served, data, monkeypatch, work, method, path, error):
    at, info = uploaded(served, data)
    film = studio_of(served.app).films.get(info["id"])
    target, threads = film.file.with_name(f"{film.id}.color.mp4"), []

    def broken(*_):
        threads.append(threading.current_thread().name)
        raise error(f"`{film.file}` cannot become `{target}` in `{target.parent}`")

    monkeypatch.setattr(film_work, work, broken)
    body = {"json": {}} if method == "POST" else {}
    said = problem(served.request(method, f"{at}/{path}", **body), 422, "not-allowed")
    assert said["detail"] == "`oma.mp4` cannot become `oma.color.mp4` in `the service's folder`"
    assert threads[0].startswith("studio")  # beside the loop, which has time for others


def test_without_the_extra_there_is_a_sentence(served, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "koalarize.film.film", None)
    other = data + b"\0"
    problem(served.post(f"{API}/films", content=other), 501, "not-installed", "koalarize[video]")


def test_a_film_that_goes_leaves_a_photo_of_the_same_bytes(data):
    with client(models=models()) as service:
        photo = studio_of(service.app).photos._folder / hashlib.sha256(data).hexdigest()
        photo.write_bytes(data)
        at, _ = uploaded(service, data)
        assert service.delete(at).status_code == 204
        assert photo.exists()


def test_nothing_of_a_film_stays(data):
    with client(models=models()) as service:
        folder = studio_of(service.app).films._folder
        at, _ = uploaded(service, data)
        assert any(folder.iterdir())
        service.delete(at)
        assert json.dumps([path.name for path in folder.iterdir()]) == "[]"
