"""The service as a well-behaved HTTP server: HEAD, Allow, Accept, query keys, whole numbers."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from rest import API, image_of, place_of, problem


@pytest.mark.parametrize("path", ["/", f"{API}/health", f"{API}/models", f"{API}/openapi.json"])
def test_head_where_get_is(service, path):
    got, headed = service.get(path), service.head(path)
    assert headed.status_code == 200
    assert headed.content == b""
    assert headed.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (f"{API}/photos/{'0' * 64}", "DELETE, GET, HEAD"),
        (f"{API}/photos", "POST"),
        (f"{API}/health", "GET, HEAD"),
        ("/static/js/main.js", "GET, HEAD"),
    ],
)
def test_allow_is_complete(service, path, allowed):
    said = service.patch(path)
    problem(said, 405, "method-not-allowed", f"`PATCH` is not for this address: it takes {allowed}")
    assert said.headers["allow"] == allowed
    if "GET" not in allowed:
        assert service.head(path).headers["allow"] == allowed


def test_an_address_of_its_own_allows_nothing_that_is_for_ids(service):
    for method in ("GET", "HEAD", "DELETE", "PATCH"):
        answer = service.request(method, f"{API}/photos/leave")
        assert answer.status_code == 405, method
        assert answer.headers["allow"] == "POST"


class TestCompressed:
    """The client takes gzip and reads it, as browsers do."""

    @pytest.mark.parametrize(
        "path", ["/", "/static/js/main.js", "/static/css/base.css", f"{API}/openapi.json"]
    )
    def test_what_the_page_is_made_of_is_sent_compressed(self, service, path):
        plain = service.get(path, headers={"accept-encoding": "identity"})
        said = service.get(path, headers={"accept-encoding": "br;q=1, gzip; q=0.5"})
        assert said.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert said.headers["vary"] == plain.headers["vary"] == "accept-encoding"
        assert said.content == plain.content
        assert int(said.headers["content-length"]) < 0.5 * int(plain.headers["content-length"])
        assert service.head(path).headers["content-length"] == said.headers["content-length"]

    def test_one_that_is_known_is_not_sent_again(self, service):
        said = service.get("/static/js/main.js")
        known = {"if-none-match": said.headers["etag"]}
        assert said.headers["etag"].startswith("W/")
        assert service.get("/static/js/main.js", headers=known).status_code == 304

    @pytest.mark.parametrize(
        ("path", "headers"),
        [
            ("/static/js/main.js", {"accept-encoding": "gzip;q=0, identity"}),
            ("/static/js/main.js", {"accept-encoding": "gzip", "range": "bytes=0-4999"}),
            ("/static/examples/coffee.jpg", {"accept-encoding": "gzip"}),
            (f"{API}/health", {"accept-encoding": "gzip"}),
        ],
    )
    def test_what_must_not_or_need_not_be_is_not(self, service, path, headers):
        assert "content-encoding" not in service.get(path, headers=headers).headers


def test_unknown_query_keys(service, photo, exif):
    said = service.post(f"{API}/photos?nane=a.jpg", content=exif)
    problem(said, 422, "not-allowed", "`nane` is no parameter of this address")
    assert "name" in said.json()["detail"]
    problem(service.get(f"{API}/health?x=1"), 422, "not-allowed", "it has none")
    problem(service.post(f"{photo}/preview?side=3", json={}), 422, "not-allowed", "side")
    twice = service.post(f"{API}/colorize?warmth=0.1&warmth=0.2", content=exif)
    problem(twice, 422, "not-allowed", "`warmth` is given 2 times")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("image/png", "PNG"),
        ("image/png;q=0.5, image/webp", "WEBP"),
        ("image/png, */*;q=0.1", "JPEG"),
        ("image/avif, image/*", "JPEG"),
    ],
)
def test_accept_chooses_the_format(service, photo, exif, accept, kind):
    headers = {"accept": accept}
    one = service.post(f"{API}/colorize", content=exif, headers=headers)
    assert image_of(one).format == kind
    assert one.headers["content-type"] == f"image/{kind.lower()}"
    assert image_of(service.post(f"{photo}/render", json={}, headers=headers)).format == kind


def test_what_is_asked_in_words_goes_before_accept(service, exif):
    headers = {"accept": "image/png"}
    said = service.post(f"{API}/colorize?format=webp", content=exif, headers=headers)
    assert image_of(said).format == "WEBP"


def test_nothing_acceptable(service, photo, exif):
    headers = {"accept": "image/avif, text/html"}
    said = service.post(f"{API}/colorize", content=exif, headers=headers)
    problem(said, 406, "not-acceptable", "image/png")
    problem(service.post(f"{photo}/render", json={}, headers=headers), 406, "not-acceptable")


def test_whole_numbers_with_a_point(service, photo):
    asked = {"side": 35.0, "steering": {"alternative": 1.0}}
    assert image_of(service.post(f"{photo}/preview", json=asked)).size == (35, 25)
    problem(service.post(f"{photo}/preview", json={"side": 35.5}), 422, "not-allowed", "side")
    problem(service.post(f"{photo}/preview", json={"side": "35"}), 422, "not-allowed", "side")
    assert service.post(f"{photo}/region", json={"x": 1.0, "width": 9.0}).is_success


def test_an_upload_lies_below_the_address_that_was_asked(service, exif):
    """A proxy may have put a path before it, which the service does not know."""
    said = service.post(f"{API}/photos?name=a.jpg", content=exif)
    assert said.headers["location"] == f"photos/{said.json()['id']}"
    assert service.get(place_of(said)).json()["name"] == "a.jpg"


def test_a_slash_too_many_leads_nowhere_else(service, exif):
    """A redirect would name an address without the proxy's path, and without its TLS."""
    problem(service.post(f"{API}/photos/", content=exif), 404, "not-found")


@pytest.mark.parametrize("body", [b"", b"x=1", b"[]"])
def test_a_body_that_is_no_object_is_said_without_pythons_words(service, photo, body):
    kind = "application/json" if body == b"[]" else "application/x-www-form-urlencoded"
    said = service.post(f"{photo}/preview", content=body, headers={"content-type": kind})
    problem(said, 422, "not-allowed", "the body must be a JSON object: send one as")


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"[" * 100_000, 400, "nested too deeply: send the object"),
        (b'{"side": ' + b"9" * 5000 + b"}", 400, "more digits than can be read"),
        ('{"steering": {"model": "\xe9"}}'.encode("latin-1"), 400, "not in UTF-8"),
        (b'{"side": 100, "side": 200}', 422, "`side` stands twice"),
        (b'{"steering": {"hints": [{"x": 1, "x": 2, "y": 3}]}}', 422, "`x` stands twice"),
    ],
)
def test_json_that_cannot_be_taken_as_it_stands_is_said_in_words(
    service, photo, body, status, word
):
    headers = {"content-type": "application/json"}
    said = service.post(f"{photo}/preview", content=body, headers=headers)
    problem(said, status, "bad-request" if status == 400 else "not-allowed", word)


def test_a_list_that_is_too_long_is_said_without_pydantics_words(service, photo):
    hints = [{"x": 1, "y": 1, "color": "#fff"}] * 201
    said = service.post(f"{photo}/preview", json={"steering": {"hints": hints}})
    problem(said, 422, "not-allowed", "must have at most 200 items, not 201")


def test_the_description_names_the_token(service):
    document = service.get(f"{API}/openapi.json").json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert document["security"] == [{"token": []}, {}]


def test_notes_stand_in_a_header(service):
    frames = [Image.new("L", (40, 30), level) for level in (90, 120, 150)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "TIFF", save_all=True, append_images=frames[1:])
    said = service.post(f"{API}/colorize", content=buffer.getvalue())
    note = "page 1 of 3: the others are left out"
    assert json.loads(said.headers["koalarize-notes"]) == [note]
    id = service.post(f"{API}/photos", content=buffer.getvalue()).json()["id"]
    said = service.post(f"{API}/photos/{id}/render", json={"format": "png"})
    assert json.loads(said.headers["koalarize-notes"]) == [note]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG")
    said = service.post(f"{API}/colorize", content=buffer.getvalue())
    assert "koalarize-notes" not in said.headers
