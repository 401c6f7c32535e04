"""Behind nginx, as docs/security.md says to set it up; skipped where there is none."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from rest import API, picture

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
PAGE = Path(__file__).parents[2] / "docs" / "security.md"
NAME = "photos.example"
TOKEN = "sixteen-letters-or-more"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="no nginx: apt-get install -y nginx-light"),
]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def recipe(folder: Path, port: int, service: int) -> str:
    """The server of the page, made to listen on a free port without a certificate."""
    block = PAGE.read_text().partition("```nginx\n")[2].partition("```")[0]
    assert "proxy_set_header Host" in block
    kept = [line for line in block.splitlines() if "ssl_" not in line]
    server = "\n".join(kept).replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    server = server.replace("127.0.0.1:8765", f"127.0.0.1:{service}")
    assert str(port) in server
    assert str(service) in server
    paths = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\n  access_log off;\n{paths}\n{server}\n}}\n"
    )


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nginx")
    front, back = free_port(), free_port()
    (folder / "nginx.conf").write_text(recipe(folder, front, back))
    words = [sys.executable, "-m", "koalarize", "serve", "--no-browser", "--port", str(back)]
    words += ["--trusted-host", NAME, "--token", TOKEN]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    service = subprocess.Popen(words, stderr=subprocess.DEVNULL, env=environment)
    nginx = subprocess.Popen([str(NGINX), "-c", str(folder / "nginx.conf"), "-p", str(folder)])
    try:
        for _ in range(150):
            try:
                asked(front, f"{API}/health")
                break
            except OSError:
                assert nginx.poll() is None, (folder / "error.log").read_text()
                time.sleep(0.2)
        yield front
    finally:
        for process in (nginx, service):
            process.terminate()
        for process in (nginx, service):
            process.wait(20)


def asked(port, path, data=None, **headers):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data)
    request.add_header("Host", NAME)
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    return urllib.request.urlopen(request, timeout=60)


def test_a_picture_there_and_back(proxy):
    bearer = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/octet-stream"}
    with asked(proxy, f"{API}/colorize?format=png", picture(), **bearer) as answer:
        assert answer.headers["content-type"] == "image/png"
        assert answer.read(4) == b"\x89PNG"


def test_the_page_of_the_proxys_name(proxy):
    with asked(proxy, "/", Cookie="", Authorization=f"Bearer {TOKEN}") as answer:
        assert b"Koalarize studio" in answer.read()
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_its_own_pages_may_post_and_others_may_not(proxy):
    bearer = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/octet-stream"}
    own = {**bearer, "Origin": f"https://{NAME}"}
    assert asked(proxy, f"{API}/photos", picture(), **own).status == 201
    with pytest.raises(urllib.error.HTTPError, match="403"):
        asked(proxy, f"{API}/photos", picture(), **{**bearer, "Origin": "https://evil.example"})


def test_the_proxy_may_listen_at_any_port(proxy):
    bearer = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/octet-stream"}
    own = {**bearer, "Host": f"{NAME}:8443", "Origin": f"https://{NAME}:8443"}
    assert asked(proxy, f"{API}/photos", picture(), **own).status in (200, 201)


def test_the_token_is_asked_for_behind_it_too(proxy):
    with pytest.raises(urllib.error.HTTPError, match="401"):
        asked(proxy, f"{API}/models")


def test_large_uploads_pass_and_are_refused_by_the_service(proxy):
    bearer = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/octet-stream"}
    with pytest.raises(urllib.error.HTTPError) as refused:
        asked(proxy, f"{API}/photos", bytes(3 << 20), **bearer)
    assert refused.value.code == 415  # nginx alone would say 413 above 1 MiB
