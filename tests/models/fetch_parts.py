"""A local server that behaves badly on request, and a card of a file that it has."""

import hashlib
import http.server
import threading
import time

from koalarize.engines.contracts import Contract
from koalarize.models.catalog import ForeignCard
from koalarize.models.fetch import Patience

QUICK = Patience(timeout=5, attempts=3, pause=0)


class Server:
    """Serves one file, with ranges.

    Attributes:
        data: the file.
        requests: (path, where the range begins, code) of each answer.
        drop_after: bytes after which the next connections are dropped, one each.
        slow: seconds between two blocks.
        refuse: codes of the next answers; None answers as it should.
    """

    def __init__(self, data):
        self.data, self.requests = data, []
        self.drop_after, self.refuse, self.slow = [], [], 0.0
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.answer(self)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.handle_error = lambda *_: None  # clients leave in the middle, on purpose
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, handler):
        start = 0
        if "Range" in handler.headers:
            start = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
        code = self.refuse.pop(0) if self.refuse else None
        if code is not None:
            self.requests.append((handler.path, start, code))
            handler.send_error(code)
            return
        code = 206 if start else 200
        self.requests.append((handler.path, start, code))
        handler.send_response(code)
        part = self.data[start:]
        handler.send_header("Content-Length", str(len(part)))
        handler.send_header("ETag", '"one"')
        if start:
            total = len(self.data)
            handler.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        handler.end_headers()
        most = self.drop_after.pop(0) if self.drop_after else len(part)
        for at in range(0, min(most, len(part)), 4096):
            handler.wfile.write(part[at : min(at + 4096, most)])
            time.sleep(self.slow)
        handler.wfile.flush()
        handler.connection.close() if most < len(part) else None

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def card_for(data, *addresses, **facts):
    return ForeignCard(
        name="tiny",
        summary="For tests.",
        sha256=hashlib.sha256(data).hexdigest(),
        addresses=addresses,
        **{"bytes": len(data), "consent": "", **facts},
        contract=Contract("grey-to-ab"),
        parameters=8,
        source="nobody",
        licence="MIT",
        export_licence="MIT",
    )
