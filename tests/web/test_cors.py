"""Pages of other origins that were let in: what they may do, and that nobody else may."""

from __future__ import annotations

import pytest

from koalarize.cli import main
from koalarize.errors import OptionError
from koalarize.web.cors import checked_origin
from rest import API, client, picture, problem

PAGE, SECRET = "https://photos.example", "geheim geheim geheim"
CROSS = {"origin": PAGE, "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}
ASKED = {**CROSS, "access-control-request-method": "POST"}


def test_a_page_that_was_let_in():
    with client(origins=(PAGE,)) as opened:
        said = opened.post(f"{API}/photos", content=picture(), headers=CROSS)
        assert said.status_code == 201
        assert said.headers["access-control-allow-origin"] == PAGE
        assert said.headers["cross-origin-resource-policy"] == "cross-origin"
        shown = said.headers["access-control-expose-headers"].split(", ")
        assert {"location", "content-range"} <= set(shown)
        assert "access-control-allow-credentials" not in said.headers
        assert said.headers["vary"] == "origin"
        failed = opened.post(f"{API}/photos", content=b"no", headers=CROSS)
        problem(failed, 415, "not-a-picture")
        assert failed.headers["access-control-allow-origin"] == PAGE


def test_its_browser_asks_first():
    with client(origins=(PAGE,), token=SECRET) as opened:
        said = opened.options(f"{API}/photos", headers=ASKED)
        assert said.status_code == 204
        assert "POST" in said.headers["access-control-allow-methods"]
        assert "authorization" in said.headers["access-control-allow-headers"]
        assert "range" in said.headers["access-control-allow-headers"].split(", ")


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://photos.example", f"{PAGE}:8443", "null"]
)
def test_others_are_not(origin):
    with client(origins=(PAGE,)) as opened:
        other = {**CROSS, "origin": origin}
        said = opened.post(f"{API}/photos", content=picture(), headers=other)
        problem(said, 403, "other-origin")
        assert "access-control-allow-origin" not in said.headers
        assert said.headers["vary"] == "origin"
        asked = opened.options(f"{API}/photos", headers={**ASKED, "origin": origin})
        assert asked.status_code != 204
        hidden = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
        problem(opened.get(f"{API}/health", headers=hidden), 403, "other-origin")


def test_it_brings_the_token_itself_and_no_cookie():
    with client(origins=(PAGE,), token=SECRET) as opened:
        opened.get("/", params={"token": SECRET}, follow_redirects=False)
        assert opened.get(f"{API}/models").is_success  # the cookie, of our own page
        said = opened.get(f"{API}/models", headers=CROSS)
        problem(said, 401, "token-needed", "Bearer")
        assert said.headers["access-control-allow-origin"] == PAGE
        brought = {**CROSS, "authorization": f"Bearer {SECRET}"}
        assert opened.get(f"{API}/models", headers=brought).is_success


def test_a_foreign_host_name_stays_foreign():
    with client(origins=(PAGE,)) as opened:
        headers = {**CROSS, "host": "evil.example"}
        problem(opened.get(f"{API}/models", headers=headers), 421, "other-host")


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://photos.example/", PAGE),
        ("HTTPS://Photos.Example:443", PAGE),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ],
)
def test_origins(text, origin):
    assert checked_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    ["*", "photos.example", "https://", "https://a/b", "ftp://a", "https://u@a", "http://a:x"],
)
def test_what_is_none(text, capsys):
    with pytest.raises(OptionError, match="must be a scheme and a host"):
        checked_origin(text)
    assert main(["serve", "--cors-origin", text]) == 2
    assert "must be a scheme and a host" in capsys.readouterr().err
