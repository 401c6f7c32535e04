"""A small S3 server in memory, as far as pyarrow asks: lists, objects, ranges, uploads in parts."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_SPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
#: Keys of one page of a list, so that lists have several.
_PAGE = 3


@dataclass
class Bucket:
    """Objects with the times when they were put, and what was asked."""

    objects: dict[str, bytes] = field(default_factory=dict)
    times: dict[str, datetime] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    now: datetime = field(default_factory=lambda: datetime(2026, 1, 1, tzinfo=UTC))

    def put(self, key: str, data: bytes) -> None:
        self.now += timedelta(seconds=1)
        self.objects[key], self.times[key] = data, self.now


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body leave together, or each answer waits for 40 ms
    bucket: Bucket

    def handle_expect_100(self) -> bool:
        going = super().handle_expect_100()
        self.wfile.flush()
        return going

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _where(self) -> tuple[str, str, dict[str, str]]:
        parts = urlsplit(self.path)
        self.bucket.asked.append(f"{self.command} {self.path}")
        name, _, key = unquote(parts.path).lstrip("/").partition("/")
        query = {k: v[-1] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        return name, key, query

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _missing(self, code: str = "NoSuchKey") -> None:
        self._answer(404, f"<Error><Code>{code}</Code></Error>".encode())

    def _facts(self, key: str) -> dict[str, str]:
        etag = hashlib.md5(self.bucket.objects[key]).hexdigest()
        time = self.bucket.times[key].strftime("%a, %d %b %Y %H:%M:%S GMT")
        return {"ETag": f'"{etag}"', "Last_Modified": time, "Accept_Ranges": "bytes"}

    def do_HEAD(self) -> None:
        name, key, _ = self._where()
        if name != "bucket" or (key and key not in self.bucket.objects):
            return self._missing()
        if not key:
            return self._answer(200, x_amz_bucket_region="us-east-1")
        size = str(len(self.bucket.objects[key]))
        return self._answer(200, Content_Length=size, **self._facts(key))

    def do_GET(self) -> None:
        name, key, query = self._where()
        if name != "bucket":
            return self._missing("NoSuchBucket")
        if not key:
            return self._list(query)
        if key not in self.bucket.objects:
            return self._missing()
        data = self.bucket.objects[key]
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not found:
            return self._answer(200, data, **self._facts(key))
        first, last = int(found[1]), min(int(found[2] or len(data)), len(data) - 1)
        where = f"bytes {first}-{last}/{len(data)}"
        return self._answer(206, data[first : last + 1], Content_Range=where, **self._facts(key))

    def _list(self, query: dict[str, str]) -> None:
        prefix, after = query.get("prefix", ""), query.get("continuation-token", "")
        rows: dict[str, str] = {}
        for key in sorted(self.bucket.objects):
            if not key.startswith(prefix):
                continue
            rest, slash, _ = key[len(prefix) :].partition(query.get("delimiter") or "\0")
            if slash:
                name = prefix + rest + slash
                rows[name] = f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
            else:
                time = self.bucket.times[key].strftime("%Y-%m-%dT%H:%M:%S.000Z")
                rows[key] = (
                    f"<Contents><Key>{escape(key)}</Key><Size>{len(self.bucket.objects[key])}"
                    f"</Size><LastModified>{time}</LastModified></Contents>"
                )
        names = [name for name in rows if name > after]
        page = names[:_PAGE]
        more = len(names) > len(page)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        body = "".join(rows[name] for name in page)
        text = (
            f"<ListBucketResult {_SPACE}><Name>bucket</Name><Prefix>{escape(prefix)}</Prefix>"
            f"<KeyCount>{len(page)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{token}{body}</ListBucketResult>"
        )
        self._answer(200, text.encode(), Content_Type="application/xml")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            whole = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            whole = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        framed = "aws-chunked" in self.headers.get("Content-Encoding", "")
        return _unframed(whole) if framed else whole

    def do_PUT(self) -> None:
        name, key, query = self._where()
        data = self._body()
        if name != "bucket":
            return self._missing("NoSuchBucket")
        if "partNumber" in query:
            self.bucket.uploads[query["uploadId"]][int(query["partNumber"])] = data
        else:
            self.bucket.put(key, data)
        return self._answer(200, ETag=f'"{hashlib.md5(data).hexdigest()}"')

    def do_POST(self) -> None:
        _, key, query = self._where()
        self._body()
        if "uploads" in query:
            upload = f"u{len(self.bucket.uploads)}"
            self.bucket.uploads[upload] = {}
            text = f"<InitiateMultipartUploadResult {_SPACE}><UploadId>{upload}</UploadId>"
            return self._answer(200, f"{text}</InitiateMultipartUploadResult>".encode())
        parts = self.bucket.uploads.pop(query["uploadId"])
        self.bucket.put(key, b"".join(parts[number] for number in sorted(parts)))
        text = f'<CompleteMultipartUploadResult {_SPACE}><ETag>"x"</ETag>'
        return self._answer(200, f"{text}</CompleteMultipartUploadResult>".encode())

    def do_DELETE(self) -> None:
        _, key, _ = self._where()
        self.bucket.objects.pop(key, None)
        self._answer(204)


def _unframed(whole: bytes) -> bytes:
    """Return a body without the lengths and signatures between its chunks."""
    data, at = b"", 0
    while True:
        end = whole.index(b"\r\n", at)
        size = int(whole[at:end].split(b";")[0], 16)
        if not size:
            return data
        data += whole[end + 2 : end + 2 + size]
        at = end + 4 + size


@contextmanager
def serving() -> Iterator[tuple[Bucket, str]]:
    """Yield a bucket and the end of its addresses: ``s3://bucket/box`` and that."""
    bucket = Bucket()
    handler = type("Handler", (_Handler,), {"bucket": bucket})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    port = server.server_address[1]
    try:
        yield bucket, f"?endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1"
    finally:
        server.shutdown()
        server.server_close()
