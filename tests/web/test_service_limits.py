"""What the REST service refuses: other hosts, too much at once, broken uploads."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import io
import threading
import time
import weakref
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from fakes import BINS, ClassifyingEngine
from koalarize.color import thread_count
from koalarize.colorizer.chroma import Chroma, Painting
from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.merge import Guidance
from koalarize.errors import OptionError
from koalarize.photo.photo import Photo
from koalarize.steering.steering import Steering
from koalarize.web.studio import strict, work
from koalarize.web.studio.app import create_app
from koalarize.web.studio.photo_store import Opened, _held
from koalarize.web.studio.problems import Problem
from koalarize.web.studio.settings import Settings
from koalarize.web.studio.work_queue import Stop, Stopped, WorkQueue
from rest import API, HOST, MODELS, SlowEngine, client, picture, place_of, problem, studio_of


class TestLimits:
    def test_too_many_bytes(self):
        with client(max_bytes=1000) as opened:
            big = bytes(70_000)
            problem(opened.post(f"{API}/photos", content=big), 413, "too-large", "1,000")
            answer = opened.post(f"{API}/photos", content=iter([big]))
            problem(answer, 413, "too-large")
            answer = opened.post(f"{API}/colorize", files={"picture": ("a.jpg", big)})
            problem(answer, 413, "too-large")

    def test_too_many_pixels(self):
        with client(max_pixels=3000) as opened:
            for path in ("photos", "colorize", "references"):
                answer = opened.post(f"{API}/{path}", content=picture())
                problem(answer, 413, "too-large", "3,500 pixels")

    def test_uploads_hold_too_much(self):
        with client(upload_memory=100) as opened:
            problem(opened.post(f"{API}/photos", content=bytes(101)), 429, "busy")
            answer = opened.post(f"{API}/photos", content=iter([bytes(60), bytes(60)]))
            problem(answer, 429, "busy")
            problem(opened.post(f"{API}/photos", content=bytes(99)), 415, "not-a-picture")

    def test_uploads_in_the_queue_count(self, exif):
        engine = SlowEngine()
        models = {"koala": lambda: Colorizer(engine)}
        with client(upload_memory=2 * len(exif) - 1, models=models) as opened:
            ask = threading.Thread(
                target=opened.post, args=[f"{API}/colorize"], kwargs={"content": exif}
            )
            ask.start()
            assert engine.began.wait(10)
            full = opened.post(f"{API}/colorize", content=exif)
            engine.go.set()
            ask.join(20)
            problem(full, 429, "busy", "uploads")
            assert opened.post(f"{API}/colorize", content=exif).is_success

    def test_what_was_made_of_a_photo_counts(self, exif):
        with client(memory=300_000) as opened:
            place = place_of(opened.post(f"{API}/photos", content=exif))
            for warmth in (0.1, 0.2, 0.3):
                asked = {"steering": {"warmth": warmth, "size": 112}}
                assert opened.post(f"{place}/preview", json=asked).is_success
            (kept,) = studio_of(opened.app).photos._opened.values()
            assert kept.photo.pixels.nbytes < kept.bytes <= 300_000

    def test_views_are_counted_to_the_byte(self):
        opened = Opened(Photo(np.zeros((50, 70), np.uint8)))
        assert opened.bytes == 3500
        opened.small(35)
        assert opened.bytes == 3500 + 35 * 25
        opened.chromas.get("a", lambda: Chroma(Guidance(np.zeros((4, 5, 7), np.float32))))
        assert opened.bytes == 3500 + 35 * 25 + 4 * 4 * 35
        opened.looks.get("a", lambda: Colorizer(ClassifyingEngine()).look(opened.photo))
        least = opened.bytes
        opened.looks.get("a", lambda: None).answers.plain()
        assert opened.bytes > least + 4 * len(BINS) * 28 * 28

    def test_views_are_counted_while_others_are_made(self):
        class Growing:
            """A view during whose count another thread makes one more."""

            __module__ = "koalarize.colorizer"

            def __init__(self, views):
                self.__dict__.update(views=views, pixels=0)

            @property
            def pixels(self):
                self.views[len(self.views)] = None
                return bytes(3)

        views = {}
        views[0] = Growing(views)
        assert _held(views) == 3

    def test_a_full_queue(self, exif):
        engine = SlowEngine()
        models = {"koala": lambda: Colorizer(engine)}
        with client(workers=1, queue=1, models=models) as opened:
            answers = []
            threads = [
                threading.Thread(
                    target=lambda: answers.append(opened.post(f"{API}/colorize", content=exif))
                )
                for _ in range(2)
            ]
            for thread in threads:
                thread.start()
            assert engine.began.wait(10)
            for _ in range(200):
                if opened.get(f"{API}/health").json()["waiting"] == 1:
                    break
                time.sleep(0.02)
            full = opened.post(f"{API}/colorize", content=exif)
            engine.go.set()
            for thread in threads:
                thread.join(20)
        problem(full, 429, "busy")
        assert full.headers["retry-after"] == "1"
        assert [answer.status_code for answer in answers] == [200, 200]

    def test_a_request_that_takes_too_long(self, exif):
        engine = SlowEngine()
        with client(timeout=0.2, models={"koala": lambda: Colorizer(engine)}) as opened:
            answer = opened.post(f"{API}/colorize", content=exif)
            engine.go.set()
        problem(answer, 503, "timed-out", "0.2 seconds")
        assert "retry-after" in answer.headers

    def test_a_bug_says_nothing_of_the_inside(self, exif):
        class Broken(ClassifyingEngine):
            def one(self, lightness, hints):
                raise RuntimeError("secret")

        with client(models={"koala": lambda: Colorizer(Broken())}, raising=False) as opened:
            answer = opened.post(f"{API}/colorize", content=exif)
        assert "secret" not in answer.text
        problem(answer, 500, "bug")

    @pytest.mark.parametrize(
        "limits", [{"workers": 0}, {"queue": -1}, {"timeout": 0}, {"max_pixels": 0}]
    )
    def test_limits_must_make_sense(self, limits):
        with pytest.raises(OptionError, match=next(iter(limits))):
            Settings(**limits)


def talk(app, messages, *, path=f"{API}/photos", stall=False, pause=0.0):
    """Send a body piece by piece, as no client library would; return the answer's messages."""
    sent = []

    async def receive():
        await asyncio.sleep(pause)
        if messages:
            return messages.pop(0)
        if stall:
            await asyncio.sleep(30)
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("localhost", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    asyncio.run(app(scope, receive, send))
    return sent


PIECE = {"type": "http.request", "body": picture()[:100], "more_body": True}


def test_an_upload_that_stalls():
    app = create_app(Settings(upload_idle=0.1), models=MODELS)
    sent = talk(app, [PIECE], stall=True)
    assert sent[0]["status"] == 408
    assert b"stalled" in sent[1]["body"]


def test_an_upload_that_is_cut_off():
    app = create_app(Settings(), models=MODELS)
    sent = talk(app, [PIECE])
    assert sent[0]["status"] == 400
    assert studio_of(app).uploads._held == 0


def test_a_client_that_leaves_frees_its_place(exif):
    engine = SlowEngine()
    app = create_app(Settings(workers=1), models={"koala": lambda: Colorizer(engine)})
    whole = {"type": "http.request", "body": exif, "more_body": False}
    sent = talk(app, [whole], path=f"{API}/colorize")
    assert sent[0]["status"] == 499
    engine.go.set()


class TestBodies:
    """One limit for every address."""

    ADDRESSES = ("photos", "colorize", "references", "nothing", f"photos/{'0' * 64}/preview")

    @pytest.mark.parametrize("path", ADDRESSES[:3] + ADDRESSES[4:])
    @pytest.mark.parametrize("limits", [{"upload_idle": 0.1}, {"upload_seconds": 0.1}])
    def test_a_body_that_stalls(self, path, limits):
        app = create_app(Settings(**limits), models=MODELS)
        sent = talk(app, [PIECE], stall=True, path=f"{API}/{path}")
        assert sent[0]["status"] == 408

    def test_a_body_that_never_ends_though_it_never_stalls(self):
        app = create_app(Settings(upload_seconds=0.3), models=MODELS)
        pieces = [dict(PIECE, body=b" ") for _ in range(100)]
        sent = talk(app, pieces, pause=0.02, path=f"{API}/photos/{'0' * 64}/preview")
        assert sent[0]["status"] == 408
        assert len(pieces) > 50

    @pytest.mark.parametrize(("rate", "status"), [(1000, 408), (100, 415)])
    def test_a_large_body_over_a_slow_line_has_the_time_it_needs(self, rate, status):
        app = create_app(Settings(upload_seconds=0.2, upload_rate=rate), models=MODELS)
        pieces = [dict(PIECE, body=bytes(10)) for _ in range(20)]  # 200 bytes/s at most
        sent = talk(app, [*pieces, dict(PIECE, more_body=False)], pause=0.05)
        assert sent[0]["status"] == status

    @pytest.mark.parametrize("path", ["preview", "region", "render", "session", "session/open"])
    def test_json_has_a_mebibyte(self, service, photo, path):
        body = b" " * (1 << 20) + b"{}"
        headers = {"content-type": "application/json"}
        said = service.post(f"{photo}/{path}", content=body, headers=headers)
        problem(said, 413, "too-large", "1,048,576")
        unannounced = iter([body[: 1 << 19]] * 3)
        said = service.post(f"{photo}/{path}", content=unannounced, headers=headers)
        problem(said, 413, "too-large", "1,048,576")
        assert service.post(f"{photo}/preview", content=body[-1000:], headers=headers).is_success

    def test_large_json_is_read_beside_the_loop(self, service, photo, monkeypatch):
        readers = []
        parse = strict._parse
        monkeypatch.setattr(
            strict,
            "_parse",
            lambda body: (readers.append(threading.current_thread()), parse(body))[1],
        )
        for size in (100, 1 << 19):
            body = b"{}" + b" " * size
            headers = {"content-type": "application/json"}
            assert service.post(f"{photo}/session", content=body, headers=headers).is_success
        assert "asyncio" in readers[1].name
        assert readers[0] is not readers[1]

    def test_keys_are_bounded(self, service, photo):
        asked = {f"k{number}": 0 for number in range(1001)}
        problem(service.post(f"{photo}/preview", json=asked), 422, "not-allowed", "1000 keys")

    def test_lists_are_bounded(self, service, photo):
        band = [[number % 300, 1] for number in range(1001)]
        reference = {"name": "", "sha256": "", "bands": [band, band, band]}
        said = service.post(f"{photo}/preview", json={"steering": {"reference": reference}})
        problem(said, 422, "not-allowed", "1000 colours")

    def test_a_compressed_body_is_named(self, service, exif):
        headers = {"content-encoding": "gzip"}
        said = service.post(f"{API}/photos", content=exif, headers=headers)
        problem(said, 415, "encoded", "gzip")


class Gone:
    """A request whose client has left."""

    scope: ClassVar[dict[str, object]] = {}

    async def receive(self):
        return {"type": "http.disconnect"}


class TestStopping:
    """Work that nobody waits for ends."""

    @pytest.mark.parametrize(("request_", "status"), [(None, 503), (Gone(), 499)])
    def test_work_that_never_began_holds_nothing(self, request_, status):
        queue, go, held = WorkQueue(workers=1, queue=1, timeout=0.1), threading.Event(), []

        class Sent:
            """What an upload is read into."""

        async def ask():
            sent = Sent()
            held.append(weakref.ref(sent))
            try:
                await queue.run(lambda: sent, request_)
            except Problem as problem:
                return problem.status

        async def both():
            first = asyncio.create_task(queue.run(lambda: go.wait(10), hurried=False))
            await asyncio.sleep(0)
            try:
                assert await ask() == status
                gc.collect()
                assert not go.is_set()
                assert held[0]() is None
            finally:
                go.set()
            assert await first

        asyncio.run(both())
        queue.close()

    def test_a_file_has_no_deadline(self, exif):
        engine = SlowEngine()
        with client(timeout=0.2, models={"koala": lambda: Colorizer(engine)}) as opened:
            place = place_of(opened.post(f"{API}/photos", content=exif))
            threading.Timer(0.6, engine.go.set).start()
            assert opened.post(f"{place}/render", json={}).is_success

    def test_the_work_stops_when_the_client_leaves(self, exif, monkeypatch):
        engine, painted = SlowEngine(), []
        monkeypatch.setattr(Chroma, "paint", lambda self, pixels, **_: painted.append(pixels))
        app = create_app(Settings(workers=1), models={"koala": lambda: Colorizer(engine)})
        whole = {"type": "http.request", "body": exif, "more_body": False}
        with TestClient(app, base_url=HOST):
            assert talk(app, [whole], path=f"{API}/colorize")[0]["status"] == 499
            assert engine.began.wait(10)
            engine.go.set()
        assert painted == []

    def test_between_two_colourings(self, exif):
        stop, engine = Stop(), ClassifyingEngine()
        steered = work.Steered(Opened(Photo.read(exif)), "koala", Colorizer(engine), Steering())
        assert len(work.alternatives(steered, stop, count=2, side=64)) == 3
        stop.ask()
        with pytest.raises(Stopped):
            work.alternatives(steered, stop, count=2, side=64)

    def test_colourings_stop_when_the_client_leaves(self, exif, monkeypatch):
        told = []
        monkeypatch.setattr(work, "alternatives", lambda _, stop, **__: told.append(stop) or [])
        with client(timeout=5) as opened:
            place = place_of(opened.post(f"{API}/photos", content=exif))
            seen = []
            run = studio_of(opened.app).queue.run
            monkeypatch.setattr(
                studio_of(opened.app).queue,
                "run",
                lambda job, request, *, stop: seen.append(stop) or run(job, request, stop=stop),
            )
            assert opened.post(f"{place}/alternatives", json={}).is_success
        assert told == seen

    def test_between_two_bands_of_a_large_jpeg(self, monkeypatch):
        stream = io.BytesIO()
        Image.linear_gradient("L").resize((1100, 1300)).save(stream, "JPEG")
        data, stop = stream.getvalue(), Stop()
        opened = Opened(Photo.read(data))
        steered = work.Steered(opened, "koala", Colorizer(ClassifyingEngine()), Steering())
        whole = Colorizer(ClassifyingEngine())(data)
        assert work.render(steered, None, stop, hashlib.sha256(data).hexdigest()) == whole
        bands = []
        rows = Painting.rows

        def counted(painting, top, bottom, *, threads=1):
            bands.append(top)
            stop.ask()
            return rows(painting, top, bottom, threads=threads)

        monkeypatch.setattr(Painting, "rows", counted)
        with pytest.raises(Stopped):
            work.render(steered, None, stop)
        assert 1 <= len(bands) <= thread_count(0)

    def test_between_two_parts(self, exif, monkeypatch):
        monkeypatch.setattr(work, "_PART", 700)
        opened, stop = Opened(Photo.read(exif)), Stop()
        steered = work.Steered(opened, "koala", Colorizer(ClassifyingEngine()), Steering())
        whole = Colorizer(ClassifyingEngine())(exif)
        assert work.render(steered, None, stop, hashlib.sha256(exif).hexdigest()) == whole
        parts = []
        paint = Chroma.paint

        def counted(chroma, pixels, *, area):
            parts.append(area)
            stop.ask()
            return paint(chroma, pixels, area=area)

        monkeypatch.setattr(Chroma, "paint", counted)
        with pytest.raises(Stopped):
            work.render(steered, None, stop)
        assert len(parts) == 1
