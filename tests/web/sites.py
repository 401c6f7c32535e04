"""What tests of the page that colours in the browser share: its files, served as any host would."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from koalarize.web.browser.runtime import taken
from koalarize.web.browser.site import write_site

RUNTIME = Path(__file__).parents[2] / "node_modules" / "onnxruntime-web"
#: Mark of what runs the page's network.
WITH_RUNTIME = pytest.mark.skipif(not RUNTIME.is_dir(), reason="no onnxruntime-web: npm ci")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, format: str, *args: Any) -> None:
        del format, args


@contextlib.contextmanager
def served(folder: Path, model: str = "koala") -> Generator[str]:
    """Write the page below the root of a host; yields its address."""
    write_site(folder / "photos", taken(RUNTIME), model=model)
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/photos/"
        server.shutdown()
