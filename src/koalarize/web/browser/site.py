"""Write the static page: all its files into one folder, whole or not at all.

Not here: what the JavaScript is told (``facts``), ONNX Runtime (``runtime``). The page is the
studio's (``web/studio/static``), with what lies in ``root`` beside it or in the place of its parts.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from koalarize.errors import ModelError, OutputError
from koalarize.models.catalog import MODELS
from koalarize.models.open import open_model, parts_of
from koalarize.models.store import find_model
from koalarize.photo.files import advice, sha256_of
from koalarize.web.browser.facts import facts_of, tables_of

__all__ = ["INDEX", "page_of", "write_site"]

#: The list of the files, by which a later run knows its own.
INDEX = "files.json"
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'self'"
)
#: For hosts that know such a file. The last two let the network use several threads.
_HEADERS = f"""# Read by hosts that know such a file; of others see docs/browser.md.
/*
  Content-Security-Policy: {_POLICY}; frame-ancestors 'none'
  X-Content-Type-Options: nosniff
  Referrer-Policy: no-referrer
  Cross-Origin-Opener-Policy: same-origin
  Cross-Origin-Embedder-Policy: require-corp
"""
_ROOT = Path(__file__).parent / "root"
_STUDIO = Path(__file__).parents[1] / "studio" / "static"
#: What keeps the page for visits without a network; it is told which page it is of.
_SERVICE_WORKER = "sw.js"
_VERSION = b"@VERSION@"
#: Of the studio: its page, which becomes another, and what only its service has.
_NOT_SERVED = frozenset({"index.html", "css/api.css", "examples/README.md"})
#: What the studio's page says and shows, and what it becomes.
_CHANGES = (
    (
        '<meta name="color-scheme" content="light dark">',
        f"""<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
  <meta name="color-scheme" content="light dark">""",
    ),
    (
        '<link rel="stylesheet" href="static/css/films.css">',
        """<link rel="stylesheet" href="static/css/browser.css">
  <link rel="manifest" href="manifest.webmanifest">""",
    ),
    (
        '<script type="module" src="static/js/main.js"></script>',
        """<script type="module" src="static/js/main.js"></script>
  <script type="module" src="static/js/installed.js"></script>""",
    ),
    ("<title>Koalarize studio</title>", "<title>Koalarize</title>"),
    ("on this machine.", "in your browser. Nothing is uploaded."),
    (
        "Drop one, or a film, anywhere on this page. </span>Nothing is sent to the internet.",
        "Drop one anywhere on this page. </span>Photos are coloured in your browser, and never "
        "uploaded.",
    ),
    (
        'Other programs can use this server too: <a href="api/v1/docs">the REST API</a>.',
        "Your photos never leave this browser. Films, folders and TIFF are coloured by the "
        "program.",
    ),
)


@dataclass(frozen=True)
class _Kept:
    """A folder that holds an earlier page, and the files that are its own."""

    folder: Path
    files: Mapping[str, str]


def write_site(
    folder: Path, runtime: Mapping[str, bytes], *, model: str, overwrite: bool = False
) -> int:
    """Write the page, or a newer one in the place of an earlier one.

    Args:
        folder: where; it is made, is empty, or holds a page that this function wrote.
        runtime: the files of ONNX Runtime, as ``runtime`` gives them.
        model: a name of ``koalarize models``, or an .onnx file.
        overwrite: whether files of an earlier page are replaced that somebody has changed.

    Returns:
        How many bytes the page has.

    Raises:
        ModelError: if the model is unknown or damaged.
        OptionError: if the page cannot run it.
        OutputError: if the folder holds something else, or cannot be written.
    """
    earlier = _earlier(folder, overwrite=overwrite)
    files = dict(_files(runtime, model))
    version = sha256(json.dumps(_listed(files)).encode()).hexdigest()[:16]
    worker = (_ROOT / _SERVICE_WORKER).read_bytes()
    files[_SERVICE_WORKER] = worker.replace(_VERSION, version.encode())
    index = json.dumps({"koalarize": version, "files": _listed(files)}, indent=1).encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _place(folder, files, index, earlier)
    except OSError as error:
        raise OutputError(
            f"`{folder}` cannot be written ({error.strerror or error}): "
            f"{advice(folder, error.errno)}"
        ) from error
    return sum(map(len, files.values())) + len(index)


def page_of(studio: str) -> str:
    """Return the page, which is the studio's with other words in some places."""
    for old, new in _CHANGES:
        if studio.count(old) != 1:
            raise AssertionError(f"the studio's page has not one `{old}`")
        studio = studio.replace(old, new)
    return studio


def _listed(files: Mapping[str, bytes]) -> list[dict[str, str | int]]:
    return [
        {"path": path, "bytes": len(data), "sha256": sha256(data).hexdigest()}
        for path, data in sorted(files.items())
    ]


def _files(runtime: Mapping[str, bytes], model: str) -> Iterator[tuple[str, bytes]]:
    """Yield the path in the site and the bytes of each file that knows no other."""
    yield "index.html", page_of((_STUDIO / "index.html").read_text("utf-8")).encode()
    for path in sorted(_STUDIO.rglob("*")):
        place = path.relative_to(_STUDIO)
        if path.is_file() and place.as_posix() not in _NOT_SERVED:
            yield f"static/{place.as_posix()}", path.read_bytes()
    for path in sorted(_ROOT.rglob("*")):  # some in the place of the studio's
        place = path.relative_to(_ROOT).as_posix()
        if path.is_file() and place != _SERVICE_WORKER:
            yield place, path.read_bytes()
    yield "_headers", _HEADERS.encode()
    for name, data in runtime.items():
        yield f"ort/{name}", data
    if len(parts_of(model)) > 1:
        raise ModelError(f"`--model` is `{model}` but the page runs one model: name one")
    weights = find_model(model)
    info = open_model(model).info
    data = weights.read_bytes()
    place = f"{sha256(data).hexdigest()[:12]}.onnx"  # of another name when it is another one
    yield place, data
    card = MODELS.get(model)
    summary = "" if card is None else card.summary
    yield "facts.json", facts_of(info, place, data, summary)
    yield "tables.bin", tables_of().data


def _earlier(folder: Path, *, overwrite: bool) -> _Kept:
    """Return the earlier page in a folder.

    Raises:
        OutputError: if the folder holds something else, or a file of it was changed.
    """
    if not folder.exists():
        return _Kept(folder, {})
    if not folder.is_dir():
        raise OutputError(f"`{folder}` is a file but must be a folder: name another one")
    index = folder / INDEX
    if not index.is_file():
        if any(folder.iterdir()):
            raise OutputError(
                f"`{folder}` is not empty and holds no page of koalarize: name another folder"
            )
        return _Kept(folder, {})
    try:
        facts: Any = json.loads(index.read_bytes())
        files = {str(one["path"]): str(one["sha256"]) for one in facts["files"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"`{index}` is no list of koalarize's files: name another folder, or remove it"
        ) from error
    if any(Path(path).is_absolute() or ".." in Path(path).parts for path in files):
        raise OutputError(f"`{index}` names files outside `{folder}`: name another folder")
    for path, known in files.items() if not overwrite else ():
        place = folder / path
        if place.is_file() and sha256_of(place) != known:
            raise OutputError(
                f"`{place}` was changed since it was written: give another folder, or "
                "`--overwrite` to replace it"
            )
    return _Kept(folder, files)


def _place(folder: Path, files: Mapping[str, bytes], index: bytes, earlier: _Kept) -> None:
    """Write all files beside the folder, then move them in; the list of them comes last.

    Raises:
        OSError: if that fails.
    """
    fresh = Path(tempfile.mkdtemp(prefix=".koalarize-", suffix=".part", dir=folder))
    try:
        for path, data in files.items():
            (fresh / path).parent.mkdir(parents=True, exist_ok=True)
            (fresh / path).write_bytes(data)
        for path in files:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (fresh / path).replace(folder / path)
        (fresh / INDEX).write_bytes(index)
        (fresh / INDEX).replace(folder / INDEX)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    for path in set(earlier.files) - set(files):
        (folder / path).unlink(missing_ok=True)
