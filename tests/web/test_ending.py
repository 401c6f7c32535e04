"""How a server ends: a closed terminal, a second Ctrl-C, requests that take too long."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import threading
import time

import pytest

from koalarize.colorizer.colorizer import Colorizer
from koalarize.web.ending import Server
from koalarize.web.server import server_config
from koalarize.web.studio.app import _RequestLog, create_app
from koalarize.web.studio.settings import Settings
from rest import API, SlowEngine, picture, studio_of


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGHUP")
@pytest.mark.parametrize("outlived", [False, True])
def test_a_closed_terminal_ends_it_unless_that_is_to_be_outlived(outlived):
    heard: list[int] = []
    mine = signal.SIG_IGN if outlived else lambda number, frame: heard.append(number)
    before = signal.signal(signal.SIGHUP, mine)
    try:
        server = Server(server_config(create_app(Settings())), lambda: None)
        with server.capture_signals():
            signal.raise_signal(signal.SIGHUP)
            assert server.should_exit is not outlived
            assert heard == []
        assert heard == ([] if outlived else [signal.SIGHUP])  # it is passed on
    finally:
        signal.signal(signal.SIGHUP, before)


def ending(at_once, patience):
    """End a server while a request runs; return the answer and what is left of its folder."""
    engine = SlowEngine()
    app = create_app(Settings(), models={"koala": lambda: Colorizer(engine)})
    folder = studio_of(app).photos._folder.parent
    listening = socket.create_server(("127.0.0.1", 0))
    ready = threading.Event()
    server = Server(server_config(app, patience=patience), ready.set)
    serving = threading.Thread(target=lambda: server.run([listening]))
    serving.start()
    assert ready.wait(10)
    asked = http.client.HTTPConnection(*listening.getsockname(), timeout=10)
    asked.request("POST", f"{API}/colorize", picture())
    assert engine.began.wait(10)
    server.should_exit = True
    if at_once:
        while server.servers and server.servers[0].is_serving():
            time.sleep(0.01)
        server.force_exit = True
    answer = asked.getresponse()
    said = answer.status, answer.getheader("content-type"), answer.read()
    engine.go.set()
    serving.join(10)
    assert not serving.is_alive()
    return said, folder.exists()


@pytest.mark.parametrize(("at_once", "patience"), [(True, 60), (False, 0)])
def test_what_is_not_done_in_time_is_told_that_the_service_stops(at_once, patience, caplog):
    (status, kind, body), left = ending(at_once, patience)
    assert (status, kind) == (503, "application/problem+json")
    assert b"stopping: try again later" in body
    assert not left
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


def test_a_file_that_is_half_sent_ends_without_a_second_answer():
    sent = []

    async def cut():
        begun = asyncio.Event()

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            begun.set()
            await asyncio.sleep(30)

        async def send(message):
            sent.append(message["type"])

        task = asyncio.create_task(_RequestLog(app)({"type": "http", "method": "GET"}, None, send))
        await begun.wait()
        task.cancel()
        await task

    asyncio.run(cut())
    assert sent == ["http.response.start"]
