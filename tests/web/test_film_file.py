"""The file of a coloured film: parts of it, and what is asked of it wrongly."""

from __future__ import annotations

import asyncio
import logging

import pytest
from starlette.testclient import TestClient

from koalarize.web.studio.film_file import FilmFile
from koalarize.web.studio.strict import Head
from rest import API, client, problem

CONTENT = bytes(range(256)) * 1000  # four pieces as they are read


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "film.mp4"
    file.write_bytes(CONTENT)
    return file


@pytest.fixture
def film(path):
    return TestClient(Head(FilmFile(path)))


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=70000-", 70000, 256000),
        ("bytes=0-9", 0, 10),
        ("bytes=5-5", 5, 6),
        ("Bytes= 5-6 ", 5, 7),
        ("bytes=-5", 255995, 256000),
    ],
)
def test_a_download_that_broke_off_goes_on(film, asked, start, stop):
    answer = film.get("/", headers={"range": asked})
    assert answer.status_code == 206
    assert answer.content == CONTENT[start:stop]
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/256000"


@pytest.mark.parametrize(
    "asked", ["bytes=a-b", "lines=1-2", "bytes=9-5", "bytes=-", "bytes=", "x", "bytes=--5"]
)
def test_what_is_no_range_counts_as_none(film, asked):
    answer = film.get("/", headers={"range": asked})
    assert answer.status_code == 200
    assert answer.content == CONTENT


def test_a_part_behind_the_end_is_a_problem(film):
    answer = film.get("/", headers={"range": "bytes=256000-"})
    problem(answer, 416, "no-such-part", "ends before")
    assert answer.headers["content-range"] == "bytes */256000"


def test_head_reads_nothing_of_the_file(path):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request"}

    scope = {"type": "http", "method": "HEAD", "headers": [], "asgi": {"spec_version": "2.4"}}
    asyncio.run(Head(FilmFile(path))(scope, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert (b"content-length", b"256000") in sent[0]["headers"]


def test_the_log_names_what_head_asked_for(caplog):
    with client() as service, caplog.at_level(logging.INFO, "koalarize"):
        service.head(f"{API}/health")
    assert "method=HEAD route=/health status=200" in caplog.text
