"""The studio's application: the REST API, the page's files, and what stands guard before both.

Not here: each endpoint (``routes``), the server that listens (``web.server``).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

import koalarize
from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import OptionError
from koalarize.models.catalog import FOREIGN, MODELS
from koalarize.models.store import is_here
from koalarize.web.cors import Cors
from koalarize.web.server import App, Guard, Message, Receive, Send
from koalarize.web.studio import api_page, openapi, problems
from koalarize.web.studio.bodies import BodyLimit
from koalarize.web.studio.film_store import FilmStore
from koalarize.web.studio.folder import Folder
from koalarize.web.studio.heap import give_back
from koalarize.web.studio.photo_store import PhotoStore
from koalarize.web.studio.routes import router
from koalarize.web.studio.settings import Settings
from koalarize.web.studio.squeeze import Squeeze
from koalarize.web.studio.state import PREFIX, Studio
from koalarize.web.studio.strict import Head
from koalarize.web.studio.uploads import UploadReader
from koalarize.web.studio.work import Models
from koalarize.web.studio.work_queue import WorkQueue

__all__ = ["PREFIX", "create_app", "offered"]

_LOG = logging.getLogger(__name__)

_STATIC = Path(__file__).parent / "static"
_ABOUT = """\
Puts colour into black-and-white photos, and lets a person steer the colours.

`POST /colorize` takes a picture and gives the coloured one. The other addresses serve a page that
steers a photo step by step: upload it once, then ask for previews, suggestions and the file.
Coordinates are pixels of the upright, full-size photo, after `steering.turn` and `straighten`.
Errors are problem details (RFC 9457), `application/problem+json`. Where the service asks for a
token, send it as `Authorization: Bearer`. Who accepts `application/octet-stream` alone gets
pictures under that name.
"""
_ELSEWHERE = (
    "open the one it printed; if a proxy stands before it, start it with `--trusted-host` and the "
    "name that people open"
)
_STOPPING = problems.Problem(503, "the service is stopping: try again later")
#: Seconds a client may take to accept one piece of an answer.
_SLOWEST_READER = 60.0


def create_app(
    settings: Settings | None = None,
    *,
    models: Mapping[str, Callable[[], Colorizer]] | None = None,
) -> App:
    """Return the application, to be served by ``web.server.serve`` or any ASGI server.

    Args:
        settings: the limits; those of ``Settings`` by default.
        models: what loads each model that may be asked for; by default those of the catalogue
            that are on this machine.
    """
    settings = settings or Settings()
    loaders = models or offered()
    # Removed when the service stops, or with the application if it was never served.
    folder = Folder("photos", "films")
    studio = Studio(
        settings,
        Models(loaders),
        WorkQueue(workers=settings.workers, queue=settings.queue, timeout=settings.timeout),
        # Apart: a photo and a film of the same bytes have one id.
        PhotoStore(folder.path / "photos", settings, folder.restore),
        FilmStore(folder.path / "films", settings, folder.restore),
        UploadReader(settings),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None, None]:
        clock = asyncio.create_task(_sweep_by_clock(studio, folder))
        try:
            yield
        finally:
            clock.cancel()
            await asyncio.to_thread(studio.films.close)
            await asyncio.to_thread(studio.queue.close)
            await asyncio.to_thread(folder.remove)

    app = FastAPI(
        title="Koalarize",
        version=koalarize.__version__,
        description=_ABOUT,
        openapi_tags=openapi.TAGS,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # their page loads scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # to an address without the proxy's scheme and path
        lifespan=lifespan,
    )
    app.state.studio = studio
    problems.install(app)
    app.include_router(router, prefix=PREFIX)
    app.add_api_route("/", _page, include_in_schema=False)
    openapi.complete(app)
    app.add_api_route(f"{PREFIX}/docs", api_page.endpoint(app), include_in_schema=False)
    if _STATIC.is_dir():
        app.mount("/static", _Static(directory=_STATIC), name="static")
    public = (f"{PREFIX}/health",)
    # A rebound name brings no token, and behind a token any name may be this machine's.
    hosts = ("*",) if settings.token is not None else settings.hosts
    uploads = frozenset(f"{PREFIX}/{part}" for part in ("photos", "references", "colorize"))
    pages = ("/", f"{PREFIX}/docs", f"{PREFIX}/openapi.json")
    squeezed = Squeeze(app, below="/static/", paths=pages)
    bounded = BodyLimit(Head(squeezed), settings, uploads=uploads, films=f"{PREFIX}/films")
    guard = Guard(
        bounded,
        hosts=hosts,
        token=settings.token,
        public=public,
        origins=settings.origins,
        refusal=problems.refusal,
        elsewhere=_ELSEWHERE,
    )
    return _RequestLog(Cors(guard, settings.origins))


async def _sweep_by_clock(studio: Studio, folder: Folder) -> None:
    """Let photos go when their time is over, though nobody asks for anything."""
    settings = studio.settings
    soonest = min(settings.expiry, settings.grace, settings.idle)
    while True:
        await asyncio.sleep(max(0.01, min(30.0, soonest / 4)))
        try:
            for work in (folder.restore, studio.photos.sweep, studio.films.sweep, give_back):
                await asyncio.to_thread(work)
        except OSError as error:  # the next time is another
            _LOG.warning("what is too old could not be removed: %s", error)


async def _page() -> Response:
    if not (_STATIC / "index.html").is_file():
        return RedirectResponse(f"{PREFIX}/openapi.json")
    return FileResponse(_STATIC / "index.html", headers={"cache-control": "no-cache"})


def offered(more: Sequence[str] = ()) -> dict[str, Callable[[], Colorizer]]:
    """Return what loads each model of the catalogue that is here, and others that are named.

    Args:
        more: names, files and blends; a file is offered by its name without the ending.

    Raises:
        OptionError: if two of them would have the same name.
    """
    here = [*MODELS, *(name for name, card in FOREIGN.items() if is_here(card))]
    loaders = {name: _loader(name) for name in here}
    for model in dict.fromkeys(more):
        name = Path(model).stem if model.lower().endswith(".onnx") and "," not in model else model
        if name in loaders and model not in here:
            raise OptionError(f"two models are called `{name}`: give the file `{model}` another")
        loaders[name] = _loader(model)
    return loaders


def _loader(name: str) -> Callable[[], Colorizer]:
    return lambda: Colorizer.load(name)


class _Static(StaticFiles):
    """The page's files, which a browser asks about each time: they change with the version."""

    async def get_response(self, path: str, scope: Message) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "no-cache"
        return response


class _RequestLog:
    """Logs one line a request, without addresses' contents, and gives up on stalled readers."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, sent, start = 0, 0, time.perf_counter()

        async def counted(message: Message) -> None:
            nonlocal status, sent
            status = message.get("status", status)
            sent += len(message.get("body", b""))
            await asyncio.wait_for(send(message), _SLOWEST_READER)

        try:
            await self._app(scope, receive, counted)
        except TimeoutError:
            _LOG.warning("a reader stalled and was given up")
        except asyncio.CancelledError:
            # The server stops, and would answer with a bug of its own.
            _LOG.warning("a request was ended, since the service stops")
            if not status:
                await problems.answer(_STOPPING)(scope, receive, counted)
        finally:
            route = getattr(scope.get("route"), "path", "-")
            _LOG.info(
                "request method=%s route=%s status=%d bytes=%d ms=%.0f",
                scope["method"],
                route,
                status,
                sent,
                1000 * (time.perf_counter() - start),
            )
