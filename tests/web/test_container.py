"""The Dockerfile without a builder: its locks, its start, its health check and its stop."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text()
LINES = [line for line in TEXT.replace("\\\n", "").splitlines() if line and line[0] != "#"]


def words(name):
    """The words of an instruction in its JSON form."""
    (line,) = [line for line in LINES if re.search(rf"^{name} ", line)]
    return json.loads(line[line.index("[") :])


def locked(path):
    return {
        name.lower().replace("_", "-"): version
        for name, version in re.findall(r"^([\w.-]+)==(\S+)", path.read_text(), re.MULTILINE)
    }


def test_the_locks_hold_every_package_by_its_hash():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [re.match(r"[\w-]+", text)[0].lower() for text in project["dependencies"]]
    found = locked(ROOT / "docker" / "requirements.txt")
    assert set(wanted) <= set(found)
    assert "hatchling" in locked(ROOT / "docker" / "build.txt")
    for name in ("requirements.txt", "build.txt"):
        text = (ROOT / "docker" / name).read_text()
        for part in re.split(r"^(?=\S)", text, flags=re.MULTILINE):
            assert not part.strip() or "--hash=sha256:" in part, part
    installs = re.findall(r"pip install [^&]*", TEXT)
    assert all("--require-hashes" in one or "--no-deps" in one for one in installs)


def test_the_base_is_named_by_its_digest():
    bases = {line.split()[1] for line in LINES if line.startswith("FROM")}
    assert bases == {"${BASE}"}
    (given,) = [line for line in LINES if line.startswith("ARG BASE=")]
    assert re.fullmatch(r"ARG BASE=python:[\w.-]+@sha256:[0-9a-f]{64}", given)
    assert LINES.index(given) < next(n for n, line in enumerate(LINES) if line.startswith("FROM"))


def test_what_changes_most_is_copied_last():
    copies = [line for line in LINES if line.startswith("COPY") and "--from" not in line]
    assert copies[0] == "COPY docker ./docker"
    assert copies[-1] == "COPY src ./src"
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for line in copies:
        for name in line.split()[1:-1]:
            assert (ROOT / name).exists()
            assert f"!{name}" in ignored
    # The library of an editable install would lie beside the one that the image compiles.
    assert {f"**/merge_rows{end}" for end in (".so", ".dylib", ".dll")} <= set(ignored)


@pytest.mark.skipif(os.name != "posix", reason="containers stop by a signal")
def test_it_starts_is_well_and_stops_within_ten_seconds(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "KOALARIZE_PORT": port, "TMPDIR": str(tmp_path)}
    assert words("ENTRYPOINT") == ["koalarize"]
    command = [sys.executable, "-m", "koalarize", *words("CMD")]
    served = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    health = [sys.executable, *words("HEALTHCHECK")[1:]]
    try:
        for _ in range(100):
            well = subprocess.run(health, env=environment, capture_output=True, check=False)
            if well.returncode == 0:
                break
            assert served.poll() is None, served.stderr and served.stderr.read()
            time.sleep(0.2)
        assert well.returncode == 0, well.stderr
        with socket.create_connection(("127.0.0.1", int(port))) as open_still:
            open_still.sendall(b"POST /api/v1/photos HTTP/1.1\r\nhost: 127.0.0.1\r\n")
            served.send_signal(signal.SIGTERM)
            assert served.wait(10) in (0, -signal.SIGTERM)
    finally:
        served.kill()
        served.wait()
    assert list(tmp_path.iterdir()) == []
