"""A showcase as one HTML page with a before-and-after slider for each picture; nothing beside it.

Not here: the colouring (``showcase``), the page's look and behaviour (``showcase.html``).
"""

from __future__ import annotations

import base64
import html
import io
from importlib.resources import files
from string import Template

from PIL import Image

from koalarize.errors import OptionError
from koalarize.lab.evaluation.showcase import Showcase, ShowcaseRow

__all__ = ["MOST_BYTES", "to_html"]

#: A heavier page is refused: browsers struggle with it.
MOST_BYTES = 64 << 20
_QUALITY = 90


def to_html(showcase: Showcase, *, title: str = "Koalarize showcase") -> bytes:
    """Write a showcase as a page.

    The images are in the page, as JPEG without chroma subsampling. It works from the keyboard, in
    light and dark, and without a network; without JavaScript it stands still at the middle.

    Raises:
        OptionError: if the page would be heavier than ``MOST_BYTES``.
    """
    template = Template(
        files("koalarize.lab.evaluation").joinpath("showcase.html").read_text(encoding="utf-8")
    )
    left = 0
    right = _first_model(showcase)
    page = template.substitute(
        title=html.escape(title),
        left=_options(showcase.headings, left),
        right=_options(showcase.headings, right),
        hidden="hidden" if len(showcase.headings) < 2 else "",
        pictures="\n".join(_figure(row, showcase.headings, left, right) for row in showcase.rows),
    ).encode()
    if len(page) > MOST_BYTES:
        raise OptionError(
            f"the page would have {len(page) >> 20} MiB but at most {MOST_BYTES >> 20} are "
            "written: lower `--count` or `--size`"
        )
    return page


def _first_model(showcase: Showcase) -> int:
    names = [name for name in showcase.headings if name not in ("grey", "original")]
    return showcase.headings.index(names[0]) if names else len(showcase.headings) - 1


def _options(headings: list[str], chosen: int) -> str:
    return "".join(
        f'<option value="{i}"{" selected" if i == chosen else ""}>{html.escape(name)}</option>'
        for i, name in enumerate(headings)
    )


def _figure(row: ShowcaseRow, headings: list[str], left: int, right: int) -> str:
    name = html.escape(row.name)
    size = next(image.size for image in row.images if image is not None)
    images: list[str] = []
    for i, (image, heading) in enumerate(zip(row.images, headings, strict=True)):
        if image is None:
            continue
        side = " left" if i == left else " right" if i == right else ""
        images.append(
            f'<img class="layer{side}" data-column="{i}" alt="{html.escape(heading)}: {name}" '
            f'width="{size[0]}" height="{size[1]}" src="{_data_uri(image)}">'
        )
    return (
        f'<figure>\n<div class="frame" style="--w:{size[0]};--h:{size[1]}">\n{"".join(images)}\n'
        '<span class="line" aria-hidden="true"></span>'
        '<span class="tag tag-left" aria-hidden="true"></span>'
        '<span class="tag tag-right" aria-hidden="true"></span>\n'
        '<input type="range" min="0" max="100" value="50" step="1" '
        f'aria-label="Slide between the two versions of {name}">\n'
        f"</div>\n<figcaption>{name}</figcaption>\n</figure>"
    )


def _data_uri(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
