"""``koalarize serve``: the studio in a browser, and its REST service.

Not here: the page and the service (``web.studio``), listening (``web.server``).
"""

from __future__ import annotations

import ipaddress
import logging
import math
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

import typer

from koalarize.cli.model_choice import fetch_missing
from koalarize.errors import OptionError

__all__ = ["serve"]


def serve(
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen at; visitors from other machines need a token.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            envvar="KOALARIZE_PORT",
            help="Port of the page. [8765, or a free one]",
            show_default=False,
            show_envvar=True,
        ),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address; open no browser.")
    ] = False,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="SECRET",
            envvar="KOALARIZE_TOKEN",
            help="Token that visitors must give. [drawn where other machines can visit]",
            show_default=False,
            show_envvar=True,
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="KOALARIZE_TOKEN_FILE",
            help="File that holds the token, instead of `--token`.",
            show_default=False,
            show_envvar=True,
        ),
    ] = None,
    trusted_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Name under which a proxy serves it, as photos.example; repeatable.",
            show_default=False,
        ),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="Origin whose pages may use the service, as https://photos.example; repeatable.",
            show_default=False,
        ),
    ] = None,
    max_pixels: Annotated[
        int, typer.Option("--max-pixels", metavar="N", help="Most pixels of a picture.")
    ] = 150_000_000,
    max_bytes: Annotated[
        int, typer.Option("--max-bytes", metavar="N", help="Most bytes of an upload.")
    ] = 256 << 20,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", help="Requests that are computed at once.")
    ] = 2,
    queue: Annotated[
        int, typer.Option("--queue", metavar="N", help="Requests that may wait.")
    ] = 16,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="S", help="Most seconds that a request takes.")
    ] = 60.0,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Another model to offer: a name, an .onnx file or a blend A,B:2; repeatable.",
            show_default=False,
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            "--patience",
            metavar="S",
            min=1,
            help="Seconds that open requests may take to end once it is stopped. [timeout + 5]",
            show_default=False,
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Log a line for each request.")
    ] = False,
) -> None:
    """Open the studio: a page to steer the colours, and a REST service."""
    if math.isinf(timeout):
        raise OptionError("`--timeout` is inf but must be a number of seconds, as in 3600")
    if token_file is not None:
        token = _token_in(token_file, beside=token)
    from koalarize.models.open import check_model
    from koalarize.web.server import checked_token, new_token
    from koalarize.web.server import serve as listen
    from koalarize.web.studio.app import create_app, offered
    from koalarize.web.studio.settings import Settings

    for name in model or ():
        check_model(name)
        fetch_missing(name)
    models = offered(model or ())
    open_to_others = not _is_this_machine(host)
    if open_to_others and not token:
        token = new_token()
    if token:
        token = checked_token(token)
    settings = Settings(
        hosts=(host, *(trusted_host or ())),
        origins=tuple(cors_origin or ()),
        token=token or None,
        max_pixels=max_pixels,
        max_bytes=max_bytes,
        workers=workers,
        queue=queue,
        timeout=timeout,
    )
    if verbose:
        logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
        logging.getLogger("koalarize").setLevel(logging.INFO)

    def announce(address: str) -> None:
        if open_to_others:
            _tell_others(host, address)
        typer.echo(f"{address}  (Ctrl-C stops)", err=True)

    listen(
        create_app(settings, models=models),
        host,
        port,
        not no_browser,
        announce=announce,
        path=f"/?token={quote(token, safe='')}" if token else "/",
        patience=round(timeout) + 5 if patience is None else patience,
    )


def _tell_others(host: str, address: str) -> None:
    """Print the addresses that other machines can use, and a code for a phone's camera."""
    from koalarize.web.addresses import own_addresses, url_of
    from koalarize.web.qr import qr_code, qr_text

    typer.echo(
        f"listening on {host}, so other machines can reach this one; "
        "they need the token in these addresses, sent without encryption",
        err=True,
    )
    parts = urlsplit(address)
    path = address.partition(parts.netloc)[2]
    urls = [url_of(one, parts.port or 80, path) for one in own_addresses(host)]
    for url in urls:
        if url != address:
            typer.echo(f"{url}  (from other machines)", err=True)
    code = qr_code(urls[0]) if urls and sys.stderr.isatty() else None
    for line in [] if code is None else qr_text(code):
        typer.echo(f"\x1b[97;40m{line}\x1b[0m", err=True)


def _token_in(file: Path, *, beside: str | None) -> str:
    if beside:
        raise OptionError("both `--token` and `--token-file` are given: leave one of them out")
    try:
        token = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"`{file}` cannot be read: give a file that holds the token") from error
    if not token.strip():  # without a token everybody would be let in
        raise OptionError(f"`{file}` is empty: give a file that holds the token")
    return token


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
