"""Whether a person can tell: page."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from koalarize.errors import OptionError, OutputError
from koalarize.lab.study import session as sessions
from koalarize.lab.study.session import read_record
from koalarize.lab.study.study import Options, Study, begin_or_resume
from koalarize.web import server
from koalarize.web.study_page.app import create_app
from turing_parts import HOST, MODELS, SHORT, give, key_of, open_trial, pixels_of


def test_a_whole_session(client, study, tmp_path):
    assert client.get("/api/state").json() == {
        "mode": "single",
        "seconds": 1.0,
        "size": 96,
        "person": None,
        "practice": 4,
        "answered": 0,
        "total": 7,
        "finished": False,
        "file": "s.json",
    }
    for index, trial in enumerate(read_record(tmp_path / "s.json").practice):
        opened = open_trial(client, practice=True)
        wrong = {"real": "recoloured", "recoloured": "real"}[trial.truth]
        told = give(client, opened["trial"], wrong if index == 2 else trial.truth).json()
        assert told["correct"] is (index != 2)
        assert told["truth"] == trial.truth
        assert told["answered"] == 0
    for index, truth in enumerate(key_of(tmp_path / "s.json")):
        assert client.get("/api/results").status_code == 409
        opened = open_trial(client)
        answer = "real" if index == 0 else truth
        told = give(client, opened["trial"], answer).json()
        assert told == {**client.get("/api/state").json(), "answered": index + 1}
    assert told["finished"] is True
    assert client.post("/api/next", json={}).status_code == 409
    results = client.get("/api/results").json()
    assert results == study.results().to_dict() | {
        "models": results["models"],
        "people": results["people"],
        "real_judged_real": results["real_judged_real"],
        "catch": results["catch"],
    }
    assert results["catch"]["rate"] == 1.0
    assert results["real_judged_real"]["n"] == 3
    assert [answer.reaction_ms for answer in read_record(tmp_path / "s.json").answers] == [500] * 7


def test_nothing_tells_the_answer_before_it_is_given(client, tmp_path):
    words = ("real", "recoloured", "catch", "fake", ".png", "ab" * 8)
    headers = {"real": set(), "recoloured": set()}
    tokens = set()
    for truth in key_of(tmp_path / "s.json"):
        opened = open_trial(client)
        assert set(opened) == {"trial", "pictures"}
        assert all(re.fullmatch(r"[\w-]{22}", t) for t in (opened["trial"], *opened["pictures"]))
        tokens |= {opened["trial"], *opened["pictures"]}
        state = client.get("/api/state")
        picture = client.get(f"/picture/{opened['pictures'][0]}")
        assert picture.status_code == 200
        headers[truth].add(tuple(sorted(picture.headers.items())))
        for response in (state, picture):
            told = str(response.headers).lower() + (response.text if response is state else "")
            assert not [word for word in words if word in told.replace("image/png", "")]
        assert not [word.encode() for word in words if word.encode() in picture.content]
        told = give(client, opened["trial"], "real")
        assert "correct" not in told.json()
        assert "truth" not in told.text
    assert len(tokens) == 14
    assert headers["real"] == headers["recoloured"]
    assert len(headers["real"]) == 1  # ... among them the length and `no-store`
    assert ("cache-control", "no-store") in next(iter(headers["real"]))


def test_the_page_itself_holds_no_key_and_loads_nothing_from_elsewhere(client):
    for address in ("/", "/page.css", "/page.js"):
        response = client.get(address)
        assert response.status_code == 200
        assert response.headers["content-security-policy"] == server.CONTENT_POLICY
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        outside = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", response.text)
        assert [address for address in outside if "www.w3.org" not in address] == []
    for address in ("/docs", "/openapi.json", "/s.json", "/../s.json", "/picture/", "/plan.py"):
        assert client.get(address).status_code == 404


def test_a_picture_is_given_once_and_only_while_its_trial_is_open(client):
    first = open_trial(client)
    address = f"/picture/{first['pictures'][0]}"
    assert client.get(address).status_code == 200
    assert client.get(address).status_code == 404
    second = open_trial(client)
    third = open_trial(client)
    assert client.get(f"/picture/{second['pictures'][0]}").status_code == 404
    assert client.get(f"/picture/{third['pictures'][0]}").status_code == 200


def test_a_trial_shown_again_is_counted_as_such(client, tmp_path):
    old = open_trial(client)
    new = open_trial(client)
    refused = give(client, old["trial"], "real")
    assert refused.status_code == 409
    assert "went on in another window" in refused.json()["error"]
    assert give(client, new["trial"], "real").status_code == 200
    assert give(client, new["trial"], "real").status_code == 409  # sent twice
    (answer,) = read_record(tmp_path / "s.json").answers
    assert answer.views == 2


def test_a_restart_takes_the_answer_of_who_has_seen_the_pictures(folder, colorizers, tmp_path):
    def started():
        session = begin_or_resume(folder, MODELS, SHORT, tmp_path / "s.json")
        study = stack.enter_context(contextlib.closing(Study(session, folder, colorizers)))
        return TestClient(create_app(study), base_url=HOST)

    with contextlib.ExitStack() as stack:
        seen = open_trial(started())["trial"]
        again = started()
        assert give(again, seen, "left").status_code == 409  # no answer of single pictures
        assert give(again, seen, "real").json()["answered"] == 1
        assert give(again, seen, "real").status_code == 409
        (answer,) = read_record(tmp_path / "s.json").answers
        assert answer.views == 1
        second = open_trial(again)["trial"]
        later = started()
        open_trial(later)  # a reload shows the second once more
        assert give(later, second, "real").status_code == 409


@pytest.mark.parametrize(
    "change",
    [
        {"answer": "left"},
        {"answer": ""},
        {"shown_ms": -1},
        {"shown_ms": 1e12},
        {"shown_ms": "soon"},
        {"reaction_ms": None},
        {"interrupted": "perhaps"},
        {"extra": 1},
    ],
)
def test_answers_that_are_none(client, tmp_path, change):
    opened = open_trial(client)
    assert give(client, opened["trial"], **{"answer": "real", **change}).status_code in (409, 422)
    assert read_record(tmp_path / "s.json").answers == ()
    assert give(client, opened["trial"], "real").status_code == 200


def test_pairs_over_http(folder, colorizers, tmp_path):
    options = Options(**{**vars(SHORT), "mode": "pair"})
    session = begin_or_resume(folder, MODELS, options, tmp_path / "p.json")
    with contextlib.closing(Study(session, folder, colorizers)) as study:
        client = TestClient(create_app(study), base_url=HOST)
        for trial in read_record(tmp_path / "p.json").plan:
            opened = open_trial(client)
            left, right = (client.get(f"/picture/{token}").content for token in opened["pictures"])
            assert len(left) == len(right)
            real = np.asarray(Image.open(folder / trial.picture))
            shown = {"left": left, "right": right}
            assert np.array_equal(pixels_of(shown[trial.side]), real)
            assert give(client, opened["trial"], "real").status_code == 409
            give(client, opened["trial"], trial.side)
        assert client.get("/api/results").json()["models"][0]["fooled"]["count"] == 0


def test_a_photo_that_goes_missing(folder, colorizers, tmp_path):
    session = begin_or_resume(folder, MODELS, SHORT, tmp_path / "s.json")
    name = session.record.plan[-1].picture
    backup = (folder / name).read_bytes()
    (folder / name).unlink()
    with contextlib.closing(Study(session, folder, colorizers)) as study:
        client = TestClient(create_app(study), base_url=HOST)
        for _ in session.record.plan[:-1]:
            give(client, open_trial(client)["trial"], "real")
        response = client.post("/api/next", json={})
        assert response.status_code == 500
        assert "does not exist" in response.json()["error"]
        (folder / name).write_bytes(backup)
        assert give(client, open_trial(client)["trial"], "real").json()["finished"]


def test_a_full_disk_keeps_the_trial_open(client, tmp_path, monkeypatch):
    opened = open_trial(client)

    def full(*_, **__):
        raise OutputError("no space left")

    monkeypatch.setattr(sessions, "write_bytes", full)
    response = give(client, opened["trial"], "real")
    assert (response.status_code, response.json()) == (500, {"error": "no space left"})
    monkeypatch.undo()
    assert give(client, opened["trial"], "real").json()["answered"] == 1


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "10.0.0.1"])
def test_a_rebound_name_is_refused(study, host):
    client = TestClient(create_app(study), base_url=HOST)
    for address in ("/", "/api/state", "/page.js"):
        assert client.get(address, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost", "LOCALHOST:80", "[::1]:8765"])
def test_this_machine_by_its_names(study, host):
    client = TestClient(create_app(study), base_url=HOST)
    assert client.get("/api/state", headers={"Host": host}).status_code == 200


def test_other_pages_cannot_answer(client):
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        refused = client.post("/api/next", json={}, headers={"Origin": origin})
        assert refused.status_code == 403
    assert client.post("/api/next", json={}, headers={"Origin": HOST}).status_code in (200, 202)


async def echo(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"etag", b"1")]})
    await send({"type": "http.response.body", "body": b"inside"})


def test_a_token_is_asked_for_once():
    token = server.new_token()
    client = TestClient(server.Guard(echo, token=token), base_url=HOST)
    assert client.get("/").status_code == 401
    assert client.get("/?token=wrong").status_code == 401
    assert client.get("/", headers={"Cookie": "koalarize=wrong"}).status_code == 401
    assert client.get("/", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/", headers={"Authorization": f"Bearer {token}"}).text == "inside"
    moved = client.get(f"/?token={token}", follow_redirects=False)
    assert (moved.status_code, moved.headers["location"]) == (303, "./")
    assert "HttpOnly; SameSite=Strict" in moved.headers["set-cookie"]
    assert client.get("/").text == "inside"
    away = client.get(f"http://127.0.0.1:8765//evil.example?token={token}", follow_redirects=False)
    assert away.headers["location"] == "./evil.example"
    assert server.new_token() != token


def test_all_network_cards_take_addresses_but_no_names():
    client = TestClient(server.Guard(echo, hosts=["0.0.0.0"]), base_url=HOST)
    assert client.get("/", headers={"Host": "192.168.1.7:8765"}).status_code == 200
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 421
    named = TestClient(server.Guard(echo, hosts=["Studio.local"]), base_url=HOST)
    assert named.get("/", headers={"Host": "studio.local:1"}).status_code == 200


def test_a_taken_port(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(OptionError, match=f"port {number} of 127.0.0.1 cannot be used"):
            server.open_socket("127.0.0.1", number)
        monkeypatch.setattr(server, "DEFAULT_PORT", number)
        with server.open_socket("127.0.0.1", None) as free:
            assert free.getsockname()[1] not in (0, number)


@pytest.mark.parametrize("port", [-1, 65536])
def test_no_port(port):
    with pytest.raises(OptionError, match="0 to 65535"):
        server.open_socket("127.0.0.1", port)


def test_no_address_of_this_machine():
    with pytest.raises(OptionError, match=r"use 127\.0\.0\.1|cannot be used"):
        server.open_socket("192.0.2.1", 0)  # a network for documentation, RFC 5737


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_serving_says_where_and_ends_in_order():
    code = (
        "from koalarize.web.server import serve\n"
        "async def app(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 204, 'headers': []})\n"
        "    await send({'type': 'http.response.body'})\n"
        "serve(app, port=0, open_browser=False, announce=lambda a: print(a, flush=True))\n"
        "print('ended')\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        address = run.stdout.readline().strip()
        port = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/", address)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
            line.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert b"204" in line.recv(100)
        run.send_signal(signal.SIGINT)
        assert run.stdout.read() == "ended\n"
        assert run.wait(timeout=20) == 0
