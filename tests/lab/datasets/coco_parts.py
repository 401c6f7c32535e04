"""What the tests of coco share."""

import http.server
import io
import json
import re
import threading
import zipfile

import numpy as np
from PIL import Image

from koalarize.lab.datasets.coco import Archive, prepare_coco
from koalarize.models.fetch import Patience

SETS = (Archive("test2017", "train"), Archive("test2014", "train"), Archive("val2017", "test"))


QUICK = Patience(timeout=5, attempts=3, pause=0)


def picture(seed, size=48):
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    return jpeg(Image.fromarray(noise))


def jpeg(image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def grey(seed):
    """A grey picture with three channels, as COCO has them."""
    noise = np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)
    return jpeg(Image.fromarray(noise).convert("RGB"))


def members(name, number=6):
    prefix = {"test2014": "COCO_test2014_"}.get(name, "")
    seed = sum(name.encode())
    colored = {f"{name}/{prefix}{n:012d}.jpg": picture(seed + n) for n in range(number)}
    other = {f"{name}/{prefix}{n:012d}.jpg": grey(seed + n) for n in range(90, 92)}
    return {**colored, **other, f"{name}/{prefix}{99:012d}.jpg": picture(seed)[:300]}


def zipped(files, folder=None):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        if folder is not None:
            archive.mkdir(folder) if hasattr(archive, "mkdir") else None
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def corrupted(data, files, number=2):
    """Change one byte in a member's data: its CRC no longer fits."""
    at = data.index(list(files.values())[number]) + 100
    return data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]


class Server:
    """Serves bytes under /NAME.zip; every odd thing it does is named when it is asked for."""

    def __init__(self):
        self.files = {f"{one.name}.zip": zipped(members(one.name)) for one in SETS}
        self.requests = []  # (name, Range, answer)
        self.drops = []  # bytes after which the next connections end
        self.answers = []  # status codes of the next connections
        self.ranges = True
        self.lengths = True
        self.etags = True
        self.etag = "one"
        self.then = None  # called after each answer
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                server.answer(self)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def answer(self, request):
        name = request.path.lstrip("/")
        asked = request.headers.get("Range")
        data = self.files.get(name)
        code = self.answers.pop(0) if self.answers else (200 if data is not None else 404)
        if code != 200:
            self.requests.append((name, asked, code))
            request.send_response(code)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        tag = f'"{self.etag}-{name}"'
        start = int(re.fullmatch(r"bytes=(\d+)-", asked).group(1)) if asked else 0
        condition = request.headers.get("If-Range", tag)
        ranged = bool(asked) and self.ranges and condition == tag
        code, start = (206, start) if ranged else (200, 0)
        if ranged and start >= len(data):
            code = 416
        self.requests.append((name, asked, code))
        request.send_response(code)
        if self.etags:
            request.send_header("ETag", tag)
        if code == 206:
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        body = data[start:] if code != 416 else b""
        if self.lengths:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if self.drops:
            body = body[: self.drops.pop(0)]
            request.close_connection = True
        request.wfile.write(body)
        request.close_connection = request.close_connection or not self.lengths
        if self.then is not None:
            self.then()

    def count(self, name):
        return sum(1 for requested, _, _ in self.requests if requested == f"{name}.zip")


def prepare(server, dest, **options):
    options = {"archives": SETS, "mirror": server.url, "patience": QUICK, **options}
    return prepare_coco(dest, **options)


def only_val(server, dest, **options):
    return prepare(server, dest, only=["val2017"], **options)[0]


def tree(folder):
    """Everything in a folder: relative path -> bytes."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def manifest(dest):
    return json.loads((dest / "coco.json").read_text())["sets"]


def expected(name="val2017", part="test"):
    """Where the members of an archive must come to lie."""
    files = members(name)
    kinds = ["", *[""] * 5, "grey", "grey", "broken"]
    return {
        f"{kind or part}/{path}": data
        for (path, data), kind in zip(files.items(), kinds, strict=True)
    }


def pictures_of(dest):
    return {name: data for name, data in tree(dest).items() if name.endswith(".jpg")}
