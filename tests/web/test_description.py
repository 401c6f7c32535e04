"""The description of the REST API: complete for programs, and a page for people."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from jsonschema import Draft202012Validator

from koalarize import color
from koalarize.steering.wire import SteeringAsked
from koalarize.web.studio.api_page import page
from rest import API, image_of

BYTES = "application/octet-stream"
#: Media types that client generators turn into values.
READ = {"application/json", "application/problem+json", BYTES}


@pytest.fixture(scope="module")
def document(service):
    return service.get(f"{API}/openapi.json").json()


def operations(document):
    return [one for methods in document["paths"].values() for one in methods.values()]


def test_every_endpoint_says_what_it_does(document):
    tags = {tag["name"]: tag["description"] for tag in document["tags"]}
    for one in operations(document):
        assert one["description"], one["operationId"]
        assert not one["description"].startswith(one["summary"])
        assert set(one["tags"]) <= set(tags)


def test_every_answer_has_a_type_that_generators_know(document):
    for one in operations(document):
        for status, response in one["responses"].items():
            kinds = set(response.get("content", {}))
            assert kinds & READ or (not kinds and status == "204"), (one["operationId"], status)


def test_headers_of_answers(document):
    by_name = {one["operationId"]: one["responses"] for one in operations(document)}
    assert "Location" in by_name["uploadPhoto"]["201"]["headers"]
    assert "Content-Disposition" in by_name["renderPhoto"]["200"]["headers"]
    for responses in by_name.values():
        assert "WWW-Authenticate" in responses["401"]["headers"]
        for status in {"429", "503"} & set(responses):
            assert "Retry-After" in responses[status]["headers"]


def test_examples_are_right(document, service, photo):
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", ()):
            assert set(example) <= set(schema["properties"]), name
    for example in document["components"]["schemas"]["SteeringAsked"]["examples"]:
        hints = [{**hint, "x": 3, "y": 4} for hint in example.get("hints", ())]
        asked = {"steering": {**example, "hints": hints}}
        assert service.post(f"{photo}/preview", json=asked).is_success


def test_the_palette_described_is_the_palette_that_is_read(document, service, exif, photo):
    """Whoever sends what the description allows is not refused, and the other way round."""
    check = Draft202012Validator(SteeringAsked.model_json_schema()).is_valid
    palette = service.post(f"{API}/references?name=sun.jpg", content=exif).json()
    old = {**palette, "bands": [[[3, 7], [0, 9]]] * 3}  # bins and weights, of 0.3
    last = len(color.default_bins()) - 1
    bands = {
        True: [[[1.5, -2, 7]], [[0, 0, 1.0]], [[150, -150, 10_000]], [[last, 1]]],
        False: [
            [[0, 0, 0.5]],
            [[0, 0, 0]],
            [[151, 0, 1]],
            [[0.5, 1]],
            [[last + 1, 1]],
            [[1, 2, 3], [1, 2, 3]],
            [],
            [[1]],
            [[0, 0, 10_001]],
        ],
    }
    wanted = [(palette, True), (old, True)]
    wanted += [({**palette, "bands": [band] * 3}, good) for good in bands for band in bands[good]]
    wanted += [({**palette, "swatches": wrong}, False) for wrong in ({}, [3], None, "#c03020")]
    for reference, good in wanted:
        assert check({"reference": reference}) is good, reference["bands"]
        said = service.post(f"{photo}/session", json={"steering": {"reference": reference}})
        assert said.status_code == (200 if good else 422), said.text


def test_pictures_as_bytes_for_those_who_ask(service, photo, exif):
    plain = {"accept": BYTES}
    for path, asked in (("preview", {}), ("region", {"width": 9}), ("render", {})):
        said = service.post(f"{photo}/{path}", json=asked, headers=plain)
        assert said.headers["content-type"] == BYTES
        assert image_of(said).format == "JPEG"
    said = service.post(f"{API}/colorize", content=exif, headers=plain)
    assert said.headers["content-type"] == BYTES
    both = {"accept": f"{BYTES}, */*"}
    said = service.post(f"{photo}/preview", json={}, headers=both)
    assert said.headers["content-type"] == "image/jpeg"


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        assert tag not in ("script", "style")
        assert not any(name.startswith("on") or name == "style" for name in found)
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found["href"])
        if tag == "link":
            self.loaded.append(found["href"])
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


class TestPage:
    def test_it_tells_of_everything_and_its_links_lead_somewhere(self, document, service):
        said = service.get(f"{API}/docs")
        assert said.headers["content-type"] == "text/html; charset=utf-8"
        found = Links()
        found.feed(said.text)
        assert not found.open
        assert len(found.ids) == len(set(found.ids))
        names = {one["operationId"] for one in operations(document)}
        assert names | set(document["components"]["schemas"]) == set(found.ids)
        for link in found.links:
            if link.startswith("#"):
                assert link[1:] in found.ids
            else:
                assert service.get(link if link[0] == "/" else f"{API}/{link}").is_success
        assert all(service.get(path).is_success for path in found.loaded)
        for one in operations(document):
            for parameter in one.get("parameters", ()):
                assert f"<code>{parameter['name']}</code>" in said.text

    def test_texts_are_no_markup(self, document):
        text = page({**document, "info": {**document["info"], "title": "<script>&`a`"}})
        assert "<script>" not in text
        assert re.search(r"&lt;script&gt;&amp;", text)
