"""A service that is told to stop finishes what runs."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image


def ask(address, method, path, body=None):
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request(method, path, body, {"Content-Type": "image/jpeg"} if body else {})
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="asks by SIGTERM")
def test_a_request_that_runs_is_answered():
    words = [sys.executable, "-m", "koalarize", "serve", "--no-browser", "--port", "0"]
    service = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        assert service.stderr is not None
        found = re.search(r"127\.0\.0\.1:\d+", service.stderr.readline())
        assert found is not None
        address = found[0]
        noise = np.random.default_rng(0).integers(0, 256, (3000, 4000), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, "JPEG")
        answers: list[tuple[int, bytes]] = []
        asked = threading.Thread(
            target=lambda: answers.append(
                ask(address, "POST", "/api/v1/colorize", buffer.getvalue())
            )
        )
        asked.start()
        busy = False
        while asked.is_alive() and not busy:
            busy = json.loads(ask(address, "GET", "/api/v1/health")[1])["busy"] > 0
            time.sleep(0.005)
        assert busy
        service.send_signal(signal.SIGTERM)
        asked.join(60)
        assert service.wait(60) in (0, -signal.SIGTERM)
        status, body = answers[0]
        assert status == 200
        assert Image.open(io.BytesIO(body)).size == (4000, 3000)
        with pytest.raises(OSError):
            ask(address, "GET", "/api/v1/health")
    finally:
        service.kill()
        service.wait()
