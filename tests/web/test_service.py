"""The REST service: every endpoint and every error; with a stand-in for the network."""

from __future__ import annotations

import base64
import io
import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from fakes import ClassifyingEngine
from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.photo.files import FORMATS, MEDIA_TYPES
from koalarize.photo.photo import Photo
from koalarize.web.studio.app import create_app
from koalarize.web.studio.settings import Settings
from koalarize.web.studio.uploads import safe_name
from rest import (
    API,
    HINTED,
    HOST,
    MODELS,
    client,
    image_of,
    picture,
    place_of,
    problem,
    studio_of,
)


class TestPhotos:
    def test_upload(self, service, exif):
        first = service.post(f"{API}/photos?name=a/b/oma.jpg", content=exif)
        info = first.json()
        assert info["name"] == "oma.jpg"
        assert (info["width"], info["height"], info["format"]) == (70, 50, "JPEG")
        assert (info["grey"], info["deep"], info["exif"]) == (True, False, True)
        assert info["pages"] == 1
        assert info["bytes"] == len(exif)
        again = service.post(f"{API}/photos", files={"picture": ("neu.jpg", exif)})
        assert again.status_code == 200
        assert (again.json()["id"], again.json()["name"]) == (info["id"], "neu.jpg")
        assert service.get(place_of(again)).json() == again.json()

    def test_delete(self, service):
        answer = service.post(f"{API}/photos", content=picture(9, 9))
        assert answer.status_code == 201
        assert service.delete(place_of(answer)).status_code == 204
        problem(service.get(place_of(answer)), 404, "not-found", "upload it again")
        problem(service.delete(place_of(answer)), 404, "not-found")

    @pytest.mark.parametrize("data", [b"", b"hello", picture()[:300], b"%!PS-Adobe"])
    def test_no_picture(self, service, data):
        problem(service.post(f"{API}/photos", content=data), 415, "not-a-picture")
        problem(service.post(f"{API}/colorize", content=data), 415, "not-a-picture")
        problem(service.post(f"{API}/references", content=data), 415, "not-a-picture")

    def test_a_cut_picture_is_read_as_far_as_it_goes_if_that_is_asked(self, service):
        cut, missing = picture(90, 60, "JPEG")[:-200], "what is missing of it is filled up"
        for place in ("photos", "colorize"):
            said = service.post(f"{API}/{place}", content=cut)
            problem(said, 415, "damaged", "ask for what there is of it (`tolerant=true`)")
        said = service.post(f"{API}/colorize?tolerant=true", content=cut)
        assert missing in said.headers["koalarize-notes"]
        kept = service.post(f"{API}/photos?tolerant=true", content=cut)
        assert missing in kept.json()["notes"][0]
        studio_of(service.app).photos._opened.clear()  # it is read again from its file
        assert image_of(service.post(f"{place_of(kept)}/render", json={})).size == (90, 60)
        problem(service.post(f"{API}/photos", content=cut), 415, "damaged")

    def test_of_a_reference_that_is_cut_no_part_is_offered(self, service):
        said = service.post(f"{API}/references", content=picture(90, 60, "JPEG")[:-200])
        problem(said, 415, "not-a-picture", "from where it came from.")

    @pytest.mark.parametrize("path", ["0" * 64, "..%2f..%2fetc%2fpasswd", "x"])
    def test_unknown(self, service, path):
        answer = service.post(f"{API}/photos/{path}/preview", json={})
        assert answer.status_code in (404, 422)
        assert answer.headers["content-type"] == "application/problem+json"

    def test_the_oldest_leave(self):
        with client(photos=2) as opened:
            places = [
                place_of(opened.post(f"{API}/photos", content=picture(9, 9 + i))) for i in range(3)
            ]
            assert [opened.get(place).status_code for place in places] == [404, 200, 200]

    def test_the_unused_leave(self):
        with client(expiry=0.05) as opened:
            place = place_of(opened.post(f"{API}/photos", content=picture(9, 9)))
            time.sleep(0.1)
            problem(opened.get(place), 404, "not-found")

    def test_decoded_again_when_memory_is_short(self):
        with client(memory=1) as opened:
            places = [
                place_of(opened.post(f"{API}/photos", content=picture(20, 20 + i)))
                for i in range(3)
            ]
            for place in places:
                assert opened.post(f"{place}/preview", json={}).status_code == 200

    def test_nothing_stays_on_disk(self, tmp_path, monkeypatch):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        with client() as opened:
            opened.post(f"{API}/photos", content=picture())
            opened.post(f"{API}/photos", files={"picture": ("a.png", picture(600, 600, "PNG"))})
            (folder,) = tmp_path.iterdir()
            assert sum(path.is_file() for path in folder.rglob("*")) == 2
        assert list(tmp_path.iterdir()) == []


class TestSteering:
    @pytest.mark.parametrize("kind", ["jpeg", "webp", "png"])
    def test_preview(self, service, photo, kind):
        answer = service.post(f"{photo}/preview", json={"side": 35, "format": kind})
        shown = image_of(answer)
        assert (shown.format.lower(), shown.size) == (kind, (35, 25))
        assert answer.headers["content-type"] == f"image/{kind}"

    def test_never_enlarged(self, service, photo):
        assert image_of(service.post(f"{photo}/preview", json={})).size == (70, 50)

    def test_grey_is_the_original(self, service, photo, exif):
        shown = image_of(service.post(f"{photo}/preview", json={"grey": True, "format": "png"}))
        assert np.array_equal(np.asarray(shown), np.asarray(Image.open(io.BytesIO(exif))))

    def test_a_hint_shows(self, service, photo):
        asked = {"format": "png", "steering": HINTED}
        srgb = np.asarray(image_of(service.post(f"{photo}/preview", json=asked)))
        assert color.srgb_to_lab(srgb)[25, 20, 2] < -20
        plain = np.asarray(image_of(service.post(f"{photo}/preview", json={"format": "png"})))
        assert color.srgb_to_lab(plain)[25, 20, 2] > 0

    def test_a_region_is_what_saving_gives(self, service, photo):
        whole = np.asarray(image_of(service.post(f"{photo}/render", json={"format": "png"})))
        asked = {"x": 11, "y": 7, "width": 500, "height": 20, "format": "png"}
        part = np.asarray(image_of(service.post(f"{photo}/region", json=asked)))
        assert np.array_equal(part, whole[7:27, 11:])

    def test_a_smaller_region(self, service, photo):
        asked = {"width": 60, "height": 40, "scale": 0.5, "grey": True}
        assert image_of(service.post(f"{photo}/region", json=asked)).size == (30, 20)

    def test_a_region_outside(self, service, photo):
        said = service.post(f"{photo}/region", json={"x": 70, "y": 0})
        problem(said, 422, "not-allowed", "outside the photo")

    def test_a_region_too_large(self):
        with client() as opened:
            wide = opened.post(f"{API}/photos", content=picture(5000, 4, "PNG"))
            said = opened.post(f"{place_of(wide)}/region", json={"width": 5000})
            problem(said, 422, "not-allowed", "lower `scale`")

    def test_suggestions(self, service, photo):
        said = service.post(f"{photo}/suggestions", json={"x": 10, "y": 20, "count": 3}).json()
        assert 0 < said["lightness"] < 100
        assert said["color"].startswith("#")
        shares = [one["probability"] for one in said["suggestions"]]
        assert shares == sorted(shares, reverse=True)
        assert len(shares) == 3

    def test_alternatives(self, service, photo):
        said = service.post(f"{photo}/alternatives", json={"count": 2, "side": 32}).json()
        found = said["alternatives"]
        assert [one["alternative"] for one in found] == [0, 1, 2]
        assert found[0]["difference"] == 0
        assert min(one["difference"] for one in found[1:]) > 1
        head, data = found[1]["preview"].split(",")
        assert head == "data:image/jpeg;base64"
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (32, 23)

    @pytest.mark.parametrize("path", ["suggestions", "alternatives"])
    def test_a_model_without_distributions(self, service, photo, path):
        asked = {"steering": {"model": "plain"}}
        asked |= {"x": 1, "y": 1} if path == "suggestions" else {}
        said = service.post(f"{photo}/{path}", json=asked)
        problem(said, 422, "not-allowed", "not how likely")

    @pytest.mark.parametrize(
        ("steering", "word"),
        [
            ({"model": "koalo"}, "koala"),
            ({"model": "/etc/passwd.onnx"}, "unknown"),
            ({"warmth": 2}, "warmth"),
            ({"warmth": "1"}, "warmth"),
            ({"vividness": -1}, "vividness"),
            ({"size": 8}, "size"),
            ({"alternative": 13}, "alternative"),
            ({"colour": 1}, "`steering.colour` is an unknown key"),
            ({"hints": [{"x": 1, "y": 1}]}, "`steering.hints.0.color` is missing"),
            ({"crop": [0, 0, 9, 9]}, "`steering.crop` is [0, 0, 9, 9] but must be an object"),
            (
                {"hints": [{"x": 1, "y": 1, "color": "red"}]},
                "'red' but must be #rrggbb or #rgb: give",
            ),
            ({"hints": [{"x": 99, "y": 1, "color": "#fff"}]}, "outside the photo"),
            ({"hints": [{"x": 1, "y": 1, "color": "#fff"}] * 201}, "hints"),
            ({"reference": {"name": "", "sha256": "", "bands": [[], [], []]}}, ""),
            (None, "steering"),
        ],
    )
    def test_wrong_values(self, service, photo, steering, word):
        said = service.post(f"{photo}/preview", json={"steering": steering})
        problem(said, 422, "not-allowed", word)

    def test_where_it_is_wrong(self, service, photo):
        hints = [{"x": 1, "y": 1, "color": "red"}]
        said = service.post(f"{photo}/preview", json={"steering": {"hints": hints}}).json()
        assert said["errors"][0]["where"] == "body.steering.hints.0.color"
        assert "#rrggbb" in said["errors"][0]["message"]

    @pytest.mark.parametrize("body", [b"{", b"\xff", b'{"side": NaN}', b"[" * 99_999])
    def test_no_json(self, service, photo, body):
        headers = {"content-type": "application/json"}
        answer = service.post(f"{photo}/preview", content=body, headers=headers)
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/problem+json"


class TestFiles:
    def test_render_keeps_everything(self, service, photo, exif):
        answer = service.post(f"{photo}/render", json={"steering": HINTED})
        saved = image_of(answer)
        assert saved.format == "JPEG"
        assert saved.getexif()[0x010F] == "Box camera"
        assert saved.info["dpi"] == pytest.approx((300, 300))
        assert 'filename="oma.color.jpg"' in answer.headers["content-disposition"]
        before = Photo.read(exif).lightness()
        after = color.srgb_to_lab(np.asarray(saved))[..., 0]
        assert np.abs(after - before).mean() < 1.5  # what JPEG does to it

    @pytest.mark.parametrize(
        ("asked", "kind", "ending"),
        [("png", "PNG", "png"), ("tiff", "TIFF", "tif"), ("webp", "WEBP", "webp")],
    )
    def test_formats(self, service, photo, asked, kind, ending):
        answer = service.post(f"{photo}/render", json={"format": asked})
        assert image_of(answer).format == kind
        assert f'oma.color.{ending}"' in answer.headers["content-disposition"]
        assert int(answer.headers["content-length"]) == len(answer.content)

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP"])
    def test_a_photo_without_an_extension_gets_that_of_its_format(self, service, kind):
        place = service.post(f"{API}/photos?name=oma", content=picture(9, 9, kind))
        answer = service.post(f"{place_of(place)}/render", json={})
        name = re.search(r'filename="oma.color(.*)"', answer.headers["content-disposition"])
        assert image_of(answer).format == kind
        assert FORMATS[name[1]] == kind
        assert answer.headers["content-type"] == MEDIA_TYPES[kind] == Image.MIME[kind]

    def test_a_session_there_and_back(self, service, photo, exif):
        palette = service.post(f"{API}/references?name=sun.jpg", content=exif).json()
        steering = {**HINTED, "warmth": 0.25, "alternative": 1, "reference": palette}
        answer = service.post(f"{photo}/session", json={"steering": steering})
        assert 'filename="oma.koalarize.json"' in answer.headers["content-disposition"]
        opened = service.post(f"{photo}/session/open", content=answer.content).json()
        assert opened["reference"] == palette
        assert (opened["warmth"], opened["alternative"]) == (0.25, 1)
        hint = {"x": 20, "y": 25, "color": "#3050c0", "radius": None, "reach": None}
        assert opened["hints"] == [hint]

    def test_rendering_is_what_the_colorizer_does(self, service, photo, exif):
        from koalarize.steering.session import Session

        asked = {"steering": {**HINTED, "vividness": 1.3}}
        session = Session.loads(service.post(f"{photo}/session", json=asked).content)
        expected = Colorizer(ClassifyingEngine())(exif, steering=session.steering)
        assert service.post(f"{photo}/render", json=asked).content == expected

    def test_a_session_on_a_smaller_copy(self, service, photo, exif):
        """Places come to the size of the copy, and a note says so."""
        session = service.post(f"{photo}/session", json={"steering": HINTED}).content
        small = Image.open(io.BytesIO(exif)).resize((140, 100))
        buffer = io.BytesIO()
        small.save(buffer, "PNG")
        id = service.post(f"{API}/photos?name=b.png", content=buffer.getvalue()).json()["id"]
        said = service.post(f"{API}/photos/{id}/session/open", content=session)
        hint = said.json()["hints"][0]
        assert (hint["x"], hint["y"]) == (40.5, 50.5)
        assert "from 70 × 50 to 140 × 100 pixels" in json.loads(said.headers["koalarize-notes"])[0]
        own = service.post(f"{photo}/session/open", content=session)
        assert "koalarize-notes" not in own.headers

    def test_another_photos_session(self, service, photo):
        other = place_of(service.post(f"{API}/photos", content=picture(30, 30)))
        session = service.post(f"{other}/session", json={}).content
        said = service.post(f"{photo}/session/open", content=session)
        problem(said, 409, "other-photo", "belongs to")

    @pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff"])
    def test_no_session(self, service, photo, body):
        problem(service.post(f"{photo}/session/open", content=body), 422, "not-allowed")

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("../../etc/passwd", "passwd"),
            ("C:\\Fotos\\oma.jpg", "oma.jpg"),
            ('a"b\r\nX: y.jpg', "abX y.jpg"),
            ("...", ""),
            ("größe.jpg", "größe.jpg"),
            ("x" * 500 + ".jpg", "x" * 116 + ".jpg"),
        ],
    )
    def test_names_do_no_harm(self, name, expected):
        assert safe_name(name) == expected


class TestColorize:
    def test_raw(self, service, exif):
        answer = service.post(f"{API}/colorize", content=exif)
        assert answer.content == Colorizer(ClassifyingEngine())(exif)
        assert answer.headers["content-type"] == "image/jpeg"

    def test_form_with_everything(self, service, exif):
        sun = io.BytesIO()
        Image.new("RGB", (9, 9), (240, 130, 40)).save(sun, "PNG")
        query = "format=png&vividness=0.9&warmth=0.2&size=64&alternative=1&hint=20,25=%233050c0"
        files = {"picture": ("oma.jpg", exif), "reference": ("sun.png", sun.getvalue())}
        answer = service.post(f"{API}/colorize?{query}", files=files)
        assert image_of(answer).format == "PNG"
        assert 'filename="oma.color.png"' in answer.headers["content-disposition"]
        without = service.post(f"{API}/colorize?{query}", files={"picture": ("o.jpg", exif)})
        assert without.content != answer.content

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ("format=gif", "`format` is 'gif' but must be 'png', 'jpeg', 'tiff' or 'webp'"),
            ("vividness=nan", "`vividness` is 'nan' but must be a finite number"),
            ("size=1", "`size` is '1' but must be greater than or equal to 16"),
            ("best=perhaps", "`best` is 'perhaps' but must be a valid boolean"),
            ("hint=1", "the hint `1` must be"),
            ("hint=999,1=%23fff", "outside the photo"),
            ("model=koalo", "the model `koalo` is unknown, did you mean `koala`?"),
        ],
    )
    def test_wrong_values(self, service, exif, query, said):
        found = problem(service.post(f"{API}/colorize?{query}", content=exif), 422, "not-allowed")
        assert said in found["detail"]
        assert "?:" not in found["detail"]

    @pytest.mark.parametrize(
        "files",
        [
            {"image": ("a.jpg", b"x")},
            [("picture", ("a.jpg", b"x")), ("picture", ("b.jpg", b"x"))],
            {"reference": ("a.jpg", b"x")},
        ],
    )
    def test_wrong_forms(self, service, files):
        problem(service.post(f"{API}/colorize", files=files), 400, "bad-request", "picture")

    @pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=x"])
    def test_broken_forms(self, service, kind):
        answer = service.post(f"{API}/colorize", content=b"abc", headers={"content-type": kind})
        problem(answer, 400, "bad-request")

    def test_what_cannot_be_written_becomes_png(self, service):
        answer = service.post(f"{API}/colorize", content=picture(kind="GIF"))
        assert image_of(answer).format == "PNG"


class TestColours:
    def test_gamut(self, service):
        said = service.get(f"{API}/gamut?lightness=50").json()
        assert len(said["boundary"]) == 72
        lab = np.array([[50, a, b] for a, b in said["boundary"]], np.float32)
        assert color.in_gamut(lab, tolerance=1e-2).all()
        lab[:, 1:] *= 1.03
        assert not color.in_gamut(lab).any()
        assert np.abs(lab[:, 1:]).max() < said["extent"]

    def test_gamut_picture(self, service):
        shown = image_of(service.get(f"{API}/gamut.png?lightness=50&side=64"))
        levels = np.asarray(shown)
        assert levels.shape == (64, 64, 4)
        assert levels[32, 32, 3] == 255
        assert levels[0, 0, 3] == 0
        up = color.srgb_to_lab(levels[20:21, 32:33, :3])[0, 0]
        assert up == pytest.approx((50, 1.7, 39.5), abs=1.5)

    @pytest.mark.parametrize("query", ["", "?lightness=101", "?lightness=x", "?lightness=nan"])
    def test_wrong_lightness(self, service, query):
        problem(service.get(f"{API}/gamut{query}"), 422, "not-allowed", "lightness")
        problem(service.get(f"{API}/gamut.png{query}"), 422, "not-allowed", "lightness")

    def test_reference(self, service):
        sun = io.BytesIO()
        Image.new("RGB", (9, 9), (240, 130, 40)).save(sun, "PNG")
        said = service.post(f"{API}/references?name=sun.png", content=sun.getvalue()).json()
        assert said["name"] == "sun.png"
        assert len(said["bands"]) == 3
        assert said["swatches"]

    def test_what_the_colours_of_a_reference_lack_is_noted(self, service):
        grey = io.BytesIO()
        Image.new("L", (9, 9), 90).save(grey, "PNG")
        sent = service.post(f"{API}/references?name=old.png", content=grey.getvalue())
        (note,) = json.loads(sent.headers["koalarize-notes"])
        assert "`old.png` has next to no colours" in note
        both = {"picture": grey.getvalue(), "reference": grey.getvalue()}
        sent = service.post(f"{API}/colorize", files=both)
        assert sent.status_code == 200
        assert "has next to no colours" in json.loads(sent.headers["koalarize-notes"])[-1]


class TestFacts:
    def test_models(self, service):
        found = service.get(f"{API}/models").json()["models"]
        assert [(one["name"], one["suggests"], one["default"]) for one in found] == [
            ("koala", True, True),
            ("plain", False, False),
        ]

    def test_limits_and_health(self, service):
        assert service.get(f"{API}/limits").json()["workers"] == Settings().workers
        assert service.get(f"{API}/health").json()["status"] == "ok"

    def test_description(self, service):
        document = service.get(f"{API}/openapi.json").json()
        operations = [one for path in document["paths"].values() for one in path.values()]
        names = [one["operationId"] for one in operations]
        assert len(set(names)) == len(names) == 27
        assert "HTTPValidationError" not in json.dumps(document)
        for one in operations:
            kinds = [list(answer.get("content", {})) for answer in one["responses"].values()]
            assert ["application/problem+json"] in kinds

    def test_nothing_there(self, service):
        problem(service.get(f"{API}/nothing"), 404, "not-found")
        problem(service.get(f"{API}/colorize"), 405, "method-not-allowed")
        problem(service.get("/static/../app.py"), 404, "not-found")


def test_the_page_or_the_description(service):
    answer = service.get("/", follow_redirects=False)
    page = Path(__file__).parents[2] / "src/koalarize/web/studio/static/index.html"
    assert answer.status_code == (200 if page.is_file() else 307)


@pytest.mark.slow
def test_the_description_holds():
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, given, settings

    app = create_app(Settings(), models=MODELS)
    with TestClient(app, base_url=HOST) as opened:
        document = opened.get(f"{API}/openapi.json").json()
        place = opened.post(f"{API}/photos", content=picture()).json()["id"]
        schema = schemathesis.openapi.from_dict(document)
        for operation in schema.get_all_operations():

            @given(case=operation.ok().as_strategy())
            @settings(
                max_examples=15,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            def check(case):
                if "id" in (case.path_parameters or {}) and case.method != "DELETE":
                    case.path_parameters["id"] = place
                sent = case.as_transport_kwargs(base_url=HOST)
                sent.pop("cookies", None)
                answer = opened.request(**sent)
                assert answer.status_code < 500, (case.method, case.path, answer.text)
                described = case.operation.definition.raw["responses"]
                assert str(answer.status_code) in described, (case.path, answer.text)

            check()
